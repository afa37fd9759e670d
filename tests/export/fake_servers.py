"""Servers that answer as TF Serving does, by a SavedModel in this process."""

import base64
import contextlib
import http.server
import json
import pathlib
import threading
import time
from collections.abc import Iterator
from concurrent import futures

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

__all__ = ["Served", "grpc_server", "rest_server"]


class Served:
    """Models by name, how long they take, and the rows they were asked for.

    `asked` has the names of signatures, empty where a request told none.
    """

    def __init__(self, models: dict[str, pathlib.Path]):
        self.signatures = {
            name: tf.saved_model.load(str(folder)).signatures
            for name, folder in models.items()
        }
        self.folders = models
        self.delay = 0.0
        self.rows: list[int] = []
        self.asked: list[str] = []

    def described(self, name: str) -> dict[str, meta_graph_pb2.SignatureDef]:
        """Raises KeyError for an unknown model."""
        saved = saved_model_pb2.SavedModel()
        saved.ParseFromString((self.folders[name] / "saved_model.pb").read_bytes())
        return dict(saved.meta_graphs[0].signature_def)

    def answer(self, name: str, inputs: dict, asked: str) -> dict[str, np.ndarray]:
        """Raises KeyError for an unknown model, ValueError for bad inputs."""
        known = self.signatures[name]
        self.asked.append(asked)
        if (asked or "serving_default") not in known:
            raise ValueError(f"Serving signature name: {asked} not found")
        signature = known[asked or "serving_default"]
        time.sleep(self.delay)
        specs = signature.structured_input_signature[1]
        if set(inputs) != set(specs):
            raise ValueError(f"inputs {sorted(inputs)}, expected {sorted(specs)}")
        self.rows.append(len(next(iter(inputs.values()))))
        try:
            tensors = {
                key: tf.constant(values, specs[key].dtype)
                for key, values in inputs.items()
            }
            found = signature(**tensors)
        except (TypeError, tf.errors.OpError) as error:
            raise ValueError(f"wrong\nshape: {error}") from error
        return {key: value.numpy() for key, value in found.items()}


class _Predictions(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, served: Served):
        self._served = served

    def Predict(self, request, context):
        spec = request.model_spec
        inputs = {key: tf.make_ndarray(one) for key, one in request.inputs.items()}
        try:
            found = self._served.answer(spec.name, inputs, spec.signature_name)
        except KeyError:
            text = f"Servable not found for request: Latest({spec.name})"
            context.abort(grpc.StatusCode.NOT_FOUND, text)
        except ValueError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        response = predict_pb2.PredictResponse()
        for key, values in found.items():
            response.outputs[key].CopyFrom(tf.make_tensor_proto(values))
        return response

    def GetModelMetadata(self, request, context):
        found = get_model_metadata_pb2.SignatureDefMap()
        for name, one in self._served.described(request.model_spec.name).items():
            found.signature_def[name].CopyFrom(one)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.metadata["signature_def"].Pack(found)
        return response


class _Models(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, served: Served):
        self._served = served

    def GetModelStatus(self, request, context):
        name = request.model_spec.name
        if name not in self._served.signatures:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Could not find model {name}")
        response = get_model_status_pb2.GetModelStatusResponse()
        state = get_model_status_pb2.ModelVersionStatus.AVAILABLE
        response.model_version_status.add(version=1, state=state)
        return response


@contextlib.contextmanager
def grpc_server(served: Served) -> Iterator[str]:
    """The address of a server that runs meanwhile."""
    options = [("grpc.max_receive_message_length", -1)]
    server = grpc.server(futures.ThreadPoolExecutor(2), options=options)
    add = prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server
    add(_Predictions(served), server)
    add = model_service_pb2_grpc.add_ModelServiceServicer_to_server
    add(_Models(served), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"grpc://127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def _plain(values):
    """What JSON says of strings: `{"b64": ...}`."""
    if isinstance(values, dict):
        return base64.b64decode(values["b64"])
    return [_plain(one) for one in values] if isinstance(values, list) else values


class _Handler(http.server.BaseHTTPRequestHandler):
    served: Served

    def do_GET(self):
        name = self.path.split("/")[3]
        if name not in self.served.signatures:
            return self._send(404, {"error": f"Could not find any versions of {name}"})
        if self.path.endswith("/metadata"):
            known = {
                key: json_format.MessageToDict(one, preserving_proto_field_name=True)
                for key, one in self.served.described(name).items()
            }
            told = {"signature_def": {"signature_def": known}}
            return self._send(200, {"metadata": told})
        status = {"version": "1", "state": "AVAILABLE", "status": {}}
        self._send(200, {"model_version_status": [status]})

    def do_POST(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        name = self.path.split("/")[3].removesuffix(":predict")
        try:
            request = json.loads(data)
            inputs = {k: _plain(v) for k, v in request["inputs"].items()}
            asked = request.get("signature_name", "")
            found = self.served.answer(name, inputs, asked)
        except KeyError:
            return self._send(404, {"error": f"Servable not found: {name}"})
        except ValueError as error:
            return self._send(400, {"error": str(error)})
        self._send(200, {"outputs": {k: v.tolist() for k, v in found.items()}})

    def _send(self, code, content):
        data = json.dumps(content).encode()
        # Whoever asked may have gone.
        with contextlib.suppress(OSError):
            self.send_response(code)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def rest_server(served: Served, port: int = 0) -> Iterator[str]:
    """The address of a server that runs meanwhile."""
    handler = type("Handler", (_Handler,), {"served": served})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
