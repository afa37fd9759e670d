"""The loop that all methods share: steps, evaluation, checkpoints, resume.

A method brings a `Task`: a `keras.Model` with a `train_step`, its batches and its
evaluation. The engine runs the step under any `tf.distribute` strategy, keeps the
workdir, and makes a run that was killed end with the weights of one that was not.
"""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import cv2
import keras
import numpy as np
import tensorflow as tf

from data_pipelines.batches import (
    BatchSampler,
    Sampler,
    evaluation_batches,
    input_error,
    training_batches,
)
from tfpose.errors import InputError
from tfpose.files import write_whole
from trainers.engine import checkpoint
from trainers.engine.config import RunConfig
from trainers.engine.optimizer import averaged_weights
from trainers.engine.progress_line import ProgressLine, clock
from trainers.engine.stopping import StopSignals
from trainers.engine.strategies import make_strategy, synchronize_batch_norm
from trainers.engine.workdir import Workdir

__all__ = ["Engine", "Task", "train"]


class Task(Protocol):
    """What a method brings to the engine."""

    model: keras.Model
    """Compiled; `train_step(batch)` returns metrics, each divided by the global batch
    size so that their sum over replicas is the batch's mean."""
    net: keras.Model
    """The part of it that is saved as `model.keras`."""
    sampler: Sampler | BatchSampler
    """Training samples."""
    steps_per_epoch: int

    def evaluate(self, engine: "Engine") -> tuple[dict[str, float], list[str]]:
        """Metrics on the validation people, and notes on what they rest on."""
        ...

    def score(self, metrics: dict[str, float]) -> Sequence[float]:
        """What makes an epoch the best so far, the most important number first."""
        ...

    def describe(self, metrics: dict[str, float]) -> str:
        """Metrics as a few words for the progress line."""
        ...

    def draw(self, engine: "Engine", folder) -> None:
        """Pictures of what the net does now."""
        ...

    def finish(self, last: dict[str, float]) -> list[str]:
        """Notes on the finished run, by its last line of metrics; shown, and kept in
        the summary."""
        ...


