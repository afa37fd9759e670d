"""The rule by which every train step scales its losses and applies its gradients.

A replica has a share of the global batch. Its losses and metrics are means over its own
samples; times its share they sum over the replicas to those of the global batch. So one
replica and many take the same step, and losses that are no sums over samples, such as
a spread over the batch, need no other rule.
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

__all__ = [
    "mean_of_some",
    "replica_part",
    "replica_share",
    "takes_summed_gradients",
    "update",
]


def replica_share(batch: dict[str, Any], global_batch_size: int) -> float:
    """Share, 0 to 1, of the global batch that a replica's batch is."""
    return next(iter(batch.values())).shape[0] / global_batch_size


def replica_part(metrics: dict[str, Any], share: float) -> dict[str, Any]:
    """A replica's means as parts of the global batch's: they are to be summed."""
    return {name: value * share for name, value in metrics.items()}


def mean_of_some(total: Any, count: Any, share: float) -> Any:
    """The mean over what only some samples have, such as people in a photo.

    A replica may have more of them than another, so they are counted over all.

    Args:
        total: scalar, the sum over this replica's.
        count: scalar, how many there are of them on this replica.
        share: this replica's, see `replica_share`.

    Returns:
        Scalar whose parts by share sum to the mean over all replicas'; 0 if nobody has
        any.
    """
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync > 1:
        count = context.all_reduce(tf.distribute.ReduceOp.SUM, count)
    return total / ops.maximum(count, 1) / share


def update(
    optimizer: keras.optimizers.Optimizer,
    variables: Sequence[Any],
    tape: tf.GradientTape,
    loss: Any,
    share: float,
) -> dict[str, Any]:
    """One step of an optimizer, on the gradient of the global batch's loss.

    Gradients are summed over replicas first, so that a limit of their norm holds for
    the sum.

    Args:
        optimizer: one of `takes_summed_gradients`.
        variables: to be changed; those that the loss does not depend on are not.
        tape: has recorded the loss.
        loss: scalar, the mean over this replica's samples.
        share: this replica's, see `replica_share`.

    Returns:
        `gradient_norm` and `parameter_norm` of all variables together, before the step
        and before any limit; the same on every replica.
    """
    gradients = tape.gradient(
        loss, variables, output_gradients=ops.full_like(loss, share)
    )
    pairs = [
        (gradient, variable)
        for gradient, variable in zip(gradients, variables, strict=True)
        if gradient is not None
    ]
    if not pairs:
        return {}
    context = tf.distribute.get_replica_context()
    summed = [gradient for gradient, _ in pairs]
    if context.num_replicas_in_sync > 1:
        summed = context.all_reduce(tf.distribute.ReduceOp.SUM, summed)
    changed = [variable for _, variable in pairs]
    norms = {
        "gradient_norm": _norm(summed),
        "parameter_norm": _norm(changed),
    }
    optimizer.apply_gradients(zip(summed, changed, strict=True))
    return norms


def _norm(tensors: Sequence[Any]) -> Any:
    squares = [ops.sum(ops.square(ops.cast(t, "float32"))) for t in tensors]
    return ops.sqrt(ops.sum(ops.stack(squares)))


def takes_summed_gradients(
    optimizer: keras.optimizers.Optimizer,
) -> keras.optimizers.Optimizer:
    """The optimizer, kept from summing gradients over replicas: `update` has done it.

    Keras limits the norm before it sums, each replica by itself, which is another step
    than that of the global batch.
    """
    optimizer._all_reduce_sum_gradients = list
    return optimizer
