"""How long a call takes."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["median_time"]


def median_time(call: Callable[[], Any], count: int) -> float:
    """The median of `count` calls in turn, seconds.

    Two more come before them: one that compiles and one to warm up.

    Args:
        call: waits until its result is there.
        count: calls that are timed.
    """
    seconds = []
    for _ in range(count + 2):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds[2:]))
