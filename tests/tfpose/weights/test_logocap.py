"""LOGO-CAP's presets and the import of its weights; checkpoints are written here.

That imported weights give the official maps is `benchmarks.peer_logocap`.
"""

import math

import keras
import numpy as np
import pytest

from tests.tfpose.weights.torch_writer import Tensor, write_checkpoint
from tests.tiny_logocap import tiny_logocap
from tfpose.backbones.hrnet import HRNet
from tfpose.cli import import_weights as module
from tfpose.cli.commands import main
from tfpose.errors import InputError
from tfpose.logocap.net import LogoCapNet
from tfpose.weights.keras_file import load_keras
from tfpose.weights.logocap import (
    LOGOCAP_PRESETS,
    build_logocap_preset,
    import_logocap,
    logocap_slots,
)

# Official names of what is not HRNet's, and their shapes for the tiny net.
OWN = {
    "transition_cls.0.weight": (8, 120, 1, 1),
    "transition_cls.1.running_var": (8,),
    "final_layer_cls.weight": (18, 8, 1, 1),
    "transition_reg.0.weight": (16, 120, 1, 1),
    "final_layer_reg.bias": (34,),
    "transition_embedding.1.bias": (4,),
    "joints_mlp.0.weight": (16, 68, 3, 3),
    "joints_mlp.1.weight": (16,),
    "joints_mlp.3.weight": (16, 16, 3, 3),
    "joints_mlp.4.running_mean": (16,),
    "joints_mlp.4.weight_": (4, 16),
    "joints_mlp.4.bias_": (4, 16),
    "joints_mlp.4.attn_weights.attention.0.weight": (4, 16, 1, 1),
    "joints_mlp.6.weight": (8, 16, 3, 3),
    "joints_mlp.9.weight": (17, 8, 1, 1),
    "backbone.stage4.0.fuse_layers.3.0.2.0.weight": (64, 8, 3, 3),
}


@pytest.fixture(scope="module")
def net() -> LogoCapNet:
    return tiny_logocap()


def _write(path, net, change=None) -> tuple[str, dict[str, np.ndarray]]:
    more = {"joints_mlp.1.num_batches_tracked": Tensor.of(np.array(7))}
    return write_checkpoint(path, logocap_slots(net), more | (change or {}))


def test_every_weight_has_an_official_name(net):
    slots = logocap_slots(net)
    assert {name: slots[name].shape for name in OWN} == OWN
    assert len({id(slot.variable) for slot in slots.values()}) == len(net.weights)


def test_tensors_go_where_they_belong(net, tmp_path):
    path, arrays = _write(tmp_path / "logocap.pth", net)
    done = import_logocap(path, net)
    assert done.model is net and done.num_parameters == net.count_params()
    assert net.info["source"]["file"] == "logocap.pth"
    norm = net.message_passing.norms[1]
    mixing = arrays["joints_mlp.4.attn_weights.attention.0.weight"][..., 0, 0]
    assert np.array_equal(norm.attention.kernel, mixing.T)
    assert np.array_equal(norm.shifts, arrays["joints_mlp.4.bias_"])
    kernel = arrays["joints_mlp.6.weight"].transpose(2, 3, 1, 0)
    assert np.array_equal(net.message_passing.convolutions[2].kernel, kernel)


def test_a_file_that_does_not_fit_is_refused(net, tmp_path):
    extra = {"joints_mlp.12.weight": Tensor.of(np.zeros((2, 2), np.float32))}
    path, _ = _write(tmp_path / "other.pth", net, extra)
    with pytest.raises(InputError, match=r"1 unexpected \(joints_mlp.12.weight\)"):
        import_logocap(path, net)


def test_the_command_writes_a_net(net, tmp_path, monkeypatch, capsys):
    path, _ = _write(tmp_path / "logocap.pth", net)
    row = (LOGOCAP_PRESETS, {"logocap_w32": net}.get, import_logocap)
    monkeypatch.setattr(module, "_KINDS", (row,))
    out = tmp_path / "net.keras"
    arguments = ["import_weights", path, "--preset=logocap_w32", f"--out={out}"]
    main(arguments)
    assert "with the names of LOGO-CAP's code" in capsys.readouterr().out
    assert isinstance(load_keras(str(out)), LogoCapNet)
    with pytest.raises(SystemExit):
        main([*arguments, "--channel_order=bgr"])
    line = capsys.readouterr().err
    assert line == (
        "error: --channel_order=bgr is of top-down nets, which logocap_w32 is not\n"
    )


def test_presets_are_listed(capsys):
    main(["presets", "logocap"])
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[0] == "no" and len(rows) == len(LOGOCAP_PRESETS)
    assert rows[0].split() == "logocap_w32 coco17 512 35.99 M 44.15 G".split()


def _multiply_adds(layers) -> int:
    total = 0
    for layer in layers:
        if isinstance(layer, keras.Model):
            total += _multiply_adds(layer.layers)
        elif isinstance(layer, keras.layers.Conv2D):
            cells = math.prod(layer.output.shape[1:3])
            total += math.prod(layer.kernel.shape) * cells
    return total


@pytest.mark.slow
@pytest.mark.parametrize("name", LOGOCAP_PRESETS)
def test_sizes_are_as_told(name):
    net, preset = build_logocap_preset(name), LOGOCAP_PRESETS[name]
    parameters = sum(math.prod(w.shape) for w in net.trainable_weights)
    assert parameters == preset.parameters
    side = preset.short_side
    backbone = HRNet((side, side, 3), width=preset.width, return_all=True)
    fixed = LogoCapNet(net.skeleton, backbone)
    assert _multiply_adds(fixed.dense_model.layers) == preset.multiply_adds
    passing = net.message_passing
    kernels = [layer.kernel for layer in (*passing.convolutions, passing.head)]
    per_place = sum(math.prod(kernel.shape) for kernel in kernels)
    mixing = math.prod(passing.norms[1].attention.kernel.shape)
    assert 121 * per_place + mixing == preset.slot_multiply_adds
