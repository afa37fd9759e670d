"""Published weights in our nets: which tensor goes where, and what is refused.

No PyTorch: the checkpoints are small and written here. That full nets then draw the
originals' heatmaps is `test_parity`.
"""

import functools
import hashlib

import numpy as np
import pytest

from tests.tfpose.weights.torch_writer import Tensor, legacy_bytes, zip_bytes
from tfpose.backbones.base import IMAGE_MEAN, IMAGE_STD
from tfpose.backbones.hrnet import HRNet
from tfpose.backbones.resnet import DEPTHS, ResNet
from tfpose.errors import InputError
from tfpose.top_down.net import HeatmapNet, build_heatmap_net
from tfpose.top_down.tokens import TokenHead
from tfpose.top_down.transfer import transfer_weights
from tfpose.weights.keras_file import load_keras
from tfpose.weights.official import import_weights
from tfpose.weights.torch_names import torch_constants, torch_slots

INFO = {
    "sigma": 2.0,
    "decoder": "quarter",
    "alignment": "half_pixel",
    "flip_shift": 0,
    "task": "pose",
}
NORM = ("weight", "bias", "running_mean", "running_var")


@functools.cache
def build(depth, joints):
    if not depth:
        return build_heatmap_net("hrnet_tiny", (32, 32), joints)
    backbone = ResNet((32, 32, 3), depth, width=4, name="backbone")
    return HeatmapNet(backbone, joints, (4, 4, 4))


def tiny_hrnet(joints=3):
    """The same net every time, since an import writes every weight."""
    net = build(0, joints)
    net.info = INFO
    return net


def tiny_resnet(depth=18):
    net = build(depth, 3)
    net.info = INFO
    return net


def hrnet_names(modules=(1, 1, 1), blocks=1) -> set[str]:
    """The official tensors of a small HRNet, counted as the official code nests its
    modules, apart from our own layers' names.
    """
    pairs = [("conv1", "bn1"), ("conv2", "bn2")]
    pairs += [(f"layer1.0.conv{i}", f"layer1.0.bn{i}") for i in (1, 2, 3)]
    pairs += [("layer1.0.downsample.0", "layer1.0.downsample.1")]
    pairs += [("transition1.0.0", "transition1.0.1")]
    pairs += [(f"transition{i}.{i}.0.0", f"transition{i}.{i}.0.1") for i in (1, 2, 3)]
    for stage, count in enumerate(modules, start=2):
        for module in range(count):
            start = f"stage{stage}.{module}"
            for branch in range(stage):
                for block in range(blocks):
                    where = f"{start}.branches.{branch}.{block}"
                    pairs += [(f"{where}.conv{i}", f"{where}.bn{i}") for i in (1, 2)]
            outputs = 1 if stage == 4 and module == count - 1 else stage
            for i in range(outputs):
                for j in range(stage):
                    where = f"{start}.fuse_layers.{i}.{j}"
                    if j > i:
                        pairs += [(f"{where}.0", f"{where}.1")]
                    pairs += [
                        (f"{where}.{k}.0", f"{where}.{k}.1") for k in range(i - j)
                    ]
    names = {f"{conv}.weight" for conv, _ in pairs}
    names |= {f"{norm}.{part}" for _, norm in pairs for part in NORM}
    return names | {"final_layer.weight", "final_layer.bias"}


def resnet_names(depth=18) -> set[str]:
    convs = 3 if depth >= 50 else 2
    pairs = [("conv1", "bn1")]
    for stage, count in enumerate(DEPTHS[depth], start=1):
        for block in range(count):
            where = f"layer{stage}.{block}"
            pairs += [
                (f"{where}.conv{i}", f"{where}.bn{i}") for i in range(1, convs + 1)
            ]
            if block == 0 and (stage > 1 or depth >= 50):
                pairs += [(f"{where}.downsample.0", f"{where}.downsample.1")]
    pairs += [(f"deconv_layers.{i}", f"deconv_layers.{i + 1}") for i in (0, 3, 6)]
    names = {f"{conv}.weight" for conv, _ in pairs}
    names |= {f"{norm}.{part}" for _, norm in pairs for part in NORM}
    return names | {"final_layer.weight", "final_layer.bias"}


