"""`python -m tfpose evaluate`: the metrics of a pose net, or of a file of poses."""

import dataclasses
import json
import math
import pathlib
from typing import Any

import numpy as np

from data_pipelines.common_joints import in_joints_of, note_of_unlabelled
from data_pipelines.people import PoseDataset
from data_pipelines.readers.datasets import load_dataset
from data_pipelines.readers.detections import Detections, read_detections
from data_pipelines.top_down import labelled_people, pose_truth
from tfpose.cli.adaptation_steps import accuracy_by_step
from tfpose.cli.dataset_people import DatasetPeople, find_people
from tfpose.cli.models import load_predictor
from tfpose.errors import InputError
from tfpose.files import write_whole
from tfpose.metrics.crowding import crowding_average_precision
from tfpose.metrics.nms import oks_nms
from tfpose.metrics.oks import PosePredictions, oks_average_precision, rescore
from tfpose.metrics.pose_scores import pck_scores
from tfpose.metrics.results_file import read_results, write_results
from tfpose.predictors import Predictor
from tfpose.top_down.predictor import AdaptingTopDownPredictor

__all__ = ["Protocol", "evaluate"]


@dataclasses.dataclass(frozen=True)
class Protocol:
    """How a net's people are found, decoded, ranked and compared.

    Attributes:
        detections: COCO file of a detector's boxes; empty for the true boxes.
        box_threshold: least score of a detector's box.
        flip_test: average over image and mirrored image.
        flip_shift: cells, 0 or 1, that mirrored heatmaps are moved; None as the model
            says.
        decoder: one of `DECODE_METHODS`; None as the model says.
        alignment: one of `ALIGNMENTS`; None as the model says.
        level: one of the model's `levels`, for nets that find people by themselves;
            None as the model says.
        short_side: of the picture that such a net sees, pixels; None as the model says.
        pose_scorer: a `.keras` file of what rescores such a net's poses; None for none.
        rescore: rank poses by box score times mean joint score, else by box score.
        nms_threshold: OKS above which the lower-ranked of two poses is dropped; 1 drops
            none.
        box_area_factor: share of a box's area that stands for an unknown segment area;
            None refuses unknown areas.
        adapt: see `tfpose.adapters.parse_adaptation`, for pose nets; the net adapts to
            each sample before its prediction, in the data set's order, without flip
            test. With true boxes, metrics after each step are told, too. Empty for
            none.
    """

    detections: str = ""
    box_threshold: float = 0.0
    flip_test: bool = True
    flip_shift: int | None = None
    decoder: str | None = None
    alignment: str | None = None
    level: str | None = None
    short_side: int | None = None
    pose_scorer: str | None = None
    rescore: bool = True
    nms_threshold: float = 0.9
    box_area_factor: float | None = None
    adapt: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.nms_threshold <= 1:
            raise InputError(
                f"nms_threshold: expected 0 to 1, got {self.nms_threshold:g}"
            )
        if not math.isfinite(self.box_threshold):
            raise InputError(
                f"box_threshold: expected a finite number, got {self.box_threshold}"
            )
        if self.box_threshold != 0 and not self.detections:
            raise InputError("box_threshold is given, but no detections that it is for")


def evaluate(
    dataset: str,
    data_dir: str,
    split: str,
    protocol: Protocol,
    model: str = "",
    results: str = "",
    out: str = "",
    write: str = "",
) -> dict[str, float]:
    """Prints the metrics of a pose net, or of poses in a file, on a data set, and all
    choices that they depend on; returns the metrics.

    With true boxes: PCK, and OKS AP where joints have sigmas and people areas. Boxes of
    a detector, a net that finds people by itself and poses from a file belong to no
    labelled person: AP only.

    Args:
        dataset: kind of data set.
        data_dir: its folder.
        split: `train` or `val`.
        protocol: the choices that metrics depend on.
        model: a `.keras` pose net; empty with `results`.
        results: a COCO result file of poses; empty with `model`.
        out: JSON file for metrics, protocol and notes; empty for none.
        write: COCO result file for the poses that AP was measured on; empty for none.

    Raises:
        InputError: no pose net, bad data, none of the net's joints, choices that
            have nothing to act on, or no metric can be computed.
    """
    if bool(model) == bool(results):
        raise InputError("expected either a model or results, not both and not neither")
    if results:
        _refuse_unused(protocol, write)
        people = load_dataset(dataset, data_dir, split)
        predictions = read_results(results, people.skeleton)
        report = _Report({"source of poses": results}, {}, [])
        report.add_average_precision(people, predictions, protocol)
        report.notes.append("no pck: poses of a file belong to no labelled person")
    else:
        predictor = load_predictor(
            model,
            protocol.adapt,
            flip_test=protocol.flip_test,
            alignment=protocol.alignment,
            decoder=protocol.decoder,
            flip_shift=protocol.flip_shift,
            level=protocol.level,
            short_side=protocol.short_side,
            pose_scorer=protocol.pose_scorer,
        )
        if not predictor.wants_boxes:
            _refuse_box_choices(protocol)
        people = load_dataset(dataset, data_dir, split)
        people = in_joints_of(people, predictor.skeleton, data_dir)
        report = _evaluate_net(predictor, people, protocol, write)
        report.notes += note_of_unlabelled(people)
    report.show()
    if out:
        text = json.dumps(report.as_json(), indent=2) + "\n"
        write_whole(pathlib.Path(out), lambda aside: aside.write_text(text))
    return report.metrics


