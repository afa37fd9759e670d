r"""Trains the net that ships for whole pictures, and tests its file.

    python -m benchmarks.photo_labels --out=runs/photos
    python -m benchmarks.photo_crowds --photos=runs/photos --out=runs/crowd_photos
    python -m benchmarks.crowd_net --data_dir=runs/crowd_photos \
        --kept=runs/photos/kept --out=runs/crowd_net --init_from=hrnet_small.keras

A centre-offset net is trained first, from the backbone of a net for boxes, then with
close-ups, too. From its weights the same training and LOGO-CAP's go on for equally many
epochs. Both are tested on the photos of COCO that were kept from training, at all
levels of adaptation and with the best poses that the local maps hold, at several short
sides. The net of LOGO-CAP's last epoch is saved, with the short side that is best on
the validation photos. Takes two hours on 2 CPU cores and can be resumed.
"""

import json
import pathlib
import shutil
from typing import Any

from absl import app, flags

from benchmarks.drawn_photos import draw_photos
from benchmarks.runs import Run, drops, run_all
from data_pipelines.multi_person import BOX_AREA_FACTOR
from data_pipelines.readers.datasets import load_dataset
from tfpose.cli.calibrate import calibrate
from tfpose.cli.models import load_predictor
from tfpose.cli.upper_bound import ROWS, upper_bound
from tfpose.logocap.net import LogoCapNet
from tfpose.weights.keras_file import load_keras, save_half

__all__ = ["main"]

_DATA_DIR = flags.DEFINE_string(
    "data_dir", "runs/crowd_photos", "Folder of benchmarks.photo_crowds."
)
_KEPT = flags.DEFINE_string("kept", "runs/photos/kept", "Photos for the test.")
_OUT = flags.DEFINE_string("out", "runs/crowd_net", "Folder for the runs.")
_SAVED = flags.DEFINE_string("net", "tfpose/weights/crowd.keras", "The file to write.")
_INIT = flags.DEFINE_string("init_from", "", "A net whose backbone is the start.")
_SIDE = flags.DEFINE_integer("side", 160, "Side of training's input, pixels.")
_START = flags.DEFINE_integer("start_epochs", 12, "Epochs of what both start from.")
_CLOSE_EPOCHS = flags.DEFINE_integer("close_epochs", 5, "Then, with close-ups, too.")
_EPOCHS = flags.DEFINE_integer("epochs", 4, "Epochs of each training after that.")
_JOBS = flags.DEFINE_integer("jobs", 2, "Parallel runs, each with one thread.")

_COLUMNS = ("trained", "short side", "poses", "AP", "AP50", "AP75")
_SIDES = (128, 192, 256)
_SLOTS = 30
# Sides of the smallest parts of photos, in shorter sides of the photo: at first, and
# then, so that people are learnt who fill the picture or are cut off by it.
_FAR, _CLOSE = 0.5, 0.25
_VANILLA = {"attraction_weight": 0.0, "refined_weight": 0.0}
_SHOWN = 24


def _runs(root: pathlib.Path) -> dict[str, Run]:
    common = {
        "preset": "small",
        "data_dir": _DATA_DIR.value,
        "input_side": _SIDE.value,
        "learning_rate": 2e-3,
        # Parts of photos: as large as people are at the short side of use.
        "smallest": _CLOSE,
        "largest": 1.5,
        "shift": 0.3,
        "paste": 0.5,
        "ema_momentum": 0.999,
    }

    def run(name: str, epochs: int, after: Run | None, **options: Any) -> Run:
        length = {"epochs": epochs, "eval_every": epochs}
        return Run("trainers.logocap", root / name, common | length | options, after)

    constant = {"lr_drop_epochs": "", **_VANILLA}
    start = run(
        "start", _START.value, None, **constant, init_from=_INIT.value, smallest=_FAR
    )
    close = run(
        "close",
        _CLOSE_EPOCHS.value,
        start,
        **constant,
        init_from=start.workdir / "model.keras",
    )
    later = {
        "lr_drop_epochs": drops(_EPOCHS.value),
        "init_from": close.workdir / "model.keras",
    }
    return {
        "start": start,
        "close": close,
        "LOGO-CAP": run("logocap", _EPOCHS.value, close, **later),
        "centre and offsets alone": run(
            "vanilla", _EPOCHS.value, close, **later, **_VANILLA
        ),
    }


def _save(run: Run, root: pathlib.Path) -> None:
    """Writes the net, for up to 30 people, with its short side and thresholds; both are
    chosen on the validation photos.
    """
    net = load_keras(str(run.workdir / "model.keras"))
    whole = LogoCapNet.from_config({**net.get_config(), "slots": _SLOTS})
    whole.set_weights(net.get_weights())
    found = {side: _scores(run, _DATA_DIR.value, side)["full"]["ap"] for side in _SIDES}
    print("validation photos: " + ", ".join(f"{k}: {v:.3f}" for k, v in found.items()))
    whole.info = {**net.info, "short_side": max(found, key=lambda side: found[side])}
    path = pathlib.Path(_SAVED.value)
    save_half(whole, path)
    calibrate(
        str(path), "coco_format", _DATA_DIR.value, "val", str(root / "calibrated")
    )
    shutil.copy(root / "calibrated" / "model.keras", path)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB", flush=True)


def main(argv: list[str]) -> None:
    """Trains, saves, tests and draws."""
    root = pathlib.Path(_OUT.value)
    runs = _runs(root)
    run_all(list(runs.values()), _JOBS.value)
    _save(runs["LOGO-CAP"], root)
    print("| " + " | ".join(_COLUMNS) + " |\n" + "|---" * len(_COLUMNS) + "|")
    for name in ("centre and offsets alone", "LOGO-CAP"):
        for side in _SIDES:
            found = _scores(runs[name], _KEPT.value, side)
            rows = ROWS if name == "LOGO-CAP" else ROWS[:1]
            for row in rows:
                cells = [f"{100 * found[row][m]:.1f}" for m in ("ap", "ap50", "ap75")]
                print(f"| {name} | {side} | {row} | " + " | ".join(cells) + " |")
    kept = load_dataset("coco_format", _KEPT.value, "val")
    net = load_predictor(_SAVED.value)
    draw_photos(root / "crowd_net.jpg", net, kept, _SHOWN)


def _scores(run: Run, data_dir: str, side: int) -> dict[str, dict[str, float]]:
    """What `upper_bound` says of a folder's split `val`, kept in the run's folder."""
    path = run.workdir / f"bound_{pathlib.Path(data_dir).name}_{side}.json"
    if not path.exists():
        upper_bound(
            str(run.workdir / "model.keras"),
            "coco_format",
            data_dir,
            "val",
            short_side=side,
            box_area_factor=BOX_AREA_FACTOR,
            out=str(path),
        )
    return json.loads(path.read_text())


if __name__ == "__main__":
    app.run(main)
