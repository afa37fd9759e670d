"""How long a `.tflite` model takes, by signature, threads and delegate.

Each setting is measured in a process of its own, so that no caches or threads of
another one are left, and a crash is reported in its row. Inputs are random. The time
is that of the model alone: inputs are set before, outputs are not read (except on a
GPU, where reading them waits for its end).
"""

import dataclasses
import math
import multiprocessing
import os
import pathlib
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.hardware_accelerator import HardwareAccelerator
from ai_edge_litert.interpreter import Interpreter, OpResolverType, load_delegate
from ai_edge_litert.options import CpuOptions, Options

from tfpose.errors import InputError

__all__ = [
    "DELEGATES",
    "WARM_UP",
    "Latency",
    "Setting",
    "describe_machine",
    "latency_table",
    "measure",
    "measure_apart",
]

DELEGATES = ("xnnpack", "none", "gpu")
"""XNNPACK, LiteRT's default; its plain kernels; its GPU accelerator, with the processor
for the operators that the GPU lacks."""

WARM_UP = 5
"""Runs after the first and before those that are timed."""

_LONGEST = 900.0


@dataclasses.dataclass(frozen=True)
class Setting:
    """How a model is run.

    Attributes:
        threads: of the processor.
        delegate: one of `DELEGATES`, or the path of a delegate's shared library.
        signature: of the model; if empty, its first graph, which need not have a name.
    """

    threads: int = 1
    delegate: str = "xnnpack"
    signature: str = ""

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise InputError(f"threads is {self.threads}, expected at least 1")
        is_library = pathlib.Path(self.delegate).is_file()
        if self.delegate not in DELEGATES and not is_library:
            raise InputError(
                f"delegate {self.delegate!r} is unknown, expected one of {DELEGATES} "
                "or a shared library's path"
            )


@dataclasses.dataclass(frozen=True)
class Latency:
    """What one setting took.

    Attributes:
        setting: how the model was run.
        load_ms: from the file to a model that is ready to run, milliseconds.
        first_ms: the first run.
        times_ms: the runs after the warm-up, in order.
        note: a remark, such as that parts run on the processor.
        problem: why nothing was measured; empty if it was.
    """

    setting: Setting
    load_ms: float = math.nan
    first_ms: float = math.nan
    times_ms: tuple[float, ...] = ()
    note: str = ""
    problem: str = ""

    @property
    def median_ms(self) -> float:
        return statistics.median(self.times_ms) if self.times_ms else math.nan

    def quantile_ms(self, q: float) -> float:
        """The time that a share `q` of the runs did not exceed (between two runs,
        linear).
        """
        return float(np.quantile(self.times_ms, q)) if self.times_ms else math.nan

    def to_dict(self) -> dict[str, Any]:
        """All fields and statistics of the times, for JSON."""
        row: dict[str, Any] = dataclasses.asdict(self.setting)
        if self.problem:
            return row | {"problem": self.problem}
        return row | {
            "median_ms": self.median_ms,
            "p25_ms": self.quantile_ms(0.25),
            "p75_ms": self.quantile_ms(0.75),
            "p95_ms": self.quantile_ms(0.95),
            "fastest_ms": min(self.times_ms),
            "load_ms": self.load_ms,
            "first_ms": self.first_ms,
            "times_ms": list(self.times_ms),
            "note": self.note,
        }


def measure(
    path: str, setting: Setting, runs: int = 50, warm_up: int = WARM_UP
) -> Latency:
    """Runs a model in this process.

    Args:
        path: of the `.tflite` file.
        setting: how.
        runs: that are timed.
        warm_up: runs before these.

    Raises:
        ValueError, RuntimeError: LiteRT cannot run it so.
    """
    start = time.perf_counter()
    run, note = _load(path, setting)
    loaded = time.perf_counter()
    times = []
    for _ in range(1 + warm_up + runs):
        before = time.perf_counter()
        run()
        times.append((time.perf_counter() - before) * 1e3)
    return Latency(
        setting,
        load_ms=(loaded - start) * 1e3,
        first_ms=times[0],
        times_ms=tuple(times[1 + warm_up :]),
        note=note,
    )


def _load(path: str, setting: Setting) -> tuple[Callable[[], object], str]:
    """A function that runs the model once, on random inputs, and a note."""
    if setting.delegate == "gpu":
        return _load_gpu(path, setting)
    resolver, delegates = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES, []
    if setting.delegate == "xnnpack":
        resolver = OpResolverType.BUILTIN
    elif setting.delegate != "none":
        delegates = [load_delegate(setting.delegate)]
    interpreter = Interpreter(
        path,
        num_threads=setting.threads,
        experimental_op_resolver_type=resolver,
        experimental_delegates=delegates,
    )
    if not setting.signature:
        interpreter.allocate_tensors()
        for details in interpreter.get_input_details():
            values = _random(details["shape"], details["dtype"])
            interpreter.set_tensor(details["index"], values)
        return interpreter.invoke, ""
    # A signature's runner copies inputs and outputs each time; there is no public way
    # around that.
    runner = interpreter.get_signature_runner(setting.signature)
    graph, number = runner._interpreter_wrapper, runner._subgraph_index
    graph.AllocateTensors(number)
    for details in runner.get_input_details().values():
        values = _random(details["shape"], details["dtype"])
        graph.SetTensor(details["index"], values, number)
    return lambda: graph.Invoke(number), ""


