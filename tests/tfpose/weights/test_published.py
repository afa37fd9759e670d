"""Models by name and address, from a server on this machine."""

import dataclasses
import hashlib
import http.server
import re
import threading
import time

import numpy as np
import pytest

from tests.tfpose.noisy_net import make_noisy_net
from tests.tfpose.weights.torch_writer import Tensor, zip_bytes
from tfpose.errors import InputError
from tfpose.top_down.net import build_heatmap_net
from tfpose.weights import published as module
from tfpose.weights.keras_file import load_keras
from tfpose.weights.presets import PRESETS, get_preset
from tfpose.weights.published import PUBLISHED, Published
from tfpose.weights.torch_names import torch_slots


class Server:
    """Answers every request with `content`, in a way that a test chooses."""

    def __init__(self):
        self.content = b""
        self.manner = "whole"
        self.paths: list[str] = []
        self.release = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # noqa: N802
                outer.paths.append(self.path)
                outer.answer(self)

            def log_message(self, *_):
                pass

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever)
        self._thread.start()

    def answer(self, request) -> None:
        if self.manner == "absent":
            request.send_error(404)
            return
        request.send_response(200)
        request.send_header("Content-Length", str(len(self.content)))
        request.end_headers()
        half = len(self.content) // 2
        request.wfile.write(self.content[:half])
        if self.manner == "cut off":
            return
        if self.manner == "slow":
            time.sleep(0.2)
        if self.manner == "silent":
            self.release.wait(20)
            return
        request.wfile.write(self.content[half:])

    def stop(self) -> None:
        self.release.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@pytest.fixture
def server():
    server = Server()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(module, "_PATIENCE", 2.0)
    return tmp_path / "home" / "tfpose"


@pytest.fixture
def tiny(server, monkeypatch):
    """Published weights named `mmpose_udp_tiny`, of a net with three joints."""
    info = get_preset("hrnet_w32").info
    net = build_heatmap_net("hrnet_tiny", (32, 32), 3, info=info)
    rng = np.random.default_rng(0)
    tensors = {
        ("head." if name.startswith("final") else "backbone.") + name: Tensor.of(
            rng.uniform(0.1, 1, slot.shape).astype(np.float32)
        )
        for name, slot in torch_slots(net).items()
    }
    server.content = zip_bytes({"state_dict": tensors})
    digest = hashlib.sha256(server.content).hexdigest()[:8]
    address = f"{server.address}/pose/tiny_udp-{digest}_20200101.pth"
    tiny = dataclasses.replace(get_preset("hrnet_w32"), name="tiny")
    monkeypatch.setitem(PRESETS, "tiny", tiny)
    monkeypatch.setattr(module, "build_preset", {"tiny": net}.__getitem__)
    published = Published("tiny", "mmpose_udp", address, 50.0)
    monkeypatch.setitem(PUBLISHED, published.name, published)
    return tensors


@pytest.mark.parametrize("manner", ["whole", "slow"])
def test_a_name_is_downloaded_once_and_then_needs_no_network(
    server, tiny, cache, manner
):
    server.manner = manner
    net = load_keras("mmpose_udp_tiny")
    bias = tiny["head.final_layer.bias"].storage
    assert np.array_equal(net.get_layer("head").bias, bias)
    assert net.info["alignment"] == "udp"
    assert re.fullmatch(r"tiny_udp-\w{8}_20200101.pth", net.info["source"]["file"])
    server.manner = "absent"
    again = load_keras("mmpose_udp_tiny")
    assert np.array_equal(again.get_layer("head").bias, bias)
    assert len(server.paths) == 1
    # The checkpoint itself is not kept.
    assert [path.suffix for path in cache.iterdir()] == [".keras"]


@pytest.mark.parametrize(
    "manner,message",
    [
        ("absent", "cannot be downloaded: Not Found"),
        ("cut off", r"cannot be downloaded: retrieval incomplete: got only \d+ out of"),
        ("silent", r"cannot be downloaded: nothing came for 2 seconds"),
    ],
)
def test_a_download_that_fails_is_one_line_and_leaves_nothing(
    server, tiny, cache, manner, message
):
    server.manner = manner
    with pytest.raises(InputError, match=f"{server.address}.*{message}") as error:
        load_keras("mmpose_udp_tiny")
    assert "\n" not in str(error.value) and f"kept in {cache})" in str(error.value)
    assert not list(cache.iterdir())
    server.manner = "whole"
    load_keras("mmpose_udp_tiny")


def test_other_bytes_are_refused(server, tiny, cache):
    server.content = server.content[:-1] + b"\x01"
    with pytest.raises(InputError, match="expected a SHA-256 that begins with"):
        load_keras("mmpose_udp_tiny")
    assert not list(cache.iterdir())


def test_without_a_network(server, tiny, cache):
    server.stop()
    with pytest.raises(InputError, match="Connection refused .*needs a network once"):
        load_keras("mmpose_udp_tiny")


def test_a_cache_that_cannot_be_written(tiny, tmp_path):
    (tmp_path / "home").write_text("a file")
    with pytest.raises(InputError, match="cannot be written: .* KERAS_HOME"):
        load_keras("mmpose_udp_tiny")


def test_an_address_is_downloaded_once(server, cache, tmp_path):
    path = tmp_path / "pose.keras"
    make_noisy_net().save(path)
    server.content = path.read_bytes()
    address = f"{server.address}/nets/my%20pose.keras?version=2"
    for _ in range(2):
        assert load_keras(address).info["skeleton"]["name"] == "lsp14"
    assert server.paths == ["/nets/my%20pose.keras?version=2"]
    load_keras(f"{server.address}/others/my%20pose.keras")
    assert len(list(cache.glob("my pose-*.keras"))) == 2


def test_an_address_of_something_else(server, cache):
    with pytest.raises(InputError, match="expected the address of a .keras file"):
        load_keras(f"{server.address}/net.pth")
    with pytest.raises(InputError, match="no address: Invalid IPv6 URL"):
        load_keras("http://[::1/net.keras")
    assert not server.paths
    server.content = b"<html>Please log in</html>"
    with pytest.raises(InputError, match="expected a .keras model, got something else"):
        load_keras(f"{server.address}/net.keras")
    assert not list(cache.iterdir())


def test_a_file_comes_before_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "mmpose_hrnet_w32_coco_256x192"
    (tmp_path / name).write_text("")
    assert module.local_model(name).samefile(tmp_path / name)


def test_unknown_names_are_answered_with_near_ones():
    with pytest.raises(
        InputError, match="near it are mmpose_hrnet_w32_coco_256x192"
    ) as error:
        load_keras("mmpose_hrnet_w32_coco_256x19")
    assert "presets" in str(error.value)


def test_names_and_addresses_agree():
    for name, one in PUBLISHED.items():
        assert name == f"{one.protocol}_{one.preset}" and one.net.name == one.preset
        file = one.address.rpartition("/")[2]
        height, width = one.net.input_size
        assert f"{height}x{width}" in file and len(one.digest) == 8
        assert one.net.skeleton.rstrip("0123456789") in one.address
        words = re.split(r"[_-]", file)
        style = one.protocol.removeprefix("mmpose").removeprefix("_")
        assert [w for w in ("dark", "udp") if w in words] == ([style] if style else [])
        family = one.net.net.replace("resnet", "res").replace("_", "")
        assert family in file.replace("-", "").replace("_", "")
        assert 70 < one.accuracy < 78 if "coco" in name else 88 < one.accuracy < 91
    addresses = [one.address for one in PUBLISHED.values()]
    assert len(set(addresses)) == len(addresses)
