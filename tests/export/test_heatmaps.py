"""Heatmaps out of a graph that a phone's GPU does, and their decoding outside."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from export.fit import Fit
from export.heatmaps import KeypointDecoder
from export.litert.__main__ import main
from export.litert.convert import convert
from export.litert.measure import answers
from export.litert.operators import GPU_OPERATORS, count_operators
from export.pose_net import pose_model
from export.web import server
from tests.export.conftest import DOTS_SIZE, dots_pictures, make_net
from tfpose.codecs.alignment import ALIGNMENTS
from tfpose.codecs.heatmap import DECODE_METHODS, HeatmapCodec
from tfpose.errors import InputError

PAGE = Path(server.__file__).parent / "page"


def maps(size=(24, 18), joints=40) -> np.ndarray:
    """Heatmaps `[1, h, w, J]`: peaks anywhere, also at the border, and nothing."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[: size[0], : size[1]]
    found = []
    for joint in range(joints):
        px, py = rng.uniform(-1, [size[1], size[0]])
        peak = np.exp(-((x - px) ** 2 + (y - py) ** 2) / 8)
        found.append(rng.uniform(0.2, 1) * peak + rng.normal(0, 0.01, size))
        if joint % 10 == 9:
            found[-1] = -np.abs(found[-1])
    return np.stack(found, axis=-1)[None].astype(np.float32)


@pytest.mark.parametrize("size", [DOTS_SIZE, (128, 96)])
def test_decoded_outside_they_are_what_the_graph_decodes(dots_net, size):
    model = pose_model(dots_net, size, outputs=("heatmaps", "keypoints"))
    assert list(model.signatures) == ["locate", "draw_heatmaps"]
    pictures, _ = dots_pictures(4)
    pictures = pictures.repeat(size[0] // DOTS_SIZE[0], 1).repeat(
        size[1] // DOTS_SIZE[1], 2
    )
    found = answers(convert(model), model, {"image": pictures})
    inside, outside = found["locate"], found["draw_heatmaps"]
    assert np.ptp(inside["keypoints"]) > 20
    for name in ("keypoints", "scores"):
        np.testing.assert_allclose(outside[name], inside[name], atol=1e-3)


@pytest.mark.slow
def test_gpus_of_phones_take_all_of_the_graph():
    net = make_net()
    ways = {
        output: pose_model(net, dtype="float32", outputs=(output,))
        for output in ("keypoints", "heatmaps")
    }
    found = {
        output: count_operators(convert(model), next(iter(model.signatures)))
        for output, model in ways.items()
    }
    assert found["heatmaps"].not_on_gpu == {}
    left = found["keypoints"].not_on_gpu
    assert {"SELECT", "SUM"} < set(left) and sum(left.values()) > 50
    assert found["keypoints"].nodes > found["heatmaps"].nodes > 50
    assert not GPU_OPERATORS & set(left)


def test_an_export_for_phones_is_told_of(dots_net, tmp_path, capsys):
    dots_net.save(tmp_path / "dots.keras")
    out = tmp_path / "out"
    arguments = [f"--model={tmp_path / 'dots.keras'}", f"--out={out}", "--runs=0"]
    main([*arguments, "--output=keypoints,heatmaps", "--dtype=float32"])
    told = json.loads((out / "model.json").read_text())
    assert set(told["signatures"]["draw_heatmaps"]["outputs"]) == {"heatmaps"}
    counted = told["litert"]["operators"]
    assert counted["draw_heatmaps"]["not_on_gpu"] == {}
    assert counted["locate"]["not_on_gpu"]["SELECT"] > 0
    report = (out / "report.md").read_text()
    nodes = counted["draw_heatmaps"]["nodes"]
    rows = [row for row in report.splitlines() if "draw_heatmaps |" in row]
    assert rows and rows[0].endswith(f"| 0 of {nodes} |")
    # The file says all that is needed to decode.
    decoder = KeypointDecoder.from_metadata(told)
    heatmaps = np.zeros((1, 16, 12, 3), np.float32)
    heatmaps[0, 5, 7, 1] = 0.5
    found = decoder(heatmaps)
    assert found["scores"].tolist() == [[0, 0.5, 0]]
    np.testing.assert_allclose(found["keypoints"][0, 1], [7.5 * 4 - 0.5, 5.5 * 4 - 0.5])


def test_what_cannot_be_is_refused(dots_net):
    with pytest.raises(InputError, match="output is 'maps', expected some of keypoi"):
        pose_model(dots_net, outputs=("maps",))
    with pytest.raises(InputError, match="metadata: has no heatmaps"):
        KeypointDecoder.from_metadata(pose_model(dots_net).metadata)


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_the_web_page_decodes_as_the_library(alignment, tmp_path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not there: apt-get install nodejs")
    heatmaps = maps()
    height, width = 4 * heatmaps.shape[1], 4 * heatmaps.shape[2]
    fit = Fit.of((2 * height, 3 * width), (height, width))
    cases, expected = [], []
    for method in DECODE_METHODS:
        codec = HeatmapCodec((height, width), alignment=alignment)
        decoder = KeypointDecoder(codec, method, fit)
        told = {"alignment": alignment, "decoder": method}
        cases.append({**told, "heatmaps": decoder.metadata})
        expected.append(decoder(heatmaps))
    content = {"values": heatmaps.ravel().tolist(), "cases": cases}
    shutil.copy(PAGE / "decode.js", tmp_path / "decode.mjs")
    (tmp_path / "run.mjs").write_text(
        "import {decodeHeatmaps} from './decode.mjs';\n"
        "import {readFileSync} from 'node:fs';\n"
        "const {values, cases} = JSON.parse(readFileSync(0));\n"
        "const found = cases.map((one) => decodeHeatmaps(values, one));\n"
        "console.log(JSON.stringify(found));\n"
    )
    done = subprocess.run(
        [node, tmp_path / "run.mjs"],
        input=json.dumps(content),
        capture_output=True,
        text=True,
        check=True,
    )
    for method, found, true in zip(
        DECODE_METHODS, json.loads(done.stdout), expected, strict=True
    ):
        np.testing.assert_allclose(found["scores"], true["scores"][0], atol=1e-6)
        keypoints = np.reshape(found["keypoints"], (-1, 2))
        # Logarithms of single and double precision differ where maps are steep.
        np.testing.assert_allclose(
            keypoints, true["keypoints"][0], atol=0.05, err_msg=method
        )
