"""Encoded image files to RGB pixels, and where the files come from.

Every reader of the repository decodes here, so an image that is broken, rotated or
in an unusual colour space is treated in one way everywhere.
"""

import functools
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import cv2
import numpy as np
from absl import logging

from tfpose.errors import InputError

__all__ = [
    "PHOTO_SUFFIXES",
    "FileImages",
    "ImageStore",
    "decode_image",
    "image_size",
]

PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif"}
"""Of files that are photos by their names, in small letters."""

REDUCTIONS = (1, 2, 4, 8)

# The next marker inside entropy-coded data: not a stuffed zero, restart or fill byte.
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Bytes of TIFF's short and long integers, without and with signs. The standard wants a
# short; some programs write a long.
_INTEGERS = {3: 2, 4: 4, 8: 2, 9: 4}
# Beginnings of formats that have 8 bits only: BMP, WebP, GIF.
_SHALLOW = (b"BM", b"RIFF", b"GIF8")
# Bits of a sample that cameras and microscopes write into 16.
_USED_BITS = (8, 10, 12, 14, 16)
_REDUCED_FLAGS = {
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}


class ImageStore(Protocol):
    """Encoded image files by row number; safe to read from many threads."""

    def __len__(self) -> int: ...

    def read(self, image_index: int) -> bytes:
        """The encoded image file of a row. Raises InputError if it cannot be read."""
        ...

    def describe(self, image_index: int) -> str:
        """The image's name for messages."""
        ...


class FileImages:
    """Image files on disk, one path per row."""

    def __init__(self, paths: Sequence[str | os.PathLike]):
        self.paths = [os.fspath(path) for path in paths]

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, image_index: int) -> bytes:
        path = self.paths[image_index]
        try:
            with open(path, "rb") as file:
                return file.read()
        except OSError as error:
            raise InputError(f"{path}: image not readable: {error.strerror}") from None

    def describe(self, image_index: int) -> str:
        return self.paths[image_index]


@dataclass(frozen=True)
class _Header:
    """What the file says of itself: stored size in px, EXIF orientation 1..8, and
    whether its samples have more than 8 bits.
    """

    kind: str
    height: int
    width: int
    orientation: int = 1
    deep: bool = False

    @property
    def stored(self) -> tuple[int, int]:
        return self.height, self.width

    @property
    def upright(self) -> tuple[int, int]:
        return self.stored[::-1] if self.orientation >= 5 else self.stored


def decode_image(
    data: bytes,
    size: tuple[int, int] | None = None,
    name: str = "",
    reduce: int = 1,
) -> np.ndarray:
    """Decodes an image file to RGB. Thread-safe; OpenCV works without the GIL.

    JPEG (grayscale, progressive, CMYK in Adobe's inverted kind) and PNG (palette,
    16 bit) are understood, and what else OpenCV reads. Transparency is dropped, not
    blended. Of samples of 16 bits the highest 8 that the image uses are taken: one of
    which none reaches 4,096 has 12 bits, as of many cameras; a warning says so. Floats
    are taken for 0 to 1.

    `reduce` decodes JPEG at 1/2, 1/4 or 1/8 in the DCT domain, for a person who is
    far larger than the network's input. The result has ceil(H / reduce) rows and
    ceil(W / reduce) columns, and its pixel k is the mean of the full image's pixels
    reduce*k .. reduce*k + reduce - 1: full = (k + 0.5) * reduce - 0.5, the pixel
    convention of `tfpose/codecs/heatmap.py`. Images that are not plain upright JPEG
    are decoded in full and averaged, so that the mapping holds for all.

    Args:
        data: bytes. The encoded file.
        size: (height, width) in px that the dataset's record declares. The EXIF
            rotation is applied or ignored, whichever gives this size (applied if both
            do). Without it, EXIF rotation is applied.
        name: str. Names the image in messages.
        reduce: int. 1, 2, 4 or 8.

    Returns:
        uint8 `[H, W, 3]`, RGB, contiguous.

    Raises:
        InputError: not an image, truncated, of another size than declared, or of
            samples of another kind.
    """
    if reduce not in REDUCTIONS:
        raise ValueError(f"reduce must be one of {REDUCTIONS}, received {reduce}")
    name = name or "image"
    header = _parse_header(data, name)
    if header is None:
        return _decode_other(data, size, name, reduce)
    rotate = _must_rotate(header, size, name)
    if header.kind == "JPEG" and reduce > 1 and not rotate:
        flag = _REDUCED_FLAGS[reduce] | cv2.IMREAD_IGNORE_ORIENTATION
        return cv2.cvtColor(_imdecode(data, flag, name), cv2.COLOR_BGR2RGB)
    image = _decode_rgb(data, cv2.IMREAD_IGNORE_ORIENTATION, name, header.deep)
    if image.shape[:2] != header.stored:
        raise InputError(
            f"{name}: decoded to {_text(image.shape)}, but its header says "
            f"{_text(header.stored)}"
        )
    if rotate:
        image = _apply_orientation(image, header.orientation)
    return _average(image, reduce)


