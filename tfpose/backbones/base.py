"""The base class of image backbones, and the normalisation of what they take."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import keras

__all__ = ["IMAGE_MEAN", "IMAGE_STD", "Backbone", "normalization"]

# ImageNet statistics of RGB in 0..1, which most published weights expect.
IMAGE_MEAN = (0.485, 0.456, 0.406)
IMAGE_STD = (0.229, 0.224, 0.225)


class Backbone(keras.Model):
    """A Keras model from a normalised image `[B, H, W, C]` to a feature map.

    Calling the model gives the main output, the map at `stride`. The maps at all
    strides are in `pyramid_outputs`. As in KerasHub's `FeaturePyramidBackbone`, their
    names are "P2" for stride 4, "P3" for 8, "P4" for 16 and "P5" for 32. A net that
    uses several of them, with the same layers, is built with

        maps = keras.Model(backbone.inputs, backbone.pyramid_outputs)(image)

    Args:
        inputs: Keras tensor of the image.
        pyramid_outputs: Keras tensors `[B, ceil(H / 2**n), ceil(W / 2**n), F]` by name
            "P<n>", the finest first. The one at the class's `stride` is the main
            output.
        policy: Keras dtype policy of the layers.
        name: str.
        return_all: bool. Whether calling the model returns all of `pyramid_outputs`
            instead of the main output. Needed where the main output does not depend on
            all of the maps: a Keras model has only the layers that its outputs depend
            on.

    Attributes:
        stride: int. Pixels of the image per cell of the main output.
        pyramid_outputs: dict. As given.
        image_shape: (H, W, C) of the image.
        return_all: as given.
        policy: the dtype policy.
        image_mean: three floats of the class. Its published weights expect images from
            whose R, G and B in 0..1 these were subtracted.
        image_std: three floats of the class, by which R, G and B were then divided.
    """

    stride: ClassVar[int]
    image_mean: ClassVar[tuple[float, ...]] = IMAGE_MEAN
    image_std: ClassVar[tuple[float, ...]] = IMAGE_STD

    def __init__(
        self,
        inputs: Any,
        pyramid_outputs: Mapping[str, Any],
        policy: keras.DTypePolicy,
        name: str,
        return_all: bool = False,
        **kwargs: Any,
    ) -> None:
        main = pyramid_outputs[f"P{self.stride.bit_length() - 1}"]
        outputs = dict(pyramid_outputs) if return_all else main
        super().__init__(inputs=inputs, outputs=outputs, name=name, **kwargs)
        self.pyramid_outputs = dict(pyramid_outputs)
        self.image_shape = tuple(inputs.shape[1:])
        self.return_all = return_all
        self.policy = policy

    def layer_groups(self) -> dict[str, list[keras.layers.Layer]]:
        """The layers that can be frozen, by group, ordered from the input.

        One group of all of them, if a subclass does not know better.
        """
        return {"backbone": [layer for layer in self.layers if layer.weights]}

    def get_config(self) -> dict[str, Any]:
        """The arguments that every backbone takes; a subclass adds its own."""
        return {
            "input_shape": list(self.image_shape),
            "return_all": self.return_all,
            "dtype": self.policy.name,
            "name": self.name,
            "trainable": self.trainable,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        return cls(**config)


def normalization(
    mean: Sequence[float], std: Sequence[float], images: int = 1
) -> keras.layers.Rescaling:
    """The layer from pixels 0..255 `[B, H, W, 3 * images]` to what a backbone takes.

    Args:
        mean: three floats, subtracted from R, G and B in 0..1.
        std: three floats, by which these are then divided.
        images: number of images in the channels.
    """
    return keras.layers.Rescaling(
        scale=[1 / (255 * s) for s in std] * images,
        offset=[-m / s for m, s in zip(mean, std, strict=True)] * images,
        name="normalization",
        dtype="float32",
    )
