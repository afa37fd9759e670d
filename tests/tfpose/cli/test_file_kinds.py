"""Files by what they are, not by what they are called."""

import logging
import pathlib
import shutil

import cv2
import numpy as np
import pytest

from tfpose.cli.file_kinds import file_kind, has_more_frames
from tfpose.cli.picture_sources import find_sources
from tfpose.errors import InputError


@pytest.fixture
def folder(shared_data, tmp_path) -> pathlib.Path:
    """Photos and videos under names that say something else, or nothing."""
    cases = shared_data / "cases"
    for source, name in (
        ("boxes/p.jpg", "photo.jpg"),
        ("boxes/p.jpg", "photo.mp4"),
        ("images/u16_12bit.tif", "scan"),
        ("images/anim.gif", "moving.gif"),
        ("video/vfr.mp4", "clip.dat"),
        ("video/nodefdur_vfr.mkv", "clip.jpg"),
        ("README.md", "notes.md"),
    ):
        shutil.copy(cases / source, tmp_path / name)
    (tmp_path / "inner").mkdir()
    (tmp_path / ".hidden").write_text("")
    return tmp_path


def test_beginnings_tell(folder) -> None:
    kinds = {path.name: file_kind(path) for path in folder.iterdir() if path.is_file()}
    assert kinds == {
        "photo.jpg": "photo",
        "photo.mp4": "photo",
        "scan": "photo",
        "moving.gif": "video",
        "clip.dat": "video",
        "clip.jpg": "video",
        "notes.md": "",
        ".hidden": "",
    }


def test_what_a_folder_has_beside_is_named(folder, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        sources, failures = find_sources([str(folder)])
    assert len(sources) == 6 and not failures
    assert f"{folder}: not looked at: inner, notes.md" in caplog.text


def test_a_text_is_neither(folder) -> None:
    with pytest.raises(InputError, match="notes.md: neither a photo nor a video"):
        find_sources([str(folder / "notes.md")])


def test_all_frames_of_a_gif_are_looked_at(folder) -> None:
    (source,), _ = find_sources([str(folder / "moving.gif")])
    assert len(list(source.pictures())) == 2


@pytest.mark.parametrize("kind", [".gif", ".png", ".webp", ".tiff"])
def test_more_frames_than_one_are_said(tmp_path, kind, caplog) -> None:
    frames = [np.full((8, 8, 3), value, np.uint8) for value in (0, 90, 250)]
    one, many = tmp_path / f"one{kind}", tmp_path / f"many{kind}"
    cv2.imwrite(str(one), frames[0])
    if kind == ".tiff":
        cv2.imwritemulti(str(many), frames)
    else:
        animation = cv2.Animation()
        animation.frames, animation.durations = frames, [100] * 3
        cv2.imwriteanimation(str(many), animation)
    assert not has_more_frames(one.read_bytes())
    assert has_more_frames(many.read_bytes())
    if kind != ".gif":
        (source,), _ = find_sources([str(many)])
        with caplog.at_level(logging.WARNING):
            assert len(list(source.pictures())) == 1
        assert f"many{kind}: its first frame alone" in caplog.text