def tiny_tokens(groups=1, stem=True):
    """TokenPose on a small HRNet's stem, or on its beginning to stage 3."""
    backbone = HRNet((32, 32, 3), 4, 4, () if stem else (1, 1), 1, 1, name="backbone")
    head = TokenHead((4, 2), 2, 2, groups, hidden=0 if groups > 1 else 5, width=8)
    return HeatmapNet(backbone, 3, tokens=head, info=INFO)


def token_names(groups) -> set[str]:
    """What TokenPose's code calls the tensors of its tokens, of two layers a group."""
    names = {"keypoint_token"}
    names |= {f"patch_to_embedding.{part}" for part in ("weight", "bias")}
    for group in ("",) if groups == 1 else ("1", "2", "3"):
        for layer in (0, 1):
            where = f"transformer{group}.layers.{layer}"
            names.add(f"{where}.0.fn.fn.to_qkv.weight")
            names |= {
                f"{where}.{module}.{part}"
                for module in (
                    "0.fn.norm",
                    "0.fn.fn.to_out.0",
                    "1.fn.norm",
                    "1.fn.fn.net.0",
                    "1.fn.fn.net.3",
                )
                for part in ("weight", "bias")
            }
    layers = (0, 1, 2, 3) if groups == 1 else (0, 1)
    return names | {
        f"mlp_head.{i}.{part}" for i in layers for part in ("weight", "bias")
    }


def random_tensors(net, seed=0) -> dict[str, np.ndarray]:
    """A tensor for every variable of a net, with a batch's counter for each norm."""
    rng = np.random.default_rng(seed)
    tensors = {}
    for name, slot in torch_slots(net).items():
        tensors[name] = rng.uniform(0.1, 1, slot.shape).astype(np.float32)
        if name.endswith("running_var"):
            counter = name.replace("running_var", "num_batches_tracked")
            tensors[counter] = np.array(7)
    return tensors | torch_constants(net)


def checkpoint(tensors, prefix="") -> dict[str, Tensor]:
    return {f"{prefix}{name}": Tensor.of(array) for name, array in tensors.items()}


def save(tmp_path, value, name="weights.pth", to_bytes=zip_bytes) -> str:
    path = tmp_path / name
    path.write_bytes(to_bytes(value))
    return str(path)


def kernel(net, layer: str) -> np.ndarray:
    return net.get_layer(layer).get_weights()[0]


@pytest.mark.parametrize(
    "net,names",
    [
        (tiny_hrnet, hrnet_names()),
        (tiny_resnet, resnet_names()),
        (lambda: tiny_resnet(50), resnet_names(50)),
    ],
)
def test_names_are_the_official_ones(net, names):
    assert torch_slots(net()).keys() == names


def test_names_of_tokens_are_the_official_ones():
    stem = {
        name.removeprefix("features.")
        for name in torch_slots(tiny_tokens())
        if "layer1" in name or ".conv" in name or ".bn" in name
    }
    assert stem == {
        name for name in hrnet_names() if name.startswith(("conv", "bn", "layer1"))
    }
    assert torch_slots(tiny_tokens()).keys() == {
        f"features.{name}" for name in stem | token_names(1)
    }
    names = torch_slots(tiny_tokens(3, stem=False)).keys()
    assert {f"transformer.{name}" for name in token_names(3)} <= names
    rest = {name for name in names if not name.startswith("transformer.")}
    backbone = {
        name
        for name in hrnet_names((1, 1))
        if not name.startswith(("final", "transition3"))
        and not name.startswith(("stage3.0.fuse_layers.1", "stage3.0.fuse_layers.2"))
    }
    assert rest == {f"pre_feature.{name}" for name in backbone}


