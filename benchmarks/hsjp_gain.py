"""Gain of jigsaw pretraining on real photos, compared with training from scratch.

    python -m benchmarks.hsjp_gain --data_dir=../shared/data/lspet --out=runs/gain

For each seed: pretraining without labels, then fine-tuning on a share of the labels;
the same fine-tuning from scratch; and training from scratch for as many steps as both
together. With `--all_people`, also from pretraining for as many steps on everybody of
that folder. Beside them easy-to-hard consistency on the people of the training split,
from scratch and from pretraining, for as many steps as fine-tuning. Metrics are those
after the last epoch. The benchmark can be resumed.
"""

import json
import pathlib
import re

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
_SCRATCH, _AS_LONG, _HSJP = "scratch", "scratch, as long as both", "HSJP"
_HSJP_ON_ALL = "HSJP on all people"
_CONSISTENCY, _BOTH = "consistency", "consistency, from HSJP"
_STARTS = (_SCRATCH, _AS_LONG, _HSJP, _HSJP_ON_ALL, _CONSISTENCY, _BOTH)
_CHOSEN = flags.DEFINE_multi_enum(
    "start", (_SCRATCH, _AS_LONG, _HSJP), _STARTS, "Rows of the table."
)
_ALL_PEOPLE = flags.DEFINE_string(
    "all_people", "", "COCO-format folder of everybody, for `HSJP on all people`."
)
_JOBS = flags.DEFINE_integer("jobs", 2, "Parallel runs, each with one thread.")
_EVALUATIONS = 4
# Share of a training in which the weight of consistency grows.
_RAMP = 2 / 3


def _steps_per_epoch(people: int, batch_size: int = 32) -> int:
    return people // batch_size


def _shares() -> list[tuple[float, int]]:
    """Each share of the labels with its steps of fine-tuning."""
    pairs = zip(_FRACTIONS.value, _STEPS.value, strict=True)
    return [(float(fraction), int(steps)) for fraction, steps in pairs]


def _pretraining(seed: int, workdir: pathlib.Path, data_dir: str, epochs: int) -> Run:
    options = {
        "preset": "small",
        "data_dir": data_dir,
        "seed": seed,
        "epochs": epochs,
        "lr_drop_epochs": drops(epochs),
    }
    return Run("trainers.hsjp_pretrain", workdir, options)


def _pretrainings(seed: int, root: pathlib.Path, people: int) -> dict[str, Run]:
    """What each row starts from, by the row's name."""
    epochs = _PRETRAIN_EPOCHS.value
    own = _pretraining(seed, root / f"pretrain_{seed}", _DATA_DIR.value, epochs)
    runs = {_HSJP: own, _BOTH: own}
    if _HSJP_ON_ALL in _CHOSEN.value:
        if not _ALL_PEOPLE.value:
            raise app.UsageError(f"--start={_HSJP_ON_ALL} needs --all_people")
        everybody = _people(_ALL_PEOPLE.value)
        # As many steps, not epochs: more people, each seen less often.
        epochs = round(epochs * _steps_per_epoch(people) / _steps_per_epoch(everybody))
        runs[_HSJP_ON_ALL] = _pretraining(
            seed, root / f"pretrain_all_{seed}", _ALL_PEOPLE.value, epochs
        )
    return {row: run for row, run in runs.items() if row in _CHOSEN.value}


def _downstream(
    seed: int, root: pathlib.Path, people: int, pretrainings: dict[str, Run]
) -> dict[tuple[str, float], Run]:
    """The training of each row and share of the labels."""
    runs = {}
    pretrain_steps = _PRETRAIN_EPOCHS.value * _steps_per_epoch(people)
    for fraction, steps in _shares():
        for row in reversed(_CHOSEN.value):
            total = steps + (pretrain_steps if row == _AS_LONG else 0)
            # An epoch with consistency is one of the people without labels.
            consistent = row in (_CONSISTENCY, _BOTH)
            seen = people if consistent else round(people * fraction)
            epoch_steps = _steps_per_epoch(seen)
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
            after = pretrainings.get(row)
            if after:
                options["init_from"] = after.workdir / "model.keras"
            if consistent:
                options["ramp_epochs"] = round(_RAMP * epochs, 1)
            trainer = "semi_supervised" if consistent else "top_down"
            # Named by its options, so that tables share the runs they have in common.
            kind = "scratch" if row == _AS_LONG else re.sub(r"\W+", "_", row.lower())
            name = f"{kind}_{round(100 * fraction)}pc_{epochs}ep_{seed}"
            run = Run(f"trainers.{trainer}", root / name, options, after)
            runs[row, fraction] = run
    return runs


def _people(data_dir: str) -> int:
    document = json.loads((pathlib.Path(data_dir) / "train.json").read_text())
    return len(document["annotations"])


def main(argv: list[str]) -> None:
    """Runs everything and prints the table."""
    root = pathlib.Path(_OUT.value)
    people = _people(_DATA_DIR.value)
    seeds = range(_SEEDS.value)
    pretrainings = [_pretrainings(seed, root, people) for seed in seeds]
    downstream = [_downstream(seed, root, people, pretrainings[seed]) for seed in seeds]
    # Seed by seed: when stopped, some seeds have all rows.
    runs = [
        run
        for of_seed in zip(pretrainings, downstream, strict=True)
        for part in of_seed
        for run in part.values()
    ]
    run_all(runs, _JOBS.value)

    print(f"\n{len(seeds)} seeds")
    for row in pretrainings[0]:
        precision, patches = (
            mean_and_spread([of_seed[row].last(metric) for of_seed in pretrainings])
            for metric in ("precision", "patch_accuracy")
        )
        print(f"{row}: P {precision} %, patches in place {patches} %")
    print("\n| labels | start | PCK@0.2 | AP | AP50 |\n|---|---|---|---|---|")
    for fraction, _ in _shares():
        for row in _CHOSEN.value:
            cells = [
                mean_and_spread(
                    [of_seed[row, fraction].last(m) for of_seed in downstream]
                )
                for m in ("pck", "ap", "ap50")
            ]
            print(f"| {fraction:.0%} | {row} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    app.run(main)
