"""Sizes of many image files, read from as few bytes as will do."""

import os
from collections.abc import Iterable

__all__ = ["image_records", "stored_jpeg_size"]

# Start of frame: all of 0xC0 to 0xCF but tables and arithmetic coding conditions.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def stored_jpeg_size(path: str | os.PathLike) -> tuple[int, int] | None:
    """(height, width) px of a JPEG as stored, whatever its EXIF rotation says.

    Seeks from marker to marker, so only a few bytes of a photo are read; whether it
    is whole shows when it is decoded. None for another format or no such file.
    """
    try:
        with open(path, "rb") as file:
            if file.read(2) != b"\xff\xd8":
                return None
            while True:
                head = file.read(4)
                while head[:2] == b"\xff\xff":
                    head = head[1:] + file.read(1)
                if len(head) < 4 or head[0] != 0xFF or head[1] in (0xD9, 0xDA):
                    return None
                if head[1] in _FRAMES:
                    size = file.read(5)[1:]
                    height, width = size[:2], size[2:]
                    return int.from_bytes(height, "big"), int.from_bytes(width, "big")
                file.seek(int.from_bytes(head[2:], "big") - 2, os.SEEK_CUR)
    except OSError:
        return None


def image_records(images: Iterable[tuple[int, str]], folder: str) -> list[dict]:
    """Images (id, file name) as `readers.coco_images.read_images` takes them.

    Labels of files without sizes were made on pixels as stored, so that size is
    declared, and no EXIF rotation is applied later.
    """
    records = []
    for image_id, name in images:
        record: dict = {"id": image_id, "file_name": name}
        size = stored_jpeg_size(os.path.join(folder, name))
        if size is not None:
            record |= {"height": size[0], "width": size[1]}
        records.append(record)
    return records
