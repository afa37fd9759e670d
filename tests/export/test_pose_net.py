"""A pose net as a function of pixels gives what `TopDownPredictor` gives."""

import cv2
import numpy as np
import pytest

from data_pipelines.images import decode_image
from export.fit import Fit
from export.pose_net import pose_model
from tests.export.conftest import make_net
from tfpose.errors import InputError
from tfpose.top_down.crop import region_matrices, warp
from tfpose.top_down.predictor import TopDownPredictor


@pytest.fixture(scope="module")
def photo(shared_data) -> np.ndarray:
    """A person of 192 pixels' height or width."""
    path = sorted((shared_data / "lspet" / "images").glob("*.jpg"))[0]
    return decode_image(path.read_bytes())


def _run(model, image):
    locate = model.signatures["locate"]
    found = locate(image=image[None].astype(locate.inputs["image"].dtype.name))
    return np.asarray(found["keypoints"])[0], np.asarray(found["scores"])[0]


@pytest.mark.parametrize("flip_test", [False, True])
def test_at_the_nets_size_it_is_the_predictors_locate(tiny_net, photo, flip_test):
    image = cv2.resize(photo, (64, 64), interpolation=cv2.INTER_AREA)
    model = pose_model(tiny_net, flip_test=flip_test)
    found = _run(model, image)
    expected = TopDownPredictor(tiny_net, flip_test).locate(image[None])
    assert np.array_equal(found[0], np.asarray(expected[0])[0])
    assert np.array_equal(found[1], np.asarray(expected[1])[0])
    assert found[0].shape == (14, 2) and found[1].shape == (14,)
    as_float = pose_model(tiny_net, flip_test=flip_test, dtype="float32")
    assert np.array_equal(_run(as_float, image)[0], found[0])


@pytest.mark.parametrize("size", [(96, 96), (128, 96), (100, 200), (192, 144)])
def test_other_sizes_are_the_predictors_crop_of_the_whole(tiny_net, photo, size):
    image = cv2.resize(photo, size[::-1], interpolation=cv2.INTER_AREA)
    fit = Fit.of(size, (64, 64))
    small = fit.pixels(image[None])
    # The region that is the smallest square around the picture.
    middle = np.array([[(size[1] - 1) / 2, (size[0] - 1) / 2]])
    matrix = region_matrices(middle, np.full((1, 2), max(size)), (64, 64))[0]
    crop = warp(image, matrix, (64, 64)).astype(np.float32)
    assert np.abs(np.asarray(small)[0] - crop).mean() < 1.5 < crop.std() / 20
    keypoints, scores = TopDownPredictor(tiny_net, flip_test=False).locate(small)
    found = _run(pose_model(tiny_net, size), image)
    assert np.array_equal(found[0], np.asarray(fit.points(keypoints))[0])
    assert np.array_equal(found[1], np.asarray(scores)[0])


def test_points_go_back_by_the_way_that_pixels_came(tiny_net):
    """A soft dot, wherever it is, is found there by its own heatmap."""
    y, x = np.mgrid[:120, :90].astype(np.float32)
    points = np.array([[20.3, 31.7], [60.2, 88.8], [45.0, 60.0]])
    dots = [np.exp(-((x - a) ** 2 + (y - b) ** 2) / 60) for a, b in points]
    fit = Fit.of((120, 90), (64, 64))
    small = np.asarray(fit.pixels(np.stack(dots, -1)[None]))[0]
    v, u = np.mgrid[:64, :64]
    middles = [
        [(u * small[..., j]).sum(), (v * small[..., j]).sum()] / small[..., j].sum()
        for j in range(3)
    ]
    back = np.asarray(fit.points(np.array([middles], np.float32)))[0]
    assert fit.resized == (64, 48) and np.abs(back - points).max() < 0.15
    assert np.abs(small[:, :8]).max() == 0 and np.abs(small[:, 56:]).max() == 0


def test_metadata_tells_what_a_user_must_know(tiny_net):
    metadata = pose_model(tiny_net, (96, 80), name="lsp").metadata
    assert metadata["skeleton"]["joints"][0] == "right_ankle"
    assert metadata["image_size"] == [96, 80]
    assert metadata["net_input_size"] == [64, 64]
    assert metadata["training"] == {"epochs": 3}
    assert "pixels" in metadata["signatures"]["locate"]["outputs"]["keypoints"]
    assert metadata["normalisation"]["mean"] == [0.485, 0.456, 0.406]


def test_impossible_choices_are_refused(tiny_net):
    with pytest.raises(InputError, match="dtype is 'int8'"):
        pose_model(tiny_net, dtype="int8")
    with pytest.raises(InputError, match="image_size is"):
        pose_model(tiny_net, (0, 4))
    jigsaw = make_net(joints=9)
    jigsaw.info = {"task": "hsjp"}
    with pytest.raises(InputError, match="expected a pose net"):
        pose_model(jigsaw)
