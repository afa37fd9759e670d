"""Everybody on the web page: a LOGO-CAP net in headless Chromium and in Node.js."""

import base64
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from data_pipelines.images import decode_image
from export.litert.convert import convert
from export.people_net import people_model
from export.web.server import find_site
from tests.export.web_site import Served, show
from tfpose.logocap.picture import Placement
from tfpose.logocap.suppression import read_slots, suppress_near

PAGE = Path(__file__).resolve().parents[2] / "export" / "web" / "page"
SIZE = (64, 128)
INPUT = """
(async () => {
  const {fitMatrix} = await import('./people_net.js');
  const {cropPixels} = await import('./pose_net.js');
  const matrix = fitMatrix(tfpose.pose.box, tfpose.net.inputSize);
  const pixels = cropPixels(tfpose.photo, matrix, tfpose.net.inputSize, 'official');
  return btoa(String.fromCharCode(...pixels));
})()
"""


@pytest.mark.slow
@pytest.mark.parametrize("output", ["keypoints", "heatmaps"])
def test_everybody_is_found_and_drawn(
    browser, litertjs, people_net, shared_data, tmp_path, output
):
    model = people_model(people_net, SIZE, slots=5, outputs=(output,))
    path = tmp_path / "crowd.tflite"
    path.write_bytes(convert(model))
    path.with_suffix(".json").write_text(json.dumps(model.metadata))
    photo = shared_data / "coco" / "images" / "000000000474.jpg"
    with Served(find_site(str(path), litertjs, str(photo))) as site:
        page = show(browser, site.address + "?picture=picture", "tfpose.pose")
        pose = page.evaluate("tfpose.pose")
        pixels = np.frombuffer(base64.b64decode(page.evaluate(INPUT)), np.uint8)
        pixels = pixels.reshape(*SIZE, 3)
        assert page.evaluate("people.textContent") == str(len(pose["people"]))
        assert page.evaluate("joints.rows.length") == 17
        drawn = "threshold.value = 0, threshold.dispatchEvent(new Event('input'))"
        page.evaluate(drawn)
        marks = page.evaluate("""tfpose.pose.people.map(({keypoints}) =>
          keypoints.filter(([x, y]) => {
            const at = [Math.round(x), Math.round(y)];
            const [r, g, b] = picture.getContext('2d').getImageData(...at, 1, 1).data;
            return [[255, 140, 40], [60, 150, 255], [110, 220, 120], [20, 20, 24]]
              .some((one) => Math.hypot(r - one[0], g - one[1], b - one[2]) < 60);
          }).length)""")
        assert page.evaluate("problem.hidden")
    image = decode_image(photo.read_bytes())
    placement = Placement.into(*image.shape[:2], SIZE)
    # OpenCV's bilinear weights are whole 32nds.
    difference = np.abs(pixels.astype(int) - placement.place(image))
    assert difference.mean() < 0.6 and np.quantile(difference, 0.99) < 8
    run = Interpreter(str(path)).get_signature_runner
    if output == "keypoints":
        found = run("find_people")(image=pixels[None])
    else:
        found = run("read_heatmaps")(**run("draw_heatmaps")(image=pixels[None]))
    poses, scores = read_slots(found["poses"][0], found["scores"][0])
    order = np.argsort(-scores, kind="stable")
    assert len(scores) == len(pose["people"]) > 1
    for person, row in zip(pose["people"], order, strict=True):
        assert person["score"] == pytest.approx(scores[row], abs=1e-3)
        points = placement.to_picture(poses[row, :, :2])
        assert np.median(np.abs(np.array(person["keypoints"]) - points)) < 0.5
    # Of everybody joints are drawn, those that lie in the photo.
    for count, row in zip(marks, order, strict=True):
        points = placement.to_picture(poses[row, :, :2])
        inside = ((points > 1) & (points < [331, 498])).all(axis=-1).sum()
        assert count >= 0.8 * inside


def test_the_page_suppresses_as_the_library(tmp_path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not there: apt-get install nodejs")
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, (12, 7, 17, 2)) * rng.uniform(1, 5, (12, 1, 1, 1))
    poses = rng.uniform(0, 100, (12, 1, 17, 2)) + noise
    poses[:, 5:] += rng.uniform(0, 40, (12, 2, 17, 2))
    scores = rng.uniform(0.1, 1, (12, 7))
    source = (PAGE / "people_net.js").read_text()
    lines = [line for line in source.splitlines() if not line.startswith("import ")]
    (tmp_path / "people.mjs").write_text("class Net {}\n" + "\n".join(lines))
    (tmp_path / "run.mjs").write_text(
        "import {suppress} from './people.mjs';\n"
        "import {readFileSync} from 'node:fs';\n"
        "const cases = JSON.parse(readFileSync(0));\n"
        "const kept = cases.map((people) =>\n"
        "  suppress(people, {distance: 0.05, share: 8 / 17}).map((one) => one.slot));\n"
        "console.log(JSON.stringify(kept));\n"
    )
    cases = [
        [
            {"slot": slot, "score": score, "keypoints": pose.tolist()}
            for slot, (pose, score) in enumerate(zip(*row, strict=True))
        ]
        for row in zip(poses, scores.tolist(), strict=True)
    ]
    done = subprocess.run(
        [node, tmp_path / "run.mjs"],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=True,
    )
    expected = [suppress_near(*row).tolist() for row in zip(poses, scores, strict=True)]
    assert json.loads(done.stdout) == expected
    assert len({len(kept) for kept in expected}) > 1
