"""Accuracy against steps, learning rate, noise, and for each part of the body."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from data_pipelines.lifting.batches import LiftingEvaluation
from tfpose.cli.adaptation.study import ADAPTED, COLOURS, UNADAPTED, Finding, Study
from tfpose.cli.noise import with_noise
from tfpose.errors import InputError
from tfpose.iso.options import MODES
from tfpose.metrics.mpjpe import score_positions
from tfpose.skeletons import Skeleton

__all__ = ["NOISE", "RATES", "STEPS", "noise", "parts", "rates", "steps"]

STEPS = (1.0, 2.0, 5.0, 10.0, 20.0)
"""Gradient steps a sample, T."""
RATES = (2e-7, 2e-6, 2e-5, 2e-4, 2e-3)
"""Learning rates."""
NOISE = (0.0, 5.0, 10.0)
"""Standard deviations of the keypoints' noise, pixels."""

_SWEPT = ("vanilla", "online")
_PARTS = {
    "hip": ("hip",),
    "spine": ("spine", "spine2", "spine3", "spine4", "thorax"),
    "shoulder": ("shoulder",),
    "head": ("head", "head_top", "neck", "nose"),
    "elbow": ("elbow",),
    "wrist": ("wrist",),
    "knee": ("knee",),
    "ankle": ("ankle",),
}


def steps(study: Study, values: Sequence[float] = STEPS) -> Finding:
    """PCK against T, vanilla and online, at the study's learning rate (Fig. 4, left).

    Raises:
        InputError: T is no whole number from 1.
    """
    for value in values:
        if value != int(value) or value < 1:
            raise InputError(f"values: expected whole numbers from 1, got {value:g}")
    changes = {mode: [{"steps": int(v)} for v in values] for mode in _SWEPT}
    return _swept(study, "steps", values, changes)


def rates(study: Study, values: Sequence[float] = RATES) -> Finding:
    """PCK against the learning rate, vanilla of 10 steps and online of 1 (Fig. 4,
    right); the study's own number of steps counts for its own mode.

    Raises:
        InputError: a rate is not above 0.
    """
    for value in values:
        if not value > 0:
            raise InputError(f"values: expected numbers above 0, got {value:g}")
    usual = {"vanilla": MODES["vanilla"]["steps"], "online": 1}
    usual["online" if study.options.online else "vanilla"] = study.options.steps
    changes = {
        mode: [{"steps": usual[mode], "learning_rate": v} for v in values]
        for mode in _SWEPT
    }
    return _swept(study, "learning_rate", values, changes)


def _swept(
    study: Study,
    field: str,
    values: Sequence[float],
    changes: dict[str, list[dict[str, Any]]],
) -> Finding:
    base = study.scores(study.unadapted())
    curves: dict[str, list[Any]] = {mode: [] for mode in changes}
    for mode, rows in changes.items():
        for value, change in zip(values, rows, strict=True):
            options = dataclasses.replace(
                study.options, online=mode == "online", every=1, **change
            )
            positions = study.adapted(options, name=f"{mode}, {field} {value:g}")
            curves[mode].append({field: value, **study.scores(positions)})
    lines = [f"{field:>14s}" + "".join(f"{mode:>20s}" for mode in curves)]
    lines.append(f"{'none':>14s}{_short(base):>20s}")
    for row, value in enumerate(values):
        cells = "".join(f"{_short(curves[mode][row]):>20s}" for mode in curves)
        lines.append(f"{value:14g}{cells}")
    lines.append("PCK@150mm in %, MPJPE in mm, unscaled")

    def draw(figure: Figure) -> None:
        for axes, (key, factor, label) in zip(
            figure.subplots(1, 2), _DRAWN, strict=True
        ):
            for mode, scores in curves.items():
                heights = [factor * score["unscaled"][key] for score in scores]
                axes.plot(values, heights, marker="o", label=mode)
            axes.axhline(factor * base["unscaled"][key], color="grey", ls="--")
            axes.set_xscale("log")
            axes.set_xticks(values, [f"{value:g}" for value in values])
            axes.minorticks_off()
            axes.set_xlabel(field.replace("_", " "))
            axes.set_ylabel(label)
            axes.grid(alpha=0.3)
        axes.plot([], [], color="grey", ls="--", label=UNADAPTED)
        axes.legend()

    return Finding({UNADAPTED: base, "curves": curves}, lines, draw)