class Engine:
    """One process's part of one run."""

    def __init__(self, config: RunConfig, strategy: tf.distribute.Strategy):
        self.config = config
        self.strategy = strategy
        self.stop = StopSignals()
        self._compiled: dict[Callable, Callable] = {}
        resolver = strategy.cluster_resolver
        self.chief = (
            resolver is None
            or resolver.task_type in (None, "chief", "")
            or (resolver.task_type == "worker" and resolver.task_id == 0)
        )

    def predict(
        self,
        function: Callable[[dict[str, Any]], dict[str, Any]],
        sampler: Sampler | BatchSampler,
        count: int,
    ) -> dict[str, np.ndarray]:
        """`function` over samples 0..count-1 of a sampler, spread over the replicas.

        Args:
          function: a batch to a dict of tensors `[B, ...]`; compiled once.
          sampler: makes the samples.
          count: how many.

        Returns:
          arrays `[count, ...]`, in order.
        """
        batch_size = self._divisible(self.config.eval_batch_size)

        def pipeline(context):
            return evaluation_batches(
                sampler,
                count,
                batch_size,
                context.get_per_replica_batch_size(batch_size),
                context.input_pipeline_id,
                context.num_input_pipelines,
            )

        @tf.function
        def compiled(batch):
            outputs = self.strategy.run(function, args=(batch,))
            return {k: self.strategy.gather(v, axis=0) for k, v in outputs.items()}

        # Tracing a net anew at every evaluation takes longer than a small evaluation.
        step = self._compiled.setdefault(function, compiled)
        collected: dict[str, list[np.ndarray]] = {}
        for batch in self.strategy.distribute_datasets_from_function(pipeline):
            for name, value in step(batch).items():
                collected.setdefault(name, []).append(value.numpy())
        return {k: np.concatenate(v)[:count] for k, v in collected.items()}

    def _divisible(self, batch_size: int) -> int:
        replicas = self.strategy.num_replicas_in_sync
        return -(-batch_size // replicas) * replicas

    def batches(self, sampler: Sampler | BatchSampler, first_step: int):
        """Distributed iterator over the training stream from a step on."""
        size = self.config.batch_size

        def pipeline(context):
            return training_batches(
                sampler,
                size,
                first_step,
                context.get_per_replica_batch_size(size),
                context.input_pipeline_id,
                context.num_input_pipelines,
            )

        return iter(self.strategy.distribute_datasets_from_function(pipeline))

    def compiled_step(self, model: keras.Model) -> Callable:
        """The train step as one compiled function over all replicas."""
        inner = model.train_step
        if self.config.jit_compile:
            inner = tf.function(inner, jit_compile=True)

        @tf.function
        def step(batch):
            metrics = self.strategy.run(inner, args=(batch,))
            total = tf.distribute.ReduceOp.SUM
            return {
                k: self.strategy.reduce(total, v, axis=None) for k, v in metrics.items()
            }

        return step

    def train(self, task: Task, workdir: Workdir) -> dict[str, Any]:
        """Runs the task to its end; returns what `summary.json` holds.

        Raises:
          Interrupted: a signal came; the state is saved.
          InputError: the loss is not finite any more, or the disk is full.
        """
        config = self.config
        progress = checkpoint.restore(workdir.checkpoints, task.model)
        self.stop.saved_step = progress.step
        total = config.epochs * task.steps_per_epoch
        line = ProgressLine(total, config.batch_size, quiet=not self.chief)
        line.note(
            f"{config.net}: {task.net.count_params() / 1e6:.3g} M parameters; "
            f"{config.epochs} epochs of {task.steps_per_epoch} steps of "
            f"{config.batch_size} on {self.strategy.num_replicas_in_sync} device(s)"
        )
        if progress.step:
            line.note(f"resuming at step {progress.step} of {total}")
        writer = None
        if self.chief:
            writer = tf.summary.create_file_writer(str(workdir.logs))
            # A kill may have come between the checkpoint and these.
            workdir.write_metrics(progress.history)
        step_function = self.compiled_step(task.model)
        batches = self.batches(task.sampler, progress.step)
        try:
            while not progress.history or progress.history[-1]["epoch"] < config.epochs:
                with self.stop.held():
                    self._train_until_evaluation(
                        task, workdir, progress, step_function, batches, line
                    )
                self._close_epoch(task, workdir, progress, line, writer)
            return self._finish(task, workdir, progress, line)
        finally:
            line.clear()

    def _train_until_evaluation(
        self, task, workdir, progress, step_function, batches, line
    ) -> None:
        """Steps until the next evaluation is due; saves the state then."""
        epoch_steps = task.steps_per_epoch
        target = self._evaluation_step(progress.step, epoch_steps, bool(progress.sums))
        waiting: list[dict[str, Any]] = []
        saved = started = time.monotonic()
        before = progress.seconds
        while progress.step < target and not self.stop.requested:
            try:
                batch = next(batches)
            except tf.errors.OpError:
                # A file that cannot be read any more; the steps so far are good.
                self._collect(progress, waiting)
                self._save(workdir, task, progress)
                raise
            if progress.step % epoch_steps == 0:
                self._collect(progress, waiting)
                progress.sums = {}
            waiting.append(step_function(batch))
            progress.step += 1
            line.stepped(progress.step)
            due = self.config.checkpoint_minutes * 60 < time.monotonic() - saved
            if line.due():
                self._collect(progress, waiting)
                self._show(task, progress, line)
            if due:
                self._collect(progress, waiting)
                progress.seconds = before + time.monotonic() - started
                self._save(workdir, task, progress)
                saved = time.monotonic()
        self._collect(progress, waiting)
        progress.seconds = before + time.monotonic() - started
        # Evaluation may take long or be killed: the steps themselves are safe first.
        self._save(workdir, task, progress)
        if self.stop.requested:
            raise self.stop.interrupted()

    def _show(self, task, progress, line) -> None:
        epochs, every = self.config.epochs, self.config.eval_every
        epoch = (progress.step - 1) // task.steps_per_epoch + 1
        line.show(
            f"epoch {epoch}/{epochs}",
            progress.step,
            task.describe(_means(progress, task.steps_per_epoch)),
            evaluations=-(-epochs // every) - (epoch - 1) // every,
        )

    def _evaluation_step(self, step: int, epoch_steps: int, has_sums: bool) -> int:
        """The step at which the next evaluation is due: at, or after, `step`."""
        if step and step % epoch_steps == 0 and has_sums:
            done = step // epoch_steps
        else:
            done = step // epoch_steps + 1
        every = self.config.eval_every
        return min(-(-done // every) * every, self.config.epochs) * epoch_steps

    def _collect(self, progress, waiting) -> None:
        """Adds the waiting steps' metrics, the latest ones, to the epoch's sums."""
        for step, metrics in enumerate(waiting, progress.step - len(waiting) + 1):
            for name, value in metrics.items():
                progress.sums[name] = progress.sums.get(name, 0.0) + float(value)
            if not math.isfinite(progress.sums.get("loss", 0.0)):
                raise InputError(
                    f"learning_rate: the loss is not finite at step {step}; try one "
                    f"below {self.config.learning_rate:g} in a new workdir (step "
                    f"{self.stop.saved_step} is still saved)"
                )
        waiting.clear()

    def _save(self, workdir, task, progress) -> None:
        if self.chief:
            checkpoint.save(workdir.checkpoints, task.model, progress)
        self.stop.saved_step = progress.step

    def _close_epoch(self, task, workdir, progress, line, writer) -> None:
        """Evaluates, and remembers the weights if they are the best so far."""
        epoch = progress.step // task.steps_per_epoch
        trained = _means(progress, task.steps_per_epoch)
        with averaged_weights(task.model):
            with line.evaluating(f"epoch {epoch}/{self.config.epochs}"):
                measured, progress.notes = task.evaluate(self)
            # Not a number is worse than any.
            score = [-math.inf if n != n else float(n) for n in task.score(measured)]
            if not progress.best_score or score > progress.best_score:
                progress.best_score, progress.best_epoch = score, epoch
                if self.chief:
                    checkpoint.save_weights(workdir.checkpoints, task.model)
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
        if writer is not None:
            # Before the checkpoint: killed in between, the same points come twice.
            self._log(progress, writer)
        self._save(workdir, task, progress)
        line.note(
            f"epoch {epoch}/{self.config.epochs} in {clock(progress.seconds)}: "
            f"{task.describe(trained)}; validation {_words(measured)}"
        )
        if self.chief:
            workdir.write_metrics(progress.history)
            with averaged_weights(task.model):
                task.draw(self, workdir.figures)

    def _log(self, progress, writer) -> None:
        with writer.as_default(step=progress.step):
            for name, value in progress.history[-1].items():
                if name.startswith(("train_", "val_")):
                    tf.summary.scalar(name.replace("_", "/", 1), value)
        writer.flush()

    def _finish(self, task, workdir, progress, line) -> dict[str, Any]:
        best = next(e for e in progress.history if e["epoch"] == progress.best_epoch)
        metrics = {
            k.removeprefix("val_"): v for k, v in best.items() if k.startswith("val_")
        }
        summary = {
            "best_epoch": progress.best_epoch,
            "metrics": metrics,
            "last": progress.history[-1],
            "notes": progress.notes + task.finish(progress.history[-1]),
        }
        if self.chief:
            checkpoint.load_weights(workdir.checkpoints, task.model)
            synchronize_batch_norm(task.model, False)
            task.net.info = {**task.net.info, "training": summary}
            write_whole(workdir.model, task.net.save)
            task.draw(self, workdir.figures)
            workdir.write_json("summary.json", summary)
            for note in summary["notes"]:
                line.note(note)
            line.note(
                f"best epoch {progress.best_epoch}: {_words(metrics)}; {workdir.model}"
            )
        return summary


def _means(progress: checkpoint.Progress, epoch_steps: int) -> dict[str, float]:
    done = (progress.step - 1) % epoch_steps + 1
    return {name: value / done for name, value in progress.sums.items()}


def _words(metrics: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())


def train(
    config: RunConfig, make_task: Callable[[RunConfig, Workdir], Task]
) -> dict[str, Any]:
    """A run from its configuration to its summary; resumes if it was begun.

    Args:
      config: the options.
      make_task: builds the task; called inside the strategy's scope.

    Raises:
      InputError: bad data, a workdir of another run, a full disk.
      Interrupted: a signal came; the same call goes on from there.
    """
    # The step has the cores; OpenCV's own threads would fight with it.
    cv2.setNumThreads(1)
    # Before all else: workers meet before the first tensor is made.
    strategy = make_strategy(config.strategy)
    keras.config.set_dtype_policy(config.precision)
    keras.utils.set_random_seed(config.seed)
    replicas = strategy.num_replicas_in_sync
    if config.batch_size % replicas:
        raise InputError(
            f"batch_size: {config.batch_size} is not a multiple of the {replicas} "
            "replicas"
        )
    if config.jit_compile and replicas > 1:
        raise InputError(f"jit_compile: works on one device, not on {replicas}")
    engine = Engine(config, strategy)
    with engine.stop.listening(), Workdir.claim(config, engine.chief) as workdir:
        done = workdir.read_summary()
        if done is not None:
            print(f"{workdir.root}: this run is complete; see summary.json", flush=True)
            return done
        try:
            with strategy.scope():
                task = make_task(config, workdir)
                task.model.optimizer.build(task.model.trainable_variables)
            synchronize_batch_norm(task.model, replicas > 1)
            return engine.train(task, workdir)
        except tf.errors.OpError as error:
            raise _input_error(error, config) from None


def _input_error(error: tf.errors.OpError, config: RunConfig) -> Exception:
    """What the user can do about a failure that came through TensorFlow, if it can be
    told: the `InputError` of a pipeline's thread, or too little memory or disk."""
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
