"""`python -m tfpose import_weights` on files that are written here."""

import dataclasses

import numpy as np
import pytest

from tests.tfpose.weights.torch_writer import Tensor, zip_bytes
from tfpose.backbones.hrnet import HRNet
from tfpose.cli import import_weights as module
from tfpose.cli.commands import main
from tfpose.skeletons import get_skeleton
from tfpose.top_down.net import build_heatmap_net
from tfpose.top_down.predictor import TopDownPredictor
from tfpose.weights.keras_file import load_keras
from tfpose.weights.presets import PRESETS, get_preset
from tfpose.weights.torch_names import torch_slots

INFO = {
    "skeleton": get_skeleton("lsp14").to_dict(),
    "sigma": 2.0,
    "decoder": "quarter",
    "alignment": "official",
    "flip_shift": 1,
}


@pytest.fixture
def net(monkeypatch):
    """A net that stands for the preset `tiny`."""
    net = build_heatmap_net("hrnet_tiny", (32, 32), 14, info=INFO)
    tiny = dataclasses.replace(get_preset("hrnet_w32"), name="tiny")
    monkeypatch.setitem(PRESETS, "tiny", tiny)
    monkeypatch.setattr(module, "build_preset", {"tiny": net}.__getitem__)
    return net


def write(path, net, change=None, prefix="") -> str:
    rng = np.random.default_rng(0)
    tensors = {
        prefix + name: Tensor.of(rng.uniform(0.1, 1, slot.shape).astype(np.float32))
        for name, slot in torch_slots(net).items()
    }
    path.write_bytes(zip_bytes({"epoch": 1, "state_dict": tensors | (change or {})}))
    return str(path)


def test_a_pose_net_is_written_and_used(net, tmp_path, capsys):
    path = write(tmp_path / "pose.pth", net, prefix="module.")
    out = tmp_path / "made" / "pose.keras"
    main(["import_weights", path, "--preset=tiny", f"--out={out}"])
    said = capsys.readouterr().out
    assert f"{net.count_params():,} numbers" in said
    assert "alignment official, decoder quarter, flip_shift 1" in said
    assert f"written to {out}" in said
    loaded = load_keras(str(out))
    assert loaded.info["source"]["file"] == "pose.pth"
    photo = np.full((40, 30, 3), 128, np.uint8)
    keypoints = TopDownPredictor(loaded).predict(photo).keypoints
    assert keypoints.shape == (1, 14, 2)


def test_protocol_and_channel_order_are_handed_on(net, tmp_path, capsys):
    path = write(tmp_path / "pose.pth", net)
    out = tmp_path / "pose.keras"
    choices = ["--protocol=mmpose_udp", "--channel_order=bgr"]
    main(["import_weights", path, "--preset=tiny", f"--out={out}", *choices])
    loaded = load_keras(str(out))
    assert loaded.info["alignment"] == "udp" and loaded.image_mean[0] == 0.406
    assert "BGR" in capsys.readouterr().out


def test_a_backbone_is_written(net, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    surplus = {"classifier.bias": Tensor.of(np.ones(3))}
    path = write(tmp_path / "imagenet.pth", net.backbone, surplus)
    main(["import_weights", path, "--preset=tiny"])
    assert "not used, of a classifier: classifier.* (1)" in capsys.readouterr().out
    assert isinstance(load_keras("tiny.keras"), HRNet)


@pytest.mark.parametrize(
    "change,arguments,message",
    [
        ({}, ["--preset=hrnet_w23"], "unknown preset 'hrnet_w23'; near it are hrnet_"),
        ({"more.weight": Tensor.of(np.ones(3))}, [], "1 unexpected (more.weight)"),
        ({}, ["--out=pose.h5"], "pose.h5: expected a file name that ends in .keras"),
        (None, [], "absent.pth: not readable"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    net, tmp_path, monkeypatch, capsys, change, arguments, message
):
    monkeypatch.chdir(tmp_path)
    path = "absent.pth"
    if change is not None:
        path = write(tmp_path / "pose.pth", net, change)
    with pytest.raises(SystemExit) as stop:
        main(["import_weights", path, "--preset=tiny", *arguments])
    said = capsys.readouterr()
    assert stop.value.code == 2 and said.out == ""
    assert said.err.startswith("error: ") and message in said.err
    assert said.err.count("\n") == 1
    assert {p.name for p in tmp_path.iterdir()} <= {"pose.pth"}
