import json

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

from data_pipelines.images import decode_image
from export.serving.pose_net import photo_pose_model
from tfpose.codecs.alignment import ALIGNMENTS
from tfpose.errors import InputError
from tfpose.skeletons import get_skeleton
from tfpose.top_down.net import build_heatmap_net
from tfpose.top_down.predictor import TopDownPredictor
from tfpose.weights.keras_file import load_keras

LSP = get_skeleton("lsp14")


def make_net(alignment="half_pixel", size=(96, 64)):
    keras.utils.set_random_seed(0)
    info = {
        "skeleton": LSP.to_dict(),
        "sigma": 2.0,
        "decoder": "dark",
        "alignment": alignment,
        "flip_shift": int(alignment == "official"),
    }
    net = build_heatmap_net(
        "hrnet_tiny",
        size,
        LSP.num_joints,
        info=info,
        kernel_initializer=keras.initializers.HeNormal(seed=0),
    )
    # Peaks above 0, as a trained net has them.
    net.get_layer("head").set_weights(
        [
            keras.ops.convert_to_numpy(
                keras.random.normal((1, 1, 8, LSP.num_joints), seed=1)
            ),
            np.ones(LSP.num_joints, np.float32),
        ]
    )
    return net


def people(shared_data, count):
    """(file, box) of COCO's labelled people."""
    folder = shared_data / "coco"
    content = json.loads((folder / "train.json").read_text())
    names = {image["id"]: image["file_name"] for image in content["images"]}
    for person in content["annotations"][:count]:
        data = (folder / "images" / names[person["image_id"]]).read_bytes()
        yield data, np.array(person["bbox"], np.float32)


def trace(model):
    """The graph that would be exported."""
    return model.signatures["locate"].concrete()


def run(graph, files, boxes):
    found = graph(
        image_bytes=tf.constant(files, tf.string),
        boxes=tf.constant(np.array(boxes, np.float32).reshape(-1, 4)),
    )
    return {name: value.numpy() for name, value in found.items()}


@pytest.fixture(scope="module")
def graph():
    return trace(photo_pose_model(make_net(), flip_test=False))


@pytest.fixture(scope="module")
def photo():
    small = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
    return cv2.resize(small, (120, 90), interpolation=cv2.INTER_CUBIC)


@pytest.fixture(scope="module")
def file(photo):
    return cv2.imencode(".png", photo)[1].tobytes()


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_keypoints_are_those_of_the_predictor_on_real_photos(shared_data, alignment):
    net = make_net(alignment)
    check_against_predictor(net, people(shared_data, 6), 0.8)


def test_keypoints_of_the_net_that_ships_are_those_of_the_predictor(shared_data):
    check_against_predictor(load_keras("tfpose_person"), people(shared_data, 12), 1.0)


def check_against_predictor(net, chosen, share):
    """That a share of the joints are within 0.05 px, and the rest of it."""
    files, boxes = zip(*chosen, strict=True)
    found = run(trace(photo_pose_model(net)), files, boxes)
    predictor = TopDownPredictor(net)
    for row, (data, box) in enumerate(zip(files, boxes, strict=True)):
        image = decode_image(data)
        people = predictor.predict(image, box[None])
        keypoints, scores = people.keypoints, people.joint_scores
        assert tuple(found["image_size"][row]) == image.shape[:2]
        away = np.linalg.norm(found["keypoints"][row] - keypoints[0], axis=-1)
        # On maps of an untrained net, whose peaks are flat here and there, a Newton
        # step that is not held back leaps at the last bit of a pixel.
        assert np.quantile(away, share) < 0.05
        np.testing.assert_allclose(found["scores"][row], scores[0], rtol=0.01)
    assert found["valid"].all()


@pytest.mark.parametrize(
    "box",
    [
        (0, 0, 120, 90),
        (-50, -70, 100, 100),
        (100, 80, 300, 200),
        (60.25, 40.5, 3.5, 2.25),
        (-1000, -1000, 3000, 3000),
    ],
)
def test_boxes_may_reach_over_the_edges(graph, photo, file, box):
    found = run(graph, [file], [box])
    predictor = TopDownPredictor(make_net(), flip_test=False)
    keypoints = predictor.predict(photo[..., ::-1].copy(), np.array([box])).keypoints
    assert found["valid"].all()
    # A very large box sees the photo as a few cells, where peaks may tie.
    away = np.linalg.norm(found["keypoints"][0] - keypoints[0], axis=-1)
    assert np.median(away) < 1e-3 * max(box[2:])


def test_what_cannot_be_used_is_flagged_in_its_row(graph, file):
    good = (10, 10, 60, 70)
    bad_boxes = [
        (np.nan, 10, 60, 70),
        (10, 10, np.inf, 70),
        (10, 10, 0, 70),
        (10, 10, 60, -70),
        (120, 10, 60, 70),
        (10, -70, 60, 70),
        (1e30, 1e30, 1e30, 1e30),
    ]
    bad_files = [b"", b"no photo", file[: len(file) // 2]]
    files = [file, *[file] * len(bad_boxes), *bad_files, file]
    boxes = [good, *bad_boxes, *[good] * len(bad_files), good]
    found = run(graph, files, boxes)
    assert found["valid"].tolist() == [True, *[False] * 10, True]
    alone = run(graph, [file], [good])
    for row in (0, -1):
        np.testing.assert_allclose(
            found["keypoints"][row], alone["keypoints"][0], atol=1e-3
        )
    assert np.isnan(found["keypoints"][1:-1]).all()
    assert np.isnan(found["image_size"][1:-1]).all()
    assert (found["scores"][1:-1] == 0).all()


def test_batches_of_nothing_good_and_of_nothing(graph):
    found = run(graph, [b"x", b"y"], [(0, 0, 5, 5)] * 2)
    assert found["valid"].tolist() == [False, False]
    found = run(graph, [], [])
    assert found["keypoints"].shape == (0, LSP.num_joints, 2)


def test_a_net_without_a_skeleton_is_refused():
    net = build_heatmap_net("hrnet_tiny", (64, 64), 9, info={"task": "jigsaw"})
    with pytest.raises(InputError, match="jigsaw"):
        photo_pose_model(net)


def test_metadata_says_what_a_caller_must_know():
    metadata = photo_pose_model(make_net(size=(64, 64))).metadata
    assert metadata["skeleton"]["joints"] == list(LSP.joints)
    assert metadata["net_input_size"] == [64, 64]
    assert metadata["flip_test"] is True
