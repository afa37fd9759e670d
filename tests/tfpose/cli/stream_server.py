"""A server that sends a video while it is made, as cameras do."""

import contextlib
import http.server
import threading
from collections.abc import Iterator

import av
import numpy as np

__all__ = ["stream_server"]


@contextlib.contextmanager
def stream_server(frames: int) -> Iterator[int]:
    """Its port. Whoever asks gets frames of 64 x 48 px, 25 a second, as MPEG-TS."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError, av.error.FFmpegError):
                _send(self.wfile, frames)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


class _Pipe:
    """What can only be written to, from start to end."""

    def __init__(self, file) -> None:
        self.write = file.write


def _send(file, frames: int) -> None:
    with av.open(_Pipe(file), "w", format="mpegts") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(frames):
            image = np.full((48, 64, 3), 5 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode(None))
