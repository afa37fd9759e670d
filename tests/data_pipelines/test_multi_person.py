"""Whole photos whose people stay on their pixels, in slots."""

import dataclasses

import cv2
import numpy as np
import pytest

from data_pipelines.copy_paste import Pasted, Scene, paste
from data_pipelines.multi_person import CrowdAugmentation, MultiPersonTraining
from data_pipelines.readers.datasets import load_dataset
from data_pipelines.segmentation import Segmentation, Segmentations
from data_pipelines.whole_photos import WholePhotos
from tfpose.errors import InputError

SIZE = (128, 128)
UPRIGHT = CrowdAugmentation(rotation=0, smallest=1, largest=1, shift=0, flip=0)


def sampler(people, slots=4, change=UPRIGHT, batch=1, **options):
    return MultiPersonTraining(people, SIZE, slots, batch, 0, change, **options)


@pytest.fixture
def crowd(people_on):
    """Makes a photo of 240 x 200 px: each person is (box, joints' places or none)."""

    def make(*people, crowd=(), areas=None):
        picture = np.zeros((200, 240, 3), np.uint8)
        keypoints = np.zeros((len(people), 17, 3))
        for row, (_, joints) in enumerate(people):
            for joint, (x, y) in enumerate(joints):
                keypoints[row, joint] = x, y, 2
                cv2.circle(picture, (x, y), 5, (255, 255, 255), -1, cv2.LINE_AA)
        one = people_on([picture])
        boxes = np.array([box for box, _ in people], np.float32)
        count = len(people)
        known = boxes[:, 2] * boxes[:, 3] if areas is None else np.array(areas)
        return dataclasses.replace(
            one,
            image_index=np.zeros(count, np.int32),
            person_ids=np.arange(count, dtype=np.int64),
            boxes=boxes,
            keypoints=keypoints.astype(np.float32),
            areas=known.astype(np.float32),
            crowd=np.isin(np.arange(count), crowd),
        )

    return make


SMALL = ((20, 30, 40, 40), [(30, 38), (50, 63)])
LARGE = ((90, 30, 120, 150), [(120, 60), (170, 60), (140, 160), (101, 100)])


@pytest.mark.parametrize(
    "change",
    [
        UPRIGHT,
        dataclasses.replace(UPRIGHT, flip=1),
        dataclasses.replace(UPRIGHT, rotation=40),
        dataclasses.replace(UPRIGHT, smallest=1.3, largest=1.6),
        dataclasses.replace(UPRIGHT, shift=0.2),
        CrowdAugmentation(),
    ],
)
@pytest.mark.parametrize("released", [False, True])
def test_joints_stay_on_their_dots(crowd, change, released):
    people = crowd(SMALL, LARGE)
    training = sampler(people, change=change, released=released)
    looked = 0
    for position in range(8):
        sample = training(position)
        image = sample["image"][..., 0].astype(float)
        points = sample["keypoints"][sample["keypoints"][..., 2] > 0]
        assert len(points) == 6
        for x, y, _ in points:
            if not (8 <= x < 120 and 8 <= y < 120):
                continue
            low = np.round([x, y]).astype(int) - 7
            patch = image[low[1] : low[1] + 15, low[0] : low[0] + 15]
            rows, columns = np.mgrid[:15, :15]
            middle = [(axis * patch).sum() / patch.sum() for axis in (columns, rows)]
            assert middle + low == pytest.approx([x, y], abs=0.25)
            looked += 1
    assert looked > 10


def test_the_largest_come_first_and_too_many_are_ignored(crowd):
    people = crowd(SMALL, LARGE, ((30, 120, 30, 50), [(45, 140)]))
    sample = sampler(people)(0)
    scale = 128 / 200
    expected = np.array([18000, 1600, 1500, 0]) * scale**2
    assert sample["areas"] == pytest.approx(expected, rel=1e-5)
    assert (sample["keypoints"][..., 2] > 0).sum(axis=1).tolist() == [4, 2, 1, 0]
    assert sample["centres"][:, 2].tolist() == [1, 1, 1, 0]
    # The square is the photo's middle, from x = 20 on.
    assert sample["centres"][2, :2] == pytest.approx(
        (np.array([45 - 20, 140]) + 0.5) * scale - 0.5, abs=1e-4
    )
    assert not sample["ignored"].any()
    fewer = sampler(people, slots=1)(0)
    assert (fewer["keypoints"][..., 2] > 0).sum(axis=1).tolist() == [4]
    # The boxes of the others, cut at the square's left side.
    rows, columns = np.nonzero(fewer["ignored"])
    assert rows.min() * 4 == pytest.approx(30 * scale, abs=4)
    assert (rows.max() + 1) * 4 == pytest.approx(170 * scale, abs=4)
    assert columns.min() == 0


