"""The loop that all methods share: steps, evaluation, checkpoints, resume.

A method brings a `Task`. The loop runs its step under any `tf.distribute` strategy,
keeps the work folder, and makes a run that was killed end with the weights of one that
was not.
"""

import math
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import cv2
import keras
import tensorflow as tf

from data_pipelines.batches import input_error
from tfpose.errors import InputError
from tfpose.files import write_whole
from trainers.engine import checkpoint
from trainers.engine.config import RunConfig
from trainers.engine.devices import Batch, Devices, Step
from trainers.engine.optimizer import averaged_weights
from trainers.engine.progress_line import ProgressLine, clock
from trainers.engine.stopping import StopSignals
from trainers.engine.strategies import make_strategy, synchronize_batch_norm
from trainers.engine.task import Task
from trainers.engine.workdir import Workdir

__all__ = ["train"]

_NAMED_SAMPLES = 8

ConfigT = TypeVar("ConfigT", bound=RunConfig)


def train(
    config: ConfigT, make_task: Callable[[ConfigT, Workdir], Task]
) -> dict[str, Any]:
    """A run from its configuration to its summary; resumes if it was begun.

    Args:
        config: the options.
        make_task: builds the task; called inside the strategy's scope.

    Returns:
        What `summary.json` holds.

    Raises:
        InputError: bad data, a work folder of another run, a metric that is not finite,
            a full disk.
        Interrupted: a signal came; the same call goes on from there.
    """
    # The step has the cores; OpenCV's own threads would fight with it.
    cv2.setNumThreads(1)
    # Before all else: workers meet before the first tensor is made.
    strategy = make_strategy(config.strategy)
    keras.config.set_dtype_policy(config.precision)
    keras.utils.set_random_seed(config.seed)
    _check_replicas(config, strategy.num_replicas_in_sync)
    devices = Devices(config, strategy)
    stop = StopSignals()
    with stop.listening(), Workdir.claim(config, devices.chief) as workdir:
        done = workdir.read_summary()
        if done is not None:
            print(f"{workdir.root}: this run is complete; see summary.json", flush=True)
            return done
        try:
            with strategy.scope():
                task = make_task(config, workdir)
                task.model.optimizer.build(task.model.trainable_variables)
            synchronize_batch_norm(task.model, devices.replicas > 1)
            return _Run(config, devices, stop, task, workdir).run()
        except tf.errors.OpError as error:
            raise _input_error(error, config) from None


def _check_replicas(config: RunConfig, replicas: int) -> None:
    if config.batch_size % replicas:
        raise InputError(
            f"batch_size: {config.batch_size} is not a multiple of the {replicas} "
            "replicas"
        )
    if config.jit_compile and replicas > 1:
        raise InputError(f"jit_compile: works on one device, not on {replicas}")


