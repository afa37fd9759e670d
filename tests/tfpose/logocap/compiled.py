"""What a net says when it is compiled with XLA, and as a `.tflite`."""

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

__all__ = ["litert_answer", "xla_answer"]


def xla_answer(net, pixels: np.ndarray) -> list[np.ndarray]:
    """Poses and scores of a `CentreNet` compiled with XLA."""
    compiled = tf.function(lambda x: net(x), jit_compile=True, autograph=False)
    return [np.asarray(part) for part in compiled(tf.constant(pixels))]


def litert_answer(net, pixels: np.ndarray) -> list[np.ndarray]:
    """Poses and scores of a `CentreNet` converted with built-in operators only."""
    spec = tf.TensorSpec(pixels.shape, pixels.dtype)
    traced = tf.function(lambda x: net(x), input_signature=[spec], autograph=False)
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [traced.get_concrete_function()], net
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    interpreter = Interpreter(model_content=converter.convert())
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels)
    interpreter.invoke()
    outputs = interpreter.get_output_details()
    found = [interpreter.get_tensor(output["index"]) for output in outputs]
    return sorted(found, key=np.ndim, reverse=True)
