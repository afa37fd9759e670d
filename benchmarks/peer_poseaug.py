"""PoseAug with VPose compared with the official PyTorch code: epochs, and lifting.

    python -m benchmarks.peer_poseaug --peer_dir=PATH_OF_POSEAUG

Both train on the same pairs of real motion capture, with the released code's options,
after its warm-up, from the same lifter. The official epoch is unchanged (new lengths
for all poses, augmentor and discriminators on all of them, then the lifter on all
augmented pairs and on all real ones). Our epoch has as many steps as there are batches,
and the lifter is trained on real and augmented pairs together: the same number of pairs
in half as many updates. Each side runs in a separate process with the same number of
threads; they alternate. Neither evaluates, draws or logs.

Both begin with small changes of people at usual positions (`gentle_start`), so that the
augmented pairs are inside the image, as later in training; the official code skips
those that are not.
"""

import dataclasses
import os
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from absl import app, flags

from benchmarks.peers import Side, take_turns
from data_pipelines.lifting.datasets import load_lifting_dataset
from data_pipelines.lifting.poses import LiftingDataset
from tfpose.errors import InputError
from tfpose.skeletons import get_skeleton

__all__ = ["main"]

_PEER_DIR = flags.DEFINE_string("peer_dir", None, "Checkout of the official PoseAug.")
_DATA_DIR = flags.DEFINE_string("data_dir", "../shared/data/mocap", "Motion capture.")
_POSES = flags.DEFINE_integer("poses", 20480, "Poses in an epoch.", lower_bound=1)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 1024, "Batch size.", lower_bound=1)
_THREADS = flags.DEFINE_integer("threads", os.cpu_count(), "Threads of each process.")
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Rounds, after one of warm-up.")
_PROFILE = flags.DEFINE_bool("profile", False, "Print a profile of our step instead.")
_LIFTING = ((1, 300), (4096, 3))
_PRODUCT = 2048
_GOAL = 0.8
_SIDES = ("official, float32", "tfpose, float32", "tfpose, mixed_bfloat16")


@dataclasses.dataclass(frozen=True)
class _Setting:
    """Data and options of every side.

    Attributes:
        pairs: the pairs of an epoch.
        lengths: float32 `[S, 15]`, metres: limb lengths of their subjects.
        batch_size: batch size of training.
        threads: threads of each process.
        folder: folder in which the official side saves its lifter for ours.
    """

    pairs: LiftingDataset
    lengths: np.ndarray
    batch_size: int
    threads: int
    folder: pathlib.Path

    @property
    def lifter(self) -> str:
        return str(self.folder / "lifter.pth.tar")

    def keypoints(self, count: int) -> np.ndarray:
        """Keypoints of the first `count` pairs, float32 `[count, 16, 2]`."""
        from data_pipelines.lifting.batches import LiftingEvaluation

        rows = np.arange(count) % len(self.pairs)
        return LiftingEvaluation(self.pairs).many(rows)["keypoints"]


def _setting(folder: pathlib.Path) -> _Setting:
    from trainers.poseaug import subject_lengths

    count, size = _POSES.value, _BATCH_SIZE.value
    if count % size:
        raise InputError(f"poses: {count} is not a multiple of the batch size, {size}")
    poses = load_lifting_dataset(
        "mocap", _DATA_DIR.value, "train", get_skeleton("h36m16")
    )
    rows = np.random.default_rng(0).integers(0, len(poses), count)
    return _Setting(
        poses.select(rows), subject_lengths(poses), size, _THREADS.value, folder
    )


def _peer(setting: _Setting, peer_dir: str) -> dict[str, Callable]:
    import torch

    from benchmarks.poseaug_peer import PeerPoseAug

    torch.set_num_threads(setting.threads)
    torch.manual_seed(0)
    peer = PeerPoseAug(
        peer_dir, setting.pairs, setting.lengths, setting.batch_size, setting.folder
    )
    torch.save({"state_dict": peer.lifter.state_dict()}, setting.lifter)
    shares: list[float] = []

    def lift(count: int) -> Callable[[], np.ndarray]:
        keypoints = torch.from_numpy(setting.keypoints(count))

        def call():
            peer.lifter.eval()
            with torch.no_grad():
                return peer.lifter(keypoints).numpy()

        return call

    def product(size: int) -> Callable[[], Any]:
        matrix = torch.randn(size, size)
        return lambda: matrix @ matrix

    return {
        "epoch": lambda _: lambda: shares.append(peer.epoch()),
        "inside": lambda _: lambda: shares[-1],
        "lift": lift,
        "product": product,
    }


