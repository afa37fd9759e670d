"""ISO at inference: gradient steps on a pose before it is predicted (Algorithm 1)."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfpose.adaptation import Adapter, Outputs, Sample, State
from tfpose.errors import InputError
from tfpose.geometry import centre_keypoints
from tfpose.iso.loss import (
    cycle_losses,
    generator_loss,
    prior_loss,
    seen_from_elsewhere,
)
from tfpose.iso.net import ISONet
from tfpose.iso.options import ISOOptions
from tfpose.lifters.net import LiftingNet
from tfpose.lifters.refine import LimbLengths, Refiner
from tfpose.lifters.unit_view import place_like, unit_view
from tfpose.lifters.views import mirror_bodies, turn_bodies, view_rotations

__all__ = ["ISOAdapter"]

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8
# Steps of an additive recurrence in two dimensions that fills the unit square evenly
# (the powers of 1 over the plastic number).
_RECURRENCE = (0.7548776662466927, 0.5698402909980532)
# No keypoint is as far away; also false for a NaN.
_FAR = 1e7
# Of the averages of the objective, and samples before they count.
_MEMORY, _TRIAL = 0.95, 20.0


class ISOAdapter(Adapter):
    """Adapts an `ISONet` by its self-supervised task, any other lifter by `refine`.

    Sample: `keypoints` float32 `[1, J, 2]`, normalised. Outputs: `positions` float32
    `[1, J, 3]`, metres. State: `weights` that move, Adam's `first` and `second` moments
    and its number of `updates`, `phase` `[2]` of the random views, `previous` `[J, 2]`
    keypoints, `objectives` `[3]` (of adapted and trained weights, and how many), how
    many samples were `skipped` `[3]` because a number is not finite, because a joint is
    outside the image (or all are one point), and because the pose is another person's,
    and how often the trained weights were `restored`.

    Weights that do not move are read from the net. Batch normalisation is frozen,
    its scale and offset, too (section 4.1).
    """

    counters = ("skipped", "restored")

    def __init__(self, lifter: LiftingNet, options: ISOOptions) -> None:
        """
        Args:
            lifter: it is called, not changed.
            options: how to adapt.

        Raises:
            InputError: it is no lifter, or keeps no limb lengths of its training data,
                or `whole` is given and the task is not `refine`.
        """
        if not isinstance(lifter, LiftingNet):
            raise InputError(
                f"iso adapts lifters, expected one, got a {type(lifter).__name__}"
            )
        net = lifter if isinstance(lifter, ISONet) else ISONet(lifter, "refine")
        if options.whole and net.task != "refine":
            raise InputError(
                f"whole: the task {net.task} leaves the FSL head as it is, expected "
                "the task refine"
            )
        self.net, self.options = net, options
        self.online, self.every = options.online, options.every
        lengths = LimbLengths.of(net)
        self._refiner = Refiner(
            net.skeleton,
            lengths,
            options.refine_steps,
            limb_weight=options.limb_weight,
            stay_weight=options.stay_weight,
            distance=net.distance,
        )
        self._root = net.skeleton.root
        parts = [net.extractor]
        if net.task == "refine":
            parts += [net.head] * options.whole
        else:
            parts += [net.ssl_head]
        moved = [v for part in parts for v in _moving(part)]
        self._lifter_count = len(moved)
        if net.prior is not None and net.adversarial != "likelihood":
            moved += _moving(net.prior)
        rows = {id(v): row for row, v in enumerate(lifter.variables)}
        self._moved = moved
        self._rows = [rows[id(v)] for v in moved]

    def init(self, weights: Sequence[Any]) -> State:
        return self._begin([weights[row] for row in self._rows])

    def _begin(self, weights: Sequence[Any]) -> State:
        moved = [tf.convert_to_tensor(weight) for weight in weights]
        joints = self.net.skeleton.num_joints
        return {
            "weights": moved,
            "first": [tf.zeros_like(w) for w in moved],
            "second": [tf.zeros_like(w) for w in moved],
            "updates": tf.zeros(()),
            "phase": tf.zeros((2,)),
            "previous": tf.zeros((joints, 2)),
            "objectives": tf.zeros((3,)),
            "skipped": tf.zeros((3,)),
            "restored": tf.zeros(()),
        }

    def adapt(self, state: State, sample: Sample) -> State:
        keypoints, reasons = self._checked(state, sample["keypoints"])
        adapted = dict(state)
        if self.options.steps == 1:
            adapted = self._step(adapted, keypoints)
        else:
            # A loop in the graph: ten steps in a row take long to compile. Variables
            # are read before it, as XLA takes no vectorised loop that holds them.
            with keras.StatelessScope(
                [(v, tf.identity(v)) for v in self.net.variables]
            ):
                (adapted,) = tf.while_loop(
                    lambda _: True,
                    lambda before: (self._step(before, keypoints),),
                    (adapted,),
                    maximum_iterations=self.options.steps,
                )
        if self.options.soft_reset:
            adapted["weights"] = [
                w + self.options.soft_reset * (source - w)
                for w, source in zip(adapted["weights"], self._moved, strict=True)
            ]
        if not self.options.keep_moments:
            for name in ("first", "second"):
                adapted[name] = [tf.zeros_like(m) for m in adapted[name]]
            adapted["updates"] = tf.zeros(())
        adapted["previous"] = centre_keypoints(keypoints, self._root)[0]
        if self.online and self.options.guard:
            adapted = self._guarded(adapted, keypoints)
        skipped = dict(state)
        skipped["skipped"] = state["skipped"] + reasons
        # The next pose is compared with this one, so that one jump costs one sample.
        skipped["previous"] = adapted["previous"]
        usable = tf.equal(tf.reduce_sum(reasons), 0)
        return tf.nest.map_structure(
            lambda new, old: tf.where(usable, new, old), adapted, skipped
        )

    def predict(self, state: State, sample: Sample) -> Outputs:
        keypoints = sample["keypoints"]
        positions = self._lift(state["weights"], keypoints)
        if self.options.flip:
            mirrored = self._lift(state["weights"], self._mirror(keypoints))
            positions = (positions + self._mirror(mirrored)) / 2
        if self.options.refined:
            positions = self._refiner(positions, keypoints)
        return {"positions": positions}

    def gradients(self, state: State, sample: Sample) -> list[Any]:
        """Of the self-supervised loss, as the next step of a state would take them.

        Args:
            state: its weights, and its next random views.
            sample: as for `adapt`; all numbers finite.

        Returns:
            A tensor for each of the state's `weights`, in their order.
        """
        rotations, _ = self._views(state["phase"])
        return self._gradients(state["weights"], sample["keypoints"], rotations)

    def describe(self, state: State) -> str:
        """What adaptation left out, and why."""
        parts = []
        for count, reason in zip(
            np.asarray(state["skipped"]).astype(int),
            (
                "with numbers that are not finite",
                "with joints outside the image",
                "that jump to another person",
            ),
            strict=True,
        ):
            if count:
                parts.append(f"not adapted to {count} poses {reason}")
        if restored := int(state["restored"]):
            parts.append(f"trained weights restored {restored} times")
        return ", ".join(parts)

    # === One step ===

    def _step(self, state: State, keypoints: Any) -> State:
        state = dict(state)
        rotations, state["phase"] = self._views(state["phase"])
        gradients = self._gradients(state["weights"], keypoints, rotations)
        updates = state["updates"] + 1
        rate = (
            self.options.learning_rate
            * tf.sqrt(1 - tf.pow(_BETA_2, updates))
            / (1 - tf.pow(_BETA_1, updates))
        )
        moved: tuple[list[Any], ...] = ([], [], [])
        for w, m, v, g in zip(
            state["weights"], state["first"], state["second"], gradients, strict=True
        ):
            m = m + (1 - _BETA_1) * (g - m)
            v = v + (1 - _BETA_2) * (g * g - v)
            for values, value in zip(
                moved, (w - rate * m / (tf.sqrt(v) + _EPSILON), m, v), strict=True
            ):
                values.append(value)
        state["weights"], state["first"], state["second"] = moved
        state["updates"] = updates
        return state

    def _gradients(self, weights: list[Any], keypoints: Any, rotations: Any) -> Any:
        of_task = (
            self._refined_gradients
            if self.net.task == "refine"
            else self._ssl_gradients
        )
        return of_task(weights, keypoints, rotations)

    def _refined_gradients(
        self, weights: list[Any], keypoints: Any, rotations: Any
    ) -> list[Any]:
        """Of the loss on (keypoints, refined pose), and on random views of that."""
        copies = self.options.copies
        refined = self._refiner(self._lift(weights, keypoints), keypoints)
        turned = turn_bodies(tf.repeat(refined, copies, axis=0), rotations, self._root)
        seen = unit_view(turned, self._root, self.net.distance)
        seen = place_like(seen, keypoints, self._root)
        inputs = tf.concat([keypoints, seen], axis=0)
        truth = tf.concat([refined, turned], axis=0)
        # The pose itself counts as much as all its views.
        shares = tf.constant([0.5, *[0.5 / copies] * copies])
        with tf.GradientTape() as tape:
            tape.watch(weights)
            off = self._lift(weights, inputs) - truth
            loss = tf.reduce_sum(shares * tf.reduce_sum(off * off, axis=(1, 2)))
        return tape.gradient(loss, weights)

    def _ssl_gradients(
        self, weights: list[Any], keypoints: Any, rotations: Any
    ) -> list[Any]:
        """Of equation 3 or 4 through the SSL head, and the discriminator's own."""
        net, count = self.net, self._lifter_count
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(weights)
            of = self._replaced(weights)

            def lift(points: Any) -> Any:
                return of(net.ssl_head, of(net.extractor, points))

            # The copies differ by their views alone: lifted once, and scored once, as
            # the discriminator's own gradient does not reach what it scores.
            # Put together one by one: LiteRT delegates no gradient of a repetition.
            positions = tf.concat([lift(keypoints)] * self.options.copies, axis=0)
            view = rotations, self._root, net.distance
            seen = seen_from_elsewhere(positions, *view)
            scores = of(net.prior, seen)
            loss = generator_loss(scores, net.adversarial)
            if net.task == "cycle":
                loss_2d, loss_3d = cycle_losses(lift, keypoints, positions, seen, *view)
                loss += net.cycle_weight_2d * loss_2d + net.cycle_weight_3d * loss_3d
            real = of(net.prior, centre_keypoints(keypoints, self._root))
            own = prior_loss(real, scores, net.adversarial)
        gradients = tape.gradient(loss, weights[:count])
        return gradients + tape.gradient(own, weights[count:])

    def _views(self, phase: Any) -> tuple[Any, Any]:
        """Rotations `[copies, 3, 3]` of the next random views, and where they go on."""
        count = self.options.copies
        steps = tf.range(count, dtype=tf.float32)[:, None] * tf.constant(_RECURRENCE)
        places = _fraction(phase + steps)
        refine = self.net.task == "refine"
        tilt = self.options.view_tilt if refine else self.net.view_elevation
        tilt = math.radians(tilt)
        azimuth, pitch = tf.unstack(places, axis=1)
        rotations = view_rotations(2 * math.pi * azimuth, tilt * (2 * pitch - 1))
        return rotations, _fraction(phase + count * tf.constant(_RECURRENCE))

    # === What can be used, and what went wrong ===

    def _checked(self, state: State, keypoints: Any) -> tuple[Any, Any]:
        """Keypoints without NaN, and `[3]`, 1 for the reason not to adapt to them.

        See `skipped` in the state.
        """
        # A comparison: LiteRT has no operator for `is_finite`.
        finite = tf.reduce_all(tf.abs(keypoints) < _FAR)
        inside = tf.reduce_all(tf.abs(keypoints) <= 1)
        keypoints = tf.where(inside, keypoints, tf.zeros_like(keypoints))
        unit = centre_keypoints(keypoints, self._root)[0]
        inside = tf.logical_and(inside, tf.reduce_any(tf.abs(unit) > 0))
        near = tf.constant(True)
        if self.online and self.options.jump:
            apart = tf.reduce_mean(tf.reduce_sum((unit - state["previous"]) ** 2, -1))
            first = tf.reduce_all(tf.equal(state["previous"], 0))
            near = tf.logical_or(apart <= self.options.jump**2, first)
        reasons = tf.stack([finite, inside, near])
        # The first reason counts.
        before = tf.stack([tf.constant(True), finite, tf.logical_and(finite, inside)])
        return keypoints, tf.cast(tf.logical_and(~reasons, before), tf.float32)

    def _guarded(self, state: State, keypoints: Any) -> State:
        """The state, or the trained weights where adaptation makes poses worse."""
        adapted = self._lift(state["weights"], keypoints)
        trained = self.net(keypoints, training=False)
        energies = tf.stack(
            [self._refiner.energy(pose, keypoints)[0] for pose in (adapted, trained)]
        )
        averages, count = tf.split(state["objectives"], [2, 1])
        averages = _MEMORY * averages + (1 - _MEMORY) * energies
        count = count + 1
        now, before = tf.unstack(averages)
        risen = tf.logical_and(now > self.options.guard * before, count[0] >= _TRIAL)
        state["objectives"] = tf.concat([averages, count], axis=0)
        fresh = self._begin(self._moved)
        fresh |= {
            "phase": state["phase"],
            "previous": state["previous"],
            "skipped": state["skipped"],
            "restored": state["restored"] + 1,
        }
        return tf.nest.map_structure(
            lambda new, old: tf.where(risen, new, old), fresh, state
        )

    # === The net with other weights ===

    def _lift(self, weights: Sequence[Any], keypoints: Any) -> Any:
        of = self._replaced(weights)
        return of(self.net.head, of(self.net.extractor, keypoints))

    def _replaced(self, weights: Sequence[Any]) -> Callable[[keras.Model, Any], Any]:
        """Calls a part of the net with weights in place of those that move."""
        values = {id(v): w for v, w in zip(self._moved, weights, strict=True)}

        def call(part: keras.Model, x: Any) -> Any:
            trainable = [values.get(id(v), v) for v in part.trainable_variables]
            frozen = part.non_trainable_variables
            return part.stateless_call(trainable, frozen, x, training=False)[0]

        return call

    def _mirror(self, points: Any) -> Any:
        return mirror_bodies(points, self.net.skeleton.flip_permutation)


def _moving(part: keras.Model) -> list[Any]:
    """Trainable weights but those of batch normalisation."""
    frozen = {
        id(v)
        for layer in part._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
        for v in layer.variables
    }
    return [v for v in part.trainable_variables if id(v) not in frozen]


def _fraction(values: Any) -> Any:
    return values - tf.floor(values)
