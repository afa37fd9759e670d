"""Gain of MeTTA on photos unlike those of the training, beside its baselines.

    python -m benchmarks.metta_gain --out=runs/metta
    python -m benchmarks.metta_gain --setting=lspet --out=runs/metta_lspet
    python -m benchmarks.metta_gain --setting=film --out=runs/metta_film

`mannequin`: trained on drawn mannequins of `studio`, tested on others of it and on
those of `wild`. `lspet`: from the net that ships, which has learned from all of these
data's people, trained on half of the upright ones, tested on upright ones, on others,
and on the upright ones under corruptions of light and camera that training never saw.
`film`: trained on films of `studio`'s people, who walk, tested on films of others and
on `wild` ones; there is test-time personalization beside the others, which needs films,
and MeTTA also online, so that a frame starts from the weights of the one before.
For each seed: plain training for as long as joint and meta-training
together; joint training; meta-training from it; and test-time training by rotation. The
learning rates of adaptation are chosen on the first test alone; meta-training has
learned its own. The table has PCK@0.2 after each step. Nets are those of the last
epoch. Can be resumed.
"""

import json
import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

from absl import app, flags

from benchmarks.metta_data import Setting, write_setting
from benchmarks.metta_steps import (
    Follow,
    Trace,
    accuracy,
    accuracy_of_films,
    follow_metta,
    follow_pairs,
    trace_metta,
    trace_plain,
    trace_rotation,
)
from benchmarks.runs import Run, drops, mean_and_spread, run_all
from tfpose.weights.keras_file import load_keras

__all__ = ["main"]

_SETTING = flags.DEFINE_enum(
    "setting", "mannequin", ("mannequin", "lspet", "film"), "Training and test data."
)
_INIT = flags.DEFINE_string(
    "init_from", "", "Of setting lspet: a net whose backbone is the start."
)
_LSPET = flags.DEFINE_string(
    "lspet_dir", "../shared/data/lspet", "Leeds Sports Pose Extended, COCO format."
)
_OUT = flags.DEFINE_string("out", "runs/metta_gain", "Folder for data and runs.")
_SEEDS = flags.DEFINE_integer("seeds", 3, "Number of seeds.")
_PEOPLE = flags.DEFINE_integer("mannequins", 2000, "Mannequins for training.")
_EPOCHS = flags.DEFINE_integer("epochs", 0, "Of joint training; 0 for the setting's.")
_META = flags.DEFINE_integer("meta_epochs", 4, "Epochs of meta-training.")
_TESTED = flags.DEFINE_integer("tested", 0, "People of each test, no films; 0: all.")
_JOBS = flags.DEFINE_integer("jobs", 2, "Parallel runs, each with one thread.")

_STEPS = 5
_RATES = {"joint": (0.03, 0.1, 0.3), "ttt": (1e-4, 1e-3), "ttp": (1e-6, 1e-5, 1e-4)}
"""Of adaptation, to choose from; 0, a net's own, for others."""
_BASE = "Plain training, as long in all"
_NETS: dict[str, dict[str, Any]] = {
    "mannequin": {"net": "hrnet_tiny"},
    "film": {"net": "hrnet_tiny"},
    "lspet": {
        "net": "hrnet_small",
        "input_height": 96,
        "input_width": 96,
        "label_fraction": 0.5,
    },
}
_LONG = {"mannequin": 16, "lspet": 4, "film": 12}
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
            "init_from": _INIT.value,
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
    runs = {
        "plain": run(
            "plain", "trainers.metta_joint", whole, None, auxiliary_weight=0.0
        ),
        "joint": joint,
        "meta": run(
            "meta", "trainers.metta", _META.value, joint, inner_learning_rate=0.05
        ),
        "ttt": run("ttt", "benchmarks.ttt", whole, None, flip_test=False),
    }
    if _SETTING.value == "film":
        runs["ttp"] = run("ttp", "benchmarks.ttp", whole, None)
    return runs


class _Row(NamedTuple):
    """A row of the tables: which run, and how it adapts."""

    label: str
    kind: str
    columns: int = _STEPS + 1
    """`k = 0` is without adaptation."""
    online: bool = False


_ROWS = (
    _Row(_BASE, "plain", 1),
    _Row("Test-time training (rotation)", "ttt"),
    _Row("Joint training, the same adaptation", "joint"),
    _Row("Meta-training", "meta"),
)
_FILM_ROWS = (
    *_ROWS,
    _Row("Test-time personalization, online", "ttp", online=True),
    _Row("Joint training, online", "joint", online=True),
    _Row("Meta-training, online", "meta", online=True),
)


def _of_run(run: Run, row: _Row, setting: Setting) -> dict[str, list[float]]:
    """PCK after each step by the test's name, for the learning rate that is best on the
    first test after the last step; saved in the run's folder.
    """
    path = run.workdir / ("steps_online.json" if row.online else "steps.json")
    if path.exists():
        return json.loads(path.read_text())["pck"]
    net = load_keras(str(run.workdir / "model.keras"))
    first, *others = setting.tests
    rates = _RATES.get(row.kind, (0.0,))
    measures = {rate: _after_each(net, row, rate) for rate in rates}
    on_first = {rate: measures[rate](setting.tests[first]) for rate in rates}
    best = max(rates, key=lambda rate: on_first[rate][-1])
    found = {first: on_first[best]}
    found |= {name: measures[best](setting.tests[name]) for name in others}
    path.write_text(json.dumps({"learning_rate": best, "pck": found}))
    return found


def _after_each(net: Any, row: _Row, rate: float) -> Callable[[str], list[float]]:
    """From a folder to the PCK of its people after 0, 1, ... steps."""
    size = net.input_size
    if not row.online:
        trace = _trace(net, row.kind, rate)
        return lambda folder: accuracy(trace, folder, size, _TESTED.value)
    plain = trace_plain(net)
    follow, steps = _follow(net, row.kind, rate), range(1, _STEPS + 1)
    return lambda folder: [
        *accuracy(plain, folder, size),
        *(accuracy_of_films(follow, count, folder, size) for count in steps),
    ]


def _trace(net: Any, kind: str, rate: float) -> Trace:
    if kind == "ttt":
        return trace_rotation(net, _STEPS, rate)
    return trace_metta(net, steps=_STEPS, learning_rate=rate)


def _follow(net: Any, kind: str, rate: float) -> Follow:
    if kind == "ttp":
        return follow_pairs(net, rate)
    return follow_metta(net, learning_rate=rate)


def main(argv: list[str]) -> None:
    """Runs everything and prints a table for each test."""
    root = pathlib.Path(_OUT.value)
    setting = write_setting(
        _SETTING.value, root / "data", pathlib.Path(_LSPET.value), _PEOPLE.value
    )
    runs = [_runs(seed, root, setting.train) for seed in range(_SEEDS.value)]
    run_all([run for of_seed in runs for run in of_seed.values()], _JOBS.value)
    rows = _FILM_ROWS if _SETTING.value == "film" else _ROWS
    found = {
        row: [_of_run(of_seed[row.kind], row, setting) for of_seed in runs]
        for row in rows
    }
    for test in setting.tests:
        print(f"\n{test}\n\n| PCK@0.2, % | ", end="")
        print(" | ".join(f"k = {k}" for k in range(_STEPS + 1)) + " |")
        print("|" + "---|" * (_STEPS + 2))
        for row in rows:
            cells = [
                mean_and_spread([of_seed[test][k] for of_seed in found[row]])
                for k in range(row.columns)
            ]
            cells += [""] * (_STEPS + 1 - row.columns)
            print(f"| {row.label} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    app.run(main)
