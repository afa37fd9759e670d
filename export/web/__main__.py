"""`python -m export.web`: a page on this machine that runs a model in the browser."""

import argparse
from collections.abc import Sequence

from export.web.server import LITERTJS, copy_site, find_site, open_server
from tfpose.command_line import run_command

_LITERTJS_FOLDER = "runs/litertjs"


def main(arguments: Sequence[str] | None = None) -> None:
    """Serves until Ctrl-C; exit code 2 and one line for bad input."""
    run_command(_parser(), _run, arguments)


def _run(chosen: argparse.Namespace) -> None:
    site = find_site(chosen.model, chosen.litertjs, chosen.picture)
    if chosen.out:
        copy_site(site, chosen.out)
        print(f"{len(site)} files in {chosen.out}")
        return
    server = open_server(site, chosen.host, chosen.port)
    query = "?picture=picture" if chosen.picture else ""
    print(f"http://{chosen.host}:{server.server_port}/{query}", flush=True)
    with server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m export.web",
        description="Serves a page that runs a .tflite pose net in the browser.",
    )
    parser.add_argument(
        "--model",
        required=True,
        help="a .tflite pose net or LOGO-CAP net, its .json beside it",
    )
    parser.add_argument(
        "--litertjs",
        default=_LITERTJS_FOLDER,
        help=f"folder of LiteRT.js: npm install --prefix {_LITERTJS_FOLDER} {LITERTJS}",
    )
    parser.add_argument("--picture", help="a photo to begin with")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at")
    parser.add_argument("--port", type=int, default=8000, help="0 for a free one")
    parser.add_argument(
        "--out", help="folder to copy the page to, for another server, and stop"
    )
    return parser


if __name__ == "__main__":
    main()
