"""The evaluation protocol from end to end, on real labels and real detections."""

import contextlib
import dataclasses
import io
import json
import shutil

import numpy as np
import pytest
import scipy.io
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from data_pipelines.people import OPTIONAL_COLUMNS
from data_pipelines.readers.datasets import load_dataset
from data_pipelines.readers.detections import Detections
from data_pipelines.top_down import TopDownEvaluation
from tfpose.cli import dataset_people
from tfpose.cli import evaluate as module
from tfpose.cli.commands import main
from tfpose.codecs.alignment import ALIGNMENTS
from tfpose.skeletons import get_skeleton
from tfpose.top_down.crop import transform_points
from tfpose.top_down.net import build_heatmap_net

COCO17 = get_skeleton("coco17")
STATISTICS = "ap ap50 ap75 apm apl ar ar50 ar75 arm arl".split()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    info = {
        "skeleton": COCO17.to_dict(),
        "sigma": 1.0,
        "decoder": "quarter",
        "alignment": "official",
        "flip_shift": 1,
    }
    net = build_heatmap_net("hrnet_tiny", (64, 48), 17, info=info)
    path = tmp_path_factory.mktemp("model") / "pose.keras"
    net.save(path)
    return str(path)


@pytest.fixture
def folder(coco_folder):
    return coco_folder


@pytest.fixture
def detections(shared_data):
    return shared_data / "formats" / "coco" / "test_coco_det_AP_H_56.json"


@pytest.fixture
def knowing(monkeypatch, folder):
    """A net that finds the first labelled pose of each image, off a little."""
    document = json.loads((folder / "val.json").read_text())
    poses = {}
    for annotation in document["annotations"]:
        if annotation["num_keypoints"]:
            points = np.reshape(annotation["keypoints"], (17, 3))[:, :2]
            poses.setdefault(annotation["image_id"], points.astype(float))

    def locate(predictor, sampler):
        rng = np.random.default_rng(0)
        people = sampler.people
        ids = people.image_ids[people.image_index]
        points = np.stack([poses[int(image_id)] for image_id in ids])
        points = points + rng.normal(0, 3, (len(ids), 1, 2))
        scores = rng.uniform(0, 1, (len(ids), 17)).astype(np.float32)
        return transform_points(sampler.matrices, points), scores

    monkeypatch.setattr(dataset_people, "_locate", locate)


def _run(tmp_path, *arguments):
    out = tmp_path / "report.json"
    main(["evaluate", *map(str, arguments), "--out", str(out)])
    return json.loads(out.read_text())


def _refusal(capsys, *arguments):
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", *map(str, arguments)])
    assert stop.value.code == 2
    return capsys.readouterr().err.strip().splitlines()[-1]


