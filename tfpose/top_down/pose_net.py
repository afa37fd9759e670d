"""What every net has that draws heatmaps of one person's joints."""

import keras

from tfpose.net_info import BuiltOn

__all__ = ["PoseNet"]


class PoseNet(BuiltOn, keras.Model):
    """Pixels 0..255 `[B, H, W, C]` to heatmaps `[B, H / 4, W / 4, num_outputs]`.

    A subclass calls `keras.Model.__init__` with its inputs and outputs, and sets `info`
    and what its pixels are normalised by: `image_mean` and `image_std`, three floats
    each, of R, G and B in 0..1.
    """

    stride = 4

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
