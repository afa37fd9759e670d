"""Options of a run: a frozen dataclass, the flags made from it, and presets.

Every option is a field made by `option`, so its default, its help and its checks
stand in one line; `--help` shows them all. The paper's values are the defaults.
"""

import dataclasses
import json
import types
from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from absl import flags

from tfpose.errors import InputError

__all__ = [
    "RunConfig",
    "config_from_flags",
    "define_flags",
    "differing_fields",
    "option",
]

# The flags are the program's that asks for them: its `--help` shows them.
flags.disclaim_key_flags()


def option(
    default: Any,
    help: str,
    *,
    choices: tuple[str, ...] = (),
    at_least: float | None = None,
    at_most: float | None = None,
    above: float | None = None,
    changes_result: bool = True,
) -> Any:
    """A dataclass field that is also a command-line flag.

    Args:
        default: a number, string, bool or tuple of them.
        help: one sentence with the unit; printed by `--help`.
        choices: allowed strings; empty for any.
        at_least: smallest allowed number (of each entry, for a tuple).
        at_most: largest allowed number.
        above: number that the value must exceed.
        changes_result: whether another value makes it another run. Where false, a run
            may be resumed with another value.
    """
    metadata = dict(
        help=help,
        choices=choices,
        at_least=at_least,
        at_most=at_most,
        above=above,
        changes_result=changes_result,
    )
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """What every run needs, whatever it trains.

    Raises (all subclasses, on construction):
        InputError: a value is impossible; the message names the field and the bound.
    """

    workdir: str = option(
        "", "Folder of the run; starting again on it resumes.", changes_result=False
    )
    data_dir: str = option("", "Folder of the data set.")
    net: str = option("hrnet_w32", "Network, e.g. hrnet_w32, resnet50, hrnet_small.")
    epochs: int = option(210, "Times that every training sample is seen.", at_least=1)
    batch_size: int = option(128, "Samples per step, over all replicas.", at_least=1)
    learning_rate: float = option(1e-3, "Adam's learning rate at the start.", above=0)
    lr_drop_epochs: tuple[int, ...] = option(
        (170, 200),
        "Epochs (from 1) after which the learning rate is divided by 10.",
        at_least=1,
    )
    warmup_steps: int = option(
        0,
        "Steps in which the learning rate grows from a thousandth to its full value.",
        at_least=0,
    )
    epsilon: float = option(
        1e-8,
        "Adam's epsilon; 1e-8 is PyTorch's default.",
        above=0,
    )
    ema_momentum: float = option(
        0.0,
        "Evaluate and save a moving average of the weights with this momentum, e.g. "
        "0.999; 0 for none.",
        at_least=0,
        at_most=0.999999,
    )
    init_from: str = option(
        "", "A .keras net or backbone to initialise from: all but its last layer."
    )
    seed: int = option(
        0,
        "Decides initial weights, order and augmentation.",
        at_least=0,
        at_most=2**32 - 1,
    )
    strategy: str = option(
        "auto",
        "How the work is spread over devices.",
        choices=("auto", "single", "mirrored", "multi_worker", "tpu"),
        changes_result=False,
    )
    precision: str = option(
        "float32", "Arithmetic of the net.", choices=("float32", "mixed_bfloat16")
    )
    jit_compile: bool = option(False, "Compile the step with XLA (single device).")
    eval_every: int = option(
        1, "Epochs between evaluations; the last is always.", at_least=1
    )
    eval_batch_size: int = option(
        64, "Samples per evaluation step.", at_least=1, changes_result=False
    )
    checkpoint_minutes: float = option(
        5.0, "Longest time between checkpoints.", at_least=0, changes_result=False
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _check(field, getattr(self, field.name))

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values (tuples become lists)."""
        return json.loads(json.dumps(dataclasses.asdict(self)))


def _check(field: dataclasses.Field, value: Any) -> None:
    rules = field.metadata
    if rules["choices"] and value not in rules["choices"]:
        allowed = ", ".join(rules["choices"])
        raise InputError(f"{field.name}: expected one of {allowed}, got {value!r}")
    for number in value if isinstance(value, tuple) else (value,):
        if isinstance(number, str | bool):
            continue
        if not number == number or abs(number) == float("inf"):
            raise InputError(f"{field.name}: expected a finite number, got {number}")
        if rules["at_least"] is not None and number < rules["at_least"]:
            raise InputError(
                f"{field.name}: expected at least {rules['at_least']}, got {number}"
            )
        if rules["at_most"] is not None and number > rules["at_most"]:
            raise InputError(
                f"{field.name}: expected at most {rules['at_most']}, got {number}"
            )
        if rules["above"] is not None and number <= rules["above"]:
            raise InputError(
                f"{field.name}: expected above {rules['above']}, got {number}"
            )


ConfigT = TypeVar("ConfigT", bound=RunConfig)


def define_flags(config: type[RunConfig], presets: Mapping[str, RunConfig]) -> None:
    """Defines `--preset` and one flag per field of the config class.

    A flag that is not given has the preset's value; without `--preset` that is the
    first of the presets. `--help` of the program lists them all.
    """
    names = list(presets)
    flags.DEFINE_enum("preset", names[0], names, "Named values of all options.")
    hints = get_type_hints(config)
    for field in dataclasses.fields(config):
        note = f"{field.metadata['help']} Default: {field.default!r}."
        kind = hints[field.name]
        if get_origin(kind) is tuple:
            flags.DEFINE_list(field.name, None, note + " Comma-separated.")
        elif kind is bool:
            flags.DEFINE_bool(field.name, None, note)
        elif field.metadata["choices"]:
            flags.DEFINE_enum(field.name, None, list(field.metadata["choices"]), note)
        else:
            define = {
                int: flags.DEFINE_integer,
                float: flags.DEFINE_float,
                str: flags.DEFINE_string,
            }
            define[kind](field.name, None, note)


def config_from_flags(config: type[ConfigT], presets: Mapping[str, ConfigT]) -> ConfigT:
    """The chosen preset with the given flags put in.

    Raises:
        InputError: an impossible value; names the field.
    """
    hints = get_type_hints(config)
    given: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value = flags.FLAGS[field.name].value
        if value is None:
            continue
        kind = hints[field.name]
        given[field.name] = (
            _tuple(field.name, value, kind) if get_origin(kind) is tuple else value
        )
    return dataclasses.replace(presets[flags.FLAGS.preset], **given)


def _tuple(name: str, values: list[str], kind: types.GenericAlias) -> tuple:
    entry = get_args(kind)[0]
    try:
        return tuple(entry(value) for value in values if value != "")
    except ValueError:
        raise InputError(
            f"{name}: expected comma-separated {entry.__name__} values, "
            f"got {','.join(values)!r}"
        ) from None


def differing_fields(config: RunConfig, saved: Mapping[str, Any]) -> list[str]:
    """Fields that make `config` another run than the saved, as `name: old -> new`."""
    current = config.to_json()
    lasting = {
        f.name for f in dataclasses.fields(config) if f.metadata["changes_result"]
    }
    names = sorted((lasting & set(current)) | (set(saved) - set(current)))
    return [
        f"{name}: {saved.get(name)!r} -> {current.get(name)!r}"
        for name in names
        if saved.get(name) != current.get(name)
    ]