@dataclasses.dataclass
class _Report:
    protocol: dict[str, Any]
    metrics: dict[str, float]
    notes: list[str]
    steps: list[dict[str, float]] = dataclasses.field(default_factory=list)

    def add_average_precision(
        self, people: PoseDataset, predictions: PosePredictions, protocol: Protocol
    ) -> None:
        """AP and AR over all images; people without joints and crowds are ignored."""
        found = oks_average_precision(
            pose_truth(people),
            predictions,
            people.skeleton,
            image_ids=people.image_ids,
            box_area_factor=protocol.box_area_factor,
        )
        self.protocol |= {
            "sigmas": found["sigmas_source"],
            "areas": found["area_source"],
            "people": found["people"],
            "images": len(people.image_ids),
            "poses": len(predictions.image_ids),
        }
        self.notes += found["notes"]
        self.metrics |= {
            name.lower(): value if value >= 0 else math.nan
            for name, value in found.items()
            if name.startswith(("AP", "AR"))
        }
        if people.crowd_indices is not None:
            by_level, notes = crowding_average_precision(
                pose_truth(people),
                predictions,
                people.skeleton,
                people.image_ids,
                people.crowd_indices,
                protocol.box_area_factor,
            )
            self.metrics |= {f"ap_{level}": value for level, value in by_level.items()}
            self.notes += notes

    def show(self) -> None:
        for name, value in self.metrics.items():
            print(f"{name:10s} {value:.4f}")
        for step, row in enumerate(self.steps):
            *metrics, (_, time) = row.items()
            shown = ", ".join(f"{name} {value:.4f}" for name, value in metrics)
            print(f"after {step} steps: {shown}, {time:.1f} ms a person")
        for name, value in self.protocol.items():
            print(f"  {name}: {value}")
        for note in self.notes:
            print(f"  {note}")

    def as_json(self) -> dict[str, Any]:
        metrics = {k: v if math.isfinite(v) else None for k, v in self.metrics.items()}
        report = {"metrics": metrics, "protocol": self.protocol, "notes": self.notes}
        return {**report, "steps": self.steps} if self.steps else report


def _refuse_box_choices(protocol: Protocol) -> None:
    """Choices that a net has no use for that finds people by itself."""
    for name, value in (
        ("detections", protocol.detections),
        ("no_rescore", not protocol.rescore),
    ):
        if value:
            raise InputError(f"{name} is given, but the model finds people by itself")


def _refuse_unused(protocol: Protocol, write: str) -> None:
    """Choices that have nothing to act on where poses are given."""
    unused = dataclasses.asdict(Protocol())
    del unused["box_area_factor"]
    for name, value in unused.items():
        if getattr(protocol, name) != value:
            raise InputError(f"{name} is given, but results are poses already")
    if write:
        raise InputError("write_results is given, but results are a file already")


