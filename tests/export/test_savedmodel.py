import json
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from data_pipelines.images import decode_image
from export import savedmodel
from export.lifter import lifter_model
from export.model import ExportedModel, Signature
from export.savedmodel import main
from export.serving.batching import Batching
from export.serving.messages import (
    WARMUP_FILE,
    named_arrays,
    predict_request,
    read_warmup,
    write_warmup,
)
from export.serving.people_net import photo_people_model
from export.serving.saved_model import write_saved_model
from tests.export import stock_tensorflow
from tfpose.errors import InputError
from tfpose.lifters.pose_lifter import PoseLifter
from tfpose.skeletons import get_skeleton
from tfpose.top_down.predictor import TopDownPredictor

H36M = get_skeleton("h36m16")


@pytest.fixture(scope="module")
def models(saved_models):
    return saved_models


def answers(folder, requests, tmp_path):
    """Of a fresh process with TensorFlow alone, by both loaders, which must agree.

    The model's own warm-up requests are sent after the others, and must be answered.
    """
    warmup = list(read_warmup(folder / WARMUP_FILE))
    found = both_ways(folder, [*requests, *warmup], tmp_path)
    sizes = [
        {len(values) for values in named_arrays(one.inputs).values()} for one in warmup
    ]
    assert sizes[0] == {1}
    assert {one.model_spec.name for one in warmup} == {folder.parent.name}
    for answer, size in zip(found[len(requests) :], sizes, strict=True):
        assert answer["valid"].all() and {len(answer["valid"])} == size
    return found[: len(requests)]


def both_ways(folder, requests, tmp_path):
    write_warmup(tmp_path / "requests", requests)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [
            sys.executable,
            stock_tensorflow.__file__,
            str(folder),
            str(tmp_path / "requests"),
            str(tmp_path / "answers.npz"),
        ],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert not done.returncode, done.stderr
    with np.load(tmp_path / "answers.npz") as file:
        found = dict(file)
    rows = []
    for row in range(len(requests)):
        ways = [
            {
                name.rsplit("/", 1)[1]: values
                for name, values in found.items()
                if name.startswith(f"{row}/{way}/")
            }
            for way in ("python", "cpp")
        ]
        assert set(ways[0]) == set(ways[1])
        for name, values in ways[0].items():
            np.testing.assert_allclose(values, ways[1][name], rtol=1e-5, atol=1e-5)
        rows.append(ways[1])
    return rows


def test_lifters_answer_as_here_at_any_batch(models, lifter_net, tmp_path):
    rng = np.random.default_rng(0)
    requests = []
    for count in (1, 3, 8):
        keypoints = rng.uniform(0, 1000, (count, 16, 2)).astype(np.float32)
        sizes = np.full((count, 2), (1080, 1920), np.float32)
        inputs = {"keypoints": keypoints, "image_size": sizes}
        requests.append(predict_request("lifter", inputs))
    spoilt = keypoints.copy()
    spoilt[2, 3] = np.nan
    requests.append(predict_request("lifter", {**inputs, "keypoints": spoilt}))
    found = answers(models / "lifter" / "1", requests, tmp_path)
    lifter = PoseLifter(lifter_net)
    for request, answer in zip(requests[:3], found[:3], strict=True):
        sent = named_arrays(request.inputs)["keypoints"]
        expected = lifter.predict(sent, (1080, 1920))
        np.testing.assert_allclose(answer["positions"], expected, rtol=1e-4, atol=1e-4)
        assert answer["valid"].all()
    assert found[3]["valid"].tolist() == [row != 2 for row in range(8)]
    assert np.isnan(found[3]["positions"][2]).all()


