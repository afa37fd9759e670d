"""Records give what the source gives, by position and through tf.data."""

import json
import threading
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from data_pipelines import prepare
from data_pipelines.people import OPTIONAL_COLUMNS
from data_pipelines.prepare import prepare_split
from data_pipelines.readers.coco_format import read_coco
from data_pipelines.records import example_features, read_records, verify_records
from tfpose.errors import InputError

TABLE = (
    "image_ids image_sizes image_index person_ids boxes keypoints areas crowd".split()
)


@pytest.fixture
def records(small_set, tmp_path):
    out = tmp_path / "records"
    return prepare_split(
        "coco_format", small_set, "train", out, shard_megabytes=0.02, quiet=True
    )


def _assert_same(found, expected):
    assert found.name == expected.name and found.skeleton == expected.skeleton
    for column in TABLE:
        a, b = getattr(found, column), getattr(expected, column)
        assert a.dtype == b.dtype and a.tobytes() == b.tobytes(), column
    assert (found.segmentations is None) == (expected.segmentations is None)
    if expected.segmentations is not None:
        arrays = found.segmentations.arrays
        for name, array in expected.segmentations.arrays.items():
            assert arrays[name].dtype == array.dtype, name
            assert arrays[name].tobytes() == array.tobytes(), name
    for row in range(len(expected.images)):
        assert found.images.read(row) == expected.images.read(row)


def test_same_as_the_source(small_set, records):
    expected, _ = read_coco(small_set / "train.json", small_set / "images")
    found, report = read_records(records, verify=True)
    assert found.head_sizes is None
    assert len(found.images.paths) > 2
    assert "12 images, 12 people used" in report.summary()
    assert found.images.describe(3).endswith(".tfrecord:images/03.jpg")
    _assert_same(found, expected)


def test_crowd_indices_come_along(small_set, tmp_path):
    content = json.loads((small_set / "train.json").read_text())
    for image in content["images"]:
        image["crowdIndex"] = image["id"] / 1000
    (small_set / "train.json").write_text(json.dumps(content))
    out = tmp_path / "records"
    folder = prepare_split("coco_format", small_set, "train", out, quiet=True)
    found, _ = read_records(folder)
    assert np.allclose(found.crowd_indices, found.image_ids / 1000)


def _slice(source, target, count):
    """The first images of a COCO-format set, without copying the photos."""
    content = json.loads((source / "train.json").read_text())
    content["images"] = content["images"][:count]
    ids = {image["id"] for image in content["images"]}
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] in ids]
    target.mkdir()
    (target / "images").symlink_to(source / "images")
    (target / "train.json").write_text(json.dumps(content))


@pytest.mark.parametrize(("name", "count"), [("lspet", 200), ("coco", 138)])
def test_same_as_real_sources(shared_data, tmp_path, name, count):
    source = tmp_path / name
    _slice(shared_data / name, source, count)
    folder = prepare_split("coco_format", source, "train", tmp_path / "out", 1)
    expected, _ = read_coco(source / "train.json", source / "images")
    found, _ = read_records(folder)
    assert len(found.images) == count
    _assert_same(found, expected)
    assert (found.segmentations is not None) == (name == "coco")
    for row in range(count):
        mask = expected.ignore_mask(row)
        np.testing.assert_array_equal(found.ignore_mask(row), mask)


def test_regions_are_in_the_examples(small_set, tmp_path):
    """Polygons, run lengths and neither, as TensorFlow reads them; and they shrink."""
    content = json.loads((small_set / "train.json").read_text())
    square = [[3, 4, 43.5, 4, 43.5, 30.25, 3, 30.25], [1, 1, 9, 1, 9, 9]]
    runs = {"size": [60, 80], "counts": [60 * 10, 60 * 20, 60 * 50]}
    for row, annotation in enumerate(content["annotations"]):
        annotation |= [{}, {"segmentation": square}, {"segmentation": runs}][row % 3]
    (small_set / "train.json").write_text(json.dumps(content))
    expected, report = read_coco(small_set / "train.json", small_set / "images")
    assert not report.skipped
    folder = prepare_split("coco_format", small_set, "train", tmp_path / "out")
    found, _ = read_records(folder)
    _assert_same(found, expected)
    features = example_features(3)
    seen = 0
    for row, serialised in enumerate(tf.data.TFRecordDataset(found.images.paths)):
        example = tf.io.parse_single_example(serialised, features)
        example = {key: value.numpy() for key, value in example.items()}
        people = expected.people_of(row)
        regions = [expected.segmentations[person] for person in people]
        assert example["person/rle"].tolist() == [region.rle for region in regions]
        polygons = [polygon for region in regions for polygon in region.polygons]
        assert example["polygon/point_count"].tolist() == [len(p) for p in polygons]
        assert example["person/polygon_count"].sum() == len(polygons)
        points = np.concatenate([np.zeros((0, 2)), *polygons])
        np.testing.assert_array_equal(example["polygon/points"], points)
        seen += len(people)
    assert seen == 12
    small = prepare_split(
        "coco_format", small_set, "train", tmp_path / "small", max_side=40, quiet=True
    )
    small, _ = read_records(small)
    for row in range(12):
        if small.segmentations[row].rle:
            assert small.mask(row).sum() == 30 * 10
        elif small.segmentations[row]:
            polygon = small.segmentations[row].polygons[0]
            assert polygon.tolist() == (np.reshape(square[0], (4, 2)) / 2).tolist()


