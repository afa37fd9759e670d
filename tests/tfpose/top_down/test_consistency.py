"""What one view of a person says of another, and what is cut out of a view."""

import numpy as np
import pytest
from keras import ops

from tfpose.codecs.heatmap import HeatmapCodec
from tfpose.top_down.consistency import carry_heatmaps, cut_joints

CODEC = HeatmapCodec((64, 48), sigma=1.5)


def turned(degrees: float, scale: float) -> np.ndarray:
    """A turn and a scaling about the middle of the input."""
    angle = np.radians(degrees)
    linear = scale * np.array(
        [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    )
    middle = np.array([23.5, 31.5])
    return np.column_stack([linear, middle - linear @ middle]).astype("float32")


def test_peaks_move_with_the_photo():
    hard = np.array([[[20.0, 25.0], [30.0, 40.0]]], "float32")
    matrix = turned(40.0, 1.2)
    easy = hard @ matrix[:, :2].T + matrix[:, 2]
    heatmaps = CODEC.encode(easy.astype("float32"), np.ones((1, 2), "float32"))
    carried, seen = carry_heatmaps(heatmaps, matrix[None], CODEC)
    found, scores = CODEC.decode(carried, "dark")
    np.testing.assert_allclose(found, hard, atol=0.5)
    assert ops.convert_to_numpy(scores).min() > 0.8
    # The corners of the hard view are beyond the easy one.
    seen = ops.convert_to_numpy(seen)
    assert seen[0, 0, 0, 0] == 0 and seen[0, 8, 6, 0] == pytest.approx(1)


@pytest.mark.parametrize("alignment", ["half_pixel", "official", "udp"])
def test_the_same_view_keeps_its_heatmaps(alignment):
    codec = HeatmapCodec((64, 48), sigma=1.5, alignment=alignment)
    heatmaps = np.random.default_rng(0).random((2, 16, 12, 3), np.float32)
    same = np.tile(np.eye(2, 3, dtype="float32"), (2, 1, 1))
    carried, seen = carry_heatmaps(heatmaps, same, codec)
    np.testing.assert_allclose(carried, heatmaps, atol=1e-5)
    np.testing.assert_allclose(seen, np.ones((2, 16, 12, 1)), atol=1e-5)


def test_only_chosen_joints_are_cut_out():
    images = np.full((1, 40, 30, 3), 200, "float32")
    points = np.array([[[10, 8], [20, 30]]], "float32")
    cut = ops.convert_to_numpy(
        cut_joints(images, points, np.array([[True, False]]), side=6)
    )
    assert (cut[0, 5:12, 7:14] == 0).all()
    assert (cut == 0).sum() == 7 * 7 * 3
