"""Gain of PoseAug on data unlike the training data: other people, actions, cameras.

    python -m benchmarks.poseaug_gain --mocap_dir=../shared/data/mocap --out=runs/lift
    python -m benchmarks.poseaug_gain --setting=mannequin --out=runs/lift_mannequin

`mocap`: trained on CMU's clips with `studio` cameras, tested on HDM05's clips of other
people and actions with `wild` cameras. `mannequin`: trained on mannequins of `studio`,
tested on those of `wild`. For each lifter and seed: a baseline; a baseline trained as
long as the two stages of PoseAug together; PoseAug without feedback, initialised from
the first baseline; and complete PoseAug. The best epoch is chosen on validation people;
the test set is not used for it. The benchmark can be resumed.
"""

import json
import pathlib
from typing import Any

from absl import app, flags

from benchmarks.runs import Run, mean_and_spread, run_all
from data_pipelines.mannequin.write import write_dataset
from tfpose.cli.evaluate_3d import evaluate_3d
from tfpose.lifters.build import LIFTERS
from tfpose.metrics.mpjpe import PROTOCOLS

__all__ = ["main"]

_SETTING = flags.DEFINE_enum(
    "setting", "mocap", ("mocap", "mannequin"), "Training and test data."
)
_MOCAP = flags.DEFINE_string(
    "mocap_dir", "../shared/data/mocap", "Folder with cmu_bvh and hdm05."
)
_OUT = flags.DEFINE_string("out", "runs/poseaug_gain", "Folder for the runs.")
_NETS = flags.DEFINE_list(
    "nets", ["vpose_small", "martinez_small", "semgcn", "stgcn"], "Lifters."
)
_SEEDS = flags.DEFINE_integer("seeds", 3, "Number of seeds.")
_EPOCHS = flags.DEFINE_integer("epochs", 40, "Epochs of the baseline.")
_AUGMENTED = flags.DEFINE_integer("poseaug_epochs", 40, "Epochs of PoseAug after it.")
_RATE = flags.DEFINE_float("learning_rate", 1e-3, "Lifter's learning rate, baselines.")
_AUGMENTED_RATE = flags.DEFINE_float(
    "poseaug_learning_rate", 1e-3, "Lifter's learning rate in PoseAug."
)
_STRIDE = flags.DEFINE_integer("stride", 1, "Train on every n-th pose.")
_MANNEQUINS = flags.DEFINE_integer("mannequins", 8000, "Mannequins for training.")
_TESTED = flags.DEFINE_integer("test_mannequins", 2000, "Mannequins for the test.")
_JOBS = flags.DEFINE_integer("jobs", 2, "Parallel runs, each with one thread.")

_ROWS = ("baseline", "baseline, as long as both", "PoseAug without feedback", "PoseAug")
# Errors in millimetres, shares in percent.
_COLUMNS = ("MPJPE", "PA-MPJPE", "PCK@150mm", "AUC")


def _draw_mannequins(root: pathlib.Path) -> tuple[str, str]:
    """Writes mannequin data sets; returns their folders.

    The pictures are small, because they are not used.
    """
    folders = []
    for scenario, split, count, seed in (
        ("studio", "train", _MANNEQUINS.value, 0),
        ("wild", "val", _TESTED.value, 1),
    ):
        folder = root / scenario
        write_dataset(
            str(folder),
            scenario=scenario,
            count=count,
            seed=seed,
            split=split,
            image_size=(64, 64),
        )
        folders.append(str(folder))
    return folders[0], folders[1]


def _runs(net: str, seed: int, root: pathlib.Path, data: dict[str, Any]) -> list[Run]:
    """The runs of the table's rows, in `_ROWS`' order."""
    common = {
        **data,
        "preset": "small",
        "net": net,
        "seed": seed,
        "stride": _STRIDE.value,
        "eval_every": 5,
    }

    def baseline(name: str, epochs: int) -> Run:
        options = {**common, "epochs": epochs, "learning_rate": _RATE.value}
        return Run("trainers.lifter", root / f"{net}_{name}_{seed}", options)

    def augmented(name: str, **options: Any) -> Run:
        options = {
            **common,
            "init_from": first.workdir / "model.keras",
            "epochs": _AUGMENTED.value,
            "learning_rate": _AUGMENTED_RATE.value,
            **options,
        }
        workdir = root / f"{net}_{name}_{seed}"
        return Run("trainers.poseaug", workdir, options, first)

    first = baseline("baseline", _EPOCHS.value)
    return [
        first,
        baseline("long", _EPOCHS.value + _AUGMENTED.value),
        augmented("nofeedback", feedback="none"),
        augmented("poseaug"),
    ]


def _metrics(run: Run, data: dict[str, Any]) -> list[float]:
    """The metrics of `_COLUMNS` on the test set; saved in the run's folder."""
    path = run.workdir / "test.json"
    if not path.exists():
        evaluate_3d(str(run.workdir / "model.keras"), **data, out=str(path))
    content = json.loads(path.read_text())
    unscaled, _, aligned = (content[protocol]["overall"] for protocol in PROTOCOLS)
    shares = [100 * unscaled[name] for name in ("pck", "auc")]
    return [unscaled["mpjpe"], aligned["mpjpe"], *shares]


def main(argv: list[str]) -> None:
    """Runs everything and prints the table."""
    root = pathlib.Path(_OUT.value)
    if _SETTING.value == "mocap":
        train = {"dataset": "mocap", "data_dir": f"{_MOCAP.value}/cmu_bvh"}
        test = {
            "dataset": "mocap",
            "data_dir": f"{_MOCAP.value}/hdm05",
            "subjects": ["bd", "mm"],
        }
    else:
        studio, wild = _draw_mannequins(root)
        train = {"dataset": "mannequin", "data_dir": studio}
        test = {"dataset": "mannequin", "data_dir": wild}
    unknown = [net for net in _NETS.value if net not in LIFTERS]
    if unknown:
        raise app.UsageError(f"unknown lifters {', '.join(unknown)}")
    runs = {
        (net, seed): _runs(net, seed, root, train)
        for net in _NETS.value
        for seed in range(_SEEDS.value)
    }
    run_all([run for row in runs.values() for run in row], _JOBS.value)

    print("\n| lifter | training | " + " | ".join(_COLUMNS) + " | gain of MPJPE |")
    print("|" + "---|" * (len(_COLUMNS) + 3))
    for net in _NETS.value:
        metrics = [
            [_metrics(row, test) for row in runs[net, seed]]
            for seed in range(_SEEDS.value)
        ]
        for number, name in enumerate(_ROWS):
            cells = [
                mean_and_spread([seed[number][column] for seed in metrics], 1)
                for column in range(len(_COLUMNS))
            ]
            # For each seed, compared with the baseline that was trained as long.
            gains = [100 * (1 - seed[number][0] / seed[1][0]) for seed in metrics]
            gain = "" if number < 2 else f"{mean_and_spread(gains, 1)} %"
            print(f"| {net} | {name} | " + " | ".join(cells) + f" | {gain} |")


if __name__ == "__main__":
    app.run(main)
