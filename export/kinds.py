"""The kinds of nets that can be exported: one table, `KINDS`, a row for each.

A row says how a net of the kind becomes an `ExportedModel` (which has an example of
its inputs), which real data it is calibrated with and validated on, and which options
it takes. The commands `export.litert` and `export.savedmodel` know of no kind.
"""

import dataclasses
import re
from collections.abc import Callable, Iterable
from typing import Any

import keras

from data_pipelines.lifting.datasets import LIFTING_DATASETS, LIFTING_SPLITS
from data_pipelines.readers.datasets import DATASETS, SPLITS
from export.adapting import with_adaptation
from export.fit import Fit
from export.lifter import Pixels, lifter_model
from export.model import Arrays, ExportedModel
from export.people_net import people_model
from export.pose_net import pose_model
from export.serving.people_net import photo_people_model
from export.serving.pose_net import Photos, photo_pose_model
from export.validation import (
    Validation,
    lifting_calibration,
    lifting_validation,
    people_calibration,
    people_validation,
    pose_calibration,
    pose_validation,
)
from tfpose.adapters import adaptation_names, build_adapter, parse_adaptation
from tfpose.errors import InputError
from tfpose.lifters.net import LiftingNet
from tfpose.logocap.centre_net import CentreNet
from tfpose.skeletons import Skeleton, get_skeleton
from tfpose.top_down.pose_net import PoseNet
from tfpose.top_down.predictor import TopDownPredictor

__all__ = ["KINDS", "Kind", "Options", "find_kind", "read_image_size"]


@dataclasses.dataclass(frozen=True)
class Options:
    """What can be chosen about an export; each kind of net takes some of it.

    Attributes:
        flip_test: average over the input and its mirror image.
        skeleton: name of the one whose joints callers send; the net's own if empty.
        image_size: (height, width) of pictures; the net's own if None.
        slots: people in a picture at most; as many as the net finds if None.
        dtype: of pixels.
        output: some of `export.pose_net.OUTPUTS`.
        dataset: kind of the data; the usual one for the net if empty.
        split: of the data; the one to validate on if empty.
        subjects: people of the data, in place of the split's.
        stride: every how many frames of the data one is taken.
        limit: rows of the data at most, of a boxless net pictures; 0 for all.
        adapt: how the net adapts, as `tfpose.adapters.build_adapter` reads it; empty
            for not at all.
    """

    flip_test: bool = False
    skeleton: str = ""
    image_size: tuple[int, int] | None = None
    slots: int | None = None
    dtype: str = "uint8"
    output: tuple[str, ...] = ("keypoints",)
    dataset: str = ""
    split: str = ""
    subjects: tuple[str, ...] = ()
    stride: int = 1
    limit: int = 0
    adapt: str = ""

    @property
    def source(self) -> Skeleton | None:
        """The skeleton whose joints callers send; None for the net's own."""
        return get_skeleton(self.skeleton) if self.skeleton else None


@dataclasses.dataclass(frozen=True)
class Kind:
    """A row of the table.

    Attributes:
        name: of one such net, in words.
        matches: whether a net is of this kind.
        for_devices: (net, name, options) to the model that LiteRT gets.
        for_servers: the same for TF Serving.
        lifts: whether methods of adaptation for lifters fit, or those for pose nets.
        own_options: names of `Options` that other kinds may not have.
        datasets: kinds of data that fit, the usual one first.
        splits: of the data, the one to validate on last.
        validate: (model for devices, folder, options) to what it is measured on.
        calibrate: (model for devices, folder, number of rows, options) to real inputs,
            a batch of one each.
    """

    name: str
    matches: Callable[[keras.Model], bool]
    for_devices: Callable[[Any, str, Options], ExportedModel]
    for_servers: Callable[[Any, str, Options], ExportedModel]
    lifts: bool
    own_options: frozenset[str]
    datasets: tuple[str, ...]
    splits: tuple[str, ...]
    validate: Callable[[ExportedModel, str, Options], Validation]
    calibrate: Callable[[ExportedModel, str, int, Options], list[Arrays]]

    def checked(self, options: Options) -> Options:
        """The options, with the usual data where none are named.

        Raises:
            InputError: an option or adaptation that is for other nets, data that do
                not fit, or a flip test or heatmaps of a pose net that adapts.
        """
        usual = Options()
        for other in KINDS:
            for name in sorted(other.own_options - self.own_options):
                if getattr(options, name) != getattr(usual, name):
                    raise InputError(
                        f"{name} is for {other.name}s, and this net is a {self.name}"
                    )
        if options.adapt:
            self._check_adaptation(options)
        filled = dataclasses.replace(
            options,
            dataset=options.dataset or self.datasets[0],
            split=options.split or self.splits[-1],
        )
        _check_choice("dataset", filled.dataset, self.datasets)
        _check_choice("split", filled.split, self.splits)
        return filled

    def _check_adaptation(self, options: Options) -> None:
        chosen = parse_adaptation(options.adapt)
        if chosen.method.of_lifters != self.lifts:
            names = ", ".join(adaptation_names(of_lifters=self.lifts))
            raise InputError(
                f"adapt: {chosen.name} is for other nets, and this net is a "
                f"{self.name}, expected {names}"
            )
        if options.flip_test and not self.lifts:
            raise InputError("flip_test: a pose net that adapts has none")
        if options.output != Options().output:
            raise InputError("output: a net that adapts gives keypoints")


