"""One page of finished runs and pictures."""

import json
import re

import cv2
import numpy as np
import pytest

from tfpose.cli.page import page
from tfpose.errors import InputError


@pytest.fixture
def run(tmp_path):
    """The files of a finished run."""
    folder = tmp_path / "runs" / "first"
    (folder / "figures").mkdir(parents=True)
    cv2.imwrite(str(folder / "figures" / "poses.png"), np.zeros((9, 9, 3), np.uint8))
    summary = {"best_epoch": 2, "metrics": {"pck": 0.1234567}, "notes": ["a < b"]}
    (folder / "summary.json").write_text(json.dumps(summary))
    history = [
        {"epoch": epoch, "train_loss": 1 / epoch, "val_pck": epoch / 10}
        for epoch in (1, 2, 3)
    ]
    lines = "".join(json.dumps(line) + "\n" for line in history)
    (folder / "metrics.jsonl").write_text(lines)
    return folder


def test_page_shows_figures_curves_and_pictures(run, tmp_path):
    pictures = tmp_path / "poses"
    pictures.mkdir()
    cv2.imwrite(str(pictures / "a_pose.png"), np.zeros((9, 9, 3), np.uint8))
    out = tmp_path / "deep" / "index.html"
    page([str(run), str(pictures)], str(out))
    text = out.read_text(encoding="utf-8")
    assert "0.1235" in text and "a &lt; b" in text
    sources = re.findall("src='([^']*)'", text)
    assert [source.rsplit("/", 1)[-1] for source in sources] == [
        "poses.png",
        "curves.png",
        "a_pose.png",
    ]
    # Links are relative to the page.
    for source in sources:
        assert cv2.imread(str(out.parent / source)) is not None


def test_what_is_no_run_is_refused_in_one_line(run, tmp_path):
    out = str(tmp_path / "page.html")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: holds neither"):
        page([str(tmp_path / "empty")], out)
    for name, content in (
        ("metrics.jsonl", ""),
        ("metrics.jsonl", "{"),
        ("summary.json", "{}"),
        ("summary.json", "[]"),
    ):
        before = (run / name).read_text()
        (run / name).write_text(content)
        with pytest.raises(InputError, match="first: expected summary.json") as error:
            page([str(run)], out)
        assert "\n" not in str(error.value)
        (run / name).write_text(before)
    assert not (tmp_path / "page.html").exists()
