"""Training runs of benchmarks: several in parallel, resumable."""

import concurrent.futures
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["Run", "drops", "mean_and_spread", "run_all"]


@dataclasses.dataclass(frozen=True)
class Run:
    """One call of a trainer.

    Attributes:
        trainer: module, such as `trainers.top_down`.
        workdir: work folder of the run.
        options: flags and their values.
        after: the run that must be finished before this one starts.
    """

    trainer: str
    workdir: pathlib.Path
    options: dict[str, Any]
    after: "Run | None" = None

    def summary(self) -> dict[str, Any]:
        """The contents of the finished run's `summary.json`."""
        return json.loads((self.workdir / "summary.json").read_text())

    def last(self, metric: str) -> float:
        """A validation metric after the last epoch.

        The best epoch's metric would be biased: the epoch is chosen on the same people.
        """
        return self.summary()["last"][f"val_{metric}"]


def drops(epochs: int) -> str:
    """Epochs of the two drops of the learning rate, at the papers' shares of a run."""
    return f"{max(1, round(0.8 * epochs))},{max(1, round(0.93 * epochs))}"


def _execute(run: Run, threads: int) -> None:
    if (run.workdir / "summary.json").exists():
        return
    run.workdir.parent.mkdir(parents=True, exist_ok=True)
    flags = [f"--{name}={value}" for name, value in run.options.items()]
    command = [sys.executable, "-m", run.trainer, f"--workdir={run.workdir}", *flags]
    limits = {"TF_NUM_INTRAOP_THREADS": str(threads), "TF_CPP_MIN_LOG_LEVEL": "2"}
    with open(run.workdir.parent / f"{run.workdir.name}.log", "a") as log:
        code = subprocess.call(
            command, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **limits}
        )
    if code:
        raise RuntimeError(
            f"{' '.join(command)} ended with code {code}; see {log.name}"
        )


def run_all(runs: Sequence[Run], jobs: int, threads: int = 1) -> None:
    """Executes all runs, `jobs` at a time; finished runs are skipped.

    Args:
        runs: the runs in the order to start them; a run comes after those it needs.
            Those that are named twice are executed once.
        jobs: number of parallel processes.
        threads: threads of each process for the net's arithmetic.

    Raises:
        RuntimeError: a run failed; names its command and log.
    """
    started: dict[pathlib.Path, concurrent.futures.Future] = {}

    def execute(run: Run) -> None:
        if run.after is not None:
            started[run.after.workdir].result()
        _execute(run, threads)

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for run in runs:
            if run.workdir not in started:
                started[run.workdir] = pool.submit(execute, run)
        for count, run in enumerate(runs, start=1):
            started[run.workdir].result()
            print(f"{count}/{len(runs)}  {run.workdir}", flush=True)


def mean_and_spread(values: Sequence[float], scale: float = 100.0) -> str:
    """`12.3 ± 0.4`: mean and sample standard deviation, in percent by default."""
    array = scale * np.asarray(values, np.float64)
    if len(array) == 1:
        return f"{array[0]:.1f}"
    return f"{array.mean():.1f} ± {array.std(ddof=1):.1f}"