def test_pose_nets_answer_as_here_at_any_batch(models, tiny_net, shared_data, tmp_path):
    paths = sorted((shared_data / "coco" / "images").iterdir())[:8]
    files = [path.read_bytes() for path in paths]
    boxes = np.full((8, 4), (40, 30, 260, 300), np.float32)
    requests = []
    for count in (1, 3, 8):
        inputs = {"image_bytes": np.array(files[:count], object)}
        requests.append(predict_request("pose", {**inputs, "boxes": boxes[:count]}))
    broken = np.array([b"", files[0][:5000], files[0]], object)
    inputs = {"image_bytes": broken, "boxes": boxes[:3]}
    requests.append(predict_request("pose", inputs))
    found = answers(models / "pose" / "1", requests, tmp_path)
    predictor = TopDownPredictor(tiny_net, flip_test=False)
    keypoints = predictor.predict(decode_image(files[0]), boxes[:1]).keypoints
    for answer in found[:3]:
        assert answer["valid"].all()
        away = np.linalg.norm(answer["keypoints"][0] - keypoints[0], axis=-1)
        assert np.median(away) < 0.05
    assert found[3]["valid"].tolist() == [False, False, True]
    assert np.isnan(found[3]["keypoints"][:2]).all()


def test_everybody_is_found_as_here_at_any_batch(
    models, people_net, shared_data, tmp_path
):
    paths = sorted((shared_data / "coco" / "images").iterdir())[:3]
    files = [path.read_bytes() for path in paths]
    requests = [
        predict_request("crowd", {"image_bytes": np.array(row, object)})
        for row in (files[:1], files, [b"", files[0]])
    ]
    found = answers(models / "crowd" / "1", requests, tmp_path)
    model = photo_people_model(people_net, (64, 128), slots=4, flip_test=False)
    expected = model.main(image_bytes=tf.constant(files))
    for name in ("poses", "scores"):
        here = expected[name].numpy()
        np.testing.assert_allclose(found[1][name], here, atol=1e-3)
        np.testing.assert_allclose(found[0][name], here[:1], atol=1e-3)
        np.testing.assert_allclose(found[2][name][1:], here[:1], atol=1e-3)
    assert found[2]["valid"].tolist() == [False, True]
    extra = models / "crowd" / "1" / "assets.extra"
    metadata = json.loads((extra / "tfpose.json").read_text())
    assert (metadata["image_size"], metadata["slots"]) == ([64, 128], 4)
    assert metadata["suppression"]["where"] == "inside the model"


def test_wrong_shapes_and_types_are_refused(models):
    session = stock_tensorflow.Session(str(models / "lifter" / "1"))
    size = np.array([[480, 640]], np.float32)
    keypoints = np.ones((1, 16, 2), np.float32)
    session.run({"keypoints": keypoints, "image_size": size})
    for bad in (np.ones((1, 17, 2), np.float32), np.ones((1, 16, 3), np.float32)):
        with pytest.raises(ValueError, match="incompatible|not compatible|shape"):
            session.run({"keypoints": bad, "image_size": size})
    with pytest.raises(ValueError, match="double"):
        session.run({"keypoints": keypoints.astype(float), "image_size": size})
    with pytest.raises(ValueError):
        session.run({"keypoints": np.repeat(keypoints, 2, 0), "image_size": size[:0]})


def test_metadata_and_configuration_are_beside_the_model(models):
    extra = models / "lifter" / "1" / "assets.extra"
    metadata = json.loads((extra / "tfpose.json").read_text())
    assert metadata["name"] == "lifter"
    assert metadata["skeleton"]["joints"] == list(H36M.joints)
    assert list(metadata["signatures"]) == ["lift"]
    assert metadata["serving_default"] == "lift"
    config = model_server_config_pb2.ModelServerConfig()
    text_format.Parse((models / "models.config").read_text(), config)
    listed = {one.name: one.base_path for one in config.model_config_list.config}
    names = ("lifter", "pose", "crowd", "toy", "online")
    assert listed == {name: f"/models/{name}" for name in names}
    measured = (models / "lifter" / "1" / "batching_params.pbtxt").read_text()
    assert "#   batch   1:" in measured and "max_batch_size { value:" in measured
    assert (models / "batching_parameters.txt").is_file()
    left = [path.name for path in (models / "lifter").iterdir()]
    assert left == ["1"]


