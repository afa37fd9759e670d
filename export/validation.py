"""Real inputs for exported models: to calibrate with, and to measure predictions on."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Sequence

import numpy as np

from data_pipelines.common_joints import in_joints_of
from data_pipelines.images import decode_image
from data_pipelines.lifting.batches import LiftingEvaluation
from data_pipelines.lifting.datasets import load_lifting_dataset
from data_pipelines.lifting.poses import LiftingDataset
from data_pipelines.people import PoseDataset
from data_pipelines.readers.datasets import load_dataset
from data_pipelines.top_down import TopDownEvaluation, labelled_people, pose_truth
from export.model import Arrays, ExportedModel
from tfpose.errors import InputError
from tfpose.logocap.picture import Placement
from tfpose.metrics.oks import PosePredictions, oks_average_precision
from tfpose.skeletons import Skeleton
from tfpose.top_down.regions import Regions

__all__ = [
    "Validation",
    "lifting_calibration",
    "lifting_validation",
    "people_calibration",
    "people_validation",
    "pose_calibration",
    "pose_validation",
]

_PICTURES = (".jpg", ".jpeg", ".png")
# Millimetres to the metre.
_MILLI = 1e3


@dataclasses.dataclass(frozen=True)
class Validation:
    """Inputs whose right answers are known.

    Attributes:
        source: what they are, in words.
        inputs: arrays of N rows by the name of the input.
        score: metrics of the outputs for all rows, and notes on what they rest on.
        compared: the output in which two models are compared, `[N, J, D]`.
        unit: of the comparison.
        scale: from the output's unit to that one.
    """

    source: str
    inputs: Arrays
    score: Callable[[Arrays], tuple[dict[str, float], list[str]]]
    compared: str
    unit: str
    scale: float = 1.0

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def distances(self, outputs: Arrays, reference: Arrays) -> np.ndarray:
        """How far each joint is from where the reference has it, `[N, J]`, `unit`."""
        offsets = outputs[self.compared] - reference[self.compared]
        return self.scale * np.linalg.norm(offsets.astype(np.float64), axis=-1)


def pose_validation(
    model: ExportedModel, dataset: str, data_dir: str, split: str, limit: int = 0
) -> Validation:
    """People of a data set for an `export.pose_net` model, by their true boxes.

    Args:
        model: to be evaluated.
        dataset: kind of data set, see `data_pipelines.readers.datasets`.
        data_dir: its folder.
        split: `train` or `val`.
        limit: people at most, spread over all of them; 0 for all.

    Raises:
        InputError: bad data, or none of the model's joints.
    """
    people = labelled_people(load_dataset(dataset, data_dir, split))
    people = _in_joints(model, people, data_dir)
    people = people.select(_spread(len(people), limit))
    sampler = _crops(model, people)

    def score(outputs: Arrays) -> tuple[dict[str, float], list[str]]:
        return sampler.scores(outputs["keypoints"], outputs["scores"])

    return Validation(
        f"{len(people)} people of {_name(data_dir)}, {split}",
        {"image": _pixels(model, [sampler(i)["image"] for i in range(len(people))])},
        score,
        "keypoints",
        "px",
    )


def pose_calibration(
    model: ExportedModel, dataset: str, path: str, count: int
) -> list[Arrays]:
    """Pictures as an `export.pose_net` model will get them, a batch of one each.

    Args:
        model: to be calibrated.
        dataset: kind of the data set.
        path: the data set's folder, of which people of `train` are cropped; or a
            folder of pictures, each taken to show one person and no more around than
            shall be.
        count: pictures at most, spread over all there are.

    Raises:
        InputError: there are none, or one cannot be read.
    """
    files = _picture_files(path, count)
    if files:
        images = [_whole(file, _image_size(model)) for file in files]
    else:
        people = labelled_people(load_dataset(dataset, path, "train"))
        people = people.select(_spread(len(people), count))
        sampler = _crops(model, people)
        images = [sampler(i)["image"] for i in range(len(people))]
    return _one_by_one({"image": _pixels(model, images)})


@dataclasses.dataclass(frozen=True)
class _PeopleValidation(Validation):
    """Of nets that find people by themselves: slots of two models may differ."""

    def distances(self, outputs: Arrays, reference: Arrays) -> np.ndarray:
        """From each person of the reference to the nearest found, `[P, J]`.

        Nearest by the mean of the joints; NaN where nobody was found in a picture.
        """
        rows = []
        for poses, scores, other, other_scores in zip(
            reference[self.compared],
            reference["scores"],
            outputs[self.compared],
            outputs["scores"],
            strict=True,
        ):
            people = poses[scores > 0, :, :2].astype(np.float64)
            found = other[other_scores > 0, :, :2].astype(np.float64)
            away = np.linalg.norm(people[:, None] - found[None], axis=-1)
            for person in away:
                nothing = np.full(poses.shape[1], np.nan)
                near = person.mean(axis=-1)
                rows.append(person[near.argmin()] if len(found) else nothing)
        return self.scale * np.reshape(rows, (-1, reference[self.compared].shape[2]))


def people_validation(
    model: ExportedModel, dataset: str, data_dir: str, split: str, limit: int = 0
) -> Validation:
    """Pictures of a data set for an `export.people_net` model.

    Args:
        model: to be evaluated.
        dataset: kind of data set, see `data_pipelines.readers.datasets`.
        data_dir: its folder.
        split: `train` or `val`.
        limit: pictures at most, spread over all of them; 0 for all.

    Raises:
        InputError: bad data, or none of the model's joints.
    """
    people = load_dataset(dataset, data_dir, split)
    people = _in_joints(model, people, data_dir)
    rows = _spread(len(people.image_ids), limit)
    people = people.select(np.flatnonzero(np.isin(people.image_index, rows)))
    size = _image_size(model)
    placements = [
        Placement.into(int(height), int(width), size)
        for height, width in people.image_sizes[rows]
    ]

    def score(outputs: Arrays) -> tuple[dict[str, float], list[str]]:
        points = [
            placement.to_picture(poses[..., :2])
            for placement, poses in zip(placements, outputs["poses"], strict=True)
        ]
        predictions = PosePredictions.of_slots(
            people.image_ids[rows],
            np.stack(points),
            outputs["poses"][..., 2],
            outputs["scores"],
        )
        try:
            found = oks_average_precision(
                pose_truth(people), predictions, people.skeleton, people.image_ids[rows]
            )
        except InputError as error:
            return {}, [f"no ap: {error}"]
        metrics = {name.lower(): found[name] for name in ("AP", "AP50", "AP75")}
        source = f"ap: sigmas {found['sigmas_source']}; areas {found['area_source']}"
        return metrics, [source, *found["notes"]]

    images = [
        placement.place(people.picture(row))
        for row, placement in zip(rows, placements, strict=True)
    ]
    return _PeopleValidation(
        f"{len(people)} people in {len(rows)} pictures of {_name(data_dir)}, {split}",
        {"image": _pixels(model, images)},
        score,
        "poses",
        "px",
    )


def people_calibration(
    model: ExportedModel, dataset: str, path: str, count: int
) -> list[Arrays]:
    """Pictures as an `export.people_net` model will get them, a batch of one each.

    Args:
        model: to be calibrated.
        dataset: kind of the data set.
        path: the data set's folder, whose `train` is taken; or a folder of pictures.
        count: pictures at most, spread over all there are.

    Raises:
        InputError: there are none, or one cannot be read.
    """
    files = _picture_files(path, count)
    if files:
        pictures = [decode_image(file.read_bytes(), name=str(file)) for file in files]
    else:
        people = load_dataset(dataset, path, "train")
        rows = _spread(len(people.image_ids), count)
        pictures = [people.picture(row) for row in rows]
    size = _image_size(model)
    images = [
        Placement.into(picture.shape[0], picture.shape[1], size).place(picture)
        for picture in pictures
    ]
    return _one_by_one({"image": _pixels(model, images)})


def lifting_validation(
    model: ExportedModel,
    dataset: str,
    data_dir: str,
    split: str,
    limit: int = 0,
    subjects: Sequence[str] = (),
    stride: int = 1,
) -> Validation:
    """Poses of a 3D data set for an `export.lifter` model.

    Args:
        model: to be evaluated.
        dataset: one of `data_pipelines.lifting.datasets.LIFTING_DATASETS`.
        data_dir: its folder.
        split: `train` or `test`.
        limit: poses at most, spread over all of them; 0 for all.
        subjects: people, in place of the split's.
        stride: every how many frames one is taken.

    Raises:
        InputError: bad data, or joints that the model's cannot be made of.
    """
    skeleton = Skeleton.from_dict(model.metadata["skeleton"])
    read = functools.partial(
        load_lifting_dataset,
        dataset,
        data_dir,
        split,
        subjects=subjects or None,
        stride=stride,
    )
    poses = read(skeleton)
    rows = _spread(len(poses), limit)
    poses = poses.select(rows)
    sent = _input_skeleton(model)
    seen = poses if sent == skeleton else read(sent).select(rows)

    def score(outputs: Arrays) -> tuple[dict[str, float], list[str]]:
        flip = model.metadata["flip_test"]
        found = LiftingEvaluation(poses).scores(outputs["positions"], flip)
        metrics = {
            f"{found[protocol].metric.lower()}_mm": found[protocol].overall.mpjpe
            for protocol in ("unscaled", "procrustes")
        }
        return metrics, [f"2D keypoints: {poses.keypoint_source}"]

    return Validation(
        f"{len(poses)} poses of {_name(data_dir)}, {split}",
        _lifting_inputs(seen),
        score,
        "positions",
        "mm",
        _MILLI,
    )


def lifting_calibration(
    model: ExportedModel, dataset: str, path: str, count: int, stride: int = 1
) -> list[Arrays]:
    """Poses of a 3D data set's `train`, spread over it, a batch of one each."""
    poses = load_lifting_dataset(
        dataset, path, "train", _input_skeleton(model), stride=stride
    )
    return _one_by_one(_lifting_inputs(poses.select(_spread(len(poses), count))))


