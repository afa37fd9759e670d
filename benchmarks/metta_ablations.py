"""What the parts of MeTTA are worth, from one joint training of `metta_gain`.

    python -m benchmarks.metta_ablations --out=runs/metta

`out` is the folder of a finished run of `benchmarks.metta_gain` on mannequins. Each row
is meta-training with one thing changed, or the same net adapted in another way; tested
on other mannequins of `studio` than those that the table is reported on. `shrink` and
`pose guidance off` need a joint training of their own, by the settings of the first.
Without guidance no step moves a joint, so that row has joint training alone. Pictures
of what is filled in, with and without guidance, are in `figures` of each run. Can be
resumed: trainings that are done and rows that are measured are kept.
"""

import argparse
import json
import pathlib
from typing import Any

from benchmarks.metta_steps import accuracy, trace_metta, trace_plain
from benchmarks.runs import Run, run_all
from tfpose.weights.keras_file import load_keras

__all__ = ["main", "plan_runs", "table_row"]

_MOST = 10
_BASE, _JOINT, _BLIND = "second order", "joint training alone", "pose guidance off"
_TRAININGS: dict[str, dict[str, Any]] = {
    _BASE: {},
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
_ADAPTED: dict[str, dict[str, Any]] = {
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
    runs = {_JOINT: first, _BLIND: join(_BLIND, pose_guidance=False)}
    for label, changes in _TRAININGS.items():
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
    cells += [""] * (_MOST + 1 - len(cells))
    return f"| {label} | " + " | ".join(cells) + " |"


def _measure(run: Run, options: dict[str, Any]) -> list[float]:
    net = load_keras(str(run.workdir / "model.keras"))
    guided = net.pose_guidance
    trace = trace_metta(net, **options) if guided else trace_plain(net)
    config = json.loads((run.workdir / "config.json").read_text())
    # `val` beside the training people: no test of the other table.
    return accuracy(trace, config["data_dir"], net.input_size)


def main() -> None:
    """Runs everything and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default="runs/metta_gain")
    parser.add_argument("--epochs", type=int, default=4, help="of meta-training")
    parser.add_argument("--jobs", type=int, default=2, help="runs, of one thread each")
    chosen = parser.parse_args()
    root = chosen.out
    runs = plan_runs(root / "joint_0", root / "ablations", chosen.epochs)
    run_all(list(runs.values()), chosen.jobs)

    rows = [(label, label, {}) for label in (_JOINT, _BLIND, *_TRAININGS)]
    rows += [(label, label, {}) for label in runs if label.startswith("shrink ")]
    rows += [(label, _BASE, options) for label, options in _ADAPTED.items()]
    path = root / "ablations" / "table.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    print("\n| PCK@0.2, % | " + " | ".join(f"k = {k}" for k in range(_MOST + 1)) + " |")
    print("|" + "---|" * (_MOST + 2))
    for label, of, options in rows:
        if label not in found:
            found[label] = _measure(runs[of], options)
            path.write_text(json.dumps(found, indent=1))
        print(table_row(label, found[label]), flush=True)
    seen, blind = (
        runs[label].summary()["last"]["train_inpainting"] for label in (_JOINT, _BLIND)
    )
    print(f"\nInpainting's error with guidance {seen:.4f}, without {blind:.4f}")


if __name__ == "__main__":
    main()
