"""LOGO-CAP's losses, and whom poses learn from."""

import numpy as np
import pytest

from tests.drawn_crowd import draw_crowds
from tfpose.codecs.centre_targets import CentreCodec
from tfpose.logocap.expansion import expand_poses, joint_scales
from tfpose.logocap.loss import (
    assign_people,
    attraction_loss,
    heatmap_loss,
    offset_loss,
    refined_loss,
    with_first,
)
from tfpose.metrics.pairwise_oks import pairwise_oks
from tfpose.skeletons import get_skeleton

COCO = get_skeleton("coco17")
CODEC = CentreCodec((128, 128), released=True)
SLOTS = 4


def case(counts=(5, 2)):
    """People, targets, and what a net might have said; drawn from a seed."""
    rng = np.random.default_rng(5)
    keypoints, centres, areas = draw_crowds(rng, counts, 6, 128)
    ignored = np.zeros((2, 32, 32), np.uint8)
    targets = CODEC(keypoints, centres, areas, ignored, np.zeros(2, np.float32))
    shapes = {
        "heat": ((2, 32, 32, 18), 0, 0.3),
        "offsets": ((2, 32, 32, 17, 2), 0, 4),
        "start": ((2, SLOTS, 17, 2), 0, 4),
        "attraction": ((2, SLOTS, 11, 11, 17), 0.4, 0.3),
        "refined": ((2, SLOTS, 33, 33, 17), 0.1, 0.2),
    }
    said = {
        name: rng.normal(mean, deviation, shape).astype(np.float32)
        for name, (shape, mean, deviation) in shapes.items()
    }
    said["start"] += keypoints[:, :SLOTS, :, :2]
    expansion = expand_poses(said["start"], joint_scales(COCO))
    assignment = assign_people(
        expansion,
        np.ones((2, SLOTS), bool),
        keypoints,
        CODEC.labelled_inside(keypoints),
        areas,
        COCO.sigmas,
    )
    return keypoints, areas, targets, said, np.asarray(expansion), assignment


def test_losses_are_those_of_the_released_code():
    _, _, targets, said, _, assignment = case()
    assert np.asarray(assignment.kept).tolist() == [
        [True] * 4,
        [True] * 2 + [False] * 2,
    ]
    heat = heatmap_loss(said["heat"], targets)
    assert float(heat) == pytest.approx(0.11745882034301758, rel=1e-5)
    kept = assignment.kept
    parts = (
        (offset_loss(said["offsets"], targets), 0.09590734541416168),
        (attraction_loss(said["attraction"], assignment), 0.042067140340805054),
        (
            refined_loss(said["refined"], said["start"], assignment, kept),
            0.0165701974183321,
        ),
    )
    for part, expected in parts:
        assert float(part.total) / float(part.count) == pytest.approx(
            expected, rel=1e-5
        )


def test_assignment_equals_oks_place_by_place():
    keypoints, areas, _, _, expansion, assignment = case()
    inside = np.asarray(CODEC.labelled_inside(keypoints)) > 0
    for row, slot in np.argwhere(np.asarray(assignment.kept)):
        places = expansion[row, slot].reshape(121, 17, 2).astype(np.float64)
        of_people = []
        for person in range((areas[row] > 0).sum()):
            truth = keypoints[row, person, :, :2].astype(np.float64)
            # `[121, J]`, each joint alone.
            oks = np.stack(
                [
                    pairwise_oks(
                        places,
                        truth[None],
                        areas[row, person],
                        COCO,
                        np.broadcast_to(np.arange(17) == joint, (121, 1, 17)),
                    )[:, 0]
                    for joint in range(17)
                ],
                axis=1,
            )
            of_people.append(oks * inside[row, person])
        counts = np.maximum(inside[row, : len(of_people)].sum(axis=1), 1)
        best = np.array([oks.max(axis=0).sum() for oks in of_people]) / counts
        person = int(best.argmax())
        oks = of_people[person]
        found = np.asarray(assignment.similarity)[row, slot].reshape(121, 17)
        np.testing.assert_allclose(found, oks, atol=1e-5)
        gain = oks.max(axis=0) - oks[60]
        np.testing.assert_allclose(
            np.asarray(assignment.weights)[row, slot], gain, atol=1e-5
        )
        assert (oks.sum(axis=1) / counts[person]).max() >= 0.5
        target = np.asarray(assignment.keypoints)[row, slot]
        np.testing.assert_array_equal(target, keypoints[row, person, :, :2])


def test_joints_without_a_label_have_no_weight():
    keypoints, _, _, _, _, assignment = case()
    person = np.asarray(assignment.keypoints)
    weights = np.asarray(assignment.weights)
    absent = (person == 0).all(axis=-1)
    assert absent.any() and not weights[absent].any() and weights.any()


def test_empty_slots_are_not_kept():
    keypoints, areas, _, _, expansion, assignment = case()
    filled = np.ones((2, SLOTS), bool)
    filled[0, 1] = False
    found = assign_people(
        expansion,
        filled,
        keypoints,
        CODEC.labelled_inside(keypoints),
        areas,
        COCO.sigmas,
    )
    assert np.asarray(found.kept)[0].tolist() == [True, False, True, True]
    assert not np.asarray(found.weights)[0, 1].any()


def test_nobody_has_no_loss():
    _, _, targets, said, _, assignment = case((0, 0))
    assert not np.asarray(assignment.kept).any()
    parts = (
        offset_loss(said["offsets"], targets),
        attraction_loss(said["attraction"], assignment),
        refined_loss(said["refined"], said["start"], assignment, assignment.kept),
    )
    assert [(float(p.total), float(p.count)) for p in parts] == [(0.0, 0.0)] * 3
    assert np.isfinite(float(heatmap_loss(said["heat"], targets)))


def test_the_released_code_counts_the_first_pose_of_a_photo_without_any():
    kept = np.array([[False, True, False], [False] * 3])
    counted = np.asarray(with_first(kept)).tolist()
    assert counted == [[False, True, False], [True, False, False]]