def _input_skeleton(model: ExportedModel) -> Skeleton:
    """Of what callers send."""
    return Skeleton.from_dict(model.metadata["input_skeleton"])


def _lifting_inputs(poses: LiftingDataset) -> Arrays:
    sizes = poses.image_sizes[poses.camera_index].astype(np.float32)
    return {"keypoints": poses.keypoints, "image_size": sizes}


def _in_joints(model: ExportedModel, people: PoseDataset, data_dir: str) -> PoseDataset:
    skeleton = Skeleton.from_dict(model.metadata["skeleton"])
    return in_joints_of(people, skeleton, data_dir)


def _picture_files(path: str, count: int) -> list[pathlib.Path]:
    """Of a folder, spread over it; none if it has none."""
    folder = pathlib.Path(path)
    files = sorted(
        file
        for file in (folder.iterdir() if folder.is_dir() else ())
        if file.suffix.lower() in _PICTURES
    )
    return [files[i] for i in _spread(len(files), count)]


def _name(data_dir: str) -> str:
    return pathlib.Path(data_dir).resolve().name


def _spread(count: int, limit: int) -> np.ndarray:
    """Rows, evenly spread, `limit` of `count` or all."""
    if limit <= 0 or limit >= count:
        return np.arange(count)
    return np.arange(limit) * count // limit


def _one_by_one(inputs: Arrays) -> list[Arrays]:
    count = len(next(iter(inputs.values())))
    return [
        {name: values[i : i + 1] for name, values in inputs.items()}
        for i in range(count)
    ]


def _image_size(model: ExportedModel) -> tuple[int, int]:
    height, width = model.metadata["image_size"]
    return height, width


def _crops(model: ExportedModel, people: PoseDataset) -> TopDownEvaluation:
    return TopDownEvaluation(
        people, _image_size(model), alignment=model.metadata["alignment"]
    )


def _pixels(model: ExportedModel, images: list[np.ndarray]) -> np.ndarray:
    return np.stack(images).astype(model.main.inputs["image"].dtype.as_numpy_dtype)


def _whole(file: pathlib.Path, size: tuple[int, int]) -> np.ndarray:
    picture = decode_image(file.read_bytes(), name=str(file))
    box = np.array([[0, 0, picture.shape[1], picture.shape[0]]])
    return Regions.of_boxes(box, size, padding=1.0).crop(picture)[0]
