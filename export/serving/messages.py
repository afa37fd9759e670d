"""What TF Serving reads: requests, warm-up files and lists of models."""

import pathlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.framework import tensor_pb2

from tfpose.errors import InputError
from tfpose.parts import need

need("tensorflow_serving")
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2  # noqa: E402
from tensorflow_serving.config import model_server_config_pb2  # noqa: E402

__all__ = [
    "WARMUP_FILE",
    "named_arrays",
    "predict_request",
    "read_warmup",
    "with_model",
    "write_warmup",
]

WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"
# More are refused by the server.
_MOST_REQUESTS = 1000


def predict_request(
    model: str,
    inputs: Mapping[str, np.ndarray],
    version: int | None = None,
    signature: str = "",
) -> predict_pb2.PredictRequest:
    """The message that asks a model for its outputs.

    Args:
        model: name of the model on the server.
        inputs: array of each input, the batch first; of bytes for strings.
        version: of the model; None for the newest.
        signature: of the model; if empty, the server takes `serving_default`.
    """
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    if version is not None:
        request.model_spec.version.value = version
    for name, values in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
    return request


def named_arrays(
    tensors: Mapping[str, tensor_pb2.TensorProto],
) -> dict[str, np.ndarray]:
    """Arrays of a request's inputs or of a response's outputs."""
    return {name: tf.make_ndarray(tensor) for name, tensor in tensors.items()}


def write_warmup(
    path: pathlib.Path, requests: Sequence[predict_pb2.PredictRequest]
) -> None:
    """Writes requests that the server answers to itself before it is ready.

    Raises:
        InputError: more than the server takes.
    """
    if len(requests) > _MOST_REQUESTS:
        raise InputError(
            f"{path}: {len(requests)} warm-up requests, expected at most "
            f"{_MOST_REQUESTS}"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for request in requests:
            log = prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=request)
            )
            writer.write(log.SerializeToString())


def read_warmup(path: pathlib.Path) -> Iterable[predict_pb2.PredictRequest]:
    """The requests in a file that `write_warmup` wrote."""
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record)
        yield log.predict_log.request


def with_model(config: str, name: str, base_path: str) -> str:
    """A `models.config` with a model in it, in place of an earlier one of its name.

    Args:
        config: text of the file so far; may be empty.
        name: of the model.
        base_path: where the server finds the model's versions.

    Raises:
        InputError: `config` is no list of models.
    """
    content = model_server_config_pb2.ModelServerConfig()
    try:
        text_format.Parse(config, content)
    except text_format.ParseError as error:
        raise InputError(f"models.config: expected a list of models: {error}") from None
    others = [one for one in content.model_config_list.config if one.name != name]
    del content.model_config_list.config[:]
    content.model_config_list.config.extend(others)
    content.model_config_list.config.add(
        name=name, base_path=base_path, model_platform="tensorflow"
    )
    return text_format.MessageToString(content)
