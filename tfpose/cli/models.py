"""Models that commands are given."""

import pathlib
from typing import Any

import tfpose
from tfpose.errors import InputError
from tfpose.lifters.estimator import PoseLifter
from tfpose.top_down.estimator import PoseEstimator
from tfpose.weights.keras_file import load_keras

__all__ = ["DEFAULT_NET", "load_estimator", "load_lifter"]

# What it was trained on and how well it does: default.md beside it.
DEFAULT_NET = pathlib.Path(tfpose.__file__).parent / "weights" / "default.keras"


def load_estimator(path: str, flip_test: bool = True, **choices: Any) -> PoseEstimator:
    """The pose net in a `.keras` file, ready to use.

    Args:
      path: the file; empty for the net that ships with the package.
      flip_test: average over image and mirrored image.
      **choices: `PoseEstimator`'s further ones.

    Raises:
      InputError: no such file, no model, or no pose net; names the file.
    """
    path = path or str(DEFAULT_NET)
    net = load_keras(path)
    try:
        return PoseEstimator(net, flip_test, **choices)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def load_lifter(path: str, flip_test: bool = True) -> PoseLifter:
    """The lifter in a `.keras` file, ready to use.

    Args:
      path: the file.
      flip_test: average over pose and mirrored pose.

    Raises:
      InputError: no such file, no model, or no lifter; names the file.
    """
    net = load_keras(path)
    try:
        return PoseLifter(net, flip_test)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