def test_tokens_go_to_their_place(tmp_path):
    tensors = random_tensors(tiny_tokens())
    net = import_weights(save(tmp_path, checkpoint(tensors)), tiny_tokens()).model
    tokens = net.get_layer("keypoint_tokens").get_weights()[0]
    assert np.array_equal(tokens, tensors["features.keypoint_token"][0])
    # Rows, columns and channels of a patch in one row.
    embedding = tensors["features.patch_to_embedding.weight"].reshape(8, 4, 2, 16)
    assert np.array_equal(
        kernel(net, "patch_embedding"), np.einsum("ohwi->hwio", embedding)
    )
    qkv = tensors["features.transformer.layers.1.0.fn.fn.to_qkv.weight"]
    assert np.array_equal(kernel(net, "tokens_group0_layer1_qkv"), qkv.T)
    drawn = tensors["features.mlp_head.3.weight"]
    assert np.array_equal(kernel(net, "head"), drawn.T)


def test_another_code_of_places_is_refused(tmp_path):
    tensors = random_tensors(tiny_tokens())
    tensors["features.pos_embedding"] = tensors["features.pos_embedding"] + 0.1
    path = save(tmp_path, checkpoint(tensors))
    with pytest.raises(InputError, match="features.pos_embedding is up to 0.1 away"):
        import_weights(path, tiny_tokens())
    del tensors["features.pos_embedding"]
    path = save(tmp_path, checkpoint(tensors))
    with pytest.raises(InputError, match=r"1 missing \(features.pos_embedding\)"):
        import_weights(path, tiny_tokens())


@pytest.mark.parametrize("to_bytes", [zip_bytes, legacy_bytes])
def test_every_number_goes_to_its_place(tmp_path, to_bytes):
    tensors = random_tensors(tiny_hrnet())
    path = save(tmp_path, checkpoint(tensors), to_bytes=to_bytes)
    done = import_weights(path, tiny_hrnet())
    net, backbone = done.model, done.model.backbone
    assert done.num_tensors == len(hrnet_names())
    assert done.num_parameters == net.count_params()
    for layer, name in {
        "stem_conv1": "conv1",
        "transition1_branch0_conv": "transition1.0.0",
        "stage2_module0_fuse1_from0_conv0": "stage2.0.fuse_layers.1.0.0.0",
        "stage3_module0_fuse2_from0_conv1": "stage3.0.fuse_layers.2.0.1.0",
        "stage4_module0_fuse0_from3_conv": "stage4.0.fuse_layers.0.3.0",
    }.items():
        expected = np.einsum("oihw->hwio", tensors[f"{name}.weight"])
        assert np.array_equal(kernel(backbone, layer), expected)
    expected = [tensors[f"stage4.0.branches.3.0.bn2.{part}"] for part in NORM]
    found = backbone.get_layer("stage4_module0_branch3_block0_bn2").get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
    assert np.array_equal(net.get_layer("head").bias, tensors["final_layer.bias"])


def test_transposed_convolutions_are_not_turned_over(tmp_path):
    tensors = random_tensors(tiny_resnet())
    net = import_weights(save(tmp_path, checkpoint(tensors)), tiny_resnet()).model
    expected = np.einsum("iohw->hwoi", tensors["deconv_layers.3.weight"])
    assert np.array_equal(kernel(net, "deconv1_conv"), expected)


def test_half_precision_is_widened(tmp_path):
    tensors = random_tensors(tiny_hrnet())
    halves = {name: array.astype(np.float16) for name, array in tensors.items()}
    net = import_weights(save(tmp_path, checkpoint(halves)), tiny_hrnet()).model
    expected = np.einsum("oihw->hwio", halves["conv1.weight"]).astype(np.float32)
    assert np.array_equal(kernel(net.backbone, "stem_conv1"), expected)


