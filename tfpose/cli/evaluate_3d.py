"""`python -m tfpose evaluate_3d`: the errors of a lifter on a data set."""

import json
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from data_pipelines.lifting.batches import LiftingEvaluation
from data_pipelines.lifting.datasets import load_lifting_dataset
from tfpose.adapters import parse_adaptation
from tfpose.cli.models import load_lifter
from tfpose.cli.noise import with_noise
from tfpose.cli.stream_curve import draw_stream_curve
from tfpose.errors import InputError
from tfpose.files import write_whole
from tfpose.lifters.pose_lifter import AdaptingLifter, PoseLifter
from tfpose.metrics.mpjpe import PROTOCOLS, PositionScores

__all__ = ["evaluate_3d"]


def evaluate_3d(
    model: str,
    dataset: str,
    data_dir: str,
    split: str = "test",
    keypoints: str = "",
    subjects: Sequence[str] = (),
    stride: int = 1,
    flip_test: bool = False,
    out: str = "",
    adapt: str = "",
    refine: str = "",
    noise: float = 0.0,
    curve: str = "",
) -> dict[str, PositionScores]:
    """Prints MPJPE, N-MPJPE, PA-MPJPE, PCK at 150 mm and AUC, and of each part of the
    body; returns them by protocol.

    Args:
        model: a `.keras` lifter; the data's joints are made its own by name.
        dataset: one of `LIFTING_DATASETS`.
        data_dir: its folder.
        split: `train` or `test`.
        keypoints: source of the 2D; empty for the data set's own choice.
        subjects: people, in place of the split's.
        stride: every how many frames one is taken.
        flip_test: average over pose and mirrored pose.
        out: JSON file for all metrics, those of each joint and action too; empty for
            none.
        adapt: see `tfpose.adapters.parse_adaptation`, for lifters; the lifter adapts to
            each pose before its prediction, in the data set's order, as one stream.
            The metrics without that are printed first, and are `unadapted` in the
            file. Empty for none.
        refine: one of `tfpose.cli.refined_lifter.REFINEMENTS`, without adaptation;
            empty for none.
        noise: standard deviation of normal noise that is added to the 2D, pixels of the
            image; the same noise in every run (the paper's Table 5).
        curve: PNG file for the error along the stream, adapted and not; empty for none.

    Raises:
        InputError: no lifter, bad data, joints that the lifter's cannot be made of, or
            options that do not go together.
    """
    _check(flip_test, adapt, refine, noise, curve)
    if adapt:
        flip_test = getattr(parse_adaptation(adapt).options, "flip", False)
    plain = load_lifter(model, flip_test, refine=refine)
    lifter = load_lifter(model, adapt=adapt) if adapt else plain
    poses = load_lifting_dataset(
        dataset,
        data_dir,
        split,
        lifter.skeleton,
        keypoints=keypoints or None,
        subjects=subjects or None,
        stride=stride,
    )
    evaluation = LiftingEvaluation(with_noise(poses, noise))
    content: dict[str, Any] = {"data": poses.name}
    content |= {"noise": noise} if noise else {}
    content |= {"refinement": refine} if refine else {}
    if refine:
        print(f"refined: {refine}")
    scores, measured = _measure(plain, lifter, evaluation, adapt, curve)
    content |= measured
    if out:
        text = json.dumps(content, indent=1) + "\n"
        write_whole(pathlib.Path(out), lambda aside: aside.write_text(text))
    return scores


def _measure(
    plain: PoseLifter,
    lifter: PoseLifter,
    evaluation: LiftingEvaluation,
    adapt: str,
    curve: str,
) -> tuple[dict[str, PositionScores], dict[str, Any]]:
    """Scores, and what the JSON file says; of a lifter that adapts, also without."""
    positions = plain.lift_all(evaluation.keypoints)
    scores = evaluation.scores(positions, plain.flip_test)
    if not isinstance(lifter, AdaptingLifter):
        _print(scores)
        return scores, _dicts(scores)
    print("not adapted")
    _print(scores)
    content: dict[str, Any] = {"adaptation": adapt, "unadapted": _dicts(scores)}
    before = positions
    stream = np.zeros(len(before), int)
    positions = lifter.lift_streams(evaluation.keypoints, stream)
    print(f"adapted to each pose, in order: {adapt}")
    scores = evaluation.scores(positions, plain.flip_test)
    if curve:
        found = {"not adapted": before, adapt: positions}
        draw_stream_curve(found, evaluation.poses, pathlib.Path(curve))
    _print(scores)
    content |= _dicts(scores)
    if left_out := lifter.left_out():
        print(left_out)
        content["left_out"] = left_out
    return scores, content


def _check(flip_test: bool, adapt: str, refine: str, noise: float, curve: str) -> None:
    if adapt and flip_test:
        raise InputError(
            f"flip_test is given, but it is an option of adapt: {adapt},flip=true"
        )
    if adapt and refine:
        raise InputError(
            "refine is without adaptation, and adapt is given, expected one of them"
        )
    if curve and not adapt:
        raise InputError("curve is of a lifter that adapts, expected adapt")
    if not 0 <= noise < np.inf:
        raise InputError(f"noise: expected 0 or more pixels, got {noise}")


def _print(scores: dict[str, PositionScores]) -> None:
    for score in scores.values():
        print(score)
    parts = scores[PROTOCOLS[0]].per_part
    print("  " + ", ".join(f"{part} {s.mpjpe:.1f}" for part, s in parts.items()))


def _dicts(scores: dict[str, PositionScores]) -> dict[str, Any]:
    return {protocol: score.to_dict() for protocol, score in scores.items()}
