"""DEKR compared with the official PyTorch code: every map, poses, people.

    python -m benchmarks.peer_dekr --peer_dir=PATH_OF_DEKR --photo=photo.jpg

The official net gets random weights, which our importer reads. Then both see the same
photo. Every map between pixels and poses must be the same to 1e-4 of its largest value,
and poses in the photo to 0.01 px, before and after suppression. Values of heatmaps are
compared at the official start poses: they are read at whole pixels, and a joint 0.001
px from the next is in either. Of poses, joints so near to one are left out, and
counted.
"""

import os
import pathlib
import tempfile
from collections.abc import Callable

import numpy as np
from absl import app, flags

from benchmarks.peers import Side
from benchmarks.pose_parity import MAP_TABLE, POSE_TABLE, compare_maps, compare_poses
from tfpose.skeletons import get_skeleton

__all__ = ["main"]

_PEER_DIR = flags.DEFINE_string("peer_dir", None, "Checkout of the official DEKR.")
_PHOTO = flags.DEFINE_string("photo", None, "What both nets see.")
_PRESET = flags.DEFINE_string("preset", "dekr_w32", "The net, see `tfpose presets`.")
_SIDES = flags.DEFINE_list("sides", ["384", "512"], "Short sides to compare, pixels.")
_THREADS = flags.DEFINE_integer("threads", os.cpu_count(), "Threads of each process.")
_COMPARED = 192  # Short side of the input on which maps are compared, pixels.
# Sides of maps whose centres have 3, 5 and 7 cells a side as their neighbours.
_MAP_SIDES = ((96, 128), (160, 256), (256, 352))

Setting = tuple[str, str, str, int, pathlib.Path]
"""Checkout, photo, preset, threads, and a folder for what both sides read."""
_WEIGHTS, _SCORER, _START = "dekr.pth", "scorer.pth", "start.npy"


def _read(photo: str) -> np.ndarray:
    from data_pipelines.images import decode_image

    return decode_image(pathlib.Path(photo).read_bytes())


