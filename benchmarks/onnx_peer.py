"""The time that ONNX Runtime takes for a net, to compare with."""

import concurrent.futures
import multiprocessing
import time

import numpy as np

__all__ = ["time_onnx", "time_onnx_apart"]

_WARM_UP = 5


def time_onnx_apart(path: str, threads: int, runs: int) -> list[float]:
    """As `time_onnx`, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(time_onnx, path, threads, runs).result()


def time_onnx(path: str, threads: int, runs: int) -> list[float]:
    """Milliseconds of `runs` runs of an ONNX file, after some more to warm up.

    Inputs are random, sides that are free are 1.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        path, options, providers=["CPUExecutionProvider"]
    )
    rng = np.random.default_rng(0)
    inputs = {}
    for one in session.get_inputs():
        sides = [side if isinstance(side, int) else 1 for side in one.shape]
        inputs[one.name] = rng.random(sides, np.float32)
    times = []
    for _ in range(_WARM_UP + runs):
        start = time.perf_counter()
        session.run(None, inputs)
        times.append((time.perf_counter() - start) * 1e3)
    return times[_WARM_UP:]
