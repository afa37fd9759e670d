"""Whole photos as LOGO-CAP's own code makes them of the same draws.

Needs its checkout as `logocap` in TFPOSE_PEERS, and PyTorch; skipped without.
"""

import types

import numpy as np
import pytest

from data_pipelines.images import decode_image
from data_pipelines.multi_person import CrowdAugmentation, MultiPersonTraining
from data_pipelines.readers.datasets import load_dataset
from tests.peers import import_alone, peer_folder
from tfpose.codecs.centre_targets import CentreCodec

SIDE = 512
_MODULE = "logocap.dataset.transforms.transforms"
_ABSENT = {
    "torchvision": {},
    "torchvision.transforms": {"functional": None},
    "logocap.utils": {},
    "logocap.utils.transforms": {"get_affine_transform": None},
}


@pytest.fixture
def training(shared_data):
    people = load_dataset("coco_format", shared_data / "coco", "train")
    return MultiPersonTraining(
        people, (SIDE, SIDE), 30, 8, 0, CrowdAugmentation(), released=True
    )


def their_sample(module, people, plan, place):
    """Image, mask of what counts, joints with centres `[P, 18, 3]` in cells, areas."""
    photo = int(plan.photos[place])
    size = tuple(people.image_sizes[photo].tolist())
    image = decode_image(people.images.read(photo), size)
    rows = people.people_of(photo)
    rows = rows[~people.crowd[rows]]
    joints = np.zeros((len(rows), 18, 3))
    joints[:, :17] = people.keypoints[rows]
    visible = joints[:, :17, 2:] > 0
    counts = np.maximum(visible.sum(axis=1), 1)
    joints[:, 17, :2] = (joints[:, :17, :2] * visible).sum(axis=1) / counts
    bare = ~visible.any(axis=(1, 2))
    boxes = people.boxes[rows][bare]
    joints[bare, 17, :2] = boxes[:, :2] + boxes[:, 2:] / 2
    joints[:, 17, 2] = people.areas[rows] >= 32**2
    joints[:, 17] *= joints[:, 17, 2:]
    side = plan.sizes[place]
    uniform = iter([(side / min(size) - 0.75) / 0.75, (1 - plan.turns[place] / 30) / 2])
    shifts = iter(plan.shifts[place] * side)
    random = types.SimpleNamespace(
        random=lambda: next(uniform), randint=lambda low, high: next(shifts)
    )
    module.np = types.SimpleNamespace(**{**vars(np), "random": random})
    order = [*people.skeleton.flip_permutation, 17]
    mask, areas, meta = ~people.ignore_mask(photo), people.areas[rows][:, None], {}
    values = image, [mask], [joints], areas, meta
    change = module.RandomAffineTransform(SIDE, [SIDE // 4], 30, 0.75, 1.5, "short", 40)
    values = change(*values)
    mirror = 2.0 if plan.mirror[place] else -1.0
    values = module.RandomHorizontalFlip(order, [SIDE // 4], mirror)(*values)
    return values[0], values[1][0], values[2][0], values[3][:, 0]


def test_photos_are_theirs(training):
    people, codec = training.people, CentreCodec((SIDE, SIDE), released=True)
    with import_alone(peer_folder("logocap"), [_MODULE], _ABSENT) as (module,):
        for place in range(24):
            sample = training(place)
            plan = training._plans[0]
            image, mask, joints, areas = their_sample(module, people, plan, place)
            np.testing.assert_array_equal(sample["image"], image)
            np.testing.assert_array_equal(sample["ignored"], mask == 0)
            count = len(areas)
            np.testing.assert_allclose(sample["areas"][:count], areas, rtol=1e-5)
            centres = sample["centres"][:count, None]
            points = np.concatenate([sample["keypoints"][:count], centres], axis=1)
            np.testing.assert_array_equal(points[..., 2], joints[..., 2])
            # As the targets have it, see `CentreCodec`.
            points[..., 0] -= 3 * sample["mirrored"]
            cells = np.asarray(codec.to_cells(points[..., :2]))
            shown = joints[..., 2] > 0
            np.testing.assert_allclose(cells[shown], joints[shown, :2], atol=1e-4)