class _Run:
    """One process's part of one run: the task, and what has been done of it."""

    def __init__(
        self,
        config: RunConfig,
        devices: Devices,
        stop: StopSignals,
        task: Task,
        workdir: Workdir,
    ) -> None:
        self._config, self._devices, self._stop = config, devices, stop
        self._task, self._workdir = task, workdir
        self._progress = checkpoint.restore(workdir.checkpoints, task.model)
        self._stop.saved_step = self._progress.step
        self._total = config.epochs * task.steps_per_epoch
        self._line = ProgressLine(
            self._total, config.batch_size, quiet=not devices.chief
        )
        self._writer: tf.summary.SummaryWriter | None = None
        # Metrics of steps whose results nobody has waited for yet.
        self._waiting: list[dict[str, Any]] = []

    def run(self) -> dict[str, Any]:
        """Trains to the end; returns what `summary.json` holds."""
        config, progress = self._config, self._progress
        self._introduce()
        if self._devices.chief:
            self._writer = tf.summary.create_file_writer(str(self._workdir.logs))
            # A kill may have come between the checkpoint and these.
            self._workdir.write_metrics(progress.history)
        step = self._devices.compiled_step(self._task.model)
        batches = self._devices.batches(self._task.sampler, progress.step)
        try:
            while not progress.history or progress.history[-1]["epoch"] < config.epochs:
                with self._stop.held():
                    self._train_until_evaluation(step, batches)
                self._close_epoch()
            return self._finish()
        finally:
            self._line.clear()

    def _introduce(self) -> None:
        config, step = self._config, self._progress.step
        self._line.note(
            f"{config.net}: {self._task.net.count_params() / 1e6:.3g} M parameters; "
            f"{config.epochs} epochs of {self._task.steps_per_epoch} steps of "
            f"{config.batch_size} on {self._devices.replicas} device(s)"
        )
        if step:
            self._line.note(f"resuming at step {step} of {self._total}")

    def _train_until_evaluation(self, step: Step, batches: Iterator[Batch]) -> None:
        """Steps until the next evaluation is due; saves the state then."""
        progress, target = self._progress, self._evaluation_step()
        saved = started = time.monotonic()
        before = progress.seconds
        while progress.step < target and not self._stop.requested:
            try:
                batch = next(batches)
            except tf.errors.OpError:
                # A file that cannot be read any more; the steps so far are good.
                self._collect()
                self._save()
                raise
            if progress.step % self._task.steps_per_epoch == 0:
                self._collect()
                progress.sums = {}
            self._waiting.append(step(batch))
            progress.step += 1
            self._line.stepped(progress.step)
            due = self._config.checkpoint_minutes * 60 < time.monotonic() - saved
            if self._line.due():
                self._collect()
                self._show()
            if due:
                self._collect()
                progress.seconds = before + time.monotonic() - started
                self._save()
                saved = time.monotonic()
        self._collect()
        progress.seconds = before + time.monotonic() - started
        # Evaluation may take long or be killed: the steps themselves are safe first.
        self._save()
        if self._stop.requested:
            raise self._stop.interrupted()

    def _evaluation_step(self) -> int:
        """The step at which the next evaluation is due: now, or later."""
        config, progress = self._config, self._progress
        epoch_steps = self._task.steps_per_epoch
        done = progress.step // epoch_steps
        # An epoch that has ended but has not been evaluated still has its sums.
        if not progress.step or progress.step % epoch_steps or not progress.sums:
            done += 1
        every = config.eval_every
        return min(-(-done // every) * every, config.epochs) * epoch_steps

    def _show(self) -> None:
        epochs, every = self._config.epochs, self._config.eval_every
        step = self._progress.step
        epoch = (step - 1) // self._task.steps_per_epoch + 1
        self._line.show(
            f"epoch {epoch}/{epochs}",
            step,
            self._task.describe(self._means()),
            evaluations=-(-epochs // every) - (epoch - 1) // every,
        )

    def _collect(self) -> None:
        """Adds the metrics of the waiting steps, the latest ones, to the epoch's."""
        progress = self._progress
        first = progress.step - len(self._waiting) + 1
        for step, metrics in enumerate(self._waiting, first):
            for name, tensor in metrics.items():
                value = float(tensor)
                if not math.isfinite(value):
                    raise self._not_finite(name, value, step)
                progress.sums[name] = progress.sums.get(name, 0.0) + value
        self._waiting.clear()

    def _not_finite(self, name: str, value: float, step: int) -> InputError:
        """Names the metric, the step and its samples; all of them in a file."""
        config = self._config
        positions = range((step - 1) * config.batch_size, step * config.batch_size)
        samples = [self._task.sampler.sample_id(position) for position in positions]
        if self._devices.chief:
            report = {"metric": name, "step": step, "samples": samples}
            self._workdir.write_json("not_finite.json", report)
        named = ", ".join(samples[:_NAMED_SAMPLES])
        more = len(samples) - _NAMED_SAMPLES
        return InputError(
            f"{name} is {value} at step {step}, with {named}"
            + (f" and {more} more (see not_finite.json)" if more > 0 else "")
            + f"; try a learning_rate below {config.learning_rate:g} in a new workdir "
            f"(step {self._stop.saved_step} is still saved)"
        )

    def _means(self) -> dict[str, float]:
        """The epoch's metrics so far, each its mean over steps."""
        progress = self._progress
        done = (progress.step - 1) % self._task.steps_per_epoch + 1
        return {name: value / done for name, value in progress.sums.items()}

    def _save(self) -> None:
        if self._devices.chief:
            checkpoint.save(self._workdir.checkpoints, self._task.model, self._progress)
        self._stop.saved_step = self._progress.step

    def _close_epoch(self) -> None:
        """Evaluates, and keeps the weights if they are the best so far."""
        task, progress = self._task, self._progress
        epoch = progress.step // task.steps_per_epoch
        name = f"epoch {epoch}/{self._config.epochs}"
        trained = self._means()
        with averaged_weights(task.model):
            with self._line.evaluating(name):
                measured, progress.notes = task.evaluate(self._devices)
            # Not a number is worse than any.
            score = [-math.inf if n != n else float(n) for n in task.score(measured)]
            if not progress.best_score or score > progress.best_score:
                progress.best_score, progress.best_epoch = score, epoch
                if self._devices.chief:
                    checkpoint.save_weights(self._workdir.checkpoints, task.model)
        progress.history.append(
            {
                "epoch": epoch,
                "step": progress.step,
                "seconds": round(progress.seconds, 1),
            }
            | {f"train_{name}": value for name, value in trained.items()}
            | {f"val_{name}": value for name, value in measured.items()}
        )
        progress.sums = {}
        # Before the checkpoint: killed in between, the same points come twice.
        self._log()
        self._save()
        self._line.note(
            f"{name} in {clock(progress.seconds)}: {task.describe(trained)}; "
            f"validation {_words(measured)}"
        )
        if self._devices.chief:
            self._workdir.write_metrics(progress.history)
            with averaged_weights(task.model):
                task.draw(self._workdir.figures)

    def _log(self) -> None:
        if self._writer is None:
            return
        with self._writer.as_default(step=self._progress.step):
            for name, value in self._progress.history[-1].items():
                if name.startswith(("train_", "val_")):
                    tf.summary.scalar(name.replace("_", "/", 1), value)
        self._writer.flush()

    def _finish(self) -> dict[str, Any]:
        task, progress, workdir = self._task, self._progress, self._workdir
        best = next(e for e in progress.history if e["epoch"] == progress.best_epoch)
        metrics = {
            k.removeprefix("val_"): v for k, v in best.items() if k.startswith("val_")
        }
        notes = progress.notes + task.finish(progress.history[-1])
        summary = {
            "best_epoch": progress.best_epoch,
            "metrics": metrics,
            "last": progress.history[-1],
            "notes": notes,
        }
        if self._devices.chief:
            checkpoint.load_weights(workdir.checkpoints, task.model)
            synchronize_batch_norm(task.model, False)
            task.net.info = {**task.net.info, "training": summary}
            write_whole(workdir.model, task.net.save)
            task.draw(workdir.figures)
            workdir.write_json("summary.json", summary)
            for note in notes:
                self._line.note(note)
            self._line.note(
                f"best epoch {progress.best_epoch}: {_words(metrics)}; {workdir.model}"
            )
        return summary


def _words(metrics: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())


def _input_error(error: tf.errors.OpError, config: RunConfig) -> Exception:
    """What the user can do about a failure that came through TensorFlow, if it can be
    told: the `InputError` of a pipeline's thread, or too little memory or disk.
    """
    told = input_error(error)
    if told is not error:
        return told
    text = str(error)
    if "No space left on device" in text or "Disk quota exceeded" in text:
        return InputError(f"workdir {config.workdir}: the disk is full")
    if isinstance(error, tf.errors.ResourceExhaustedError):
        return InputError(
            f"batch_size: {config.batch_size} does not fit into the device's memory"
        )
    return error
