"""MeTTA in `.tflite` files and SavedModels does what it does in Keras, on photos."""

import dataclasses
import functools
import json

import cv2
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

from data_pipelines.images import decode_image
from export.benchmark import main as benchmark
from export.kinds import Options, find_kind
from export.litert import latency, measure
from export.litert.__main__ import main as litert
from export.litert.convert import convert
from export.litert.file import packed, read_metadata, read_signatures, unpacked
from export.litert.measure import answers, keras_answers
from export.litert.operators import count_operators
from export.litert.quantise import quantise
from export.savedmodel import main as savedmodel
from export.serving.messages import WARMUP_FILE, read_warmup
from export.serving.pose_net import Photos
from tests.export import stock_tensorflow
from tfpose.adaptation import AdaptedModel
from tfpose.adapters import build_adapter
from tfpose.errors import InputError
from tfpose.top_down.predictor import TopDownPredictor

# Random joints move far.
ADAPT = "metta,learning_rate=0.05,limit=0"


@pytest.fixture(scope="module")
def net(metta_net):
    return metta_net


@pytest.fixture(scope="module")
def photos(shared_data) -> list[tuple[bytes, np.ndarray]]:
    """(file, box) of COCO's labelled people."""
    folder = shared_data / "coco"
    content = json.loads((folder / "train.json").read_text())
    names = {image["id"]: image["file_name"] for image in content["images"]}
    boxes = {one["image_id"]: one["bbox"] for one in content["annotations"]}
    return [
        ((folder / "images" / names[image]).read_bytes(), np.array(box, np.float32))
        for image, box in list(boxes.items())[:8]
    ]


@pytest.fixture(scope="module")
def inputs(photos):
    """Small photos, and as the last a picture of one colour."""
    pictures = [
        cv2.resize(decode_image(file), (32, 32), interpolation=cv2.INTER_AREA)
        for file, _ in photos
    ]
    return {"image": np.stack([*pictures, np.full((32, 32, 3), 90, np.uint8)])}


def exported(net, adapt: str = ADAPT):
    kind = find_kind(net, "")
    return kind.for_devices(net, "tiny", kind.checked(Options(adapt=adapt)))


@pytest.fixture(scope="module")
def model(net):
    return exported(net)


@pytest.fixture(scope="module")
def file(model) -> bytes:
    return convert(model)


def adapted(net, adapt: str = ADAPT) -> AdaptedModel:
    compiler = functools.partial(tf.function, autograph=False)
    return AdaptedModel(build_adapter(net, adapt), net.variables, compiler)


def one_by_one(by_keras: AdaptedModel, images: np.ndarray) -> dict[str, np.ndarray]:
    found = [by_keras({"image": image[None]}) for image in images]
    return {name: np.concatenate([one[name] for one in found]) for name in found[0]}


def check(found, expected) -> None:
    highest = np.abs(expected["scores"]).max()
    assert np.abs(found["scores"] - expected["scores"]).max() < 1e-4 * highest
    away = np.linalg.norm(found["keypoints"] - expected["keypoints"], axis=-1)
    assert away.max() < 0.05


@pytest.mark.slow
def test_devices_adapt_as_keras_does(net, model, file, inputs):
    """`convert` itself allows built-in operators only."""
    assert read_signatures(file) == ["locate", "adapt_and_locate"]
    found = answers(file, model, inputs)
    by_keras = adapted(net)
    check(found["adapt_and_locate"], one_by_one(by_keras, inputs["image"]))
    plain = by_keras.unadapted({"image": inputs["image"]})
    check(found["locate"], {name: np.asarray(one) for name, one in plain.items()})
    moved = np.abs(found["adapt_and_locate"]["scores"] - found["locate"]["scores"])
    # The picture of one colour gets the plain answer.
    assert "1 people of one colour" in by_keras.left_out()
    assert moved[-1].max() < 1e-5 and (moved.max(axis=1) > 1e-3).sum() > 4


@pytest.mark.slow
def test_episodes_do_not_notice_each_other(model, file, inputs):
    backwards = {"image": inputs["image"][::-1]}
    first, again = (answers(file, model, rows) for rows in (inputs, backwards))
    for signature, outputs in first.items():
        for name, values in outputs.items():
            assert np.array_equal(values, again[signature][name][::-1])


@pytest.mark.slow
def test_features_are_computed_once(net, file):
    plain, adapting = (
        count_operators(file, name).kinds for name in ("locate", "adapt_and_locate")
    )
    # Appearance; inpainting before each step and by the guard; the adapted heatmaps.
    inpainting = 3 + 4
    assert adapting["CONV_2D"] == plain["CONV_2D"] + 3 + (net.steps + 1) * inpainting
    assert adapting["TRANSPOSE_CONV"] == net.steps * inpainting


@pytest.mark.slow
def test_the_constant_under_a_gradients_norm_is_not_dropped(file):
    # Its operator has no such constant: small gradients would come out larger.
    assert "L2_NORMALIZATION" not in count_operators(file, "adapt_and_locate").kinds


@pytest.mark.slow
def test_weights_are_stored_once_in_every_form(net, model, file, inputs):
    alone = dataclasses.replace(model, signatures={"locate": model.main})
    plain = convert(alone)
    weights = 4 * sum(np.size(weight) for weight in net.auxiliary_variables)
    # The mask, what it leaves, and the mask of each colour.
    only_adapting = weights + 5 * net.fixed_masks.nbytes
    samples = [{"image": image[None]} for image in inputs["image"]]
    scores = {}
    for form in ("none", "fp16", "int8"):
        both = quantise(model, file, form, samples)
        one = quantise(alone, plain, form, samples)
        assert _stored(both) <= _stored(one) + only_adapting
        scores[form] = answers(both, model, inputs)["adapt_and_locate"]["scores"]
    near = np.abs(scores["fp16"] - scores["none"]).mean()
    assert 0 < near < 0.01 * np.abs(scores["none"]).max()


