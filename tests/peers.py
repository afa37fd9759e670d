"""Checkouts of original implementations, for tests of agreement with them."""

import os
from pathlib import Path

import pytest

from benchmarks.peers import import_alone

__all__ = ["import_alone", "peer_folder"]


def peer_folder(name: str) -> Path:
    """The checkout of one original below TFPOSE_PEERS; skips the test without it."""
    root = os.environ.get("TFPOSE_PEERS")
    if not root:
        pytest.skip("TFPOSE_PEERS names no folder with the originals' checkouts")
    folder = Path(root) / name
    if not folder.is_dir():
        pytest.skip(f"{folder}: no checkout of {name}")
    pytest.importorskip("torch", reason="the originals need PyTorch")
    return folder
