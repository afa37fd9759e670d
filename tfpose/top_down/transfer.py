"""Hand-over of weights from one net to another, and freezing of what it gave."""

import dataclasses
from collections.abc import Iterable

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

# Misfits that one error message lists; nets of another kind differ in hundreds.
_MAX_LISTED = 20


@dataclasses.dataclass(frozen=True)
class TransferReport:
    """What `transfer_weights` did.

    Attributes:
        copied: names of the target's layers that now have the source's weights.
        kept: names of the target's layers that kept their own weights.
        num_parameters: numbers copied, moving statistics included.
        first_convolution_cut: whether six input channels were cut to three.
    """

    copied: tuple[str, ...]
    kept: tuple[str, ...]
    num_parameters: int
    first_convolution_cut: bool


def transfer_weights(source: keras.Model, target: HeatmapNet) -> TransferReport:
    """Copies weights by layer name from `source` into `target`, in place.

    A source heatmap net gives everything but what belongs to its outputs (the head,
    and TokenPose's keypoint tokens); a bare backbone gives the target's backbone.
    Input sizes may differ, since every layer is convolutional (TokenPose's perceptron
    is not, and asks for the same size).
    A source whose first convolution sees six channels, a mosaic and the unshuffled
    image, gives a target with three the half that saw the unshuffled image, which is
    what the target will see (arXiv:2012.07101 says nothing on this).

    Raises:
        InputError: a layer is absent from either net or has another shape there.
            The target is unchanged then.
    """
    source_layers = weighted_layers(source)
    target_layers = weighted_layers(target)
    if isinstance(source, HeatmapNet):
        own = {*source.layers_of_outputs, *target.layers_of_outputs}
        wanted = [name for name in target_layers if name not in own]
        surplus = source_layers.keys() - target_layers.keys() - own
    else:
        wanted = list(weighted_layers(target.backbone))
        surplus = source_layers.keys() - set(wanted)
    problems = [f"{name} is not in the target" for name in sorted(surplus)]
    values: dict[str, list[np.ndarray]] = {}
    cut = False
    for name in wanted:
        if name not in source_layers:
            problems.append(f"{name} is not in the source")
            continue
        weights = source_layers[name].get_weights()
        found = [weight.shape for weight in weights]
        expected = [tuple(weight.shape) for weight in target_layers[name].weights]
        if found != expected and _is_first_convolution_of_six(found, expected):
            weights = [weights[0][:, :, 3:], *weights[1:]]
            cut = True
        elif found != expected:
            problems.append(f"{name} has shapes {found}, expected {expected}")
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
    """The layers that can be frozen, by group, from the input to the output.

    HRNet: `stem`, `stage1` to `stage4`, each stage with the transition after it and
    `stage4` without its last exchange. These are layers 0 to 4 of the freezing
    ablation in arXiv:2012.07101. ResNet: `stem`, `stage1` to `stage4`, `deconv`.
    TokenPose: its backbone's, and `tokens`, from the patches' embedding to the last
    norm before the head. What is in no group, the head above all, always trains.
    """
    groups = dict(net.backbone.layer_groups())
    if net.deconv_filters:
        groups["deconv"] = [
            layer for layer in net.layers if layer.name.startswith("deconv")
        ]
    if net.token_head is not None:
        groups["tokens"] = [
            layer
            for layer in net.layers
            if layer.name.startswith(("patch_embedding", "tokens_"))
        ]
    return groups


def freeze_groups(net: HeatmapNet, names: Iterable[str]) -> None:
    """Freezes the named groups and lets all others train.

    A frozen batch normalisation normalises by its moving statistics, which no longer
    move. Freezing is not part of a `.keras` file, and a compiled model must be
    compiled again.

    Raises:
        InputError: a name is no group of this net.
    """
    groups = layer_groups(net)
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
    """The layers with weights of a net and of the models in it, by name."""
    layers: dict[str, keras.layers.Layer] = {}
    for layer in net.layers:
        if isinstance(layer, keras.Model):
            layers.update(weighted_layers(layer))
        elif layer.weights:
            layers[layer.name] = layer
    return layers


def _is_first_convolution_of_six(found: list[tuple], expected: list[tuple]) -> bool:
    if found[1:] != expected[1:] or len(found[0]) != 4 or len(expected[0]) != 4:
        return False
    (*size, inputs, outputs), (*target_size, target_inputs, target_outputs) = (
        found[0],
        expected[0],
    )
    return (size, outputs) == (target_size, target_outputs) and (
        (inputs, target_inputs) == (6, 3)
    )
