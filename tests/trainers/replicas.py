"""A few steps of every method under a strategy, in a process of its own.

TensorFlow takes one strategy and one number of virtual devices per process.
"""

import dataclasses
import json
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tests.trainers.methods import METHODS, Method, use_plain_descent
from trainers.engine.config import RunConfig
from trainers.engine.devices import Devices
from trainers.engine.optimizer import averaged_weights
from trainers.engine.strategies import make_strategy, synchronize_batch_norm
from trainers.engine.workdir import Workdir

__all__ = ["STEPS", "main"]

STEPS = 3
_RATES = {"photos": 0.5, "pairs": 0.02, "crowds": 0.5}


def _steps(
    method: Method, config: RunConfig, devices: Devices
) -> dict[str, np.ndarray]:
    """Validation metrics at first, weights and training metrics of each step."""
    keras.utils.set_random_seed(config.seed)
    results = {}
    with Workdir.claim(config, devices.chief) as workdir:
        with devices.strategy.scope():
            task = method.make_task(config, workdir)
            use_plain_descent(task, method.descent or _RATES[method.data])
        synchronize_batch_norm(task.model, devices.replicas > 1)
        step = devices.compiled_step(task.model)
        for name, value in task.evaluate(devices)[0].items():
            results[f"val_{name}"] = np.asarray(value)
        batches = devices.batches(task.sampler, 0)
        for count in range(STEPS + 1):
            for row, variable in enumerate(task.net.variables):
                kind = "weights" if variable.trainable else "statistics"
                results[f"{kind}{count}_{row}"] = np.asarray(variable)
            if count < STEPS:
                for name, value in step(next(batches)).items():
                    results[f"train{count}_{name}"] = np.asarray(value)
        with averaged_weights(task.model):
            for row, variable in enumerate(task.net.trainable_variables):
                results[f"average_{row}"] = np.asarray(variable)
    return results


def main(strategy: str, devices: int, folders: dict[str, str], out: str) -> None:
    """Writes the results of every method to `<out>/<method>.npz`.

    Args:
        strategy: as `--strategy`.
        devices: virtual devices.
        folders: of the data sets, by the names of their fixtures.
        out: folder.
    """
    cpu = tf.config.list_physical_devices("CPU")[0]
    virtual = [tf.config.LogicalDeviceConfiguration()] * devices
    tf.config.set_logical_device_configuration(cpu, virtual)
    chosen = make_strategy(strategy)
    Path(out).mkdir(parents=True, exist_ok=True)
    for name, method in METHODS.items():
        config = method.settle(folders[method.data], f"{out}/{name}")
        config = dataclasses.replace(config, eval_batch_size=5, **method.on_replicas)
        results = _steps(method, config, Devices(config, chosen))
        np.savez(f"{out}/{name}.npz", **results)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3]), sys.argv[4])
