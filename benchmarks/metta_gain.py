"""Gain of MeTTA on photos unlike those of the training, beside its baselines.

    python -m benchmarks.metta_gain --out=runs/metta
    python -m benchmarks.metta_gain --setting=lspet --out=runs/metta_lspet

`mannequin`: trained on drawn mannequins of `studio`, tested on others of it and on
those of `wild`. `lspet`: from the net that ships, which has learned from all of these
data's people, trained on half of the upright ones, tested on upright ones, on others,
and on the upright ones under corruptions of light and camera that training never saw.
For each seed: plain training for as long as joint and meta-training
together; joint training; meta-training from it; and test-time training by rotation. The
learning rates of adaptation are chosen on the first test alone; meta-training has
learned its own. The table has PCK@0.2 after each step. Nets are those of the last
epoch. Can be resumed.
"""

import json
import pathlib
from collections.abc import Sequence
from typing import Any

from absl import app, flags

from benchmarks.metta_data import Setting, write_setting
from benchmarks.metta_steps import Trace, accuracy, trace_metta, trace_rotation
from benchmarks.runs import Run, drops, mean_and_spread, run_all
from tfpose.weights.keras_file import load_keras

__all__ = ["main"]

_SETTING = flags.DEFINE_enum(
    "setting", "mannequin", ("mannequin", "lspet"), "Training and test data."
)
_LSPET = flags.DEFINE_string(
    "lspet_dir", "../shared/data/lspet", "Leeds Sports Pose Extended, COCO format."
)
_OUT = flags.DEFINE_string("out", "runs/metta_gain", "Folder for data and runs.")
_SEEDS = flags.DEFINE_integer("seeds", 3, "Number of seeds.")
_PEOPLE = flags.DEFINE_integer("mannequins", 2000, "Mannequins for training.")
_EPOCHS = flags.DEFINE_integer("epochs", 0, "Of joint training; 0 for the setting's.")
_META = flags.DEFINE_integer("meta_epochs", 4, "Epochs of meta-training.")
_JOBS = flags.DEFINE_integer("jobs", 2, "Parallel runs, each with one thread.")

_STEPS = 5
_RATES = (0.03, 0.1, 0.3)
_ROTATION_RATES = (1e-4, 1e-3)
_BASE = "Plain training, as long in all"
_NETS: dict[str, dict[str, Any]] = {
    "mannequin": {"net": "hrnet_tiny"},
    "lspet": {
        "net": "hrnet_small",
        "input_height": 96,
        "input_width": 96,
        "init_from": "tfpose_person",
        "label_fraction": 0.5,
    },
}
_LONG = {"mannequin": 16, "lspet": 4}
"""Epochs of joint training."""


def _runs(seed: int, root: pathlib.Path, data_dir: str) -> dict[str, Run]:
    """The trainings of one seed."""

    def run(name: str, trainer: str, epochs: int, after: Run | None, **options: Any):
        # The best epoch would be one chosen on people who are tested on.
        common = {
            "preset": "small",
            "dataset": "coco_format",
            "data_dir": data_dir,
            **_NETS[_SETTING.value],
            "seed": seed,
            "epochs": epochs,
            "eval_every": epochs,
            "lr_drop_epochs": drops(epochs),
        }
        if after is not None:
            options["init_from"] = after.workdir / "model.keras"
        return Run(trainer, root / f"{name}_{seed}", {**common, **options}, after)

    epochs = _EPOCHS.value or _LONG[_SETTING.value]
    joint = run("joint", "trainers.metta_joint", epochs, None)
    whole = epochs + _META.value
    return {
        "plain": run(
            "plain", "trainers.metta_joint", whole, None, auxiliary_weight=0.0
        ),
        "joint": joint,
        "meta": run(
            "meta", "trainers.metta", _META.value, joint, inner_learning_rate=0.05
        ),
        "ttt": run("ttt", "benchmarks.ttt", whole, None, flip_test=False),
    }


def _of_run(run: Run, kind: str, setting: Setting) -> dict[str, list[float]]:
    """PCK after each step by the test's name, for the learning rate that is best on the
    first test after the last step; saved in the run's folder.
    """
    path = run.workdir / "steps.json"
    if path.exists():
        return json.loads(path.read_text())["pck"]
    net = load_keras(str(run.workdir / "model.keras"))
    rates: Sequence[float] = {"joint": _RATES, "ttt": _ROTATION_RATES}.get(kind, (0.0,))
    size = net.input_size

    def trace(rate: float) -> Trace:
        if kind == "ttt":
            return trace_rotation(net, _STEPS, rate)
        return trace_metta(net, steps=_STEPS, learning_rate=rate)

    first = next(iter(setting.tests))
    on_first = {
        rate: accuracy(trace(rate), setting.tests[first], size) for rate in rates
    }
    best = max(on_first, key=lambda rate: on_first[rate][-1])
    chosen = trace(best)
    found = {
        name: on_first[best] if name == first else accuracy(chosen, folder, size)
        for name, folder in setting.tests.items()
    }
    path.write_text(json.dumps({"learning_rate": best, "pck": found}))
    return found


_ROWS = (
    (_BASE, "plain", 1),
    ("Test-time training (rotation)", "ttt", _STEPS + 1),
    ("Joint training, the same adaptation", "joint", _STEPS + 1),
    ("Meta-training", "meta", _STEPS + 1),
)
"""Label, run, and columns: `k = 0` is without adaptation."""


def main(argv: list[str]) -> None:
    """Runs everything and prints a table for each test."""
    root = pathlib.Path(_OUT.value)
    setting = write_setting(
        _SETTING.value, root / "data", pathlib.Path(_LSPET.value), _PEOPLE.value
    )
    runs = [_runs(seed, root, setting.train) for seed in range(_SEEDS.value)]
    run_all([run for of_seed in runs for run in of_seed.values()], _JOBS.value)
    found = {
        kind: [_of_run(of_seed[kind], kind, setting) for of_seed in runs]
        for _, kind, _ in _ROWS
    }
    for test in setting.tests:
        print(f"\n{test}\n\n| PCK@0.2, % | ", end="")
        print(" | ".join(f"k = {k}" for k in range(_STEPS + 1)) + " |")
        print("|" + "---|" * (_STEPS + 2))
        for label, kind, columns in _ROWS:
            cells = [
                mean_and_spread([of_seed[test][k] for of_seed in found[kind]])
                for k in range(columns)
            ]
            cells += [""] * (_STEPS + 1 - columns)
            print(f"| {label} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    app.run(main)