def test_readable_by_tensorflow_alone(records):
    people, _ = read_records(records)
    dataset = tf.data.TFRecordDataset(people.images.paths)
    features = example_features(people.skeleton.num_joints)
    rows = 0
    for row, serialised in enumerate(dataset):
        example = tf.io.parse_single_example(serialised, features)
        example = {key: value.numpy() for key, value in example.items()}
        mine = people.select(people.image_index == row)
        assert example["image/encoded"] == people.images.read(row)
        assert example["image/id"] == people.image_ids[row]
        size = (example["image/height"], example["image/width"])
        assert size == tuple(people.image_sizes[row])
        order = np.argsort(mine.person_ids)
        theirs = np.argsort(example["person/id"])
        for feature, column in (
            ("person/id", mine.person_ids),
            ("person/box", mine.boxes),
            ("person/keypoints", mine.keypoints),
            ("person/area", mine.areas),
            ("person/crowd", mine.crowd),
        ):
            np.testing.assert_array_equal(example[feature][theirs], column[order])
        rows += 1
    assert rows == len(people.images)


@pytest.mark.parametrize("name", OPTIONAL_COLUMNS)
def test_optional_columns_are_kept(small_set, tmp_path, monkeypatch, name):
    """As is with and without them, and a source with others is another source."""
    source, report = read_coco(small_set / "train.json", small_set / "images")
    values = np.random.default_rng(0).uniform(
        10, 30, (len(source), *OPTIONAL_COLUMNS[name])
    )
    values = values.astype(np.float32)
    values[3] = np.nan
    measured = replace(source, **{name: values})
    monkeypatch.setattr(prepare, "read_source", lambda *_: (measured, report))
    folder = prepare_split("x", small_set, "train", tmp_path / "out", quiet=True)
    found, _ = read_records(folder, verify=True)
    _assert_same(found, source)
    assert found.columns[name].tobytes() == values.tobytes()
    features = example_features(source.skeleton.num_joints)
    shown = [
        tf.io.parse_single_example(example, features)
        for example in tf.data.TFRecordDataset(found.images.paths)
    ]
    shown = {
        int(person): value
        for example in shown
        for person, value in zip(
            example["person/id"], example[f"person/{name[:-1]}"].numpy(), strict=True
        )
    }
    expected = dict(zip(source.person_ids.tolist(), values, strict=True))
    assert shown.keys() == expected.keys()
    for person, value in expected.items():
        np.testing.assert_array_equal(shown[person], value)
    monkeypatch.setattr(prepare, "read_source", lambda *_: (source, report))
    with pytest.raises(InputError, match="source_checksum is"):
        prepare_split("x", small_set, "train", tmp_path / "out", quiet=True)


def test_threads_read_at_once(records):
    images = read_records(records)[0].images
    expected = [images.read(row) for row in range(len(images))]
    wrong = []

    def work():
        for _ in range(200):
            wrong.extend(
                row for row in range(len(images)) if images.read(row) != expected[row]
            )

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def _damage(folder, name, change):
    path = f"{folder}/{name}"
    with open(path, "rb") as file:
        data = file.read()
    with open(path, "wb") as file:
        file.write(change(data))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "people-00000.tfrecord",
            lambda d: d[:-9],
            "people-00000.tfrecord: .* bytes, exp",
        ),
        ("index.npz", lambda d: d[:100], "index.npz: not readable as an index"),
        ("manifest.json", lambda d: d[:100], "manifest.json: not JSON"),
        ("manifest.json", lambda d: b"[]", "manifest.json: format is"),
        (
            "manifest.json",
            lambda d: d.replace(b"records 2", b"records 1"),
            "format is 'tfpose people records 1', .*; prepare the data set again",
        ),
        ("manifest.json", lambda d: d.replace(b'"bytes"', b'"x"'), "do not fit: KeyE"),
        ("manifest.json", lambda d: d.replace(b'"shards"', b'"x"'), "'shards' is mis"),
    ],
)
def test_damaged_folders_are_refused(records, name, change, message):
    _damage(records, name, change)
    with pytest.raises(InputError, match=message) as caught:
        read_records(records)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["people-00001.tfrecord", "index.npz"])
def test_a_flipped_bit_is_found_by_its_checksum(records, name):
    assert verify_records(records) >= 4
    _damage(records, name, lambda d: d[:500] + bytes([d[500] ^ 1]) + d[501:])
    with pytest.raises(InputError, match=f"{name}: sha256 is "):
        read_records(records, verify=True)
