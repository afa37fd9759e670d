"""`python -m tfpose evaluate_3d`: the errors of a lifter on a data set."""

import json
import pathlib
from collections.abc import Sequence

import numpy as np
from keras import ops

from data_pipelines.lifting.batches import LiftingEvaluation
from data_pipelines.lifting.datasets import load_lifting_dataset
from tfpose.cli.models import load_lifter
from tfpose.files import write_whole
from tfpose.metrics.mpjpe import PROTOCOLS, PositionScores, score_positions

__all__ = ["evaluate_3d"]

_BATCH = 4096


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

    Raises:
      InputError: no lifter, bad data, or joints that the lifter's cannot be made of.
    """
    lifter = load_lifter(model, flip_test)
    poses = load_lifting_dataset(
        dataset,
        data_dir,
        split,
        lifter.skeleton,
        keypoints=keypoints or None,
        subjects=subjects or None,
        stride=stride,
    )
    columns = LiftingEvaluation(poses)
    predicted = np.concatenate(
        [
            ops.convert_to_numpy(
                lifter.lift(columns.many(np.arange(start, end))["keypoints"])
            )
            for start, end in _parts(len(poses))
        ]
    )
    scores = {
        protocol: score_positions(
            predicted,
            poses.positions,
            poses.skeleton,
            protocol=protocol,
            keypoint_source=poses.keypoint_source,
            flip=flip_test,
            actions=poses.actions,
            action_index=poses.action_index,
        )
        for protocol in PROTOCOLS
    }
    for score in scores.values():
        print(score)
    parts = scores[PROTOCOLS[0]].per_part
    print("  " + ", ".join(f"{part} {s.mpjpe:.1f}" for part, s in parts.items()))
    if out:
        content = {"data": poses.name} | {
            protocol: score.to_dict() for protocol, score in scores.items()
        }
        text = json.dumps(content, indent=1) + "\n"
        write_whole(pathlib.Path(out), lambda aside: aside.write_text(text))
    return scores


def _parts(count: int) -> list[tuple[int, int]]:
    return [(at, min(at + _BATCH, count)) for at in range(0, count, _BATCH)]
