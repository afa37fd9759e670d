"""The loop, with the smallest task there is: a dense layer that learns numbers."""

import dataclasses
import json
import math
import os
import signal
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.trainers.conftest import (
    assert_same_state,
    read_metrics,
    read_state,
    read_summary,
)
from tfpose import files
from tfpose.errors import InputError
from trainers.engine import checkpoint
from trainers.engine.config import RunConfig
from trainers.engine.loop import train
from trainers.engine.optimizer import adam
from trainers.engine.stopping import Interrupted
from trainers.engine.task import Task
from trainers.engine.train_step import replica_part, replica_share, update
from trainers.engine.workdir import Workdir

EPOCH_STEPS = 3


class Numbers:
    """A sampler of points and their sums; may do something at one position."""

    signature = {
        "x": tf.TensorSpec((4,), tf.float32),
        "y": tf.TensorSpec((), tf.float32),
    }
    steps_per_epoch = EPOCH_STEPS

    def __init__(self):
        self.at: dict[int, object] = {}

    def __call__(self, position):
        if position in self.at:
            self.at[position]()
        x = np.random.default_rng(position).random(4).astype(np.float32)
        return {"x": x, "y": x.sum()}

    def sample_id(self, position):
        return f"numbers {position}"


@keras.saving.register_keras_serializable(package="tests")
class Net(keras.Sequential):
    """A net with the `info` that the engine adds to."""

    info: dict = {}


class Sums(keras.Model):
    """Learns the sums."""

    def __init__(self, net, batch_size):
        super().__init__()
        self.net, self.batch_size = net, batch_size

    def call(self, x, training=None):
        return self.net(x, training=training)

    def train_step(self, batch):
        share = replica_share(batch, self.batch_size)
        with tf.GradientTape() as tape:
            error = self(batch["x"], training=True)[:, 0] - batch["y"]
            loss = tf.reduce_mean(error**2)
        norms = update(self.optimizer, self.trainable_variables, tape, loss, share)
        return replica_part({"loss": loss, **norms}, share)