def test_info_says_where_the_weights_are_from(tmp_path):
    path = save(tmp_path, checkpoint(random_tensors(tiny_hrnet())), "pose_hrnet.pth")
    done = import_weights(path, tiny_hrnet())
    with open(path, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    assert done.model.info == INFO | {
        "source": {
            "file": "pose_hrnet.pth",
            "sha256": digest,
            "channel_order": "rgb",
            "protocol": "preset",
        }
    }
    out = tmp_path / "net.keras"
    done.model.save(out)
    assert load_keras(str(out)).info == done.model.info


def test_training_states_are_read(tmp_path):
    value = {
        "epoch": 210,
        "model": "pose_hrnet",
        "state_dict": checkpoint(random_tensors(tiny_hrnet(), 1), "module."),
        "best_state_dict": checkpoint(random_tensors(tiny_hrnet(), 1)),
        "perf": 0.7,
        "optimizer": {"state": {0: {"exp_avg": Tensor.of(np.ones(3))}}},
    }
    done = import_weights(save(tmp_path, value), tiny_hrnet())
    expected = random_tensors(tiny_hrnet(), 1)["final_layer.bias"]
    assert np.array_equal(done.model.get_layer("head").bias, expected)
    assert "under 'state_dict'" in done.notes[0]


@pytest.mark.parametrize(
    "prefix",
    ["module.", "model.", "_orig_mod.", "model._orig_mod.module.", "pose_net.student."],
)
@pytest.mark.parametrize("mmpose", [False, True])
def test_prefixes_of_wrappers_are_taken_off_and_said(tmp_path, prefix, mmpose):
    tensors = random_tensors(tiny_hrnet(), 1)
    if mmpose:
        tensors = {
            f"{'head' if 'final_layer' in name else 'backbone'}.{name}": array
            for name, array in tensors.items()
        }
    value = checkpoint(tensors, prefix) | {"n_averaged": Tensor.of(np.array(3))}
    done = import_weights(save(tmp_path, value), tiny_hrnet())
    expected = random_tensors(tiny_hrnet(), 1)["final_layer.bias"]
    assert np.array_equal(done.model.get_layer("head").bias, expected)
    assert f"{prefix!r} taken off the tensors' names" in done.notes


def test_a_prefix_of_another_net_is_not_taken_off(tmp_path):
    value = checkpoint({"module.encoder.w": np.ones((3, 4), np.float32)})
    with pytest.raises(InputError, match="200 missing .conv1.weight"):
        import_weights(save(tmp_path, value), tiny_hrnet())


def test_a_file_of_which_nothing_fits_is_no_backbone(tmp_path):
    """TokenPose-T has no weights before its tokens: any file would be its backbone."""
    net = build_heatmap_net("tokenpose_t", (64, 64), 3, info=INFO)
    assert not torch_slots(net.backbone)
    path = save(tmp_path, checkpoint(random_tensors(tiny_resnet())))
    with pytest.raises(InputError, match="does not fit|has no head of"):
        import_weights(path, net)
    other = checkpoint({"encoder.w": np.ones((3, 4), np.float32)})
    with pytest.raises(InputError, match="weights.pth: has no head of"):
        import_weights(save(tmp_path, other), net)


@pytest.mark.parametrize(
    "name,warned", [("net_32x32.pth", False), ("pose_384x288.pth", True)]
)
def test_another_size_in_the_name_is_said(tmp_path, name, warned):
    path = save(tmp_path, checkpoint(random_tensors(tiny_hrnet())), name)
    notes = import_weights(path, tiny_hrnet()).notes
    said = [note for note in notes if "name says 384x288, the net takes 32x32" in note]
    assert bool(said) == warned


# === SimpleBaseline's BGR ===


def heatmaps(net, images) -> np.ndarray:
    return np.asarray(net(images, training=False))


def test_weights_that_saw_bgr_take_rgb(tmp_path):
    tensors = random_tensors(tiny_resnet())
    path = save(tmp_path, checkpoint(tensors), "pose_resnet.pth.tar")
    as_they_are = import_weights(path, tiny_resnet(), channel_order="rgb").model
    images = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3))
    expected = heatmaps(as_they_are, images[..., ::-1])
    assert np.abs(heatmaps(as_they_are, images) / expected - 1).max() > 1e-3
    done = import_weights(path, tiny_resnet())
    assert done.model.info["source"]["channel_order"] == "bgr"
    assert any("BGR" in note for note in done.notes)
    np.testing.assert_allclose(heatmaps(done.model, images), expected, rtol=1e-5)
    out = tmp_path / "net.keras"
    done.model.save(out)
    loaded = load_keras(str(out))
    assert loaded.image_mean == IMAGE_MEAN[::-1] and loaded.image_std == IMAGE_STD[::-1]
    np.testing.assert_allclose(heatmaps(loaded, images), expected, rtol=1e-5)