def image_size(data: bytes, name: str = "") -> tuple[int, int]:
    """(height, width) in px as `decode_image` without `size` returns it.

    Reads the header only where the format is JPEG or PNG.

    Raises:
        InputError: not an image, or truncated.
    """
    header = _parse_header(data, name or "image")
    if header is not None:
        return header.upright
    height, width = decode_image(data, name=name).shape[:2]
    return height, width


def _text(shape: Sequence[int]) -> str:
    return f"{shape[1]} x {shape[0]} px"


def _parse_header(data: bytes, name: str) -> _Header | None:
    """The header of a JPEG or PNG that is whole; None for other formats."""
    if not data:
        raise InputError(f"{name}: empty file, expected an image")
    if data[:2] == b"\xff\xd8":
        return _parse_jpeg(data, name)
    if data[:8] == _PNG_SIGNATURE:
        return _parse_png(data, name)
    return None


def _parse_jpeg(data: bytes, name: str) -> _Header:
    """Walks the markers to the end-of-image marker.

    Decoders fill what is missing with grey or stop with a bare "no image". Looking for
    the end marker in the file's last bytes is no test either: cameras append data
    after it, and an embedded thumbnail has an end marker of its own.
    """
    frame, orientation, position = None, 1, 2
    while True:
        position = data.find(b"\xff", position)
        if position < 0 or position + 1 >= len(data):
            raise InputError(f"{name}: truncated JPEG (no end marker)")
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        position += 2
        if marker == 0xD9:
            break
        if marker == 0x00 or marker == 0x01 or 0xD0 <= marker <= 0xD8:
            continue
        segment = data[position : position + 2]
        length = int.from_bytes(segment, "big")
        if len(segment) < 2 or position + length > len(data):
            raise InputError(f"{name}: truncated JPEG (inside a header segment)")
        body = data[position + 2 : position + length] if marker != 0xDA else b""
        if marker in _JPEG_FRAMES and len(body) >= 6:
            frame = body
        elif marker == 0xE1 and body[:6] == b"Exif\0\0":
            orientation = _exif_orientation(body[6:])
        position += length
        if marker == 0xDA:
            found = _NEXT_MARKER.search(data, position)
            if found is None:
                raise InputError(f"{name}: truncated JPEG (no end marker)")
            position = found.start()
    if frame is None:
        raise InputError(f"{name}: not a JPEG image (no frame header)")
    height, width = (int.from_bytes(frame[i : i + 2], "big") for i in (1, 3))
    return _Header("JPEG", height, width, orientation)


def _parse_png(data: bytes, name: str) -> _Header:
    height = width = depth = 0
    orientation, position = 1, 8
    while position + 8 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4 : position + 8]
        body = data[position + 8 : position + 8 + length]
        if kind == b"IHDR" and len(body) >= 8:
            width, height = (int.from_bytes(body[i : i + 4], "big") for i in (0, 4))
            depth = int.from_bytes(body[8:9])
        elif kind == b"eXIf":
            orientation = _exif_orientation(body)
        position += 12 + length
        if kind == b"IEND" and position <= len(data):
            return _Header("PNG", height, width, orientation, depth > 8)
    raise InputError(f"{name}: truncated PNG (no IEND chunk)")


