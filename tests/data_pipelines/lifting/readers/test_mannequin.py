"""Mannequins as pose pairs: what is drawn is where the camera sees the joints."""

import json

import numpy as np
import pytest

from data_pipelines.lifting.datasets import load_lifting_dataset
from data_pipelines.mannequin.write import write_dataset
from tfpose.errors import InputError
from tfpose.skeletons import get_skeleton


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("mannequins")
    write_dataset(path, scenario="wild", count=6, seed=1, split="train", people=2)
    return path


def test_pairs_are_what_was_drawn(folder):
    skeleton = get_skeleton("h36m16")
    poses = load_lifting_dataset("mannequin", folder, "train", skeleton)
    content = json.loads((folder / "train.json").read_text())
    people = content["annotations"]
    assert len(poses) == len(people) >= 6
    assert poses.subjects == tuple(str(person["id"]) for person in people)
    names = content["categories"][0]["keypoints"]
    for row, person in enumerate(people):
        drawn = np.reshape(person["keypoints"], (17, 3))
        for joint in ("left_wrist", "right_knee", "left_hip"):
            x, y, seen = drawn[names.index(joint)]
            if seen:
                found = poses.keypoints[row, skeleton.index(joint)]
                np.testing.assert_allclose(found, [x, y], atol=0.1)
    lengths = np.linalg.norm(
        poses.positions[:, skeleton.index("left_knee")]
        - poses.positions[:, skeleton.index("left_hip")],
        axis=-1,
    )
    assert (0.25 < lengths).all() and (lengths < 0.6).all()
    assert (poses.positions[:, 0, 2] > 1).all()


def test_every_other_is_taken(folder):
    whole = load_lifting_dataset("mannequin", folder, "train")
    half = load_lifting_dataset("mannequin", folder, "train", stride=2)
    np.testing.assert_array_equal(half.positions, whole.positions[::2])


@pytest.mark.parametrize(
    "options,message",
    [
        ({"keypoints": "gt"}, "mannequins have 'projected' alone"),
        ({"subjects": ["1"]}, "have no names"),
    ],
)
def test_what_there_is_not_is_refused(folder, options, message):
    with pytest.raises(InputError, match=message):
        load_lifting_dataset("mannequin", folder, "train", **options)


def test_other_files_are_refused(folder, tmp_path):
    (tmp_path / "train.json").write_text('{"images": [], "annotations": []}')
    with pytest.raises(InputError, match="not written by the mannequin generator"):
        load_lifting_dataset("mannequin", tmp_path, "train")
    with pytest.raises(InputError, match="val.json"):
        load_lifting_dataset("mannequin", folder, "test")
