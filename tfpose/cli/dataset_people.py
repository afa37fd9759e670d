"""People that a predictor finds on a data set."""

import dataclasses
import sys
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from data_pipelines.batches import evaluation_batches, input_error
from data_pipelines.people import PoseDataset
from data_pipelines.top_down import TopDownEvaluation
from tfpose.predictors import People, Picture, Predictor
from tfpose.top_down.predictor import AdaptingTopDownPredictor, TopDownPredictor

__all__ = ["DatasetPeople", "find_people"]

_BATCH_SIZE = 32


@dataclasses.dataclass(frozen=True, eq=False)
class DatasetPeople:
    """Q people on the images of a data set.

    Attributes:
        keypoints: float64 `[Q, J, 2]` (x, y), pixels of the image.
        joint_scores: `[Q, J]`.
        person_scores: `[Q]`, the predictor's own.
        boxes: `[Q, 4]` (x, y, w, h), pixels.
        image_index: int `[Q]`, row of the image in the data set.
        areas: float64 `[Q]`, square pixels, what suppression measures a person by: the
            region that a top-down net saw, else the box.
    """

    keypoints: np.ndarray
    joint_scores: np.ndarray
    person_scores: np.ndarray
    boxes: np.ndarray
    image_index: np.ndarray
    areas: np.ndarray

    def __len__(self) -> int:
        return len(self.image_index)


def find_people(predictor: Predictor, people: PoseDataset) -> DatasetPeople:
    """Runs a predictor over a data set.

    Args:
        predictor: finds the keypoints.
        people: whose boxes a predictor that wants boxes looks into. It finds one person
            for each, in their order. Any other one looks at all images.

    Raises:
        InputError: an image cannot be read; names it.
    """
    if isinstance(predictor, TopDownPredictor):
        return _find_in_crops(predictor, people)
    if predictor.wants_boxes:
        rows = np.argsort(people.image_index, kind="stable")
        found = _find_in_pictures(predictor, people, people.select(rows))
        return _select(found, np.argsort(rows, kind="stable"))
    return _find_in_pictures(predictor, people, None)


def _find_in_crops(predictor: TopDownPredictor, people: PoseDataset) -> DatasetPeople:
    """Quicker than picture by picture: photos are decoded by many threads, and no
    larger than the crops need.
    """
    sampler = TopDownEvaluation(
        people, predictor.net.input_size, alignment=predictor.alignment
    )
    keypoints, scores = _locate(predictor, sampler)
    return DatasetPeople(
        keypoints=sampler.to_picture(keypoints),
        joint_scores=scores,
        person_scores=scores.astype(np.float64).mean(axis=1),
        boxes=people.boxes,
        image_index=people.image_index,
        areas=sampler.regions.sizes.prod(axis=1),
    )


def _locate(
    predictor: TopDownPredictor, sampler: TopDownEvaluation
) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints `[P, J, 2]` in input pixels and scores `[P, J]` of all samples."""
    # One that adapts goes from sample to sample, and compiles its steps itself.
    adapts = isinstance(predictor, AdaptingTopDownPredictor)
    locate = predictor.locate if adapts else tf.function(predictor.locate)
    size = 1 if adapts else _BATCH_SIZE
    sides = sampler.regions.sizes.min(axis=1)
    count = len(sampler)
    progress = _progress(-(-count // size), "batch")
    found: list[list[np.ndarray]] = []
    try:
        for batch in evaluation_batches(sampler, count, size):
            sample = {"sides": sides[len(found), None]} if adapts else {}
            located = locate(batch["image"], **sample)
            found.append([np.asarray(part) for part in located])
            progress.update(len(found))
    except tf.errors.OpError as error:
        raise input_error(error) from None
    keypoints, scores = zip(*found, strict=True)
    return np.concatenate(keypoints)[:count], np.concatenate(scores)[:count]


def _find_in_pictures(
    predictor: Predictor, images: PoseDataset, boxes: PoseDataset | None
) -> DatasetPeople:
    """People of whole pictures; `boxes` are sorted by image."""
    rows = np.arange(len(images.image_ids)) if boxes is None else boxes.image_index
    progress = _progress(len(np.unique(rows)), "picture")
    found: list[People] = []
    index: list[int] = []
    for picture, people in predictor.stream(_pictures(images, rows, boxes)):
        found.append(people)
        index += [picture.origin] * len(people)
        progress.update(len(found))
    columns = {
        field.name: np.concatenate([getattr(people, field.name) for people in found])
        for field in dataclasses.fields(People)
    }
    areas = columns["boxes"][:, 2:].prod(axis=1)
    return DatasetPeople(**columns, image_index=np.array(index, int), areas=areas)


def _pictures(
    images: PoseDataset, rows: np.ndarray, boxes: PoseDataset | None
) -> Iterator[Picture[int]]:
    for row in np.unique(rows):
        here = None if boxes is None else boxes.boxes[boxes.image_index == row]
        yield Picture(images.picture(row), here, int(row))


def _progress(total: int, unit: str) -> keras.utils.Progbar:
    return keras.utils.Progbar(total, verbose=int(sys.stdout.isatty()), unit_name=unit)


def _select(people: DatasetPeople, rows: np.ndarray) -> DatasetPeople:
    fields = dataclasses.fields(people)
    return DatasetPeople(
        **{field.name: getattr(people, field.name)[rows] for field in fields}
    )
