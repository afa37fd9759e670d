"""DEKR's presets and the import of its weights; checkpoints are written here.

That imported weights give the official maps is `benchmarks.peer_dekr`.
"""

import math

import keras
import numpy as np
import pytest

from tests.tfpose.weights.torch_writer import Tensor, write_checkpoint, zip_bytes
from tests.tiny_dekr import tiny_dekr
from tfpose.backbones.hrnet import HRNet
from tfpose.cli import import_weights as module
from tfpose.cli.commands import main
from tfpose.errors import InputError
from tfpose.logocap.adaptive import AdaptiveConvolution
from tfpose.logocap.dekr import DekrNet
from tfpose.weights.dekr import (
    DEKR_PRESETS,
    build_dekr_preset,
    dekr_slots,
    import_dekr,
)
from tfpose.weights.keras_file import load_keras
from tfpose.weights.pose_scorers import SCORER_PRESETS

# Official names of what is not HRNet's, and their shapes for the tiny net.
OWN = {
    "transition_heatmap.0.weight": (8, 120, 1, 1),
    "transition_heatmap.1.running_var": (8,),
    "head_heatmap.0.0.conv1.weight": (8, 8, 3, 3),
    "head_heatmap.0.0.bn2.bias": (8,),
    "head_heatmap.1.weight": (18, 8, 1, 1),
    "transition_offset.0.weight": (51, 120, 1, 1),
    "offset_feature_layers.16.1.adapt_conv.weight": (3, 3, 3, 3),
    "offset_feature_layers.0.0.transform_matrix_conv.weight": (4, 3, 3, 3),
    "offset_feature_layers.0.0.translation_conv.bias": (2,),
    "offset_feature_layers.3.1.bn.running_mean": (3,),
    "offset_final_layer.16.weight": (2, 3, 1, 1),
    "stage4.0.fuse_layers.3.0.2.0.weight": (64, 8, 3, 3),
}
TAPS = [[-1, -1, -1, 0, 0, 0, 1, 1, 1], [-1, 0, 1, -1, 0, 1, -1, 0, 1]]


@pytest.fixture(scope="module")
def net() -> DekrNet:
    return tiny_dekr()


def _write(path, net, change=None) -> tuple[str, dict[str, np.ndarray]]:
    more = {"transition_heatmap.1.num_batches_tracked": Tensor.of(np.array(7))}
    for joint, block in np.ndindex(17, 2):
        name = f"offset_feature_layers.{joint}.{block}.regular_matrix"
        more[name] = Tensor.of(np.array(TAPS, np.float32))
    return write_checkpoint(path, dekr_slots(net), more | (change or {}))


def test_every_weight_has_an_official_name(net):
    slots = dekr_slots(net)
    assert {name: slots[name].shape for name in OWN} == OWN
    assert len({id(slot.variable) for slot in slots.values()}) == len(net.weights)


def test_tensors_go_where_they_belong(net, tmp_path):
    path, arrays = _write(tmp_path / "dekr.pth", net)
    done = import_dekr(path, net)
    assert done.model is net and done.num_parameters == net.count_params()
    assert net.info["source"]["file"] == "dekr.pth"
    layer = net.dense_model.get_layer("joint16_block1_conv")
    theirs = arrays["offset_feature_layers.16.1.adapt_conv.weight"]
    assert np.array_equal(layer.kernel, theirs.transpose(2, 3, 1, 0))
    theirs = arrays["offset_feature_layers.16.1.translation_conv.bias"]
    assert np.array_equal(layer.translation.bias, theirs)


def test_files_that_do_not_fit_are_refused(net, tmp_path):
    extra = {"head.weight": Tensor.of(np.zeros((2, 2), np.float32))}
    path, _ = _write(tmp_path / "other.pth", net, extra)
    with pytest.raises(InputError, match=r"1 unexpected \(head.weight\)"):
        import_dekr(path, net)
    name = "offset_feature_layers.2.1.regular_matrix"
    turned = {name: Tensor.of(np.array(TAPS[::-1], np.float32))}
    path, _ = _write(tmp_path / "turned.pth", net, turned)
    with pytest.raises(InputError, match=rf"1 with other numbers than .* \({name}\)"):
        import_dekr(path, net)


def test_the_command_writes_a_net(net, tmp_path, monkeypatch, capsys):
    path, _ = _write(tmp_path / "dekr.pth", net)
    row = (DEKR_PRESETS, {"dekr_w32": net}.get, import_dekr)
    monkeypatch.setattr(module, "_KINDS", (row,))
    out = tmp_path / "net.keras"
    main(["import_weights", path, "--preset=dekr_w32", f"--out={out}"])
    assert "with the names of DEKR's code" in capsys.readouterr().out
    assert isinstance(load_keras(str(out)), DekrNet)


def test_pose_scorers_are_imported(tmp_path, capsys):
    rng = np.random.default_rng(0)
    widths = (74, 256, 256, 1)
    tensors = {}
    for number in (1, 2, 3):
        shape = widths[number], widths[number - 1]
        tensors[f"l{number}.weight"] = rng.normal(size=shape).astype(np.float32)
        tensors[f"l{number}.bias"] = rng.normal(size=shape[:1]).astype(np.float32)
    path, out = tmp_path / "scorer.pth", tmp_path / "scorer.keras"
    path.write_bytes(zip_bytes({k: Tensor.of(v) for k, v in tensors.items()}))
    main(["import_weights", str(path), "--preset=dekr_scorer", f"--out={out}"])
    assert "6 tensors with the names of DEKR's code" in capsys.readouterr().out
    scorer = load_keras(str(out))
    poses = rng.uniform(0, 100, (4, 17, 3)).astype(np.float32)
    x = np.asarray(scorer.features(poses))
    for number in (1, 2, 3):
        x = x @ tensors[f"l{number}.weight"].T + tensors[f"l{number}.bias"]
        x = np.maximum(x, 0) if number < 3 else x
    assert np.allclose(scorer(poses), x[:, 0], rtol=1e-4)


def test_presets_are_listed(capsys):
    main(["presets", "dekr"])
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[0] == "no"
    assert len(rows) == len(DEKR_PRESETS) + 1 + len(SCORER_PRESETS)
    assert rows[-2].split() == "dekr_scorer coco17 0.09 M".split()
    # The figures of the paper's table.
    assert rows[0].split() == "dekr_w32 coco17 512 29.56 M 45.39 G".split()
    assert rows[1].split() == "dekr_w48 coco17 640 65.68 M 141.53 G".split()


def _multiply_adds(layers) -> int:
    total = 0
    for layer in layers:
        if isinstance(layer, keras.Model):
            total += _multiply_adds(layer.layers)
            continue
        kernels = []
        if isinstance(layer, keras.layers.Conv2D):
            kernels = [layer.kernel]
        elif isinstance(layer, AdaptiveConvolution):
            kernels = [layer.kernel, layer.matrix.kernel, layer.translation.kernel]
        for kernel in kernels:
            total += math.prod(kernel.shape) * math.prod(layer.output.shape[1:3])
    return total


@pytest.mark.slow
@pytest.mark.parametrize("name", DEKR_PRESETS)
def test_sizes_are_as_told(name):
    net, preset = build_dekr_preset(name), DEKR_PRESETS[name]
    parameters = sum(math.prod(w.shape) for w in net.trainable_weights)
    assert parameters == preset.parameters
    side = preset.short_side
    backbone = HRNet((side, side, 3), width=preset.width, return_all=True)
    fixed = DekrNet(net.skeleton, backbone)
    assert _multiply_adds(fixed.dense_model.layers) == preset.multiply_adds
