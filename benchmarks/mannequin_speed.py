"""Speed of the mannequin generator: `python -m benchmarks.mannequin_speed`.

Draws 256 x 192 pictures of one person and encodes them as JPEG, in one process per core
(its start is not timed), and prints one line: pictures per second of wall time over all
processes, and processor time per picture, which depends less on other programs on the
machine. `--write` measures `write_dataset` to a temporary folder instead, with the
start of the processes.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time

import cv2

from data_pipelines.mannequin.render import draw_sample

__all__ = ["main"]


def _draw(scenario: str, count: int, worker: int) -> None:
    cv2.setNumThreads(1)
    draw_sample(scenario, 0, 0)
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.process_time()
    for index in range(worker * count, (worker + 1) * count):
        sample = draw_sample(scenario, 0, index)
        options = [cv2.IMWRITE_JPEG_QUALITY, sample.quality]
        cv2.imencode(".jpg", sample.image[..., ::-1], options)
    print(time.process_time() - began, flush=True)


def _measure(scenario: str, count: int, workers: int) -> tuple[float, float]:
    """Pictures per second of wall time, and seconds of processor time per picture."""
    environment = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.mannequin_speed",
             f"--scenario={scenario}", f"--count={count}", f"--worker={worker}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )
        for worker in range(workers)
    ]  # fmt: skip
    for process in processes:
        process.stdout.readline()
    began = time.monotonic()
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    busy = sum(float(process.communicate()[0]) for process in processes)
    seconds = time.monotonic() - began
    return workers * count / seconds, busy / (workers * count)


def main() -> None:
    """Measures and prints one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario", default="studio", choices=["studio", "wild"])
    parser.add_argument("--count", type=int, default=400, help="pictures per process")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--write", action="store_true", help="time write_dataset")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker is not None:
        _draw(options.scenario, options.count, options.worker)
        return
    if options.write:
        from data_pipelines.mannequin.write import write_dataset

        total = options.count * options.workers
        with tempfile.TemporaryDirectory() as folder:
            began = time.monotonic()
            write_dataset(folder, options.scenario, total, workers=options.workers)
            speed = total / (time.monotonic() - began)
        print(f"mannequin {options.scenario} write_dataset: {speed:.0f} images/s")
        return
    speed, cost = _measure(options.scenario, options.count, options.workers)
    print(
        f"mannequin {options.scenario} 256x192, {options.workers} processes: "
        f"{speed:.0f} images/s, {1000 * cost:.2f} ms of processor time per image "
        f"({options.workers / cost:.0f} images/s with the cores to itself), "
        f"load average {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    main()