def _random_map(row: int) -> np.ndarray:
    """A smooth map `[h, w]` with more centres than slots."""
    import cv2

    height, width = _MAP_SIDES[row]
    values = np.random.default_rng(row).normal(size=(height // 4, width // 4))
    return cv2.resize(values.astype(np.float32), (width, height))


def _random_poses(joints: int) -> np.ndarray:
    """`[P, J, 3]`, some of them smaller than a pixel."""
    rng = np.random.default_rng(0)
    poses = rng.uniform(0, 1, (40, joints, 3))
    poses[:, :, :2] *= rng.uniform(0, 400, (40, 1, 1)) * (rng.random((40, 1, 1)) > 0.1)
    return poses


def _peer(setting: Setting) -> dict[str, Callable]:
    from benchmarks.dekr_peer import Peer
    from tfpose.weights.dekr import DEKR_PRESETS

    peer_dir, photo_file, name, threads, folder = setting
    preset = DEKR_PRESETS[name]
    peer = Peer(peer_dir, preset.width, get_skeleton(preset.skeleton), threads)
    photo = _read(photo_file)
    image = peer.place(photo, _COMPARED)[0]
    peer.perturb(image)
    peer.save(str(folder / _WEIGHTS), str(folder / _SCORER))

    def maps() -> dict[str, np.ndarray]:
        found = peer.maps(image)
        order = _by_place(found["centres"])
        found |= {k: found[k][order] for k in ("centres", "start poses", "values")}
        np.save(folder / _START, found["start poses"])
        return found

    return {
        "input": lambda side: lambda: peer.place(photo, side)[0],
        "maps": lambda _: maps,
        "centres": lambda row: lambda: _sorted(peer.centres(_random_map(row))),
        "rescored": lambda joints: lambda: peer.rescored(_random_poses(joints)),
        "unsuppressed": lambda side: lambda: peer.unsuppressed(photo, side),
        "people": lambda side: lambda: peer.people(photo, side),
    }


def _by_place(centres: np.ndarray) -> np.ndarray:
    return np.argsort(centres[:, :2] @ [1, 1000])


def _sorted(centres: np.ndarray) -> np.ndarray:
    return centres[_by_place(centres)]


def _ours(setting: Setting) -> dict[str, Callable]:
    import tensorflow as tf

    from tfpose.logocap.picture import Placement
    from tfpose.logocap.predictor import CentrePredictor
    from tfpose.weights.dekr import DEKR_PRESETS, build_dekr_preset, import_dekr
    from tfpose.weights.pose_scorers import build_scorer_preset, import_scorer

    _, photo_file, name, threads, folder = setting
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    net = build_dekr_preset(name)
    import_dekr(folder / _WEIGHTS, net)
    scorer = build_scorer_preset(name.replace(f"w{DEKR_PRESETS[name].width}", "scorer"))
    import_scorer(folder / _SCORER, scorer)
    photo = _read(photo_file)

    def place(side: int) -> np.ndarray:
        return Placement.of(photo.shape[0], photo.shape[1], side).place(photo)

    def maps() -> dict[str, np.ndarray]:
        image = place(_COMPARED)[None]
        alone = net.dense(image)
        dense, poses = CentrePredictor(net).find(image)
        filled = poses.filled.numpy()[0]
        centres, heights = net.find_centres(dense.heatmaps[..., -1:])
        centres = np.concatenate([centres / net.stride, heights[..., None]], axis=-1)
        order = _by_place(centres[0][filled])
        height, width, joints = dense.offsets.shape[1:4]
        cells = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
        places = cells[:, :, None] - dense.offsets.numpy()[0]
        start = np.load(folder / _START)[None]
        values = net.joint_values(dense.heatmaps[..., :-1], start)
        return {
            "heatmaps of the picture alone": alone.heatmaps.numpy()[0],
            "offsets of the picture alone": np.reshape(
                alone.offsets, (height, width, 2 * joints)
            ),
            "heatmaps": dense.heatmaps.numpy()[0],
            "places that offsets name": places.reshape(height, width, -1),
            "centres": centres[0][filled][order],
            "start poses": poses.keypoints.numpy()[0][filled][order],
            "values": values.numpy()[0],
        }

    def centres(row: int) -> np.ndarray:
        places, heights = net.find_centres(_random_map(row)[None, ..., None])
        found = np.concatenate([places / net.stride, heights[..., None]], axis=-1)[0]
        return _sorted(found[found[:, 2] > net.threshold])

    return {
        "input": lambda side: lambda: place(side),
        "maps": lambda _: maps,
        "centres": lambda row: lambda: centres(row),
        "rescored": lambda joints: lambda: scorer(_random_poses(joints)).numpy(),
        "unsuppressed": lambda side: (
            lambda: CentrePredictor(net, short_side=side).candidates(photo)[0]
        ),
        "people": lambda side: (
            lambda: CentrePredictor(net, short_side=side).predict(photo).poses
        ),
    }


def main(argv: list[str]) -> None:
    """Prints the tables."""
    from tfpose.weights.dekr import DEKR_PRESETS

    with tempfile.TemporaryDirectory() as folder:
        setting = (
            _PEER_DIR.value,
            _PHOTO.value,
            _PRESET.value,
            _THREADS.value,
            pathlib.Path(folder),
        )
        sides = peer, ours = Side(_peer, setting), Side(_ours, setting)
        for side in (_COMPARED, *map(int, _SIDES.value)):
            # Of some photos some pixels are a grey level apart, by rounding.
            if not np.array_equal(peer.value("input", side), ours.value("input", side)):
                raise SystemExit(
                    f"error: at {side} pixels the photo is not placed alike"
                )
        print(MAP_TABLE)
        compare_maps(peer.value("maps", 0), ours.value("maps", 0))
    for row, size in enumerate(_MAP_SIDES):
        label = f"centres of a random map, {size[0]} x {size[1]}"
        expected, found = (one.value("centres", row) for one in sides)
        compare_maps({label: expected}, {label: found})
    joints = get_skeleton(DEKR_PRESETS[_PRESET.value].skeleton).num_joints
    expected, found = (one.value("rescored", joints) for one in sides)
    label = "rescoring of random poses"
    compare_maps({label: expected}, {label: found})
    print(f"\n{POSE_TABLE}")
    for side in map(int, _SIDES.value):
        for label in ("unsuppressed", "people"):
            expected, found = (one.value(label, side) for one in sides)
            compare_poses(f"{label}, short side {side}", expected, found)
    for one in sides:
        one.stop()


if __name__ == "__main__":
    flags.mark_flags_as_required(["peer_dir", "photo"])
    app.run(main)