def test_crowds_and_people_without_joints_are_ignored(crowd):
    group, bare = ((100, 0, 100, 100), [(150, 50)]), ((20, 120, 60, 60), [])
    people = crowd(SMALL, group, bare, crowd=[1])
    sample = sampler(people)(0)
    assert (sample["keypoints"][..., 2] > 0).sum() == 2
    expected = np.zeros((200, 240), np.uint8)
    expected[0:100, 100:200] = expected[120:180, 20:80] = 255
    expected = cv2.resize(expected[:, 20:220], (32, 32), interpolation=cv2.INTER_AREA)
    assert np.abs(sample["ignored"] - (expected >= 128)).sum() <= 20
    mirrored = sampler(people, change=dataclasses.replace(UPRIGHT, flip=1))(0)
    np.testing.assert_array_equal(mirrored["ignored"], sample["ignored"][:, ::-1])
    assert (sample["mirrored"], mirrored["mirrored"]) == (0, 1)


def test_released_lines(crowd):
    """A centre for people without joints; what is outside of the photo is ignored; the
    file's order.
    """
    bare = ((120, 120, 60, 60), [])
    people = crowd(SMALL, LARGE, bare)
    wide = dataclasses.replace(UPRIGHT, smallest=2, largest=2)
    plain, released = (
        sampler(people, change=wide, released=choice)(0) for choice in (False, True)
    )
    # The photo fills 64 of 128 rows, from 32 on.
    assert released["ignored"][:7].all() and not plain["ignored"][:7].any()
    assert released["centres"][:, 2].tolist() == [1, 1, 1, 0]
    assert plain["centres"][:, 2].tolist() == [1, 1, 0, 0]
    assert released["centres"][2, :2] == pytest.approx(
        (np.array([150, 150]) - (120, 100)) * 64 / 200 + 64, abs=1e-4
    )
    assert released["areas"][0] < released["areas"][1]


def test_a_photo_of_a_crowd_only_has_nobody(crowd):
    group = ((100, 0, 100, 100), [(150, 50)])
    people = crowd(SMALL, group, crowd=[1])
    alone = people.select(np.array([1]))
    with pytest.raises(InputError, match="none of 1 people has a labelled joint"):
        sampler(alone)
    small = sampler(people, least_area=1e6)(0)
    assert not small["centres"].any() and small["keypoints"].any()


def test_areas_that_are_unknown_are_a_share_of_the_box(crowd):
    sample = sampler(crowd(SMALL, areas=[np.nan]))(0)
    assert sample["areas"][0] == pytest.approx(0.53 * 1600 * 0.64**2, rel=1e-5)


def test_samples_depend_on_their_number_only(shared_data):
    people = load_dataset("coco_format", shared_data / "coco", "train")
    change = CrowdAugmentation(paste=0.5)
    ahead, later = (sampler(people, 30, change, 8) for _ in range(2))
    assert ahead.steps_per_epoch == 138 // 8
    for position in (3, 136, 300, 3):
        one, two = ahead(position), later(position)
        for name, spec in ahead.signature.items():
            assert one[name].shape == spec.shape and one[name].dtype == spec.dtype
            np.testing.assert_array_equal(one[name], two[name])
    assert ahead(0)["image"].tobytes() != ahead(136)["image"].tobytes()
    assert ahead.sample_id(3).endswith(".jpg")


def test_everybody_of_real_photos_is_there_once(shared_data):
    """Upright and whole, as many people as are labelled, and each of their joints."""
    people = load_dataset("coco_format", shared_data / "coco", "train")
    wide = dataclasses.replace(UPRIGHT, smallest=2.5, largest=2.5)
    training = sampler(people, 30, wide)
    counts, seen = [], set()
    for position in range(training.steps_per_epoch):
        sample = training(position)
        counts.append((sample["keypoints"][..., 2] > 0).sum())
        seen.add(training.sample_id(position))
        filled = sample["areas"] > 0
        assert (np.diff(sample["areas"]) <= 0).all()
        assert (filled == (sample["keypoints"][..., 2] > 0).any(axis=1)).all()
    usable = ~people.crowd & (people.num_labelled > 0)
    assert len(seen) == 138 and sum(counts) == people.num_labelled[usable].sum()


