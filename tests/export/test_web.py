"""The web page: its server, and the page itself in headless Chromium."""

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from data_pipelines.images import decode_image
from export.kinds import Options, find_kind
from export.litert.convert import convert
from export.pose_net import pose_model
from export.web.__main__ import main
from export.web.server import LITERTJS, copy_site, find_site, open_server
from tests.export.chromium import open_chromium
from tests.export.web_site import Served, show
from tfpose.errors import InputError
from tfpose.top_down.crop import (
    box_regions,
    invert_matrices,
    region_matrices,
    transform_points,
    warp,
)

PHOTO = "coco/images/000000000474.jpg"
CROP = """
(async (box) => {
  const {boxMatrix, cropPixels} = await import('./pose_net.js');
  const {photo, net} = tfpose;
  const matrix = boxMatrix(box, net.inputSize, '%s');
  const pixels = cropPixels(photo, matrix, net.inputSize, '%s');
  return [matrix, btoa(String.fromCharCode(...pixels))];
})(%s)
"""


@pytest.fixture
def package(tmp_path) -> str:
    """A folder that looks as if LiteRT.js were in it."""
    for path in (
        "core/dist/index.js",
        "core/wasm/some.wasm",
        "wasm-utils/dist/index.js",
        "core/package.json",
    ):
        target = tmp_path / "npm" / "node_modules" / "@litertjs" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(path)
    return str(tmp_path / "npm")


@pytest.fixture
def model(tmp_path) -> Path:
    """What looks like a model, with what looks like its sidecar."""
    (tmp_path / "pose.tflite").write_bytes(b"\x1c\0\0\0TFL3....")
    (tmp_path / "pose.json").write_text('{"task": "top_down_pose"}')
    return tmp_path / "pose.tflite"


def test_what_is_served_and_how(model, package):
    with Served(find_site(str(model), package)) as served:
        for place, kind, start in (
            ("", "text/html; charset=utf-8", b"<!doctype html>"),
            ("app.js?x=1", "text/javascript; charset=utf-8", b"/** The page"),
            ("model.tflite", "application/octet-stream", b"\x1c\0\0\0TFL3"),
            ("model.json", "application/json", b'{"task"'),
            ("litertjs/core/wasm/some.wasm", "application/wasm", b"core/wasm"),
        ):
            with urllib.request.urlopen(served.address + place) as answer:
                headers, content = answer.headers, answer.read()
            assert headers["Content-Type"] == kind
            assert content.startswith(start)
            # What browsers want to see before they give shared memory to threads.
            assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
            assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
            assert headers["Content-Security-Policy"].startswith("default-src 'self' ")
        for place in ("server.py", "../server.py", "%2e%2e/server.py", "litertjs/",
                      "picture", "litertjs/core/package.json"):  # fmt: skip
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(served.address + place)


# Loaded by what the page names.
_BY_OTHERS = (
    *("net.js", "pose_net.js", "people_net.js", "decode.js"),
    "litertjs/core/wasm/some.wasm",
)


def test_the_site_is_whole_in_a_folder(model, package, tmp_path):
    copy_site(find_site(str(model), package, str(model)), str(tmp_path / "site"))
    files = {
        path.relative_to(tmp_path / "site").as_posix()
        for path in (tmp_path / "site").rglob("*.*")
    }
    page = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    for place in files - {"index.html", "model.json", "model.tflite"}:
        assert place in page or place in _BY_OTHERS
    assert {"app.js", "style.css", "litertjs/wasm-utils/dist/index.js"} < files
    assert "//" not in page.replace("<!doctype", "")


