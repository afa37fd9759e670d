r"""A client of models on TF Serving: `ServingClient`, and as a program.

    python -m export.serving.client ready --server=grpc://host:8500 --model=lifter
    python -m export.serving.client lift poses.json --image_size=1080,1920 \
        --server=http://host:8501 --model=lifter
    python -m export.serving.client locate photo.jpg --box=10,20,200,400 \
        --server=grpc://host:8500 --model=pose
    python -m export.serving.client people crowd.jpg --server=grpc://host:8500 \
        --model=crowd

Over REST it needs NumPy alone; over gRPC also grpcio, tensorflow-serving-api and
TensorFlow, which has the messages' tensors.
"""

import argparse
import json
import pathlib
import sys
import time
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from export.serving.links import GrpcLink, Input, Link, RestLink, ServingError

__all__ = ["LifterStream", "ServingClient", "ServingError", "main"]

_PORTS = {"grpc": 8500, "grpcs": 8500, "http": 8501, "https": 8501}


class ServingClient:
    """One model of one server.

    Example:
    ```python
    with ServingClient("grpc://localhost:8500", "lifter") as client:
        found = client.lift(keypoints, (1080, 1920))
        bodies = found["positions"][found["valid"]]
    ```
    """

    def __init__(
        self,
        server: str,
        model: str,
        *,
        version: int | None = None,
        timeout: float = 10.0,
        batch_size: int = 8,
    ):
        """
        Args:
            server: `grpc://host:port`, or `http://host:port` for REST; `grpcs` and
                `https` for encrypted connections. Ports are 8500 and 8501 if left out.
            model: its name on the server.
            version: of the model; the newest one if None.
            timeout: seconds that a request may take.
            batch_size: rows of one request. Every model takes 8; beyond the server's
                `max_batch_size` it refuses.

        Raises:
            ValueError: no such address, or an impossible number.
        """
        parts = urllib.parse.urlsplit(server)
        try:
            port = parts.port or _PORTS.get(parts.scheme)
        except ValueError:
            port = None
        if not (parts.scheme in _PORTS and port and parts.hostname and model):
            raise ValueError(
                f"server is {server!r}, model {model!r}; expected "
                "grpc://host:port or http://host:port, and a name"
            )
        if not timeout > 0 or batch_size < 1:
            raise ValueError(
                f"timeout is {timeout:g}, batch_size {batch_size}; expected above 0"
            )
        self.timeout = timeout
        self.batch_size = batch_size
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        place = f"{parts.scheme}://{host}:{port}"
        if parts.scheme.startswith("grpc"):
            self._link: Link = GrpcLink(place, model, version)
        else:
            self._link = RestLink(place + parts.path.rstrip("/"), model, version)

    def __enter__(self) -> "ServingClient":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection."""
        self._link.close()

    def wait_until_ready(self, seconds: float) -> None:
        """Returns as soon as the model answers.

        Raises:
            ServingError: not within that time.
        """
        end = time.monotonic() + seconds
        while True:
            try:
                left = max(0.1, end - time.monotonic())
                return self._link.check(min(self.timeout, left))
            except ServingError:
                if time.monotonic() >= end:
                    raise
                time.sleep(0.2)

    def predict(
        self, inputs: Mapping[str, np.ndarray], signature: str = ""
    ) -> dict[str, np.ndarray]:
        """A signature's outputs, in as many requests as the rows need.

        Args:
            inputs: arrays by name, rows first, as many in each; bytes for strings.
            signature: of the model; the main one if empty.

        Raises:
            ValueError: no inputs, or not as many rows in each.
            ServingError: no answer, or a refusal.
        """
        arrays = {name: np.asarray(values) for name, values in inputs.items()}
        counts = {values.shape[0] if values.ndim else -1 for values in arrays.values()}
        if len(counts) != 1 or counts & {-1, 0}:
            shapes = ", ".join(f"{name} {v.shape}" for name, v in arrays.items())
            raise ValueError(
                f"inputs: {shapes or 'none'}; expected as many rows, at least one, in "
                "each"
            )
        count = counts.pop()
        parts = []
        for first in range(0, count, self.batch_size):
            rows = slice(first, first + self.batch_size)
            part = {name: values[rows] for name, values in arrays.items()}
            parts.append(self._link.predict(part, signature, self.timeout))
        return {name: np.concatenate([one[name] for one in parts]) for name in parts[0]}

    def lift(
        self, keypoints: Any, image_size: Any, signature: str = ""
    ) -> dict[str, np.ndarray]:
        """3D poses of 2D ones, by a model that `export.savedmodel` made of a lifter.

        Args:
            keypoints: `[P, J, 2]` (x, y), pixels; NaN where unknown.
            image_size: (height, width), pixels, or `[P, 2]`.
            signature: `adapt_and_lift` of a model that has it, or another with these
                inputs.

        Returns:
            `positions` float32 `[P, K, 3]`, metres relative to the root, and `valid`
            bool `[P]`; a row that is not valid is NaN.

        Raises:
            ValueError: other shapes.
            ServingError: no answer, or a refusal, as of another number of joints.
        """
        points = np.asarray(keypoints, np.float32)
        if points.ndim != 3 or points.shape[-1] != 2:
            raise ValueError(f"keypoints have shape {points.shape}, expected [P, J, 2]")
        sizes = np.asarray(image_size, np.float32)
        if sizes.shape not in ((2,), (len(points), 2)):
            raise ValueError(
                f"image_size has shape {sizes.shape}, expected [2] or "
                f"[{len(points)}, 2]"
            )
        sizes = np.broadcast_to(sizes, (len(points), 2))
        return self.predict({"keypoints": points, "image_size": sizes}, signature)

    def stream(self, signature: str) -> "LifterStream":
        """For one person's poses, in order, and a signature that goes on from each.

        Raises:
            ServingError: no answer, or no such signature.
        """
        return LifterStream(self, signature, self._link.inputs(signature, self.timeout))

    def locate(
        self, photos: Sequence[bytes], boxes: Any, signature: str = ""
    ) -> dict[str, np.ndarray]:
        """2D poses in photos, by a model that `export.savedmodel` made of a pose net.

        Args:
            photos: a JPEG or PNG file for each person.
            boxes: `[P, 4]` x, y, w, h of the people, pixels.
            signature: of the model, with these inputs.

        Returns:
            `keypoints` float32 `[P, J, 2]` in pixels, `scores` `[P, J]`, `image_size`
            `[P, 2]` (height, width) and `valid` bool `[P]`; rows that are not valid are
            NaN with scores of 0.

        Raises:
            ValueError: other shapes.
            ServingError: no answer, or a refusal.
        """
        places = np.asarray(boxes, np.float32)
        if places.shape != (len(photos), 4):
            raise ValueError(
                f"boxes have shape {places.shape}, expected [{len(photos)}, 4]"
            )
        files = _files(photos)
        return self.predict({"image_bytes": files, "boxes": places}, signature)

    def find_people(
        self, photos: Sequence[bytes], signature: str = ""
    ) -> list[dict[str, np.ndarray]]:
        """Everybody in photos, by a model that was made of a boxless net.

        Args:
            photos: JPEG or PNG files.
            signature: of the model, with this input.

        Returns:
            For each photo `poses` float32 `[P, J, 3]` (x, y in pixels, score), `scores`
            `[P]`, `image_size` `[2]` (height, width) and `valid`, bool; a photo that is
            not valid has nobody, and a size of NaN.

        Raises:
            ValueError: no photos.
            ServingError: no answer, or a refusal.
        """
        found = self.predict({"image_bytes": _files(photos)}, signature)
        people = [scores > 0 for scores in found["scores"]]
        return [
            {
                "poses": found["poses"][row][filled],
                "scores": found["scores"][row][filled],
                "image_size": found["image_size"][row],
                "valid": found["valid"][row],
            }
            for row, filled in enumerate(people)
        ]


def _files(photos: Sequence[bytes]) -> np.ndarray:
    files = np.empty(len(photos), object)
    files[:] = photos
    return files


class LifterStream:
    """Lifts the poses of one person in order, and keeps the state between them."""

    def __init__(self, client: ServingClient, signature: str, inputs: dict[str, Input]):
        """
        Args:
            client: of the model.
            signature: of an online adapter.
            inputs: the signature's.

        Raises:
            ValueError: the signature keeps no state.
        """
        if "restart" not in inputs:
            raise ValueError(
                f"{signature} keeps no state, expected an online adapter's"
            )
        self._client, self._signature = client, signature
        # What is in it does not matter at first: the stream begins with a restart.
        self._state = {
            name: np.zeros((1, *shape[1:]), dtype)
            for name, (shape, dtype) in inputs.items()
            if name.startswith("state_")
        }
        self._begins = True

    def lift(self, keypoints: Any, image_size: Any) -> dict[str, np.ndarray]:
        """The 3D pose of the next 2D one.

        Args:
            keypoints: `[J, 2]` (x, y), pixels; NaN where unknown.
            image_size: (height, width), pixels.

        Returns:
            `positions` float32 `[K, 3]`, metres relative to the root, and `valid`,
            bool. If not valid, positions are NaN and the state is as it was.

        Raises:
            ServingError: no answer, or a refusal; the state is as it was.
        """
        row = {
            "keypoints": np.asarray(keypoints, np.float32)[None],
            "image_size": np.asarray(image_size, np.float32)[None],
            "restart": np.array([self._begins]),
        }
        found = self._client.predict({**row, **self._state}, self._signature)
        self._state = {name: found.pop(name) for name in self._state}
        self._begins = False
        return {name: values[0] for name, values in found.items()}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m export.serving.client")
    commands = parser.add_subparsers(dest="command", required=True)
    ready = commands.add_parser("ready", help="wait for the model")
    lift = commands.add_parser("lift", help="2D poses to 3D ones")
    lift.add_argument("poses", help="JSON: a list of people, of joints, of x and y")
    lift.add_argument("--image_size", required=True, help="height,width in pixels")
    locate = commands.add_parser("locate", help="2D poses in photos")
    locate.add_argument("photos", nargs="+", help="JPEG or PNG files")
    locate.add_argument(
        "--box", default="", help="x,y,w,h of the person in each; default: all of it"
    )
    people = commands.add_parser("people", help="everybody in photos")
    people.add_argument("photos", nargs="+", help="JPEG or PNG files")
    for command in (lift, locate, people):
        command.add_argument(
            "--signature", default="", help="of the model; default: the main one"
        )
    for command in (ready, lift, locate, people):
        add = command.add_argument
        add("--server", required=True, help="grpc://host:port or http://host:port")
        add("--model", required=True, help="its name on the server")
        add("--version", type=int, help="of the model; default: the newest")
        add("--timeout", type=float, default=10.0, help="seconds")
        add("--batch_size", type=int, default=8, help="rows of one request")
    return parser


def _numbers(text: str, count: int, name: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count:
        raise ValueError(f"{name} is {text!r}, expected {count} numbers and commas")
    return numbers


def _read(path: str) -> bytes:
    try:
        return pathlib.Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from None


def _read_poses(path: str) -> np.ndarray:
    text = _read(path)
    poses: np.ndarray
    try:
        poses = np.asarray(json.loads(text), np.float32)
    except (ValueError, TypeError):
        poses = np.zeros(0)
    if poses.ndim != 3 or poses.shape[-1] != 2:
        raise ValueError(
            f"{path}: expected JSON, a list of people, each a list of joints, each "
            "x and y"
        )
    return poses


def _boxes(
    photos: Sequence[bytes], paths: Sequence[str], box: str
) -> list[list[float]]:
    if box:
        return [_numbers(box, 4, "box")] * len(photos)
    from data_pipelines.images import image_size

    sizes = [image_size(photo, path) for photo, path in zip(photos, paths, strict=True)]
    return [[0, 0, width, height] for height, width in sizes]


def _people_record(found: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What `find_people` says of a photo, for JSON, which has no NaN."""
    if not found["valid"]:
        return {"valid": False, "image_size": None, "people": None}
    people = [
        {"score": float(score), "keypoints": pose.tolist()}
        for pose, score in zip(found["poses"], found["scores"], strict=True)
    ]
    return {"valid": True, "image_size": found["image_size"].tolist(), "people": people}


