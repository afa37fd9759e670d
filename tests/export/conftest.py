"""Small nets to export, and what is made of them once for all tests."""

import os
from pathlib import Path

import keras
import numpy as np
import pytest

from export.adapting import with_adaptation
from export.lifter import Pixels, lifter_model
from export.litert.convert import convert
from export.model import ExportedModel
from export.pose_net import pose_model
from export.serving.people_net import photo_people_model
from export.serving.pose_net import photo_pose_model
from export.serving.saved_model import write_saved_model
from export.web.server import LITERTJS
from tests.export.chromium import find_chromium, open_chromium
from tests.tiny_logocap import tiny_logocap
from tests.tiny_metta import enliven
from tests.toy_adapter import ToyAdapter, ToyLifter, make_toy_lifter
from tfpose.backbones.base import IMAGE_MEAN, IMAGE_STD, Backbone
from tfpose.lifters.build import build_lifter
from tfpose.lifters.net import LiftingNet
from tfpose.logocap.net import LogoCapNet
from tfpose.metta.net import MeTTANet
from tfpose.skeletons import Skeleton, get_skeleton
from tfpose.top_down.net import HeatmapNet, build_heatmap_net

ROOT = Path(__file__).resolve().parents[2]
INFO = {
    "task": "top_down",
    "skeleton": get_skeleton("lsp14").to_dict(),
    "sigma": 2.0,
    "decoder": "dark",
    "alignment": "half_pixel",
    "flip_shift": 0,
    "epochs": 3,
}
DOTS_SIZE = (64, 48)


@keras.saving.register_keras_serializable(package="tests")
class Averages(Backbone):
    """Colour channels, averaged over 4 x 4 pixels by a convolution."""

    stride = 4

    def __init__(self, **kwargs):
        inputs = keras.Input((*DOTS_SIZE, 3))
        layer = keras.layers.Conv2D(3, 4, strides=4, name="average")
        policy = keras.dtype_policies.get("float32")
        super().__init__(inputs, {"P2": layer(inputs)}, policy, **kwargs)
        kernel = np.zeros((4, 4, 3, 3))
        kernel[:, :, range(3), range(3)] = 1 / 16
        layer.set_weights([kernel, np.zeros(3)])


def make_net(name: str = "hrnet_tiny", size=(64, 64), joints: int = 14) -> HeatmapNet:
    """A net of random weights that keep the scale of what they get."""
    net = build_heatmap_net(name, size, joints, info=INFO)
    rng = np.random.default_rng(0)
    for weight in net.trainable_weights:
        if len(weight.shape) > 1:
            fan_in = np.prod(weight.shape[:-1])
            weight.assign(rng.normal(0, fan_in**-0.5, weight.shape))
    return net


@pytest.fixture(scope="session")
def tiny_net() -> HeatmapNet:
    """An hrnet_tiny for 64 x 64 pixels and the 14 joints of LSP."""
    return make_net()


@pytest.fixture(scope="session")
def dots_net() -> HeatmapNet:
    """A net that finds soft red, green and blue dots; its input is DOTS_SIZE."""
    skeleton = Skeleton("three", ("head", "left_hand", "right_hand"))
    info = {**INFO, "skeleton": skeleton.to_dict()}
    net = HeatmapNet(Averages(name="backbone"), 3, info=info)
    # Back from normalised to brightness 0..1.
    net.get_layer("head").set_weights(
        [np.diag(IMAGE_STD)[None, None], np.array(IMAGE_MEAN)]
    )
    return net


@pytest.fixture(scope="session")
def tiny_model(tiny_net) -> ExportedModel:
    """`tiny_net` from pixels to keypoints."""
    return pose_model(tiny_net)


@pytest.fixture(scope="session")
def tiny_file(tiny_model) -> bytes:
    """`tiny_model` as a `.tflite` file in float."""
    return convert(tiny_model)


@pytest.fixture(scope="session")
def dots_model(dots_net) -> ExportedModel:
    """`dots_net` from pixels to keypoints."""
    return pose_model(dots_net)


@pytest.fixture(scope="session")
def dots_file(dots_model) -> bytes:
    """`dots_model` as a `.tflite` file in float."""
    return convert(dots_model)


@pytest.fixture(scope="session")
def lifter_net() -> LiftingNet:
    """A martinez_small of random weights for the 16 joints of Human3.6M."""
    keras.utils.set_random_seed(0)
    info = {"test_mpjpe": 48.5}
    return build_lifter("martinez_small", get_skeleton("h36m16"), info=info)


