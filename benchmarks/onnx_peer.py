"""The official HRNet-W32 in ONNX Runtime, for comparison of speed.

Needs a checkout of HRNet's repository and `pip install .[peers]`.
"""

import concurrent.futures
import multiprocessing
import pathlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["SIZE", "time_onnx_apart", "write_onnx_apart"]

_WARM_UP = 5
_CALIBRATION = 4

SIZE = (256, 192)
"""(height, width) of the timed pictures, pixels."""


def write_onnx_apart(peer_dir: str, folder: pathlib.Path) -> dict[str, str]:
    """Writes the net in float and in int8, for pictures of `SIZE`; returns the paths.

    The weights are random, and the ranges are those of random pictures: times do not
    depend on them. int8 is ONNX Runtime's quantisation, with a scale for each channel
    of a kernel.
    """
    return _apart(_write_onnx, peer_dir, folder)


def time_onnx_apart(path: str, threads: int, runs: int) -> list[float]:
    """Milliseconds of each of `runs` runs of an ONNX file, after warm-up runs."""
    return _apart(_time_onnx, path, threads, runs)


def _apart(call: Callable, *arguments: Any) -> Any:
    """The result of a call in a separate process."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(call, *arguments).result()


def _write_onnx(peer_dir: str, folder: pathlib.Path) -> dict[str, str]:
    import torch
    from onnxruntime import quantization

    from benchmarks.hrnet_peer import peer_net

    class Pictures(quantization.CalibrationDataReader):
        """Random pictures."""

        def __init__(self) -> None:
            rng = np.random.default_rng(0)
            pictures = rng.normal(size=(_CALIBRATION, 1, 3, *SIZE)).astype(np.float32)
            self._remaining = [{"image": picture} for picture in pictures]

        def get_next(self) -> dict[str, np.ndarray] | None:
            return self._remaining.pop() if self._remaining else None

    folder.mkdir(parents=True, exist_ok=True)
    names = ("float", "preprocessed", "int8")
    exported, preprocessed, quantised = (
        str(folder / f"hrnet_w32_{name}.onnx") for name in names
    )
    torch.onnx.export(
        peer_net(peer_dir).eval(),
        (torch.zeros(1, 3, *SIZE),),
        exported,
        input_names=["image"],
        dynamo=False,
    )
    quantization.quant_pre_process(exported, preprocessed, skip_symbolic_shape=True)
    # Signed activations are three times as slow in ONNX Runtime.
    quantization.quantize_static(
        preprocessed,
        quantised,
        Pictures(),
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
    )
    return {"ONNX Runtime float": exported, "ONNX Runtime int8": quantised}


def _time_onnx(path: str, threads: int, runs: int) -> list[float]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        path, options, providers=["CPUExecutionProvider"]
    )
    rng = np.random.default_rng(0)
    inputs = {
        one.name: rng.random(one.shape, np.float32) for one in session.get_inputs()
    }
    times = []
    for _ in range(_WARM_UP + runs):
        start = time.perf_counter()
        session.run(None, inputs)
        times.append((time.perf_counter() - start) * 1e3)
    return times[_WARM_UP:]
