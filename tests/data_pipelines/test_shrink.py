"""Shrunk tables agree with shrunk pixels, in the one pixel convention."""

from dataclasses import replace

import cv2
import numpy as np

from data_pipelines.images import FileImages, decode_image
from data_pipelines.people import PoseDataset
from data_pipelines.shrink import shrink_image, shrink_people
from tfpose.skeletons import Skeleton


def _people(sizes, keypoints) -> PoseDataset:
    count = len(sizes)
    sizes = np.array(sizes, np.int32)
    boxes = np.concatenate([np.zeros((count, 2)), sizes[:, ::-1]], axis=1)
    return PoseDataset(
        name="x",
        skeleton=Skeleton("two", ("a", "b")),
        images=FileImages([f"{row}.png" for row in range(count)]),
        image_ids=np.arange(count, dtype=np.int64),
        image_sizes=sizes,
        image_index=np.arange(count, dtype=np.int32),
        person_ids=np.arange(count, dtype=np.int64),
        boxes=boxes.astype(np.float32),
        keypoints=np.array(keypoints, np.float32),
        areas=np.full(count, 1000, np.float32),
        crowd=np.zeros(count, np.bool_),
    )


def test_a_dot_stays_under_its_keypoint():
    x, y = 120, 60
    pixels = np.zeros((150, 200, 3), np.float32)
    cv2.circle(pixels, (x, y), 8, (255, 255, 255), -1)
    people = _people([(150, 200)], [[[x, y, 2], [0, 0, 0]]])
    small = shrink_people(people, 80)
    assert small.image_sizes.tolist() == [[60, 80]]
    image = decode_image(shrink_image(pixels.astype(np.uint8), (60, 80)), (60, 80))
    weight = image[..., 0].astype(float)
    weight[weight < 20] = 0
    rows, columns = np.mgrid[:60, :80]
    centre = np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()
    np.testing.assert_allclose(small.keypoints[0, 0, :2], centre, atol=0.05)
    np.testing.assert_array_equal(small.keypoints[0, 1], 0)
    np.testing.assert_allclose(small.boxes[0], [0, 0, 80, 60])
    np.testing.assert_allclose(small.areas[0], 160)


def test_small_images_keep_their_bits():
    keypoints = [[[0.1, 0.7, 1], [0, 0, 0]]] * 2
    people = _people([(50, 40), (90, 30)], keypoints)
    assert shrink_people(people, 60).head_sizes is None
    people = replace(
        people,
        head_sizes=np.array([9, 9], np.float32),
        torso_sizes=np.array([60, np.nan], np.float32),
        centres=np.array([[9, 8], [9, 8.5]], np.float32),
    )
    small = shrink_people(people, 60)
    np.testing.assert_allclose(small.head_sizes, [9, 6])
    np.testing.assert_allclose(small.torso_sizes, [60, np.nan])
    # The middle of pixel 9 is the edge after 9.5 of 30, so after 6.333 of 20.
    np.testing.assert_allclose(small.centres, [[9, 8], [9.5 / 1.5 - 0.5, 5.5]])
    assert small.image_sizes.tolist() == [[50, 40], [60, 20]]
    for column in ("boxes", "keypoints", "areas"):
        before, after = getattr(people, column), getattr(small, column)
        np.testing.assert_array_equal(before[0], after[0])
        assert (before[1] != after[1]).any()
