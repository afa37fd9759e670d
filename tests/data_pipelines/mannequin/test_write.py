"""Mannequin datasets on disk: COCO, resumed, refused."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from data_pipelines.mannequin import shards, write
from data_pipelines.mannequin.__main__ import main
from data_pipelines.mannequin.write import write_dataset
from data_pipelines.readers.coco_format import read_coco
from tfpose.errors import InputError
from tfpose.skeletons import SKELETONS, get_skeleton


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("mannequin")
    write_dataset(path, "wild", 120, seed=4, people=(1, 3), split="val")
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def test_pycocotools_reads_it(folder, capsys):
    coco = COCO(str(folder / "val.json"))
    capsys.readouterr()
    assert len(coco.imgs) == 120
    assert sorted(p.name for p in folder.iterdir()) == ["images", "val.json"]
    ids = [a["id"] for a in coco.anns.values()]
    assert ids == list(range(1, len(ids) + 1)) and len(ids) > 150
    for image in coco.loadImgs(coco.getImgIds()):
        pixels = cv2.imread(str(folder / "images" / image["file_name"]))
        assert pixels.shape == (image["height"], image["width"], 3) == (256, 192, 3)
    for note in coco.anns.values():
        image, keypoints = coco.imgs[note["image_id"]], note["keypoints"]
        x, y, w, h = note["bbox"]
        assert 0 <= x and 0 <= y and x + w <= image["width"]
        assert y + h <= image["height"] and 0 < note["area"] <= w * h
        assert len(keypoints) == 51 and note["iscrowd"] == 0
        assert note["num_keypoints"] == sum(v > 0 for v in keypoints[2::3])


def test_silhouettes_are_exact_and_hide_each_other(folder, capsys):
    """Disjoint, as large as `area`, tight in `bbox`, and under every visible joint."""
    coco = COCO(str(folder / "val.json"))
    capsys.readouterr()
    together = joints = 0
    for image_id in coco.getImgIds():
        notes = coco.imgToAnns[image_id]
        masks = [coco.annToMask(note).astype(bool) for note in notes]
        assert not notes or np.sum(masks, axis=0).max() == 1
        together += len(notes) > 1
        for note, mask in zip(notes, masks, strict=True):
            assert note["area"] == mask.sum()
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            x, y, w, h = note["bbox"]
            assert (columns[0], columns[-1] + 1) == (x, x + w)
            assert (rows[0], rows[-1] + 1) == (y, y + h)
            for x, y, v in np.reshape(note["keypoints"], (17, 3)):
                if v == 2:
                    # Keypoints are rounded when written, perhaps to the next pixel.
                    low = np.rint([y - 0.01, x - 0.01]).clip(0).astype(int)
                    high = np.rint([y + 0.01, x + 0.01]).astype(int) + 1
                    assert mask[low[0] : high[0], low[1] : high[1]].any()
                    joints += 1
    assert together > 60 and joints > 1000


def test_the_reader_gives_the_silhouettes(folder):
    people, report = read_coco(folder / "val.json", folder / "images")
    assert not report.skipped
    for image_row, rows in people.each_image():
        parts = [people.mask(row) for row in rows]
        assert [mask.sum() for mask in parts] == people.areas[rows].tolist()
        unseen = rows[people.num_labelled[rows] == 0]
        union = np.zeros(people.image_sizes[image_row], bool)
        for row in unseen:
            union |= people.mask(row)
        np.testing.assert_array_equal(people.ignore_mask(image_row), union)
    assert (people.num_labelled == 0).any()


def test_3d_projects_onto_2d_as_written(folder):
    data = json.loads((folder / "val.json").read_text())
    names = data["categories"][0]["keypoints_3d"]
    cameras = {i["id"]: i["camera"] for i in data["images"]}
    for note in data["annotations"]:
        camera = cameras[note["image_id"]]
        points = np.array(note["keypoints"]).reshape(17, 3)
        x, y, z = np.array(note["keypoints_3d"])[:17].T
        assert len(note["keypoints_3d"]) == len(names)
        known = points[:, 2] > 0
        found = np.column_stack(
            [camera["fx"] * x / z + camera["cx"], camera["fy"] * y / z + camera["cy"]]
        )
        assert np.abs(found - points[:, :2])[known].max(initial=0) < 0.5


def test_joints_are_named_as_the_skeletons_are(folder):
    category = json.loads((folder / "val.json").read_text())["categories"][0]
    coco = get_skeleton("coco17")
    assert tuple(category["keypoints"]) == coco.joints
    assert set(SKELETONS["h36m17"].joints) <= set(category["keypoints_3d"])
    limbs = {frozenset((a - 1, b - 1)) for a, b in category["skeleton"]}
    assert limbs == {frozenset(limb) for limb in coco.limbs}


def test_writing_again_leaves_it_and_draws_the_same_elsewhere(folder, tmp_path):
    stamp = (folder / "val.json").stat().st_mtime_ns
    arguments = dict(scenario="wild", count=120, seed=4, people=(1, 3), split="val")
    write_dataset(folder, **arguments)
    assert (folder / "val.json").stat().st_mtime_ns == stamp
    write_dataset(tmp_path, workers=1, **arguments)
    assert contents(tmp_path) == contents(folder)


def test_a_lost_picture_is_drawn_again(folder):
    before = contents(folder)
    (folder / "images" / "val_00000105.jpg").unlink()
    write_dataset(folder, "wild", 120, seed=4, people=(1, 3), split="val")
    assert contents(folder) == before


def test_other_arguments_are_refused_by_name(folder):
    before = contents(folder)
    with pytest.raises(InputError, match="scenario.*seed") as caught:
        write_dataset(folder, "studio", 120, seed=5, people=(1, 3), split="val")
    assert "\n" not in str(caught.value) and "count" not in str(caught.value)
    assert contents(folder) == before


def test_another_split_may_join(folder):
    write_dataset(folder, "studio", 3, split="train", workers=1)
    assert (folder / "train.json").exists() and (folder / "val.json").exists()
    (folder / "train.json").unlink()
    for path in (folder / "images").glob("train_*"):
        path.unlink()


def test_killed_it_goes_on_and_ends_the_same(tmp_path, monkeypatch):
    arguments = ["--count=170", "--workers=1", "--seed=9"]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    environment = dict(os.environ, PYTHONPATH=":".join(p or "." for p in sys.path))
    process = subprocess.Popen(
        [sys.executable, "-m", "data_pipelines.mannequin", f"--out={cut}", *arguments],
        env=environment,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    parts, deadline = cut / ".train.parts", time.monotonic() + 60
    while not (parts / "000000.json").exists() and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (cut / "train.json").exists()
    done = len(list(parts.glob("0*.json")))
    assert 1 <= done < 4
    with pytest.raises(InputError, match="seed"):
        write_dataset(cut, count=170, seed=8)

    drawn = []
    real = write._draw_shards
    monkeypatch.setattr(
        write, "_draw_shards", lambda *a: (drawn.append(list(a[3])), real(*a))
    )
    write_dataset(cut, count=170, seed=9)
    write_dataset(whole, count=170, seed=9)
    assert len(drawn[0]) == 4 - done and len(drawn[1]) == 4
    assert contents(cut) == contents(whole)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"scenario": "park"}, "studio, wild"),
        ({"count": 0}, "count"),
        ({"seed": -1}, "seed"),
        ({"image_size": (8, 8)}, "image_size"),
        ({"people": (3, 2)}, "people"),
        ({"people": 0}, "people"),
        ({"split": "../x"}, "split"),
        ({"workers": 0}, "workers"),
    ],
)
def test_bad_arguments_name_the_field(tmp_path, wrong, word):
    with pytest.raises(InputError, match=word) as caught:
        write_dataset(tmp_path / "new", **wrong)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file"):
        write_dataset(tmp_path / "file" / "out", count=2)
    (tmp_path / "train.json").write_text("{}")
    with pytest.raises(InputError, match="not written by"):
        write_dataset(tmp_path, count=2)
    (tmp_path / "train.json").write_text("{")
    with pytest.raises(InputError, match=r"train\.json"):
        write_dataset(tmp_path, count=2)


def test_a_writer_that_fails_says_why(tmp_path):
    (tmp_path / "images" / shards.image_name("train", 1)).mkdir(parents=True)
    with pytest.raises(InputError, match=r"train_00000001\.jpg"):
        write_dataset(tmp_path, count=2)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--out=x", "--count=many"],
        ["--out=x", "--people=two"],
        ["--out=x", "stray"],
        ["--out=x", "--image_size=big"],
        ["--out=x", "--no_such_flag=1"],
        ["--out=x", "--scenario=park"],
    ],
)
def test_the_command_line_refuses_in_one_line(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_command_line_draws(tmp_path):
    out = tmp_path / "out"
    main(
        [
            f"--out={out}",
            "--count=2",
            "--people=2-3",
            "--image_size=96x128",
            "--split=val",
            "--scenario=wild",
        ]
    )
    data = json.loads((out / "val.json").read_text())
    assert [(i["height"], i["width"]) for i in data["images"]] == [(96, 128)] * 2
    assert data["info"]["mannequin"]["people"] == [2, 3]
