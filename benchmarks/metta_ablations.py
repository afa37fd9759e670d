"""What the parts of MeTTA are worth, from one joint training of `metta_gain`.

    python -m benchmarks.metta_ablations --out=runs/metta

`out` is the folder of a finished run of `benchmarks.metta_gain` on mannequins. Each row
is meta-training with one thing changed, or the same net adapted in another way; tested
on other mannequins of `studio` than those that the table is reported on. `shrink` and
`pose guidance off` need a joint training of their own, by the settings of the first.
Without guidance no step moves a joint, so that row has joint training alone. Pictures
of what is filled in, with and without guidance, are in `figures` of each run. Can be
resumed: trainings that are done and rows that are measured are kept.
"""

import json
import pathlib
from typing import Any

from absl import app, flags

from benchmarks.metta_parts import (
    ADAPTED,
    BASE,
    BLIND,
    JOINT,
    MOST_STEPS,
    TRAININGS,
    plan_runs,
    table_row,
)
from benchmarks.metta_steps import accuracy, trace_metta, trace_plain
from benchmarks.runs import Run, run_all
from tfpose.weights.keras_file import load_keras

__all__ = ["main"]

_OUT = flags.DEFINE_string("out", "runs/metta_gain", "Folder of metta_gain's runs.")
_EPOCHS = flags.DEFINE_integer("epochs", 4, "Epochs of each meta-training.")
_JOBS = flags.DEFINE_integer("jobs", 2, "Parallel runs, each with one thread.")


def _measure(run: Run, options: dict[str, Any]) -> list[float]:
    net = load_keras(str(run.workdir / "model.keras"))
    guided = net.pose_guidance
    trace = trace_metta(net, **options) if guided else trace_plain(net)
    config = json.loads((run.workdir / "config.json").read_text())
    # `val` beside the training people: no test of the other table.
    return accuracy(trace, config["data_dir"], net.input_size)


def main(argv: list[str]) -> None:
    """Runs everything and prints the table."""
    root = pathlib.Path(_OUT.value)
    runs = plan_runs(root / "joint_0", root / "ablations", _EPOCHS.value)
    run_all(list(runs.values()), _JOBS.value)

    rows = [(label, label, {}) for label in (JOINT, BLIND, *TRAININGS)]
    rows += [(label, label, {}) for label in runs if label.startswith("shrink ")]
    rows += [(label, BASE, options) for label, options in ADAPTED.items()]
    path = root / "ablations" / "table.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    print(
        "\n| PCK@0.2, % | "
        + " | ".join(f"k = {k}" for k in range(MOST_STEPS + 1))
        + " |"
    )
    print("|" + "---|" * (MOST_STEPS + 2))
    for label, of, options in rows:
        if label not in found:
            found[label] = _measure(runs[of], options)
            path.write_text(json.dumps(found, indent=1))
        print(table_row(label, found[label]), flush=True)
    seen, blind = (
        runs[label].summary()["last"]["train_inpainting"] for label in (JOINT, BLIND)
    )
    print(f"\nInpainting's error with guidance {seen:.4f}, without {blind:.4f}")


if __name__ == "__main__":
    app.run(main)