def _stored(file: bytes) -> int:
    """Bytes of all kernels of layers; the rest of a file is its graph."""
    content = schema.Model.GetRootAs(packed(unpacked(file)))
    sizes = [content.Buffers(i).DataLength() for i in range(content.BuffersLength())]
    return sum(size for size in sizes if size >= 1024)


@pytest.mark.slow
def test_an_online_stream_goes_on_by_its_state(net, inputs):
    adapt = f"{ADAPT},online=true"
    online = exported(net, adapt)
    assert "state_weights_2" in online.signatures["adapt_and_locate"].state
    found = keras_answers(online, inputs)["adapt_and_locate"]
    expected = one_by_one(adapted(net, adapt), inputs["image"])
    check(found, expected)
    alone = one_by_one(adapted(net), inputs["image"])
    assert np.abs(expected["scores"] - alone["scores"])[1:].max() > 1e-3


@pytest.mark.slow
def test_servers_adapt_as_keras_does(net, photos, tmp_path, capsys):
    """Two people and a broken file in one batch."""
    net.save(tmp_path / "tiny.keras")
    out = tmp_path / "models" / "tiny"
    savedmodel(
        [f"--model={tmp_path / 'tiny.keras'}", f"--out={out}", f"--adapt={ADAPT}"]
        + ["--no-measure"]
    )
    told = capsys.readouterr().out
    assert "tiny/1: adapt_and_locate: image_bytes, boxes -> keypoints, sco" in told
    weights = sum(np.size(weight) for weight in net.weights)
    data = (out / "1" / "variables").glob("*.data*")
    # The rest are names.
    assert sum(part.stat().st_size for part in data) < 1.1 * 4 * weights
    graph = (out / "1" / "saved_model.pb").read_bytes()
    for weight in (*net.adapted, *net.auxiliary_variables):
        assert np.size(weight) < 32 or np.asarray(weight).tobytes() not in graph
    asked = read_warmup(out / "1" / WARMUP_FILE)
    assert {one.model_spec.signature_name for one in asked} == {
        "serving_default",
        "locate",
        "adapt_and_locate",
    }
    files, boxes = zip(*photos[:2], (b"no photo", photos[0][1]), strict=True)
    rows = {"image_bytes": np.array(files, object), "boxes": np.stack(boxes)}
    found = stock_tensorflow.Session(str(out / "1")).run(rows, "adapt_and_locate")
    assert found["valid"].tolist() == [True, True, False]
    assert np.isnan(found["keypoints"][2]).all() and not found["scores"][2].any()
    ends = Photos(TopDownPredictor(net))
    sample, kept = ends.prepare({k: tf.constant(v) for k, v in rows.items()})
    expected = ends.finish(one_by_one(adapted(net), sample["image"]), kept)
    check(
        {name: found[name][:2] for name in ("keypoints", "scores")},
        {name: expected[name][:2].numpy() for name in ("keypoints", "scores")},
    )
    plain = stock_tensorflow.Session(str(out / "1")).run(rows, "locate")
    assert np.abs(plain["scores"] - found["scores"]).max() > 1e-3


@pytest.mark.slow
def test_the_commands_know_both_signatures(
    net, shared_data, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(measure, "measure_apart", latency.measure)
    monkeypatch.setattr("export.benchmark.measure_apart", latency.measure)
    net.save(tmp_path / "tiny.keras")
    out = tmp_path / "out"
    litert(
        [f"--model={tmp_path / 'tiny.keras'}", f"--out={out}", f"--adapt={ADAPT}"]
        + [f"--data_dir={shared_data / 'lspet'}", "--limit=6", "--runs=2"]
    )
    content = (out / "model.tflite").read_bytes()
    assert read_signatures(content) == ["locate", "adapt_and_locate"]
    assert read_metadata(content)["adaptation"] == ADAPT
    report = json.loads((out / "report.json").read_text())
    rows = {(row["name"], row["signature"]): row for row in report["forms"]}
    adapting = rows["LiteRT float", "adapt_and_locate"]
    assert adapting["difference"]["p95"] < 0.05  # px
    assert adapting["latency"][0]["median_ms"] > 0
    assert "LiteRT float, adapt_and_locate" in (out / "report.md").read_text()
    options = ["--threads=1", "--delegates=none", "--runs=2"]
    capsys.readouterr()
    benchmark([str(out / "model.tflite"), *options])
    assert "adapt_and_locate, milliseconds:" in capsys.readouterr().out


def test_only_nets_that_can_adapt_do(net, tiny_net, lifter_net):
    def refused(net, **options):
        kind = find_kind(net, "")
        with pytest.raises(InputError) as raised:
            kind.for_devices(net, "some", kind.checked(Options(**options)))
        return str(raised.value)

    assert "iso is for other nets, and this net is a pose net, expected metta" in (
        refused(net, adapt="iso")
    )
    assert "metta is for other nets, and this net is a lifter, expected iso" in (
        refused(lifter_net, adapt="metta")
    )
    assert "metta adapts nets of trainers.metta" in refused(tiny_net, adapt="metta")
    assert refused(net, adapt="metta", flip_test=True) == (
        "flip_test: a pose net that adapts has none"
    )
    assert refused(net, adapt="metta", output=("heatmaps",)) == (
        "output: a net that adapts gives keypoints"
    )