def test_the_compose_file_names_what_is_written(models):
    text = (
        pathlib.Path(savedmodel.__file__).parent / "serving/compose.yaml"
    ).read_text()
    named = re.findall(r"=/models/(\S+)", text)
    assert sorted(named) == ["batching_parameters.txt", "models.config"]
    assert all((models / name).is_file() for name in named)


def test_versions_follow_each_other_and_stay(tmp_path, lifter_net, monkeypatch):
    path = tmp_path / "lifter.keras"
    lifter_net.save(path)
    monkeypatch.chdir(tmp_path)
    command = ["--model=lifter.keras", "--out=models/lifter", "--no-measure"]
    main(command)
    main([*command, "--version=7"])
    main(command)
    versions = {one.name for one in pathlib.Path("models/lifter").iterdir()}
    assert versions == {"1", "7", "8"}
    before = pathlib.Path("models/lifter/7/saved_model.pb").stat().st_mtime_ns
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--version=7"])
    assert stopped.value.code == 2
    after = pathlib.Path("models/lifter/7/saved_model.pb").stat().st_mtime_ns
    assert after == before
    assert {one.name for one in pathlib.Path("models/lifter").iterdir()} == versions


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model=none.keras"], "none.keras: no such file"),
        (["--skeleton=coco17"], "spine, head_top cannot be made"),
        (["--skeleton=h36m18"], "did you mean 'h36m1"),
        (["--latency_ms=0"], "latency_ms is 0"),
        (["--version=-1"], "version is -1"),
    ],
)
def test_bad_choices_are_one_line(tmp_path, lifter_net, capsys, options, message):
    path = tmp_path / "lifter.keras"
    lifter_net.save(path)
    with pytest.raises(SystemExit) as stopped:
        main([f"--model={path}", f"--out={tmp_path / 'out'}", *options])
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_fixed_batch_is_refused(tmp_path):
    spec = {"x": tf.TensorSpec((1, 2), tf.float32)}
    example = {"x": np.zeros((1, 2), np.float32)}
    same = Signature(lambda inputs: inputs, spec, ("x",), example)
    model = ExportedModel("f", {"same": same}, {})
    with pytest.raises(InputError, match="f: same: input 'x' has no free batch"):
        write_saved_model(model, tmp_path / "f")


def test_a_broken_list_of_models_is_named(tmp_path, lifter_net):
    (tmp_path / "models.config").write_text("no list")
    model = lifter_model(lifter_net)
    with pytest.raises(InputError, match="models.config: expected a list of models"):
        write_saved_model(model, tmp_path / "lifter", measure=False)
    assert not (tmp_path / "lifter").exists()


def test_batches_are_as_large_as_pays():
    # Twice the rows in the same time up to 8, then no gain.
    seconds = {1: 0.01, 2: 0.01, 4: 0.01, 8: 0.011, 16: 0.022, 32: 0.3}
    batching = Batching(seconds, latency=0.2, threads=2)
    assert batching.batch_size == batching.max_batch_size == 8
    assert batching.timeout_micros == 5000
    assert batching.max_enqueued_batches == 18
    # Never beyond half the latency, though larger ones would do more.
    assert Batching(seconds, latency=0.02, threads=2).batch_size == 4
    # A slow model still takes requests of 8 rows, one after the other.
    slow = Batching({1: 3.0}, latency=0.2, threads=2)
    assert slow.batch_size == 1 and slow.timeout_micros == 0
    assert slow.max_batch_size == 8 and slow.max_enqueued_batches == 16


def test_the_batching_file_is_read_as_it_was_meant():
    text = Batching({1: 0.01, 2: 0.011}, latency=0.2, threads=3).text()
    rows = [line for line in text.splitlines() if not line.startswith("#")]
    assert rows == [
        "max_batch_size { value: 8 }",
        "enable_large_batch_splitting { value: true }",
        "max_execution_batch_size { value: 2 }",
        "batch_timeout_micros { value: 5000 }",
        "max_enqueued_batches { value: 18 }",
        "num_batch_threads { value: 3 }",
    ]