def test_what_cannot_be_served_is_told_in_one_line(model, package, tmp_path, capsys):
    place = str(model)
    with pytest.raises(InputError, match=f"npm install --prefix {tmp_path} {LITERTJS}"):
        find_site(place, str(tmp_path))
    with pytest.raises(InputError, match="nothing.tflite: no such file"):
        find_site(str(tmp_path / "nothing.tflite"), package)
    with pytest.raises(InputError, match="--picture: .*no such file"):
        find_site(place, package, str(tmp_path / "photo.jpg"))
    with pytest.raises(InputError, match="pose.json is no .tflite file"):
        find_site(str(model.with_suffix(".json")), package)
    for text, message in (
        ("{", "is no description"),
        ("[]", "is no description"),
        ('{"task": "lifting"}', "task is 'lifting', expected top_down_pose or multi_"),
    ):
        model.with_suffix(".json").write_text(text)
        with pytest.raises(InputError, match=message):
            find_site(place, package)
    model.with_suffix(".json").unlink()
    with pytest.raises(SystemExit) as stop:
        main([f"--model={place}", f"--litertjs={package}"])
    assert stop.value.code == 2
    assert "pose.json is not there" in capsys.readouterr().err.splitlines()[0]


def test_a_taken_port_is_told(model, package):
    server = open_server(find_site(str(model), package), port=0)
    with server, pytest.raises(InputError, match=f"127.0.0.1:{server.server_port}"):
        open_server({}, port=server.server_port)
    with pytest.raises(InputError, match="99999"):
        open_server({}, port=99999)


# --- In the browser ---


@pytest.fixture(scope="module")
def tflite(tiny_model, tiny_file, tmp_path_factory) -> Path:
    """A net of 64 x 64 pixels, its sidecar beside it."""
    path = tmp_path_factory.mktemp("model") / "pose.tflite"
    path.write_bytes(tiny_file)
    path.with_suffix(".json").write_text(json.dumps(tiny_model.metadata))
    return path


@pytest.fixture(scope="module")
def photo(shared_data) -> Path:
    return shared_data / PHOTO


@pytest.fixture(scope="module")
def served(tflite, litertjs, photo) -> Iterator[Served]:
    with Served(find_site(str(tflite), litertjs, str(photo))) as site:
        yield site


@pytest.fixture
def page(browser, served):
    """The page with the photo and the pose in it."""
    return show(browser, served.address + "?picture=picture", "tfpose.pose")


def box_matrix(box, size=(64, 64), alignment="half_pixel") -> np.ndarray:
    centres, sizes = box_regions(np.array([box]), size, alignment=alignment)
    return region_matrices(centres, sizes, size, alignment=alignment)[0]


def browser_crop(
    page, box, alignment="half_pixel", size=(64, 64)
) -> tuple[np.ndarray, np.ndarray]:
    """The page's own crop of its photo, and the matrix that made it."""
    call = CROP % (alignment, alignment, json.dumps(list(map(float, box))))
    matrix, encoded = page.evaluate(call)
    pixels = np.frombuffer(base64.b64decode(encoded), np.uint8).reshape(*size, 3)
    sx, sy, tx, ty = (matrix[key] for key in ("sx", "sy", "tx", "ty"))
    return np.array([[sx, 0, tx], [0, sy, ty]]), pixels


