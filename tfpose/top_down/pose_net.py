"""What every net has that draws heatmaps of one person's joints."""

import json
from typing import Any

import keras

from tfpose.net_info import info_text

__all__ = ["PoseNet"]


class PoseNet(keras.Model):
    """Pixels 0..255 `[B, H, W, C]` to heatmaps `[B, H / 4, W / 4, num_outputs]`.

    A subclass calls `keras.Model.__init__` with its inputs and outputs, and sets `info`
    and what its pixels are normalised by: `image_mean` and `image_std`, three floats
    each, of R, G and B in 0..1.
    """

    stride = 4
    _info_json = "{}"

    @property
    def info(self) -> dict[str, Any]:
        """A copy of what the `.keras` file says of the net, such as its skeleton."""
        return json.loads(self._info_json)

    @info.setter
    def info(self, info: dict[str, Any]) -> None:
        self._info_json = info_text(info)

    @property
    def num_outputs(self) -> int:
        return self.output_shape[-1]

    @property
    def input_channels(self) -> int:
        return self.input_shape[-1]

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) of the input in pixels."""
        return self.input_shape[1:3]

    @property
    def heatmap_size(self) -> tuple[int, int]:
        """(height, width) of the heatmaps in cells."""
        return self.output_shape[1:3]