_DRAWN = (("pck", 100.0, "PCK at 150 mm, %"), ("mpjpe", 1.0, "MPJPE, mm"))


def _short(scores: dict[str, Any]) -> str:
    unscaled = scores["unscaled"]
    return f"{100 * unscaled['pck']:.1f} {unscaled['mpjpe']:.1f}"


def noise(study: Study, values: Sequence[float] = NOISE) -> Finding:
    """PCK, AUC and MPJPE with Gaussian noise on the keypoints (Table 5).

    Raises:
        InputError: a deviation is below 0.
    """
    for value in values:
        if not value >= 0:
            raise InputError(f"values: expected 0 or more pixels, got {value:g}")
    poses = study.poses
    heights = np.ptp(poses.keypoints[..., 1], axis=1)
    rows: list[dict[str, Any]] = []
    for value in values:
        keypoints = LiftingEvaluation(with_noise(poses, value)).keypoints
        adapted = study.adapted(keypoints=keypoints, name=f"noise {value:g} px")
        rows.append(
            {
                "noise_px": value,
                UNADAPTED: study.scores(study.unadapted(keypoints)),
                ADAPTED: study.scores(adapted),
            }
        )
    lines = ["noise px               PCK %   AUC %   MPJPE mm"]
    for row in rows:
        for kind in (UNADAPTED, ADAPTED):
            score = row[kind]["unscaled"]
            lines.append(
                f"{row['noise_px']:8g}  {kind:10s}{100 * score['pck']:8.1f}"
                f"{100 * score['auc']:8.1f}{score['mpjpe']:11.1f}"
            )
    height = float(np.median(heights))
    lines.append(f"half of the people are {height:.0f} pixels tall or more")

    def draw(figure: Figure) -> None:
        for axes, (key, factor, label) in zip(
            figure.subplots(1, 2), _DRAWN, strict=True
        ):
            for kind in (UNADAPTED, ADAPTED):
                scores = [factor * row[kind]["unscaled"][key] for row in rows]
                axes.plot(values, scores, marker="o", color=COLOURS[kind], label=kind)
            axes.set_xlabel("noise on the keypoints, pixels")
            axes.set_ylabel(label)
            axes.grid(alpha=0.3)
        axes.legend()

    return Finding({"person_height_px": height, "rows": rows}, lines, draw)


def parts(study: Study) -> Finding:
    """PCK of each part of the body (Fig. 7); the root, always right, is in none."""
    found = {UNADAPTED: study.unadapted(), ADAPTED: study.adapted()}
    names = _part_joints(study.net.skeleton)
    shares = {
        kind: {
            part: score_positions(
                positions,
                study.truth,
                study.net.skeleton,
                keypoint_source=study.poses.keypoint_source,
                joints=joints,
            ).overall.pck
            for part, joints in names.items()
        }
        for kind, positions in found.items()
    }
    lines = [f"{'PCK@150mm, %':14s}" + "".join(f"{kind:>11s}" for kind in shares)]
    for part in names:
        cells = "".join(f"{100 * shares[kind][part]:11.1f}" for kind in shares)
        lines.append(f"{part:14s}{cells}")

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for place, (kind, of_parts) in enumerate(shares.items()):
            left = np.arange(len(of_parts)) + 0.4 * (place - 0.5)
            heights = [100 * share for share in of_parts.values()]
            axes.bar(left, heights, 0.38, color=COLOURS[kind], label=kind)
        axes.set_xticks(range(len(names)), list(names))
        axes.set_ylabel("PCK at 150 mm, %")
        axes.grid(axis="y", alpha=0.3)
        axes.set_axisbelow(True)
        # Above the bars.
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False)

    return Finding({"joints": names, "pck": shares}, lines, draw)


def _part_joints(skeleton: Skeleton) -> dict[str, list[str]]:
    """The joints of each part that the skeleton has."""
    found = {
        part: [
            joint
            for row, joint in enumerate(skeleton.joints)
            if row != skeleton.root
            and joint.removeprefix("left_").removeprefix("right_") in names
        ]
        for part, names in _PARTS.items()
    }
    return {part: joints for part, joints in found.items() if joints}
