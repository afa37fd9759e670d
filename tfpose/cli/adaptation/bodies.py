"""Ratios of limb lengths: of the truth, and of unadapted and adapted predictions."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tfpose.cli.adaptation.study import ADAPTED, COLOURS, UNADAPTED, Finding, Study
from tfpose.errors import InputError
from tfpose.skeletons import Skeleton

__all__ = ["limb_ratios", "limbs"]

_TRUTH = "truth"

# Joints from the upper end of the upper limb to the lower end of the lower one.
_CHAINS = {
    "arm": ("shoulder", "elbow", "wrist"),
    "leg": ("hip", "knee", "ankle"),
}
_TORSO = ("thorax", "spine", "pelvis")
# Bins of the distances between distributions, and where figures end.
_LARGEST, _BINS = 3.0, 60
# Shortest lower limb, metres; a body of length 0 has no ratios.
_SHORTEST = 1e-6


def limb_ratios(positions: np.ndarray, skeleton: Skeleton) -> dict[str, np.ndarray]:
    """Lengths of upper by lower limbs.

    Args:
        positions: `[N, J, 3]`, any unit.
        skeleton: the J joints; ratios of joints that it lacks are left out.

    Returns:
        `[N]` for each of `left_arm`, `right_arm`, `left_leg`, `right_leg`, `torso`.
    """
    chains = {
        f"{side}_{limb}": tuple(f"{side}_{joint}" for joint in joints)
        for limb, joints in _CHAINS.items()
        for side in ("left", "right")
    }
    ratios = {}
    for name, joints in (chains | {"torso": _TORSO}).items():
        if all(joint in skeleton.joints for joint in joints):
            a, b, c = (positions[:, skeleton.index(joint)] for joint in joints)
            upper = np.linalg.norm(a - b, axis=-1)
            lower = np.linalg.norm(b - c, axis=-1)
            ratios[name] = upper / np.maximum(lower, _SHORTEST)
    return ratios


def limbs(study: Study) -> Finding:
    """Distributions of limb ratios with the truth beside them (Fig. 5).

    Raises:
        InputError: the skeleton has no limb of two parts.
    """
    skeleton = study.net.skeleton
    truth = limb_ratios(study.truth, skeleton)
    if not truth:
        raise InputError(
            f"skeleton {skeleton.name!r}: no arm, leg or torso of two parts, expected "
            "joints such as left_shoulder, left_elbow and left_wrist"
        )
    ratios = {
        _TRUTH: truth,
        UNADAPTED: limb_ratios(study.unadapted(), skeleton),
        ADAPTED: limb_ratios(study.adapted(), skeleton),
    }
    numbers = {
        kind: {name: _summary(values, truth[name]) for name, values in of.items()}
        for kind, of in ratios.items()
    }
    lines = [f"{'upper : lower':14s}" + "".join(f"{kind:>23s}" for kind in ratios)]
    for name in truth:
        cells = "".join(f"{_cell(numbers[kind][name]):>23s}" for kind in ratios)
        lines.append(f"{name:14s}{cells}")
    lines.append("median (quarter to three quarters), apart: share of poses that would")
    lines.append("have to change for the distribution to be the truth's")

    def draw(figure: Figure) -> None:
        groups = ("arm", "leg", "torso")
        for axes, group in zip(figure.subplots(1, 3), groups, strict=True):
            drawn = [name for name in truth if name.endswith(group)]
            for kind, of in ratios.items():
                for name, style in zip(drawn, ("-", "--"), strict=False):
                    heights, edges = np.histogram(
                        of[name], _BINS, (0, _LARGEST), density=True
                    )
                    side = {"l": ", left", "r": ", right", "t": ""}[name[0]]
                    axes.plot(
                        (edges[1:] + edges[:-1]) / 2,
                        heights,
                        style,
                        color=_COLOURS[kind],
                        label=kind + side,
                    )
            axes.set_xlabel(f"upper to lower {group}")
            axes.set_ylim(bottom=0)
            if drawn and group != "torso":
                axes.legend(fontsize=7)

    return Finding(numbers, lines, draw)


_COLOURS = {_TRUTH: "black"} | COLOURS


def _summary(values: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    quarter, median, upper = np.percentile(values, (25, 50, 75))
    edges = np.linspace(0, _LARGEST, _BINS + 1)
    counts, _ = np.histogram(np.minimum(values, _LARGEST), edges)
    of_truth, _ = np.histogram(np.minimum(truth, _LARGEST), edges)
    apart = np.abs(counts / len(values) - of_truth / len(truth)).sum() / 2
    return {
        "quarter": float(quarter),
        "median": float(median),
        "three_quarters": float(upper),
        "apart": float(apart),
        "bin_edges": edges.round(6).tolist(),
        "counts": counts.tolist(),
    }


def _cell(numbers: dict[str, Any]) -> str:
    return (
        f"{numbers['median']:.2f} ({numbers['quarter']:.2f}-"
        f"{numbers['three_quarters']:.2f}) {100 * numbers['apart']:.0f} %"
    )
