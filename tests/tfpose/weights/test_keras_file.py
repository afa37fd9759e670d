"""`.keras` files, good and bad."""

import subprocess
import sys

import numpy as np
import pytest

import tfpose
from tfpose.errors import InputError
from tfpose.top_down.net import build_heatmap_net
from tfpose.weights.keras_file import load_keras, save_half


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
        "find = keras.saving.get_registered_object\n"
        "assert find('tfpose>ISONet') and find('tfpose>MeTTANet')\n"
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


def test_half_is_half_the_size_and_close(saved, tmp_path):
    net, path = saved
    images = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3))
    expected = np.asarray(net(images))
    small = tmp_path / "small.keras"
    save_half(load_keras(str(path)), small)
    loaded = load_keras(str(small))
    assert loaded.info == net.info
    found = np.asarray(loaded(images))
    assert np.abs(found - expected).max() < 2e-3 * np.abs(expected).max()
    for weight in loaded.weights:
        values = np.asarray(weight)
        assert np.array_equal(values, values.astype(np.float16))
    weights = 4 * net.count_params()
    # What is not weights, the description, weighs the same in both.
    assert small.stat().st_size < path.stat().st_size - 0.3 * weights


def test_half_refuses_what_it_cannot_hold(saved, tmp_path):
    net = load_keras(str(saved[1]))
    kernel = net.get_layer("head").kernel
    kernel.assign(1e6 * np.ones(kernel.shape))
    with pytest.raises(InputError, match="head/kernel: expected .* got 1e.06"):
        save_half(net, tmp_path / "small.keras")
    assert not (tmp_path / "small.keras").exists()


@pytest.mark.slow
def test_the_program_reads_every_net_that_the_package_reads():
    """The command imports less, for a quick `--help`; classes must not lack in it."""
    show = "print(*sorted(name for name in keras.saving.get_custom_objects()))"
    package = f"import tfpose, keras; {show}"
    program = (
        "import sys; sys.argv = ['tfpose']; import tfpose.weights.keras_file, keras; "
        f"assert 'tfpose.api' not in sys.modules; {show}"
    )
    registered = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
        for code in (package, program)
    ]
    assert "tfpose>LogoCapNet" in registered[1]
    assert registered[0] == registered[1]
