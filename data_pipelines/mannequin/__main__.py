"""Draws a mannequin dataset: `python -m data_pipelines.mannequin --out=DIR`."""

import re
import sys

from absl import flags

from data_pipelines.mannequin.scenarios import SCENARIOS
from data_pipelines.mannequin.write import write_dataset
from tfpose.errors import InputError

_FLAGS = flags.FlagValues()
flags.DEFINE_string("out", None, "Folder of the dataset.", flag_values=_FLAGS)
flags.DEFINE_integer("count", 1000, "Number of pictures.", flag_values=_FLAGS)
flags.DEFINE_string("scenario", "studio", f"One of {', '.join(SCENARIOS)}.",
                    flag_values=_FLAGS)  # fmt: skip
flags.DEFINE_integer("seed", 0, "Other seeds draw other people.", flag_values=_FLAGS)
flags.DEFINE_string("people", "1", "People in a picture: 2, or 1-5.",
                    flag_values=_FLAGS)  # fmt: skip
flags.DEFINE_string("image_size", "256x192", "Height x width, pixels.",
                    flag_values=_FLAGS)  # fmt: skip
flags.DEFINE_string("split", "train", "Name of the json.", flag_values=_FLAGS)
flags.DEFINE_integer("workers", None, "Processes; all cores unless told.",
                     flag_values=_FLAGS)  # fmt: skip
flags.DEFINE_bool("help", False, "Shows this.", flag_values=_FLAGS)


def _pair(name: str, text: str, separator: str) -> tuple[int, int]:
    found = re.fullmatch(rf"(\d+)(?:{separator}(\d+))?", text)
    if not found:
        like = _FLAGS[name].default
        raise InputError(f"--{name}: found {text!r}, expected something like {like}")
    return int(found[1]), int(found[2] or found[1])


def main(argv: list[str]) -> int:
    """Runs the command line `argv`; returns the exit code."""
    try:
        rest = _FLAGS(argv)[1:]
        if _FLAGS.help:
            print(f"{__doc__}\n{_FLAGS.get_help()}")
            return 0
        if rest:
            raise InputError(f"found {rest[0]!r}, expected only --flags (see --help)")
        if not _FLAGS.out:
            raise InputError("--out: missing, expected the dataset's folder")
        write_dataset(
            _FLAGS.out, _FLAGS.scenario, _FLAGS.count, _FLAGS.seed,
            _pair("image_size", _FLAGS.image_size, "x"),
            _pair("people", _FLAGS.people, "-"), _FLAGS.split, _FLAGS.workers,
        )  # fmt: skip
    except (InputError, flags.Error) as error:
        print(f"error: {str(error).splitlines()[0]}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
