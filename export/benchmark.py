"""`python -m export.benchmark MODEL.tflite`: latencies by threads and delegates.

Of each signature, or of one. `export.litert.latency` says how they are measured.
"""

import argparse
import dataclasses
import json
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

from export.litert.file import read_metadata, read_signatures
from export.litert.latency import (
    DELEGATES,
    WARM_UP,
    Setting,
    describe_machine,
    latency_table,
    measure_apart,
)
from tfpose.command_line import run_command
from tfpose.errors import InputError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table; exit code 2 and one line for bad input."""
    run_command(_parser(), _run, arguments)


def _run(chosen: argparse.Namespace) -> None:
    path = pathlib.Path(chosen.model)
    content = path.read_bytes()
    if content[4:8] != b"TFL3":
        raise InputError(f"{path} is no .tflite file")
    if chosen.runs < 1:
        raise InputError(f"--runs is {chosen.runs}, expected at least 1")
    signatures = _signatures(content, chosen.signature)
    settings = _settings(chosen.threads, chosen.delegates)
    try:
        described = read_metadata(content)
    except InputError:
        described = {}
    machine = describe_machine()
    print(_describe(path, described))
    print(
        f"{machine['processor']}, {machine['cores']} cores, load {machine['load']}; "
        f"{machine['runtime']}; {chosen.runs} runs after a first and {WARM_UP} more\n"
    )
    rows = []
    for signature in signatures:
        for number, setting in enumerate(settings, 1):
            if sys.stderr.isatty():
                progress = f"{signature}, {number} of {len(settings)}: {setting}"
                print(progress, file=sys.stderr)
            setting = dataclasses.replace(setting, signature=signature)
            rows.append(measure_apart(str(path), setting, chosen.runs))
        print(f"{signature or 'the model'}, milliseconds:\n")
        print(f"{latency_table(rows[-len(settings) :])}\n")
    if chosen.json:
        report = {
            "model": path.name,
            "bytes": len(content),
            "metadata": described,
            "machine": machine,
            "runs": chosen.runs,
            "warm_up": WARM_UP,
            "rows": [row.to_dict() for row in rows],
        }
        pathlib.Path(chosen.json).write_text(json.dumps(report, indent=2) + "\n")


def _signatures(model: bytes, chosen: str) -> list[str]:
    """The one that was chosen, or all; "" for a graph without a name."""
    known = read_signatures(model) or [""]
    if chosen and chosen not in known:
        raise InputError(
            f"--signature is {chosen!r}, expected one of {', '.join(known)}"
        )
    return [chosen] if chosen else known


def _settings(threads: str, delegates: str) -> list[Setting]:
    """All pairs of the two lists, their items divided by commas."""
    try:
        numbers = [int(number) for number in threads.split(",")]
    except ValueError:
        raise InputError(
            f"--threads is {threads!r}, expected numbers as in 1,2,4"
        ) from None
    names = [name.strip() for name in delegates.split(",")]
    return [Setting(number, name) for name in names for number in numbers]


def _describe(path: pathlib.Path, metadata: dict[str, Any]) -> str:
    """Lines on the model, from its metadata if it has any."""
    head = f"{path.name}, {path.stat().st_size / 1e6:.2f} MB"
    if not metadata:
        return f"{head}, without metadata of tfpose"
    lines = [head]
    for key, value in metadata.items():
        if key == "skeleton":
            value = f"{value['name']}, {len(value['joints'])} joints"
        text = value if isinstance(value, str) else json.dumps(value)
        lines.append(f"  {key}: {text if len(text) <= 100 else text[:97] + '...'}")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m export.benchmark",
        description="Latencies of a .tflite model by signature, threads and delegate.",
    )
    parser.add_argument("model", help="a .tflite file")
    parser.add_argument("--signature", default="", help="default: each of the model's")
    parser.add_argument("--threads", default="1,2", help="numbers, as in 1,2,4")
    parser.add_argument(
        "--delegates",
        default="xnnpack,none",
        help=f"of {', '.join(DELEGATES)}, and paths of delegates' shared libraries",
    )
    parser.add_argument("--runs", type=int, default=50, help="timed ones a setting")
    parser.add_argument("--json", help="file for all measurements")
    return parser


if __name__ == "__main__":
    main()
