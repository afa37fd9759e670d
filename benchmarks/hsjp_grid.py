"""Precision P by the number of patches, as in the HSJP paper's Table 3(a).

    python -m benchmarks.hsjp_grid --data_dir=../shared/data/lspet --out=runs/grid

The `small` preset for each N, with sigma just below its bound. The benchmark can be
resumed.
"""

import pathlib

from absl import app, flags

from benchmarks.hsjp_runs import grid_options
from benchmarks.runs import Run, drops, mean_and_spread, run_all

__all__ = ["main"]

_DATA_DIR = flags.DEFINE_string(
    "data_dir", "../shared/data/lspet", "COCO-format folder."
)
_OUT = flags.DEFINE_string("out", "runs/grid", "Folder for the runs.")
_GRIDS = flags.DEFINE_list("grids", ["2", "3", "4", "5", "6"], "Values of N.")
_SEEDS = flags.DEFINE_integer("seeds", 1, "Number of seeds.")
_EPOCHS = flags.DEFINE_integer("epochs", 12, "Epochs of pretraining.")
_JOBS = flags.DEFINE_integer("jobs", 2, "Parallel runs, each with one thread.")


def _run(grid: int, seed: int, root: pathlib.Path) -> Run:
    options = {
        "preset": "small",
        "data_dir": _DATA_DIR.value,
        **grid_options(grid),
        "seed": seed,
        "epochs": _EPOCHS.value,
        "lr_drop_epochs": drops(_EPOCHS.value),
    }
    return Run("trainers.hsjp_pretrain", root / f"grid{grid}_{seed}", options)


def main(argv: list[str]) -> None:
    """Runs everything and prints the table."""
    root = pathlib.Path(_OUT.value)
    seeds = range(_SEEDS.value)
    runs = {int(n): [_run(int(n), seed, root) for seed in seeds] for n in _GRIDS.value}
    run_all([run for group in runs.values() for run in group], _JOBS.value)
    print("\n| N | P, % | patches in place, % | chance, % |\n|---|---|---|---|")
    for grid, group in runs.items():
        precision = mean_and_spread([run.last("precision") for run in group])
        patches = mean_and_spread([run.last("patch_accuracy") for run in group])
        print(f"| {grid} | {precision} | {patches} | {100 / grid**2:.1f} |")


if __name__ == "__main__":
    app.run(main)
