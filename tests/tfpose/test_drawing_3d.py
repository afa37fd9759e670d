"""Bodies as they look from several sides."""

import numpy as np

from tfpose.drawing import SIDE_COLOURS
from tfpose.drawing_3d import draw_positions
from tfpose.skeletons import Skeleton

ARMS = Skeleton(
    "arms",
    ("pelvis", "left_hand", "right_hand"),
    ((0, 1), (0, 2)),
)
# Hands to both sides; the person looks at the camera, so the left is on its right.
POSE = np.array([[0.0, 0, 4], [0.5, 0, 4], [-0.5, 0, 4]])


def columns(picture, side) -> np.ndarray:
    """Where the colour of a side is."""
    near = np.abs(picture.astype(int) - SIDE_COLOURS[side]).max(axis=-1) < 20
    return np.flatnonzero(near.any(axis=0))


def test_the_cameras_view_and_from_behind():
    front, back = (draw_positions(POSE, ARMS, angle) for angle in (0, 180))
    assert front.shape == (160, 160, 3)
    assert columns(front, "left").min() > 70 and columns(front, "right").max() < 90
    assert columns(back, "left").max() < 90 and columns(back, "right").min() > 70


def test_from_the_side_hands_hide_each_other():
    picture = draw_positions(POSE, ARMS, 90)
    assert np.ptp(columns(picture, "right")) < 12


def test_who_is_further_away_goes_to_the_right_as_one_walks_to_the_right():
    pose = POSE + [[0, 0, 0], [0, 0, 0.8], [0, 0, 0]]
    near = columns(draw_positions(pose, ARMS, 0), "left").max()
    far = columns(draw_positions(pose, ARMS, 90), "left").max()
    assert far > 80 and near > 80
    assert columns(draw_positions(pose, ARMS, -90), "left").min() < 70


def test_uncertain_joints_have_thin_limbs():
    sure, unsure = (
        draw_positions(POSE, ARMS, uncertain=names) for names in ((), ("left_hand",))
    )
    painted = {
        side: [
            len(columns(picture.transpose(1, 0, 2), side)) for picture in (sure, unsure)
        ]
        for side in ("left", "right")
    }
    assert painted["left"][0] >= painted["left"][1] > 0
    assert (sure != unsure).any(axis=-1)[:, 85:].any()
    assert not (sure != unsure).any(axis=-1)[:, :75].any()


def test_a_metre_is_a_metre():
    wide, small = (draw_positions(POSE, ARMS, 0, 220, height) for height in (2.2, 4.4))

    def extent(picture):
        return columns(picture, "left").max() - columns(picture, "right").min()

    assert abs(extent(wide) - 2 * extent(small)) < 10