def _coco_metrics(labels, results):
    """What pycocotools makes of the two files by itself."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(labels))
        scored = COCOeval(truth, truth.loadRes(str(results)), "keypoints")
        scored.evaluate()
        scored.accumulate()
        scored.summarize()
    return scored.stats


def test_detector_boxes(knowing, folder, model, detections, tmp_path, capsys):
    written = tmp_path / "poses.json"
    arguments = ("--model", model, "--data_dir", folder, "--detections", detections)
    report = _run(tmp_path, *arguments, "--write_results", written)
    shown = capsys.readouterr().out
    # Each switch is named, in print and in the file.
    assert report["protocol"] == {
        "boxes": "118 of 118 detections with a score of at least 0 from "
        "test_coco_det_AP_H_56.json",
        "flip test": "yes, shifted by 1",
        "alignment": "official",
        "decoder": "quarter",
        "smoothing kernel": 5,
        "pixels averaged before strong shrinks": "no",
        "poses ranked by": "box score x mean of joint scores above 0.2",
        "oks nms": 0.9,
        "sigmas": COCO17.sigmas_source,
        "areas": "annotated segment areas",
        "people": 12,
        "images": 4,
        "poses": report["protocol"]["poses"],
    }
    for name, value in report["protocol"].items():
        assert f"{name}: {value}" in shown
    assert "no pck: a detector's boxes belong to no labelled person" in report["notes"]
    assert not any(name.startswith("pck") for name in report["metrics"])
    # Nearly all poses of an image are alike: suppression leaves few.
    records = json.loads(written.read_text())
    assert 4 <= len(records) == report["protocol"]["poses"] < 118
    assert len(records[0]["bbox"]) == 4
    expected = _coco_metrics(folder / "val.json", written)
    assert 0.02 < expected[0] < 0.9
    for name, value in zip(STATISTICS, expected, strict=True):
        assert report["metrics"][name] == pytest.approx(value, abs=2e-4), name
    # The written poses by themselves give the same.
    again = _run(tmp_path, "--results", written, "--data_dir", folder)
    assert again["metrics"] == pytest.approx(report["metrics"], abs=2e-4)
    assert again["protocol"]["source of poses"] == str(written)
    assert "no pck: poses of a file belong to no labelled person" in again["notes"]


def test_switches_change_what_is_ranked_and_kept(
    knowing, folder, model, detections, tmp_path
):
    arguments = ("--model", model, "--data_dir", folder, "--detections", detections)
    written = tmp_path / "poses.json"

    def poses(*more):
        report = _run(tmp_path, *arguments, "--write_results", written, *more)
        records = json.loads(written.read_text())
        return report, np.array([record["score"] for record in records])

    boxes = json.loads(detections.read_text())
    box_scores = np.array([record["score"] for record in boxes])
    report, scores = poses("--nms_threshold", 1, "--no_rescore")
    assert np.array_equal(scores, box_scores)
    assert report["protocol"]["oks nms"] == "none"
    assert report["protocol"]["poses ranked by"] == "box score"
    _, ranked = poses("--nms_threshold", 1)
    joints = np.random.default_rng(0)
    joints.normal(0, 3, (118, 1, 2))
    heights = joints.uniform(0, 1, (118, 17)).astype(np.float32)
    counted = np.where(heights > 0.2, heights, 0).sum(1) / (heights > 0.2).sum(1)
    assert np.allclose(ranked, box_scores * counted)
    report, scores = poses("--nms_threshold", 1, "--box_threshold", 0.5)
    assert len(scores) == (box_scores >= 0.5).sum()
    assert "score of at least 0.5" in report["protocol"]["boxes"]
    _, few = poses("--nms_threshold", 0.2)
    _, more = poses("--nms_threshold", 0.99)
    assert len(few) < len(more) < 118


def test_model_says_and_options_override(folder, model, detections, tmp_path):
    arguments = ("--model", model, "--data_dir", folder)
    report = _run(tmp_path, *arguments)
    assert report["protocol"]["boxes"] == "ground truth"
    assert {"pck", "ap", "ar"} <= set(report["metrics"])
    more = ("--alignment", "half_pixel", "--decoder", "argmax", "--no_flip_test")
    said = _run(tmp_path, *arguments, *more)["protocol"]
    assert said["alignment"] == "half_pixel" and said["decoder"] == "argmax"
    assert said["flip test"] == "no"
    assert said["pixels averaged before strong shrinks"] == "yes"


def test_true_boxes_find_true_keypoints_in_each_alignment(
    knowing, folder, model, tmp_path
):
    """Crops and the way back are of one alignment: the poses come back unmoved."""
    arguments = ("--model", model, "--data_dir", folder, "--nms_threshold", 1)
    metrics = [
        _run(tmp_path, *arguments, "--alignment", alignment)["metrics"]
        for alignment in ALIGNMENTS
    ]
    assert metrics[0]["ap"] > 0.02
    for other in metrics[1:]:
        assert other == pytest.approx(metrics[0], abs=1e-6)


def test_refusals(folder, model, detections, tmp_path, capsys):
    def refused(*arguments):
        return _refusal(capsys, *arguments, "--data_dir", folder)

    net = ("--model", model)
    found = (*net, "--detections", detections)
    assert "alignment is 'biased'" in refused(*net, "--alignment", "biased")
    assert "decoder is 'Dark'" in refused(*net, "--decoder", "Dark")
    assert "flip_shift is 3" in refused(*net, "--flip_shift", 3)
    assert "nms_threshold: expected 0 to 1" in refused(*found, "--nms_threshold", 2)
    line = refused(*net, "--box_threshold", 0.2)
    assert "but no detections" in line
    assert "none.json" in refused(*net, "--detections", "none.json")
    poses = tmp_path / "poses.json"
    poses.write_text("[]")
    for more in (("--no_flip_test",), ("--detections", detections), ("--no_rescore",)):
        line = refused("--results", poses, *more)
        assert "is given, but results are poses already" in line
    line = refused("--results", poses, "--write_results", tmp_path / "again.json")
    assert "write_results is given" in line
    record = {"image_id": 785, "category_id": 1, "score": 1, "keypoints": [1] * 42}
    poses.write_text(json.dumps([record]))
    assert "has 42 values of keypoints, expected 51" in refused("--results", poses)
    poses.write_text(json.dumps([{**record, "image_id": 5, "keypoints": [1] * 51}]))
    line = refused("--results", poses)
    assert "image ids that are not evaluated, the first is 5" in line


def test_detections_of_another_split_are_refused(folder, model, tmp_path, capsys):
    other = tmp_path / "found.json"
    record = {"image_id": 9, "category_id": 1, "bbox": [1, 1, 9, 9], "score": 1}
    other.write_text(json.dumps([record]))
    arguments = ("--model", model, "--data_dir", folder, "--detections", other)
    assert "image_id 9 is not in the data set" in _refusal(capsys, *arguments)


def test_unknown_areas_need_a_word(
    knowing, folder, model, detections, tmp_path, capsys
):
    labels = folder / "val.json"
    document = json.loads(labels.read_text())
    for annotation in document["annotations"]:
        annotation.pop("area")
    labels.write_text(json.dumps(document))
    arguments = ("--model", model, "--data_dir", folder)
    line = _refusal(capsys, *arguments, "--detections", detections)
    assert "truth.areas is unknown for 12 of 12" in line and "box_area_factor" in line
    # With true boxes there is a PCK, and the reason why there is no AP.
    report = _run(tmp_path, *arguments)
    assert "ap" not in report["metrics"] and "pck" in report["metrics"]
    assert any("no ap: truth.areas is unknown" in note for note in report["notes"])
    more = ("--detections", detections, "--box_area_factor", 0.53)
    report = _run(tmp_path, *arguments, *more)
    assert report["protocol"]["areas"] == "0.53 x box area for 12 of 12 people"
    assert report["metrics"]["ap"] > 0


def test_joints_without_sigmas_have_no_average_precision(folder, tmp_path, capsys):
    names = [f"point_{index}" for index in range(17)]
    document = json.loads((folder / "val.json").read_text())
    document["categories"][0]["keypoints"] = names
    (folder / "val.json").write_text(json.dumps(document))
    poses = tmp_path / "poses.json"
    poses.write_text("[]")
    line = _refusal(capsys, "--results", poses, "--data_dir", folder)
    assert "has no OKS sigmas" in line


def test_found_boxes_have_no_middles_or_sizes_of_labels(folder):
    people = load_dataset("coco_format", folder, "val")
    columns = {
        name: np.ones((len(people), *row), np.float32)
        for name, row in OPTIONAL_COLUMNS.items()
    }
    labelled = dataclasses.replace(people, **columns)
    boxes = np.array([[5.0, 6, 70, 80]] * 3)
    found = Detections(people.image_ids[[1, 1, 0]], boxes, np.ones(3), "x")
    shown = module._as_people(labelled, found)
    assert not OPTIONAL_COLUMNS.keys() & shown.columns.keys()
    assert labelled.segmentations is not None and shown.segmentations is None
    sampler = TopDownEvaluation(shown, (64, 48), alignment="official")
    np.testing.assert_allclose(sampler.centres, [[40, 46]] * 3)


def test_pckh_of_mpii(shared_data, tmp_path, monkeypatch):
    """People of MPII, found 20 px off: half of their heads are larger than that."""
    source, folder = shared_data / "formats" / "mpii", tmp_path / "mpii"
    (folder / "annot").mkdir(parents=True)
    (folder / "images").symlink_to(source)
    shutil.copy(source / "test_mpii.json", folder / "annot" / "valid.json")
    people = json.loads((folder / "annot" / "valid.json").read_text())
    corners = np.zeros((2, 2, 5))
    corners[1, 0] = np.array([30, 39, 41, 99, 500]) / 0.6
    points = np.array([person["joints"] for person in people])
    missing = 1 - np.array([person["joints_vis"] for person in people])
    content = {
        "pos_gt_src": points.transpose(1, 2, 0),
        "jnt_missing": missing.T,
        "headboxes_src": corners,
    }
    scipy.io.savemat(folder / "annot" / "gt_valid.mat", content)
    info = {
        "skeleton": get_skeleton("mpii16").to_dict(),
        "sigma": 2.0,
        "decoder": "quarter",
        "alignment": "official",
        "flip_shift": 1,
    }
    net = build_heatmap_net("hrnet_tiny", (64, 64), 16, info=info)
    net.save(tmp_path / "pose.keras")

    def locate(predictor, sampler):
        labels = sampler.people.keypoints[..., :2] + np.array([20, 0])
        scores = np.ones(labels.shape[:2], np.float32)
        return transform_points(sampler.matrices, labels), scores

    monkeypatch.setattr(dataset_people, "_locate", locate)
    arguments = ("--model", tmp_path / "pose.keras", "--dataset", "mpii")
    report = _run(tmp_path, *arguments, "--data_dir", folder)
    counted = 1 - np.delete(missing, [6, 7], axis=1)
    expected = counted[2:].sum() / counted.sum()
    assert report["metrics"]["pckh"] == pytest.approx(expected)
    assert report["metrics"]["pckh01"] == pytest.approx(
        counted[4:].sum() / counted.sum()
    )
    notes = "; ".join(report["notes"])
    assert "pckh by part: head " in notes and "no ap: " in notes


def _crowd_folder(shared_data, tmp_path, name, file):
    """A data set's test records as its own files, and its poses found exactly."""
    source, folder = shared_data / "formats" / name, tmp_path / name
    (folder / "images").mkdir(parents=True)
    (folder / file).parent.mkdir(exist_ok=True)
    for image in source.glob("*.jpg"):
        (folder / "images" / image.name).symlink_to(image)
    document = json.loads((source / f"test_{name}.json").read_text())
    keys = ("image_id", "category_id", "keypoints")
    poses = [
        {**{key: annotation[key] for key in keys}, "score": 0.5}
        for annotation in document["annotations"]
        if annotation["num_keypoints"]
    ]
    return folder, document, poses