def _exif_orientation(tiff: bytes) -> int:
    """Tag 0x0112 of the first image directory; 1 where absent or senseless."""
    orders: dict[bytes, Literal["little", "big"]] = {b"II": "little", b"MM": "big"}
    order = orders.get(tiff[:2])
    if order is None or len(tiff) < 10:
        return 1
    start = int.from_bytes(tiff[4:8], order)
    count = int.from_bytes(tiff[start : start + 2], order)
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        if int.from_bytes(tiff[entry : entry + 2], order) == 0x0112:
            kind = int.from_bytes(tiff[entry + 2 : entry + 4], order)
            size = _INTEGERS.get(kind, 0)
            value = int.from_bytes(tiff[entry + 8 : entry + 8 + size], order)
            return value if 1 <= value <= 8 else 1
        if entry + 12 > len(tiff):
            break
    return 1


def _must_rotate(header: _Header, size: tuple[int, int] | None, name: str) -> bool:
    if size is None or tuple(size) == header.upright:
        return header.orientation != 1
    if tuple(size) == header.stored:
        return False
    raise InputError(
        f"{name}: the image is {_text(header.upright)}, its record says {_text(size)}"
    )


def _apply_orientation(image: np.ndarray, orientation: int) -> np.ndarray:
    """Turns a stored image upright (EXIF 2.32, tag Orientation)."""
    if orientation >= 5:
        image = cv2.transpose(image)
    flips = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}
    return cv2.flip(image, flips[orientation]) if orientation in flips else image


def _imdecode(data: bytes, flags: int, name: str) -> np.ndarray:
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise InputError(f"{name}: image refused by OpenCV: {error.err}") from None
    if image is None and data[4:8] == b"ftyp":
        kind = data[8:12].decode("ascii", "replace").strip()
        raise InputError(f"{name}: {kind} is not read; expected JPEG, PNG or the like")
    if image is None:
        raise InputError(f"{name}: not an image, or a corrupt one ({_found(data)})")
    return image


def _found(data: bytes) -> str:
    return f"{len(data)} bytes starting {data[:4].hex(' ')}"


def _decode_other(
    data: bytes, size: tuple[int, int] | None, name: str, reduce: int
) -> np.ndarray:
    """Formats without a header parser here: rotation is tried, then ignored."""
    deep = not data.startswith(_SHALLOW)
    image = _decode_rgb(data, 0, name, deep)
    if size is not None and image.shape[:2] != tuple(size):
        flag = cv2.IMREAD_IGNORE_ORIENTATION
        upright, image = image, _decode_rgb(data, flag, name, deep)
        if image.shape[:2] != tuple(size):
            raise InputError(
                f"{name}: the image is {_text(upright.shape)}, its record says "
                f"{_text(size)}"
            )
    return _average(image, reduce)


def _decode_rgb(data: bytes, flag: int, name: str, deep: bool) -> np.ndarray:
    """uint8 RGB; `deep` where samples may have more than 8 bits."""
    if deep:
        image = _imdecode(data, cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR | flag, name)
        if image.dtype != np.uint8:
            image = _shallow(image, name)
            code = cv2.COLOR_GRAY2RGB if image.ndim == 2 else cv2.COLOR_BGR2RGB
            return cv2.cvtColor(image, code)
    return _imdecode(data, cv2.IMREAD_COLOR_RGB | flag, name)


def _shallow(image: np.ndarray, name: str) -> np.ndarray:
    """uint8 of deeper samples."""
    top = image.max(initial=0)
    if image.dtype == np.uint16:
        bits = next(bits for bits in _USED_BITS if top < 2**bits)
        if bits < 16:
            _say_bits(bits, name)
        return (image >> (bits - 8)).astype(np.uint8)
    if image.dtype.kind == "f" and image.min(initial=0) >= 0 and top <= 1:
        return np.rint(image * 255).astype(np.uint8)
    raise InputError(
        f"{name}: samples are {image.dtype} up to {top:g}; expected 8 or 16 bits, or "
        "floats from 0 to 1"
    )


@functools.cache
def _say_bits(bits: int, name: str) -> None:
    # Once for each image: training decodes it again and again.
    logging.warning(
        "%s: its samples of 16 bits use %d, and are scaled by these", name, bits
    )


def _average(image: np.ndarray, reduce: int) -> np.ndarray:
    """Means of reduce x reduce blocks; the last ones repeat the image's edge."""
    if reduce == 1:
        return image
    height, width = image.shape[:2]
    rows, columns = -(-height // reduce), -(-width // reduce)
    image = cv2.copyMakeBorder(
        image,
        0,
        rows * reduce - height,
        0,
        columns * reduce - width,
        cv2.BORDER_REPLICATE,
    )
    return cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA)
