"""Gain of adaptation at inference on data unlike the training data: ISO's Table 3.

    python -m benchmarks.iso_gain --mocap_dir=../shared/data/mocap --out=runs/iso
    python -m benchmarks.iso_gain --setting=mannequin --out=runs/iso_mannequin

`mocap`: trained on CMU's clips with `studio` cameras, tested on HDM05's clips of other
people and actions with `wild` cameras, in their order. `mannequin`: trained on
mannequins of `studio`, tested on those of `wild`. For each seed: a baseline by labels
alone; the same with absolute 2D, with random views, and with places and sizes of the
target's 2D; ISO's joint training by both tasks; and, going on from random views for as
long again, random views still, and PoseAug of limbs beside them. Then each with refined
output, and adapted in the paper's modes. The best epoch is chosen on validation people;
the test set is not used for it. Can be resumed.
"""

import json
import pathlib
from typing import Any

from absl import app, flags

from benchmarks.runs import Run, mean_and_spread, run_all
from data_pipelines.mannequin.write import write_dataset
from tfpose.cli.evaluate_3d import evaluate_3d
from tfpose.metrics.mpjpe import PROTOCOLS

__all__ = ["main"]

_SETTING = flags.DEFINE_enum(
    "setting", "mocap", ("mocap", "mannequin"), "Training and test data."
)
_MOCAP = flags.DEFINE_string(
    "mocap_dir", "../shared/data/mocap", "Folder with cmu_bvh and hdm05."
)
_OUT = flags.DEFINE_string("out", "runs/iso_gain", "Folder for the runs.")
_NET = flags.DEFINE_string("net", "iso_small", "Lifter.")
_DROPOUT = flags.DEFINE_float("dropout", 0.1, "Dropout rate; -1 for the lifter's own.")
_PRIOR = flags.DEFINE_integer("prior_units", 256, "Units of the discriminator.")
_SEEDS = flags.DEFINE_integer("seeds", 3, "Number of seeds.")
_EPOCHS = flags.DEFINE_integer("epochs", 60, "Epochs of each training.")
_JOBS = flags.DEFINE_integer("jobs", 2, "Parallel runs, each with one thread.")
_STRIDE = flags.DEFINE_integer(
    "vanilla_stride", 5, "The modes without a stream are tested on every n-th pose."
)
_TRAINED = flags.DEFINE_integer("mannequins", 8000, "Mannequins for training.")
_TESTED = flags.DEFINE_integer("test_mannequins", 2000, "Mannequins for the test.")

_MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "baseline": ("iso", {"task": "refine"}),
    "absolute": ("iso", {"task": "refine", "centred": False}),
    "target": ("iso", {"task": "refine", "centred": False, "random_views": True}),
    "views": ("iso", {"task": "refine", "random_views": True}),
    "adversary": ("iso", {"task": "adversary"}),
    "cycle": ("iso", {"task": "cycle"}),
    "long": ("iso", {"task": "refine", "random_views": True}),
    "limbs": ("poseaug", {"random_views": True}),
}
"""Trainings of the table: trainer and options."""
_SECOND = ("long", "limbs")
"""Those which go on from `views`."""


def _runs(
    seed: int, root: pathlib.Path, data: dict[str, Any], target: dict[str, Any]
) -> dict[str, Run]:
    common = {
        **data,
        "net": _NET.value,
        "dropout": _DROPOUT.value,
        "seed": seed,
        "epochs": _EPOCHS.value,
        "eval_every": 10,
        "batch_size": 256,
        "learning_rate": 1e-3,
        "linear_decay": True,
    }
    iso = {
        "preset": "cycle",
        "decay_per_epoch": 1,
        "clip_norm": 1,
        "prior_units": _PRIOR.value,
        "learning_rate_prior": 1e-3,
    }
    runs: dict[str, Run] = {}
    for name, (trainer, options) in _MODELS.items():
        options = {**common, **(iso if trainer == "iso" else {}), **options}
        if name == "target":
            options |= {f"target_{key}": value for key, value in target.items()}
        if trainer == "poseaug":
            options |= {
                "preset": "small",
                "centred": True,
                "operators": "bone_angle,bone_length",
            }
        after = None
        if name in _SECOND:
            after = runs["views"]
            options["init_from"] = after.workdir / "model.keras"
        workdir = root / f"{name}_{seed}"
        runs[name] = Run(f"trainers.{trainer}", workdir, options, after)
    return runs


