import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from export.litert.measure import keras_answers
from export.serving.client import ServingClient, ServingError, main
from tests.export.fake_servers import Served, grpc_server, rest_server
from tfpose.lifters.pose_lifter import PoseLifter

ROOT = Path(__file__).resolve().parents[3]
SIZE = (1000, 1000)


@pytest.fixture(scope="module")
def served(saved_models):
    names = ("lifter", "pose", "crowd", "toy", "online")
    return Served({name: saved_models / name / "1" for name in names})


@pytest.fixture(params=["grpc", "http"])
def address(request, served):
    served.delay = 0.0
    served.rows.clear()
    served.asked.clear()
    with (grpc_server if request.param == "grpc" else rest_server)(served) as place:
        yield place


@pytest.fixture
def keypoints():
    return np.random.default_rng(0).uniform(0, 900, (5, 16, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def photo():
    """A JPEG with a person's size of noise."""
    small = np.random.default_rng(0).integers(0, 256, (12, 9, 3), np.uint8)
    large = cv2.resize(small, (180, 240), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".jpg", large)[1].tobytes()


def test_bodies_are_lifted_in_requests_of_a_batch(
    address, served, lifter_net, keypoints
):
    with ServingClient(address, "lifter", batch_size=2) as client:
        found = client.lift(keypoints, (1080, 1920))
    assert served.rows == [2, 2, 1]
    expected = PoseLifter(lifter_net).predict(keypoints, (1080, 1920))
    np.testing.assert_allclose(found["positions"], expected, rtol=1e-4, atol=1e-4)
    assert found["positions"].dtype == np.float32
    assert found["valid"].tolist() == [True] * 5


def test_a_signature_is_chosen_by_name(address, served, toy_model, keypoints):
    sizes = np.tile(np.float32([[480, 640]]), (5, 1))
    with ServingClient(address, "toy") as client:
        found = {
            name: client.lift(keypoints, (480, 640), name)["positions"]
            for name in ("", "serving_default", "lift", "adapt_and_lift")
        }
        with pytest.raises(ServingError, match="toy: refused .*: none not f") as error:
            client.lift(keypoints, (480, 640), "none")
    assert "\n" not in str(error.value)
    assert served.asked == ["", "serving_default", "lift", "adapt_and_lift", "none"]
    for name, positions in found.items():
        signature = toy_model.signatures.get(name, toy_model.main)
        expected = signature(keypoints=keypoints, image_size=sizes)["positions"]
        np.testing.assert_allclose(positions, expected, atol=1e-5)
    # Adapted bodies are others.
    assert np.abs(found["adapt_and_lift"] - found["lift"]).max() > 0.01


def test_a_state_is_one_more_input_and_output(address, online_model, keypoints):
    adapting = online_model.signatures["adapt_and_lift"]
    row = {k: v.copy() for k, v in adapting.example.items()}
    with ServingClient(address, "online") as client:
        for points in keypoints[:3]:
            row["keypoints"] = points[None]
            found = client.predict(row, "adapt_and_lift")
            expected = adapting(**row)
            for name, values in found.items():
                np.testing.assert_allclose(values, expected[name], atol=1e-5)
            row |= {name: found[name] for name in adapting.state}
    assert np.abs(row["state_velocity"]).max() > 0


def test_a_stream_keeps_its_state(address, online_model, keypoints):
    """As Keras does by the state itself; two streams do not notice each other."""
    with ServingClient(address, "online") as client:
        streams = [client.stream("adapt_and_lift") for _ in range(2)]
        nobody = np.full_like(keypoints[0], np.nan)
        order = [keypoints[0], nobody, keypoints[1], keypoints[2]]
        found = [
            [stream.lift(pose, SIZE) for pose in poses]
            for stream, poses in zip(streams, (order, keypoints[::-1]), strict=True)
        ]
        with pytest.raises(ServingError, match="no signature 'other', expected one of"):
            client.stream("other")
        with pytest.raises(ValueError, match="lift keeps no state"):
            client.stream("lift")
    assert [bool(one["valid"]) for one in found[0]] == [True, False, True, True]
    known = [one["positions"] for one in found[0] if one["valid"]]
    for positions, poses in (
        (known, keypoints[:3]),
        ([one["positions"] for one in found[1]], keypoints[::-1]),
    ):
        inputs = {
            "keypoints": poses,
            "image_size": np.tile(np.float32([SIZE]), (len(poses), 1)),
        }
        expected = keras_answers(online_model, inputs)["adapt_and_lift"]["positions"]
        np.testing.assert_allclose(positions, expected, atol=1e-4)


def test_unknown_joints_come_back_flagged(address, keypoints):
    keypoints[1, 4] = np.nan
    keypoints[3, 0, 0] = np.inf
    with ServingClient(address, "lifter") as client:
        found = client.lift(keypoints, np.tile([[480, 640]], (5, 1)))
    assert found["valid"].tolist() == [True, False, True, False, True]
    assert np.isnan(found["positions"][[1, 3]]).all()
    assert np.isfinite(found["positions"][[0, 2, 4]]).all()


def test_photos_are_sent_as_files(address, photo):
    with ServingClient(address, "pose") as client:
        found = client.locate([photo, b"broken", photo], [[10, 10, 100, 200]] * 3)
    assert found["valid"].tolist() == [True, False, True]
    assert found["image_size"][0].tolist() == [240, 180]
    assert np.isfinite(found["keypoints"][[0, 2]]).all()
    np.testing.assert_allclose(*found["keypoints"][[0, 2]], atol=1e-3)
    assert np.isnan(found["keypoints"][1]).all()


def test_everybody_in_photos_is_found(address, served, photo):
    with ServingClient(address, "crowd", batch_size=2) as client:
        found = client.find_people([photo, b"broken", photo])
    assert served.rows == [2, 1]
    assert [bool(one["valid"]) for one in found] == [True, False, True]
    assert found[1]["poses"].shape == (0, 17, 3) and not len(found[1]["scores"])
    first, last = found[0], found[2]
    assert first["image_size"].tolist() == [240, 180]
    assert 1 <= len(first["poses"]) == len(first["scores"]) <= 4
    assert (first["scores"] > 0).all() and np.isfinite(first["poses"]).all()
    np.testing.assert_allclose(first["poses"], last["poses"], atol=1e-3)


def test_a_wrong_number_of_joints_is_refused_in_one_line(address, keypoints):
    with ServingClient(address, "lifter") as client:
        with pytest.raises(ServingError, match="refused .*shape") as refused:
            client.lift(keypoints[:, :15], (480, 640))
    assert "\n" not in str(refused.value)


def test_an_unknown_model_is_named(address, keypoints):
    with ServingClient(address, "lifted") as client:
        with pytest.raises(ServingError, match="lifted: refused .*not found"):
            client.lift(keypoints, (480, 640))
        with pytest.raises(ServingError, match="lifted: refused .*Could not find"):
            client.wait_until_ready(0.1)


def test_no_answer_in_time(address, served, keypoints):
    served.delay = 1.5
    start = time.monotonic()
    with ServingClient(address, "lifter", timeout=0.3) as client:
        with pytest.raises(ServingError, match=r"lifter: no answer within 0\.3 s"):
            client.lift(keypoints, (480, 640))
    assert time.monotonic() - start < 1.4


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_a_server_that_is_down(scheme, keypoints):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with ServingClient(f"{scheme}://127.0.0.1:{port}", "lifter", timeout=5) as client:
        with pytest.raises(ServingError, match="cannot be reached"):
            client.lift(keypoints, (480, 640))
        with pytest.raises(ServingError, match="cannot be reached|no answer"):
            client.wait_until_ready(0.3)


def test_a_server_that_comes_is_waited_for(served):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    client = ServingClient(f"http://127.0.0.1:{port}", "lifter")
    failures = []

    def wait():
        try:
            client.wait_until_ready(20)
        except ServingError as error:
            failures.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.5)
    assert waiting.is_alive()
    with rest_server(served, port):
        waiting.join(20)
    assert not waiting.is_alive() and not failures


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.0 200 OK\r\n\r\nno json", b"HTTP/1.0 200 OK\r\n\r\n[1]"]
)
def test_what_is_no_model_server(answer, keypoints):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            connection, _ = server.accept()
            with connection:
                connection.settimeout(2)
                connection.recv(1 << 20)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        place = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ServingError, match=place):
            ServingClient(place, "lifter", timeout=3).lift(keypoints[:1], (480, 640))
        thread.join()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda client: client.lift(np.zeros((16, 2)), (1, 2)), "expected .P, J, 2."),
        (lambda client: client.lift(np.zeros((2, 16, 2)), 5), "image_size has shape"),
        (lambda client: client.locate([b"x"], [1, 2, 3, 4]), "boxes have shape"),
        (lambda client: client.lift(np.zeros((0, 16, 2)), (1, 2)), "at least one"),
        (lambda client: client.predict({}), "none"),
        (lambda client: client.predict({"a": [1], "b": [1, 2]}), "as many rows"),
    ],
)
def test_wrong_shapes_are_not_sent(call, message):
    client = ServingClient("http://127.0.0.1:9", "lifter")
    with pytest.raises(ValueError, match=message):
        call(client)


