"""The table of kinds: what is found in it, and that a later kind is one row."""

import dataclasses
import json

import keras
import pytest

from export import kinds
from export.kinds import KINDS, Options, find_kind
from export.litert import measure as litert_measure
from export.litert.__main__ import main as litert
from export.litert.file import read_metadata, read_signatures
from export.litert.latency import measure
from export.savedmodel import main as savedmodel
from export.serving.messages import WARMUP_FILE, read_warmup
from tests.export.conftest import adapting_lifter
from tests.toy_adapter import ToyLifter
from tfpose.errors import InputError

POSE, LIFTER, PEOPLE = KINDS


def test_nets_find_their_row(tiny_net, lifter_net, people_net):
    assert find_kind(tiny_net, "a.keras") is POSE
    assert find_kind(lifter_net, "b.keras") is LIFTER
    assert find_kind(people_net, "d.keras") is PEOPLE


def test_an_unknown_kind_is_refused_with_what_there_is():
    net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    message = "^c.keras: is a Sequential, expected a pose net or lifter or boxless net"
    with pytest.raises(InputError, match=message):
        find_kind(net, "c.keras")


def test_every_row_makes_both_models(tiny_net, lifter_net, people_net):
    for net, signature in (
        (tiny_net, "locate"),
        (lifter_net, "lift"),
        (people_net, "find_people"),
    ):
        kind = find_kind(net, "")
        options = kind.checked(Options())
        for make in (kind.for_devices, kind.for_servers):
            model = make(net, "some", options)
            assert model.name == "some" and list(model.signatures) == [signature]
            assert set(model.main.described) >= {
                *model.main.inputs,
                *model.main.outputs,
            }


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (POSE, {"skeleton": "coco17"}, "skeleton is for lifters, and this net is a po"),
        (POSE, {"subjects": ("S1",)}, "subjects is for lifters"),
        (POSE, {"stride": 5}, "stride is for lifters"),
        (LIFTER, {"image_size": (64, 64)}, "image_size is for pose nets, and this net"),
        (LIFTER, {"dtype": "float32"}, "dtype is for pose nets"),
        (POSE, {"slots": 5}, "slots is for boxless nets, and this net is a pose net"),
        (PEOPLE, {"adapt": "metta"}, "adapt is for pose nets, and this net is a boxle"),
        (PEOPLE, {"stride": 5}, "stride is for lifters"),
        (LIFTER, {"dataset": "lspet"}, "dataset is 'lspet', expected for this net one"),
        (
            LIFTER,
            {"split": "val"},
            "split is 'val', expected for this net one",
        ),
    ],
)
def test_options_that_do_not_fit_are_refused(kind, options, message):
    with pytest.raises(InputError, match=message):
        kind.checked(Options(**options))


def test_pose_nets_on_servers_have_no_size(tiny_net):
    options = POSE.checked(Options(image_size=(64, 64)))
    with pytest.raises(InputError, match="image_size: a pose net on a server takes"):
        POSE.for_servers(tiny_net, "some", options)


def test_the_usual_data_are_filled_in():
    assert POSE.checked(Options(limit=3)) == Options(
        dataset="coco_format", split="val", limit=3
    )
    filled = LIFTER.checked(Options(split="train", stride=2))
    assert (filled.dataset, filled.split) == ("h36m", "train")


@pytest.fixture
def adapting_kind(monkeypatch):
    """Adds a row: toy lifters, which are exported with their adapter."""

    def build(net, name, options):
        return adapting_lifter(net, name=name)

    row = dataclasses.replace(
        LIFTER,
        name="toy",
        matches=lambda net: isinstance(net, ToyLifter),
        for_devices=build,
        for_servers=build,
    )
    monkeypatch.setattr(kinds, "KINDS", (row, *KINDS))


def test_a_later_kind_is_one_row(
    toy_net, mocap_folder, tmp_path, capsys, monkeypatch, adapting_kind
):
    """The commands export its signatures, and report on each on real poses."""
    monkeypatch.setattr(litert_measure, "measure_apart", measure)
    toy_net.save(tmp_path / "toy.keras")
    model, out = f"--model={tmp_path / 'toy.keras'}", tmp_path / "out"
    litert(
        [model, f"--out={out}", "--quantize=fp16", "--dataset=mocap", "--runs=2"]
        + [f"--data_dir={mocap_folder}", "--subjects=bd", "--limit=10"]
    )
    file = (out / "model.tflite").read_bytes()
    assert read_signatures(file) == ["lift", "adapt_and_lift"]
    told = read_metadata(file)
    assert list(told["signatures"]) == ["lift", "adapt_and_lift"]
    assert list(told["litert"]["kept_float"]) == ["lift", "adapt_and_lift"]
    report = json.loads((out / "report.json").read_text())
    rows = {(row["name"], row["signature"]): row for row in report["forms"]}
    forms = ("Keras float", "LiteRT float", "LiteRT fp16")
    assert list(rows) == [(form, name) for form in forms for name in told["signatures"]]
    for name in told["signatures"]:
        of_keras, floating, half = (rows[form, name] for form in forms)
        assert of_keras["metrics"]["mpjpe_mm"] > 50
        assert floating["difference"]["max"] < 0.1  # mm
        assert half["metrics"]["mpjpe_mm"] == pytest.approx(
            of_keras["metrics"]["mpjpe_mm"], abs=2
        )
        for row in (floating, half):
            assert [time["signature"] for time in row["latency"]] == [name, name]
            assert row["latency"][0]["median_ms"] > 0
    plain, adapting = (rows["LiteRT fp16", name] for name in told["signatures"])
    assert plain["metrics"] != adapting["metrics"]
    assert plain["bytes"] == adapting["bytes"] == len(file)
    assert sum(plain["operators"].values()) < sum(adapting["operators"].values())
    page = (out / "report.md").read_text()
    assert "| LiteRT fp16, adapt_and_lift | " in page
    shown = capsys.readouterr().out
    assert "LiteRT fp16      adapt_and_lift: mpjpe_mm" in shown

    savedmodel([model, f"--out={tmp_path / 'models' / 'toy'}", "--no-measure"])
    assert "toy/1: adapt_and_lift: keypoints, image_size" in capsys.readouterr().out
    warmup = read_warmup(tmp_path / "models" / "toy" / "1" / WARMUP_FILE)
    asked = {one.model_spec.signature_name for one in warmup}
    assert asked == {"serving_default", "lift", "adapt_and_lift"}
