"""The web page's files on a free port, and the page of them in a browser."""

import threading

from export.web.server import open_server

__all__ = ["Served", "show"]


class Served:
    """A site on a free port."""

    def __init__(self, site):
        self._server = open_server(site, port=0)
        self.address = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._server.shutdown()
        self._server.server_close()


def show(browser, address: str, sign: str):
    """Opens an address and waits for a JavaScript expression to become true."""
    browser.requests.clear()
    browser.messages.clear()
    browser.call("Page.navigate", url=address)
    browser.wait_for(
        f"document.readyState == 'complete' && !!globalThis.tfpose && {sign}"
    )
    return browser
