"""ResNet: torchvision's parameter counts, strides, groups."""

import keras
import numpy as np
import pytest

from tfpose.backbones.resnet import ResNet
from tfpose.errors import InputError


def parameters(layers) -> int:
    return sum(int(np.prod(w.shape)) for x in layers for w in x.trainable_weights)


@pytest.mark.parametrize(
    "depth,filters,expected",
    [
        (18, 512, 11_176_512),
        (34, 512, 21_284_672),
        (50, 2048, 23_508_032),
        pytest.param(101, 2048, 42_500_160, marks=pytest.mark.slow),
        pytest.param(152, 2048, 58_143_808, marks=pytest.mark.slow),
    ],
)
def test_parameters_are_the_published_ones(depth, filters, expected):
    net = ResNet((256, 192, 3), depth)
    assert parameters(net.layers) == expected
    assert net.output_shape == (None, 8, 6, filters)
    groups = net.layer_groups()
    assert sum(parameters(layers) for layers in groups.values()) == expected
    assert all(groups.values())


def test_bottlenecks_stride_on_the_3x3_convolution():
    net = ResNet((64, 64, 3), 50, width=8)
    strides = [
        net.get_layer(f"stage2_block0_{name}").strides
        for name in ("conv1", "conv2", "conv3", "projection_conv")
    ]
    assert strides == [(1, 1), (2, 2), (1, 1), (2, 2)]


def test_pooling_is_centred_as_in_pytorch():
    net = ResNet((20, 22, 3), 18, width=4)
    stem = keras.Model(
        net.input,
        [net.get_layer("stem_relu").output, net.get_layer("stem_pool").output],
    )
    image = np.random.default_rng(0).normal(size=(1, 20, 22, 3)).astype("float32")
    before, after = (x[0].numpy() for x in stem(image))
    assert after.shape == (5, 6, 4)
    for i in range(5):
        for j in range(6):
            rows = slice(max(2 * i - 1, 0), 2 * i + 2)
            columns = slice(max(2 * j - 1, 0), 2 * j + 2)
            np.testing.assert_array_equal(
                after[i, j], before[rows, columns].max(axis=(0, 1))
            )


def test_size_that_32_does_not_divide():
    assert ResNet((100, 70, 3), 18, width=4).output_shape == (None, 4, 3, 32)


def test_saved_file_loads_with_the_same_output(tmp_path):
    net = ResNet((64, 32, 3), 18, width=4, kernel_initializer="he_normal")
    net.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    image = np.random.default_rng(0).normal(size=(1, 64, 32, 3)).astype("float32")
    assert type(loaded) is ResNet
    np.testing.assert_array_equal(loaded(image), net(image))


def test_unknown_depth_is_refused():
    with pytest.raises(InputError, match="depth 20 is unknown.*18, 34, 50, 101, 152"):
        ResNet((64, 64, 3), 20)
