"""`python -m tfpose presets`: published weights and nets by name."""

from collections.abc import Sequence

from tfpose.errors import InputError
from tfpose.weights.dekr import DEKR_PRESETS
from tfpose.weights.lifters import LIFTER_PRESETS
from tfpose.weights.lite import LITE_PRESETS
from tfpose.weights.logocap import LOGOCAP_PRESETS
from tfpose.weights.pose_scorers import SCORER_PRESETS
from tfpose.weights.presets import PRESETS
from tfpose.weights.published import PUBLISHED, Published
from tfpose.weights.shipped import SHIPPED

__all__ = ["presets"]


def presets(part: str = "") -> None:
    """Prints tables of nets by name: those that ship, those that `--model` downloads,
    and those that `import_weights` fills: pose nets, those that need no boxes, what
    scores their poses, backbones alone, lifters.

    Args:
        part: only those with this in their names; all if empty.

    Raises:
        InputError: there is none.
    """
    shipped = {name: path for name, path in SHIPPED.items() if part in name}
    published = [one for name, one in PUBLISHED.items() if part in name]
    nets = [preset for name, preset in PRESETS.items() if part in name]
    lifters = [preset for name, preset in LIFTER_PRESETS.items() if part in name]
    boxless = [
        preset
        for name, preset in {**LOGOCAP_PRESETS, **DEKR_PRESETS}.items()
        if part in name
    ]
    scorers = [preset for name, preset in SCORER_PRESETS.items() if part in name]
    backbones = {name: size for name, size in LITE_PRESETS.items() if part in name}
    known = (shipped, published, nets, lifters, boxless, scorers, backbones)
    if not any(known):
        raise InputError(f"no preset has {part!r} in its name")
    names = [*shipped, *(one.name for one in published)]
    names += [preset.name for preset in nets]
    names += [net.name for net in boxless] + [scorer.name for scorer in scorers]
    names += [*backbones, *(lifter.name for lifter in lifters)]
    width = max(map(len, names))
    if shipped:
        print(f"{'ships':{width}}  size    what it was trained on, how well it does")
    for name, path in shipped.items():
        size = path.stat().st_size / 1e6
        print(f"{name:{width}}  {size:.1f} MB  {path.with_suffix('.md')}")
    if published:
        _print_published(published, width)
    if nets:
        print(f"{'preset':{width}}  joints   input    parameters  multiply-adds")
    for preset in nets:
        height, across = preset.input_size
        print(
            f"{preset.name:{width}}  {preset.skeleton:6}  {height}x{across}  "
            f"{preset.parameters / 1e6:8.2f} M  {preset.multiply_adds / 1e9:11.2f} G"
        )
    if boxless:
        print(
            f"{'no boxes':{width}}  joints       short side  parameters  multiply-adds"
        )
    for net in boxless:
        print(
            f"{net.name:{width}}  {net.skeleton:11}  {net.short_side:10}  "
            f"{net.parameters / 1e6:8.2f} M  {net.multiply_adds / 1e9:11.2f} G"
        )
    if scorers:
        print(f"{'pose scorer':{width}}  joints       parameters")
    for scorer in scorers:
        print(
            f"{scorer.name:{width}}  {scorer.skeleton:11}  "
            f"{scorer.parameters / 1e6:8.2f} M"
        )
    if backbones:
        print(f"{'backbone':{width}}  parameters")
    for name, parameters in backbones.items():
        print(f"{name:{width}}  {parameters / 1e6:8.2f} M")
    if lifters:
        print(f"{'lifter':{width}}  joints  parameters  multiply-adds")
    for lifter in lifters:
        print(
            f"{lifter.name:{width}}  {lifter.skeleton:6}  "
            f"{lifter.parameters / 1e6:8.2f} M  {lifter.multiply_adds / 1e6:11.2f} M"
        )


def _print_published(rows: Sequence[Published], width: int) -> None:
    """Names for `--model`, and what one gets."""
    print(f"{'--model=':{width}}  joints   input   download  as published  licence")
    for one in rows:
        height, across = one.net.input_size
        metric = {"coco17": "AP", "mpii16": "PCKh"}[one.net.skeleton]
        accuracy = f"{one.accuracy:.1f} {metric}"
        print(
            f"{one.name:{width}}  {one.net.skeleton:6}  {height}x{across}  "
            f"{one.megabytes:5.0f} MB  {accuracy:>12}  {one.licence}"
        )
    print()
