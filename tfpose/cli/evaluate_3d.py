"""`python -m tfpose evaluate_3d`: the errors of a lifter on a data set."""

import json
import pathlib
from collections.abc import Sequence
from typing import Any

from data_pipelines.lifting.batches import LiftingEvaluation
from data_pipelines.lifting.datasets import load_lifting_dataset
from tfpose.cli.models import load_lifter
from tfpose.errors import InputError
from tfpose.files import write_whole
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
            each pose before its prediction, in the data set's order. Empty for none.

    Raises:
        InputError: no lifter, bad data, joints that the lifter's cannot be made of, or
            a flip test of a lifter that adapts.
    """
    if adapt and flip_test:
        raise InputError("flip_test is given, but a lifter that adapts has none")
    lifter = load_lifter(model, flip_test, adapt)
    poses = load_lifting_dataset(
        dataset,
        data_dir,
        split,
        lifter.skeleton,
        keypoints=keypoints or None,
        subjects=subjects or None,
        stride=stride,
    )
    evaluation = LiftingEvaluation(poses)
    positions = lifter.lift_all(evaluation.keypoints)
    scores = evaluation.scores(positions, lifter.flip_test)
    if adapt:
        print(f"adapted to each pose, in order: {adapt}")
    for score in scores.values():
        print(score)
    parts = scores[PROTOCOLS[0]].per_part
    print("  " + ", ".join(f"{part} {s.mpjpe:.1f}" for part, s in parts.items()))
    if out:
        content: dict[str, Any] = {"data": poses.name}
        if adapt:
            content["adaptation"] = adapt
        content |= {protocol: score.to_dict() for protocol, score in scores.items()}
        text = json.dumps(content, indent=1) + "\n"
        write_whole(pathlib.Path(out), lambda aside: aside.write_text(text))
    return scores
