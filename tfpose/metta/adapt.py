"""MeTTA at inference, and the inner loop that meta-training shares with it."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from keras import ops

from tfpose.adaptation import Adapter, Outputs, Sample, State
from tfpose.errors import InputError
from tfpose.metta.net import RATES_PACE, MeTTANet
from tfpose.metta.options import MeTTAOptions
from tfpose.top_down.predictor import TopDownPredictor

__all__ = ["InnerLoop", "MeTTAAdapter"]

# Added to a gradient's squared norm: of one that is smaller than 1e-3 the direction is
# rounding errors, which five steps would make larger and larger.
_TINY = 1e-6
# A person is cut off where more of the mask than this is black beyond the photo.
_HIDDEN = 0.5
# Standard deviation of a picture of one colour, -1 to 1: half a level of 255.
_FLAT = 1 / 255
# In this order they are checked and counted.
_REASONS = (
    "with numbers that are not finite",
    "of one colour",
    "smaller than the mask",
    "cut off by the photo's edge",
    "whose inpainting did not get better",
    "whose joints moved too far",
)
# No number of a picture or a weight is as large; also false for a NaN.
_LARGE = 1e6


class InnerLoop:
    """K gradient steps of a batch of images, each with weights of its own.

    A step goes down the auxiliary loss alone, by a learning rate times the gradient's
    direction: each weight tensor's gradient is divided by its norm. An image of little
    contrast has a small loss, and so a small gradient, but needs no smaller step; and a
    step cannot be larger than the learning rate.

    Args:
        net: it is called, not changed.
        steps: K; 0 for the net's own.
        first_order: whether gradients of the outer loop take those of the inner one as
            constants.
        learning_rate: of every step; 0 for the net's own.
        moves: one of `tfpose.metta.options.MOVES`.
    """

    def __init__(
        self,
        net: MeTTANet,
        steps: int = 0,
        first_order: bool = False,
        learning_rate: float = 0.0,
        moves: str = "all",
    ) -> None:
        self.net, self.steps = net, steps or net.steps
        self._first_order, self._learning_rate = first_order, learning_rate
        self._moving = [
            moves == "all" or weight.name.startswith(moves) for weight in net.adapted
        ]

    def begin(self, weights: Sequence[Any], count: int) -> list[Any]:
        """The weights of `count` images before the first step.

        Args:
            weights: the trained ones, in the order of `net.adapted`.
            count: number of images.
        """
        return [tf.repeat(tf.convert_to_tensor(one)[None], count, 0) for one in weights]

    def __call__(
        self, weights: list[Any], features: Any, appearance: Any, pictures: Any
    ) -> tuple[list[list[Any]], list[Any]]:
        """All steps, by the net's fixed masks.

        Args:
            weights: of each image, as of `begin`.
            features: of the images `[B, h, w, C]`.
            appearance: of the images, see `MeTTANet.appearance`.
            pictures: see `MeTTANet.picture`.

        Returns:
            weights before the first and after each step, and the auxiliary losses `[B]`
            before each step.
        """
        history, losses = [weights], []
        for step in range(self.steps):
            loss, gradients = self._gradients(
                history[-1], features, appearance, pictures
            )
            losses.append(loss)
            rates = self._rates(step)
            history.append(
                [
                    weight - rates[row] * gradient if moving else weight
                    for row, (weight, gradient, moving) in enumerate(
                        zip(history[-1], gradients, self._moving, strict=True)
                    )
                ]
            )
        return history, losses

    def loss(
        self, weights: list[Any], features: Any, appearance: Any, pictures: Any
    ) -> Any:
        """The auxiliary loss of each image `[B]`; arguments as of a call."""
        maps = self.net.self_head.with_weights(features, weights)
        return self.net.auxiliary_losses(
            maps, appearance, pictures, self.net.fixed_masks
        )

    def _gradients(self, weights: list[Any], *images: Any) -> tuple[Any, list[Any]]:
        """The losses, and the directions of their gradients."""
        with tf.GradientTape() as tape:
            tape.watch(weights)
            loss = self.loss(weights, *images)
            # Each image's weights are in its own loss alone.
            total = ops.sum(loss)
        gradients = tape.gradient(
            total, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        if self._first_order:
            gradients = [tf.stop_gradient(gradient) for gradient in gradients]
        return loss, [_direction(gradient) for gradient in gradients]

    def _rates(self, step: int) -> Any:
        if self._learning_rate:
            return [self._learning_rate] * len(self._moving)
        # More steps than the net was trained for go on by the last one's rates.
        return ops.exp(RATES_PACE * self.net.rates[min(step, self.net.steps - 1)])


class MeTTAAdapter(Adapter):
    """Adapts a `MeTTANet` to one crop.

    Sample: `image` `[1, H, W, 3]`, pixels 0..255, and where it is known `side` `[1]`,
    pixels of the photo. Outputs: `keypoints` `[1, J, 2]`, pixels of the crop, and
    `scores` `[1, J]`. State: `weights` of the self-supervised head, with an axis of 1
    in front, and how many samples were `skipped` `[6]`: because a number is not finite,
    the picture is of one colour, the person has fewer pixels in the photo than a mask's
    side has in the inpainted picture, the person is cut off by the photo's edge where
    the mask is; and, of the guards, because inpainting did not get better, and because
    joints moved too far.

    Weights that do not move are read from the net. Nothing here sees a label.
    """

    counters = ("skipped",)

    def __init__(self, net: MeTTANet, options: MeTTAOptions) -> None:
        """
        Args:
            net: it is called, not changed.
            options: how to adapt.

        Raises:
            InputError: it is no such net, does not name its joints, or sees no pose
                when it inpaints.
        """
        if not isinstance(net, MeTTANet):
            raise InputError(
                f"metta adapts nets of trainers.metta, got a {type(net).__name__}"
            )
        if not net.pose_guidance:
            raise InputError(
                "metta: the net inpaints without pose_guidance, so nothing can adapt"
            )
        self.net, self.options, self.online = net, options, options.online
        self.loop = InnerLoop(
            net, options.steps, True, options.learning_rate, options.moves
        )
        predictor = TopDownPredictor(net, flip_test=False)
        self._codec, self._decoder = predictor.codec, predictor.decoder
        rows = {id(v): row for row, v in enumerate(net.variables)}
        self._rows = [rows[id(v)] for v in net.adapted]

    def init(self, weights: Sequence[Any]) -> State:
        moved = self.loop.begin([weights[row] for row in self._rows], 1)
        return {"weights": moved, "skipped": tf.zeros((len(_REASONS),))}

    def adapt(self, state: State, sample: Sample) -> State:
        image = ops.cast(sample["image"], "float32")
        finite, *usable = self._usable(image, sample.get("side"))
        # What is not finite must not reach the state, not even times 0. Features are
        # those of the image as it is, as in `predict`: a compiler merges the two.
        views = tuple(
            tf.where(finite, view, tf.zeros_like(view)) for view in self._views(image)
        )
        history, losses = self.loop(state["weights"], *views)
        weights = history[-1]
        plain, adapted = (
            self._locate(of, views[0])[0] for of in (state["weights"], weights)
        )
        moved = ops.mean(ops.sqrt(ops.sum(ops.square(adapted - plain), axis=-1)))
        better, near = tf.constant(True), tf.constant(True)
        if self.options.guard:
            better = self.loop.loss(weights, *views)[0] <= losses[0][0]
        if self.options.limit:
            near = moved <= self.options.limit * min(self.net.input_size)
        finite = tf.logical_and(finite, _all_finite(weights))
        reasons = tf.stack(
            [
                1 - tf.cast(check, tf.float32)
                for check in (finite, *usable, better, near)
            ]
        )
        # The first reason counts.
        reasons *= tf.cast(tf.equal(tf.cumsum(reasons), 1), tf.float32)
        adapts = tf.equal(tf.reduce_sum(reasons), 0)
        kept = [
            tf.where(adapts, new, old)
            for new, old in zip(weights, state["weights"], strict=True)
        ]
        return {"weights": kept, "skipped": state["skipped"] + reasons}

    def predict(self, state: State, sample: Sample) -> Outputs:
        features = self._features(ops.cast(sample["image"], "float32"))
        keypoints, scores = self._locate(state["weights"], features)
        return {"keypoints": keypoints, "scores": scores}

    def describe(self, state: State) -> str:
        """What adaptation left out, and why."""
        parts = [
            f"not adapted to {count} people {reason}"
            for count, reason in zip(
                np.asarray(state["skipped"]).astype(int), _REASONS, strict=True
            )
            if count
        ]
        return ", ".join(parts)

    def trace(self, state: State, sample: Sample) -> Outputs:
        """See `Adapter`; also `losses` `[K + 1, B]`, auxiliary ones, and `points` `[K +
        1, B, num_maps, 2]`, self-supervised keypoints, see `MeTTANet.points`.
        """
        images = ops.cast(sample["image"], "float32")
        views = self._views(images)
        start = [tf.repeat(one, images.shape[0], 0) for one in state["weights"]]
        history, losses = self.loop(start, *views)
        losses.append(self.loop.loss(history[-1], *views))
        keypoints, scores = zip(
            *(self._locate(of, views[0]) for of in history), strict=True
        )
        maps = [self.net.self_head.with_weights(views[0], of) for of in history]
        return {
            "keypoints": ops.stack(keypoints),
            "scores": ops.stack(scores),
            "losses": ops.stack(losses),
            "points": ops.stack([self.net.points(one) for one in maps]),
        }

    def _features(self, images: Any) -> Any:
        return self.net.extractor(images, training=False)

    def _views(self, images: Any) -> tuple[Any, Any, Any]:
        """Features, appearance and pictures: once for all steps."""
        pictures = self.net.picture(images)
        appearance = self.net.appearance(pictures, self.net.fixed_masks)
        return self._features(images), appearance, pictures

    def _locate(self, weights: list[Any], features: Any) -> tuple[Any, Any]:
        maps = self.net.self_head.with_weights(features, weights)
        heatmaps = self.net.pose_head(maps)
        return self._codec.decode(heatmaps, self._decoder)

    def _usable(self, image: Any, side: Any) -> tuple[Any, Any, Any, Any]:
        """Whether an image is finite, has colours, is large, and has a body where masks
        are; the first four of `_REASONS`.
        """
        finite = _all_finite([image])
        picture = self.net.picture(tf.where(finite, image, tf.zeros_like(image)))
        apart = picture - tf.reduce_mean(picture, axis=(1, 2), keepdims=True)
        colours = tf.reduce_mean(apart * apart) > _FLAT**2
        # Crops are black beyond the photo.
        black = tf.cast(tf.reduce_all(picture <= -1, axis=-1), tf.float32)
        masks = self.net.fixed_masks[..., 0]
        inside = tf.reduce_sum(black * masks) <= _HIDDEN * float(masks.sum())
        mask_side = self.net.mask_share * min(self.net.picture_size)
        large = tf.constant(True) if side is None else side[0] >= mask_side
        return finite, colours, large, inside


def _all_finite(tensors: list[Any]) -> Any:
    """Whether all numbers are; by comparisons, as LiteRT has no `is_finite`."""
    return tf.reduce_all([tf.reduce_all(tf.abs(one) < _LARGE) for one in tensors])


def _direction(gradient: Any) -> Any:
    """Each image's gradient `[B, ...]`, divided by its norm."""
    axes = list(range(1, len(gradient.shape)))
    # Inside the sum: LiteRT's converter takes x * rsqrt(sum(x * x) + c) for its
    # operator L2_NORMALIZATION, which has no c.
    share = _TINY / math.prod(gradient.shape[1:])
    return gradient * ops.rsqrt(
        ops.sum(ops.square(gradient) + share, axis=axes, keepdims=True)
    )
