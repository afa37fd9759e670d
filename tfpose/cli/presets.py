"""`python -m tfpose presets`: the published nets by name."""

from tfpose.errors import InputError
from tfpose.weights.presets import PRESETS

__all__ = ["presets"]


def presets(part: str = "") -> None:
    """Prints a table of the presets: joints, input, size and cost.

    Args:
      part: only those with this in their names; all if empty.

    Raises:
      InputError: there is none.
    """
    chosen = [preset for name, preset in PRESETS.items() if part in name]
    if not chosen:
        raise InputError(f"no preset has {part!r} in its name")
    width = max(len(preset.name) for preset in chosen)
    print(f"{'preset':{width}}  joints   input    parameters  multiply-adds")
    for preset in chosen:
        height, across = preset.input_size
        print(
            f"{preset.name:{width}}  {preset.skeleton:6}  {height}x{across}  "
            f"{preset.parameters / 1e6:8.2f} M  {preset.multiply_adds / 1e9:11.2f} G"
        )
