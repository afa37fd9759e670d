"""Models that commands are given."""

from collections.abc import Callable, Iterable
from typing import Any

import keras
import tensorflow as tf

from tfpose.adaptation import AdaptedModel
from tfpose.adapters import build_adapter
from tfpose.cli.refined_lifter import RefinedLifter
from tfpose.cli.two_stage import TwoStagePredictor
from tfpose.errors import InputError
from tfpose.lifters.pose_lifter import AdaptingLifter, PoseLifter
from tfpose.logocap.centre_net import CentreNet
from tfpose.logocap.pose_scorer import PoseScorer
from tfpose.logocap.predictor import CentrePredictor
from tfpose.predictors import Predictor
from tfpose.top_down.pose_net import PoseNet
from tfpose.top_down.predictor import (
    AdaptingTopDownPredictor,
    Locate,
    TopDownPredictor,
)
from tfpose.weights.keras_file import load_keras

__all__ = ["PREDICTORS", "load_lifter", "load_predictor", "load_shipped", "with_finder"]


def load_shipped(boxes: bool, adapt: str = "") -> Predictor:
    """What is used where nobody names a net: the nets that ship with the package.

    Args:
        boxes: whether somebody says where people are. Otherwise `tfpose_crowd` finds
            them, and `tfpose_person` looks into the boxes of whom it has found.
        adapt: as of `load_predictor`, of `tfpose_person`.

    Raises:
        InputError: it cannot be adapted so.
    """
    poser = load_predictor("", adapt)
    return poser if boxes else with_finder(poser)


def with_finder(poser: Predictor) -> Predictor:
    """Everybody whom `tfpose_crowd` finds, looked at by what looks into boxes."""
    return TwoStagePredictor(load_predictor("tfpose_crowd"), poser)


def load_predictor(path: str, adapt: str = "", **choices: Any) -> Predictor:
    """A pose net, ready to use.

    Args:
        path: its file, address or name, see `tfpose.weights.keras_file.load_keras`;
            empty for `tfpose_person`, which ships with the package.
        adapt: see `tfpose.adapters.parse_adaptation`; empty for none.
        **choices: the predictor's own, such as `decoder`; None leaves one to the net.

    Raises:
        InputError: no such file, no model, no pose net, one that cannot be adapted so,
            or a choice that it does not have; names the file.
    """
    path = path or "tfpose_person"
    net = load_keras(path)
    choices = {name: value for name, value in choices.items() if value is not None}
    try:
        for kind, make in PREDICTORS.items():
            if isinstance(net, kind):
                return make(net, _adapted(net, adapt), **choices)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    raise InputError(f"{path}: model: expected a pose net, got a {type(net).__name__}")


def load_lifter(
    path: str, flip_test: bool = True, adapt: str = "", refine: str = ""
) -> PoseLifter:
    """The lifter in a `.keras` file, ready to use.

    Args:
        path: the file.
        flip_test: average over pose and mirrored pose; with `adapt` it is an option of
            the method.
        adapt: see `tfpose.adapters.parse_adaptation`; empty for none.
        refine: one of `tfpose.cli.refined_lifter.REFINEMENTS`; empty for none; not
            with `adapt`.

    Raises:
        InputError: no such file, no model, no lifter, or one that cannot be adapted
            or refined so; names the file.
    """
    net = load_keras(path)
    try:
        if adapt:
            adapter = build_adapter(net, adapt)
            return AdaptingLifter(net, AdaptedModel(adapter, net.variables, _xla))
        if refine:
            return RefinedLifter(net, refine, flip_test)
        return PoseLifter(net, flip_test)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _top_down(
    net: PoseNet, adapted: AdaptedModel | None, **choices: Any
) -> TopDownPredictor:
    names = ("level", "short_side", "pose_scorer")
    _refuse(choices, names, "the model looks into boxes")
    if adapted is None:
        return TopDownPredictor(net, compiler=_compiled, **choices)
    choices.pop("flip_test", None)
    _refuse(choices, ("decoder", "flip_shift"), "adaptation decodes by itself")
    return AdaptingTopDownPredictor(net, adapted, **choices)


def _centres(
    net: CentreNet, adapted: AdaptedModel | None, **choices: Any
) -> CentrePredictor:
    names = ("alignment", "decoder", "flip_shift")
    _refuse(choices, names, "the model finds people by itself")
    scorer = choices.get("pose_scorer")
    if scorer is not None:
        choices["pose_scorer"] = load_keras(scorer)
        if not isinstance(choices["pose_scorer"], PoseScorer):
            raise InputError(f"pose_scorer: {scorer} is not one, see `tfpose presets`")
    return CentrePredictor(net, compiler=tf.function(autograph=False), **choices)


def _refuse(choices: dict[str, Any], names: Iterable[str], reason: str) -> None:
    for name in names:
        if name in choices:
            raise InputError(f"{name} is given, but {reason}")


PREDICTORS = {PoseNet: _top_down, CentreNet: _centres}
"""Makes a predictor of a net by what the net is: takes the net, what adapts it or
None, and the choices that were made."""


def _compiled(locate: Locate, shape: tuple[int | None, ...]) -> Locate:
    return tf.function(locate, input_signature=[tf.TensorSpec(shape, tf.uint8)])


def _adapted(net: keras.Model, text: str) -> AdaptedModel | None:
    if not text:
        return None
    return AdaptedModel(build_adapter(net, text), net.variables, tf.function)


def _xla(step: Callable) -> Callable:
    # A step is thousands of small operations, which XLA fuses.
    return tf.function(step, autograph=False, jit_compile=True)
