"""ISO in `.tflite` files and SavedModels does what it does in Keras, on real poses."""

import dataclasses
import functools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

from data_pipelines.lifting.datasets import load_lifting_dataset
from export.benchmark import main as benchmark
from export.kinds import Options, find_kind
from export.litert import latency, measure
from export.litert.__main__ import main as litert
from export.litert.convert import convert
from export.litert.file import packed, read_metadata, read_signatures, unpacked
from export.litert.measure import answers
from export.litert.quantise import quantise
from export.savedmodel import main as savedmodel
from export.serving.messages import WARMUP_FILE, read_warmup
from tests.export import stock_tensorflow
from tfpose.adaptation import AdaptedModel
from tfpose.adapters import build_adapter
from tfpose.errors import InputError
from tfpose.geometry import limb_lengths, limb_vectors, normalize_keypoints
from tfpose.iso.net import ISONet
from tfpose.lifters.iso import ISOLifter
from tfpose.lifters.martinez import Martinez
from tfpose.lifters.semgcn import SemGCN
from tfpose.lifters.stgcn import STGCN
from tfpose.lifters.vpose import VPose
from tfpose.skeletons import get_skeleton

H36M = get_skeleton("h36m16")
VANILLA = "iso,mode=vanilla,steps=2,learning_rate=0.0001"
ONLINE = "iso,mode=online,learning_rate=0.0001"
ROWS = 8
# Shallow, so that they are soon converted.
NETS = {
    "iso": functools.partial(ISOLifter, units=256, num_blocks=2),
    "martinez": functools.partial(Martinez, units=256),
    "vpose": functools.partial(VPose, units=256, num_blocks=2),
    "semgcn": functools.partial(SemGCN, channels=64),
    "stgcn": functools.partial(STGCN, channels=32),
}


@pytest.fixture(scope="module")
def poses(mocap_folder):
    """Real squats."""
    found = load_lifting_dataset(
        "mocap", str(mocap_folder), "test", H36M, subjects=("bd",)
    )
    return found.select(np.arange(0, 4 * ROWS, 4))


@pytest.fixture(scope="module")
def inputs(mocap_folder):
    options = Options(dataset="mocap", subjects=("bd",), stride=4, limit=ROWS)
    net = NETS["iso"](H36M)
    kind = find_kind(net, "")
    model = kind.for_devices(net, "plain", Options())
    options = kind.checked(options)
    return dict(kind.validate(model, str(mocap_folder), options).inputs)


def make_net(name: str, task: str, poses):
    """Random weights, and statistics of batch normalisation that are not the first."""
    keras.utils.set_random_seed(0)
    lengths = limb_lengths(limb_vectors(poses.positions, H36M.parents)).numpy()
    kept = {"mean": lengths.mean(0).tolist(), "std": (lengths.std(0) + 0.02).tolist()}
    lifter = NETS[name](H36M, info={"limb_lengths": kept})
    net = ISONet(lifter, task, prior_units=64) if task else lifter
    rng = np.random.default_rng(0)
    for variable in net.variables:
        if variable.path.endswith(("moving_variance", "gamma")):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        # Poses of the size of bodies.
        elif variable.path.split("/")[-2] == "head":
            variable.assign(variable / 5)
    return net


def exported(net, adapt: str):
    kind = find_kind(net, "")
    return kind.for_devices(net, "iso", kind.checked(Options(adapt=adapt)))


def adapted_by_keras(net, inputs, adapt: str) -> np.ndarray:
    """Positions of the rows, in order; an adapter of its own leaves none out."""
    adapter = build_adapter(net, adapt)
    compiler = functools.partial(tf.function, autograph=False)
    adapted = AdaptedModel(adapter, net.variables, compiler)
    points = normalize_keypoints(inputs["keypoints"], inputs["image_size"])
    return np.concatenate(
        [adapted({"keypoints": p[None]})["positions"] for p in points]
    )