def test_pasted_people_hide_what_is_behind(crowd):
    """A donor who covers all of the picture."""
    people = crowd(SMALL, LARGE)
    masks = [np.zeros((200, 240), bool) for _ in range(2)]
    masks[1][30:180, 90:210] = True
    regions = [Segmentation(), Segmentation.of_mask(masks[1])]
    people = dataclasses.replace(people, segmentations=Segmentations.of(regions))
    change = dataclasses.replace(UPRIGHT, paste=1)
    training = sampler(people, 8, change)
    more, hidden = 0, 0
    for position in range(12):
        sample = training(position)
        visible = sample["keypoints"][..., 2]
        pasted = (visible > 0).sum(axis=1).tolist().count(4) - 1
        assert 0 <= pasted <= 3
        more += pasted
        hidden += int((visible == 1).sum())
        # Joints that can be seen are on dots: the donor's mask has its own.
        for x, y, v in sample["keypoints"].reshape(-1, 3):
            if v == 2 and 4 <= x < 124 and 4 <= y < 124:
                assert sample["image"][int(y + 0.5), int(x + 0.5)].max() > 100
    assert more > 12 and hidden > 0
    full = sampler(people, 2, change)(0)
    np.testing.assert_array_equal(full["image"], sampler(people, 2)(0)["image"])


def test_whom_nobody_can_see_any_more_is_taken_out():
    """Of three: one half hidden, one wholly, and one who had no labelled joint."""
    keypoints = np.zeros((3, 2, 3))
    keypoints[0], keypoints[1] = [(5, 5, 2), (20, 20, 2)], [(6, 6, 2), (8, 8, 1)]
    scene = Scene(
        image=np.zeros((32, 32, 3), np.uint8),
        keypoints=keypoints,
        centres=np.ones((3, 3)),
        areas=np.array([50.0, 40.0, 30.0]),
        ignored=np.ones((8, 8), bool),
    )
    mask = np.zeros((32, 32), np.uint8)
    mask[:12, :12] = 255
    white = np.full((32, 32, 3), 255, np.uint8)
    other = Pasted(white, mask, np.full((2, 3), 2.0), np.ones(3), 70.0)
    found = paste(scene, [other])
    assert found.areas.tolist() == [50, 30, 70] and len(found.centres) == 3
    assert found.keypoints[0, :, 2].tolist() == [1, 2]
    assert found.image.sum() == 12 * 12 * 3 * 255
    assert (~found.ignored).sum() == 9 and not found.ignored[:3, :3].any()
    # The scene itself is as it was.
    assert keypoints[0, 0, 2] == 2 and not scene.image.any()
    nothing = paste(scene, [other._replace(mask=np.zeros((32, 32), np.uint8))])
    assert nothing is scene


def test_pasting_needs_segmentations(crowd):
    change = dataclasses.replace(UPRIGHT, paste=0.5)
    with pytest.raises(InputError, match="nobody with labelled joints has a segment"):
        sampler(crowd(SMALL, LARGE), change=change)


def test_labels_as_found_people_have_an_ap_of_one(shared_data):
    people = load_dataset("coco_format", shared_data / "coco", "train")
    photos = WholePhotos(people, (96, 128))
    poses = np.zeros((len(photos), 30, 17, 3))
    scores = np.zeros((len(photos), 30))
    for row in range(len(photos)):
        usable = ~people.crowd[people.people_of(row)]
        labels = photos.in_input(row)[usable]
        labels = labels[(labels[..., 2] > 0).any(axis=1)][:30]
        poses[row, : len(labels)] = labels
        scores[row, : len(labels)] = 1
        inside = labels[labels[..., 2] > 0]
        assert (inside[:, :2] > -1).all() and (inside[:, :2] < (128, 96)).all()
    metrics, _ = photos.scores(poses, scores)
    # COCO counts 20 people of a photo.
    assert metrics["ap"] > 0.99 and metrics["ap75"] > 0.99
    nothing, _ = photos.scores(poses, 0 * scores)
    assert nothing["ap"] == 0


def test_a_skeleton_without_sigmas_is_refused(small_set):
    people = load_dataset("coco_format", small_set, "train")
    with pytest.raises(InputError, match="no OKS sigmas"):
        WholePhotos(people, SIZE)
