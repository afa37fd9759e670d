"""Published lifters: sizes, which tensor goes where, and what is refused.

No PyTorch: the checkpoints are written here. That nets then give the originals'
positions is `test_lifter_parity`.
"""

import hashlib

import keras
import numpy as np
import pytest

from tests.tfpose.weights.torch_writer import Tensor, zip_bytes
from tfpose.cli.commands import main
from tfpose.cli.presets import presets
from tfpose.errors import InputError
from tfpose.lifters.layers import (
    PartitionedGraphConv,
    SelfAttention,
    SemanticGraphConv,
)
from tfpose.skeletons import get_skeleton
from tfpose.weights.keras_file import load_keras
from tfpose.weights.lifter_names import lifter_slots
from tfpose.weights.lifters import (
    LIFTER_PRESETS,
    build_lifter_preset,
    import_lifter,
)

# Tensors of the official nets, counters of batches left out.
TENSORS = {"martinez": 32, "vpose": 47, "semgcn": 66, "stgcn": 102}
every_preset = pytest.mark.parametrize("name", LIFTER_PRESETS)


def write(path, net, place="state_dict", change=None) -> str:
    rng = np.random.default_rng(0)
    tensors = {
        name: Tensor.of(rng.uniform(0.1, 1, slot.shape).astype(np.float32))
        for name, slot in lifter_slots(net).items()
    }
    counters = {
        name.replace("running_mean", "num_batches_tracked"): Tensor.of(np.array(7))
        for name in tensors
        if name.endswith("running_mean")
    }
    state = tensors | counters | (change or {})
    path.write_bytes(zip_bytes({"epoch": 50, place: state}))
    return str(path)


def multiply_adds(net: keras.Model) -> int:
    total = 0
    for layer in net.layers:
        if isinstance(layer, keras.layers.Dense):
            total += int(np.prod(layer.input.shape[1:])) * layer.units
        elif isinstance(layer, SemanticGraphConv):
            _, joints, channels = layer.input.shape
            total += joints * channels * (joints + 2 * layer.units)
        elif isinstance(layer, PartitionedGraphConv):
            total += layer.adjacency.size * layer.output.shape[-1]
        elif isinstance(layer, SelfAttention):
            _, joints, channels = layer.output.shape
            total += 2 * joints * joints * channels
    return total


@every_preset
def test_sizes_are_as_told(name):
    net, preset = build_lifter_preset(name), LIFTER_PRESETS[name]
    assert sum(w.numpy().size for w in net.trainable_weights) == preset.parameters
    assert multiply_adds(net) == preset.multiply_adds
    assert net.info == {
        "task": "lifting",
        "preset": name,
        "skeleton": get_skeleton("h36m16").to_dict(),
    }
    assert preset.reference


@every_preset
def test_every_variable_has_one_tensor(name):
    net = build_lifter_preset(name)
    slots = lifter_slots(net)
    assert len(slots) == TENSORS[name]
    assert {id(slot.variable) for slot in slots.values()} == set(map(id, net.weights))


def test_tensors_lie_as_in_the_official_nets():
    shapes = {
        name: slot.shape
        for preset in LIFTER_PRESETS
        for name, slot in lifter_slots(build_lifter_preset(preset)).items()
    }
    expected = {
        "w1.weight": (1024, 32),
        "linear_stages.1.batch_norm2.running_var": (1024,),
        "w2.bias": (45,),
        "expand_conv.weight": (1024, 32, 1),
        "layers_conv.7.weight": (1024, 1024, 1),
        "shrink.weight": (45, 1024, 1),
        "gconv_input.0.gconv.W": (2, 2, 128),
        "gconv_layers.3.gconv2.gconv.e": (1, 46),
        "gconv_layers.0.gconv1.bn.weight": (128,),
        "gconv_output.bias": (3,),
        "stgcn.data_bn.running_mean": (34,),
        "stgcn.st_gcn_networks.2.gcn.conv.weight": (1024, 128, 1, 1),
        "stgcn.st_gcn_networks.2.residual.0.weight": (256, 128, 1, 1),
        "stgcn.st_gcn_pool.1.tcn.3.weight": (512, 512, 1, 1),
        "stgcn.conv2.0.weight": (256, 1024, 1, 1),
        "stgcn.non_local.W.0.weight": (512, 256, 1, 1),
        "stgcn.fcn.1.weight": (3, 512, 1, 1),
    }
    assert {name: shapes.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("name", "place"), [("semgcn", "state_dict"), ("stgcn", "model_pos")]
)
def test_a_lifter_is_written_and_read(name, place, tmp_path, capsys):
    path = write(tmp_path / "ckpt_best.pth.tar", build_lifter_preset(name), place)
    out = tmp_path / "lifter.keras"
    main(["import_weights", path, f"--preset={name}", f"--out={out}"])
    said = capsys.readouterr().out
    assert f"{TENSORS[name]} tensors under '{place}'" in said
    loaded = load_keras(str(out))
    assert loaded.info["preset"] == name
    digest = hashlib.sha256((tmp_path / "ckpt_best.pth.tar").read_bytes()).hexdigest()
    source = {"file": "ckpt_best.pth.tar", "sha256": digest}
    assert loaded.info["source"] == source
    expected = import_lifter(path, build_lifter_preset(name)).model
    keypoints = np.random.default_rng(1).normal(size=(2, 16, 2)).astype(np.float32)
    np.testing.assert_array_equal(loaded(keypoints), expected(keypoints))


def test_what_does_not_fit_is_refused(tmp_path, capsys):
    net = build_lifter_preset("semgcn")
    more = {"gconv_layers.4.gconv1.gconv.bias": Tensor.of(np.ones(128, "f4"))}
    path = write(tmp_path / "five.pth.tar", net, change=more)
    with pytest.raises(InputError, match=r"does not fit semgcn, of 66 .*1 unexpected"):
        import_lifter(path, net)
    path = write(tmp_path / "gcn.pth.tar", net)
    with pytest.raises(InputError, match="32 missing .w1.weight"):
        import_lifter(path, build_lifter_preset("martinez"))
    with pytest.raises(InputError, match="none of the official lifters"):
        lifter_slots(keras.Sequential(name="other"))
    with pytest.raises(SystemExit):
        main(["import_weights", path, "--preset=semgcn", "--protocol=mmpose"])
    said = capsys.readouterr().err
    assert said == (
        "error: --protocol=mmpose is of top-down nets, which semgcn is not\n"
    )


def test_presets_lists_lifters(capsys):
    presets("gcn")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["lifter", "joints", "parameters", "multiply-adds"]
    assert lines[1].split()[:4] == ["semgcn", "h36m16", "0.27", "M"]
    assert lines[2].startswith("stgcn") and len(lines) == 3
    presets()
    said = capsys.readouterr().out
    assert all(name in said for name in [*LIFTER_PRESETS, "hrnet_w48_coco_384x288"])


def test_prefixes_of_wrappers_are_taken_off_and_said(tmp_path):
    net = build_lifter_preset("martinez")
    tensors = {
        f"model.module.{name}": Tensor.of(np.full(slot.shape, 0.5, np.float32))
        for name, slot in lifter_slots(net).items()
    }
    path = tmp_path / "wrapped.pth"
    path.write_bytes(zip_bytes(tensors))
    done = import_lifter(path, net)
    assert "'model.module.' taken off the tensors' names" in done.notes
    assert all((variable == 0.5).all() for variable in done.model.get_weights())
