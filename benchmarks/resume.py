"""Checks that a run that is killed repeatedly ends with the same bits.

    python -m benchmarks.resume --data_dir=../shared/data/lspet --kills=10

A short pretraining runs once without interruption. The same run is then killed
(SIGKILL) at random moments between its start and its last write, and restarted each
time. Every array of the last checkpoint (weights, moving statistics, Adam's moments,
step), the best weights, `metrics.jsonl` and the summary are compared.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np
from absl import app, flags

__all__ = ["main"]

_DATA_DIR = flags.DEFINE_string("data_dir", None, "COCO-format folder.", required=True)
_KILLS = flags.DEFINE_integer("kills", 10, "Number of kills.", lower_bound=1)
_EPOCHS = flags.DEFINE_integer("epochs", 2, "Epochs of the run.", lower_bound=1)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 32, "People per step.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Random seed of the moments.")


def _start(workdir: pathlib.Path) -> subprocess.Popen:
    options = {
        "preset": "small",
        "net": "hrnet_tiny",
        "data_dir": _DATA_DIR.value,
        "epochs": _EPOCHS.value,
        "batch_size": _BATCH_SIZE.value,
        "lr_drop_epochs": max(1, _EPOCHS.value - 1),
        "ramp_epochs": 1,
        "checkpoint_minutes": 0.02,
        "workdir": workdir,
    }
    command = [sys.executable, "-m", "trainers.hsjp_pretrain"]
    command += [f"--{name}={value}" for name, value in options.items()]
    with open(f"{workdir}.log", "a") as log:
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)


def _finish(workdir: pathlib.Path) -> float:
    begin = time.monotonic()
    if code := _start(workdir).wait():
        raise RuntimeError(f"a run ended with code {code}; see {workdir}.log")
    return time.monotonic() - begin


def _step(workdir: pathlib.Path) -> int:
    path = workdir / "checkpoints" / "last.npz"
    if not path.exists():
        return 0
    with np.load(path) as arrays:
        return json.loads(str(arrays["progress"]))["step"]


def _without_seconds(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_seconds(v) for k, v in value.items() if k != "seconds"}
    return [_without_seconds(v) for v in value] if isinstance(value, list) else value


def _differences(one: pathlib.Path, other: pathlib.Path) -> tuple[list[str], int]:
    """Names of what differs in two runs, and the number of arrays compared."""
    different, count = [], 0
    for name in ("last.npz", "best.npz"):
        with (
            np.load(one / "checkpoints" / name) as first,
            np.load(other / "checkpoints" / name) as second,
        ):
            for array in sorted(set(first.files) | set(second.files)):
                if array == "progress":
                    continue
                count += 1
                if first[array].tobytes() != second[array].tobytes():
                    different.append(f"{name}:{array}")
    for name in ("metrics.jsonl", "summary.json"):
        texts = [(folder / name).read_text() for folder in (one, other)]
        if name.endswith("l"):
            texts = ["[" + ",".join(text.splitlines()) + "]" for text in texts]
        first, second = (_without_seconds(json.loads(text)) for text in texts)
        if first != second:
            different.append(name)
    return different, count


def main(argv: list[str]) -> None:
    """Runs, kills, compares; exit code 1 if anything differs."""
    rng = np.random.default_rng(_SEED.value)
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = (pathlib.Path(folder) / name for name in ("whole", "killed"))
        seconds = _finish(whole)
        total = _step(whole)
        moments = []
        while len(moments) < _KILLS.value:
            process = _start(killed)
            # Kills are spread over the run, independent of the duration of a start:
            # wait for a share of the remaining steps, then a short random time.
            before, left = _step(killed), total - _step(killed)
            share = rng.uniform(0, 2 / (_KILLS.value - len(moments) + 1))
            target = before + int(left * min(share, 1.0))
            while process.poll() is None and _step(killed) <= target:
                time.sleep(0.02)
            time.sleep(rng.uniform(0, 0.5))
            if process.poll() is not None:
                break
            process.kill()
            process.wait()
            moments.append(_step(killed))
        _finish(killed)
        different, count = _differences(whole, killed)
    result = f"{len(different)} differ ({different[:5]})" if different else "all equal"
    print(
        f"killed {len(moments)} times, at steps {', '.join(map(str, moments))} of "
        f"{total} ({seconds:.0f} s without kills): {count} arrays of model, optimiser "
        f"and best weights, metrics.jsonl and summary.json: {result}, bit for bit"
    )
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    app.run(main)
