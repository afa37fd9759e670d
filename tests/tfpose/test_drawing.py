"""Drawing: what is painted where, and that nothing given is changed."""

import json

import cv2
import numpy as np
import pytest

from tfpose.codecs.heatmap import HeatmapCodec
from tfpose.drawing import (
    SIDE_COLOURS,
    colour_heatmap,
    draw_box,
    draw_numbers,
    draw_skeleton,
    grid,
)
from tfpose.errors import InputError
from tfpose.skeletons import Skeleton, get_skeleton

CROSS = Skeleton("cross", ("left_a", "right_a", "top"), ((0, 1), (0, 2), (1, 2)))
POINTS = np.array([[80.0, 80, 1], [20, 80, 1], [50, 20, 1]])


def _grey(height: int = 100, width: int = 100, value: int = 128) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def _is(pixel: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool(np.abs(pixel.astype(int) - colour).max() < 12)


def test_sides_have_their_colours_and_the_image_is_kept() -> None:
    image = _grey()
    drawn = draw_skeleton(image, POINTS, CROSS, thickness=3)
    assert (image == 128).all() and drawn.dtype == np.uint8
    assert _is(drawn[80, 80], SIDE_COLOURS["left"])
    assert _is(drawn[80, 20], SIDE_COLOURS["right"])
    assert _is(drawn[20, 50], SIDE_COLOURS["middle"])
    assert _is(drawn[50, 65], SIDE_COLOURS["left"])
    assert _is(drawn[50, 35], SIDE_COLOURS["right"])
    assert _is(drawn[80, 50], SIDE_COLOURS["middle"])


def test_drawing_is_at_the_given_place_to_a_fraction_of_a_pixel() -> None:
    point = Skeleton("point", ("top",))
    for x, y in ((50.0, 50.0), (50.5, 50.25), (33.25, 60.75)):
        drawn = draw_skeleton(_grey(), np.array([[x, y]]), point, thickness=6)
        weight = np.abs(drawn.astype(float) - 128).sum(axis=2)
        rows, columns = np.indices(weight.shape)
        centre = np.array([(columns * weight).sum(), (rows * weight).sum()])
        np.testing.assert_allclose(centre / weight.sum(), [x, y], atol=0.15)


@pytest.mark.parametrize("hidden", [0.2, np.nan])
def test_unsure_and_unknown_joints_take_their_limbs_along(hidden: float) -> None:
    points = POINTS.copy()
    points[2, 2] = hidden
    drawn = draw_skeleton(_grey(), points, CROSS, threshold=0.3)
    assert (drawn[:70] == 128).all() and (drawn[70:] != 128).any()
    points = POINTS[:, :2].copy()
    points[2] = np.nan
    assert (draw_skeleton(_grey(), points, CROSS)[:70] == 128).all()


def test_guesses_are_rings_and_thin_lines() -> None:
    points = POINTS.copy()
    points[2, 2] = 0.2
    drawn = draw_skeleton(_grey(), points, CROSS, thickness=15, faint=0.1)
    # A ring around the place, free inside but for the limbs that start there.
    assert _is(drawn[8, 50], SIDE_COLOURS["middle"])
    assert (drawn[13:16, 49:52] == 128).all()
    sure = draw_skeleton(_grey(), POINTS, CROSS, thickness=15)
    assert _is(sure[14, 50], SIDE_COLOURS["middle"])
    thin, thick = ((d[50] != 128).any(axis=-1).sum() for d in (drawn, sure))
    assert 2 <= thin < thick / 2
    # Below both limits a joint is left out; between the sure ones all is as ever.
    points[2, 2] = 0.05
    hidden = draw_skeleton(_grey(), points, CROSS, thickness=15, faint=0.1)
    assert (hidden[:60] == 128).all()
    np.testing.assert_array_equal(drawn[90:], sure[90:])


def test_absent_people_and_far_points_are_harmless() -> None:
    nobody = draw_skeleton(_grey(), np.zeros((0, 3, 3)), CROSS)
    assert (nobody == 128).all()
    assert (draw_skeleton(_grey(), np.zeros((3, 3)), CROSS) == 128).all()
    far = POINTS.copy()
    far[2, :2] = 1e30, -1e30
    assert (draw_skeleton(_grey(), far, CROSS) != 128).any()


def test_box_covers_its_own_pixels_only() -> None:
    drawn = draw_box(_grey(), [0, 0, 100, 100], colour=(9, 9, 9), thickness=1)
    inner = drawn[1:-1, 1:-1]
    assert (inner == 128).all() and (drawn != 128).sum() == 3 * (4 * 99)
    drawn = draw_box(_grey(), [10, 20, 30, 40], colour=(9, 9, 9), thickness=2)
    rows, columns = np.nonzero(drawn[..., 0] != 128)
    assert (columns.min(), rows.min()) == (10, 20)
    assert (columns.max(), rows.max()) == (39, 59)
    labelled = draw_box(_grey(), [10, 20, 30, 40], "Åsa 0.98", (9, 9, 9), 2)
    assert (labelled != drawn).sum() > 100


def test_heatmap_is_strongest_where_the_peak_is() -> None:
    codec = HeatmapCodec((64, 96))
    heatmap = np.asarray(codec.encode(np.array([[[60.0, 20.0]]]), np.ones((1, 1))))[0]
    image = _grey(64, 96, 40)
    drawn = colour_heatmap(heatmap, image)
    change = np.abs(drawn.astype(int) - image).sum(axis=2)
    row, column = np.unravel_index(change.argmax(), change.shape)
    assert abs(row - 20) <= 3 and abs(column - 60) <= 3
    assert (drawn[50:, :30] == 40).all()
    for empty in (np.zeros((16, 24)), -heatmap, np.full((16, 24, 2), np.nan)):
        np.testing.assert_array_equal(colour_heatmap(empty, image), image)
    weak = np.abs(colour_heatmap(heatmap, image, highest=10.0).astype(int) - image)
    assert weak.sum() < 0.5 * change.sum()


def test_grid_places_every_image_and_title() -> None:
    images = [_grey(40, 60, 10 * i) for i in range(5)]
    plain = grid(images, columns=3, gap=4)
    assert plain.shape == (2 * 44 + 4, 3 * 64 + 4, 3)
    for i in range(5):
        centre = plain[4 + 44 * (i // 3) + 20, 4 + 64 * (i % 3) + 30]
        assert (centre == 10 * i).all()
    titles = ["a", "ünïcode", "", "a very long title that cannot fit", "z"]
    titled = grid(images, columns=3, titles=titles, gap=4)
    strip = (titled.shape[0] - plain.shape[0]) // 2
    assert strip > 0
    assert (titled[4 : 4 + strip, 4:64].min() < 150).any()
    assert (titled[4 : 4 + strip, 132:192] > 240).all()
    assert (titled[:, :3] > 240).all() and (titled[:, 64:68] > 240).all()


def test_grid_keeps_the_aspect_of_smaller_images() -> None:
    sheet = grid([_grey(40, 40, 0), _grey(10, 20, 0)], columns=2, gap=2)
    second = sheet[:, 44:]
    rows, columns = np.nonzero(second[..., 0] < 50)
    assert np.ptp(columns) + 1 == 40 and np.ptp(rows) + 1 == 20
    assert grid([_grey(9, 9)], columns=5, gap=1).shape == (11, 11, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: draw_skeleton(_grey()[..., 0], POINTS, CROSS), "uint8 \\[H, W, 3\\]"),
        (lambda: draw_skeleton(_grey() / 255, POINTS, CROSS), "image is float64"),
        (lambda: draw_skeleton(_grey(), POINTS[:2], CROSS), "\\[3, 2 or 3\\]"),
        (lambda: draw_skeleton(_grey(), np.zeros((3, 5)), CROSS), "5 columns"),
        (lambda: draw_box(_grey(), [1, 2, 3]), "four finite numbers"),
        (lambda: draw_box(_grey(), [1, 2, 3, np.nan]), "four finite numbers"),
        (lambda: colour_heatmap(np.zeros(4), _grey()), "heatmap has shape"),
        (lambda: grid([], 2), "no image"),
        (lambda: grid([_grey()], 0), "0 columns"),
        (lambda: grid([_grey()], 1, ["a", "b"]), "2 titles, expected 1"),
        (lambda: grid([_grey(0, 5)], 1), "image is empty"),
    ],
)
def test_bad_arguments_are_refused(call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


def test_real_people_are_painted_where_they_are_labelled(shared_data) -> None:
    skeleton = get_skeleton("lsp14")
    table = json.loads((shared_data / "lspet/val.json").read_text())
    files = {image["id"]: image["file_name"] for image in table["images"]}
    for annotation in table["annotations"][40:46]:
        path = shared_data / "lspet/images" / files[annotation["image_id"]]
        image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        keypoints = np.array(annotation["keypoints"], float).reshape(-1, 3)
        drawn = draw_skeleton(image, keypoints, skeleton)
        rows, columns = np.nonzero((drawn != image).any(axis=2))
        seen = keypoints[keypoints[:, 2] > 0]
        low, high = seen[:, :2].min(axis=0), seen[:, :2].max(axis=0)
        np.testing.assert_allclose([columns.min(), rows.min()], low, atol=6)
        np.testing.assert_allclose([columns.max(), rows.max()], high, atol=6)


def test_numbers_stand_above_the_people_who_have_one():
    image = np.full((200, 200, 3), 128, np.uint8)
    pose = np.array([[[50.0, 100, 1], [60, 150, 1]], [[150, 100, 1], [160, 150, 1]]])
    drawn = draw_numbers(image, pose, [7, 0])
    changed = (drawn != image).any(axis=-1)
    rows, columns = np.nonzero(changed)
    assert len(rows) and rows.max() < 105 and 40 < columns.min() < columns.max() < 75
    # Above the edge there is no room: it is written in the picture.
    drawn = draw_numbers(image, pose - [0, 99, 0], [7, 8])
    assert (drawn != image).any(axis=-1)[:40].sum() > 40
    assert (image == 128).all()