# === MMPose ===


def mmpose(tensors, head="head.") -> dict[str, Tensor]:
    return {
        ("backbone." if not name.startswith(("final", "deconv")) else head) + name: t
        for name, t in checkpoint(tensors).items()
    }


@pytest.mark.parametrize("head", ["head.", "keypoint_head."])
@pytest.mark.parametrize("net", [tiny_hrnet, tiny_resnet])
def test_mmpose_names(tmp_path, net, head):
    tensors = random_tensors(net())
    path = save(tmp_path, {"meta": {}, "state_dict": mmpose(tensors, head)})
    done = import_weights(path, net())
    assert done.model.info["source"]["channel_order"] == "rgb"
    found = done.model.get_weights()
    expected = import_weights(
        save(tmp_path, checkpoint(tensors)), net(), channel_order="rgb"
    )
    for first, second in zip(found, expected.model.get_weights(), strict=True):
        assert np.array_equal(first, second)


PLAIN = ("official", "msra", 1, None)
DARK = ("official", "dark", 1, 11)
DARK_17 = ("official", "dark", 1, 17)
UDP = ("udp", "udp", 0, 11)


@pytest.mark.parametrize(
    "name,meta,asked,expected",
    [
        ("td-hm_hrnet-w32_8xb64-210e_coco-256x192-81c58e40.pth", {}, "auto", PLAIN),
        ("td-hm_hrnet-w32_udp-8xb64-210e_coco-73ede547.pth", {}, "auto", UDP),
        ("hrnet_w32_coco_256x192_dark-07f147eb.pth", {}, "auto", DARK),
        ("x.pth", {"cfg": "codec = dict(type='MSRAHeatmap')"}, "auto", PLAIN),
        ("dark.pth", {"cfg": "dict(unbiased=False)"}, "auto", PLAIN),
        ("x.pth", {"cfg": "dict(type='MSRAHeatmap', unbiased=True)"}, "auto", DARK),
        (
            "x.pth",
            {"cfg": "unbiased=True,blur_kernel_size=17"},
            "auto",
            DARK_17,
        ),
        ("x.pth", {"cfg": "codec = dict(type='UDPHeatmap')"}, "auto", UDP),
        ("x.pth", {"config": "post_process='unbiased'"}, "auto", DARK),
        ("x.pth", {}, "mmpose_udp", UDP),
        ("x.pth", {}, "preset", ("half_pixel", "quarter", 0, None)),
    ],
)
def test_mmpose_protocol(tmp_path, name, meta, asked, expected):
    tensors = mmpose(random_tensors(tiny_hrnet()))
    path = save(tmp_path, {"meta": meta, "state_dict": tensors}, name)
    info = import_weights(path, tiny_hrnet(), protocol=asked).model.info
    keys = ("alignment", "decoder", "flip_shift", "blur_kernel")
    assert tuple(info.get(key) for key in keys) == expected


# === ImageNet ===


def test_imagenet_hrnet_gives_a_bare_backbone(tmp_path):
    tensors = random_tensors(tiny_hrnet().backbone)
    more = {
        "incre_modules.0.0.conv1.weight": np.ones(3),
        "downsamp_modules.0.0.bias": np.ones(3),
        "final_layer.0.weight": np.ones((4, 4, 1, 1)),
        "final_layer.1.num_batches_tracked": np.array(7),
        "classifier.weight": np.ones((10, 4)),
        "classifier.bias": np.ones(10),
        "stage4.0.fuse_layers.1.0.0.0.weight": np.ones((4, 4, 3, 3)),
    }
    done = import_weights(save(tmp_path, checkpoint(tensors | more)), tiny_hrnet())
    assert any("classifier.* (2)" in note for note in done.notes)
    out = tmp_path / "backbone.keras"
    done.model.save(out)
    pose_net = tiny_hrnet(5)
    report = transfer_weights(load_keras(str(out)), pose_net)
    assert report.kept == ("head",)
    expected = np.einsum("oihw->hwio", tensors["conv1.weight"])
    assert np.array_equal(kernel(pose_net.backbone, "stem_conv1"), expected)


