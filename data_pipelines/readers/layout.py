"""Files that a dataset's folder must hold, and what is said of one that it lacks."""

import os

from tfpose.errors import InputError

__all__ = ["NotThere", "expect_path"]


class NotThere(InputError):
    """A file or folder that a reader needs is absent."""


def expect_path(folder: str | os.PathLike, name: str) -> str:
    """The path of `name` in `folder`.

    Raises:
        NotThere: nothing is there; says what else is in the folder. The
            table of data sets (`data_pipelines/readers/datasets.py`) adds what this one
            expects.
    """
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        found = ", ".join(sorted(os.listdir(folder))[:8]) or "nothing"
        raise NotThere(f"{path}: not there; found {found}")
    return path
