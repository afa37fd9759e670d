"""A LOGO-CAP net as a function of pixels: everybody, in any form, decoded anywhere."""

import json

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from export.litert.__main__ import main
from export.litert.convert import convert
from export.litert.measure import answers
from export.litert.operators import count_operators
from export.litert.quantise import quantise
from export.people_net import people_metadata, people_model, read_rows
from export.validation import people_calibration, people_validation
from tests.tiny_dekr import tiny_dekr
from tests.tiny_logocap import tiny_logocap
from tfpose.backbones.efficientnet_lite import EfficientNetLite
from tfpose.errors import InputError
from tfpose.logocap.net import LogoCapNet
from tfpose.logocap.predictor import CentrePredictor
from tfpose.logocap.suppression import read_slots
from tfpose.skeletons import get_skeleton

SIZE = (64, 128)


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, *SIZE, 3), np.uint8)


@pytest.fixture(scope="module")
def model(people_net):
    return people_model(people_net, SIZE, outputs=("keypoints", "heatmaps"))


@pytest.fixture(scope="module")
def file(model) -> bytes:
    return convert(model)


def _assert_same(found, expected) -> None:
    """To 0.05 px, and 1e-4 of the largest score."""
    poses, scores = expected["poses"], expected["scores"]
    assert np.ptp(poses[..., :2]) > 20 and scores.max() > 0.1
    assert np.abs(found["poses"] - poses)[..., :2].max() < 0.05
    largest = poses[..., 2].max()
    assert np.abs(found["poses"] - poses)[..., 2].max() < 1e-4 * largest
    assert np.abs(found["scores"] - scores).max() < 1e-4 * scores.max()


def test_metadata_have_the_backbones_normalisation():
    backbone = EfficientNetLite((None, None, 3), stages=6, return_all=True)
    net = LogoCapNet(
        get_skeleton("coco17"),
        backbone,
        pyramid_filters=8,
        offset_filters=8,
        message_filters=(8, 8, 8),
        info={"task": "logocap", "short_side": 64},
    )
    told = people_metadata(CentrePredictor(net), SIZE, 4, "outside")["normalisation"]
    # (pixel - 127) / 128, of pixels / 255.
    assert np.allclose(told["mean"], 127 / 255) and np.allclose(told["std"], 128 / 255)


@pytest.mark.parametrize(
    ("tiny_net", "flip_test"),
    [
        (tiny_logocap, False),
        pytest.param(tiny_logocap, True, marks=pytest.mark.slow),
        pytest.param(tiny_dekr, True, marks=pytest.mark.slow),
    ],
)
def test_litert_finds_whom_the_predictor_finds(tiny_net, pictures, flip_test):
    net = tiny_net()
    model = people_model(net, SIZE, slots=4, flip_test=flip_test)
    file = convert(model)
    find = Interpreter(model_content=file).get_signature_runner("find_people")
    few = tiny_net(slots=4)
    few.set_weights(net.get_weights())
    predictor = CentrePredictor(few, flip_test, short_side=SIZE[0])
    for picture in pictures:
        found = find(image=picture[None])
        assert found["poses"].shape == (1, 4, 17, 3)
        poses, scores = read_slots(found["poses"][0], found["scores"][0])
        people = predictor.predict(picture)
        assert len(people) > 1
        expected = {"poses": people.poses, "scores": people.person_scores}
        _assert_same({"poses": poses, "scores": scores}, expected)
    names = count_operators(file, "find_people").kinds
    assert not any(name.startswith(("Flex", "CUSTOM")) for name in names)


def test_maps_read_outside_give_the_same_people(model, file, pictures):
    run = Interpreter(model_content=file).get_signature_runner
    found = [run("find_people")(image=picture[None]) for picture in pictures]
    for picture, expected in zip(pictures, found, strict=True):
        maps = run("draw_heatmaps")(image=picture[None])
        assert maps["heatmaps"].shape == (1, 16, 32, 18)
        assert maps["offsets"].shape == (1, 16, 32, 34)
        _assert_same(run("read_heatmaps")(**maps), expected)
    # And by what the report takes for the caller.
    drawn = answers(file, model, {"image": pictures})["draw_heatmaps"]
    _assert_same(
        drawn, read_rows({k: np.concatenate([f[k] for f in found]) for k in drawn})
    )


@pytest.mark.slow
def test_gpus_of_phones_draw_all_of_the_maps(people_net):
    model = people_model(people_net, SIZE, dtype="float32", outputs=("heatmaps",))
    assert list(model.signatures) == ["draw_heatmaps", "read_heatmaps"]
    file = convert(model)
    assert count_operators(file, "draw_heatmaps").not_on_gpu == {}
    assert "TOPK_V2" in count_operators(file, "read_heatmaps").not_on_gpu


@pytest.fixture(scope="module")
def validation(people_net, shared_data):
    """Eight real photos with their people, for an input of SIZE."""
    model = people_model(people_net, SIZE)
    return people_validation(
        model, "coco_format", str(shared_data / "coco"), "train", limit=8
    )


@pytest.mark.slow
def test_more_slots_make_no_larger_file(people_net):
    sizes = [len(convert(people_model(people_net, SIZE, slots=n))) for n in (1, 6)]
    assert sizes[1] < 1.02 * sizes[0]


