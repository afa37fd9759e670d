"""`python -m tfpose upper_bound`: what LOGO-CAP gains, and what it could at most."""

import json
import pathlib
import sys
from collections.abc import Iterator

import keras
import numpy as np
from keras import ops

from data_pipelines.common_joints import in_joints_of
from data_pipelines.multi_person import known_areas
from data_pipelines.readers.datasets import load_dataset
from data_pipelines.top_down import pose_truth
from tfpose.cli.models import load_predictor
from tfpose.errors import InputError
from tfpose.files import write_whole
from tfpose.logocap.expansion import expand_poses
from tfpose.logocap.net import LEVELS, LogoCapNet
from tfpose.logocap.picture import Placement
from tfpose.logocap.predictor import CentrePredictor
from tfpose.logocap.suppression import suppress_near
from tfpose.logocap.upper_bound import best_poses
from tfpose.metrics.oks import PosePredictions, oks_average_precision

__all__ = ["ROWS", "upper_bound"]

ROWS = (*LEVELS, "bound of a pose", "bound of each joint")
"""Start poses, the two levels of adaptation, and the best that labels could choose: one
place for all joints of a pose, or one for each joint."""
_METRICS = ("AP", "AP50", "AP75")


def upper_bound(
    model: str,
    dataset: str,
    data_dir: str,
    split: str,
    flip_test: bool = True,
    short_side: int | None = None,
    box_area_factor: float | None = None,
    out: str = "",
) -> dict[str, dict[str, float]]:
    """Prints OKS AP of a LOGO-CAP net's poses at each level, and of the best poses that
    its local maps hold.

    All rows have the same start poses and, the levels `partial` and `full` excepted,
    the same scores; poses that lie on each other are suppressed in each.

    Args:
        model: a `.keras` file of a `LogoCapNet`.
        dataset: kind of data set.
        data_dir: its folder.
        split: `train` or `val`.
        flip_test: average over picture and mirrored picture.
        short_side: of the net's input, pixels; None for the net's own.
        box_area_factor: share of a box's area that stands for an unknown segment area;
            None refuses unknown areas.
        out: JSON file for the numbers; empty for none.

    Returns:
        `ap`, `ap50` and `ap75`, 0..1, by the names in `ROWS`.

    Raises:
        InputError: another net, bad data, or none of the net's joints.

    Reference: Xue et al., CVPR 2022, supplement, section 2.
    """
    predictor = load_predictor(model, flip_test=flip_test, short_side=short_side)
    if not (
        isinstance(predictor, CentrePredictor) and isinstance(predictor.net, LogoCapNet)
    ):
        raise InputError(f"{model}: expected a net of trainers.logocap")
    people = load_dataset(dataset, data_dir, split)
    people = in_joints_of(people, predictor.skeleton, data_dir)
    areas = people.areas
    if box_area_factor is not None:
        areas = known_areas(people, box_area_factor)
    found: dict[str, list[tuple[int, np.ndarray, np.ndarray]]] = {
        row: [] for row in ROWS
    }
    count = len(people.image_ids)
    progress = keras.utils.Progbar(count, verbose=int(sys.stdout.isatty()))
    for row, here in people.each_image():
        truth = here[~people.crowd[here]]
        for name, poses, scores in _rows(
            predictor, people.picture(row), people.keypoints[truth], areas[truth]
        ):
            kept = suppress_near(poses[..., :2], scores)
            found[name].append((row, poses[kept], scores[kept]))
        progress.update(row + 1)
    content = {}
    print(f"{'':20} " + " ".join(f"{name:>6}" for name in _METRICS))
    for name, parts in found.items():
        poses, scores = (np.concatenate([part[i] for part in parts]) for i in (1, 2))
        ids = np.repeat([part[0] for part in parts], [len(part[2]) for part in parts])
        result = oks_average_precision(
            pose_truth(people),
            PosePredictions(
                people.image_ids[ids], poses[..., :2], poses[..., 2], scores
            ),
            people.skeleton,
            image_ids=people.image_ids,
            box_area_factor=box_area_factor,
        )
        content[name] = {metric.lower(): result[metric] for metric in _METRICS}
        cells = " ".join(f"{100 * result[metric]:6.1f}" for metric in _METRICS)
        print(f"{name:20} {cells}", flush=True)
    if out:
        text = json.dumps(content, indent=1)
        write_whole(pathlib.Path(out), lambda aside: aside.write_text(text))
    return content


def _rows(
    predictor: CentrePredictor,
    image: np.ndarray,
    keypoints: np.ndarray,
    areas: np.ndarray,
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """For each name in `ROWS`, poses `[P, J, 3]` of the picture and scores `[P]`."""
    net = predictor.net
    placement = Placement.of(image.shape[0], image.shape[1], predictor.short_side)
    dense, start = predictor.find(ops.convert_to_tensor(placement.place(image)[None]))
    filled = ops.convert_to_numpy(start.filled)[0]
    for level in LEVELS:
        poses, scores = (
            ops.convert_to_numpy(part)[0].astype(np.float64)
            for part in net.adapted(dense, start, level)
        )
        poses[..., :2] = placement.to_picture(poses[..., :2])
        if level == LEVELS[0]:
            unmoved, of_unmoved = poses[filled], scores[filled]
        yield level, poses[filled], scores[filled]
    expansion = expand_poses(start.keypoints, net.joint_scales, net.radius)
    places = placement.to_picture(ops.convert_to_numpy(expansion)[0][filled])
    sigmas = np.asarray(net.skeleton.sigmas)
    for name, whole in zip(ROWS[len(LEVELS) :], (True, False), strict=True):
        best = best_poses(places, keypoints, areas, sigmas, whole)
        yield name, np.concatenate([best, unmoved[..., 2:]], -1), of_unmoved
