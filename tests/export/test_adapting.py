"""A toy adapter in `.tflite` files and SavedModels does what it does in Keras."""

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from export.adapting import with_adaptation
from export.benchmark import main as benchmark
from export.lifter import lifter_model
from export.litert import latency
from export.litert.convert import convert
from export.litert.file import read_signatures, with_metadata
from export.litert.measure import answers, keras_answers
from export.litert.operators import count_operators
from export.litert.quantise import quantise
from export.serving.messages import WARMUP_FILE, read_warmup
from tests.export import stock_tensorflow
from tests.export.conftest import adapting_lifter
from tests.export.stored_tensors import stored_tensors
from tests.toy_adapter import ToyAdapter
from tfpose.adaptation import AdaptedModel
from tfpose.errors import InputError
from tfpose.geometry import normalize_keypoints

SIZE = (480.0, 640.0)
ROWS = 6


@pytest.fixture(scope="module")
def inputs():
    points = np.random.default_rng(0).uniform(0, 480, (ROWS, 16, 2))
    sizes = np.tile(np.float32([SIZE]), (ROWS, 1))
    return {"keypoints": points.astype(np.float32), "image_size": sizes}


def adapted_by_keras(net, inputs, online=False) -> np.ndarray:
    """Positions of the rows, in order, by the adapter itself."""
    adapted = AdaptedModel(ToyAdapter(net, online), net.variables)
    samples = [
        {"keypoints": tf.constant(normalize_keypoints(row[None], np.float32(SIZE)))}
        for row in inputs["keypoints"]
    ]
    return np.concatenate([adapted(sample)["positions"] for sample in samples])


def test_one_file_has_both_and_answers_as_keras(toy_net, toy_model, toy_file, inputs):
    assert read_signatures(toy_file) == ["lift", "adapt_and_lift"]
    found = answers(toy_file, toy_model, inputs)
    expected = adapted_by_keras(toy_net, inputs)
    away = np.abs(found["adapt_and_lift"]["positions"] - expected)
    assert away.max() < 1e-4
    plain = keras_answers(toy_model, inputs)["lift"]["positions"]
    assert np.abs(found["lift"]["positions"] - plain).max() < 1e-4
    assert np.abs(expected - plain).max() > 0.01
    assert found["adapt_and_lift"]["valid"].all()
    for name in toy_model.signatures:
        kinds = count_operators(toy_file, name).kinds
        assert not [kind for kind in kinds if "Flex" in kind or "CUSTOM" in kind]


def test_lifting_does_not_notice_adaptation(toy_file, inputs):
    interpreter = Interpreter(model_content=toy_file)
    lift, adapt = map(interpreter.get_signature_runner, ("lift", "adapt_and_lift"))
    rows = [{k: v[i : i + 1] for k, v in inputs.items()} for i in range(ROWS)]
    before = [lift(**row)["positions"] for row in rows]
    adapted = [adapt(**row)["positions"] for row in rows]
    after = [lift(**row)["positions"] for row in rows]
    again = [adapt(**row)["positions"] for row in reversed(rows)]
    assert np.array_equal(before, after) and not np.array_equal(before, adapted)
    # Nor does a row notice those before it.
    assert np.array_equal(adapted, again[::-1])


@pytest.mark.parametrize(
    ("form", "near"),
    [("none", 1e-6), ("fp16", 2e-3), ("dynamic", 0.03), ("int8", 0.03)],
)
def test_weights_are_in_the_file_once(
    toy_net, toy_model, toy_file, inputs, form, near, caplog
):
    samples = [{k: v[i : i + 1] for k, v in inputs.items()} for i in range(ROWS)]
    file = quantise(toy_model, toy_file, form, samples)
    assert not caplog.text
    for layer in ("hidden", "head"):
        kernel = np.asarray(toy_net.get_layer(layer).kernel.numpy()).T
        # The last layer makes coordinates, and stays in float.
        dtype = {"none": "float32", "fp16": "float16"}.get(form, "int8")
        dtype = "float32" if layer == "head" else dtype
        tensors = stored_tensors(file, kernel.shape, dtype)
        assert len(tensors) == 2 and len({buffer for buffer, _ in tensors}) == 1
        if dtype != "int8":
            stored = kernel.astype(dtype).tobytes()
            assert file.count(stored) == 1 and len(stored) > 100
    found = answers(file, toy_model, inputs)
    expected = adapted_by_keras(toy_net, inputs)
    away = np.abs(found["adapt_and_lift"]["positions"] - expected)
    assert away.mean() < near


def test_saved_models_have_both_and_weights_once(
    saved_models, toy_net, toy_model, inputs, tmp_path
):
    folder = saved_models / "toy" / "1"
    size = sum(path.stat().st_size for path in (folder / "variables").glob("*.data*"))
    weights = sum(np.size(weight) for weight in toy_net.weights)
    assert 4 * weights < size < 4 * weights + 4096
    graph = (folder / "saved_model.pb").read_bytes()
    for weight in toy_net.weights:
        if len(weight.shape) == 2:
            assert weight.numpy().tobytes() not in graph
    loaded = tf.saved_model.load(str(folder)).signatures
    session = stock_tensorflow.Session(str(folder))
    tensors = {name: tf.constant(values) for name, values in inputs.items()}
    before = session.run(inputs, "lift")["positions"]
    expected = adapted_by_keras(toy_net, inputs)
    for found in (
        loaded["adapt_and_lift"](**tensors),
        session.run(inputs, "adapt_and_lift"),
    ):
        assert np.abs(found["positions"] - expected).max() < 1e-4
    assert np.array_equal(session.run(inputs, "lift")["positions"], before)
    assert np.array_equal(session.run(inputs)["positions"], before)
    warmup = [
        one.model_spec.signature_name for one in read_warmup(folder / WARMUP_FILE)
    ]
    assert [warmup.count(name) for name in ("serving_default", *loaded)][0] > 1
    assert set(warmup) == {"serving_default", "lift", "adapt_and_lift"}
    for request in read_warmup(folder / WARMUP_FILE):
        rows = {name: tf.make_ndarray(one) for name, one in request.inputs.items()}
        assert session.run(rows, request.model_spec.signature_name)["valid"].all()