def test_crowdpose_is_told_by_how_crowded_images_are(shared_data, tmp_path):
    file = "json/crowdpose_test.json"
    folder, document, poses = _crowd_folder(shared_data, tmp_path, "crowdpose", file)
    first, second = document["images"]
    first["crowdIndex"], second["crowdIndex"] = 0.05, 0.85
    (folder / file).write_text(json.dumps(document))
    results = tmp_path / "poses.json"
    results.write_text(json.dumps([p for p in poses if p["image_id"] == first["id"]]))
    arguments = ("--dataset", "crowdpose_test", "--data_dir", folder)
    arguments += ("--results", results, "--box_area_factor", 0.53)
    report = _run(tmp_path, *arguments)
    assert report["metrics"]["ap_easy"] == pytest.approx(1)
    assert report["metrics"]["ap_hard"] == 0 < report["metrics"]["ap"] < 1
    assert "ap_medium" not in report["metrics"]
    assert "no AP of medium images: no labelled person in any" in report["notes"]


def test_ochuman_is_as_coco(shared_data, tmp_path):
    file = "annotations/ochuman_coco_format_val_range_0.00_1.00.json"
    folder, document, poses = _crowd_folder(shared_data, tmp_path, "ochuman", file)
    (folder / file).write_text(json.dumps(document))
    results = tmp_path / "poses.json"
    rng = np.random.default_rng(0)
    for pose in poses:
        points = np.reshape(pose["keypoints"], (17, 3)).astype(float)
        points[:, :2] += rng.normal(0, 15, (17, 2))
        pose |= {"keypoints": points.ravel().tolist(), "score": rng.uniform()}
    results.write_text(json.dumps(poses))
    arguments = ("--dataset", "ochuman", "--data_dir", folder, "--results", results)
    report = _run(tmp_path, *arguments)
    expected = _coco_metrics(folder / file, results)
    found = [report["metrics"][name] for name in STATISTICS]
    assert found[0] > 0.3 and "ap_easy" not in report["metrics"]
    for value, number in zip(found, expected, strict=True):
        assert value is None if number < 0 else value == pytest.approx(number, abs=1e-6)
