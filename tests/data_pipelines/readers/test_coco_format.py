"""COCO-format files as published, and as people break them."""

import copy
import json
import time

import cv2
import numpy as np
import pytest

from data_pipelines.images import decode_image
from data_pipelines.readers.coco_format import BOXES_ALONE, read_coco
from data_pipelines.top_down import labelled_people
from tfpose.errors import InputError
from tfpose.skeletons import Skeleton, get_skeleton

JOINTS = ("head", "left_hand", "right_hand")
POSE = [5, 6, 2, 0, 0, 0, 12, 13, 1]


@pytest.fixture
def folder(tmp_path):
    """A small data set of two images; `write` puts a changed annotation file down."""
    (tmp_path / "images").mkdir()
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / "images" / name), np.zeros((40, 50, 3), np.uint8))
    return tmp_path


def _content():
    return {
        "images": [
            {"id": 1, "file_name": "a.png", "width": 50, "height": 40},
            {"id": 2, "file_name": "b.png", "width": 50, "height": 40},
        ],
        "annotations": [
            {
                "id": 10,
                "image_id": 1,
                "category_id": 1,
                "bbox": [2, 3, 20, 30],
                "area": 99.5,
                "iscrowd": 0,
                "keypoints": list(POSE),
                "num_keypoints": 2,
            }
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": list(JOINTS)}],
    }


def _read(folder, content, **options):
    path = folder / "train.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_coco(path, folder / "images", **options)


def _read_with(folder, **changes):
    """One good annotation, and a second one changed; None deletes a field."""
    content = _content()
    second = copy.deepcopy(content["annotations"][0]) | {"id": 11} | changes
    second = {key: value for key, value in second.items() if value is not None}
    content["annotations"].append(second)
    return _read(folder, content)


def test_columns(folder):
    people, report = _read(folder, _content())
    assert report.summary().endswith("train.json: 2 images, 1 people used")
    assert people.name == "train" and people.skeleton.joints == JOINTS
    np.testing.assert_array_equal(people.image_ids, [1, 2])
    np.testing.assert_array_equal(people.image_sizes, [[40, 50], [40, 50]])
    np.testing.assert_array_equal(people.boxes, [[2, 3, 20, 30]])
    np.testing.assert_array_equal(people.keypoints[0].ravel(), POSE)
    np.testing.assert_array_equal(people.areas, [99.5])
    assert people.crowd.tolist() == [False] and people.person_ids.tolist() == [10]
    assert decode_image(people.images.read(0), (40, 50)).shape == (40, 50, 3)


def test_a_file_of_boxes_alone_is_people_without_labels(shared_data):
    folder = shared_data / "stanford40"
    people, report = read_coco(folder / "val.json", folder / "images")
    assert len(people) == 250 and people.skeleton is BOXES_ALONE
    assert not people.num_labelled.any()
    assert report.notes["person without labelled keypoints"] == 250
    with pytest.raises(InputError, match="none of 250 people has a labelled joint"):
        labelled_people(people)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"image_id": 3}, "unknown image_id"),
        ({"image_id": None}, "unknown image_id"),
        ({"image_id": [1]}, "unknown image_id"),
        ({"category_id": 4}, "unknown category_id"),
        ({"category_id": [1]}, "unknown category_id"),
        ({"id": 10}, "duplicate id"),
        ({"id": "x"}, "id is not an integer"),
        ({"id": 2**63}, "id is not an integer"),
        ({"bbox": [2, 3, 0, 30]}, "bbox has no size"),
        ({"bbox": [2, 3, -4, 30]}, "bbox has no size"),
        ({"bbox": [60, 3, 20, 30]}, "bbox outside its image"),
        ({"bbox": [49.5, 3, 20, 30]}, "bbox almost outside its image"),
        ({"bbox": [4, 3, 0.5, 30]}, "bbox smaller than a pixel"),
        ({"bbox": [2, 3, 20]}, "bbox is not four numbers"),
        ({"bbox": "none"}, "bbox is not four numbers"),
        ({"bbox": [10**400, 3, 20, 30]}, "bbox is not four numbers"),
        ({"bbox": [1e200, 3, 20, 30]}, "bbox is not finite"),
        ({"bbox": [float("nan"), 3, 20, 30]}, "bbox is not finite"),
        ({"bbox": None, "keypoints": None}, "no bbox, and no keypoints"),
        ({"keypoints": POSE[:-1]}, "keypoints of a wrong length"),
        ({"keypoints": {"x": 1}}, "keypoints of a wrong length"),
        ({"keypoints": ["x", *POSE[1:]]}, "keypoints are not numbers"),
        ({"keypoints": [[1], *POSE[1:]]}, "keypoints are not numbers"),
        ({"keypoints": [float("inf"), *POSE[1:]]}, "keypoint is not finite"),
        ({"keypoints": [1e39, *POSE[1:]]}, "keypoint is not finite"),
        ({"keypoints": [5, 6, 0.7, *POSE[3:]]}, "visibility is not 0, 1 or 2"),
        ({"keypoints": [5, 6, 3, *POSE[3:]]}, "visibility is not 0, 1 or 2"),
    ],
    ids=str,
)
def test_annotations_that_cannot_be_used_are_named(folder, changes, reason):
    people, report = _read_with(folder, **changes)
    assert people.person_ids.tolist() == [10]
    (entry,) = report.skipped
    assert entry["record"] == "annotation" and reason in entry["reason"]
    assert entry["id"] == changes.get("id", 11)
    assert "1 records skipped" in report.summary()


