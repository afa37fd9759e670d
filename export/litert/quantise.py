"""Quantised forms of a `.tflite` file, operator by operator, by `ai-edge-quantizer`."""

import contextlib
import io
import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_quantizer import calibrator, qtyping, quantizer, recipe_manager
from ai_edge_quantizer.algorithm_manager import AlgorithmName
from ai_edge_quantizer.utils import qsv_utils

from export.litert.sharing import share_weights
from export.model import EVERYTHING, EXACT_SCOPE, Arrays, ExportedModel
from tfpose.errors import InputError

__all__ = ["FORMS", "quantise"]

FORMS = ("none", "fp16", "dynamic", "int8")
"""What `quantise` makes: float32 as it came; weights float16; weights int8, sums of
layers in int8 by ranges found on the way; weights and activations int8."""

_EVERY = qtyping.TFLOperationName.ALL_SUPPORTED


def quantise(
    model: ExportedModel,
    floating: bytes,
    form: str,
    calibration: Sequence[Arrays] = (),
    keep_float: Sequence[str] = (),
) -> bytes:
    """A quantised form of a float file.

    What was made under `export.model.exact` and the operators that make outputs stay
    in float, as does what a signature's `kept` says, and inputs and outputs keep their
    types. So neither coordinates nor scores are ever cut into 256 steps, and each
    output has its own range.

    Args:
        model: what was converted; says for each signature what is `kept` and `varied`.
        floating: the file that `export.litert.convert` made of it.
        form: one of `FORMS`.
        calibration: for int8: what inputs look like, each a dict of arrays with a
            batch of one, which all signatures run on that do not compute in float
            alone; inputs that it has not are those of the signature's example. The
            range of a tensor is from the least to the greatest value that it ever has.
        keep_float: regular expressions; operators of which one is found in the name
            stay in float. Of several signatures, names begin with the signature's.

    Raises:
        InputError: an unknown form, nothing to calibrate with, or an expression that
            is none.
    """
    if form not in FORMS:
        raise InputError(f"quantise is {form!r}, expected one of {FORMS}")
    if form == "none":
        return floating
    recipe = _recipe(model, floating, form, keep_float)
    if form == "int8" and not calibration:
        raise InputError("calibration: no samples; int8 needs some, of real inputs")
    with _silence():
        ranges = None
        if form == "int8":
            ranges = _ranges(model, floating, recipe, calibration)
        worker = quantizer.Quantizer(
            bytearray(floating), recipe.get_quantization_recipe()
        )
        result = worker.quantize(ranges, enable_progress_report=False)
    return share_weights(bytes(result.quantized_model))


def _recipe(
    model: ExportedModel, floating: bytes, form: str, keep_float: Sequence[str]
) -> recipe_manager.RecipeManager:
    """What becomes of each operator; later rules take precedence."""
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
        for expression in _expressions(model, "varied"):
            _leave(recipe, expression)
            # In words of its own: the recipe has one rule for an expression.
            _fix_no_range(recipe, f"(?:{expression})")
    kept = [*_expressions(model, "kept"), *keep_float]
    for expression in [*_exact_operators(floating), *kept]:
        _leave(recipe, expression)
    for end in (qtyping.TFLOperationName.INPUT, qtyping.TFLOperationName.OUTPUT):
        _leave(recipe, ".*", end)
    return recipe


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keeps off stderr: progress bars, and that signatures share a quantised weight."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)


def _expressions(model: ExportedModel, which: str) -> Iterator[str]:
    """What the signatures say, each of its own operators alone."""
    for name, signature in model.signatures.items():
        for expression in getattr(signature, which):
            if len(model.signatures) == 1:
                yield expression
            else:
                yield f"^(?={name}/).*(?:{expression})"


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


def _exact_operators(floating: bytes) -> list[str]:
    """Expressions that find what computes coordinates, and what makes outputs."""
    content = schema.Model.GetRootAs(floating)
    graphs = [content.Subgraphs(i) for i in range(content.SubgraphsLength())]
    outputs = [
        graph.Tensors(graph.Outputs(i)).Name().decode()
        for graph in graphs
        for i in range(graph.OutputsLength())
    ]
    return [f"(^|[/;]){EXACT_SCOPE}(_[0-9]+)?/", *map(re.escape, outputs)]


def _ranges(
    model: ExportedModel,
    floating: bytes,
    recipe: recipe_manager.RecipeManager,
    calibration: Sequence[Arrays],
) -> dict[str, Any]:
    samples: dict[str, list[dict[str, np.ndarray]]] = {
        name: [signature.completed(row) for row in calibration]
        for name, signature in model.signatures.items()
        if EVERYTHING not in signature.kept
    }
    with warnings.catch_warnings():
        # That tensors are kept for debugging, which is what this is for.
        warnings.simplefilter("ignore", UserWarning)
        # Not the quantiser's default, a moving average, which cuts off rare peaks.
        observer = calibrator.Calibrator(
            floating, num_threads=1, qsv_update_func=qsv_utils.min_max_update
        )
        observer.calibrate(samples, recipe)
    return observer.get_model_qsvs()
