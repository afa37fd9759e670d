"""LOGO-CAP compared with the official PyTorch code: every map, poses, people, seconds.

    python -m benchmarks.peer_logocap --peer_dir=PATH_OF_LOGOCAP --photo=photo.jpg

The official net gets random weights, which our importer reads. Then both see the same
photo. Before anything is timed, every map between pixels and poses must be the same to
1e-4 of its largest value, poses of each level of adaptation to 0.01 px in the net's
input, and at the sizes of the test protocol to 0.01 px in the photo. Each net runs in a
separate process with the same number of threads; they alternate.

Maps around people are compared at the official start poses: ours are some 0.001 px
away, which on steep maps is more than rounding. Left out, and counted, are joints whose
score is 0, which have no place, and those whose refined heatmap has a third value as
high as the second, to rounding, which have several. The first two rows of an upsampled
map are equal, and so on at all borders, so a person there has two centres, either of
which may come first, and suppression depends on the order. So poses are compared before
it, in any order, and then both sides' suppression of the official poses.
"""

import os
import pathlib
import statistics
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
from absl import app, flags

from benchmarks.peers import Side, take_turns
from benchmarks.pose_parity import MAP_TABLE, POSE_TABLE, compare_maps, compare_poses
from tfpose.skeletons import get_skeleton

__all__ = ["main"]

_PEER_DIR = flags.DEFINE_string("peer_dir", None, "Checkout of the official LOGO-CAP.")
_PHOTO = flags.DEFINE_string("photo", None, "What both nets see.")
_WIDTH = flags.DEFINE_enum("width", "32", ["32", "48"], "Of HRNet.")
_SIDES = flags.DEFINE_list("sides", ["384", "512"], "Short sides to time, pixels.")
_THREADS = flags.DEFINE_integer("threads", os.cpu_count(), "Threads of each process.")
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Rounds; 0 to compare values only.")
_COMPARED = 192  # Short side of the input on which maps are compared, pixels.
_LEVELS = ("none", "partial", "full")
_COCO = get_skeleton("coco17")

Setting = tuple[str, str, int, int, pathlib.Path]
"""Checkout, photo, HRNet's width, threads, and a folder for what both sides read."""
_WEIGHTS, _START = "logocap.pth", "start.npy"


def _read(photo: str) -> np.ndarray:
    from data_pipelines.images import decode_image

    return decode_image(pathlib.Path(photo).read_bytes())


def _peer(setting: Setting) -> dict[str, Callable]:
    from benchmarks.logocap_peer import Peer

    peer_dir, photo_file, width, threads, folder = setting
    peer = Peer(peer_dir, width, _COCO.flip_permutation, threads)
    photo = _read(photo_file)
    image = peer.place(photo, _COMPARED)[0]
    peer.perturb(image)
    peer.save(str(folder / _WEIGHTS))

    def maps() -> dict[str, np.ndarray]:
        found = peer.maps(image)
        radius = found["local expansion"].shape[1] // 2
        start = found["local expansion"][:, radius, radius]
        # By place: equal centres come in any order.
        order = np.argsort(start[:, 0] @ [1, 1000])
        np.save(folder / _START, start[order])
        return {k: v[order] if len(v) == len(order) else v for k, v in found.items()}

    return {
        "input": lambda side: lambda: peer.place(photo, side)[0],
        "maps": lambda _: maps,
        "poses": lambda level: lambda: peer.poses(image, _LEVELS[level]),
        "unsuppressed": lambda side: lambda: peer.unsuppressed(photo, side),
        "people": lambda side: lambda: peer.people(photo, side),
    }


def _ours(setting: Setting) -> dict[str, Callable]:
    import tensorflow as tf

    from tfpose.logocap.picture import Placement
    from tfpose.logocap.predictor import CentrePredictor
    from tfpose.weights.logocap import build_logocap_preset, import_logocap

    _, photo_file, width, threads, folder = setting
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    net = build_logocap_preset(f"logocap_w{width}")
    import_logocap(folder / _WEIGHTS, net)
    photo = _read(photo_file)

    def place(side: int) -> np.ndarray:
        return Placement.of(photo.shape[0], photo.shape[1], side).place(photo)

    def poses(level: int) -> Callable[[], np.ndarray]:
        predictor = CentrePredictor(net, level=_LEVELS[level])

        def call() -> np.ndarray:
            dense, start = predictor.find(place(_COMPARED)[None])
            found, scores = predictor.adapt(dense, start)
            return found.numpy()[scores.numpy() > 0]

        return call

    def unsuppressed(side: int) -> Callable[[], np.ndarray]:
        predictor = CentrePredictor(net, short_side=side)
        return lambda: predictor.candidates(photo)[0]

    def people(side: int) -> Callable[[], np.ndarray]:
        compiler = tf.function(autograph=False)
        predictor = CentrePredictor(net, short_side=side, compiler=compiler)
        return lambda: predictor.predict(photo).poses

    return {
        "input": lambda side: lambda: place(side),
        "maps": lambda _: (
            lambda: _our_maps(
                CentrePredictor(net), place(_COMPARED), np.load(folder / _START)
            )
        ),
        "poses": poses,
        "unsuppressed": unsuppressed,
        "people": people,
    }