@pytest.mark.slow
def test_smaller_forms_find_the_same_people(model, file, validation, shared_data):
    photos = str(shared_data / "coco" / "images")
    samples = people_calibration(model, "coco_format", photos, 20)
    assert len(samples) == 20 and samples[0]["image"].shape == (1, *SIZE, 3)
    expected = answers(file, model, validation.inputs)["find_people"]
    for form, share, pixels in (
        ("fp16", 0.75, 0.1),
        ("dynamic", 0.7, 2),
        ("int8", 0.7, 2),
    ):
        small = quantise(model, file, form, samples)
        assert len(small) < share * len(file)
        found = answers(small, model, validation.inputs)
        for name in ("find_people", "draw_heatmaps"):
            away = validation.distances(found[name], expected)
            assert np.median(away) < pixels


def _labelled(validation, shared_data) -> dict[str, np.ndarray]:
    """The labels as a perfect net would answer, read from the data set's own file."""
    content = json.loads((shared_data / "coco" / "train.json").read_text())
    images = sorted(content["images"], key=lambda image: image["id"])
    count = len(validation)
    images = [images[row * len(images) // count] for row in range(count)]
    poses, scores = np.zeros((count, 30, 17, 3)), np.zeros((count, 30))
    for row, image in enumerate(images):
        width, height = image["width"], image["height"]
        scale = min(SIZE[0] / height, SIZE[1] / width)
        middle = np.floor(np.array([width, height]) / 2 + 0.5)
        people = [
            one
            for one in content["annotations"]
            if one["image_id"] == image["id"] and one["num_keypoints"]
        ]
        for slot, one in enumerate(people[:30]):
            points = np.reshape(one["keypoints"], (17, 3))[:, :2]
            poses[row, slot, :, :2] = (points - middle) * scale + [64, 32]
            scores[row, slot] = 0.9
    return {"poses": poses, "scores": scores}


def test_labels_have_an_ap_of_one_in_any_slots(validation, shared_data):
    right = _labelled(validation, shared_data)
    assert (right["scores"] > 0).sum() > 10
    metrics, notes = validation.score(right)
    assert metrics["ap"] > 0.99 and any("official" in note for note in notes)
    turned = {key: values[:, ::-1] for key, values in right.items()}
    assert np.allclose(validation.distances(turned, right), 0)
    wrong = {**right, "poses": right["poses"] + [4.0, 3, 0]}
    assert np.median(validation.distances(wrong, right)) <= 5
    assert validation.score(wrong)[0]["ap"] < 0.5
    nobody = {**right, "scores": 0 * right["scores"]}
    assert validation.score(nobody)[0]["ap"] == 0
    assert np.isnan(validation.distances(nobody, right)).all()


def test_an_export_is_told_of_and_measured(people_net, shared_data, tmp_path, capsys):
    people_net.save(tmp_path / "crowd.keras")
    out = tmp_path / "out"
    arguments = [f"--model={tmp_path / 'crowd.keras'}", f"--out={out}", "--runs=0"]
    data = [f"--data_dir={shared_data / 'coco'}", "--split=train", "--limit=2"]
    main([*arguments, *data, "--image_size=64,128", "--slots=5", "--quantize=fp16"])
    told = json.loads((out / "model.json").read_text())
    assert told["task"] == "multi_person_pose"
    assert (told["slots"], told["image_size"]) == (5, [64, 128])
    assert told["score_threshold"] == 0.2
    assert told["suppression"] == {
        "where": "outside",
        "distance": 0.05,
        "share": 1 / 2,
    }
    report = json.loads((out / "report.json").read_text())
    assert report["data"].endswith("in 2 pictures of coco, train")
    rows = {row["name"]: row for row in report["forms"]}
    for name in ("Keras float", "LiteRT float", "LiteRT fp16"):
        assert rows[name]["metrics"]["ap"] >= 0
    assert rows["LiteRT float"]["difference"]["max"] < 0.05
    assert rows["LiteRT fp16"]["difference"]["median"] < 0.5
    assert "LiteRT fp16      find_people: ap " in capsys.readouterr().out


def test_people_of_unknown_areas_have_no_ap(people_net, shared_data, tmp_path):
    content = json.loads((shared_data / "coco" / "train.json").read_text())
    for one in content["annotations"]:
        del one["area"]
    (tmp_path / "train.json").write_text(json.dumps(content))
    (tmp_path / "images").symlink_to(shared_data / "coco" / "images")
    model = people_model(people_net, SIZE)
    known = people_validation(model, "coco_format", str(tmp_path), "train", limit=8)
    metrics, notes = known.score(_labelled(known, shared_data))
    assert metrics == {} and notes[0].startswith("no ap: ") and "area" in notes[0]


def test_a_picture_without_people_has_nobody(pictures):
    blind = tiny_logocap()
    head = blind.dense_model.get_layer("heat_head")
    head.bias.assign(np.full(head.bias.shape, -10))
    found = people_model(blind, SIZE).main(image=pictures[:1])
    found = {key: np.asarray(values) for key, values in found.items()}
    assert np.isfinite(found["poses"]).all() and not found["scores"].any()
    assert not read_rows(found)["poses"].any()


def test_impossible_choices_are_refused(people_net):
    for choices, message in (
        ({"image_size": (64, 90)}, "image_size is 64 x 90, expected multiples of 32"),
        ({"slots": 7}, "slots is 7, expected 1 to 6, the model's"),
        ({"slots": 0}, "slots is 0, expected 1 to 6"),
        ({"dtype": "int8"}, "dtype is 'int8'"),
        ({"outputs": ("maps",)}, "output is 'maps', expected some of keypoints, heat"),
    ):
        with pytest.raises(InputError, match=message):
            people_model(people_net, **choices)
    unnamed = tiny_logocap()
    unnamed.info = {}
    with pytest.raises(InputError, match="names no short_side, expected height and"):
        people_model(unnamed)
