"""The peer of ISO answers as ours does, and the floor counts what a step does."""

import functools
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.iso_floor import Kernels, step_cost
from benchmarks.iso_nets import export_weights, make_net, net_kernels, net_shape
from benchmarks.iso_peer import PeerISO
from tfpose.adaptation import AdaptedModel
from tfpose.iso.adapt import ISOAdapter
from tfpose.iso.net import ISONet
from tfpose.iso.options import MODES, ISOOptions
from tfpose.lifters.iso import ISOLifter
from tfpose.skeletons import get_skeleton

SKELETON = get_skeleton("h36m16")
LENGTHS = {"limb_lengths": {"mean": [0.25] * 15, "std": [0.05] * 15}}


def small_net(task: str, centred: bool = False) -> ISONet:
    lifter = ISOLifter(SKELETON, units=32, info=LENGTHS, centred=centred)
    return ISONet(lifter, task, prior_units=16)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["online", "vanilla"])
@pytest.mark.parametrize("task", ["refine", "cycle"])
def test_the_peer_answers_as_ours_does(task, mode):
    pytest.importorskip("torch", reason="the peer needs PyTorch")
    net = small_net(task, centred=mode == "online")
    quick = {"guard": 0.0, "jump": 0.0, "refine_steps": 5}
    options = ISOOptions(**{**MODES[mode], **quick})
    ours = AdaptedModel(
        ISOAdapter(net, options),
        net.variables,
        functools.partial(tf.function, jit_compile=True),
    )
    peer = PeerISO(export_weights(net), net_shape(net), task, options)
    rng = np.random.default_rng(0)
    body = rng.normal(0, 0.1, (16, 2))
    for _ in range(5):
        pose = (body + rng.normal(0, 0.02, (1, 16, 2))).astype(np.float32)
        found = ours({"keypoints": tf.constant(pose)})["positions"].numpy()
        np.testing.assert_allclose(peer(pose), found, atol=1e-4)
    # What both found is not what the trained weights say.
    assert np.abs(found - net(pose, training=False).numpy()).max() > 1e-3


def test_weights_are_all_that_the_net_has():
    net = make_net("iso_small", "cycle")
    weights = export_weights(net)
    parts = (net.extractor, net.head, net.ssl_head, net.prior)
    assert sum(map(np.size, weights.values())) == sum(p.count_params() for p in parts)
    assert net_shape(net)["blocks"] == 3
    kernels = net_kernels(weights)
    assert kernels.extractor == [(32, 256), *[(256, 256)] * 6]
    assert kernels.head == [(256, 256), (256, 256), (256, 45)]
    assert kernels.prior == [(32, 1024), *[(1024, 1024)] * 6, (1024, 1)]


def test_a_floor_by_hand():
    kernels = Kernels([(2, 10)], [(10, 3)], [(2, 5), (5, 1)])
    refine = step_cost(kernels, "refine", 4)
    # 50 products a pass; one pose, five there, back through the head (30) and into
    # the extractor's weights (20).
    assert refine.flops == 2 * (50 + 5 * 50 + 5 * (30 + 20))
    assert refine.moved == 30
    assert refine.bytes == 4 * (3 * 63 + 6 * 30)
    cycle = step_cost(kernels, "cycle", 1)
    assert cycle.moved == 30 + 33 + 21
    assert cycle.seconds(cycle.flops, 1e30) == pytest.approx(1)
    assert cycle.seconds(1e30, cycle.bytes / 2) == pytest.approx(2)


def products(outputs: list[Any]) -> float:
    """FLOPs of the matrix products that tensors of a graph depend on."""
    waiting, seen, total = [t.op for t in outputs], set(), 0.0
    while waiting:
        op = waiting.pop()
        if op in seen:
            continue
        seen.add(op)
        waiting += [t.op for t in op.inputs]
        if op.type == "MatMul":
            inner = op.inputs[0].shape[0 if op.get_attr("transpose_a") else 1]
            total += 2.0 * inner * op.outputs[0].shape.num_elements()
    return total


@pytest.mark.slow
@pytest.mark.parametrize("task", ["refine", "cycle"])
def test_a_step_does_the_products_that_are_counted(task):
    net = small_net(task)
    adapter = ISOAdapter(net, ISOOptions(guard=0.0, jump=0.0, copies=4))
    state = adapter.init(net.variables)
    spec = {"keypoints": tf.TensorSpec((1, 16, 2))}
    step = tf.function(lambda sample: adapter.gradients(state, sample))
    counted = step_cost(net_kernels(export_weights(net)), task, 4).flops
    assert products(step.get_concrete_function(spec).outputs) == counted