def read_image_size(text: str) -> tuple[int, int] | None:
    """Of a command's option `--image_size`; None if it is empty.

    Raises:
        InputError: anything else but HEIGHT,WIDTH.
    """
    if not text:
        return None
    found = re.fullmatch(r"(\d+),(\d+)", text)
    if not found:
        raise InputError(f"image_size is {text!r}, expected HEIGHT,WIDTH")
    return int(found.group(1)), int(found.group(2))


def _check_choice(name: str, value: str, known: Iterable[str]) -> None:
    if value not in known:
        raise InputError(
            f"{name} is {value!r}, expected for this net one of {', '.join(known)}"
        )


def _usual_first(usual: str, known: Iterable[str]) -> tuple[str, ...]:
    return (usual, *(name for name in known if name != usual))


def _lifter(net: LiftingNet, name: str, options: Options) -> ExportedModel:
    """Devices and servers get the same."""
    model = lifter_model(net, options.source, flip_test=options.flip_test, name=name)
    pixels = Pixels(net.skeleton, options.source or net.skeleton)
    return _adapting(model, net, options, pixels)


def _pose_net(net: PoseNet, name: str, options: Options) -> ExportedModel:
    """For devices."""
    model = pose_model(
        net,
        options.image_size,
        dtype=options.dtype,
        flip_test=options.flip_test,
        name=name,
        outputs=options.output,
    )
    fit = Fit.of(model.metadata["image_size"], net.input_size)
    return _adapting(model, net, options, fit)


def _people_net(net: CentreNet, name: str, options: Options) -> ExportedModel:
    """For devices."""
    return people_model(
        net,
        options.image_size,
        slots=options.slots,
        dtype=options.dtype,
        flip_test=options.flip_test,
        name=name,
        outputs=options.output,
    )


def _photo_people_net(net: CentreNet, name: str, options: Options) -> ExportedModel:
    """For servers."""
    return photo_people_model(
        net,
        options.image_size,
        slots=options.slots,
        flip_test=options.flip_test,
        name=name,
    )


def _photo_pose_net(net: PoseNet, name: str, options: Options) -> ExportedModel:
    """For servers."""
    if options.image_size:
        raise InputError("image_size: a pose net on a server takes photos of any size")
    model = photo_pose_model(net, flip_test=options.flip_test, name=name)
    return _adapting(model, net, options, Photos(TopDownPredictor(net)))


def _adapting(
    model: ExportedModel,
    net: Any,
    options: Options,
    ends: Pixels | Fit | Photos,
) -> ExportedModel:
    """The model with what the options say of adaptation, if anything."""
    if not options.adapt:
        return model
    adapting = with_adaptation(
        model,
        build_adapter(net, options.adapt),
        net.variables,
        prepare=ends.prepare,
        finish=ends.finish,
    )
    metadata = {**model.metadata, "adaptation": options.adapt}
    return dataclasses.replace(adapting, metadata=metadata)


KINDS = (
    Kind(
        name="pose net",
        matches=lambda net: isinstance(net, PoseNet),
        for_devices=_pose_net,
        for_servers=_photo_pose_net,
        lifts=False,
        own_options=frozenset({"image_size", "dtype", "output", "adapt"}),
        datasets=_usual_first("coco_format", DATASETS),
        splits=SPLITS,
        validate=lambda model, folder, options: pose_validation(
            model, options.dataset, folder, options.split, options.limit
        ),
        calibrate=lambda model, folder, count, options: pose_calibration(
            model, options.dataset, folder, count
        ),
    ),
    Kind(
        name="lifter",
        matches=lambda net: isinstance(net, LiftingNet),
        for_devices=_lifter,
        for_servers=_lifter,
        lifts=True,
        own_options=frozenset({"skeleton", "subjects", "stride", "adapt"}),
        datasets=_usual_first("h36m", LIFTING_DATASETS),
        splits=LIFTING_SPLITS,
        validate=lambda model, folder, options: lifting_validation(
            model,
            options.dataset,
            folder,
            options.split,
            options.limit,
            options.subjects,
            options.stride,
        ),
        calibrate=lambda model, folder, count, options: lifting_calibration(
            model, options.dataset, folder, count, options.stride
        ),
    ),
    Kind(
        name="boxless net",
        matches=lambda net: isinstance(net, CentreNet),
        for_devices=_people_net,
        for_servers=_photo_people_net,
        lifts=False,
        own_options=frozenset({"image_size", "slots", "dtype", "output"}),
        datasets=_usual_first("coco_format", DATASETS),
        splits=SPLITS,
        validate=lambda model, folder, options: people_validation(
            model, options.dataset, folder, options.split, options.limit
        ),
        calibrate=lambda model, folder, count, options: people_calibration(
            model, options.dataset, folder, count
        ),
    ),
)
"""All kinds. Of two that match a net, the first is the net's."""


def find_kind(net: keras.Model, source: str) -> Kind:
    """The row of a net.

    Args:
        net: any Keras model.
        source: where it is from, for the message.

    Raises:
        InputError: there is none; lists what there is.
    """
    for kind in KINDS:
        if kind.matches(net):
            return kind
    raise InputError(
        f"{source}: is a {type(net).__name__}, expected a "
        f"{' or '.join(kind.name for kind in KINDS)}"
    )
