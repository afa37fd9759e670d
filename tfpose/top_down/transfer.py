"""Copying of weights from one net to another, and freezing of layer groups."""

import dataclasses
from collections.abc import Iterable, Mapping

import keras
import numpy as np

from tfpose.errors import InputError
from tfpose.top_down.net import HeatmapNet

__all__ = [
    "TransferReport",
    "freeze_groups",
    "layer_groups",
    "transfer_weights",
    "weighted_layers",
]

# Problems that one error message lists; nets of another kind differ in hundreds.
_MAX_LISTED = 20


@dataclasses.dataclass(frozen=True)
class TransferReport:
    """The result of `transfer_weights`.

    Attributes:
        copied: names of the target's layers that now have the source's weights.
        kept: names of the target's layers whose weights did not change.
        num_parameters: number of values copied, with moving statistics.
        first_convolution_cut: whether six input channels were reduced to three.
    """

    copied: tuple[str, ...]
    kept: tuple[str, ...]
    num_parameters: int
    first_convolution_cut: bool


def transfer_weights(source: keras.Model, target: HeatmapNet) -> TransferReport:
    """Copies weights by layer name from `source` into `target`, in place.

    From a heatmap net all layers are copied except those that belong to its outputs
    (the head, and TokenPose's keypoint tokens). From a backbone alone, the target's
    backbone is copied. Input sizes may differ, because every layer is convolutional;
    TokenPose's perceptron is not, so TokenPose needs the same size.

    If the first convolution takes six channels in the source (a mosaic and the
    unshuffled image) and three in the target, the half for the unshuffled image is
    copied, because that is the target's input (not specified in arXiv:2012.07101).

    Args:
        source: a heatmap net or a backbone.
        target: the net to change.

    Raises:
        InputError: a layer is missing in one of the nets or has another shape. The
            target is then unchanged.
    """
    source_layers = weighted_layers(source)
    target_layers = weighted_layers(target)
    if isinstance(source, HeatmapNet):
        skipped = {*source.output_layers, *target.output_layers}
        names = [name for name in target_layers if name not in skipped]
        surplus = source_layers.keys() - target_layers.keys() - skipped
    else:
        names = list(weighted_layers(target.backbone))
        surplus = source_layers.keys() - set(names)
    problems = [f"{name} is not in the target" for name in sorted(surplus)]
    values: dict[str, list[np.ndarray]] = {}
    cut = False
    for name in names:
        if name not in source_layers:
            problems.append(f"{name} is not in the source")
            continue
        weights = source_layers[name].get_weights()
        shapes = [weight.shape for weight in weights]
        expected = [tuple(weight.shape) for weight in target_layers[name].weights]
        if shapes != expected and _is_first_convolution_of_six(shapes, expected):
            weights = [weights[0][:, :, 3:], *weights[1:]]
            cut = True
        elif shapes != expected:
            problems.append(f"{name} has shapes {shapes}, expected {expected}")
        values[name] = weights
    if problems:
        if len(problems) > _MAX_LISTED:
            more = len(problems) - _MAX_LISTED
            problems[_MAX_LISTED:] = [f"and {more} more layers"]
        raise InputError(
            f"weights of {source.name!r} do not fit {target.name!r}: "
            + "; ".join(problems)
        )
    for name, weights in values.items():
        target_layers[name].set_weights(weights)
    return TransferReport(
        copied=tuple(values),
        kept=tuple(name for name in target_layers if name not in values),
        num_parameters=sum(w.size for weights in values.values() for w in weights),
        first_convolution_cut=cut,
    )


def layer_groups(net: HeatmapNet) -> dict[str, list[keras.layers.Layer]]:
    """The layers that can be frozen, by group, ordered from the input to the output.

    HRNet: `stem`, `stage1` to `stage4`, each stage with the transition after it and
    `stage4` without its last exchange. These are layers 0 to 4 of the freezing ablation
    in arXiv:2012.07101. ResNet: `stem`, `stage1` to `stage4`, `deconv`.
    EfficientNet-Lite: `stem`, `stage1` to `stage6`, `pyramid`. TokenPose: its
    backbone's groups, and `tokens`, from the patches' embedding to the last norm before
    the head. Layers in no group, such as the head, are always trained.
    """
    groups = dict(net.backbone.layer_groups())
    if net.deconv_filters:
        groups["deconv"] = [
            layer for layer in net.layers if layer.name.startswith("deconv")
        ]
    if net.pyramid_filters:
        groups["pyramid"] = [
            layer for layer in net.layers if layer.name.startswith("pyramid")
        ]
    if net.token_head is not None:
        groups["tokens"] = [
            layer
            for layer in net.layers
            if layer.name.startswith(("patch_embedding", "tokens_"))
        ]
    return groups


def freeze_groups(
    groups: Mapping[str, list[keras.layers.Layer]], names: Iterable[str]
) -> None:
    """Freezes the named groups and makes all others trainable.

    A frozen batch normalisation uses its moving statistics, which no longer change.
    Freezing is not saved in a `.keras` file, and a compiled model must be compiled
    again.

    Args:
        groups: layers of a net or of a backbone by the group's name, see
            `layer_groups`.
        names: of the groups to freeze.

    Raises:
        InputError: a name is not a group.
    """
    names = list(names)
    unknown = [name for name in names if name not in groups]
    if unknown:
        raise InputError(
            f"unknown layer groups {', '.join(map(repr, unknown))}; "
            f"expected some of {', '.join(groups)}"
        )
    for group, layers in groups.items():
        for layer in layers:
            layer.trainable = group not in names


def weighted_layers(net: keras.Model) -> dict[str, keras.layers.Layer]:
    """The layers with weights of a net and of its nested models, by name."""
    layers: dict[str, keras.layers.Layer] = {}
    for layer in net.layers:
        if isinstance(layer, keras.Model):
            layers.update(weighted_layers(layer))
        elif layer.weights:
            layers[layer.name] = layer
    return layers


def _is_first_convolution_of_six(shapes: list[tuple], expected: list[tuple]) -> bool:
    """Whether the kernels have 6 and 3 input channels and all else is equal."""
    if shapes[1:] != expected[1:] or len(shapes[0]) != 4 or len(expected[0]) != 4:
        return False
    (*size, inputs, outputs), (*target_size, target_inputs, target_outputs) = (
        shapes[0],
        expected[0],
    )
    return (size, outputs) == (target_size, target_outputs) and (
        (inputs, target_inputs) == (6, 3)
    )
