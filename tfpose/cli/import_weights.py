"""`python -m tfpose import_weights`: published PyTorch weights as a `.keras` file."""

import pathlib
from collections.abc import Callable
from typing import Any

from tfpose.errors import InputError
from tfpose.files import write_whole
from tfpose.weights.dekr import DEKR_PRESETS, build_dekr_preset, import_dekr
from tfpose.weights.filling import Imported
from tfpose.weights.lifters import (
    LIFTER_PRESETS,
    build_lifter_preset,
    import_lifter,
)
from tfpose.weights.lite import LITE_PRESETS, build_lite_preset, import_lite
from tfpose.weights.logocap import (
    LOGOCAP_PRESETS,
    build_logocap_preset,
    import_logocap,
)
from tfpose.weights.official import import_weights as import_checkpoint
from tfpose.weights.pose_scorers import (
    SCORER_PRESETS,
    build_scorer_preset,
    import_scorer,
)
from tfpose.weights.presets import build_preset, get_preset

__all__ = ["import_weights"]

# Nets of which a checkpoint says all: their presets, what builds one, what fills it.
_KINDS: tuple[tuple[Any, Callable, Callable], ...] = (
    (LIFTER_PRESETS, build_lifter_preset, import_lifter),
    (LOGOCAP_PRESETS, build_logocap_preset, import_logocap),
    (DEKR_PRESETS, build_dekr_preset, import_dekr),
    (SCORER_PRESETS, build_scorer_preset, import_scorer),
    (LITE_PRESETS, build_lite_preset, import_lite),
)


def import_weights(
    checkpoint: str,
    preset: str,
    out: str = "",
    channel_order: str = "auto",
    protocol: str = "auto",
) -> None:
    """Writes a `.keras` pose net, bare backbone or lifter, and prints what the
    checkpoint was and what was made of it.

    Args:
        checkpoint: file of PyTorch; nothing in it is run.
        preset: the net, see `tfpose.weights.presets`, `tfpose.weights.logocap`,
            `tfpose.weights.dekr`, `tfpose.weights.pose_scorers`,
            `tfpose.weights.lite` and `tfpose.weights.lifters`.
        out: the `.keras` file; the preset's name with `.keras` if empty.
        channel_order: one of `tfpose.weights.official.CHANNEL_ORDERS`, of top-down
            nets.
        protocol: one of `tfpose.weights.official.PROTOCOLS`, of top-down nets.

    Raises:
        InputError: no checkpoint, one that does not fit the preset, an unknown preset,
            or the file cannot be written. Nothing is written then.
    """
    if not any(preset in presets for presets, _, _ in _KINDS):
        preset = get_preset(preset).name
    target = pathlib.Path(out or f"{preset}.keras")
    if target.suffix != ".keras":
        raise InputError(f"{target}: expected a file name that ends in .keras")
    done = _fill(checkpoint, preset, channel_order, protocol)
    write_whole(target, lambda aside: done.model.save(aside))
    print(f"{checkpoint}: {done.num_parameters:,} numbers in", flush=True)
    for note in done.notes:
        print(f"  {note}")
    print(f"{preset} written to {target}")


def _fill(checkpoint: str, preset: str, channel_order: str, protocol: str) -> Imported:
    for presets, build, fill in _KINDS:
        if preset not in presets:
            continue
        choices = {"channel_order": channel_order, "protocol": protocol}
        for name, value in choices.items():
            if value != "auto":
                raise InputError(
                    f"--{name}={value} is of top-down nets, which {preset} is not"
                )
        return fill(checkpoint, build(preset))
    return import_checkpoint(checkpoint, build_preset(preset), channel_order, protocol)
