"""`python -m tfpose presets`: the published nets by name."""

from tfpose.errors import InputError
from tfpose.weights.lifters import LIFTER_PRESETS
from tfpose.weights.presets import PRESETS

__all__ = ["presets"]


def presets(part: str = "") -> None:
    """Prints tables of the pose nets and of the lifters: joints, input, size and cost.

    Args:
        part: only those with this in their names; all if empty.

    Raises:
        InputError: there is none.
    """
    nets = [preset for name, preset in PRESETS.items() if part in name]
    lifters = [preset for name, preset in LIFTER_PRESETS.items() if part in name]
    if not nets and not lifters:
        raise InputError(f"no preset has {part!r} in its name")
    names = [preset.name for preset in nets] + [lifter.name for lifter in lifters]
    width = max(map(len, names))
    if nets:
        print(f"{'preset':{width}}  joints   input    parameters  multiply-adds")
    for preset in nets:
        height, across = preset.input_size
        print(
            f"{preset.name:{width}}  {preset.skeleton:6}  {height}x{across}  "
            f"{preset.parameters / 1e6:8.2f} M  {preset.multiply_adds / 1e9:11.2f} G"
        )
    if lifters:
        print(f"{'lifter':{width}}  joints  parameters  multiply-adds")
    for lifter in lifters:
        print(
            f"{lifter.name:{width}}  {lifter.skeleton:6}  "
            f"{lifter.parameters / 1e6:8.2f} M  {lifter.multiply_adds / 1e6:11.2f} M"
        )