def check_file(file: bytes, model, net, inputs, adapt: str) -> None:
    found = answers(file, model, inputs)
    expected = adapted_by_keras(net, inputs, adapt)
    assert found["adapt_and_lift"]["valid"].all()
    positions = found["adapt_and_lift"]["positions"]
    assert np.abs(positions - expected).max() < 1e-4
    assert np.abs(positions - found["lift"]["positions"]).max() > 1e-3


CASES = [
    ("iso", "refine", VANILLA),
    ("iso", "cycle", ONLINE),
    ("iso", "adversary", VANILLA),
    ("martinez", "", ONLINE + ",whole=true,flip=true,refined=true"),
    ("vpose", "", VANILLA),
    ("semgcn", "", ONLINE),
    ("stgcn", "", ONLINE),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "task", "adapt"), CASES)
def test_devices_adapt_as_keras_does(poses, inputs, name, task, adapt):
    """`convert` itself allows built-in operators only."""
    net = make_net(name, task, poses)
    model = exported(net, adapt)
    file = convert(model)
    check_file(file, model, net, inputs, adapt)


@pytest.mark.slow
def test_weights_are_stored_once_in_every_form(poses, inputs):
    """A signature that adapts computes them from those of the other."""
    net = make_net("iso", "refine", poses)
    model = exported(net, VANILLA)
    floating = convert(model)
    weights = sum(np.size(weight) for weight in net.weights)
    samples = [{k: v[i : i + 1] for k, v in inputs.items()} for i in range(ROWS)]
    plain = convert(dataclasses.replace(model, signatures={"lift": model.main}))
    positions = {}
    for form, near in (("none", 1e-6), ("fp16", 0.01), ("int8", 0.2)):
        file = quantise(model, floating, form, samples)
        alone = quantise(
            dataclasses.replace(model, signatures={"lift": model.main}),
            plain,
            form,
            samples,
        )
        assert _stored(file) < _stored(alone) + 0.02 * 4 * weights
        positions[form] = answers(file, model, inputs)["adapt_and_lift"]["positions"]
        assert np.abs(positions[form] - positions["none"]).mean() < near


def _stored(file: bytes) -> int:
    """Bytes of all constants but small ones; the rest of a file is its graph."""
    content = schema.Model.GetRootAs(packed(unpacked(file)))
    sizes = [content.Buffers(i).DataLength() for i in range(content.BuffersLength())]
    return sum(size for size in sizes if size >= 4096)


@pytest.mark.slow
def test_bad_rows_teach_nothing_and_others_are_left_out(poses, inputs):
    """Adapts to one of two; a row of NaN is flagged and does not count."""
    net = make_net("iso", "refine", poses)
    model = exported(net, f"{ONLINE},every=2")
    adapting = model.signatures["adapt_and_lift"]
    assert "state_samples" in adapting.state
    file = convert(model)
    run = measure.Interpreter(model_content=file).get_signature_runner("adapt_and_lift")

    def ask(place: int, state, **changes):
        row = {name: values[place : place + 1] for name, values in inputs.items()}
        found = run(**adapting.completed({**row, **state, **changes}))
        return found, {name: found[name] for name in adapting.state}

    start = {"restart": np.array([True])}
    first, state = ask(0, {}, **start)
    nobody, after = ask(1, state, keypoints=np.full((1, 16, 2), np.nan, np.float32))
    assert not nobody["valid"].any() and np.isnan(nobody["positions"]).all()
    for name, values in state.items():
        assert np.array_equal(values, after[name])
    _, second = ask(1, after)
    moved = [name for name in state if not np.array_equal(state[name], second[name])]
    assert moved == ["state_samples"]
    _, third = ask(2, second)
    assert not np.array_equal(third["state_weights_0"], second["state_weights_0"])
    # A restart forgets it all.
    again, _ = ask(0, third, **start)
    assert np.array_equal(again["positions"], first["positions"])