def test_an_online_stream_goes_on_by_its_state(toy_net, online_model, inputs):
    file = convert(online_model)
    expected = adapted_by_keras(toy_net, inputs, online=True)
    alone = adapted_by_keras(toy_net, inputs)
    assert np.abs(expected - alone)[1:].max() > 0.01
    for found in (
        answers(file, online_model, inputs),
        keras_answers(online_model, inputs),
    ):
        away = np.abs(found["adapt_and_lift"]["positions"] - expected)
        assert away.max() < 1e-4
    run = Interpreter(model_content=file).get_signature_runner("adapt_and_lift")
    adapting = online_model.signatures["adapt_and_lift"]
    # Whatever the state says, a restart begins with the trained weights.
    row = adapting.completed({name: values[1:2] for name, values in inputs.items()})
    nonsense = {name: np.full_like(row[name], 7) for name in adapting.state}
    found = run(**{**row, **nonsense, "restart": np.array([True])})
    assert np.abs(found["positions"] - alone[1:2]).max() < 1e-4
    # A row without a body is flagged and teaches nothing.
    row |= {name: found[name] for name in adapting.state}
    nobody = run(**{**row, "keypoints": np.full_like(row["keypoints"], np.nan)})
    assert not nobody["valid"].any() and np.isnan(nobody["positions"]).all()
    for name in adapting.state:
        assert np.array_equal(nobody[name], found[name])


def test_streams_of_a_batch_are_apart(saved_models, online_model, inputs):
    """Two streams in one batch are what they are alone, in either place."""
    session = stock_tensorflow.Session(str(saved_models / "online" / "1"))
    adapting = online_model.signatures["adapt_and_lift"]
    rows = []
    for i, restart in ((0, True), (1, False)):
        row = {name: values[i : i + 1] for name, values in inputs.items()}
        rows.append({**adapting.completed(row), "restart": np.array([restart])})
    rows[1]["state_weights_3"] = rows[1]["state_weights_3"] + 0.5
    alone = [session.run(row, "adapt_and_lift") for row in rows]
    for order in ((0, 1), (1, 0)):
        batch = {
            name: np.concatenate([rows[i][name] for i in order]) for name in rows[0]
        }
        found = session.run(batch, "adapt_and_lift")
        for name, values in found.items():
            expected = np.concatenate([alone[i][name] for i in order])
            np.testing.assert_allclose(values, expected, atol=1e-6)


def test_the_first_state_is_the_trained_one(toy_net, online_model):
    adapting = online_model.signatures["adapt_and_lift"]
    for place, weight in enumerate(toy_net.variables):
        state = adapting.example[f"state_weights_{place}"]
        assert np.array_equal(state, weight.numpy()[None])
    told = online_model.metadata["signatures"]["adapt_and_lift"]
    assert told["inputs"]["state_velocity"].startswith("float32 [B, 48]: ")
    assert set(adapting.state) <= set(told["inputs"]) & set(told["outputs"])


def test_names_of_the_state_must_be_free(toy_net):
    model = adapting_lifter(toy_net, online=True)
    with pytest.raises(InputError, match="toy: adapt_and_lift has names .*'restart'"):
        main = model.signatures["adapt_and_lift"]
        with_adaptation(
            type(model)("toy", {"adapt_and_lift": main}, {}),
            ToyAdapter(toy_net, online=True),
            toy_net.variables,
            prepare=lambda inputs: (inputs, None),
            finish=lambda outputs, valid: outputs,
        )


def test_each_signature_has_its_latency(
    toy_model, toy_file, tmp_path, capsys, monkeypatch
):
    path = tmp_path / "toy.tflite"
    path.write_bytes(with_metadata(toy_file, toy_model.metadata))
    setting = latency.Setting(signature="adapt")
    assert "signature" in latency.measure_apart(str(path), setting, 1).problem
    monkeypatch.setattr("export.benchmark.measure_apart", latency.measure)
    options = ["--threads=1", "--delegates=none", "--runs=2"]
    benchmark([str(path), *options])
    both = capsys.readouterr().out
    assert both.index("lift, milliseconds:") < both.index("adapt_and_lift, millisec")
    assert both.count("| none | 1 |") == 2
    benchmark([str(path), *options, "--signature=adapt_and_lift"])
    one = capsys.readouterr().out
    assert one.count("| none | 1 |") == 1 and "\nadapt_and_lift, millisec" in one


def test_the_plain_model_is_not_changed(toy_net, toy_model, inputs):
    plain = lifter_model(toy_net, name="toy")
    assert list(plain.signatures) == ["lift"]
    expected = keras_answers(plain, inputs)["lift"]
    found = keras_answers(toy_model, inputs)["lift"]
    assert np.array_equal(found["positions"], expected["positions"])
