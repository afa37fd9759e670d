"""How a run is spread over devices."""

import keras
import tensorflow as tf

from tfpose.errors import InputError

__all__ = ["make_strategy", "synchronize_batch_norm"]


def make_strategy(name: str) -> tf.distribute.Strategy:
    """The `tf.distribute` strategy of that name.

    Args:
        name: `auto` (mirrored on two or more GPUs, otherwise single), `single`,
            `mirrored` (all GPUs, or all virtual CPUs), `multi_worker` (by TF_CONFIG),
            or `tpu` (by the environment; follows TensorFlow's guide, but was never run
            on a TPU by us).

    Raises:
        InputError: the devices that the strategy needs are not there.
    """
    if name == "multi_worker":
        return _multi_worker()
    gpus = tf.config.list_logical_devices("GPU")
    if name == "auto":
        name = "mirrored" if len(gpus) > 1 else "single"
    if name == "single":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        devices = gpus or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect()
    except (ValueError, RuntimeError, tf.errors.OpError) as error:
        first = (
            str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        )
        raise InputError(f"strategy: no TPU can be reached ({first})") from None
    return tf.distribute.TPUStrategy(resolver)


def _multi_worker() -> tf.distribute.Strategy:
    # Once devices are listed it is too late for it.
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except ValueError as error:
        first = str(error).splitlines()[0]
        raise InputError(f"strategy: TF_CONFIG cannot be used: {first}") from None


def synchronize_batch_norm(model: keras.Model, synchronized: bool) -> None:
    """Lets batch normalisation average over all replicas' samples, or not.

    With it, many replicas compute what one device would with the whole batch.
    """
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = synchronized