@pytest.mark.parametrize(
    "server", ["localhost:8500", "ftp://host:1", "http://", "http://host:port", ""]
)
def test_addresses_are_checked(server):
    with pytest.raises(ValueError, match="expected grpc://host:port"):
        ServingClient(server, "lifter")


def test_the_program(address, served, keypoints, photo, tmp_path, capsys):
    poses = keypoints.tolist()
    poses[1][0] = [float("nan"), 0]
    (tmp_path / "poses.json").write_text(json.dumps(poses))
    lifter = [f"--server={address}", "--model=lifter"]
    main(["ready", *lifter])
    main(["lift", str(tmp_path / "poses.json"), "--image_size=1080,1920", *lifter])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ready"
    rows = [json.loads(line) for line in lines[1:]]
    assert [row["valid"] for row in rows] == [True, False, True, True, True]
    assert rows[1]["positions"] is None
    assert np.shape(rows[0]["positions"]) == (16, 3)
    toy = [f"--server={address}", "--model=toy", "--image_size=1080,1920"]
    main(["lift", str(tmp_path / "poses.json"), *toy, "--signature=adapt_and_lift"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["valid"] for row in rows] == [True, False, True, True, True]
    assert served.asked[-2:] == ["", "adapt_and_lift"]
    (tmp_path / "photo.jpg").write_bytes(photo)
    pose = [f"--server={address}", "--model=pose"]
    main(["locate", str(tmp_path / "photo.jpg"), "--box=10,10,100,200", *pose])
    main(["locate", str(tmp_path / "photo.jpg"), *pose])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows[0]["photo"].endswith("photo.jpg")
    assert np.shape(rows[1]["keypoints"]) == (14, 2)
    (tmp_path / "broken.jpg").write_bytes(photo[:900])
    photos = [str(tmp_path / name) for name in ("photo.jpg", "broken.jpg")]
    main(["people", *photos, f"--server={address}", "--model=crowd"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["photo"] for row in rows] == photos
    assert rows[0]["valid"] and rows[0]["image_size"] == [240, 180]
    assert all(one["score"] > 0 for one in rows[0]["people"])
    assert np.shape(rows[0]["people"][0]["keypoints"]) == (17, 3)
    assert rows[1] | {"photo": ""} == {
        "photo": "",
        "valid": False,
        "image_size": None,
        "people": None,
    }


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["ready", "--server=http://127.0.0.1:9", "--timeout=0.2"], 1, "cannot be"),
        (["ready", "--server=here"], 2, "expected grpc://host:port"),
        (["ready", "--server=http://h", "--timeout=0"], 2, "timeout is 0"),
        (["lift", "none.json", "--image_size=1,2", "--server=http://h"], 2, "none.js"),
        (["lift", __file__, "--image_size=1,2", "--server=http://h"], 2, "JSON"),
        (["lift", __file__, "--image_size=1", "--server=http://h"], 2, "image_size"),
        (["locate", __file__, "--box=1,2", "--server=http://h"], 2, "box is '1,2'"),
        (["locate", __file__, "--server=http://h"], 2, "not an image"),
    ],
)
def test_the_programs_errors_are_one_line(arguments, code, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, "--model=lifter"])
    assert stopped.value.code == code
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert message in error


def test_rest_needs_numpy_alone(served, keypoints):
    """In a process that can import neither TensorFlow nor Keras nor gRPC."""
    with rest_server(served) as place:
        script = (
            "import sys\n"
            "for name in ('tensorflow', 'keras', 'grpc'):\n"
            "    sys.modules[name] = None\n"
            "import numpy as np\n"
            "from export.serving.client import ServingClient\n"
            f"client = ServingClient({place!r}, 'lifter')\n"
            "found = client.lift(np.random.rand(3, 16, 2), (480, 640))\n"
            "assert found['valid'].all()\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True
        )
    assert not done.returncode, done.stderr