_VANILLA = "iso,mode=vanilla"
_ONLINE = "iso,mode=online"
# Chosen on CMU's people 49 and 55 before `wild` cameras; the paper's tasks keep 2e-5.
_REFINE = f"{_ONLINE},learning_rate=4e-5"
_REFINED = f"{_REFINE},refined=true"
_ROWS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("Baseline, absolute 2D", "absolute", {}),
    ("Baseline", "baseline", {}),
    ("Baseline, refined output", "baseline", {"refine": "limbs"}),
    ("Random views", "views", {}),
    ("Random views, output refined by symmetry alone", "views", {"refine": "symmetry"}),
    ("Random views, input optimised (UAO)", "views", {"refine": "input"}),
    ("Random views, refined output", "views", {"refine": "limbs"}),
    ("Random views in the target's places (GPA; an adaptation)", "target", {}),
    ("Random views, twice as long", "long", {}),
    ("PoseAug of limbs on random views", "limbs", {}),
    ("Joint-Adversary", "adversary", {}),
    ("Vanilla-Adversary", "adversary", {"adapt": _VANILLA}),
    ("Online-Adversary", "adversary", {"adapt": _ONLINE}),
    ("Joint-Cycle", "cycle", {}),
    ("Vanilla-Cycle", "cycle", {"adapt": _VANILLA}),
    ("Online-Cycle", "cycle", {"adapt": _ONLINE}),
    ("Baseline, Online-Refine", "baseline", {"adapt": _REFINE}),
    ("Random views, Vanilla-Refine", "views", {"adapt": _VANILLA}),
    ("Random views, Online-skip-Refine", "views", {"adapt": "iso,mode=online-skip"}),
    ("Random views, Online-Refine", "views", {"adapt": _REFINE}),
    ("Random views, Online-Refine, refined output", "views", {"adapt": _REFINED}),
    ("Twice as long, Online-Refine, refined output", "long", {"adapt": _REFINED}),
    ("PoseAug of limbs, Online-Refine, refined output", "limbs", {"adapt": _REFINED}),
    ("Twice as long, refined output", "long", {"refine": "limbs"}),
    ("PoseAug of limbs, refined output", "limbs", {"refine": "limbs"}),
)
"""Label, model, and options of `evaluate_3d`."""

# Errors in millimetres, shares in percent.
_COLUMNS = ("MPJPE", "PA-MPJPE", "PCK@150mm", "AUC")


def _metrics(
    run: Run, row: int, options: dict[str, Any], data: dict[str, Any]
) -> list[float]:
    """The metrics of `_COLUMNS` on the test set, and by how much adaptation changes the
    first on the same poses; saved in the run's folder.
    """
    path = run.workdir / f"test_{row}.json"
    if not path.exists():
        if "vanilla" in options.get("adapt", ""):
            data = {**data, "stride": _STRIDE.value}
        if "adapt" in options and _SETTING.value == "mannequin":
            # No mannequin is like the one before.
            options = {**options, "adapt": options["adapt"] + ",jump=0"}
        model = str(run.workdir / "model.keras")
        evaluate_3d(model, **data, **options, out=str(path))
    content = json.loads(path.read_text())
    found = _read(content)
    if "unadapted" in content:
        found.append(found[0] - _read(content["unadapted"])[0])
    return found


def _read(content: dict[str, Any]) -> list[float]:
    unscaled, _, aligned = (content[protocol]["overall"] for protocol in PROTOCOLS)
    shares = [100 * unscaled[name] for name in ("pck", "auc")]
    return [unscaled["mpjpe"], aligned["mpjpe"], *shares]


def _write_mannequins(root: pathlib.Path) -> tuple[str, str]:
    """Data sets of `studio` and `wild`; their pictures are small, as nobody looks."""
    folders = []
    for scenario, split, count, seed in (
        ("studio", "train", _TRAINED.value, 0),
        ("wild", "val", _TESTED.value, 1),
    ):
        folders.append(str(root / scenario))
        write_dataset(
            folders[-1],
            scenario=scenario,
            count=count,
            seed=seed,
            split=split,
            image_size=(64, 64),
        )
    return folders[0], folders[1]


def main(argv: list[str]) -> None:
    """Runs everything and prints the table."""
    root = pathlib.Path(_OUT.value)
    if _SETTING.value == "mocap":
        train = {"dataset": "mocap", "data_dir": f"{_MOCAP.value}/cmu_bvh"}
        folder, subjects = f"{_MOCAP.value}/hdm05", ["bd", "mm"]
        test: dict[str, Any] = {"dataset": "mocap", "data_dir": folder}
        test |= {"subjects": subjects}
        target = {"dir": folder, "subjects": ",".join(subjects)}
    else:
        studio, wild = _write_mannequins(root)
        train = {"dataset": "mannequin", "data_dir": studio}
        test = {"dataset": "mannequin", "data_dir": wild}
        target = {"dir": wild}
    runs = [_runs(seed, root, train, target) for seed in range(_SEEDS.value)]
    run_all([run for of_seed in runs for run in of_seed.values()], _JOBS.value)

    print("\n| | " + " | ".join(_COLUMNS) + " | adaptation |")
    print("|" + "---|" * (len(_COLUMNS) + 2))
    for number, (label, model, options) in enumerate(_ROWS):
        metrics = [_metrics(r[model], number, options, test) for r in runs]
        cells = [
            mean_and_spread([seed[column] for seed in metrics], 1)
            for column in range(len(metrics[0]))
        ]
        cells += [""] * (len(_COLUMNS) + 1 - len(cells))
        print(f"| {label} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    app.run(main)
