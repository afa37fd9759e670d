"""What every trainer promises, whatever it trains. `METHODS` has a row for each."""

import ast
import dataclasses
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args, get_type_hints
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.trainers.conftest import (
    ROOT,
    Trainer,
    assert_same_state,
    read_metrics,
    read_summary,
    saved_step,
)
from tests.trainers.methods import METHODS, Method, command_line, use_plain_descent
from tests.trainers.replicas import STEPS
from tfpose.errors import InputError
from trainers.alternating import AlternatingModel
from trainers.engine.devices import Devices
from trainers.engine.loop import train
from trainers.engine.workdir import Workdir

_ENGINE = sorted((ROOT / "trainers" / "engine").glob("*.py"))


@pytest.fixture(scope="module", params=METHODS)
def name(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def method(name) -> Method:
    return METHODS[name]


@pytest.fixture(scope="module")
def data_dir(method, request) -> Path:
    return request.getfixturevalue(method.data)


@pytest.fixture(scope="module")
def whole(method, data_dir, tmp_path_factory) -> Path:
    """The work folder of a run that nothing interrupted."""
    workdir = tmp_path_factory.mktemp("whole") / "run"
    train(method.settle(data_dir, workdir), method.make_task)
    return workdir


@pytest.fixture(autouse=True)
def policy():
    """The precision that a run sets is its process's; this process has many."""
    yield
    keras.config.set_dtype_policy("float32")


def _drawn(self, count: int, shape: tuple[int, ...]) -> tf.Tensor:
    values = np.random.default_rng(0).standard_normal((count, *shape))
    return tf.constant(values, tf.float32)


# XLA draws other normal numbers from the same seed.
@mock.patch.object(AlternatingModel, "draw_normal", _drawn)
def first_step(method: Method, data_dir: Path, workdir: Path, **changes: Any):
    """Metrics of the first step, by plain descent; weights before and after it."""
    config = dataclasses.replace(method.settle(data_dir, workdir), **changes)
    keras.config.set_dtype_policy(config.precision)
    keras.utils.set_random_seed(config.seed)
    with Workdir.claim(config) as claimed:
        task = method.make_task(config, claimed)
    use_plain_descent(task, 0.1)
    devices = Devices(config, tf.distribute.get_strategy())
    initial = [np.array(v.numpy()) for v in task.model.trainable_variables]
    batch = next(devices.batches(task.sampler, 0))
    metrics = devices.compiled_step(task.model)(batch)
    weights = [np.asarray(v) for v in task.model.trainable_variables]
    return {k: float(v) for k, v in metrics.items()}, initial, weights


@pytest.fixture(scope="module")
def plain(method, data_dir, tmp_path_factory):
    """`first_step` of the method as it is."""
    return first_step(method, data_dir, tmp_path_factory.mktemp("plain"))


@pytest.mark.slow
def test_work_folder_is_complete(method, whole):
    names = {path.name for path in whole.iterdir() if not path.name.startswith(".")}
    assert names >= {
        "config.json",
        "checkpoints",
        "logs",
        "metrics.jsonl",
        "figures",
        "model.keras",
        "summary.json",
    }
    assert list((whole / "logs").glob("events.*"))
    pictures = list((whole / "figures").glob("*.png"))
    assert pictures and all(path.stat().st_size > 2000 for path in pictures)
    lines, summary = read_metrics(whole), read_summary(whole)
    assert [line["epoch"] for line in lines] == [1, 2]
    assert summary["last"] == lines[-1]
    assert summary["best_epoch"] in (1, 2) and summary["metrics"]
    numbers = [v for line in lines for v in line.values() if isinstance(v, float)]
    assert np.isfinite(numbers).all()
    # Of every network that trains, where there are several.
    norms = {key: value for key, value in lines[0].items() if key.endswith("_norm")}
    assert {key.rsplit("_", 2)[1] for key in norms} == {"gradient", "parameter"}
    assert min(norms.values()) > 0
    net = keras.saving.load_model(whole / "model.keras")
    assert net.info["training"]["best_epoch"] == summary["best_epoch"]


@pytest.mark.slow
def test_killed_and_resumed_it_ends_with_the_same_bits(
    name, method, data_dir, whole, tmp_path
):
    steps = read_metrics(whole)[-1]["step"]
    # A busy machine may let a short run end before it is killed: then once more.
    for attempt in range(3):
        workdir = tmp_path / str(attempt)
        config = method.settle(data_dir, workdir)
        config = dataclasses.replace(config, checkpoint_minutes=0.0)
        trainer = Trainer(f"trainers.{name}", {}, **command_line(config))
        trainer.stop_when(lambda: saved_step(workdir) >= 2)  # noqa: B023
        done = saved_step(workdir)
        if done < steps:
            break
    assert 2 <= done < steps, "the run was not killed in its middle"
    train(config, method.make_task)
    assert_same_state(whole, workdir)
    assert read_metrics(whole) == read_metrics(workdir)
    assert read_summary(whole) == read_summary(workdir)


@pytest.mark.slow
def test_xla_step_equals_the_plain_one(method, plain, data_dir, tmp_path):
    expected, initial, weights = plain
    compiled, _, others = first_step(method, data_dir, tmp_path, jit_compile=True)
    assert compiled == pytest.approx(expected, rel=1e-3, abs=1e-5)
    moved = max(np.abs(a - b).max() for a, b in zip(initial, weights, strict=True))
    assert moved > 1e-3
    for one, two in zip(weights, others, strict=True):
        np.testing.assert_allclose(one, two, rtol=0, atol=1e-3 * moved)


@pytest.fixture(scope="session")
def replicas(photos, pairs, crowds, tmp_path_factory) -> dict[str, Path]:
    """Results of the same steps of all methods on one replica and on two."""
    folder, processes = tmp_path_factory.mktemp("replicas"), []
    folders = {"photos": str(photos), "pairs": str(pairs), "crowds": str(crowds)}
    for strategy, devices in (("single", 1), ("mirrored", 2)):
        arguments = [strategy, str(devices), json.dumps(folders)]
        command = [sys.executable, "-m", "tests.trainers.replicas", *arguments]
        command.append(str(folder / strategy))
        processes.append(subprocess.Popen(command, cwd=ROOT))
    assert [process.wait(900) for process in processes] == [0, 0]
    return {name: folder / name for name in ("single", "mirrored")}


@pytest.mark.slow
def test_two_replicas_take_the_steps_of_one(name, method, replicas):
    one, two = (np.load(folder / f"{name}.npz") for folder in replicas.values())
    assert one.files == two.files

    def difference(kind: str, step: int) -> float:
        names = [key for key in one.files if key.startswith(f"{kind}{step}_")]
        return max((np.abs(one[key] - two[key]).max() for key in names), default=0.0)

    def movement(kind: str) -> float:
        names = [key for key in one.files if key.startswith(f"{kind}0_")]
        later = [key.replace("0_", f"{STEPS}_", 1) for key in names]
        return max(
            (np.abs(one[a] - one[b]).max() for a, b in zip(names, later, strict=True)),
            default=0.0,
        )

    for kind in ("weights", "statistics"):
        assert difference(kind, 0) == 0
        # Sums in another order, which later steps enlarge.
        moved = movement(kind)
        assert difference(kind, 1) <= 1e-4 * moved
        assert difference(kind, STEPS) <= 0.2 * moved
    assert movement("weights") > 1e-3
    means = [key for key in one.files if key.startswith("average_")]
    apart = max(np.abs(one[key] - two[key]).max() for key in means)
    assert means and apart <= max(difference("weights", n) for n in (1, 2, STEPS))
    for key in one.files:
        if key.startswith("train"):
            # Norms of gradients grow with what the weights differ by.
            usual = 1e-2 if key.endswith("norm") else 1e-3
            near = method.not_linear.get(key.split("_", 1)[1], usual)
            np.testing.assert_allclose(two[key], one[key], rtol=near, err_msg=key)
        elif key.startswith("val"):
            np.testing.assert_allclose(two[key], one[key], rtol=1e-6, err_msg=key)


@pytest.mark.slow
def test_bfloat16_trains_float32_weights(method, plain, data_dir, tmp_path):
    mixed, _, weights = first_step(
        method, data_dir, tmp_path, precision="mixed_bfloat16"
    )
    assert mixed["loss"] == pytest.approx(plain[0]["loss"], rel=0.03)
    assert all(weight.dtype == np.float32 for weight in weights)


def impossible_values(config) -> list[tuple[str, Any]]:
    """Every option with a value beyond each of its bounds."""
    found: list[tuple[str, Any]] = []
    for field in dataclasses.fields(config):
        rules, kind = field.metadata, get_type_hints(type(config))[field.name]
        entry = get_args(kind)[0] if get_args(kind) else kind
        values: list[Any] = []
        if rules["choices"]:
            values.append("no such choice")
        if rules["at_least"] is not None:
            values.append(entry(rules["at_least"] - 1))
        if rules["at_most"] is not None:
            values.append(entry(rules["at_most"] + 1))
        if rules["above"] is not None:
            values.append(entry(rules["above"]))
        if entry is float:
            values += [float("nan"), float("inf")]
        whole = [(value,) if get_args(kind) else value for value in values]
        found += [(field.name, value) for value in whole]
    return found


def test_impossible_options_are_refused(method):
    for option, value in impossible_values(method.config):
        with pytest.raises(InputError, match=f"^{option}: expected ") as refusal:
            dataclasses.replace(method.config, **{option: value})
        assert "\n" not in str(refusal.value), option
    for changes, words in method.impossible:
        with pytest.raises(InputError, match=words) as refusal:
            dataclasses.replace(method.config, **changes)
        assert "\n" not in str(refusal.value), changes


def test_every_option_is_used(name, method):
    """By the engine, or by a module of `trainers` that the method's own imports."""
    used, waiting, seen = set(), [f"trainers/{name}.py"], set()
    waiting += [path.relative_to(ROOT).as_posix() for path in _ENGINE]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                used.add(node.attr)
            elif isinstance(node, ast.ImportFrom) and node.module:
                own = re.fullmatch(r"trainers\.(?!engine)\w+", node.module)
                if own:
                    waiting.append(node.module.replace(".", "/") + ".py")
    options = {field.name for field in dataclasses.fields(method.config)}
    assert not options - used


def test_program_has_the_methods_presets(name, method):
    module = sys.modules[method.make_task.__module__]
    assert module.__name__ == f"trainers.{name}"
    assert {type(preset) for preset in module.PRESETS.values()} == {type(method.config)}
    assert "run_main" in inspect.getsource(module.main)
