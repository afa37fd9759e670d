"""Published nets: what is promised about them is what is built."""

import math

import keras
import pytest

from tfpose.cli.presets import presets
from tfpose.codecs.heatmap import DECODE_METHODS
from tfpose.errors import InputError
from tfpose.top_down.predictor import TopDownPredictor
from tfpose.top_down.tokens import ScaledDotProduct
from tfpose.weights.presets import PRESETS, build_preset, get_preset

# Of the published tables (COCO's and MPII's joints) and the official code.
_PARAMETERS = {
    "hrnet_w32": (28_536_113, 28_536_080),
    "hrnet_w48": (63_595_745, 63_595_696),
    "resnet50": (33_999_697, 33_999_440),
    "resnet101": (52_991_825, 52_991_568),
    "resnet152": (68_635_473, 68_635_216),
}
# TokenPose's, of a preset; multiply-adds in billions with the attention's.
_TOKENS = {
    "tokenpose_t": (5_816_448, None),
    "tokenpose_s_v1": (6_620_736, 2.73),
    "tokenpose_s_v2": (6_227_520, 7.49),
    "tokenpose_b": (13_465_216, 6.28),
    "tokenpose_l_d6": (20_815_776, 9.87),
    "tokenpose_l_d24": (27_482_400, 12.19),
    "tokenpose_l_d6_mpii_256x256": (21_443_296, None),
}
_BILLIONS = {
    "hrnet_w32": (7.645, 10.19, 17.20),
    "hrnet_w48": (15.692, 20.92, 35.31),
    "resnet50": (5.426, 7.24, 12.21),
    "resnet101": (9.063, 12.08, 20.39),
    "resnet152": (12.699, 16.93, 28.57),
}
_SIZES = ("256x192", "256x256", "384x288")


def _multiply_adds(model):
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            total += _multiply_adds(layer)
        elif isinstance(layer, keras.layers.Conv2DTranspose):
            cells = math.prod(layer.input.shape[1:3])
            total += math.prod(layer.kernel.shape) * cells
        elif isinstance(layer, keras.layers.Conv2D):
            cells = math.prod(layer.output.shape[1:3])
            total += math.prod(layer.kernel.shape) * cells
        elif isinstance(layer, keras.layers.Dense):
            total += math.prod(layer.kernel.shape) * layer.input.shape[1]
        elif isinstance(layer, ScaledDotProduct):
            _, tokens, width = layer.output.shape
            total += 2 * tokens**2 * width
    return total


@pytest.mark.parametrize("net", _PARAMETERS)
def test_costs_are_the_published_ones(net):
    for size, billions in zip(_SIZES, _BILLIONS[net], strict=True):
        for data, parameters in zip(("coco", "mpii"), _PARAMETERS[net], strict=True):
            preset = get_preset(f"{net}_{data}_{size}")
            assert preset.parameters == parameters
            assert preset.multiply_adds == pytest.approx(billions * 1e9, rel=1e-3)


@pytest.mark.parametrize("name", _TOKENS)
def test_costs_of_tokenpose_are_the_published_ones(name):
    parameters, billions = _TOKENS[name]
    preset = get_preset(name)
    assert preset.parameters == parameters
    if billions is not None:
        assert preset.multiply_adds == pytest.approx(billions * 1e9, rel=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "hrnet_w32_mpii_384x288",
        "resnet50",
        "tokenpose_s_v2_mpii_384x288",
        "tokenpose_b_coco_256x256",
        "tokenpose_l_d6_coco_384x288",
    ],
)
def test_costs_are_those_of_the_net(name):
    net, preset = build_preset(name), get_preset(name)
    assert net.input_size == preset.input_size
    assert preset.parameters == sum(
        math.prod(weight.shape) for weight in net.trainable_variables
    )
    assert preset.multiply_adds == _multiply_adds(net)
    predictor = TopDownPredictor(net)
    assert predictor.skeleton.name == preset.skeleton


def test_names_say_what_they_are():
    for name, preset in PRESETS.items():
        data = preset.skeleton.rstrip("0123456789")
        height, width = preset.input_size
        assert name == f"{preset.net}_{data}_{height}x{width}"
        assert preset.decoder in DECODE_METHODS
        assert preset.sigma == (3 if height == 384 else 2)
        if preset.net.startswith("tokenpose"):
            assert preset.info["blur_kernel"] == 11


def test_a_nets_name_is_its_usual_preset():
    assert get_preset("hrnet_w32") is PRESETS["hrnet_w32_coco_256x192"]


def test_unknown_names_are_answered_with_near_ones():
    with pytest.raises(InputError, match="'hrnet_w23_coco'; near it are hrnet_w32_"):
        get_preset("hrnet_w23_coco")


def test_table(capsys):
    presets("w32_coco")
    published, nets = capsys.readouterr().out.split("\n\n")
    # As MMPose publishes it.
    assert published.splitlines()[1].split() == [
        *("mmpose_hrnet_w32_coco_256x192", "coco17", "256x192"),
        *("114", "MB", "74.9", "AP", "Apache-2.0"),
    ]
    lines = nets.splitlines()
    assert len(lines) == 4
    assert lines[1].split() == [
        *("hrnet_w32_coco_256x192", "coco17", "256x192"),
        *("28.54", "M", "7.65", "G"),
    ]
    with pytest.raises(InputError, match="no preset has 'vit'"):
        presets("vit")
