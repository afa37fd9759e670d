"""Serves the page, a model and LiteRT.js from this machine, and nothing else."""

import http
import http.server
import json
import os
import pathlib
import shutil
import urllib.parse

from tfpose.errors import InputError

__all__ = ["LITERTJS", "copy_site", "find_site", "open_server"]

LITERTJS = "@litertjs/core@2.5.3"
"""The npm package that the page was written for and is tested with."""

_TASKS = ("top_down_pose", "multi_person_pose")
_PAGE = pathlib.Path(__file__).resolve().parent / "page"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".wasm": "application/wasm",
}
_OTHER_TYPE = "application/octet-stream"
_HEADERS = {
    # Threads in wasm need shared memory, which browsers give to isolated pages only.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    # Nothing from elsewhere; LiteRT.js makes functions and workers as it starts.
    "Content-Security-Policy": "default-src 'self' data: blob: 'unsafe-inline' "
    "'unsafe-eval'",
    "Cache-Control": "no-cache",
}


def find_site(
    model: str, litertjs: str, picture: str | None = None
) -> dict[str, pathlib.Path]:
    """The files of the site by their place in it.

    Args:
        model: a `.tflite` of a pose net or a boxless net, with the JSON sidecar of its
            exporter.
        litertjs: folder that npm installed `LITERTJS` into (with `--prefix`).
        picture: photo that the page shows first, at the place `picture`.

    Raises:
        InputError: a file is not there, or the model is for another task.
    """
    tflite = pathlib.Path(model)
    sidecar = tflite.with_suffix(".json")
    _check_model(tflite, sidecar)
    packages = pathlib.Path(litertjs) / "node_modules" / "@litertjs"
    needed = [packages / "core" / "dist" / "index.js", packages / "core" / "wasm"]
    needed.append(packages / "wasm-utils" / "dist" / "index.js")
    for path in needed:
        if not path.exists():
            raise InputError(
                f"--litertjs: {path} is not there; install the package with: "
                f"npm install --prefix {litertjs} {LITERTJS}"
            )
    site = {path.name: path for path in _PAGE.iterdir()}
    site |= {"model.tflite": tflite, "model.json": sidecar}
    for package in ("core", "wasm-utils"):
        for path in sorted((packages / package).rglob("*")):
            if path.suffix in (".js", ".wasm"):
                place = path.relative_to(packages).as_posix()
                site[f"litertjs/{place}"] = path
    if picture is not None:
        if not pathlib.Path(picture).is_file():
            raise InputError(f"--picture: {picture}: no such file")
        site["picture"] = pathlib.Path(picture)
    return site


def _check_model(tflite: pathlib.Path, sidecar: pathlib.Path) -> None:
    if not tflite.is_file():
        raise InputError(f"--model: {tflite}: no such file")
    with open(tflite, "rb") as file:
        beginning = file.read(8)
    if beginning[4:] != b"TFL3":
        raise InputError(f"--model: {tflite} is no .tflite file")
    if not sidecar.is_file():
        raise InputError(
            f"--model: {sidecar} is not there, the description that export.litert "
            f"writes beside {tflite.name}"
        )
    try:
        metadata = json.loads(sidecar.read_text(encoding="utf-8"))
        task = metadata["task"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{sidecar}: is no description of a model: {error}") from None
    if task not in _TASKS:
        raise InputError(
            f"{sidecar}: the model's task is {task!r}, expected {' or '.join(_TASKS)}: "
            "pixels to keypoints"
        )


def copy_site(site: dict[str, pathlib.Path], folder: str) -> None:
    """Copies the files to where any static web server can serve them from.

    That server has to send `.wasm` as `application/wasm`; for threads it has to send
    this one's two `Cross-Origin` headers, too.
    """
    for place, path in site.items():
        target = pathlib.Path(folder) / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def open_server(
    site: dict[str, pathlib.Path], host: str = "127.0.0.1", port: int = 8000
) -> http.server.ThreadingHTTPServer:
    """A server of these files, to be started with `serve_forever`.

    Args:
        site: see `find_site`.
        host: address to listen at.
        port: 0 for one that is free.

    Raises:
        InputError: the address is taken or is none of this machine's.
    """

    class Handler(_Handler):
        files = site

    try:
        return http.server.ThreadingHTTPServer((host, port), Handler)
    except (OSError, OverflowError) as error:
        raise InputError(f"cannot listen at {host}:{port}: {error}") from None


class _Handler(http.server.BaseHTTPRequestHandler):
    """Gives out the files of a table, under no other names."""

    protocol_version = "HTTP/1.1"
    files: dict[str, pathlib.Path]

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, with_body: bool) -> None:
        place = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path).lstrip("/")
        path = self.files.get(place or "index.html")
        if path is None or not path.is_file():
            self.send_error(http.HTTPStatus.NOT_FOUND)
            return
        try:
            with open(path, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                self.send_response(http.HTTPStatus.OK)
                self.send_header("Content-Type", _TYPES.get(path.suffix, _OTHER_TYPE))
                self.send_header("Content-Length", str(size))
                self.end_headers()
                if with_body:
                    shutil.copyfileobj(file, self.wfile)
        except ConnectionError:  # The browser went elsewhere.
            self.close_connection = True

    def end_headers(self) -> None:
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Says nothing of what went well."""
