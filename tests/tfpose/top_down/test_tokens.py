"""TokenPose's head: its arithmetic against NumPy, published sizes, files, transfer."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpose.backbones.pixels import Pixels
from tfpose.errors import InputError
from tfpose.skeletons import get_skeleton
from tfpose.top_down.net import NETS, HeatmapNet, build_heatmap_net
from tfpose.top_down.predictor import TopDownPredictor
from tfpose.top_down.tokens import SineCode, TokenHead
from tfpose.top_down.transfer import freeze_groups, layer_groups, transfer_weights

SMALL = TokenHead((4, 8), depth=2, heads=2, hidden=5, width=8)
ONE_OF_EACH = [
    SMALL,
    TokenHead((8, 4), depth=2, heads=4, groups=3, width=8),
    TokenHead((4, 4), depth=3, heads=2, hidden=6, scale_by_head=False, width=8),
]


def small_net(
    head=SMALL, joints=3, size=(32, 32), channels=3, dtype=None
) -> HeatmapNet:
    backbone = Pixels((*size, channels), dtype=dtype, name="backbone")
    return HeatmapNet(backbone, joints, tokens=head, dtype=dtype)


def randomise(net, seed=0) -> None:
    rng = np.random.default_rng(seed)
    net.set_weights([rng.normal(0, 0.5, w.shape) for w in net.get_weights()])


def pixels(*shape) -> np.ndarray:
    return np.random.default_rng(1).uniform(0, 255, shape).astype(np.float32)


# === The arithmetic, written out once more, in float64 and with no tensor of Keras' ===


def weights_of(net, layer) -> list[np.ndarray]:
    return [w.astype(np.float64) for w in net.get_layer(layer).get_weights()]


def dense(net, layer, x):
    kernel, *bias = weights_of(net, layer)
    return x @ kernel + sum(bias)


def norm(net, layer, x):
    gamma, beta = weights_of(net, layer)
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * gamma + beta


def gelu(x):
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def place_code(rows, columns, width):
    """DETR's: the row in the first half, the column in the second, sine and cosine."""
    code = np.zeros((rows, columns, width))
    half = width // 2
    for row in range(rows):
        for column in range(columns):
            for offset, place, count in ((0, row, rows), (half, column, columns)):
                for i in range(half):
                    angle = (place + 1) / (count + 1e-6) * 2 * math.pi
                    angle /= 1e4 ** (2 * (i // 2) / half)
                    wave = math.cos if i % 2 else math.sin
                    code[row, column, offset + i] = wave(angle)
    return code.reshape(rows * columns, width)


def attention(head, qkv):
    tokens, part = len(qkv), head.width // head.heads
    scale = (part if head.scale_by_head else head.width) ** -0.5
    result = np.zeros((tokens, head.width))
    for h in range(head.heads):
        q, k, v = (qkv[:, i * head.width + h * part :][:, :part] for i in range(3))
        weights = np.exp(q @ k.T * scale)
        result[:, h * part :][:, :part] = weights / weights.sum(1, keepdims=True) @ v
    return result


def by_hand(net, image):
    head, joints = net.token_head, net.num_outputs
    x = (image.astype(np.float64) / 255 - net.image_mean) / net.image_std
    (high, wide), (rows, columns) = head.patch_size, head.grid(image.shape[:2])
    patches = x.reshape(rows, high, columns, wide, 3).transpose(0, 2, 1, 3, 4)
    kernel, bias = weights_of(net, "patch_embedding")
    x = patches.reshape(rows * columns, -1) @ kernel.reshape(-1, head.width) + bias
    code = place_code(rows, columns, head.width)
    x = np.concatenate([weights_of(net, "keypoint_tokens")[0], x + code])
    states = []
    for group in range(head.groups):
        for layer in range(head.depth):
            name = f"tokens_group{group}_layer{layer}"
            if layer:
                x[joints:] += code
            y = dense(net, f"{name}_qkv", norm(net, f"{name}_norm1", x))
            x = x + dense(net, f"{name}_projection", attention(head, y))
            y = gelu(dense(net, f"{name}_mlp1", norm(net, f"{name}_norm2", x)))
            x = x + dense(net, f"{name}_mlp2", y)
        states.append(x[:joints])
    x = norm(net, "tokens_norm", np.concatenate(states, axis=1))
    if head.hidden:
        x = norm(net, "tokens_hidden_norm", dense(net, "tokens_hidden", x))
    return dense(net, "head", x).reshape(joints, *net.heatmap_size).transpose(1, 2, 0)


@pytest.mark.parametrize("head", ONE_OF_EACH)
def test_arithmetic(head):
    net = small_net(head)
    randomise(net)
    image = pixels(32, 32, 3)
    expected = by_hand(net, image)
    found = net(image[None]).numpy()[0]
    assert np.abs(expected).max() > 1
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())


def test_code_tells_places_apart():
    code = SineCode((6, 4)).encoding(192)
    distances = np.linalg.norm(code[:, None] - code[None], axis=-1)
    assert code.shape == (24, 192)
    assert (distances + np.eye(24) > 0.5).all()


@pytest.mark.parametrize("head", ONE_OF_EACH)
def test_cost_is_counted_right(head):
    net = small_net(head)
    parameters, multiply_adds = head.cost((32, 32, 3), 64, 3)
    assert parameters == sum(math.prod(w.shape) for w in net.trainable_weights)
    tokens, convolution = math.prod(head.grid((32, 32))) + 3, 0
    expected = 0
    for layer in net.layers:
        if isinstance(layer, keras.layers.Conv2D):
            convolution = math.prod(layer.kernel.shape) * (tokens - 3)
        elif isinstance(layer, keras.layers.Dense):
            expected += math.prod(layer.kernel.shape) * layer.input.shape[1]
    logits_and_values = 2 * tokens**2 * head.width * head.depth * head.groups
    assert multiply_adds == expected + convolution + logits_and_values


@pytest.mark.parametrize(
    "name,parameters",
    [
        ("tokenpose_t", 5_816_448),
        ("tokenpose_s_v1", 6_620_736),
        pytest.param("tokenpose_s_v2", 6_227_520, marks=pytest.mark.slow),
        pytest.param("tokenpose_b", 13_465_216, marks=pytest.mark.slow),
        pytest.param("tokenpose_l_d6", 20_815_776, marks=pytest.mark.slow),
        pytest.param("tokenpose_l_d24", 27_482_400, marks=pytest.mark.slow),
    ],
)
def test_nets_have_the_published_size(name, parameters):
    net = build_heatmap_net(name, (256, 192), 17)
    assert net.output_shape == (None, 64, 48, 17)
    assert parameters == sum(math.prod(w.shape) for w in net.trainable_weights)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_saved_file_loads_with_the_same_output(tmp_path, dtype):
    net = small_net(dtype=dtype)
    net.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    image = pixels(2, 32, 32, 3)
    assert type(loaded) is HeatmapNet and loaded.token_head == net.token_head
    assert loaded.get_config() == net.get_config()
    np.testing.assert_array_equal(loaded(image), net(image))


def test_compiled_by_xla_and_in_bfloat16_it_learns():
    net = small_net(dtype="mixed_bfloat16")
    assert net.get_layer("head").compute_dtype == "float32"
    image, target = pixels(2, 32, 32, 3), np.ones((2, 8, 8, 3), np.float32)
    net.compile(keras.optimizers.Adam(1e-2), "mse", jit_compile=True)
    losses = [net.train_on_batch(image, target) for _ in range(20)]
    assert net(image).dtype == tf.float32
    assert losses[-1] < 0.3 * losses[0]


def test_compiled_by_xla_the_output_is_the_same():
    net = small_net(ONE_OF_EACH[1])
    randomise(net)
    image = pixels(2, 32, 32, 3)
    compiled = tf.function(net, jit_compile=True)
    expected = net(image).numpy()
    np.testing.assert_allclose(
        compiled(image), expected, atol=1e-5 * np.abs(expected).max()
    )


def test_all_but_the_outputs_is_handed_on():
    source, target = small_net(joints=9), small_net()
    randomise(source)
    report = transfer_weights(source, target)
    assert set(report.kept) == {"keypoint_tokens", "head"}
    for name in ("patch_embedding", "tokens_group0_layer1_qkv", "tokens_hidden"):
        for a, b in zip(
            weights_of(source, name), weights_of(target, name), strict=True
        ):
            np.testing.assert_array_equal(a, b)


def test_six_channels_give_the_patches_of_the_unshuffled_image():
    source, target = small_net(channels=6), small_net()
    randomise(source)
    assert transfer_weights(source, target).first_convolution_cut
    (given, bias), (kernel, _) = (
        weights_of(net, "patch_embedding") for net in (source, target)
    )
    np.testing.assert_array_equal(kernel, given[:, :, 3:])
    np.testing.assert_array_equal(weights_of(target, "patch_embedding")[1], bias)


def test_frozen_tokens_leave_only_the_outputs_to_train():
    net = small_net()
    assert list(layer_groups(net)) == ["tokens"]
    freeze_groups(layer_groups(net), ["tokens"])
    names = {weight.path.split("/")[0] for weight in net.trainable_weights}
    assert names == {"keypoint_tokens", "head"}


def test_groups_begin_with_the_backbones():
    net = build_heatmap_net("tokenpose_s_v1", (64, 64), 3)
    assert list(layer_groups(net)) == ["stem", "stage1", "tokens"]


def test_predictor_reads_its_heatmaps():
    net = small_net(joints=17)
    net.info = {
        "skeleton": get_skeleton("coco17").to_dict(),
        "sigma": 2.0,
        "decoder": "dark",
        "alignment": "tokenpose",
        "flip_shift": 0,
    }
    keypoints, scores = TopDownPredictor(net, flip_test=True).locate(
        pixels(2, 32, 32, 3)
    )
    assert keypoints.shape == (2, 17, 2) and scores.shape == (2, 17)


@pytest.mark.parametrize(
    "size,patches",
    [
        ((256, 192), {"t": (16, 12), "s_v2": (2, 2), "b": (4, 3), "l_d24": (4, 3)}),
        ((256, 256), {"l_d6": (4, 4)}),
        ((384, 288), {"l_d24": (6, 4)}),
        ((64, 48), {"t": (4, 3), "s_v1": (1, 1)}),
    ],
)
def test_patches_are_the_published_ones(size, patches):
    for kind, expected in patches.items():
        net = NETS[f"tokenpose_{kind}"]
        stride = net["backbone"].stride
        head = TokenHead.for_input(size, stride, **net["tokens"])
        assert head.patch_size == expected
        head.grid([side // stride for side in size])


@pytest.mark.parametrize(
    "make,message",
    [
        (lambda: small_net(size=(36, 36)), "36x36 cells cannot be cut into patches"),
        (lambda: TokenHead((4, 4), 0, 2), "expected positive numbers"),
        (lambda: TokenHead((4, 4), 1, 5), "multiple of 4 and of the 5 heads"),
        (
            lambda: HeatmapNet(Pixels((32, 32, 3)), 2, (4,), tokens=SMALL),
            "deconv_filters and tokens are both given",
        ),
        (lambda: HeatmapNet(Pixels((32, 32, 3)), 2), "of stride 1; expected 4"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