def _evaluate_net(
    predictor: Predictor, people: PoseDataset, protocol: Protocol, write: str
) -> _Report:
    shown, box_scores, source = _shown(predictor, people, protocol)
    found = find_people(predictor, shown)
    predictions = _predictions(found, people, box_scores, protocol)
    report = _Report(_switches(predictor, protocol, source), {}, [])
    labelled = predictor.wants_boxes and not protocol.detections
    if labelled:
        report.metrics, notes = pck_scores(
            pose_truth(shown), shown.skeleton, found.keypoints
        )
        report.notes += [f"{len(shown)} people", *notes]
    elif predictor.wants_boxes:
        report.notes.append("no pck: a detector's boxes belong to no labelled person")
    else:
        report.notes.append("no pck: people that are found belong to no labelled one")
    try:
        kept = _suppress(predictions, found.areas, people, protocol, report)
        report.add_average_precision(people, _rows(predictions, kept), protocol)
    except InputError as error:
        # There is a PCK all the same, unless AP was asked for.
        if not labelled or protocol.box_area_factor is not None:
            raise
        report.notes.append(f"no ap: {error}")
        kept = np.arange(len(found))
    if write:
        write_results(write, _rows(predictions, kept), found.boxes[kept])
    report.notes += filter(None, [predictor.left_out()])
    if isinstance(predictor, AdaptingTopDownPredictor) and labelled:
        report.steps = accuracy_by_step(
            predictor.net, protocol.adapt, shown, predictor.alignment
        )
    return report


def _shown(
    predictor: Predictor, people: PoseDataset, protocol: Protocol
) -> tuple[PoseDataset, np.ndarray | None, str]:
    """Whose boxes are looked into, the boxes' scores and where they are from."""
    if not predictor.wants_boxes:
        return people, None, "none, the model finds people by itself"
    if not protocol.detections:
        shown = labelled_people(people)
        return shown, np.ones(len(shown)), "ground truth"
    sizes = dict(
        zip(people.image_ids.tolist(), people.image_sizes.tolist(), strict=True)
    )
    found = read_detections(
        protocol.detections, people.image_ids, protocol.box_threshold
    ).within(sizes)
    return _as_people(people, found), found.scores, found.source


def _predictions(
    found: DatasetPeople,
    people: PoseDataset,
    box_scores: np.ndarray | None,
    protocol: Protocol,
) -> PosePredictions:
    """With the scores that people are ranked by."""
    if box_scores is None:
        scores = found.person_scores
    elif protocol.rescore:
        scores = rescore(box_scores, found.joint_scores)
    else:
        scores = box_scores
    return PosePredictions(
        image_ids=people.image_ids[found.image_index],
        keypoints=found.keypoints,
        joint_scores=found.joint_scores,
        person_scores=scores,
    )


def _switches(predictor: Predictor, protocol: Protocol, source: str) -> dict[str, Any]:
    """Every choice that the metrics depend on, by name."""
    ranking = "the model's score"
    if predictor.wants_boxes:
        joint_mean = "box score x mean of joint scores above 0.2"
        ranking = joint_mean if protocol.rescore else "box score"
    return {
        "boxes": source,
        **predictor.settings,
        **({"adaptation": protocol.adapt} if protocol.adapt else {}),
        "poses ranked by": ranking,
        "oks nms": protocol.nms_threshold if protocol.nms_threshold < 1 else "none",
    }


def _as_people(people: PoseDataset, found: Detections) -> PoseDataset:
    """Detected boxes as the people of a data set, with the same images."""
    count, joints = len(found), people.skeleton.num_joints
    rows = {image_id: row for row, image_id in enumerate(people.image_ids.tolist())}
    return dataclasses.replace(
        people,
        image_index=np.array([rows[int(i)] for i in found.image_ids], np.int32),
        person_ids=np.arange(count),
        boxes=found.boxes.astype(np.float32),
        keypoints=np.zeros((count, joints, 3), np.float32),
        areas=np.full(count, np.nan, np.float32),
        crowd=np.zeros(count, np.bool_),
        head_sizes=None,
        torso_sizes=None,
        centres=None,
        segmentations=None,
    )


def _suppress(
    predictions: PosePredictions,
    areas: np.ndarray,
    people: PoseDataset,
    protocol: Protocol,
    report: _Report,
) -> np.ndarray:
    """Rows that are left by OKS-NMS, and a note on how many went."""
    count = len(predictions.image_ids)
    if protocol.nms_threshold == 1:
        return np.arange(count)
    kept = oks_nms(predictions, areas, people.skeleton, protocol.nms_threshold)
    report.notes.append(f"oks nms dropped {count - len(kept)} of {count} poses")
    return kept


def _rows(predictions: PosePredictions, rows: np.ndarray) -> PosePredictions:
    fields = dataclasses.fields(predictions)
    return PosePredictions(
        **{field.name: getattr(predictions, field.name)[rows] for field in fields}
    )
