"""Gain of PoseAug on data unlike the training data: other people, actions, cameras.

    python -m benchmarks.poseaug_gain --mocap_dir=../shared/data/mocap --out=runs/lift
    python -m benchmarks.poseaug_gain --setting=mannequin --out=runs/lift_mannequin

`mocap`: trained on CMU's clips with `studio` cameras, tested on HDM05's clips of other
people and actions with `wild` cameras. `mannequin`: trained on mannequins of `studio`,
tested on those of `wild`. For each lifter and seed: a baseline; one trained as long as
two stages together; and, all initialised from the first baseline, random views of each
batch beside it, without any network; PoseAug without and with feedback; and PoseAug of
limbs alone, angles and lengths, on top of random views, also with harder changes, and
of angles alone. The best epoch is chosen on
validation people; the test set is not used for it. The benchmark can be resumed.
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

_ROWS = {
    "baseline": "baseline",
    "long": "baseline, as long as both",
    "views": "random views",
    "nofeedback": "PoseAug without feedback",
    "poseaug": "PoseAug",
    "limbs_nofeedback": "random views, PoseAug of limbs without feedback",
    "limbs": "random views, PoseAug of limbs",
    "harder": "random views, PoseAug of limbs, larger and harder changes",
    "angles": "random views, PoseAug of limbs' angles alone",
}
_CHOSEN = flags.DEFINE_multi_enum(
    "row", list(_ROWS), list(_ROWS), "Rows of the table; all by default."
)
# Equation 10 holds changes less, and equation 9 asks for more from the start.
_HARDER = {"regulariser_weight": 0.1, "hardness_start": 5.0}
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


def _runs(
    net: str, seed: int, root: pathlib.Path, data: dict[str, Any]
) -> dict[str, Run]:
    """The runs of the chosen rows, and what they start from."""
    common = {
        **data,
        "preset": "small",
        "net": net,
        "seed": seed,
        "stride": _STRIDE.value,
        "eval_every": 5,
    }

    def run(name: str, trainer: str, **options: Any) -> Run:
        workdir = root / f"{net}_{name}_{seed}"
        after = first if "init_from" in options else None
        return Run(f"trainers.{trainer}", workdir, {**common, **options}, after)

    def baseline(epochs: int) -> dict[str, Any]:
        return {"epochs": epochs, "learning_rate": _RATE.value}

    first = run("baseline", "lifter", **baseline(_EPOCHS.value))
    second = {
        "init_from": first.workdir / "model.keras",
        "epochs": _AUGMENTED.value,
        "learning_rate": _AUGMENTED_RATE.value,
    }
    limbs = {**second, "random_views": True, "operators": "bone_angle,bone_length"}
    rows = {
        "baseline": first,
        "long": run("long", "lifter", **baseline(_EPOCHS.value + _AUGMENTED.value)),
        "views": run("views", "lifter", **second, random_views=True),
        "nofeedback": run("nofeedback", "poseaug", **second, feedback="none"),
        "poseaug": run("poseaug", "poseaug", **second),
        "limbs_nofeedback": run(
            "limbs_nofeedback", "poseaug", **limbs, feedback="none"
        ),
        "limbs": run("limbs", "poseaug", **limbs),
        "harder": run("harder", "poseaug", **limbs, **_HARDER),
        "angles": run("angles", "poseaug", **{**limbs, "operators": "bone_angle"}),
    }
    return {name: rows[name] for name in rows if name in ("baseline", *_CHOSEN.value)}


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
    run_all([run for row in runs.values() for run in row.values()], _JOBS.value)

    columns = " | ".join(_COLUMNS)
    print(f"\n| lifter | training | {columns} | beside random views |")
    print("|" + "---|" * (len(_COLUMNS) + 3))
    for net in _NETS.value:
        metrics = [
            {name: _metrics(run, test) for name, run in runs[net, seed].items()}
            for seed in range(_SEEDS.value)
        ]
        for name in metrics[0]:
            cells = [
                mean_and_spread([seed[name][column] for seed in metrics], 1)
                for column in range(len(_COLUMNS))
            ]
            beside = ""
            if "views" in metrics[0] and name != "views":
                # Millimetres of MPJPE, seed by seed; below 0 is better.
                beside = mean_and_spread(
                    [s[name][0] - s["views"][0] for s in metrics], 1
                )
            line = " | ".join([net, _ROWS[name], *cells, beside])
            print(f"| {line} |")


if __name__ == "__main__":
    app.run(main)
