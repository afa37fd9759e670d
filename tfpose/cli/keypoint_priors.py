"""`python -m tfpose keypoint_priors`: where in people's boxes each joint lies."""

import json
import pathlib

import numpy as np

from data_pipelines.readers.coco_format import read_coco
from tfpose.errors import InputError
from tfpose.files import write_picture, write_whole
from tfpose.hsjp.priors import KeypointPriors, draw_priors
from tfpose.hsjp.priors import keypoint_priors as count_priors
from tfpose.skeletons import Skeleton, get_skeleton

__all__ = ["keypoint_priors"]


def keypoint_priors(
    annotations: str, out: str, grid: int = 3, skeleton: str = ""
) -> None:
    """Writes `<out>/keypoint_priors.json` and a picture per group of joints, and
    prints a line per joint; the images need not be there.

    Args:
        annotations: COCO-format JSON file.
        out: folder, made if need be.
        grid: cells a side; the HSJP supplement has 3.
        skeleton: name of the joints, for a file that does not name them.

    Raises:
        InputError: no such file, nobody usable in it, or a grid below 1.
    """
    if grid < 1:
        raise InputError(f"grid: expected at least 1 cell a side, got {grid}")
    joints = get_skeleton(skeleton) if skeleton else None
    people, report = read_coco(annotations, None, joints)
    print(report.summary())
    people = people.select(~people.crowd)
    keypoints = people.keypoints.copy()
    # From pixel centres to the edge coordinates of boxes.
    keypoints[..., :2] += 0.5
    priors = count_priors(people.boxes, keypoints, grid)
    for line in _lines(priors, people.skeleton):
        print(line)
    document = {
        "annotations": str(annotations),
        "grid": grid,
        "joints": {
            name: {
                "inside": int(priors.inside[joint]),
                "outside": int(priors.outside[joint]),
                "fractions": _rows(priors.fractions[joint]),
            }
            for joint, name in enumerate(people.skeleton.joints)
        },
        "not_used": report.to_dict(),
    }
    folder = pathlib.Path(out)
    text = json.dumps(document, indent=1) + "\n"
    write_whole(folder / "keypoint_priors.json", lambda aside: aside.write_text(text))
    for group, picture in draw_priors(priors, people.skeleton, people.name).items():
        write_picture(folder / f"{group.replace(' ', '_')}.png", picture)
    print(f"written to {folder}")


def _rows(fractions: np.ndarray) -> list[list[float]] | None:
    """A joint's table, rows from the top; None if the joint was never seen."""
    return None if np.isnan(fractions).any() else fractions.round(6).tolist()


def _lines(priors: KeypointPriors, skeleton: Skeleton) -> list[str]:
    lines = []
    for joint, name in enumerate(skeleton.joints):
        table = priors.fractions[joint]
        if np.isnan(table).any():
            lines.append(f"{name:16s} never labelled inside a box")
            continue
        row, column = np.unravel_index(table.argmax(), table.shape)
        lines.append(
            f"{name:16s} {table.max():6.1%} in row {row + 1}, column {column + 1} "
            f"of {len(table)} ({priors.inside[joint]} joints)"
        )
    return lines