class SumsTask(Task):
    """Learning sums as the engine's task."""

    def __init__(self, config: RunConfig, workdir: Workdir):
        self.sampler, self.validation = Numbers(), Numbers()
        self.net = Net([keras.Input((4,)), keras.layers.Dense(1)])
        self.model = Sums(self.net, config.batch_size)
        self.model.compile(optimizer=adam(config, EPOCH_STEPS))
        self.evaluated: list[int] = []
        self.during_evaluation = lambda: None

    def evaluate(self, devices):
        self.during_evaluation()
        found = devices.predict(self._errors, self.validation, 5)
        self.evaluated.append(int(self.model.optimizer.iterations) // EPOCH_STEPS)
        return {"error": float(found["error"].mean())}, ["five numbers"]

    def _errors(self, batch):
        return {"error": tf.abs(self.model(batch["x"])[:, 0] - batch["y"])}

    def score(self, metrics):
        return [-metrics["error"]]

    def describe(self, metrics):
        return f"loss {metrics['loss']:.3f}"

    def draw(self, folder):
        files.write_whole(folder / "numbers.txt", Path.touch)

    def finish(self, last):
        return [f"ended at epoch {last['epoch']}"]


@pytest.fixture
def config(tmp_path) -> RunConfig:
    return RunConfig(
        workdir=str(tmp_path / "run"),
        net="sums",
        epochs=4,
        batch_size=4,
        lr_drop_epochs=(2, 3),
        learning_rate=0.1,
        checkpoint_minutes=0.0,
        eval_batch_size=2,
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """The folder of a run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    values = {"epochs": 4, "batch_size": 4, "lr_drop_epochs": (2, 3)}
    values |= {"learning_rate": 0.1, "eval_batch_size": 2, "net": "sums"}
    train(RunConfig(workdir=str(folder), **values), SumsTask)
    return folder


def start(config: RunConfig, prepare=lambda task: None) -> tuple[dict, SumsTask]:
    """A run, and its task, which `prepare` may change first."""
    tasks = []

    def make(config, workdir):
        tasks.append(SumsTask(config, workdir))
        prepare(tasks[0])
        return tasks[0]

    return train(config, make), tasks[0]


def assert_equals_whole(whole: Path, config: RunConfig) -> None:
    folder = Path(config.workdir)
    assert_same_state(whole, folder)
    assert read_metrics(whole) == read_metrics(folder)
    assert read_summary(whole) == read_summary(folder)
    nets = [keras.saving.load_model(f / "model.keras") for f in (whole, folder)]
    for one, two in zip(*(net.get_weights() for net in nets), strict=True):
        np.testing.assert_array_equal(one, two)


def test_workdir_is_complete(whole):
    names = {path.name for path in whole.iterdir() if path.name[0] != "."}
    assert names == {
        "config.json",
        "checkpoints",
        "logs",
        "metrics.jsonl",
        "figures",
        "model.keras",
        "summary.json",
    }
    assert [line["epoch"] for line in read_metrics(whole)] == [1, 2, 3, 4]
    assert list((whole / "logs").glob("events.*"))
    summary = read_summary(whole)
    assert summary["notes"] == ["five numbers", "ended at epoch 4"]
    assert summary["last"] == read_metrics(whole)[-1]


def test_killed_at_any_write_it_ends_the_same(config, whole, monkeypatch):
    class Killed(BaseException):
        pass

    replace, deaths = os.replace, 0
    left = [0]

    def killing(source, target):
        if left[0] == 0 and deaths % 2:
            replace(source, target)
        if left[0] == 0:
            raise Killed
        left[0] -= 1
        replace(source, target)

    monkeypatch.setattr(files.os, "replace", killing)
    # Each start dies at another write, in turns just before and just after it.
    for survived in range(1, 40, 2):
        left[0] = survived
        try:
            train(config, SumsTask)
            break
        except Killed:
            deaths += 1
    assert deaths > 4
    monkeypatch.undo()
    train(config, SumsTask)
    assert_equals_whole(whole, config)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_between_steps_saves_and_stops(config, whole, number):
    rare = dataclasses.replace(config, checkpoint_minutes=5.0)
    before = signal.getsignal(signal.SIGINT)

    def prepare(task):
        # While a sample of a later step is made: the step at work is finished first.
        task.sampler.at[7 * 4] = lambda: os.kill(os.getpid(), number)

    with pytest.raises(Interrupted, match=r"stopped; step \d+ is saved"):
        start(rare, prepare)
    assert not (Path(config.workdir) / "summary.json").exists()
    train(rare, SumsTask)
    assert_equals_whole(whole, config)
    assert signal.getsignal(signal.SIGINT) is before


def test_signal_during_evaluation_stops_at_once(config, whole):
    def prepare(task):
        task.during_evaluation = lambda: os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted, match=f"stopped; step {EPOCH_STEPS} is saved"):
        start(config, prepare)
    train(config, SumsTask)
    assert_equals_whole(whole, config)


def test_signal_before_the_first_step(config):
    with pytest.raises(Interrupted, match="stopped before anything was saved"):
        start(config, lambda task: os.kill(os.getpid(), signal.SIGTERM))


def test_averaged_weights_are_evaluated_saved_and_resumed(config, tmp_path):
    config = dataclasses.replace(config, ema_momentum=0.9)
    raw, seen = [], []

    def prepare(task):
        def look():
            seen.append(task.net.get_weights()[0])

        task.during_evaluation = look
        task.draw = lambda folder: look()
        task.score = lambda metrics: [len(seen)]

    other = dataclasses.replace(config, workdir=str(tmp_path / "other"))
    _, task = start(other, prepare)
    raw = read_state(Path(other.workdir))["v00000"]
    saved = keras.saving.load_model(Path(other.workdir) / "model.keras").get_weights()
    # Evaluation, both drawings and the file: the mean, which lags behind.
    np.testing.assert_array_equal(seen[-2], saved[0])
    np.testing.assert_array_equal(seen[-1], saved[0])
    assert np.abs(raw - saved[0]).max() > 1e-3

    def stop(task):
        prepare(task)
        task.sampler.at[7 * 4] = lambda: os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted):
        start(config, stop)
    start(config, prepare)
    assert_same_state(Path(other.workdir), Path(config.workdir))
    again = keras.saving.load_model(Path(config.workdir) / "model.keras").get_weights()
    np.testing.assert_array_equal(again[0], saved[0])


def test_complete_run_is_not_trained_again(config, capsys):
    summary = train(config, SumsTask)
    state = read_state(Path(config.workdir))
    assert train(config, None) == json.loads(json.dumps(summary))
    assert "this run is complete" in capsys.readouterr().out
    assert read_state(Path(config.workdir)).keys() == state.keys()


def test_learning_rate_goes_on_where_it_was(config):
    def rate(task):
        return float(task.model.optimizer.learning_rate)

    seen = []

    def prepare(task):
        task.during_evaluation = lambda: seen.append(rate(task))

    def stop(task):
        prepare(task)
        task.sampler.at[20] = lambda: os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted):
        start(config, stop)
    _, task = start(config, prepare)
    # The schedule is asked for the step to come.
    np.testing.assert_allclose(sorted(set(np.round(seen, 6)))[::-1], [0.1, 0.01, 0.001])
    assert rate(task) == pytest.approx(0.001)


@pytest.mark.parametrize(("every", "expected"), [(3, [3, 4]), (9, [4]), (2, [2, 4])])
def test_evaluations_come_every_so_many_epochs_and_last(config, every, expected):
    _, task = start(dataclasses.replace(config, eval_every=every))
    assert task.evaluated == expected
    lines = read_metrics(Path(config.workdir))
    assert [line["epoch"] for line in lines] == expected


def test_best_epoch_is_kept_by_its_first_figure_then_the_next(config):
    scores = [[0.0, 0.5], [0.0, 0.7], [math.nan, 0.9], [0.0, 0.6]]
    weights = []

    def prepare(task):
        given = iter(scores)

        def score(metrics):
            weights.append(task.net.get_weights())
            return next(given)

        task.score = score

    summary, _ = start(config, prepare)
    assert summary["best_epoch"] == 2
    saved = keras.saving.load_model(Path(config.workdir) / "model.keras")
    for one, two in zip(saved.get_weights(), weights[1], strict=True):
        np.testing.assert_array_equal(one, two)


def test_loss_that_is_not_finite_ends_the_run_in_one_line(config):
    wild = dataclasses.replace(config, learning_rate=1e30, lr_drop_epochs=())
    with pytest.raises(InputError, match=r"^\w+ is (inf|nan) at step \d+, with n") as e:
        train(wild, SumsTask)
    assert "try a learning_rate below 1e+30" in str(e.value)
    assert "\n" not in str(e.value)
    assert all(np.isfinite(v).all() for v in read_state(Path(wild.workdir)).values())


def test_every_metric_must_be_finite_and_its_samples_are_named(config):
    def make(config, workdir):
        task = SumsTask(config, workdir)
        plain = task.model.train_step

        def train_step(batch):
            metrics = plain(batch)
            step = tf.cast(task.model.optimizer.iterations, tf.float32)
            # Infinite at the fifth step alone.
            return metrics | {"other": 1 / (5 - step)}

        task.model.train_step = train_step
        return task

    config = dataclasses.replace(config, batch_size=12)
    with pytest.raises(InputError) as refusal:
        train(config, make)
    named = ", ".join(f"numbers {position}" for position in range(48, 56))
    expected = f"other is inf at step 5, with {named} and 4 more (see not_finite.json)"
    assert str(refusal.value).startswith(expected)
    report = json.loads((Path(config.workdir) / "not_finite.json").read_text())
    assert report["samples"] == [f"numbers {position}" for position in range(48, 60)]
    assert (report["metric"], report["step"]) == ("other", 5)


def test_unreadable_photo_ends_the_run_after_saving(config, whole):
    rare = dataclasses.replace(config, checkpoint_minutes=5.0)

    def fail():
        raise InputError("photo_7.jpg: not an image")

    def prepare(task):
        task.sampler.at[7 * 4 + 1] = fail

    with pytest.raises(InputError, match=r"^photo_7.jpg: not an image$"):
        start(rare, prepare)
    with np.load(Path(config.workdir) / "checkpoints" / "last.npz") as arrays:
        assert json.loads(str(arrays["progress"]))["step"] == 7
    train(rare, SumsTask)
    assert_equals_whole(whole, config)


def test_full_disk_ends_the_run_in_one_line_and_it_goes_on(config, whole, monkeypatch):
    def full(*arguments, **named):
        raise OSError(28, "No space left on device")

    calls, savez = [0], np.savez

    def sometimes(*arguments, **named):
        calls[0] += 1
        return full() if calls[0] == 6 else savez(*arguments, **named)

    monkeypatch.setattr(checkpoint.np, "savez", sometimes)
    with pytest.raises(InputError, match="last.npz: cannot be written: No space left"):
        train(config, SumsTask)
    train(config, SumsTask)
    assert_equals_whole(whole, config)


def test_batch_is_shared_evenly_or_refused(config, monkeypatch):
    class Two:
        num_replicas_in_sync = 2

    monkeypatch.setattr("trainers.engine.loop.make_strategy", lambda name: Two())
    with pytest.raises(InputError, match="batch_size: 5 is not a multiple of the 2 re"):
        train(dataclasses.replace(config, batch_size=5), SumsTask)
    with pytest.raises(InputError, match="jit_compile: works on one device, not on 2"):
        train(dataclasses.replace(config, jit_compile=True), SumsTask)
    assert not Path(config.workdir).exists()
