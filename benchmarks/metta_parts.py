"""The rows of `benchmarks.metta_ablations`: their trainings, and how they look."""

import json
import pathlib
from typing import Any

from benchmarks.runs import Run

__all__ = [
    "ADAPTED",
    "BASE",
    "BLIND",
    "JOINT",
    "MOST_STEPS",
    "TRAININGS",
    "plan_runs",
    "table_row",
]

MOST_STEPS = 10
BASE, JOINT, BLIND = "second order", "joint training alone", "pose guidance off"
TRAININGS: dict[str, dict[str, Any]] = {
    BASE: {},
    "first order": {"first_order": True},
    "learning rates not learned": {"learn_rates": False},
    "loss of the last step alone": {"step_share": 0.0},
    "mask of a quarter of the side": {"mask_share": 0.25},
    "mask of three quarters": {"mask_share": 0.75},
    "four masks": {"masks": 4},
    "1 step": {"steps": 1},
    "3 steps": {"steps": 3},
    "10 steps": {"steps": 10},
}
_SHRINKS = (1, 2, 4, 8)
"""Those that the joint training did not have are trained."""
ADAPTED: dict[str, dict[str, Any]] = {
    "only the first layer moves": {"moves": "hidden"},
    "only the maps' layer moves": {"moves": "maps"},
    "10 steps of a net that learned 5": {"steps": 10},
}


def plan_runs(joint: pathlib.Path, root: pathlib.Path, epochs: int) -> dict[str, Run]:
    """All trainings by the labels of their rows.

    Args:
        joint: work folder of a finished joint training.
        root: folder for the runs.
        epochs: of each meta-training.
    """
    config = json.loads((joint / "config.json").read_text())

    def folder(label: str) -> pathlib.Path:
        return root / label.replace(" ", "_")

    def join(label: str, **changes: Any) -> Run:
        options = {
            name: ",".join(map(str, value)) if isinstance(value, list) else value
            for name, value in config.items()
            if name != "workdir"
        }
        return Run("trainers.metta_joint", folder(label), {**options, **changes})

    def meta(label: str, start: Run, **changes: Any) -> Run:
        options = {
            "preset": "small",
            "dataset": config["dataset"],
            "data_dir": config["data_dir"],
            "net": config["net"],
            "shrink": config["shrink"],
            "inner_learning_rate": 0.05,
            "epochs": epochs,
            "eval_every": epochs,
            "lr_drop_epochs": epochs,
            "init_from": start.workdir / "model.keras",
            **changes,
        }
        return Run("trainers.metta", folder(label), options, after=start)

    first = Run("trainers.metta_joint", joint, {})
    runs = {JOINT: first, BLIND: join(BLIND, pose_guidance=False)}
    for label, changes in TRAININGS.items():
        runs[label] = meta(label, first, **changes)
    for shrink in _SHRINKS:
        if shrink != config["shrink"]:
            before = join(f"joint of shrink {shrink}", shrink=shrink)
            runs[before.workdir.name] = before
            label = f"shrink {shrink}"
            runs[label] = meta(label, before, shrink=shrink)
    return runs


def table_row(label: str, values: list[float]) -> str:
    """A row of the table: PCK, 0 to 1, after 0, 1, ... up to ten steps."""
    cells = [f"{100 * value:.1f}" for value in values]
    cells += [""] * (MOST_STEPS + 1 - len(cells))
    return f"| {label} | " + " | ".join(cells) + " |"
