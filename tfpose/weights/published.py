"""Published weights by name: downloaded once, checked, imported and kept."""

import dataclasses
import difflib
import hashlib
import os
import pathlib
import re
import socket
import tempfile
import urllib.parse
import zipfile
from collections.abc import Callable

import keras

from tfpose.errors import InputError
from tfpose.weights.official import import_weights
from tfpose.weights.presets import PRESETS, Preset, build_preset
from tfpose.weights.shipped import SHIPPED

__all__ = ["PUBLISHED", "Published", "cache_folder", "local_model"]

_MMPOSE = "https://download.openmmlab.com/mmpose/"
# Seconds without a byte after which a download is given up.
_PATIENCE = 30.0


@dataclasses.dataclass(frozen=True)
class Published:
    """A checkpoint that can be downloaded from its authors.

    Attributes:
        preset: the net, a name in `tfpose.weights.presets.PRESETS`.
        protocol: how it is used, see `tfpose.weights.official.PROTOCOLS`.
        address: where its authors have it; the file's name holds the first eight digits
            of its SHA-256.
        accuracy: percent, as they publish it: COCO's AP on val2017 with a detector's
            boxes (AP 56.4 for people), or MPII's PCKh@0.5 on its validation people;
            with the flip test.
    """

    preset: str
    protocol: str
    address: str
    accuracy: float

    @property
    def name(self) -> str:
        """The name to ask for it by."""
        return f"{self.protocol}_{self.preset}"

    @property
    def net(self) -> Preset:
        """The preset itself."""
        return PRESETS[self.preset]

    @property
    def digest(self) -> str:
        """The first eight digits of the file's SHA-256."""
        found = re.search(r"-([0-9a-f]{8})_\d{8}\.pth$", self.address)
        assert found, self.address
        return found.group(1)

    @property
    def megabytes(self) -> float:
        """About the size of the download, 10**6 bytes: four for each parameter."""
        return self.net.parameters * 4 / 1e6

    @property
    def licence(self) -> str:
        """The licence under which MMPose publishes code and weights."""
        return "Apache-2.0"


def _mmpose(protocol: str, folder: str, rows: str) -> list[Published]:
    return [
        Published(preset, protocol, f"{_MMPOSE}{folder}{file}.pth", float(accuracy))
        for preset, accuracy, file in map(str.split, rows.strip().splitlines())
    ]


_COCO = "v1/body_2d_keypoint/topdown_heatmap/coco/td-hm_"
# Addresses and accuracies are of the tables beside MMPose's configurations. Its row of
# ResNet-101 at 384x288 links to the file for 256x192, so that one is not here.
PUBLISHED: dict[str, Published] = {
    published.name: published
    for published in [
        *_mmpose(
            "mmpose",
            _COCO,
            """
hrnet_w32_coco_256x192 74.9 hrnet-w32_8xb64-210e_coco-256x192-81c58e40_20220909
hrnet_w32_coco_384x288 76.1 hrnet-w32_8xb64-210e_coco-384x288-ca5956af_20220909
hrnet_w48_coco_256x192 75.6 hrnet-w48_8xb32-210e_coco-256x192-0e67c616_20220913
hrnet_w48_coco_384x288 76.7 hrnet-w48_8xb32-210e_coco-384x288-c161b7de_20220915
resnet50_coco_256x192 71.8 res50_8xb64-210e_coco-256x192-04af38ce_20220923
resnet50_coco_384x288 73.1 res50_8xb64-210e_coco-384x288-7b8db90e_20220923
resnet101_coco_256x192 72.8 res101_8xb64-210e_coco-256x192-065d3625_20220926
resnet152_coco_256x192 73.6 res152_8xb32-210e_coco-256x192-0345f330_20220928
resnet152_coco_384x288 75.0 res152_8xb32-210e_coco-384x288-7fbb906f_20220927
""",
        ),
        *_mmpose(
            "mmpose_dark",
            _COCO,
            """
hrnet_w32_coco_256x192 75.7 hrnet-w32_dark-8xb64-210e_coco-256x192-0e00bf12_20220914
hrnet_w32_coco_384x288 76.6 hrnet-w32_dark-8xb64-210e_coco-384x288-9bab4c9b_20220917
hrnet_w48_coco_256x192 76.4 hrnet-w48_dark-8xb32-210e_coco-256x192-e1ebdd6f_20220913
hrnet_w48_coco_384x288 77.2 hrnet-w48_dark-8xb32-210e_coco-384x288-39c3c381_20220916
resnet50_coco_256x192 72.4 res50_dark-8xb64-210e_coco-256x192-c129dcb6_20220926
resnet50_coco_384x288 73.5 res50_dark-8xb64-210e_coco-384x288-8b90b538_20220926
resnet101_coco_256x192 73.3 res101_dark-8xb64-210e_coco-256x192-528ec248_20220926
resnet101_coco_384x288 74.9 res101_dark-8xb64-210e_coco-384x288-487d40a4_20220926
resnet152_coco_256x192 74.3 res152_dark-8xb32-210e_coco-256x192-f754df5f_20221031
resnet152_coco_384x288 75.5 res152_dark-8xb32-210e_coco-384x288-329f8454_20221031
""",
        ),
        *_mmpose(
            "mmpose_udp",
            _COCO,
            """
hrnet_w32_coco_256x192 76.2 hrnet-w32_udp-8xb64-210e_coco-256x192-73ede547_20220914
hrnet_w32_coco_384x288 76.8 hrnet-w32_udp-8xb64-210e_coco-384x288-9a3f7c85_20220914
hrnet_w48_coco_256x192 76.8 hrnet-w48_udp-8xb32-210e_coco-256x192-3feaef8f_20220913
hrnet_w48_coco_384x288 77.3 hrnet-w48_udp-8xb32-210e_coco-384x288-70d7ab01_20220913
""",
        ),
        *_mmpose(
            "mmpose",
            "top_down/",
            """
hrnet_w32_mpii_256x256 90.0 hrnet/hrnet_w32_mpii_256x256-6c4f923f_20200812
hrnet_w48_mpii_256x256 90.1 hrnet/hrnet_w48_mpii_256x256-92cab7bd_20200812
resnet50_mpii_256x256 88.2 resnet/res50_mpii_256x256-418ffc88_20200812
resnet101_mpii_256x256 88.8 resnet/res101_mpii_256x256-416f5d71_20200812
resnet152_mpii_256x256 88.9 resnet/res152_mpii_256x256-3ecba29d_20200812
""",
        ),
        *_mmpose(
            "mmpose_dark",
            "top_down/",
            """
hrnet_w32_mpii_256x256 90.4 hrnet/hrnet_w32_mpii_256x256_dark-f1601c5b_20200927
hrnet_w48_mpii_256x256 90.5 hrnet/hrnet_w48_mpii_256x256_dark-0decd39f_20200927
""",
        ),
    ]
}
"""Checkpoints that are downloaded when a model is asked for by their name."""