def run_in_python(tflite: Path, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints and scores of the same model in the same runtime's Python form."""
    runner = Interpreter(str(tflite), num_threads=1).get_signature_runner()
    found = runner(image=pixels[None])
    return found["keypoints"][0], found["scores"][0]


def check_pose(page, tflite: Path) -> None:
    """The pose on the page is Python's of the same pixels, to half a pixel."""
    pose = page.evaluate("tfpose.pose")
    matrix, pixels = browser_crop(page, pose["box"])
    keypoints, scores = run_in_python(tflite, pixels)
    expected = transform_points(invert_matrices(matrix), keypoints)
    assert np.abs(np.array(pose["keypoints"]) - expected).max() < 0.5
    np.testing.assert_allclose(pose["scores"], scores, atol=1e-3)
    # All of them in one place would agree too easily.
    assert np.ptp(expected, axis=0).min() > 50


def test_the_pose_in_the_browser_is_pythons(page, tflite, photo):
    assert page.evaluate("tfpose.pose.box") == [0, 0, 333, 500]
    check_pose(page, tflite)
    # And from the file on: Python's own reading and cropping of the photo.
    image = decode_image(photo.read_bytes())
    matrix = box_matrix([0, 0, 333, 500])
    keypoints, scores = run_in_python(tflite, warp(image, matrix, (64, 64)))
    expected = transform_points(invert_matrices(matrix), keypoints)
    found = np.array(page.evaluate("tfpose.pose.keypoints"))
    assert np.median(np.abs(found - expected)) < 0.5


def test_nothing_is_fetched_from_elsewhere(page, served):
    assert len(page.requests) > 8
    assert all(address.startswith(served.address) for address in page.requests)
    assert "Content Security Policy" not in " ".join(page.messages)
    assert page.evaluate("crossOriginIsolated")
    assert "threaded" in " ".join(page.requests)
    assert "threads" in page.evaluate("document.getElementById('runtime').textContent")


def test_what_the_page_tells(page):
    text = page.evaluate("document.body.innerText")
    assert "14 joints (lsp14), input 64×64" in text
    assert "right ankle" in text
    assert float(page.evaluate("net_time.textContent").removesuffix(" ms")) > 0
    assert page.evaluate("problem.hidden") and page.evaluate("hint.hidden")
    # The skeleton is drawn: the canvas is no longer the photo.
    page.evaluate("threshold.value = 0, threshold.dispatchEvent(new Event('input'))")
    changed = page.evaluate("""(() => {
      const now = picture.getContext('2d').getImageData(0, 0, 333, 500).data;
      return now.filter((value, at) => value !== tfpose.photo.data[at]).length;
    })()""")
    assert changed > 1000


@pytest.mark.parametrize("alignment", ["half_pixel", "official", "tokenpose", "udp"])
def test_crops_are_those_of_the_library(page, photo, alignment):
    image = decode_image(photo.read_bytes())
    for box in ([0, 0, 333, 500], [3.4, 42.7, 329.2, 429.2], [150, 60, 60.5, 40]):
        matrix, pixels = browser_crop(page, box, alignment)
        expected = box_matrix(box, alignment=alignment)
        np.testing.assert_allclose(matrix, expected, atol=1e-9)
        theirs = warp(image, expected, (64, 64), antialias=alignment == "half_pixel")
        # OpenCV's bilinear weights are whole 32nds.
        difference = np.abs(pixels.astype(int) - theirs)
        assert difference.mean() < 0.6 and np.quantile(difference, 0.99) < 6


def test_a_dragged_box_is_looked_into(page, tflite):
    left, top, width, height = page.evaluate(
        "(({left, top, width, height}) => [left, top, width, height])"
        "(picture.getBoundingClientRect())"
    )
    wanted = [100, 60, 150, 250]
    corners = [
        (left + x / 333 * width, top + y / 500 * height)
        for x, y in (wanted[:2], (wanted[0] + wanted[2], wanted[1] + wanted[3]))
    ]
    page.drag(*reversed(corners))
    page.wait_for("tfpose.box && tfpose.pose.box === tfpose.box")
    np.testing.assert_allclose(page.evaluate("tfpose.box"), wanted, atol=1)
    check_pose(page, tflite)
    page.evaluate("whole.click()")
    page.wait_for("tfpose.pose.box[2] === 333")
    # A click is no box.
    page.drag(corners[0], corners[0])
    assert page.evaluate("tfpose.box") is None


@pytest.mark.slow
def test_heatmaps_are_decoded_on_the_page(
    browser, litertjs, photo, tiny_net, tflite, tmp_path
):
    drawing = pose_model(tiny_net, outputs=("heatmaps",))
    path = tmp_path / "drawing.tflite"
    path.write_bytes(convert(drawing))
    counted = {"draw_heatmaps": {"nodes": 108, "not_on_gpu": {"CAST": 1}}}
    told = {**drawing.metadata, "litert": {"operators": counted}}
    told["score_threshold"] = 0.37
    path.with_suffix(".json").write_text(json.dumps(told))
    with Served(find_site(str(path), litertjs, str(photo))) as site:
        page = show(browser, site.address + "?picture=picture", "tfpose.pose")
        # As the file that decodes in its graph.
        check_pose(page, tflite)
        assert page.evaluate("gpu.textContent") == "107 of 108 operators"
        assert page.evaluate("threshold_value.textContent") == "0.37"


def open_file(page, path: Path) -> None:
    document = page.call("DOM.getDocument")["root"]["nodeId"]
    node = page.call("DOM.querySelector", nodeId=document, selector="#file")["nodeId"]
    page.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])