def _ours(setting: _Setting, precision: str) -> dict[str, Callable]:
    import keras
    import tensorflow as tf

    from benchmarks.poseaug_products import model_products
    from tfpose.lifters.build import build_lifter
    from tfpose.weights.lifters import import_lifter

    tf.config.threading.set_intra_op_parallelism_threads(setting.threads)
    tf.config.threading.set_inter_op_parallelism_threads(setting.threads)
    keras.config.set_dtype_policy(precision)
    keras.utils.set_random_seed(0)
    net = import_lifter(
        setting.lifter, build_lifter("vpose", setting.pairs.skeleton)
    ).model
    training = _Training(setting, net, precision)
    half = precision != "float32"

    def lift(count: int) -> Callable[[], np.ndarray]:
        compiled = tf.function(lambda keypoints: net(keypoints, training=False))
        keypoints = tf.constant(setting.keypoints(count))
        return lambda: compiled(keypoints).numpy()

    def product(size: int) -> Callable[[], Any]:
        matrix = tf.random.normal((size, size))
        matrix = tf.cast(matrix, tf.bfloat16 if half else tf.float32)
        compiled = tf.function(lambda: tf.reduce_sum(matrix @ matrix))
        return lambda: compiled().numpy()

    return {
        "epoch": lambda _: training.epoch,
        "inside": lambda _: training.inside,
        "multiply_adds": lambda _: lambda: model_products(training.model),
        "profile": lambda _: training.profile,
        "lift": lift,
        "product": product,
    }


class _Training:
    """Our engine's training step on the pairs, after the epochs of warm-up."""

    def __init__(self, setting: _Setting, net: Any, precision: str):
        from data_pipelines.lifting.batches import LiftingTraining
        from trainers.engine.devices import Devices
        from trainers.engine.strategies import make_strategy
        from trainers.poseaug import PRESETS
        from trainers.poseaug_model import PoseAugModel

        config = dataclasses.replace(
            PRESETS["released"],
            net="vpose",
            batch_size=setting.batch_size,
            precision=precision,
            warmup_epochs=0,
            gentle_start=True,
        )
        sampler = LiftingTraining(
            setting.pairs, config.batch_size, config.seed, with_real=True
        )
        self._steps = sampler.steps_per_epoch
        roots = setting.pairs.positions[:, net.skeleton.root]
        self.model = PoseAugModel(net, config, setting.lengths, roots, self._steps)
        self.model.optimizer.build(self.model.trainable_variables)
        devices = Devices(config, make_strategy("single"))
        self._step = devices.compiled_step(self.model)
        self._batches = devices.batches(sampler, 0)
        self._last: dict[str, Any] = {}

    def epoch(self) -> None:
        """As many steps as there are batches."""
        for _ in range(self._steps):
            self._last = self._step(next(self._batches))
        self.inside()

    def inside(self) -> float:
        """Share of augmented pairs inside the image in the last step."""
        return float(self._last["augmented_inside"])

    def profile(self) -> list[tuple[str, str, float]]:
        """(Kind, name, milliseconds per step) of our parts and TensorFlow's operations.

        Each part is timed as a separate compiled function; operations are summed over
        all threads, in whole steps.
        """
        return [
            *(("part", name, time) for name, time in self._parts()),
            *(("operation", name, time) for name, time in self._operations()),
        ]

    def _parts(self) -> list[tuple[str, float]]:
        import tensorflow as tf

        from tfpose.lifters.views import project_poses

        model, batch = self.model, next(self._batches)
        positions, intrinsics = batch["positions"], batch["intrinsics"]
        source = positions, project_poses(positions, intrinsics)
        augmented, augmented_2d, _ = model._train_augmentor(source, intrinsics, 0, 1.0)
        augmented = type(augmented)(*(tf.stop_gradient(part) for part in augmented))
        calls: dict[str, Callable] = {
            "augmentor, with feedback": lambda: model._train_augmentor(
                source, intrinsics, 0, 1.0
            )[2],
            "discriminators, when trained": lambda: model._train_discriminators(
                batch, augmented, augmented_2d, 1.0
            ),
            "lifter, both pairs": lambda: model._train_lifter(
                batch, source, augmented, augmented_2d, 0, 1.0
            ),
        }
        return [
            (name, _milliseconds(tf.function(call))) for name, call in calls.items()
        ]

    def _operations(self) -> list[tuple[str, float]]:
        import tensorflow as tf
        from tensorflow.tsl.profiler.protobuf import xplane_pb2

        self.epoch()
        with tempfile.TemporaryDirectory() as folder:
            with tf.profiler.experimental.Profile(folder):
                self.epoch()
            files = pathlib.Path(folder).rglob("*.xplane.pb")
            space = xplane_pb2.XSpace.FromString(next(files).read_bytes())
        return _operation_times(space, self._steps)


def _milliseconds(function: Callable[[], dict[str, Any]], calls: int = 4) -> float:
    def call():
        return [float(value) for value in function().values()]

    call()
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return 1000 * (time.perf_counter() - start) / calls


def _operation_times(space: Any, steps: int) -> list[tuple[str, float]]:
    """Milliseconds per step of each kind of operation, the longest first."""
    totals: dict[str, float] = {}
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                if ":" in name and "::" not in name:
                    kind = name.rsplit(":", 1)[1].split("#")[0]
                    totals[kind] = totals.get(kind, 0.0) + event.duration_ps / 1e9
    rows = [(kind, total / steps) for kind, total in totals.items()]
    return sorted(rows, key=lambda row: -row[1])


