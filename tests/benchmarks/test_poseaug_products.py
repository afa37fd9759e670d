"""The count of multiply-adds is that of the compiled step's own operations."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.poseaug_products import Products, model_products, step_products
from tfpose.lifters.build import build_lifter
from tfpose.skeletons import get_skeleton
from trainers.poseaug import PRESETS
from trainers.poseaug_model import PoseAugModel

SKELETON = get_skeleton("h36m16")


def test_a_chain_counts_each_kernel():
    net = Products.of([[(4, 10), (10, 2)], [(3, 5)]])
    assert (net.forward, net.first) == (75, 55)
    # Forward and the kernels' gradients of all; back only into the second layer.
    assert net.training == 75 + 75 + 20


def test_a_step_does_everything_once():
    lifter, augmentor, discriminators = (Products(n, 0) for n in (1, 100, 10_000))
    each = step_products(lifter, augmentor, discriminators, 2)
    # Five for the feedback and six to train; three; two, and half of six.
    assert each == 11 + 300 + 2 * 10_000 + 3 * 10_000


def needed_products(graph: Any, outputs: list[Any]) -> float:
    """Multiply-adds of the matrix products that the results or updates depend on."""
    effects = [op for op in graph.get_operations() if op.op_def.is_stateful]
    waiting, seen, total = [t.op for t in outputs] + effects, set(), 0.0
    while waiting:
        op = waiting.pop()
        if op in seen:
            continue
        seen.add(op)
        waiting += [t.op for t in op.inputs] + list(op.control_inputs)
        if op.type == "MatMul":
            total += op.inputs[0].shape.num_elements() * op.outputs[0].shape[-1]
        if op.type in ("If", "StatelessIf"):
            name = op.get_attr("then_branch").name
            branch = graph._get_function(name).graph
            total += needed_products(branch, branch.outputs) / 2
    return total


@pytest.mark.slow
def test_the_step_does_what_is_counted_and_no_more():
    count = 8
    config = dataclasses.replace(PRESETS["released"], batch_size=count)
    root = np.array([0, 0, 5], np.float32)
    model = PoseAugModel(
        build_lifter("vpose", SKELETON), config, np.ones((1, 15), "float32"), root, 1
    )
    model.optimizer.build([])
    shapes = {"positions": (16, 3), "keypoints": (16, 2), "intrinsics": (9,)}
    shapes |= {f"real_{name}": shapes[name] for name in ("positions", "intrinsics")}
    batch = {k: tf.TensorSpec((count, *v), tf.float32) for k, v in shapes.items()}
    step = tf.function(model.train_step).get_concrete_function(batch)
    found = needed_products(step.graph, step.outputs) / count
    # The rest brings the lengths' 9 changes to 15 limbs, there and back.
    assert found == pytest.approx(model_products(model) + 2 * 9 * 15)