@pytest.fixture(scope="session")
def metta_net() -> MeTTANet:
    """A net of random weights, for 32 x 32 pixels, which adapts in two steps."""
    base = make_net(size=(32, 32))
    sizes = {"num_maps": 6, "hidden": 8, "filters": (4, 8, 8)}
    net = MeTTANet(base, **sizes, shrink=2, steps=2, temperature=2)
    enliven(net, np.random.default_rng(0))
    return net


@pytest.fixture(scope="session")
def people_net() -> LogoCapNet:
    """A LOGO-CAP net of random weights, which finds up to six people everywhere."""
    keras.utils.set_random_seed(0)
    return tiny_logocap()


@pytest.fixture(scope="session")
def toy_net() -> ToyLifter:
    """The lifter of `tests.toy_adapter`."""
    return make_toy_lifter(get_skeleton("h36m16"))


def adapting_lifter(
    net: LiftingNet, online: bool = False, name: str = "toy"
) -> ExportedModel:
    """A lifter that `ToyAdapter` adapts: `lift` and `adapt_and_lift`."""
    pixels = Pixels(net.skeleton, net.skeleton)
    return with_adaptation(
        lifter_model(net, name=name),
        ToyAdapter(net, online),
        net.variables,
        prepare=pixels.prepare,
        finish=pixels.finish,
    )


@pytest.fixture(scope="session")
def toy_model(toy_net) -> ExportedModel:
    """`toy_net` with an episodic adapter."""
    return adapting_lifter(toy_net)


@pytest.fixture(scope="session")
def toy_file(toy_model) -> bytes:
    """`toy_model` as a `.tflite` file in float."""
    return convert(toy_model)


@pytest.fixture(scope="session")
def online_model(toy_net) -> ExportedModel:
    """`toy_net` with an online adapter."""
    return adapting_lifter(toy_net, online=True)


@pytest.fixture(scope="session")
def saved_models(
    tmp_path_factory, lifter_net, tiny_net, people_net, toy_model, online_model
) -> Path:
    """Folder with SavedModels: a lifter (measured), a pose net, LOGO-CAP, toys."""
    folder = tmp_path_factory.mktemp("served") / "models"
    write_saved_model(lifter_model(lifter_net), folder / "lifter")
    pose = photo_pose_model(tiny_net, flip_test=False)
    crowd = photo_people_model(people_net, (64, 128), slots=4, flip_test=False)
    for name, model in (
        ("pose", pose),
        ("crowd", crowd),
        ("toy", toy_model),
        ("online", online_model),
    ):
        write_saved_model(model, folder / name, measure=False)
    return folder


@pytest.fixture(scope="session")
def mocap_folder(shared_data, tmp_path_factory) -> Path:
    """One real clip of one person: squats, of HDM05."""
    mocap, folder = shared_data / "mocap" / "hdm05", tmp_path_factory.mktemp("mocap")
    for name in ("bd/HDM_bd.asf", "bd/HDM_bd_squat1Reps_001_120.amc"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes((mocap / name).read_bytes())
    return folder


def dots_picture(points: np.ndarray, size=DOTS_SIZE, radius: float = 8) -> np.ndarray:
    """uint8 `[H, W, 3]` with a soft red, a green and a blue dot at `[3, 2]` (x, y)."""
    y, x = np.mgrid[: size[0], : size[1]]
    channels = [
        np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * radius**2)) for px, py in points
    ]
    return (255 * np.stack(channels, -1)).round().astype(np.uint8)


def dots_pictures(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Pictures uint8 `[N, H, W, 3]` and where their dots are `[N, 3, 2]`."""
    rng = np.random.default_rng(seed)
    height, width = DOTS_SIZE
    points = rng.uniform([8, 8], [width - 9, height - 9], (count, 3, 2))
    return np.stack([dots_picture(places) for places in points]), points


@pytest.fixture(scope="session")
def litertjs() -> str:
    """Folder that npm installed LiteRT.js into."""
    folder = os.environ.get("TFPOSE_LITERTJS") or str(ROOT / "runs" / "litertjs")
    if not Path(folder, "node_modules", "@litertjs", "core").is_dir():
        pytest.skip(
            f"LiteRT.js is not in {folder}: npm install --prefix {folder} {LITERTJS} "
            "(or set TFPOSE_LITERTJS)"
        )
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's path."""
    program = find_chromium()
    if program is None:
        pytest.skip("Chromium is not there: apt-get install chromium")
    return program


@pytest.fixture(scope="session")
def browser(chromium, tmp_path_factory):
    options = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    with open_chromium(chromium, tmp_path_factory.mktemp("chromium"), *options) as it:
        yield it