def local_model(model: str) -> pathlib.Path:
    """The file of a model that is given as a file, a name or an address.

    What is downloaded is kept in `cache_folder` and used from there ever after.

    Args:
        model: a `.keras` file, a name in `PUBLISHED` or `SHIPPED`, or an http(s)
            address of a `.keras` file.

    Raises:
        InputError: no such file or name; the download fails, stops for half a minute or
            is not what was published; the cache cannot be written.
    """
    if model in SHIPPED and not os.path.exists(model):
        return SHIPPED[model]
    if model in PUBLISHED and not os.path.exists(model):
        published = PUBLISHED[model]
        kept = f"{model}-{published.digest}.keras"
        return _cached(kept, lambda folder: _import(published, folder))
    if re.match("https?://", model):
        name = _file_name(model)
        if name.suffix != ".keras":
            raise InputError(
                f"{model}: expected the address of a .keras file; a published "
                "checkpoint becomes one by `python -m tfpose import_weights`"
            )
        digest = hashlib.sha256(model.encode()).hexdigest()[:8]
        kept = f"{name.stem}-{digest}.keras"
        return _cached(kept, lambda folder: _keras_file(model, folder))
    if os.path.isfile(model):
        return pathlib.Path(model)
    names = [*SHIPPED, *PUBLISHED]
    near = difflib.get_close_matches(model, names, n=3, cutoff=0.8)
    hint = f"; near it are {', '.join(near)}" if near else ""
    raise InputError(
        f"{model}: no such file, expected a .keras model, its address, or a name that "
        f"`python -m tfpose presets` lists{hint}"
    )


def cache_folder() -> pathlib.Path:
    """Where downloaded models are kept: `~/.keras/tfpose`; `KERAS_HOME` moves it."""
    home = os.environ.get("KERAS_HOME", "~/.keras")
    return pathlib.Path(os.path.expanduser(home)) / "tfpose"


def _file_name(address: str) -> pathlib.PurePosixPath:
    """The name of the file at an address."""
    try:
        path = urllib.parse.unquote(urllib.parse.urlsplit(address).path)
    except ValueError as error:
        raise InputError(f"{address}: no address: {error}") from None
    return pathlib.PurePosixPath(path.rpartition("/")[2])


def _cached(name: str, make: Callable[[pathlib.Path], pathlib.Path]) -> pathlib.Path:
    """The file of that name in the cache, made in a folder aside if it is not there."""
    kept = cache_folder() / name
    if kept.is_file():
        return kept
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as aside:
            os.replace(make(pathlib.Path(aside)), kept)
    except OSError as error:
        raise InputError(
            f"{kept}: cannot be written: {error.strerror or error}; the environment "
            "variable KERAS_HOME names another folder"
        ) from None
    return kept


def _import(published: Published, folder: pathlib.Path) -> pathlib.Path:
    checkpoint = _download(published.address, folder)
    with open(checkpoint, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not digest.startswith(published.digest):
        raise InputError(
            f"{published.address}: not what was published: expected a SHA-256 that "
            f"begins with {published.digest}, got {digest[:8]}; try again, or import a "
            "file that you trust by `python -m tfpose import_weights`"
        )
    net = build_preset(published.preset)
    done = import_weights(checkpoint, net, protocol=published.protocol)
    target = folder / "net.keras"
    done.model.save(target)
    return target


def _keras_file(address: str, folder: pathlib.Path) -> pathlib.Path:
    path = _download(address, folder)
    if not zipfile.is_zipfile(path):
        raise InputError(f"{address}: expected a .keras model, got something else")
    return path


def _download(address: str, folder: pathlib.Path) -> pathlib.Path:
    name = str(_file_name(address))
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_PATIENCE)
    try:
        path = keras.utils.get_file(
            name, address, cache_dir=folder, cache_subdir="", force_download=True
        )
    # Keras raises a bare Exception for what the server or the network did.
    except Exception as error:
        reason = str(error).rpartition(" -- ")[2] or type(error).__name__
        if isinstance(error, TimeoutError):
            reason = f"nothing came for {_PATIENCE:g} seconds"
        raise InputError(
            f"{address}: cannot be downloaded: {reason} (this needs a network once; "
            f"the model is then kept in {cache_folder()})"
        ) from None
    finally:
        socket.setdefaulttimeout(before)
    return pathlib.Path(path)
