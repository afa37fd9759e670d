"""Decoding outside of an exported graph: what GPUs of phones cannot do, they leave."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from keras import ops

from export.fit import Fit
from tfpose.codecs.heatmap import HeatmapCodec
from tfpose.codecs.peaks import gaussian_taps
from tfpose.errors import InputError

__all__ = ["KeypointDecoder"]


@dataclasses.dataclass(frozen=True)
class KeypointDecoder:
    """From the heatmaps of an exported model to keypoints in its pictures.

    Attributes:
        codec: of the net.
        method: one of `tfpose.codecs.heatmap.DECODE_METHODS`.
        fit: from the net's input to the pictures.
    """

    codec: HeatmapCodec
    method: str
    fit: Fit

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> "KeypointDecoder":
        """The decoder of a model.

        Args:
            metadata: content of the JSON file beside the model.

        Raises:
            InputError: it is of a model without heatmaps.
        """
        if "heatmaps" not in metadata:
            raise InputError(
                "metadata: has no heatmaps, expected those of a model that was "
                "exported with --output=heatmaps"
            )
        told = metadata["heatmaps"]
        size = tuple(metadata["net_input_size"])
        codec = HeatmapCodec(
            size,
            told["stride"],
            told["sigma"],
            metadata["alignment"],
            blur_kernel=told["blur_kernel"],
        )
        fit = Fit.of(tuple(metadata["image_size"]), size)
        return cls(codec, metadata["decoder"], fit)

    @property
    def metadata(self) -> dict[str, Any]:
        """What other languages need to do the same, for JSON.

        `size` is (h, w) in cells; (x, y) of a cell times `scale` plus `offset` is the
        point in the picture; `absent` is where a joint of score 0 is; `taps` are the
        weights of the blur in each direction.
        """
        corners = np.array([[[0.0, 0.0], [1.0, 1.0]]], np.float32)
        origin, one = np.array(self.fit.points(self.codec.to_pixels(corners)))[0]
        nothing = np.zeros((1, *self.codec.heatmap_size, 1), np.float32)
        own = self.codec.alignment == "half_pixel" and self.method == "dark"
        size = self.codec.blur_kernel_size
        taps = gaussian_taps(size, self.codec.sigma if own else None)
        return {
            "size": list(self.codec.heatmap_size),
            "stride": self.codec.stride,
            "sigma": self.codec.sigma,
            "blur_kernel": size,
            "taps": taps.tolist(),
            "scale": (one - origin).tolist(),
            "offset": origin.tolist(),
            "absent": self(nothing)["keypoints"][0, 0].tolist(),
        }

    def __call__(self, heatmaps: np.ndarray) -> dict[str, np.ndarray]:
        """Decodes a batch.

        Args:
            heatmaps: `[B, h, w, J]`, as the model gives them.

        Returns:
            `keypoints` `[B, J, 2]` float32 (x, y), pixels of the picture that the model
            was given, and `scores` `[B, J]` float32, about 0..1; 0 or less: not found.
        """
        found, scores = self.codec.decode(heatmaps, self.method)
        keypoints = self.fit.points(found)
        return {
            "keypoints": ops.convert_to_numpy(keypoints),
            "scores": ops.convert_to_numpy(scores),
        }
