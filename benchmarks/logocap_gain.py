"""What adaptation gains in LOGO-CAP, on drawn crowds that hide each other.

    python -m benchmarks.logocap_gain --out=runs/crowds

For each seed a centre-offset net (losses of heatmaps and offsets alone) is trained
first. From its weights the same training and LOGO-CAP's go on for equally many epochs.
Each is tested on other crowds than it was trained on, at all levels of adaptation, and
with the best poses that its local maps hold. Nets are those of the last epoch. Can be
resumed.
"""

import json
import pathlib
from typing import Any

from absl import app, flags

from benchmarks.runs import Run, drops, mean_and_spread, run_all
from data_pipelines.mannequin.write import write_dataset
from tfpose.cli.upper_bound import ROWS, upper_bound

__all__ = ["main"]

_OUT = flags.DEFINE_string("out", "runs/logocap_gain", "Folder for data and runs.")
_NET = flags.DEFINE_string("net", "hrnet_small", "HRNet of the net.")
_INIT = flags.DEFINE_string("init_from", "", "A net whose backbone is the start.")
_SIDE = flags.DEFINE_integer("side", 128, "Side of pictures and input, pixels.")
_SEEDS = flags.DEFINE_integer("seeds", 3, "Number of seeds.")
_PICTURES = flags.DEFINE_integer("pictures", 4000, "Pictures for training.")
_TESTED = flags.DEFINE_integer("test_pictures", 300, "Pictures for the test.")
_PEOPLE = flags.DEFINE_integer("most_people", 8, "Most people of a picture; least 2.")
_START = flags.DEFINE_integer("start_epochs", 12, "Epochs of what both start from.")
_EPOCHS = flags.DEFINE_integer("epochs", 8, "Epochs of each training after that.")
_RATE = flags.DEFINE_float("learning_rate", 2e-3, "Adam's, at first.")
_ATTRACTION = flags.DEFINE_float(
    "attraction_weight", 1.0, "Of the attraction maps' loss; the paper's is 0.01."
)
_JOBS = flags.DEFINE_integer("jobs", 2, "Parallel runs, each with one thread.")

_VANILLA = {"attraction_weight": 0.0, "refined_weight": 0.0}
_TRAININGS = "centre and offsets alone", "LOGO-CAP"
_METRICS = ("ap", "ap50", "ap75")


def _draw(root: pathlib.Path) -> tuple[str, str]:
    """Folders of the training pictures and of those for the test."""
    folders = str(root / "train"), str(root / "test")
    for folder, split, count, seed in (
        (folders[0], "train", _PICTURES.value, 0),
        (folders[0], "val", 100, 1),
        (folders[1], "val", _TESTED.value, 2),
    ):
        write_dataset(
            folder,
            scenario="crowd",
            count=count,
            seed=seed,
            split=split,
            image_size=(_SIDE.value, _SIDE.value),
            people=(2, _PEOPLE.value),
        )
    return folders


def _runs(seed: int, root: pathlib.Path, data_dir: str) -> dict[str, Run]:
    """The trainings of one seed; what both others start from is `start`."""
    common = {
        "preset": "small",
        "dataset": "coco_format",
        "data_dir": data_dir,
        "net": _NET.value,
        "input_side": _SIDE.value,
        "seed": seed,
        "learning_rate": _RATE.value,
        "least_area": 64.0,
    }

    def run(name: str, epochs: int, after: Run | None, **options: Any) -> Run:
        folder = root / f"{name.replace(' ', '_')}_{seed}"
        length = {"epochs": epochs, "eval_every": epochs}
        return Run("trainers.logocap", folder, {**common, **length, **options}, after)

    start = run(
        "start",
        _START.value,
        None,
        lr_drop_epochs="",
        init_from=_INIT.value,
        **_VANILLA,
    )
    options = {
        "lr_drop_epochs": drops(_EPOCHS.value),
        "init_from": start.workdir / "model.keras",
    }
    weights = _VANILLA, {"attraction_weight": _ATTRACTION.value}
    trained = {
        name: run(name, _EPOCHS.value, start, **options, **of_losses)
        for name, of_losses in zip(_TRAININGS, weights, strict=True)
    }
    return {"start": start, **trained}


def _scores(run: Run, data_dir: str) -> dict[str, dict[str, float]]:
    path = run.workdir / "bound.json"
    if not path.exists():
        model = str(run.workdir / "model.keras")
        upper_bound(model, "coco_format", data_dir, "val", out=str(path))
    return json.loads(path.read_text())


def main(argv: list[str]) -> None:
    """Runs everything and prints the table."""
    root = pathlib.Path(_OUT.value)
    train, test = _draw(root / "data")
    seeds = [_runs(seed, root, train) for seed in range(_SEEDS.value)]
    # A run waits for its start, and must not hold a place meanwhile.
    run_all([runs[name] for name in seeds[0] for runs in seeds], _JOBS.value)
    print("\n| trained | poses | AP | AP50 | AP75 |\n|---|---|---|---|---|")
    for name in _TRAININGS:
        found = [_scores(runs[name], test) for runs in seeds]
        # Without attraction maps there is nothing to adapt by.
        rows = ROWS if name == "LOGO-CAP" else (ROWS[0], *ROWS[-2:])
        for row in rows:
            cells = [
                mean_and_spread([scores[row][metric] for scores in found])
                for metric in _METRICS
            ]
            print(f"| {name} | {row} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    app.run(main)
