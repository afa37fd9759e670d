"""A process with TensorFlow alone, which answers requests by a SavedModel.

    python stock_tensorflow.py FOLDER REQUESTS ANSWERS.npz

Neither Keras nor this project can be imported in it. REQUESTS is a warm-up file. Each
request is answered in two ways: by `tf.saved_model.load`, and by the C++ function that
TF Serving loads models with (`LoadSavedModel`, through TensorFlow's C interface), into
`<request>/<way>/<output>` of the answers.
"""

import ctypes
import sys

if __name__ == "__main__":
    for name in ("keras", "tfpose", "export", "data_pipelines"):
        sys.modules[name] = None

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from tensorflow.core.protobuf import meta_graph_pb2  # noqa: E402
from tensorflow_serving.apis import prediction_log_pb2  # noqa: E402

__all__ = ["Session", "main"]


class _Buffer(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
        ("free", ctypes.c_void_p),
    ]


class _Output(ctypes.Structure):
    _fields_ = [("operation", ctypes.c_void_p), ("index", ctypes.c_int)]


_STRING_SIZE = 24


class Session:
    """A SavedModel loaded by `LoadSavedModel` of TensorFlow's C++ library."""

    def __init__(self, folder: str, tag: str = "serve"):
        self._library = ctypes.CDLL(f"{tf.sysconfig.get_lib()}/libtensorflow_cc.so.2")
        new = "NewStatus NewGraph NewSessionOptions NewBuffer".split()
        pointers = "LoadSessionFromSavedModel GraphOperationByName AllocateTensor"
        for function in [*new, *pointers.split(), "TensorData"]:
            self._call(function).restype = ctypes.c_void_p
        self._call("Message").restype = ctypes.c_char_p
        self._call("Dim").restype = ctypes.c_int64
        self._status = self._pointer("NewStatus")
        self._graph = self._pointer("NewGraph")
        content = self._pointer("NewBuffer")
        self._session = self._pointer(
            "LoadSessionFromSavedModel",
            self._pointer("NewSessionOptions"),
            None,
            folder.encode(),
            (ctypes.c_char_p * 1)(tag.encode()),
            1,
            self._graph,
            content,
            self._status,
        )
        self._check()
        buffer = _Buffer.from_address(content.value)
        self._signatures = meta_graph_pb2.MetaGraphDef.FromString(
            ctypes.string_at(buffer.data, buffer.length)
        ).signature_def

    def run(self, inputs: dict, signature: str = "serving_default") -> dict:
        """The signature's outputs, all of them numbers."""
        chosen = self._signatures[signature]
        fed = [self._place(chosen.inputs[name].name) for name in inputs]
        tensors = [self._tensor(values).value for values in inputs.values()]
        names = list(chosen.outputs)
        wanted = [self._place(chosen.outputs[name].name) for name in names]
        found = (ctypes.c_void_p * len(wanted))()
        self._call("SessionRun")(
            self._session,
            None,
            (_Output * len(fed))(*fed),
            (ctypes.c_void_p * len(tensors))(*tensors),
            len(fed),
            (_Output * len(wanted))(*wanted),
            found,
            len(wanted),
            None,
            0,
            None,
            self._status,
        )
        self._check()
        return {
            name: self._array(ctypes.c_void_p(tensor))
            for name, tensor in zip(names, found, strict=True)
        }

    def _call(self, function: str):
        return getattr(self._library, f"TF_{function}")

    def _pointer(self, function: str, *arguments) -> ctypes.c_void_p:
        return ctypes.c_void_p(self._call(function)(*arguments))

    def _check(self) -> None:
        if self._call("GetCode")(self._status):
            raise ValueError(self._call("Message")(self._status).decode())

    def _place(self, name: str) -> _Output:
        operation, index = name.split(":")
        found = self._call("GraphOperationByName")(self._graph, operation.encode())
        return _Output(found, int(index))

    def _tensor(self, values: np.ndarray) -> ctypes.c_void_p:
        dtype = tf.as_dtype(values.dtype)
        is_text = dtype == tf.string
        size = values.size * (_STRING_SIZE if is_text else values.itemsize)
        tensor = self._pointer(
            "AllocateTensor",
            dtype.as_datatype_enum,
            (ctypes.c_int64 * values.ndim)(*values.shape),
            values.ndim,
            ctypes.c_size_t(size),
        )
        data = self._call("TensorData")(tensor)
        if not is_text:
            ctypes.memmove(data, np.ascontiguousarray(values).ctypes.data, size)
            return tensor
        for row, text in enumerate(values.ravel()):
            place = ctypes.c_void_p(data + row * _STRING_SIZE)
            self._call("StringInit")(place)
            self._call("StringCopy")(place, text, ctypes.c_size_t(len(text)))
        return tensor

    def _array(self, tensor: ctypes.c_void_p) -> np.ndarray:
        sides = range(self._call("NumDims")(tensor))
        shape = [self._call("Dim")(tensor, side) for side in sides]
        dtype = tf.as_dtype(self._call("TensorType")(tensor)).as_numpy_dtype
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        data = ctypes.string_at(self._call("TensorData")(tensor), size)
        return np.frombuffer(data, dtype).reshape(shape)


def main(folder: str, requests: str, answers: str) -> None:
    """Answers the requests."""
    signatures = tf.saved_model.load(folder, tags=["serve"]).signatures
    session = Session(folder)
    found = {}
    for row, record in enumerate(tf.data.TFRecordDataset(requests)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        request = log.predict_log.request
        name = request.model_spec.signature_name or "serving_default"
        inputs = {k: tf.make_ndarray(v) for k, v in request.inputs.items()}
        tensors = {k: tf.constant(v) for k, v in inputs.items()}
        for key, value in signatures[name](**tensors).items():
            found[f"{row}/python/{key}"] = value.numpy()
        for key, value in session.run(inputs, name).items():
            found[f"{row}/cpp/{key}"] = value
    np.savez(answers, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
