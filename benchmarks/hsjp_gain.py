"""Gain of jigsaw pretraining on real photos, compared with training from scratch.

    python -m benchmarks.hsjp_gain --data_dir=../shared/data/lspet --out=runs/gain

For each seed: pretraining without labels, then fine-tuning on a share of the labels;
the same fine-tuning from scratch; and training from scratch for as many steps as both
together. Metrics are those after the last epoch. The benchmark can be resumed.
"""

import json
import pathlib
from collections.abc import Iterator

from absl import app, flags

from benchmarks.runs import Run, drops, mean_and_spread, run_all

__all__ = ["main"]

_DATA_DIR = flags.DEFINE_string(
    "data_dir", "../shared/data/lspet", "COCO-format folder."
)
_OUT = flags.DEFINE_string("out", "runs/gain", "Folder for the runs.")
_SEEDS = flags.DEFINE_integer("seeds", 3, "Number of seeds.")
_PRETRAIN_EPOCHS = flags.DEFINE_integer(
    "pretrain_epochs", 12, "Epochs of jigsaw pretraining."
)
_FRACTIONS = flags.DEFINE_list("fractions", ["0.1", "1"], "Shares of the labels.")
_STEPS = flags.DEFINE_list(
    "finetune_steps", ["840", "1744"], "Steps of fine-tuning for each share of labels."
)
_STARTS = ("scratch", "scratch, as long as both", "HSJP")
_CHOSEN = flags.DEFINE_multi_enum("start", _STARTS, _STARTS, "Rows of the table.")
_JOBS = flags.DEFINE_integer("jobs", 2, "Parallel runs, each with one thread.")
_EVALUATIONS = 4


def _steps_per_epoch(people: int, batch_size: int = 32) -> int:
    return people // batch_size


def _shares() -> list[tuple[float, int]]:
    """Each share of the labels with its steps of fine-tuning."""
    pairs = zip(_FRACTIONS.value, _STEPS.value, strict=True)
    return [(float(fraction), int(steps)) for fraction, steps in pairs]


def _pretraining(seed: int, root: pathlib.Path) -> Run:
    epochs = _PRETRAIN_EPOCHS.value
    options = {
        "preset": "small",
        "data_dir": _DATA_DIR.value,
        "seed": seed,
        "epochs": epochs,
        "lr_drop_epochs": drops(epochs),
    }
    return Run("trainers.hsjp_pretrain", root / f"pretrain_{seed}", options)


def _downstream(
    seed: int, root: pathlib.Path, people: int, pretraining: Run
) -> Iterator[tuple[str, float, Run]]:
    pretrain_steps = _PRETRAIN_EPOCHS.value * _steps_per_epoch(people)
    for fraction, steps in _shares():
        epoch_steps = _steps_per_epoch(round(people * fraction))
        for start in reversed(_CHOSEN.value):
            total = steps + (pretrain_steps if start.endswith("both") else 0)
            epochs = max(1, round(total / epoch_steps))
            options = {
                "preset": "small",
                "data_dir": _DATA_DIR.value,
                "seed": seed,
                "label_fraction": fraction,
                "epochs": epochs,
                "lr_drop_epochs": drops(epochs),
                "eval_every": max(1, epochs // _EVALUATIONS),
            }
            after = None
            if start == "HSJP":
                after = pretraining
                options["init_from"] = pretraining.workdir / "model.keras"
            # Named by its options, so that tables share the runs they have in common.
            kind = "hsjp" if after else "scratch"
            name = f"{kind}_{round(100 * fraction)}pc_{epochs}ep_{seed}"
            yield start, fraction, Run("trainers.top_down", root / name, options, after)


def _people(data_dir: str) -> int:
    document = json.loads((pathlib.Path(data_dir) / "train.json").read_text())
    return len(document["annotations"])


def main(argv: list[str]) -> None:
    """Runs everything and prints the table."""
    root = pathlib.Path(_OUT.value)
    people = _people(_DATA_DIR.value)
    seeds = range(_SEEDS.value)
    pretraining = [_pretraining(seed, root) for seed in seeds]
    downstream = [
        entry
        for seed in seeds
        for entry in _downstream(seed, root, people, pretraining[seed])
    ]
    run_all([*pretraining, *[run for *_, run in downstream]], _JOBS.value)

    precision = mean_and_spread(
        [run.summary()["metrics"]["precision"] for run in pretraining]
    )
    patches = mean_and_spread(
        [run.summary()["metrics"]["patch_accuracy"] for run in pretraining]
    )
    print(f"\nP {precision} %, patches in place {patches} %, {len(seeds)} seeds\n")
    print("| labels | start | PCK@0.2 | AP | AP50 |\n|---|---|---|---|---|")
    for fraction, _ in _shares():
        for start in _CHOSEN.value:
            chosen = [r for s, f, r in downstream if (s, f) == (start, fraction)]
            cells = [
                mean_and_spread([run.last(metric) for run in chosen])
                for metric in ("pck", "ap", "ap50")
            ]
            print(f"| {fraction:.0%} | {start} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    app.run(main)