@pytest.mark.slow
def test_servers_adapt_as_keras_does(poses, inputs, tmp_path, capsys):
    """Two streams in one batch, each with the state that its caller keeps."""
    net = make_net("iso", "refine", poses)
    net.save(tmp_path / "iso.keras")
    model = f"--model={tmp_path / 'iso.keras'}"
    out = tmp_path / "models" / "iso"
    savedmodel([model, f"--out={out}", f"--adapt={ONLINE}", "--no-measure"])
    assert "iso/1: adapt_and_lift: keypoints, image_size, restart" in (
        capsys.readouterr().out
    )
    weights = sum(np.size(weight) for weight in net.weights)
    stored = sum(p.stat().st_size for p in (out / "1" / "variables").iterdir())
    assert stored < 4 * weights + 16384
    assert (out / "1" / "saved_model.pb").stat().st_size < 4 * weights
    asked = read_warmup(out / "1" / WARMUP_FILE)
    assert {one.model_spec.signature_name for one in asked} == {
        "serving_default",
        "lift",
        "adapt_and_lift",
    }
    session = stock_tensorflow.Session(str(out / "1"))
    adapting = exported(net, ONLINE).signatures["adapt_and_lift"]
    streams = [np.arange(ROWS), np.arange(ROWS)[::-1]]
    found, state = [], {}
    for i in range(ROWS):
        rows = [stream[i] for stream in streams]
        batch = {name: values[rows] for name, values in inputs.items()}
        batch["restart"] = np.array([i == 0] * 2)
        for name in adapting.state:
            batch[name] = state.get(name, np.repeat(adapting.example[name], 2, 0))
        answer = session.run(batch, "adapt_and_lift")
        state = {name: answer[name] for name in adapting.state}
        found.append(answer["positions"])
    for number, stream in enumerate(streams):
        ordered = {name: values[stream] for name, values in inputs.items()}
        expected = adapted_by_keras(net, ordered, ONLINE)
        positions = np.stack([pair[number] for pair in found])
        assert np.abs(positions - expected).max() < 1e-4


@pytest.mark.slow
def test_the_commands_know_both_signatures(
    poses, mocap_folder, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(measure, "measure_apart", latency.measure)
    monkeypatch.setattr("export.benchmark.measure_apart", latency.measure)
    make_net("iso", "refine", poses).save(tmp_path / "iso.keras")
    out = tmp_path / "out"
    litert(
        [f"--model={tmp_path / 'iso.keras'}", f"--out={out}", f"--adapt={ONLINE}"]
        + ["--dataset=mocap", f"--data_dir={mocap_folder}", "--subjects=bd"]
        + ["--limit=8", "--runs=2"]
    )
    file = (out / "model.tflite").read_bytes()
    assert read_signatures(file) == ["lift", "adapt_and_lift"]
    assert read_metadata(file)["adaptation"] == ONLINE
    report = json.loads((out / "report.json").read_text())
    rows = {(row["name"], row["signature"]): row for row in report["forms"]}
    adapting = rows["LiteRT float", "adapt_and_lift"]
    assert adapting["difference"]["max"] < 0.1  # mm
    assert adapting["latency"][0]["median_ms"] > 0
    assert adapting["metrics"] != rows["LiteRT float", "lift"]["metrics"]
    options = ["--threads=1", "--delegates=none", "--runs=2"]
    capsys.readouterr()
    benchmark([str(out / "model.tflite"), *options])
    assert "adapt_and_lift, milliseconds:" in capsys.readouterr().out


def test_only_lifters_that_can_adapt_do(lifter_net):
    kind = find_kind(lifter_net, "")
    with pytest.raises(InputError, match="keeps no limb_lengths of its training data"):
        kind.for_devices(lifter_net, "some", Options(adapt="iso"))
    with pytest.raises(InputError, match="adapt: no method 'isso'; did you mean 'iso'"):
        kind.for_devices(lifter_net, "some", Options(adapt="isso"))
