"""HRNet-W32 compared with the official PyTorch code: training steps, forward passes.

    python -m benchmarks.peer_nets --peer_dir=PATH_OF_DEEP_HIGH_RESOLUTION_NET

Both nets have the same weights, and their heatmaps of an image are compared before
anything is timed. Each net runs in a separate process with the same number of threads;
they alternate. A training step is forward, loss, backward and Adam at 256 x 192. The
official step gets finished target heatmaps, ours renders them from keypoints.
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

__all__ = ["main"]

_PEER_DIR = flags.DEFINE_string("peer_dir", None, "Checkout of the official HRNet.")
_THREADS = flags.DEFINE_integer("threads", os.cpu_count(), "Threads of each process.")
_ROUNDS = flags.DEFINE_integer("rounds", 7, "Rounds.")
_STEPS = flags.DEFINE_integer("steps", 3, "Calls per round.")
_SIZE = (256, 192)
_JOINTS = 17
_CASES = (("train", 8), ("forward", 1), ("forward", 8))
_PRESET = "hrnet_w32_coco_256x192"


def _images(batch: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (batch, *_SIZE, 3), np.uint8)


def _peer(peer_dir: str, threads: int, checkpoint: str) -> dict[str, Any]:
    import torch

    from benchmarks.hrnet_peer import peer_loss, peer_net

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    net, loss = peer_net(peer_dir), peer_loss(peer_dir)
    # With the initial N(0, 0.001) all outputs would be nearly zero.
    for parameter in net.parameters():
        if parameter.dim() == 4:
            torch.nn.init.kaiming_normal_(parameter, mode="fan_out")
    torch.save(net.state_dict(), checkpoint)
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    deviation = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)

    def pixels(batch: int):
        image = torch.from_numpy(_images(batch)).permute(0, 3, 1, 2).float()
        return image.div(255).sub(mean).div(deviation).contiguous()

    def forward(batch: int) -> Callable[[], Any]:
        image = pixels(batch)

        def call():
            net.eval()
            with torch.no_grad():
                return net(image).permute(0, 2, 3, 1).numpy()

        return call

    def train(batch: int) -> Callable[[], Any]:
        image = pixels(batch)
        target = torch.rand(batch, _JOINTS, _SIZE[0] // 4, _SIZE[1] // 4)
        weight = torch.ones(batch, _JOINTS, 1)

        def call():
            net.train()
            value = loss(net(image), target, weight)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()

        return call

    return {"forward": forward, "train": train}


def _ours(peer_dir: str, threads: int, checkpoint: str) -> dict[str, Any]:
    import tensorflow as tf

    from tfpose.codecs.heatmap import HeatmapCodec
    from tfpose.weights.official import import_weights
    from tfpose.weights.presets import build_preset
    from trainers.engine.optimizer import adam
    from trainers.top_down import TopDownModel
    from trainers.top_down_config import TopDownConfig

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    net = import_weights(checkpoint, build_preset(_PRESET)).model

    def forward(batch: int) -> Callable[[], Any]:
        compiled = tf.function(lambda image: net(image, training=False))
        image = tf.constant(_images(batch), tf.float32)
        return lambda: compiled(image).numpy()

    def train(batch: int) -> Callable[[], Any]:
        config = TopDownConfig(batch_size=batch)
        model = TopDownModel(net, HeatmapCodec(_SIZE, net.stride, 2.0), batch)
        model.compile(optimizer=adam(config, 1000))
        model.optimizer.build(model.trainable_variables)
        rng = np.random.default_rng(1)
        keypoints = rng.uniform(0, 190, (batch, _JOINTS, 2))
        data = {
            "image": tf.constant(_images(batch)),
            "keypoints": tf.constant(keypoints, tf.float32),
            "weights": tf.ones((batch, _JOINTS)),
        }
        compiled = tf.function(lambda: model.train_step(data))
        return lambda: compiled()["loss"].numpy()

    return {"forward": forward, "train": train}


def main(argv: list[str]) -> None:
    """Prints the table."""
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = str(pathlib.Path(folder) / "hrnet.pth")
        arguments = (_PEER_DIR.value, _THREADS.value, checkpoint)
        peer = Side(_peer, *arguments)
        ours = Side(_ours, *arguments)
    expected, actual = (side.value("forward", 1) for side in (peer, ours))
    difference = np.abs(actual - expected).max() / np.abs(expected).max()
    if not difference < 1e-4:
        raise SystemExit(f"error: the nets differ by {difference:.1e} of the maximum")
    print(f"same weights; heatmaps differ by {difference:.1e} of their maximum")
    print(f"{_THREADS.value} threads, float32, {_ROUNDS.value} rounds\n")
    print("| 256 x 192 | official, s | tfpose, s | speed relative to official |")
    print("|---|---|---|---|")
    for case, batch in _CASES:
        seconds = take_turns((peer, ours), case, batch, _STEPS.value, _ROUNDS.value)
        official, tfpose = (statistics.median(values) for values in seconds)
        ratios = [theirs / mine for theirs, mine in zip(*seconds, strict=True)]
        print(
            f"| {case}, batch {batch} | {official:.3f} | {tfpose:.3f} | "
            f"{official / tfpose:.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |",
            flush=True,
        )
    for side in (peer, ours):
        side.stop()


if __name__ == "__main__":
    flags.mark_flag_as_required("peer_dir")
    app.run(main)
