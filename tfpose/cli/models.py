"""Models that commands are given."""

from tfpose.errors import InputError
from tfpose.top_down.estimator import PoseEstimator
from tfpose.weights.keras_file import load_keras

__all__ = ["load_estimator"]


def load_estimator(path: str, flip_test: bool = True) -> PoseEstimator:
    """The pose net in a `.keras` file, ready to use.

    Raises:
      InputError: no such file, no model, or no pose net; names the file.
    """
    net = load_keras(path)
    try:
        return PoseEstimator(net, flip_test)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
