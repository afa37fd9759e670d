"""The count of multiply-adds is that of the networks' own layers."""

import numpy as np
import pytest

from benchmarks.poseaug_products import Products, model_products, step_products
from tfpose.lifters.build import build_lifter
from tfpose.skeletons import get_skeleton
from trainers.poseaug import PRESETS
from trainers.poseaug_model import PoseAugModel

SKELETON = get_skeleton("h36m16")


def test_a_chain_counts_each_kernel():
    net = Products.of([[(4, 10), (10, 2)], [(3, 5)]])
    assert (net.forward, net.first) == (75, 55)
    # Forward and the kernels' gradients of all; back only into the second layer.
    assert net.training == 75 + 75 + 20


def test_a_step_does_everything_once():
    lifter, augmentor, judges = (Products(n, 0) for n in (1, 100, 10_000))
    each = step_products(lifter, augmentor, judges, 2)
    # Five for the feedback and six to train; three; two, and half of six.
    assert each == 11 + 300 + 2 * 10_000 + 3 * 10_000


def test_the_released_step():
    model = PoseAugModel(
        build_lifter("vpose", SKELETON),
        PRESETS["released"],
        np.ones((1, 15), np.float32),
        np.array([0, 0, 5], np.float32),
        epoch_steps=1,
    )
    lifter = 32 * 1024 + 8 * 1024**2 + 1024 * 45
    hidden = 4 * 256**2
    inputs = 3 * (48 + 48) + (48 + 48 + 15)
    augmentor = 256 * inputs + 4 * hidden + 256 * (45 + 9 + 3 + 3)
    parts = 225 * 256 + 2 * 256**2 + 256 * 100 + 100
    judges = 5 * parts + 32 * 100 + 4 * 100**2 + 100
    first = 5 * 225 * 256 + 32 * 100
    expected = (
        5 * lifter
        + 2 * (3 * lifter - 32 * 1024)
        + 3 * augmentor
        - 256 * inputs
        + 2 * judges
        + 3 * judges
        - first
    )
    assert model_products(model) == pytest.approx(expected)