@pytest.mark.parametrize("row", [None, 7, "x", []])
def test_rows_that_are_no_objects(folder, row):
    content = _content()
    content["annotations"].append(row)
    content["images"].append(row)
    _, report = _read(folder, content)
    assert [entry["reason"] for entry in report.skipped] == ["not an object"] * 2


@pytest.mark.parametrize(
    ("changes", "column", "expected", "note"),
    [
        ({"area": None}, "areas", np.nan, "area absent (NaN)"),
        ({"area": 0}, "areas", np.nan, "area absent (NaN)"),
        ({"iscrowd": None}, "crowd", False, ""),
        ({"iscrowd": 1}, "crowd", True, ""),
        ({"iscrowd": True}, "crowd", True, ""),
        ({"num_keypoints": None}, "person_ids", 11, ""),
        ({"category_id": None}, "person_ids", 11, ""),
        ({"id": None}, "person_ids", 11, "id absent"),
        ({"bbox": [-5, 3, 20, 90]}, "boxes", [0, 3, 15, 37], "bbox clipped"),
        ({"bbox": None}, "boxes", [5.5, 6.5, 7, 7], "bbox absent"),
        ({"keypoints": None}, "keypoints", np.zeros((3, 3)), "without labelled"),
        ({"keypoints": []}, "keypoints", np.zeros((3, 3)), "without labelled"),
        (
            {"keypoints": [float("nan")] * 2 + [0] + [9, 9, 0] * 2},
            "keypoints",
            np.zeros((3, 3)),
            "without labelled",
        ),
    ],
    ids=str,
)
def test_what_is_missing_is_completed_and_noted(
    folder, changes, column, expected, note
):
    people, report = _read_with(folder, **changes)
    assert len(people) == 2 and not report.skipped
    np.testing.assert_array_equal(getattr(people, column)[1], expected)
    assert note in report.summary()
    assert bool(note) == bool(report.notes)


def test_images_that_cannot_be_used_take_their_people_along(folder):
    content = _content()
    (folder / "images" / "empty.png").touch()
    (folder / "images" / "text.png").write_text("not an image")
    content["images"] += [
        {"id": 3, "file_name": "gone.png", "width": 50, "height": 40},
        {"id": 4, "file_name": "empty.png", "width": 50, "height": 40},
        {"id": 5, "file_name": "text.png"},
        {"id": 6},
        {"id": "7", "file_name": "a.png"},
        {"id": 2, "file_name": "a.png", "width": 50, "height": 40},
    ]
    content["annotations"].append(content["annotations"][0] | {"id": 12, "image_id": 3})
    people, report = _read(folder, content)
    assert people.image_ids.tolist() == [1, 2]
    reasons = [(e["record"], e["id"], e["reason"]) for e in report.skipped]
    assert reasons == [
        ("image", 3, "image file is absent"),
        ("image", 4, "image file is empty"),
        ("image", 5, "image not readable"),
        ("image", 6, "no file_name"),
        ("image", "7", "id is not an integer"),
        ("image", 2, "duplicate id"),
        ("annotation", 12, "its image file is absent"),
    ]
    assert str(folder / "images" / "gone.png") in report.skipped[0]["detail"]