@pytest.mark.parametrize("prefixes", [("", ""), ("backbone.", "head.")])
def test_imagenet_resnet_gives_a_bare_backbone(tmp_path, prefixes):
    tensors = random_tensors(tiny_resnet().backbone)
    value = checkpoint(tensors, prefixes[0])
    value |= checkpoint({"fc.weight": np.ones((10, 32))}, f"{prefixes[1]}")
    done = import_weights(save(tmp_path, value), tiny_resnet())
    assert isinstance(done.model, ResNet)
    assert any("fc.* (1)" in note for note in done.notes)
    # ImageNet's nets saw RGB, whoever uses them.
    expected = np.einsum("oihw->hwio", tensors["conv1.weight"])
    assert np.array_equal(kernel(done.model, "stem_conv"), expected)


def test_deeper_imagenet_resnet_is_refused(tmp_path):
    tensors = random_tensors(tiny_resnet().backbone)
    surplus = {"layer3.2.conv1.weight": np.ones((16, 16, 3, 3)), "fc.bias": np.ones(9)}
    message = fails(save(tmp_path, checkpoint(tensors | surplus)), tiny_resnet())
    assert message.endswith("1 unexpected (layer3.2.conv1.weight)")


# === What is refused ===


def fails(path, net=None, **choices) -> str:
    with pytest.raises(InputError) as error:
        import_weights(path, tiny_hrnet() if net is None else net, **choices)
    message = str(error.value)
    assert "\n" not in message and len(message) < 1500
    return message


def test_faults_are_counted_and_the_first_are_named(tmp_path):
    tensors = random_tensors(tiny_hrnet())
    for name in [name for name in tensors if name.startswith("stage2.")]:
        del tensors[name]
    tensors["surplus.weight"] = np.ones(3)
    tensors["conv1.weight"] = tensors["conv1.weight"][:, :, :1]
    value = checkpoint(tensors) | {"epoch": 3}
    message = fails(save(tmp_path, value))
    missing = sum(name.startswith("stage2.") for name in hrnet_names())
    assert f"{missing} missing (stage2.0." in message and ", ...)" in message
    assert "2 unexpected (surplus.weight, epoch (a value of type int))" in message
    assert "1 of another shape (conv1.weight [8, 3, 1, 3] instead of [8, 3, 3, 3])" in (
        message
    )


def test_another_net_does_not_fit(tmp_path):
    message = fails(save(tmp_path, checkpoint(random_tensors(tiny_resnet()))))
    assert "missing" in message and "unexpected" in message
    joints = save(tmp_path, checkpoint(random_tensors(tiny_hrnet(5))))
    assert "final_layer.bias [5] instead of [3]" in fails(joints)


def test_tensors_that_are_no_weights(tmp_path):
    tensors = random_tensors(tiny_hrnet())
    tensors["bn1.weight"][2] = np.nan
    tensors["bn2.weight"] = np.ones(8, np.int64)
    message = fails(save(tmp_path, checkpoint(tensors)))
    assert "2 not usable" in message
    assert "bn1.weight with numbers that are not finite" in message
    assert "bn2.weight of type int64" in message


def test_caffe_style_is_refused(tmp_path):
    value = checkpoint(random_tensors(tiny_resnet()))
    path = save(tmp_path, value, "pose_resnet_50_caffe_256x192.pth.tar")
    assert "strides on the 1x1" in fails(path, tiny_resnet())


@pytest.mark.parametrize(
    "choice,message",
    [
        ({"channel_order": "gbr"}, "channel_order is 'gbr', expected one of auto, rgb"),
        ({"protocol": "udp"}, "protocol is 'udp', expected one of auto, preset"),
    ],
)
def test_impossible_choices(tmp_path, choice, message):
    assert message in fails(str(tmp_path / "x.pth"), **choice)
