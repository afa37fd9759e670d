"""ISO's network: a lifter whose features a second, self-supervised head shares."""

from typing import Any

import keras

from tfpose.errors import InputError
from tfpose.iso.loss import ADVERSARIAL_LOSSES
from tfpose.iso.priors import Discriminator, Flow
from tfpose.lifters.net import LiftingNet

__all__ = ["TASKS", "ISONet"]

TASKS = ("adversary", "cycle", "refine")
"""Self-supervised tasks: the paper's two (section 3.2.1); `refine` learns from refined
poses (`tfpose.lifters.refine`) and needs neither a second head nor a prior."""


@keras.saving.register_keras_serializable(package="tfpose")
class ISONet(LiftingNet):
    """A lifter, and what its self-supervised task needs beside it.

    As a lifter it is the one that it was made of. That one's layers up to
    `shared_layer` are the shared feature extractor, those behind it the FSL head; the
    SSL head has the same layers with weights of its own (section 3.2.1).

    Args:
        lifter: any `LiftingNet`; its layers are used, not copied.
        task: str. One of `TASKS`.
        shared_layer: str. Name of the last shared layer; empty for the lifter's own.
        adversarial: str. One of `tfpose.iso.loss.ADVERSARIAL_LOSSES`.
        prior_units: int. Units of the discriminator or the flow.
        spectral_norm: bool. Of the discriminator.
        cycle_weight_2d: float. Lambda 2D of equation 4, for keypoints of size 1. The
            paper's 10 is for keypoints of an unnamed size; in Chen et al. (CVPR 2019),
            where the cycle is from, that is a tenth.
        cycle_weight_3d: float. Lambda 3D.
        distance: float. Metres from the camera of a random view to the body.
        view_elevation: float. Largest elevation of a random view, degrees; of the tasks
            `adversary` and `cycle`.

    Attributes:
        extractor: keypoints `[B, J, 2]` to features.
        head: features to positions `[B, J, 3]`; the FSL head.
        ssl_head: the same for the self-supervised task, or None.
        prior: scores `[B, 1]` of centred keypoints, or None. A discriminator has the
            lifter's dropout rate, the paper's 0.5 where that is the lifter's own.

    Raises:
        InputError: no such layer, or other layers go round it.
    """

    def __init__(
        self,
        lifter: LiftingNet,
        task: str = "cycle",
        shared_layer: str = "",
        adversarial: str = "non_saturating",
        prior_units: int = 1024,
        spectral_norm: bool = False,
        cycle_weight_2d: float = 0.1,
        cycle_weight_3d: float = 0.1,
        distance: float = 5.0,
        view_elevation: float = 20.0,
        name: str = "iso",
        **kwargs: Any,
    ) -> None:
        layer = shared_layer or lifter.last_shared_layer
        extractor, head = _split(lifter, layer)
        super().__init__(
            lifter.inputs[0],
            head(extractor(lifter.inputs[0])),
            lifter.skeleton,
            lifter.dropout,
            lifter.info,
            lifter.policy,
            name,
            lifter.centred,
            **kwargs,
        )
        assert task in TASKS and adversarial in ADVERSARIAL_LOSSES
        self.lifter = lifter
        self.task, self.shared_layer, self.adversarial = task, layer, adversarial
        self.cycle_weight_2d, self.cycle_weight_3d = cycle_weight_2d, cycle_weight_3d
        self.distance, self.view_elevation = distance, view_elevation
        self.prior_units, self.spectral_norm = prior_units, spectral_norm
        self.extractor, self.head = extractor, head
        self.ssl_head: keras.Model | None = None
        self.prior: keras.Model | None = None
        if task == "refine":
            return
        self.ssl_head = keras.models.clone_model(head)
        if adversarial == "likelihood":
            self.prior = Flow(lifter.skeleton.root, prior_units, name="prior")
        else:
            rate = 0.5 if lifter.dropout is None else lifter.dropout
            self.prior = Discriminator(
                prior_units, rate, spectral_norm=spectral_norm, name="prior"
            )
        self.prior.build((None, lifter.skeleton.num_joints, 2))

    @property
    def last_shared_layer(self) -> str:
        return self.shared_layer

    def get_config(self) -> dict[str, Any]:
        return {
            "lifter": keras.saving.serialize_keras_object(self.lifter),
            "task": self.task,
            "shared_layer": self.shared_layer,
            "adversarial": self.adversarial,
            "prior_units": self.prior_units,
            "spectral_norm": self.spectral_norm,
            "cycle_weight_2d": self.cycle_weight_2d,
            "cycle_weight_3d": self.cycle_weight_3d,
            "distance": self.distance,
            "view_elevation": self.view_elevation,
            "info": self.info,
            "name": self.name,
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: Any = None
    ) -> "ISONet":
        config = dict(config)
        lifter = keras.saving.deserialize_keras_object(config.pop("lifter"))
        info = config.pop("info")
        net = cls(lifter, **config)
        net.info = info
        return net


def _split(lifter: LiftingNet, layer: str) -> tuple[keras.Model, keras.Model]:
    """The lifter's layers up to one, and those behind it."""
    names = [one.name for one in lifter.layers]
    if layer not in names:
        raise InputError(
            f"{lifter.name}: no layer {layer!r} where heads could part, expected one "
            f"of {', '.join(names)}"
        )
    features = lifter.get_layer(layer).output
    extractor = keras.Model(lifter.inputs[0], features, name="extractor")
    try:
        head = keras.Model(features, lifter.outputs[0], name="head")
    except ValueError:
        head = None
    if head is None or any(v is None for v in head.outputs):
        raise InputError(
            f"{lifter.name}: layers go round {layer!r}, so no head can part there; "
            f"expected a layer that all go through, such as {lifter.last_shared_layer}"
        )
    return extractor, head