def _spread(seconds: Sequence[float], digits: int) -> str:
    """`1.23 (1.20 to 1.31)`: median and range."""
    values = statistics.median(seconds), min(seconds), max(seconds)
    middle, low, high = (f"{value:.{digits}f}" for value in values)
    return f"{middle} ({low} to {high})"


def _ratio(seconds: Sequence[float], base: Sequence[float]) -> str:
    """Ratio of the medians, and the range of the ratios of the rounds."""
    each = [mine / theirs for mine, theirs in zip(seconds, base, strict=True)]
    ratio = statistics.median(seconds) / statistics.median(base)
    return f"{ratio:.2f} ({min(each):.2f} to {max(each):.2f})"


def _time_epochs(sides: Sequence[Side], setting: _Setting) -> list[float]:
    """Prints the table of epochs; returns the sides' medians."""
    print(
        f"| PoseAug, VPose, {len(setting.pairs)} poses, batch {setting.batch_size} | "
        "s per epoch (range) | relative to official (range) | augmented pairs used |"
    )
    print("|---|---|---|---|")
    seconds = take_turns(sides, "epoch", 0, 1, _ROUNDS.value)
    for name, side, values in zip(_SIDES, sides, seconds, strict=True):
        inside = f"{100 * side.value('inside', 0):.0f} %"
        ratio = _ratio(values, seconds[0])
        print(f"| {name} | {_spread(values, 2)} | {ratio} | {inside} |", flush=True)
    medians = [statistics.median(values) for values in seconds]
    share = medians[1] / medians[0]
    result = "met" if share <= _GOAL else "missed"
    print(
        f"\nGoal: float32 in at most {_GOAL} of the official time: {result} "
        f"({share:.2f}).\n"
    )
    return medians


def _measure_peak(
    sides: Sequence[Side], setting: _Setting, epochs: Sequence[float]
) -> None:
    """Prints the speed of the epochs relative to that of large matrix products."""
    each = sides[1].value("multiply_adds", 0)
    total = 2 * each * len(setting.pairs)
    print(
        f"An epoch needs {each / 1e6:.1f} million multiply-adds per pose in matrix "
        f"products: {total / 1e9:.0f} GFLOP.\n"
    )
    print(f"| | GFLOP/s of the epoch | of a {_PRODUCT} x {_PRODUCT} product | share |")
    print("|---|---|---|---|")
    products = take_turns(sides, "product", _PRODUCT, 3, _ROUNDS.value)
    for name, epoch, seconds in zip(_SIDES, epochs, products, strict=True):
        # The best round is the machine's peak.
        peak = 2 * _PRODUCT**3 / min(seconds) / 1e9
        rate = total / epoch / 1e9
        share = f"{100 * rate / peak:.0f} %"
        print(f"| {name} | {rate:.0f} | {peak:.0f} | {share} |", flush=True)
    print()


def _time_lifting(sides: Sequence[Side]) -> None:
    print("| VPose, lifting | batch | ms (range) | poses/s | relative to official |")
    print("|---|---|---|---|---|")
    for batch, calls in _LIFTING:
        seconds = take_turns(sides, "lift", batch, calls, _ROUNDS.value)
        for name, values in zip(_SIDES, seconds, strict=True):
            rate = batch / statistics.median(values)
            milliseconds = _spread([1000 * value for value in values], 3)
            ratio = _ratio(values, seconds[0])
            print(f"| {name} | {batch} | {milliseconds} | {rate:,.0f} | {ratio} |")


def _compare(setting: _Setting) -> None:
    peer = Side(_peer, setting, os.path.abspath(_PEER_DIR.value))
    sides = [peer] + [Side(_ours, setting, p) for p in ("float32", "mixed_bfloat16")]
    expected, actual, _ = (side.value("lift", 64) for side in sides)
    actual, expected = actual - actual[:, :1], expected - expected[:, :1]
    difference = np.abs(actual - expected).max()
    if not difference < 1e-4:
        raise SystemExit(f"error: the lifters differ by {difference:.1e} m")
    print(f"same lifter; positions differ by {difference:.1e} m at most")
    print(f"{setting.threads} threads, {_ROUNDS.value} rounds\n")
    epochs = _time_epochs(sides, setting)
    _measure_peak(sides, setting, epochs)
    _time_lifting(sides)
    for side in sides:
        side.stop()


def _show_profile(setting: _Setting) -> None:
    Side(_peer, setting, os.path.abspath(_PEER_DIR.value)).stop()
    side = Side(_ours, setting, "float32")
    print("| | ms per step |\n|---|---|")
    for kind, name, milliseconds in side.value("profile", 0):
        if kind == "part" or milliseconds > 1:
            print(f"| {kind}: {name} | {milliseconds:.1f} |")
    side.stop()


def main(argv: list[str]) -> None:
    """Prints the tables."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            setting = _setting(pathlib.Path(folder))
            (_show_profile if _PROFILE.value else _compare)(setting)
        except InputError as error:
            raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    flags.mark_flag_as_required("peer_dir")
    app.run(main)
