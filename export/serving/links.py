"""Ways to a model on TF Serving: one request over REST or gRPC, and its errors."""

import base64
import contextlib
import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np

__all__ = ["GrpcLink", "Input", "Link", "RestLink", "ServingError"]


Input = tuple[tuple[int, ...], np.dtype[Any]]

_DTYPES = {"DT_FLOAT": "float32", "DT_INT32": "int32", "DT_BOOL": "bool"}


class ServingError(RuntimeError):
    """The server was not there, took too long, or refused; one line says which."""


class Link(Protocol):
    """A way to a model."""

    def predict(
        self, inputs: Mapping[str, np.ndarray], signature: str, timeout: float
    ) -> dict[str, np.ndarray]:
        """Outputs of one request; ServingError if there are none in that time.

        An empty name means the main signature, which servers call `serving_default`.
        """

    def inputs(self, signature: str, timeout: float) -> dict[str, Input]:
        """Shape and type of each of a signature's inputs; -1 where a side is free."""

    def check(self, timeout: float) -> None:
        """Raises ServingError unless the model is ready."""

    def close(self) -> None:
        """Ends the connection."""


class RestLink:
    """REST: JSON over HTTP."""

    def __init__(self, place: str, model: str, version: int | None):
        name = urllib.parse.quote(model, safe="")
        self._url = f"{place}/v1/models/{name}"
        if version is not None:
            self._url += f"/versions/{version}"

    def predict(
        self, inputs: Mapping[str, np.ndarray], signature: str, timeout: float
    ) -> dict[str, np.ndarray]:
        content = {name: _json_values(values) for name, values in inputs.items()}
        request: dict[str, Any] = {"inputs": content}
        if signature:
            request["signature_name"] = signature
        # NaN and Infinity as the server reads and writes them.
        found = self._ask(":predict", json.dumps(request).encode(), timeout)
        outputs = found.get("outputs")
        if not isinstance(outputs, dict):
            raise ServingError(f"{self._url}: answer without named outputs")
        return {name: _array(values) for name, values in outputs.items()}

    def inputs(self, signature: str, timeout: float) -> dict[str, Input]:
        found = self._ask("/metadata", None, timeout)
        try:
            known = found["metadata"]["signature_def"]["signature_def"]
        except (KeyError, TypeError):
            raise ServingError(f"{self._url}: answer without signatures") from None
        if signature not in known:
            raise ServingError(_no_signature(self._url, signature, known))
        # Whole numbers are texts in this JSON.
        return {
            name: (
                tuple(int(side["size"]) for side in one["tensor_shape"].get("dim", [])),
                np.dtype(_DTYPES.get(one["dtype"], "object")),
            )
            for name, one in known[signature]["inputs"].items()
        }

    def check(self, timeout: float) -> None:
        versions = self._ask("", None, timeout).get("model_version_status", [])
        states = [one.get("state") for one in versions]
        if "AVAILABLE" not in states:
            raise ServingError(f"{self._url}: not available yet: {states}")

    def close(self) -> None:
        pass

    def _ask(self, verb: str, data: bytes | None, timeout: float) -> dict[str, Any]:
        request = urllib.request.Request(
            self._url + verb, data, {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                found = json.load(response)
        except urllib.error.HTTPError as error:
            reason = _error_text(error.read().decode(errors="replace"))
            raise ServingError(
                f"{self._url}: refused ({error.code}): {reason}"
            ) from None
        except (OSError, http.client.HTTPException) as error:
            cause: Any = getattr(error, "reason", None) or error
            if isinstance(cause, TimeoutError):
                raise ServingError(_too_late(self._url, timeout)) from None
            raise ServingError(
                f"{self._url}: cannot be reached: {_one_line(str(cause))}"
            ) from None
        except ValueError:
            raise ServingError(f"{self._url}: answer is no JSON") from None
        if not isinstance(found, dict):
            raise ServingError(f"{self._url}: answer is no JSON object")
        return found


class GrpcLink:
    """gRPC, by the messages of tensorflow-serving-api."""

    def __init__(self, place: str, model: str, version: int | None):
        # Here, because REST needs no more of this project and of others than NumPy.
        from tfpose.parts import need

        need("tensorflow_serving")
        import grpc
        from tensorflow_serving.apis import (
            model_service_pb2_grpc,
            prediction_service_pb2_grpc,
        )

        self._grpc = grpc
        self._name = f"{place}/{model}"
        self._model, self._version = model, version
        scheme, address = place.split("://")
        # A photo is more than the 4 MiB that gRPC takes by itself.
        options = [
            ("grpc.max_send_message_length", -1),
            ("grpc.max_receive_message_length", -1),
        ]
        if scheme == "grpcs":
            credentials = grpc.ssl_channel_credentials()
            self._channel = grpc.secure_channel(address, credentials, options)
        else:
            self._channel = grpc.insecure_channel(address, options)
        self._predictions = prediction_service_pb2_grpc.PredictionServiceStub(
            self._channel
        )
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)

    def predict(
        self, inputs: Mapping[str, np.ndarray], signature: str, timeout: float
    ) -> dict[str, np.ndarray]:
        from export.serving.messages import named_arrays, predict_request

        request = predict_request(self._model, inputs, self._version, signature)
        with self._errors(timeout):
            return named_arrays(
                self._predictions.Predict(request, timeout=timeout).outputs
            )

    def inputs(self, signature: str, timeout: float) -> dict[str, Input]:
        from tensorflow.core.framework import types_pb2
        from tensorflow_serving.apis import get_model_metadata_pb2 as metadata

        request = metadata.GetModelMetadataRequest(metadata_field=["signature_def"])
        request.model_spec.name = self._model
        if self._version is not None:
            request.model_spec.version.value = self._version
        with self._errors(timeout):
            found = self._predictions.GetModelMetadata(request, timeout=timeout)
        signatures = metadata.SignatureDefMap()
        found.metadata["signature_def"].Unpack(signatures)
        known = signatures.signature_def
        if signature not in known:
            raise ServingError(_no_signature(self._name, signature, known))
        return {
            name: (
                tuple(side.size for side in one.tensor_shape.dim),
                np.dtype(_DTYPES.get(types_pb2.DataType.Name(one.dtype), "object")),
            )
            for name, one in known[signature].inputs.items()
        }

    def check(self, timeout: float) -> None:
        from tensorflow_serving.apis import get_model_status_pb2 as status

        request = status.GetModelStatusRequest()
        request.model_spec.name = self._model
        if self._version is not None:
            request.model_spec.version.value = self._version
        with self._errors(timeout):
            found = self._models.GetModelStatus(request, timeout=timeout)
        states = [one.state for one in found.model_version_status]
        if status.ModelVersionStatus.AVAILABLE not in states:
            names = [status.ModelVersionStatus.State.Name(one) for one in states]
            raise ServingError(f"{self._name}: not available yet: {names}")

    def close(self) -> None:
        self._channel.close()

    @contextlib.contextmanager
    def _errors(self, timeout: float) -> Iterator[None]:
        try:
            yield
        except self._grpc.RpcError as error:
            code, reason = error.code(), _one_line(error.details() or "")
            if code == self._grpc.StatusCode.DEADLINE_EXCEEDED:
                text = _too_late(self._name, timeout)
            elif code == self._grpc.StatusCode.UNAVAILABLE:
                text = f"{self._name}: cannot be reached, or overloaded: {reason}"
            else:
                text = f"{self._name}: refused ({code.name}): {reason}"
            raise ServingError(text) from None


def _no_signature(name: str, asked: str, known: Iterable[str]) -> str:
    return f"{name}: no signature {asked!r}, expected one of {', '.join(sorted(known))}"


def _too_late(name: str, timeout: float) -> str:
    return f"{name}: no answer within {timeout:g} s"


def _one_line(text: str) -> str:
    return " ".join(text.split())[:500] or "no reason given"


def _error_text(body: str) -> str:
    with contextlib.suppress(ValueError, AttributeError):
        body = json.loads(body).get("error", body)
    return _one_line(str(body))


def _json_values(values: np.ndarray) -> list[Any]:
    if values.dtype != object:
        return values.tolist()
    return [{"b64": base64.b64encode(one).decode()} for one in values]


def _array(values: Any) -> np.ndarray:
    found = np.asarray(values)
    return found.astype(np.float32) if found.dtype == np.float64 else found
