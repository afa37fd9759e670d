"""What the parts of MeTTA are worth, from one joint training of `metta_gain`.

    python -m benchmarks.metta_ablations --out=runs/metta

`out` is the folder of a finished run of `benchmarks.metta_gain` on mannequins. Each row
is meta-training with one thing changed, or the same net adapted in another way; tested
on other mannequins of `studio` than those that the table is reported on. Pictures of
what is filled in, with and without the keypoints' guidance, are in `figures` of each
run. Can be resumed.
"""

import json
import pathlib
from typing import Any

from absl import app, flags

from benchmarks.metta_steps import accuracy, trace_metta
from benchmarks.runs import Run, run_all
from tfpose.weights.keras_file import load_keras

__all__ = ["main"]

_OUT = flags.DEFINE_string("out", "runs/metta_gain", "Folder of metta_gain's runs.")
_EPOCHS = flags.DEFINE_integer("epochs", 4, "Epochs of each meta-training.")
_JOBS = flags.DEFINE_integer("jobs", 2, "Parallel runs, each with one thread.")

_TRAININGS: dict[str, dict[str, Any]] = {
    "second order": {},
    "first order": {"first_order": True},
    "learning rates not learned": {"learn_rates": False},
    "loss of the last step alone": {"step_share": 0.0},
    "mask of a quarter of the side": {"mask_share": 0.25},
    "mask of three quarters": {"mask_share": 0.75},
    "four masks": {"masks": 4},
    "1 step": {"steps": 1},
    "3 steps": {"steps": 3},
}
_ADAPTED: dict[str, dict[str, Any]] = {
    "only the first layer moves": {"moves": "hidden"},
    "only the maps' layer moves": {"moves": "maps"},
    "10 steps": {"steps": 10},
}


def main(argv: list[str]) -> None:
    """Runs everything and prints the table."""
    root = pathlib.Path(_OUT.value)
    joint = root / "joint_0"
    config = json.loads((joint / "config.json").read_text())
    common = {
        "preset": "small",
        "dataset": "coco_format",
        "data_dir": config["data_dir"],
        "net": config["net"],
        "inner_learning_rate": 0.05,
        "epochs": _EPOCHS.value,
        "eval_every": _EPOCHS.value,
        "lr_drop_epochs": _EPOCHS.value,
        "init_from": joint / "model.keras",
    }
    runs = {
        label: Run(
            "trainers.metta",
            root / "ablations" / label.replace(" ", "_"),
            {**common, **options},
        )
        for label, options in _TRAININGS.items()
    }
    run_all(list(runs.values()), _JOBS.value)

    print("\n| | plain | after each step: PCK@0.2, % |\n|---|---|---|")
    rows: list[tuple[str, Run, dict[str, Any]]] = [
        (label, run, {}) for label, run in runs.items()
    ]
    base = runs["second order"]
    rows += [(label, base, options) for label, options in _ADAPTED.items()]
    for label, run, options in rows:
        net = load_keras(str(run.workdir / "model.keras"))
        trace = trace_metta(net, **options)
        # `val` beside the training people: no test of the other table.
        plain, *after = accuracy(trace, config["data_dir"], net.input_size)
        cells = " ".join(f"{100 * value:.1f}" for value in after)
        print(f"| {label} | {100 * plain:.1f} | {cells} |", flush=True)


if __name__ == "__main__":
    app.run(main)
