"""Running `.tflite` files in tests."""

import numpy as np
from ai_edge_litert.interpreter import Interpreter

__all__ = ["run_rows"]


def run_rows(file: bytes, signature: str, **inputs: np.ndarray) -> dict:
    """Outputs of a signature for N rows of inputs, one by one."""
    runner = Interpreter(model_content=file).get_signature_runner(signature)
    found = [
        runner(**{name: values[i : i + 1] for name, values in inputs.items()})
        for i in range(len(next(iter(inputs.values()))))
    ]
    return {name: np.concatenate([one[name] for one in found]) for name in found[0]}
