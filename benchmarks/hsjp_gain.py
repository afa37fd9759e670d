"""Gain of jigsaw pretraining on real photos, compared with training from scratch.

    python -m benchmarks.hsjp_gain --data_dir=../shared/data/lspet --out=runs/gain

For each seed: pretraining without labels, then fine-tuning on a share of the labels;
the same fine-tuning from scratch; and training from scratch for as many steps as both
together. With `--all_people`, also from pretraining for as many steps on everybody of
that folder. Beside them easy-to-hard consistency on the people of the training split,
from scratch and from pretraining, for as many steps as fine-tuning. Metrics are those
after the last epoch. The benchmark can be resumed.
"""

import pathlib

from absl import app, flags

from benchmarks.hsjp_runs import Setting, count_people
from benchmarks.runs import Run, mean_and_spread, run_all

__all__ = ["main"]

_DATA_DIR = flags.DEFINE_string(
    "data_dir", "../shared/data/lspet", "COCO-format folder."
)
_OUT = flags.DEFINE_string("out", "runs/gain", "Folder for the runs.")
_NET = flags.DEFINE_string("net", "hrnet_small", "The pose net.")
_SEEDS = flags.DEFINE_integer("seeds", 3, "Number of seeds.")
_PRETRAIN_EPOCHS = flags.DEFINE_integer(
    "pretrain_epochs", 12, "Epochs of jigsaw pretraining."
)
_FRACTIONS = flags.DEFINE_list("fractions", ["0.1", "1"], "Shares of the labels.")
_STEPS = flags.DEFINE_list(
    "finetune_steps", ["3456", "4360"], "Steps of fine-tuning for each share of labels."
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


def _shares() -> list[tuple[float, int]]:
    """Each share of the labels with its steps of fine-tuning."""
    pairs = zip(_FRACTIONS.value, _STEPS.value, strict=True)
    return [(float(fraction), int(steps)) for fraction, steps in pairs]


def _pretrainings(seed: int, setting: Setting) -> dict[str, Run]:
    """What each row starts from, by the row's name."""
    own = setting.pretraining(seed)
    runs = {_HSJP: own, _BOTH: own}
    if _HSJP_ON_ALL in _CHOSEN.value:
        if not _ALL_PEOPLE.value:
            raise app.UsageError(f"--start={_HSJP_ON_ALL} needs --all_people")
        runs[_HSJP_ON_ALL] = setting.pretraining_elsewhere(seed, _ALL_PEOPLE.value)
    return {row: run for row, run in runs.items() if row in _CHOSEN.value}


def _downstream(
    seed: int, setting: Setting, pretrainings: dict[str, Run]
) -> dict[tuple[str, float], Run]:
    """The training of each row and share of the labels."""
    return {
        (row, fraction): setting.training(
            seed,
            _SCRATCH if row == _AS_LONG else row,
            fraction,
            steps + (setting.pretrain_steps if row == _AS_LONG else 0),
            pretrainings.get(row),
            consistent=row in (_CONSISTENCY, _BOTH),
        )
        for fraction, steps in _shares()
        for row in reversed(_CHOSEN.value)
    }


def main(argv: list[str]) -> None:
    """Runs everything and prints the table."""
    setting = Setting(
        pathlib.Path(_OUT.value, _NET.value),
        _DATA_DIR.value,
        _NET.value,
        count_people(_DATA_DIR.value),
        _PRETRAIN_EPOCHS.value,
    )
    seeds = range(_SEEDS.value)
    pretrainings = [_pretrainings(seed, setting) for seed in seeds]
    downstream = [_downstream(seed, setting, pretrainings[seed]) for seed in seeds]
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
