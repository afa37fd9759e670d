"""Crops of people whose keypoints stay on their pixels."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from data_pipelines.batches import training_batches
from data_pipelines.readers.datasets import load_dataset
from data_pipelines.top_down import (
    PoseAugmentation,
    TopDownEvaluation,
    TopDownTraining,
    label_subset,
    labelled_people,
    pose_truth,
)
from tfpose.errors import InputError
from tfpose.metrics.pose_scores import pose_scores
from tfpose.skeletons import get_skeleton
from tfpose.top_down.crop import region_matrices, transform_points

SIZE = (128, 96)
NOTHING = PoseAugmentation(
    scale=0,
    rotation=0,
    rotation_probability=0,
    flip_probability=0,
    half_body_probability=0,
)
UPRIGHT_COCO17 = (
    [(0, 0), (-2, -2), (2, -2), (-5, 0), (5, 0), (-16, 22), (16, 22), (-26, 48)]
    + [(26, 48), (-30, 72), (30, 72), (-11, 78), (11, 78), (-13, 115), (13, 115)]
    + [(-14, 150), (14, 150)]
)


def _dotted(people_on, skeleton="coco17", seed=0, joints=None):
    """A person of bright dots far apart; the dot of joint j has the value 100 + 9 j."""
    rng = np.random.default_rng(seed)
    count = get_skeleton(skeleton).num_joints if joints is None else joints
    cells = rng.permutation(24)[:count]
    points = np.stack([cells % 4 * 40 + 50, cells // 4 * 40 + 40], -1)
    points = points + rng.uniform(-5, 5, points.shape)
    picture = np.zeros((320, 260, 3), np.uint8)
    y, x = np.mgrid[:320, :260]
    for joint, (px, py) in enumerate(points):
        dot = np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * 4**2))
        picture[..., 0] = np.maximum(picture[..., 0], 255 * dot)
        picture[dot > 0.01, 1] = 100 + 9 * joint
    keypoints = np.concatenate([points, np.full((count, 1), 2)], -1)[None]
    box = [[30, 20, 200, 280]]
    return people_on([picture], box, keypoints, skeleton)


def _dot_at(image, point):
    """Centre of mass and colour of the dot near a point; None at the border."""
    height, width = image.shape[:2]
    x, y = np.round(point).astype(int)
    reach = 5
    if not (reach <= x < width - reach and reach <= y < height - reach):
        return None
    patch = image[y - reach : y + reach + 1, x - reach : x + reach + 1].astype(float)
    weight = patch[..., 0] ** 2
    if weight.sum() == 0:
        return np.array([np.inf, np.inf]), 0
    dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    found = np.array([(dx * weight).sum(), (dy * weight).sum()]) / weight.sum()
    return found + (x, y), patch[reach, reach, 1]


SIDES = {
    "flip": dict(flip_probability=1.0),
    "rotation": dict(rotation=45.0, rotation_probability=1.0),
    "scale": dict(scale=0.35),
    "half body": dict(half_body_probability=1.0),
    "all": dict(
        scale=0.35,
        rotation=45.0,
        rotation_probability=0.6,
        flip_probability=0.5,
        half_body_probability=0.5,
    ),
}


@pytest.mark.parametrize("changes", SIDES.values(), ids=SIDES)
@pytest.mark.parametrize("skeleton", ["coco17", "lsp14"])
def test_keypoints_follow_the_pixels(people_on, changes, skeleton):
    people = _dotted(people_on, skeleton)
    augmentation = dataclasses.replace(NOTHING, **changes)
    sampler = TopDownTraining(people, SIZE, 1, 0, augmentation)
    flip = people.skeleton.flip_permutation
    checked = 0
    for epoch in range(12):
        sample = sampler(epoch)
        mirrored = sampler._plans[epoch][2][0]
        for joint, point in enumerate(sample["keypoints"]):
            found = _dot_at(sample["image"], point)
            if found is None:
                continue
            place, colour = found
            assert np.abs(place - point).max() < 0.35, (joint, point, place)
            # In the mirror image, the left wrist's name is on the right wrist's dot.
            owner = flip[joint] if mirrored else joint
            assert colour == pytest.approx(100 + 9 * owner, abs=4)
            checked += 1
    assert checked > 12 * 5


def test_evaluation_is_upright_and_whole(people_on):
    people = _dotted(people_on)
    sampler = TopDownEvaluation(people, SIZE)
    sample = sampler(0)
    for joint, point in enumerate(sample["keypoints"]):
        place, colour = _dot_at(sample["image"], point)
        assert np.abs(place - point).max() < 0.35
        assert colour == pytest.approx(100 + 9 * joint, abs=4)
    assert np.allclose(sampler.matrices[0, 0, 1], 0)
    plain = TopDownTraining(people, SIZE, 1, 0, NOTHING)(3)
    assert all((plain[name] == sample[name]).all() for name in sample)


def test_mirrored_is_the_mirror_image(people_on):
    people = _dotted(people_on)
    flipped = dataclasses.replace(NOTHING, flip_probability=1.0)
    mirror = TopDownTraining(people, SIZE, 1, 0, flipped)(0)["image"].astype(int)
    plain = TopDownEvaluation(people, SIZE)(0)["image"]
    assert np.abs(mirror[:, ::-1] - plain).mean() < 0.05


def test_weights_are_of_labelled_joints(people_on):
    people = _dotted(people_on)
    people.keypoints[0, 4] = 0
    people.keypoints[0, 7, 2] = 1
    expected = np.ones(17)
    expected[4] = 0
    assert (TopDownEvaluation(people, SIZE)(0)["weights"] == expected).all()
    flipped = TopDownTraining(
        people, SIZE, 1, 0, dataclasses.replace(NOTHING, flip_probability=1.0)
    )(0)["weights"]
    assert flipped[3] == 0 and flipped.sum() == 16


@pytest.fixture
def crowd_of(people_on):
    """Makes many people in one small picture, upright, of jittered size."""

    def make(count, skeleton="coco17", visible=None):
        names = get_skeleton("coco17").joints
        joints = get_skeleton(skeleton).joints
        place = dict(zip(names, UPRIGHT_COCO17, strict=True))
        place |= {"neck": (0, 15), "head_top": (0, -12)}
        points = np.array([place[joint] for joint in joints], float)[None]
        points = np.repeat(points, count, 0) + (120, 40)
        points += np.random.default_rng(0).normal(0, 1, points.shape)
        keypoints = np.concatenate([points, np.full((*points.shape[:2], 1), 2)], -1)
        if visible is not None:
            keypoints[:, [j not in visible for j in joints]] = 0
        picture = np.zeros((240, 240, 3), np.uint8)
        one = people_on([picture], keypoints=keypoints[:1], skeleton=skeleton)
        return dataclasses.replace(
            one,
            image_index=np.zeros(count, np.int32),
            person_ids=np.arange(count, dtype=np.int64),
            boxes=np.tile(np.float32([[80, 20, 80, 180]]), (count, 1)),
            keypoints=keypoints.astype(np.float32),
            areas=np.full(count, 9000, np.float32),
            crowd=np.zeros(count, np.bool_),
        )

    return make


def test_distributions_of_the_augmentation(crowd_of):
    augmentation = PoseAugmentation(half_body_probability=0)
    sampler = TopDownTraining(crowd_of(6000), SIZE, 100, 0, augmentation)
    _, matrices, mirror = sampler._plans[0]
    plain = TopDownEvaluation(sampler.people, SIZE).matrices
    upright = matrices.copy()
    upright[mirror, 0] *= -1
    zoom = np.sqrt(np.linalg.det(upright[:, :, :2]) / np.linalg.det(plain[:, :, :2]))
    region = 1 / zoom
    assert region.min() == pytest.approx(0.65) and region.max() == pytest.approx(1.35)
    # Normal of deviation 0.35 about 1, so 16 % are clipped at each end.
    assert (region < 0.6501).mean() == pytest.approx(0.159, abs=0.02)
    assert (region > 1.3499).mean() == pytest.approx(0.159, abs=0.02)
    assert np.median(region) == pytest.approx(1, abs=0.02)
    angle = np.rad2deg(np.arctan2(upright[:, 1, 0], upright[:, 0, 0]))
    turned = np.abs(angle) > 1e-9
    assert turned.mean() == pytest.approx(0.6, abs=0.03)
    assert np.abs(angle).max() == pytest.approx(90)
    # The deviation of a normal of 45 degrees that is clipped at 90.
    assert angle[turned].std() == pytest.approx(43.2, abs=1.5)
    assert angle[turned].mean() == pytest.approx(0, abs=2.5)
    assert mirror.mean() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("skeleton", ["coco17", "lsp14"])
def test_half_bodies(crowd_of, skeleton):
    people = crowd_of(3000, skeleton)
    change = dataclasses.replace(NOTHING, half_body_probability=0.3)
    sampler = TopDownTraining(people, SIZE, 100, 0, change)
    _, matrices, _ = sampler._plans[0]
    plain = TopDownEvaluation(people, SIZE).matrices
    half = np.abs(matrices - plain).max(axis=(1, 2)) > 1e-9
    assert half.mean() == pytest.approx(0.3, abs=0.03)
    lower = [
        joint.endswith(("hip", "knee", "ankle")) for joint in people.skeleton.joints
    ]
    points = np.einsum("pij,pkj->pki", matrices[..., :2], people.keypoints[..., :2])
    points += matrices[:, None, :, 2]
    inside = ((points > -0.5) & (points < [SIZE[1] - 0.5, SIZE[0] - 0.5])).all(-1)
    whole_upper = inside[:, ~np.array(lower)].all(1)
    whole_lower = inside[:, lower].all(1)
    assert (whole_upper | whole_lower)[half].all()
    # The upper half is preferred with the chance that a normal is below 0.5.
    feet = inside[:, people.skeleton.index("left_ankle")]
    assert (~feet)[half].mean() == pytest.approx(0.69, abs=0.04)


def test_half_body_needs_more_than_eight_joints(crowd_of):
    joints = get_skeleton("coco17").joints
    change = dataclasses.replace(NOTHING, half_body_probability=1.0)
    for visible, changed in ((joints[:8], False), (joints[5:14], True)):
        sampler = TopDownTraining(crowd_of(5, visible=visible), SIZE, 1, 0, change)
        plain = TopDownEvaluation(sampler.people, SIZE).matrices
        assert (np.abs(sampler._plans[0][1] - plain).max() > 1e-6) == changed


def test_half_with_too_few_joints_gives_way_to_the_other(crowd_of):
    """Nine joints above the hips and one ankle: it is always the upper half."""
    joints = get_skeleton("coco17").joints
    people = crowd_of(200, visible=(*joints[:9], "left_ankle"))
    change = dataclasses.replace(NOTHING, half_body_probability=1.0)
    matrices = TopDownTraining(people, SIZE, 1, 0, change)._plans[0][1]
    ankle = people.keypoints[:, joints.index("left_ankle"), :2]
    y = np.einsum("pj,pj->p", matrices[:, 1, :2], ankle) + matrices[:, 1, 2]
    assert (y > SIZE[0]).all()


def test_region_of_a_half_body_is_on_its_joints(crowd_of):
    people = crowd_of(1)
    joints = people.skeleton.joints
    lower = [joint.endswith(("hip", "knee", "ankle")) for joint in joints]
    people.keypoints[0, ~np.array(lower)] = 0
    # Nine visible joints are needed; three of them above.
    people.keypoints[0, 5:8] = (120, 60, 2)
    change = dataclasses.replace(NOTHING, half_body_probability=1.0)
    for epoch in range(20):
        matrix = TopDownTraining(people, SIZE, 1, epoch, change)._plans[0][1][0]
        shown = people.keypoints[0, lower, :2]
        middle = (shown.min(0) + shown.max(0)) / 2
        height = np.ptp(shown[:, 1]) + 1
        width = max(np.ptp(shown[:, 0]) + 1, height * 0.75)
        size = np.array([[width, width / 0.75]]) * 1.5
        if np.allclose(matrix, region_matrices(middle[None], size, SIZE)[0]):
            return
    pytest.fail("no draw showed the lower body")


@pytest.fixture
def noise(people_on):
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (40, 30, 3), dtype=np.uint8) for _ in range(9)]
    keypoints = rng.uniform(0, 30, (9, 17, 3))
    keypoints[..., 2] = 2
    return people_on(pictures, keypoints=keypoints)


def test_a_sample_is_a_function_of_its_position(noise):
    def fresh(seed=4):
        return TopDownTraining(noise, (32, 32), 4, seed, PoseAugmentation())

    expected = [fresh()(position) for position in range(20)]
    shared = fresh()
    order = list(reversed(range(20))) * 2
    with ThreadPoolExecutor(8) as threads:
        for position, sample in zip(order, threads.map(shared, order), strict=True):
            for name, value in sample.items():
                assert (value == expected[position][name]).all()
    assert (fresh(5)(0)["image"] != expected[0]["image"]).any()


def test_everybody_once_an_epoch_and_resumed_alike(noise):
    sampler = TopDownTraining(noise, (32, 32), 3, 0, PoseAugmentation())
    rows = [tuple(sampler._plans[epoch][0]) for epoch in range(4)]
    assert all(sorted(row) == list(range(9)) for row in rows)
    assert len(set(rows)) == 4
    whole = list(training_batches(sampler, 3).take(6).as_numpy_iterator())
    again = TopDownTraining(noise, (32, 32), 3, 0, PoseAugmentation())
    resumed = training_batches(again, 3, first_step=2).take(4).as_numpy_iterator()
    for first, second in zip(whole[2:], resumed, strict=True):
        assert all((first[name] == second[name]).all() for name in first)


def test_label_subsets_are_nested_and_of_whole_images(noise):
    people = noise.select(np.arange(900) % 9)
    people = dataclasses.replace(
        people,
        image_index=(np.arange(900) // 3).astype(np.int32),
        person_ids=np.arange(900, dtype=np.int64),
    )
    before: set[int] = set()
    for fraction, images in ((0.001, 1), (0.1, 30), (0.2, 60), (0.9, 270), (1, 300)):
        subset = label_subset(people, fraction, seed=1)
        chosen, counts = np.unique(subset.image_index, return_counts=True)
        assert len(chosen) == images and (counts == 3).all()
        assert before <= set(subset.person_ids.tolist())
        before = set(subset.person_ids.tolist())
    other = label_subset(people, 0.1, seed=2)
    assert set(other.person_ids) != set(label_subset(people, 0.1, 1).person_ids)
    for fraction in (0, -0.1, 1.1, float("nan")):
        with pytest.raises(InputError, match="fraction: expected above 0"):
            label_subset(people, fraction, 0)


def test_people_without_labels_and_crowds_are_left_out(noise):
    noise.keypoints[2] = 0
    people = dataclasses.replace(noise, crowd=np.arange(9) == 5)
    assert labelled_people(people).person_ids.tolist() == [0, 1, 3, 4, 6, 7, 8]
    noise.keypoints[:] = 0
    with pytest.raises(InputError, match="none of 9 people has a labelled joint"):
        labelled_people(people)


def test_truth_has_a_row_per_person(noise):
    truth = pose_truth(noise.select(np.array([4, 2])))
    assert truth.image_ids.tolist() == [104, 102]
    assert (truth.keypoints == noise.keypoints[[4, 2]]).all()


def test_real_photos(shared_data):
    people = labelled_people(load_dataset("coco_format", shared_data / "lspet", "val"))
    sampler = TopDownTraining(people, (64, 48), 8, 0, PoseAugmentation())
    batch = next(iter(training_batches(sampler, 8)))
    assert batch["image"].shape == (8, 64, 48, 3)
    assert batch["weights"].numpy().mean() > 0.5
    assert cv2.Laplacian(batch["image"].numpy()[0], cv2.CV_64F).std() > 1


def test_half_body_about_the_mean_of_its_joints(crowd_of):
    people = crowd_of(20)
    change = dataclasses.replace(
        NOTHING, half_body_probability=1.0, half_body_centre="mean"
    )
    matrices = TopDownTraining(people, SIZE, 1, 0, change)._plans[0][1]
    lower = [
        joint.endswith(("hip", "knee", "ankle")) for joint in people.skeleton.joints
    ]
    middle = [(SIZE[1] - 1) / 2, (SIZE[0] - 1) / 2]
    for matrix, pose in zip(matrices, people.keypoints[..., :2], strict=True):
        means = np.stack([pose[~np.array(lower)].mean(0), pose[lower].mean(0)])
        shown = means @ matrix[:, :2].T + matrix[:, 2]
        assert np.abs(shown - middle).max(axis=1).min() < 1e-3


def test_truncated_draws_are_mmposes(crowd_of):
    people = crowd_of(4000)
    change = dataclasses.replace(
        NOTHING,
        scale=0.5,
        rotation=80.0,
        rotation_probability=0.6,
        shift=0.16,
        draws="truncated",
    )
    sampler = TopDownTraining(people, SIZE, 100, 0, change)
    _, matrices, _ = sampler._plans[0]
    size = sampler.sizes[:, 0]
    scale = SIZE[1] / (np.linalg.norm(matrices[:, 0, :2], axis=1) * size)
    # A normal truncated at one deviation: nothing piles up at the bounds.
    assert 0.5 < scale.min() < 0.51 and 1.49 < scale.max() < 1.5
    assert (scale - 1).std() == pytest.approx(0.5 * 0.5396, abs=0.01)
    angle = np.degrees(np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0]))
    assert (angle != 0).mean() == pytest.approx(0.6, abs=0.03)
    assert 79 < np.abs(angle).max() < 80
    middle = [(SIZE[1] - 1) / 2, (SIZE[0] - 1) / 2, 1]
    full = np.concatenate([matrices, np.tile([0, 0, 1], (len(matrices), 1, 1))], 1)
    seen = (np.linalg.inv(full) @ middle)[:, :2]
    shift = (seen - sampler.centres) / sampler.sizes
    shifted = np.abs(shift).max(axis=1) > 1e-9
    assert shifted.mean() == pytest.approx(0.3, abs=0.03)
    assert 0.155 < np.abs(shift).max() <= 0.16


@pytest.mark.parametrize("alignment", ["half_pixel", "official", "udp"])
def test_scores_are_of_keypoints_in_the_nets_input(shared_data, alignment):
    """Real labels, as the net would see them, come back and are all right."""
    people = labelled_people(load_dataset("coco_format", shared_data / "lspet", "val"))
    people = people.select(np.arange(0, len(people), 20))
    sampler = TopDownEvaluation(people, SIZE, alignment=alignment)
    labels = people.keypoints[..., :2]
    seen = transform_points(sampler.matrices, labels)
    assert np.allclose(sampler.to_picture(seen), labels, atol=1e-3)
    heights = np.ones(labels.shape[:2], np.float32)
    metrics, notes = sampler.scores(seen, heights)
    assert metrics["pck"] == 1 and notes[0] == "boxes: ground truth"
    # A third of the input's width aside, hardly any joint is within 0.2 of a torso.
    moved = seen + [SIZE[1] / 3, 0]
    metrics, notes = sampler.scores(moved, heights)
    assert metrics["pck"] < 0.1
    expected = pose_scores(
        pose_truth(people), people.skeleton, sampler.to_picture(moved), heights
    )
    assert (metrics, notes) == expected