def _run(chosen: argparse.Namespace) -> list[dict[str, Any]]:
    with ServingClient(
        chosen.server,
        chosen.model,
        version=chosen.version,
        timeout=chosen.timeout,
        batch_size=chosen.batch_size,
    ) as client:
        if chosen.command == "ready":
            client.wait_until_ready(chosen.timeout)
            return []
        if chosen.command == "people":
            photos = [_read(path) for path in chosen.photos]
            everybody = client.find_people(photos, chosen.signature)
            return [
                {"photo": path, **_people_record(found)}
                for path, found in zip(chosen.photos, everybody, strict=True)
            ]
        if chosen.command == "lift":
            size = _numbers(chosen.image_size, 2, "image_size")
            names, found = (
                {},
                client.lift(_read_poses(chosen.poses), size, chosen.signature),
            )
        else:
            photos = [_read(path) for path in chosen.photos]
            boxes = _boxes(photos, chosen.photos, chosen.box)
            found = client.locate(photos, boxes, chosen.signature)
            names = {"photo": chosen.photos}
    rows = []
    for row, valid in enumerate(found.pop("valid")):
        record: dict[str, Any] = {name: values[row] for name, values in names.items()}
        record["valid"] = bool(valid)
        for name, values in found.items():
            # JSON has no NaN.
            record[name] = values[row].tolist() if valid else None
        rows.append(record)
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command; exit code 2 and one line for bad input, 1 for no answer."""
    chosen = _parser().parse_args(arguments)
    try:
        rows = _run(chosen)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except ServingError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    if chosen.command == "ready":
        print("ready")
        return
    for row in rows:
        print(json.dumps(row))


if __name__ == "__main__":
    main()
