"""`.keras` files, good and bad."""

import subprocess
import sys

import numpy as np
import pytest

import tfpose
from tfpose.errors import InputError
from tfpose.top_down.net import build_heatmap_net
from tfpose.weights.keras_file import load_keras


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    net = build_heatmap_net("hrnet_tiny", (32, 32), 3, info={"task": "none"})
    path = tmp_path_factory.mktemp("nets") / "net.keras"
    net.save(path)
    return net, path


def test_net_comes_back(saved):
    net, path = saved
    loaded = load_keras(str(path))
    assert loaded.info == {"task": "none"}
    for first, second in zip(net.weights, loaded.weights, strict=True):
        assert np.array_equal(first, second)


def test_importing_tfpose_is_enough_for_keras(saved):
    code = (
        f"import keras, sys, {tfpose.__name__}\n"
        "print(type(keras.saving.load_model(sys.argv[1])).__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(saved[1])], capture_output=True, text=True
    )
    assert done.stdout.strip() == "HeatmapNet", done.stderr


@pytest.mark.parametrize("kind", ["absent", "folder", "text", "truncated", "empty"])
def test_other_files_are_refused_in_one_line(saved, tmp_path, kind):
    path = tmp_path / "bad.keras"
    if kind == "folder":
        path.mkdir()
    elif kind != "absent":
        data = saved[1].read_bytes()
        path.write_bytes(
            {"text": b"hello", "truncated": data[: len(data) // 2], "empty": b""}[kind]
        )
    with pytest.raises(InputError, match=r"bad\.keras: .*expected a \.keras") as error:
        load_keras(str(path))
    assert "\n" not in str(error.value)