def _load_gpu(path: str, setting: Setting) -> tuple[Callable[[], object], str]:
    accelerators = HardwareAccelerator.GPU | HardwareAccelerator.CPU
    options = Options(accelerators, CpuOptions(num_threads=setting.threads))
    model = CompiledModel.from_file(path, options=options)
    signature = setting.signature or next(iter(model.get_signature_list()))
    inputs, outputs = {}, {}
    for name, details in model.get_input_tensor_details(signature).items():
        inputs[name] = model.create_input_buffer_by_name(signature, name)
        inputs[name].write(_random(details["shape"], details["dtype"]))
    kinds = model.get_output_tensor_details(signature)
    for name in kinds:
        outputs[name] = model.create_output_buffer_by_name(signature, name)

    def run() -> None:
        model.run_by_name(signature, inputs, outputs)
        for name, buffer in outputs.items():
            buffer.read(int(np.prod(kinds[name]["shape"])), kinds[name]["dtype"])

    return run, "" if model.is_fully_accelerated() else "partly on the processor"


def _random(shape: Sequence[int], dtype: Any) -> np.ndarray:
    rng = np.random.default_rng(0)
    dtype = np.dtype(dtype)
    if dtype.kind in "iu":
        top = min(np.iinfo(dtype).max, 255)
        return rng.integers(1, top, tuple(shape), endpoint=True).astype(dtype)
    return rng.uniform(0, 255, tuple(shape)).astype(dtype)


def measure_apart(
    path: str,
    setting: Setting,
    runs: int = 50,
    warm_up: int = WARM_UP,
    seconds: float = _LONGEST,
) -> Latency:
    """As `measure`, in a process of its own; failures are the result's `problem`.

    Args:
        path: see `measure`, as are the next three.
        setting: see there.
        runs: see there.
        warm_up: see there.
        seconds: after which the process is ended.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    with ours, tempfile.TemporaryDirectory() as folder:
        log = pathlib.Path(folder, "log")
        process = context.Process(
            target=_work, args=(theirs, str(log), path, setting, runs, warm_up)
        )
        process.start()
        theirs.close()
        try:
            if not ours.poll(seconds):
                return Latency(setting, problem=f"took more than {seconds:g} s")
            result = ours.recv()
        except EOFError:
            process.join()
            result = f"ended with code {process.exitcode}"
        finally:
            process.kill()
            process.join()
        if isinstance(result, Latency):
            return result
        said = log.read_text(errors="replace") if log.is_file() else ""
        return Latency(setting, problem=_reason(result, said))


def _work(
    connection: Connection,
    log: str,
    path: str,
    setting: Setting,
    runs: int,
    warm_up: int,
) -> None:
    """What the other process does: sends a Latency, or words about a failure."""
    # LiteRT logs much, which matters only if it fails.
    os.dup2(os.open(log, os.O_CREAT | os.O_WRONLY), 2)
    try:
        connection.send(measure(path, setting, runs, warm_up))
    except Exception as error:
        connection.send(f"{type(error).__name__}: {error}")


def _reason(error: str, log: str) -> str:
    """One line on a failure: LiteRT's own errors say more than its exceptions."""
    errors = [line for line in log.splitlines() if line.startswith("ERROR: ")]
    line = errors[-1].removeprefix("ERROR: ") if errors else error
    return " ".join(line.split())[:200]


def latency_table(rows: Sequence[Latency]) -> str:
    """The rows as a Markdown table, milliseconds."""
    lines = [
        "| delegate | threads | median | middle half | p95 | fastest | first | load |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        name = pathlib.Path(row.setting.delegate).name
        start = f"| {name} | {row.setting.threads} |"
        if row.problem:
            lines.append(f"{start} {row.problem.replace('|', '/')} | | | | | |")
            continue
        low, high = row.quantile_ms(0.25), row.quantile_ms(0.75)
        cells = [
            _digits(row.median_ms),
            f"{_digits(low)} to {_digits(high)}",
            _digits(row.quantile_ms(0.95)),
            _digits(min(row.times_ms)),
            _digits(row.first_ms),
            _digits(row.load_ms),
        ]
        note = f" ({row.note})" if row.note else ""
        lines.append(f"| {name}{note} | {row.setting.threads} | " + " | ".join(cells))
        lines[-1] += " |"
    return "\n".join(lines)


def _digits(value: float) -> str:
    """Three significant digits, and all of those before the point."""
    digits = max(0, 2 - math.floor(math.log10(value))) if value > 0 else 2
    return f"{value:.{min(digits, 3)}f}"


def describe_machine() -> dict[str, Any]:
    """What measured times hold for: processor, cores, load, system, runtime."""
    name = platform.processor() or platform.machine()
    info = pathlib.Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.is_file() else ():
        if line.startswith("model name"):
            name = line.split(":", 1)[1].strip()
    return {
        "processor": name,
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "runtime": f"ai-edge-litert {metadata.version('ai-edge-litert')}",
    }