def test_files_are_opened_and_others_refused(page, shared_data, tmp_path, tflite):
    other = sorted((shared_data / "lspet" / "images").glob("*.jpg"))[0]
    height, width = decode_image(other.read_bytes()).shape[:2]
    open_file(page, other)
    page.wait_for(f"tfpose.pose?.box.join() === '0,0,{width},{height}'")
    check_pose(page, tflite)
    text = tmp_path / "notes.txt"
    text.write_text("no picture")
    open_file(page, text)
    page.wait_for("!problem.hidden")
    assert "cannot be shown as an image" in page.evaluate("problem.textContent")


def test_the_camera_is_looked_at_until_stopped(page):
    page.evaluate("camera.click()")
    page.wait_for("tfpose.camera && tfpose.times.length >= 3")
    assert page.evaluate("[tfpose.photo.width, tfpose.photo.height]") == [640, 480]
    assert page.evaluate("tfpose.pose.box") == [0, 0, 640, 480]
    page.evaluate("camera.click()")
    assert page.evaluate("tfpose.camera") is None
    assert page.evaluate("camera.textContent") == "Start camera"


def test_a_gpu_finds_the_same_pose(chromium, served, tflite, tmp_path):
    # One made of software.
    options = ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader")
    address = served.address + "?picture=picture&accelerator=webgpu"
    with open_chromium(chromium, tmp_path, *options) as page:
        show(page, address, "(tfpose.pose || !problem.hidden)")
        if "adapter" in page.evaluate("problem.textContent"):
            pytest.skip("this Chromium has no WebGPU adapter, not even in software")
        check_pose(page, tflite)
        assert page.evaluate("runtime.textContent").startswith("GPU")


def test_without_a_gpu_the_page_says_so(browser, served):
    show(browser, served.address + "?accelerator=webgpu", "!problem.hidden")
    assert "no WebGPU adapter" in browser.evaluate("problem.textContent")


@pytest.mark.slow
def test_the_page_adapts_and_shows_both_poses(
    browser, litertjs, photo, metta_net, tmp_path
):
    kind = find_kind(metta_net, "")
    options = kind.checked(Options(adapt="metta,learning_rate=0.05,limit=0"))
    model = kind.for_devices(metta_net, "adapting", options)
    path = tmp_path / "pose.tflite"
    path.write_bytes(convert(model))
    path.with_suffix(".json").write_text(json.dumps(model.metadata))
    runs = Interpreter(str(path), num_threads=1).get_signature_runner
    with Served(find_site(str(path), litertjs, str(photo))) as site:
        page = show(browser, site.address + "?picture=picture", "tfpose.pose")
        assert not page.evaluate("adapting.hidden")
        assert page.evaluate("tfpose.pose.before") is None
        page.evaluate("adapt.click()")
        page.wait_for("tfpose.pose.before")
        pose = page.evaluate("tfpose.pose")
        size = metta_net.input_size
        _, pixels = browser_crop(page, pose["box"], size=size)
    found = [runs(name)(image=pixels[None])["scores"][0] for name in model.signatures]
    assert np.abs(found[0] - found[1]).max() > 1e-3
    np.testing.assert_allclose(pose["before"]["scores"], found[0], atol=1e-3)
    np.testing.assert_allclose(pose["scores"], found[1], atol=1e-3)


def test_nets_that_do_not_adapt_have_no_switch(page):
    assert page.evaluate("adapting.hidden") and page.evaluate("!tfpose.net.adapts")
