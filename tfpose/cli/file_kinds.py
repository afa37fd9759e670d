"""What a file is, by how it begins: suffixes are often wrong, or unknown."""

import pathlib
from typing import Literal

import cv2
import numpy as np

from data_pipelines.images import PHOTO_SUFFIXES
from data_pipelines.video import VIDEO_SUFFIXES

__all__ = ["file_kind", "has_more_frames", "may_be_video"]

_PHOTOS = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"BM", b"II*\0", b"MM\0*")
# Matroska and WebM, Flash, ASF and WMV, MPEG.
_VIDEOS = (b"\x1aE\xdf\xa3", b"FLV\1", b"0&\xb2u", b"\0\0\1\xba", b"\0\0\1\xb3")
# MP4's relatives that hold photos.
_PHOTO_BRANDS = (b"hei", b"hev", b"mif", b"msf", b"avif")


def file_kind(path: pathlib.Path) -> str:
    """One of "photo", "video", and "" if neither the beginning nor the suffix tells."""
    try:
        with open(path, "rb") as file:
            head = file.read(16)
    except OSError:
        head = b""
    if head.startswith(b"GIF8"):
        return "video" if has_more_frames(path.read_bytes()) else "photo"
    if head[4:8] == b"ftyp":
        return "photo" if head[8:].startswith(_PHOTO_BRANDS) else "video"
    if head[:4] == b"RIFF" and head[8:12] in (b"WEBP", b"AVI "):
        return "photo" if head[8:12] == b"WEBP" else "video"
    if head.startswith(_PHOTOS):
        return "photo"
    suffix = path.suffix.lower()
    if head.startswith(_VIDEOS) or suffix in VIDEO_SUFFIXES:
        return "video"
    return "photo" if suffix in PHOTO_SUFFIXES else ""


def may_be_video(path: pathlib.Path) -> bool:
    """Whether a file of no known kind is worth a try; FFmpeg draws texts, too."""
    try:
        with open(path, "rb") as file:
            return b"\0" in file.read(4096)
    except OSError:
        return True


def has_more_frames(data: bytes) -> bool:
    """Whether a GIF, PNG, WebP or TIFF file has frames or pages after its first."""
    if data.startswith(b"GIF8"):
        whole, frames = cv2.imdecodemulti(np.frombuffer(data, np.uint8), 1)
        return whole and len(frames) > 1
    if data.startswith(b"\x89PNG"):
        return b"acTL" in data[:128]
    if data[12:16] == b"VP8X":
        return bool(int.from_bytes(data[20:21]) & 2)
    if data[:4] in (b"II*\0", b"MM\0*"):
        order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
        start = int.from_bytes(data[4:8], order)
        entries = int.from_bytes(data[start : start + 2], order)
        following = start + 2 + 12 * entries
        return bool(int.from_bytes(data[following : following + 4], order))
    return False
