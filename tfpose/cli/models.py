"""Models that commands are given."""

from typing import Any

from tfpose.errors import InputError
from tfpose.top_down.estimator import PoseEstimator
from tfpose.weights.keras_file import load_keras

__all__ = ["load_estimator"]


def load_estimator(path: str, flip_test: bool = True, **choices: Any) -> PoseEstimator:
    """The pose net in a `.keras` file, ready to use.

    Args:
      path: the file.
      flip_test: average over image and mirrored image.
      **choices: `PoseEstimator`'s further ones.

    Raises:
      InputError: no such file, no model, or no pose net; names the file.
    """
    net = load_keras(path)
    try:
        return PoseEstimator(net, flip_test, **choices)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
