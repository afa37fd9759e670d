"""Photos to everybody in them, in a graph for servers."""

import cv2
import numpy as np
import pytest
import tensorflow as tf

from data_pipelines.images import decode_image
from export.serving.people_net import photo_people_model, suppress_slots
from tfpose.logocap.picture import Placement
from tfpose.logocap.predictor import CentrePredictor
from tfpose.logocap.suppression import read_slots, suppress_near

SIZE = (64, 128)


@pytest.fixture(scope="module")
def graph(people_net):
    model = photo_people_model(people_net, SIZE, flip_test=False)
    return model.signatures["find_people"].concrete()


def _ask(graph, *files: bytes) -> dict[str, np.ndarray]:
    found = graph(image_bytes=tf.constant(list(files), tf.string))
    return {name: values.numpy() for name, values in found.items()}


def _as_predicted(net, photo: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the predictor finds in the photo as it lies in the input."""
    placement = Placement.into(*photo.shape[:2], SIZE)
    people = CentrePredictor(net, False, short_side=64).predict(placement.place(photo))
    return placement.to_picture(people.keypoints), people.person_scores


def test_photos_of_several_sizes_have_whom_the_predictor_finds(
    graph, people_net, shared_data
):
    paths = sorted((shared_data / "coco" / "images").iterdir())[:4]
    files = [path.read_bytes() for path in paths]
    found = _ask(graph, *files)
    assert found["valid"].all()
    for row, file in enumerate(files):
        photo = decode_image(file)
        assert found["image_size"][row].tolist() == list(photo.shape[:2])
        points, scores = _as_predicted(people_net, photo)
        filled = found["scores"][row] > 0
        # Pixels differ by a grey level here and there: some peaks are others.
        assert abs(filled.sum() - len(points)) <= 1 <= len(points)
        mine = found["poses"][row][filled][..., :2]
        away = np.linalg.norm(mine[:, None] - points[None], axis=-1)
        assert np.median(away.mean(axis=-1).min(axis=0)) < 1


def test_at_the_inputs_size_nothing_differs(graph, people_net):
    small = np.random.default_rng(0).integers(0, 256, (8, 16, 3), np.uint8)
    photo = cv2.resize(small, SIZE[::-1], interpolation=cv2.INTER_CUBIC)
    found = _ask(graph, cv2.imencode(".png", photo[..., ::-1])[1].tobytes())
    points, scores = _as_predicted(people_net, photo)
    poses, own = read_slots(found["poses"][0].astype(float), found["scores"][0])
    assert len(points) > 1
    order = np.argsort(-scores)
    again = np.argsort(-own)
    assert np.allclose(poses[again][..., :2], points[order], atol=0.05)
    assert np.allclose(own[again], scores[order], atol=1e-4)


def test_a_broken_file_fails_alone(graph, shared_data):
    file = next((shared_data / "coco" / "images").iterdir()).read_bytes()
    found = _ask(graph, b"", file, file[:3000], file)
    assert found["valid"].tolist() == [False, True, False, True]
    assert np.isnan(found["poses"][[0, 2]]).all()
    assert not found["scores"][[0, 2]].any() and found["scores"][[1, 3]].max() > 0
    assert np.isnan(found["image_size"][[0, 2]]).all()
    assert np.array_equal(found["poses"][1], found["poses"][3])


def test_the_graph_suppresses_as_the_library():
    rng = np.random.default_rng(0)
    bodies = rng.uniform(0, 100, (20, 1, 17, 2)) + rng.uniform(0, 50, (20, 1, 1, 2))
    poses = bodies + rng.normal(0, 2.5, (20, 8, 17, 2))
    poses[:, 5:] += rng.uniform(0, 40, (20, 3, 17, 2))
    poses[3, 2] = poses[3, 2, :1]
    scores = rng.uniform(0.1, 1, (20, 8)).astype(np.float32)
    scores[rng.uniform(size=scores.shape) < 0.2] = 0
    found = suppress_slots(tf.constant(poses), tf.constant(scores)).numpy()
    counts = set()
    for row in range(20):
        filled = np.flatnonzero(scores[row])
        kept = suppress_near(poses[row, filled], scores[row, filled])
        expected = np.zeros(8, np.float32)
        expected[filled[kept]] = scores[row, filled[kept]]
        assert np.array_equal(found[row], expected)
        counts.add((len(filled), len(kept)))
    assert len(counts) > 5