def _our_maps(
    predictor: Any, image: np.ndarray, start: np.ndarray
) -> dict[str, np.ndarray]:
    """As `benchmarks.logocap_peer.Peer.maps`, around given start poses `[P, J, 2]`."""
    from tfpose.codecs.centre_poses import find_centres, upsample
    from tfpose.logocap.expansion import (
        gaussian_window,
        sample_features,
        sample_windows,
    )

    net = predictor.net
    dense, own = predictor.find(image[None])
    filled = own.filled.numpy()[0]
    keypoints = own.keypoints.numpy()[0][filled]
    order = np.argsort(keypoints[:, 0] @ [1, 1000])
    upsampled = upsample(dense.heatmaps, net.stride)
    centres, scores = find_centres(upsampled[..., -1], net.slots)
    centres = np.concatenate([centres, scores[..., None]], axis=-1)[0][filled]
    poses = own._replace(keypoints=start[None], filled=np.ones((1, len(start)), bool))
    refined = net.refine(dense, poses)
    windows = sample_windows(
        dense.heatmaps[..., :-1], poses.keypoints, net.window_radius, net.stride
    )
    windows = windows * gaussian_window(net.window_radius, net.window_sigma)
    maps = {
        "heatmaps, upsampled": upsampled,
        "offsets": np.reshape(dense.offsets, (*dense.offsets.shape[:3], -1)),
        "embedding": dense.features,
        "centres": centres[order][None],
        "start poses": keypoints[order][None],
        "local expansion": refined.expansion,
        "local features": sample_features(
            dense.features, refined.expansion, net.stride
        ),
        "attraction": refined.attraction,
        "global expansion": windows,
        "refined heatmaps": np.transpose(refined.heatmaps, (0, 1, 4, 2, 3)),
    }
    return {name: np.asarray(value)[0] for name, value in maps.items()}


def _compare_suppression(expected: np.ndarray, poses: np.ndarray) -> None:
    from tfpose.logocap.suppression import suppress_near

    poses = poses[..., :3]
    kept = poses[suppress_near(poses[..., :2], poses[..., 2].mean(axis=1))]
    if not np.array_equal(kept, expected):
        raise SystemExit(f"error: suppression leaves {len(kept)} of {len(expected)}")
    print(f"| after suppression | {len(kept)} | all | equal | equal |", flush=True)


def _time(peer: Side, ours: Side) -> None:
    print(f"\n{_THREADS.value} threads, float32, {_ROUNDS.value} rounds\n")
    print("| short side | official, s | tfpose, s | tfpose / official |")
    print("|---|---|---|---|")
    for side in map(int, _SIDES.value):
        seconds = take_turns((peer, ours), "people", side, 1, _ROUNDS.value)
        official, tfpose = (statistics.median(values) for values in seconds)
        ratios = [mine / theirs for theirs, mine in zip(*seconds, strict=True)]
        print(
            f"| {side} | {official:.3f} | {tfpose:.3f} | {tfpose / official:.2f} "
            f"({min(ratios):.2f} to {max(ratios):.2f}) |",
            flush=True,
        )


def main(argv: list[str]) -> None:
    """Prints the tables."""
    with tempfile.TemporaryDirectory() as folder:
        setting = (
            _PEER_DIR.value,
            _PHOTO.value,
            int(_WIDTH.value),
            _THREADS.value,
            pathlib.Path(folder),
        )
        sides = peer, ours = Side(_peer, setting), Side(_ours, setting)
        if not np.array_equal(peer.value("input", 512), ours.value("input", 512)):
            raise SystemExit("error: the photo is not placed alike")
        print(MAP_TABLE)
        compare_maps(peer.value("maps", 0), ours.value("maps", 0))
    print(f"\n{POSE_TABLE}")
    for number, level in enumerate(_LEVELS):
        compare_poses(
            f"{level}, in the input", *(one.value("poses", number) for one in sides)
        )
    for side in map(int, _SIDES.value):
        poses = [one.value("unsuppressed", side) for one in sides]
        compare_poses(f"in the photo, short side {side}", *poses)
        _compare_suppression(peer.value("people", side), poses[0])
    if _ROUNDS.value:
        _time(peer, ours)
    for one in sides:
        one.stop()


if __name__ == "__main__":
    flags.mark_flags_as_required(["peer_dir", "photo"])
    app.run(main)
