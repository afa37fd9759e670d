"""The methods that adapt a model at inference, by name, and the options of each."""

import dataclasses
import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tfpose.adaptation import Adapter
from tfpose.errors import InputError
from tfpose.iso.options import MODES, ISOOptions
from tfpose.metta.options import MeTTAOptions

__all__ = [
    "ADAPTATIONS",
    "Adaptation",
    "ChosenAdaptation",
    "adaptation_names",
    "build_adapter",
    "parse_adaptation",
]


@dataclasses.dataclass(frozen=True)
class _NoOptions:
    """Of a method that has none."""


@dataclasses.dataclass(frozen=True)
class Adaptation:
    """One method.

    Attributes:
        of_lifters: whether it adapts lifters; otherwise it adapts pose nets.
        build: makes the adapter of a Keras model and of `options`. Raises InputError
            for a model that it cannot adapt. Imports its method when it is called, so
            that the names can be listed without TensorFlow.
        options: a frozen dataclass of numbers, yes or no, and texts, each with a
            default. Raises InputError for a value out of range.
        modes: named changes of the defaults.
    """

    of_lifters: bool
    build: Callable[[Any, Any], Adapter]
    options: type = _NoOptions
    modes: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class ChosenAdaptation:
    """A method with options, as a command was given them.

    Attributes:
        name: the method's.
        method: its row of `ADAPTATIONS`.
        options: an instance of `method.options`.
    """

    name: str
    method: Adaptation
    options: Any


def _iso(net: Any, options: ISOOptions) -> Adapter:
    from tfpose.iso.adapt import ISOAdapter

    return ISOAdapter(net, options)


def _metta(net: Any, options: MeTTAOptions) -> Adapter:
    from tfpose.metta.adapt import MeTTAAdapter

    return MeTTAAdapter(net, options)


ADAPTATIONS: dict[str, Adaptation] = {
    "iso": Adaptation(True, _iso, ISOOptions, MODES),
    "metta": Adaptation(False, _metta, MeTTAOptions),
}
"""A method is one row. Commands have no `--adapt` while there is none for them."""


def adaptation_names(of_lifters: bool) -> list[str]:
    """The methods for lifters, or for pose nets."""
    return [name for name, a in ADAPTATIONS.items() if a.of_lifters == of_lifters]


def parse_adaptation(text: str) -> ChosenAdaptation:
    """The method and options that a text names; nothing is built.

    Args:
        text: a key of `ADAPTATIONS`, then options by commas: `iso`,
            `iso,mode=vanilla,steps=5`. `mode` is one of the method's modes; other
            options change it.

    Raises:
        InputError: no such method, mode or option, no such value, or an option that is
            given twice.
    """
    name, *parts = [part.strip() for part in text.split(",")]
    _known(name, list(ADAPTATIONS), "adapt", "method")
    method = ADAPTATIONS[name]
    given: dict[str, str] = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals or not value:
            raise InputError(f"adapt: {name}: expected option=value, got {part!r}")
        if key in given:
            raise InputError(f"adapt: {name}: {key} is given twice")
        given[key] = value
    chosen: dict[str, Any] = {}
    if method.modes and "mode" in given:
        mode = given.pop("mode")
        _known(mode, list(method.modes), f"adapt: {name}", "mode")
        chosen |= method.modes[mode]
    defaults = {f.name: f.default for f in dataclasses.fields(method.options)}
    for key, value in given.items():
        options = ["mode"] * bool(method.modes) + list(defaults)
        _known(key, options, f"adapt: {name}", "option")
        chosen[key] = _value(value, defaults[key], f"adapt: {name}: {key}")
    try:
        return ChosenAdaptation(name, method, method.options(**chosen))
    except InputError as error:
        raise InputError(f"adapt: {name}: {error}") from None


def build_adapter(net: Any, text: str) -> Adapter:
    """The adapter that a text names, for a net.

    Args:
        net: a Keras model; it is called, not changed.
        text: see `parse_adaptation`.

    Raises:
        InputError: as `parse_adaptation`, or a net that cannot be adapted so.
    """
    chosen = parse_adaptation(text)
    return chosen.method.build(net, chosen.options)


def _known(name: str, names: Sequence[str], where: str, what: str) -> None:
    if name in names:
        return
    near = difflib.get_close_matches(name, names, 1)
    hint = f"did you mean {near[0]!r}?" if near else ""
    expected = (
        hint or f"expected one of {', '.join(names)}" if names else "there is none"
    )
    raise InputError(f"{where}: no {what} {name!r}; {expected}")


def _value(text: str, default: Any, where: str) -> Any:
    """A text as a value of the default's kind."""
    if isinstance(default, str):
        return text
    if isinstance(default, bool):
        if text not in ("true", "false"):
            raise InputError(f"{where}: expected true or false, got {text!r}")
        return text == "true"
    kind = "a whole number" if isinstance(default, int) else "a number"
    try:
        value = type(default)(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{where}: expected {kind}, got {text!r}")
    return value
