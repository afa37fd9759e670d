"""How pictures of any size are brought to a net's input, and points brought back."""

import dataclasses
from typing import Any

from keras import ops

from export.model import Tensors

__all__ = ["Fit"]


@dataclasses.dataclass(frozen=True)
class Fit:
    """How pictures of one size are brought to a net's, and points brought back."""

    block: int
    resized: tuple[int, ...]
    # Black rows above and below, columns on the left and on the right.
    border: tuple[tuple[int, int], ...]
    # Pixels of the picture to those of its resized form, (y, x).
    scale: tuple[float, ...]

    @classmethod
    def of(cls, image_size: tuple[int, ...], input_size: tuple[int, ...]) -> "Fit":
        pairs = list(zip(image_size, input_size, strict=True))
        scale = min(inner / outer for outer, inner in pairs)
        block = next(
            size
            for size in (8, 4, 2, 1)
            if size == 1
            or (size * scale <= 1 and all(side % size == 0 for side in image_size))
        )
        resized = [min(max(round(side * scale), 1), whole) for side, whole in pairs]
        border = []
        for side, (_, whole) in zip(resized, pairs, strict=True):
            before = (whole - side) // 2
            border.append((before, whole - side - before))
        scales = [new / old for new, old in zip(resized, image_size, strict=True)]
        return cls(block, tuple(resized), tuple(border), tuple(scales))

    def prepare(self, inputs: Tensors) -> tuple[Tensors, Tensors]:
        """From `image` `[B, H, W, 3]` to a net's; nothing is kept for `finish`."""
        return {"image": self.pixels(inputs["image"])}, {}

    def finish(self, predictions: Tensors, kept: Tensors) -> Tensors:
        """`keypoints` `[B, J, 2]` of a net's input to those of the picture."""
        return {**predictions, "keypoints": self.points(predictions["keypoints"])}

    def pixels(self, images: Any) -> Any:
        """`[B, H, W, 3]` of any type to float32 of the net's size."""
        images = ops.cast(images, "float32")
        if self.block > 1:
            images = ops.average_pool(
                images, self.block, self.block, data_format="channels_last"
            )
        if tuple(images.shape[1:3]) != self.resized:
            images = ops.image.resize(
                images, self.resized, "bilinear", data_format="channels_last"
            )
        if any(map(any, self.border)):
            images = ops.pad(images, ((0, 0), *self.border, (0, 0)))
        return images

    def points(self, points: Any) -> Any:
        """`[B, J, 2]` (x, y) of the net's input to those of the picture."""
        if self.scale == (1.0, 1.0) and not any(map(any, self.border)):
            return points
        (top, _), (left, _) = self.border
        down, across = self.scale
        # x' = (x - left + 0.5) / scale - 0.5
        factor = ops.convert_to_tensor([1 / across, 1 / down], "float32")
        offset = [(0.5 - left) / across - 0.5, (0.5 - top) / down - 0.5]
        return points * factor + ops.convert_to_tensor(offset, "float32")
