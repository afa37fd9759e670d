"""Keypoint priors: where in the person's box each joint lies.

This is the paper's reason why jigsaw puzzles are useful for poses (HSJP supplement,
section 1): with the box of a person divided into n x n patches, most joints lie in a
few of them. A net that can tell the patches apart has learnt much about joints.
"""

import dataclasses

import matplotlib.figure
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg

from tfpose.errors import InputError
from tfpose.skeletons import Skeleton

__all__ = ["KeypointPriors", "draw_priors", "joint_groups", "keypoint_priors"]

_UPPER = ("shoulder", "elbow", "wrist", "hand", "clavicle")
_LOWER = ("hip", "knee", "ankle", "foot", "toe", "pelvis")


@dataclasses.dataclass(frozen=True)
class KeypointPriors:
    """Result of `keypoint_priors`."""

    fractions: np.ndarray
    """float64 `[J, n, n]` (joint, row from the top, column from the left): share of
    the labelled joints inside the box that lie in the cell. Sums to 1 over the
    cells; NaN for a joint that is never inside."""
    inside: np.ndarray
    """int64 `[J]`: labelled joints inside their person's box."""
    outside: np.ndarray
    """int64 `[J]`: labelled joints outside of it, not part of `fractions`."""


def keypoint_priors(
    boxes: np.ndarray, keypoints: np.ndarray, n: int = 3
) -> KeypointPriors:
    """Counts in which of n x n cells of the person's box each joint lies.

    Args:
        boxes: `[P, 4]` (x, y, w, h). People with an empty box are not counted.
        keypoints: `[P, J, 3]` (x, y, visibility) in the units of `boxes`, x and y
            measured from the same origin as the box's edge; visibility 0 is absent.
        n: cells per side, at least 1.

    Raises:
        InputError: shapes do not fit, or n is below 1.
    """
    boxes = np.asarray(boxes, np.float64)
    keypoints = np.asarray(keypoints, np.float64)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise InputError(f"boxes have shape {boxes.shape}, expected [P, 4]")
    if keypoints.ndim != 3 or keypoints.shape[::2] != (len(boxes), 3):
        raise InputError(
            f"keypoints have shape {keypoints.shape}, expected [{len(boxes)}, J, 3]"
        )
    if n < 1:
        raise InputError(f"n is {n} cells per side, expected at least 1")
    usable = (boxes[:, 2:] > 0).all(axis=1)
    boxes, keypoints = boxes[usable, None], keypoints[usable]
    labelled = keypoints[..., 2] > 0
    relative = (keypoints[..., :2] - boxes[..., :2]) / boxes[..., 2:]
    within = labelled & ((relative >= 0) & (relative <= 1)).all(axis=-1)
    # The right and the bottom edge belong to the last cell.
    cells = np.minimum(np.floor(np.where(within[..., None], relative, 0) * n), n - 1)
    column, row = cells.astype(np.int64)[..., 0], cells.astype(np.int64)[..., 1]
    joints = keypoints.shape[1]
    place = (np.arange(joints) * n + row) * n + column
    counts = np.bincount(place[within], minlength=joints * n * n).reshape(-1, n, n)
    inside = counts.sum(axis=(1, 2))
    fractions = np.full(counts.shape, np.nan)
    np.divide(
        counts, inside[:, None, None], out=fractions, where=inside[:, None, None] > 0
    )
    return KeypointPriors(fractions, inside, (labelled & ~within).sum(axis=0))


def joint_groups(skeleton: Skeleton) -> dict[str, tuple[int, ...]]:
    """Joint indices of the supplement's three figures, and of the torso.

    Keys are "head", "upper limbs", "lower limbs" and "torso"; empty groups are left
    out.
    """
    groups: dict[str, list[int]] = {
        "head": [],
        "upper limbs": [],
        "lower limbs": [],
        "torso": [],
    }
    for index, joint in enumerate(skeleton.joints):
        part = joint.removeprefix("left_").removeprefix("right_")
        if part in _UPPER:
            groups["upper limbs"].append(index)
        elif part in _LOWER:
            groups["lower limbs"].append(index)
        elif part.startswith(("spine", "thorax")):
            groups["torso"].append(index)
        else:
            groups["head"].append(index)
    return {name: tuple(members) for name, members in groups.items() if members}


def draw_priors(
    priors: KeypointPriors, skeleton: Skeleton, title: str = ""
) -> dict[str, np.ndarray]:
    """Draws one picture per group of joints, with a table of percentages per joint.

    Args:
        priors: counted on people of `skeleton`.
        skeleton: names the joints.
        title: added to each picture's heading, such as the data set's name.

    Returns:
        uint8 `[H, W, 3]` RGB pictures by the keys of `joint_groups`.

    Raises:
        InputError: the priors have another number of joints.
    """
    if len(priors.fractions) != skeleton.num_joints:
        raise InputError(
            f"priors are of {len(priors.fractions)} joints, expected "
            f"{skeleton.num_joints} for skeleton {skeleton.name!r}"
        )
    top = float(np.nanmax(priors.fractions, initial=0.01))
    return {
        group: _draw_group(priors, skeleton, members, f"{group} {title}".strip(), top)
        for group, members in joint_groups(skeleton).items()
    }


def _draw_group(
    priors: KeypointPriors,
    skeleton: Skeleton,
    members: tuple[int, ...],
    heading: str,
    top: float,
) -> np.ndarray:
    # In a group of left-right pairs the left joint is drawn beside the right one.
    pairs = all(skeleton.side(member) != "middle" for member in members)
    columns = 2 if pairs else min(len(members), 5)
    rows = -(-len(members) // columns)
    figure = matplotlib.figure.Figure(
        figsize=(2.3 * columns + 0.3, 2.55 * rows + 0.5), dpi=110, layout="constrained"
    )
    canvas = FigureCanvasAgg(figure)
    figure.suptitle(heading[:1].upper() + heading[1:], fontsize=13)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes[len(members) :]:
        axis.set_axis_off()
    for axis, member in zip(axes, members, strict=False):
        table = priors.fractions[member]
        axis.imshow(table, cmap="Blues", vmin=0, vmax=top)
        axis.set_title(skeleton.joints[member].replace("_", " "), fontsize=11)
        axis.set_xticks([])
        axis.set_yticks([])
        axis.set_xlabel(f"{priors.inside[member]:,} joints", fontsize=8)
        for (row, column), value in np.ndenumerate(table):
            axis.text(
                column,
                row,
                "-" if np.isnan(value) else f"{100 * value:.1f}%",
                ha="center",
                va="center",
                fontsize=30 / max(3, len(table)),
                color="white" if value > 0.55 * top else "black",
            )
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