def test_sizes_and_folders_that_files_leave_out(folder):
    content = _content()
    del content["images"][0]["height"]
    content["images"][1] |= {"width": 0, "file_name": "Set/images/b.png"}
    people, report = _read(folder, content)
    np.testing.assert_array_equal(people.image_sizes, [[40, 50], [40, 50]])
    assert report.notes == {"image size read from the file": 2}


def test_people_category_among_others(folder):
    content = _content()
    content["categories"].insert(0, {"id": 2, "name": "dog"})
    content["annotations"].append({"id": 12, "image_id": 1, "category_id": 2})
    people, report = _read(folder, content)
    assert len(people) == 1
    assert report.counts() == {"annotation: category is not people": 1}


def test_skeleton_given_for_files_without_joint_names(folder):
    content = _content()
    content["categories"][0]["keypoints"] = []
    with pytest.raises(InputError, match="names no keypoints; give the skeleton"):
        _read(folder, content)
    given = Skeleton("mine", JOINTS)
    people, _ = _read(folder, content, skeleton=given)
    assert people.skeleton is given
    with pytest.raises(InputError, match="no usable person.*wrong length"):
        _read(folder, content, skeleton=get_skeleton("coco17"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"images": [', "not JSON at line 1, column 13 .character 12."),
        ("", "not JSON at line 1, column 1"),
        ("[" * 100000, "JSON not usable: .*recursion"),
        ("[" + "1" * 5000 + "]", "JSON not usable: "),
        ("[]", "found a list at the top, expected an object"),
        ("{}", "no 'images', found nothing"),
        ({"images": [], "annotations": []}, "no 'categories'"),
        ({"images": {}, "annotations": [], "categories": []}, "'images' is a dict"),
        ({"images": [], "annotations": [], "categories": []}, "one category of people"),
    ],
)
def test_files_that_are_not_coco_format(folder, content, message):
    with pytest.raises(InputError, match=f"train.json: .*{message}") as caught:
        _read(folder, content)
    assert "\n" not in str(caught.value)


def test_files_that_are_not_text_or_not_there(folder):
    with pytest.raises(InputError, match="none.json: not readable: No such file"):
        read_coco(folder / "none.json", folder)
    (folder / "train.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(InputError, match="not UTF-8 text at byte 0"):
        read_coco(folder / "train.json", folder)


ODD = [None, True, -1, 0, 0.5, 10**30, 1e300, float("nan"), "", "x", "\ud800\0", [], {}]


def test_any_value_anywhere(folder):
    """Whatever one value is replaced by: every annotation is used or is named."""
    cases = [(path, odd) for path in _paths(_content()) for odd in ODD]
    for path, odd in cases:
        content = _content()
        content["annotations"].append(content["annotations"][0] | {"id": 11})
        parent = content
        for key in path[:-1]:
            parent = parent[key]
        parent[path[-1]] = odd
        try:
            people, report = _read(folder, content)
        except InputError as error:
            assert "train.json" in str(error) and "\n" not in str(error)
            continue
        named = [e for e in report.skipped if e["record"] == "annotation"]
        assert len(people) + len(named) == 2, (path, odd)
        assert np.isfinite(people.boxes).all() and np.isfinite(people.keypoints).all()
        report.write(folder / "skipped.json")
    assert len(cases) > 400


def _paths(node, path=()):
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from _paths(value, (*path, key))


def test_byte_order_mark_is_no_fault(folder):
    (folder / "train.json").write_text(json.dumps(_content()), encoding="utf-8-sig")
    assert len(read_coco(folder / "train.json", folder / "images")[0]) == 1


@pytest.mark.parametrize("field", ["images", "annotations"])
def test_no_person_left(folder, field):
    content = _content() | {field: []}
    with pytest.raises(InputError, match="no usable person in .*train.json"):
        _read(folder, content)
    content = _content()
    content["annotations"][0]["iscrowd"] = 1
    with pytest.raises(InputError, match="no usable person"):
        _read(folder, content)


@pytest.mark.parametrize(
    ("file", "folder", "skeleton", "images", "people"),
    [
        ("coco/train.json", "coco/images", "coco17", 138, 477),
        ("lspet/val.json", "lspet/images", "lsp14", 998, 998),
        ("formats/coco/test_coco.json", "formats/coco", "coco17", 4, 14),
        ("formats/coco/test_coco_wholebody.json", "formats/coco", "coco17", 4, 14),
        ("formats/crowdpose/test_crowdpose.json", None, "crowdpose14", 2, 5),
        ("formats/ochuman/test_ochuman.json", None, "coco17", 3, 5),
        ("formats/humanart/test_humanart.json", None, "coco17", 3, 4),
        ("formats/aic/test_aic.json", None, "custom14", 3, 9),
        ("formats/jhmdb/test_jhmdb_sub1.json", None, "custom15", 3, 3),
        ("formats/mpii/test_mpii_trb.json", None, "custom40", 5, 5),
        (
            "formats/posetrack18/annotations/test_posetrack18_val.json",
            "formats/posetrack18",
            "custom17",
            3,
            14,
        ),
    ],
)
def test_published_files(shared_data, file, folder, skeleton, images, people):
    path = shared_data / file
    dataset, report = read_coco(path, shared_data / folder if folder else path.parent)
    assert not report.skipped, report.summary()
    assert dataset.skeleton.name == skeleton
    assert (len(dataset.image_ids), len(dataset)) == (images, people)
    sizes = dataset.image_sizes[dataset.image_index][:, ::-1]
    assert (dataset.boxes[:, :2] >= 0).all()
    assert (dataset.boxes[:, :2] + dataset.boxes[:, 2:] <= sizes + 1e-3).all()
    for row in range(0, images, max(1, images // 5)):
        name = dataset.images.describe(row)
        decode_image(dataset.images.read(row), tuple(dataset.image_sizes[row]), name)


def test_published_files_that_are_not_coco_format(shared_data):
    formats = shared_data / "formats"
    for file, message in (
        ("mpii/test_mpii.json", "found a list at the top"),
        ("halpe/test_halpe.json", "names no keypoints"),
        ("coco/test_keypoint_partition_metric.json", "14 x annotation: keypoints of a"),
        ("h36m/h36m_coco.json", "4 x image: image file is absent"),
    ):
        with pytest.raises(InputError, match=message):
            read_coco(formats / file, (formats / file).parent)


def _whole_coco(labels) -> dict:
    """COCO train2017's people as its own file has them, photos replaced by one."""
    ids = np.unique(labels["image_id"])
    size = np.array([640, 480])
    boxes = labels["box"] * np.tile(size, 2)
    boxes[:, :2] -= boxes[:, 2:] / 2
    points = boxes[:, None, :2] + labels["keypoints"] * boxes[:, None, 2:]
    visible = labels["visibility"][..., None]
    poses = np.concatenate([points * (visible > 0), visible], axis=2).round(1)
    poses, boxes = poses.reshape(len(boxes), -1).tolist(), boxes.round(2).tolist()
    outline = np.arange(60.0).tolist()
    return {
        "images": [
            {"id": int(i), "file_name": "a.png", "width": 640, "height": 480}
            for i in ids
        ],
        "annotations": [
            {
                "id": row,
                "image_id": int(image),
                "category_id": 1,
                "iscrowd": 0,
                "bbox": boxes[row],
                "keypoints": poses[row],
                "num_keypoints": 1,
                "segmentation": [outline],
            }
            for row, image in enumerate(labels["image_id"])
        ],
        "categories": [
            {"id": 1, "name": "person", "keypoints": get_skeleton("coco17").joints}
        ],
    }


@pytest.mark.slow
def test_all_of_coco_is_read_in_seconds(shared_data, folder):
    labels = np.load(shared_data / "coco" / "train2017_labels.npz")
    content = json.dumps(_whole_coco(labels))
    (folder / "train.json").write_text(content)
    start = time.perf_counter()
    people, report = read_coco(folder / "train.json", folder / "images")
    seconds = time.perf_counter() - start
    assert len(people) + len(report.skipped) == len(labels["image_id"])
    assert len(people) > 0.999 * len(labels["image_id"])
    assert seconds < 30, f"{seconds:.1f} s for {len(content) / 1e6:.0f} MB"
