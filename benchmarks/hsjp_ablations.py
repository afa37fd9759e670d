"""What the choices of jigsaw pretraining are worth to the pose net that follows.

    python -m benchmarks.hsjp_ablations --data_dir=../shared/data/lspet --out=runs/gain

Table 2 (learning rate, epochs), Table 3 (N; with the unshuffled image) and Fig. 5
(which layers transfer) of the HSJP paper at the scale of `benchmarks.hsjp_gain`, whose
folder it shares, so that `as it is` and its pretrainings are run once. Each row has one
thing changed. The benchmark can be resumed.
"""

import pathlib
from typing import Any

from absl import app, flags

from benchmarks.hsjp_runs import Setting, count_people, grid_options
from benchmarks.runs import Run, mean_and_spread, run_all

__all__ = ["main"]

_DATA_DIR = flags.DEFINE_string(
    "data_dir", "../shared/data/lspet", "COCO-format folder."
)
_OUT = flags.DEFINE_string("out", "runs/gain", "Folder for the runs.")
_SEEDS = flags.DEFINE_integer("seeds", 3, "Number of seeds.")
_FRACTION = flags.DEFINE_float("fraction", 0.03, "Share of the labels.")
_STEPS = flags.DEFINE_integer("finetune_steps", 2000, "Steps of fine-tuning.")
_NET, _EPOCHS = "hrnet_small", 12
_PLAIN = "as it is"
# What is changed in pretraining, by row.
_PRETRAININGS: dict[str, dict[str, Any]] = {
    "learning rate 3e-4": {"learning_rate": 3e-4},
    "learning rate 2e-3": {"learning_rate": 2e-3},
    "6 epochs": {"epochs": 6},
    "24 epochs": {"epochs": 24},
    "with the unshuffled image": {"with_original": True},
    "N = 2": grid_options(2),
    "N = 4": grid_options(4),
}
# The layers that are not fine-tuned, by row.
_FROZEN = {
    "frozen up to stage 2": "stem,stage1,stage2",
    "frozen up to stage 3": "stem,stage1,stage2,stage3",
    "frozen up to stage 4": "stem,stage1,stage2,stage3,stage4",
}
_ROWS = (_PLAIN, *_PRETRAININGS, *_FROZEN)
_CHOSEN = flags.DEFINE_multi_enum("row", _ROWS, _ROWS, "Rows of the table.")
_JOBS = flags.DEFINE_integer("jobs", 2, "Parallel runs, each with one thread.")


def _runs(seed: int, setting: Setting) -> dict[str, tuple[Run, Run]]:
    """Pretraining and fine-tuning of each row."""
    runs = {}
    for row in _CHOSEN.value:
        changes = _PRETRAININGS.get(row, {})
        before = setting.pretraining(seed, row if changes else "", **changes)
        frozen = {"freeze": _FROZEN[row]} if row in _FROZEN else {}
        kind = "HSJP" if row == _PLAIN else f"HSJP {row}"
        after = setting.training(
            seed, kind, _FRACTION.value, _STEPS.value, before, **frozen
        )
        runs[row] = before, after
    return runs


def main(argv: list[str]) -> None:
    """Runs everything and prints the table."""
    setting = Setting(
        pathlib.Path(_OUT.value, _NET),
        _DATA_DIR.value,
        _NET,
        count_people(_DATA_DIR.value),
        _EPOCHS,
    )
    by_seed = [_runs(seed, setting) for seed in range(_SEEDS.value)]
    # Row by row: when stopped, some rows have all seeds.
    run_all(
        [run for row in _CHOSEN.value for runs in by_seed for run in runs[row]],
        _JOBS.value,
    )
    print("\n| | P, % | patches in place, % | PCK@0.2 | AP | AP50 |")
    print("|---|---|---|---|---|---|")
    columns = [(0, "precision"), (0, "patch_accuracy")]
    columns += [(1, metric) for metric in ("pck", "ap", "ap50")]
    for row in _CHOSEN.value:
        cells = [
            mean_and_spread([runs[row][part].last(metric) for runs in by_seed])
            for part, metric in columns
        ]
        print(f"| {row} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    app.run(main)
