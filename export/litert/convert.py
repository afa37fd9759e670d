"""Functions to `.tflite` files: conversion and quantisation.

The float file is made once by TensorFlow's converter; quantised forms are made of
that file, operator by operator, by `ai-edge-quantizer`.
"""

import contextlib
import io
import os
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_quantizer import calibrator, qtyping, quantizer, recipe_manager
from ai_edge_quantizer.algorithm_manager import AlgorithmName
from ai_edge_quantizer.utils import qsv_utils

from export.function import EXACT_SCOPE, ExportFunction
from tfpose.errors import InputError

__all__ = [
    "FORMS",
    "SIGNATURE",
    "convert",
    "quantise",
]

FORMS = ("none", "fp16", "dynamic", "int8")
"""What `quantise` makes: float32 as it came; weights float16; weights int8, sums of
layers in int8 by ranges found on the way; weights and activations int8."""

SIGNATURE = "serving_default"

_EVERY = qtyping.TFLOperationName.ALL_SUPPORTED


def convert(function: ExportFunction) -> bytes:
    """The function in float for a batch of one, built-in operators only.

    Raises:
        InputError: the runtime has no such operator; names it and its layer.
    """
    concrete = function.concrete(batch=1)
    # What the function has captured must be tracked by something.
    owner = tf.Module()
    owner.captured = list(concrete.variables)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], owner)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    try:
        with _silence():
            return bytes(converter.convert())
    except Exception as error:
        # The converter's own class has no public name.
        if type(error).__name__ != "ConverterError":
            raise
        raise _refusal(function, error) from None


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keeps pages of the converter's own diagnostics, which it raises too, off stderr.

    They are written by C++, past `sys.stderr`.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _refusal(function: ExportFunction, error: Exception) -> InputError:
    found = []
    for one in getattr(error, "errors", ()):
        if not one.operator.name:
            continue
        calls = [call.name.split("@")[0] for call in one.location.call]
        layer = next((name for name in calls if name), "an unnamed layer")
        found.append(f"{one.operator.name.removeprefix('tf.')} of {layer}")
    if not found:
        found = [str(error).splitlines()[0]]
    return InputError(
        f"{function.name}: LiteRT has no operator {', '.join(dict.fromkeys(found))}; "
        "expected built-in operators only"
    )


def quantise(
    model: bytes,
    form: str,
    calibration: Iterable[dict[str, np.ndarray]] = (),
    keep_float: Sequence[str] = (),
    varied: Sequence[str] = (),
) -> bytes:
    """A quantised form of a float model.

    What was made under `export.function.exact` and the operators that make outputs
    stay in float, and inputs and outputs keep their types. So neither coordinates nor
    scores are ever cut into 256 steps, and each output has its own range.

    Args:
        model: as `convert` made it.
        form: one of `FORMS`.
        calibration: for int8: what inputs look like, each a dict of arrays with a
            batch of one. The range of a tensor is from the least to the greatest
            value that it ever has on them.
        keep_float: regular expressions; operators of which one is found in the name
            stay in float.
        varied: others; in int8 such operators get what `dynamic` would give them. See
            `ExportFunction`.

    Raises:
        InputError: an unknown form, nothing to calibrate with, or an expression that
            is none.
    """
    if form not in FORMS:
        raise InputError(f"quantise is {form!r}, expected one of {FORMS}")
    if form == "none":
        return model
    recipe = recipe_manager.RecipeManager()
    if form == "fp16":
        recipe.add_quantization_config(
            ".*", _EVERY, _half_weights(), AlgorithmName.FLOAT_CASTING
        )
    elif form == "dynamic":
        _fix_no_range(recipe, ".*")
    else:
        recipe.add_static_config(".*", _EVERY, 8, 8)
        # The quantiser forgets that its outputs have the type of its input.
        _leave(recipe, ".*", qtyping.TFLOperationName.UNPACK)
    if form == "int8":
        for expression in varied:
            _leave(recipe, expression)
            # In words of its own: the recipe has one rule for an expression.
            _fix_no_range(recipe, f"(?:{expression})")
    for expression in [*_exact_operators(model), *keep_float]:
        _leave(recipe, expression)
    for end in (qtyping.TFLOperationName.INPUT, qtyping.TFLOperationName.OUTPUT):
        _leave(recipe, ".*", end)
    samples = list(calibration) if form == "int8" else []
    if form == "int8" and not samples:
        raise InputError("calibration: no samples; int8 needs some, of real inputs")
    # The quantiser draws progress bars on stderr.
    with contextlib.redirect_stderr(io.StringIO()):
        ranges = _ranges(model, recipe, samples) if samples else None
        worker = quantizer.Quantizer(bytearray(model), recipe.get_quantization_recipe())
        result = worker.quantize(ranges, enable_progress_report=False)
    return bytes(result.quantized_model)


def _fix_no_range(recipe: recipe_manager.RecipeManager, expression: str) -> None:
    """Weights in int8, values by ranges found on the way."""
    recipe.add_dynamic_config(expression, _EVERY, 8)
    # The runtime has no kernel for it where the weights are the first factor.
    _leave(recipe, expression, qtyping.TFLOperationName.BATCH_MATMUL)


def _leave(
    recipe: recipe_manager.RecipeManager, expression: str, kind: Any = _EVERY
) -> None:
    """Operators of that name are not quantised, whatever was said before."""
    try:
        re.compile(expression)
    except re.error as error:
        raise InputError(f"keep_float: {expression!r}: {error}") from None
    recipe.add_quantization_config(
        expression, kind, algorithm_key=AlgorithmName.NO_QUANTIZE
    )


def _half_weights() -> qtyping.OpQuantizationConfig:
    return qtyping.OpQuantizationConfig(
        weight_tensor_config=qtyping.TensorQuantizationConfig(
            num_bits=16, dtype=qtyping.TensorDataType.FLOAT
        ),
        compute_precision=qtyping.ComputePrecision.FLOAT,
        explicit_dequantize=True,
    )


def _exact_operators(model: bytes) -> list[str]:
    """Expressions that find what computes coordinates, and what makes outputs."""
    graph = schema.Model.GetRootAs(model).Subgraphs(0)
    outputs = [
        graph.Tensors(graph.Outputs(i)).Name().decode()
        for i in range(graph.OutputsLength())
    ]
    return [f"(^|[/;]){EXACT_SCOPE}(_[0-9]+)?/", *map(re.escape, outputs)]


def _ranges(
    model: bytes,
    recipe: recipe_manager.RecipeManager,
    samples: list[dict[str, np.ndarray]],
) -> dict[str, Any]:
    with warnings.catch_warnings():
        # That tensors are kept for debugging, which is what this is for.
        warnings.simplefilter("ignore", UserWarning)
        # Not the quantiser's default, a moving average, which cuts off rare peaks.
        observer = calibrator.Calibrator(
            model, num_threads=1, qsv_update_func=qsv_utils.min_max_update
        )
        observer.calibrate({SIGNATURE: samples}, recipe)
    return observer.get_model_qsvs()
