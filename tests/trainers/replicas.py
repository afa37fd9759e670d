"""A few steps of both tasks under a strategy, in a process of its own.

TensorFlow takes one strategy and one number of virtual devices per process.
"""

import dataclasses
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainers import hsjp_pretrain, top_down
from trainers.engine.config import RunConfig
from trainers.engine.devices import Devices
from trainers.engine.optimizer import averaged_weights
from trainers.engine.strategies import make_strategy, synchronize_batch_norm
from trainers.engine.workdir import Workdir

__all__ = ["main", "run_steps"]

STEPS = 3
TASKS = {
    "hsjp": (hsjp_pretrain.PRESETS["small"], hsjp_pretrain.HSJPTask),
    "top_down": (top_down.PRESETS["small"], top_down.TopDownTask),
}


def run_steps(
    config: RunConfig, make_task: Any, strategy: tf.distribute.Strategy
) -> tuple[Devices, dict[str, np.ndarray]]:
    """The devices, validation metrics at first, and weights and training metrics of
    each step.

    By plain gradient descent: Adam divides by the gradient's size at first, and would
    make a difference in the last bit of a small one as large as a step.
    """
    keras.utils.set_random_seed(config.seed)
    devices, results = Devices(config, strategy), {}
    with Workdir.claim(config, devices.chief) as workdir:
        with strategy.scope():
            task = make_task(config, workdir)
            descent = keras.optimizers.SGD(
                config.learning_rate, use_ema=True, ema_momentum=0.5
            )
            task.model.compile(descent)
            task.model.optimizer.build(task.model.trainable_variables)
        replicas = strategy.num_replicas_in_sync
        synchronize_batch_norm(task.model, replicas > 1)
        step = devices.compiled_step(task.model)
        for name, value in task.evaluate(devices)[0].items():
            results[f"val_{name}"] = np.asarray(value)
        batches = devices.batches(task.sampler, 0)
        for count in range(STEPS + 1):
            for row, variable in enumerate(task.model.variables):
                kind = "weights" if variable.trainable else "statistics"
                results[f"{kind}{count}_{row}"] = np.asarray(variable)
            if count < STEPS:
                for name, value in step(next(batches)).items():
                    results[f"train{count}_{name}"] = np.asarray(value)
        with averaged_weights(task.model):
            for row, variable in enumerate(task.model.trainable_variables):
                results[f"mean_{row}"] = np.asarray(variable)
    return devices, results


def main(strategy: str, devices: int, data_dir: str, out: str) -> None:
    """Writes the results of every task to `<out>/<task>.npz`."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    virtual = [tf.config.LogicalDeviceConfiguration()] * devices
    tf.config.set_logical_device_configuration(cpu, virtual)
    chosen = make_strategy(strategy)
    for name, (preset, make_task) in TASKS.items():
        config = dataclasses.replace(
            preset,
            net="hrnet_tiny",
            data_dir=data_dir,
            batch_size=8,
            learning_rate=0.5,
            eval_batch_size=5,
            workdir=f"{out}/{name}",
        )
        devices, results = run_steps(config, make_task, chosen)
        if devices.chief:
            np.savez(f"{out}/{name}.npz", **results)


if __name__ == "__main__":
    Path(sys.argv[4]).mkdir(parents=True, exist_ok=True)
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4])
