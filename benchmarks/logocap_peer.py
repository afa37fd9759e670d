"""The official PyTorch LOGO-CAP, from a checkout of its repository, for comparison.

Needs a checkout of github.com/cherubicXN/logocap and `pip install .[peers]`. Its code
asks for a GPU by name; here its tensors are made on the CPU.
"""

import importlib.util
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.peers import import_alone
from benchmarks.random_weights import disturb_norms, randomise
from tfpose.errors import InputError

__all__ = ["Peer"]

_NAMES = (
    "logocap.config.default",
    "logocap.dataset.constants",
    "logocap.models.backbone",
    "logocap.models.decoder",
    "logocap.models.model",
    "logocap.inference",
    "logocap.utils.transforms",
)
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_OF_DEVICES = ("arange", "linspace", "tensor", "zeros")
# Share of the largest value by which values must differ to be told apart.
_TIE = 4e-5
# Slots that are filled, of 30, with random weights.
_PEOPLE = 18


class Peer:
    """The official net with random weights, as its test program uses it.

    Args:
        peer_dir: the checkout.
        width: of HRNet, 32 or 48.
        mirrored: of each joint the one that mirrors it.
        threads: PyTorch's.

    Raises:
        InputError: there is no such checkout, or torch is not installed.
    """

    def __init__(
        self, peer_dir: str, width: int, mirrored: tuple[int, ...], threads: int
    ) -> None:
        folder = pathlib.Path(peer_dir)
        if not (folder / "logocap" / "models" / "decoder.py").is_file():
            raise InputError(f"{peer_dir}: expected a checkout of cherubicXN/logocap")
        if importlib.util.find_spec("torch") is None:
            raise InputError("torch is not installed: pip install .[peers]")
        import torch

        torch.set_num_threads(threads)
        torch.cuda.synchronize = lambda: None
        self._torch = torch
        flips = {"COCO": mirrored, "COCO_WITH_CENTER": (*mirrored, len(mirrored))}
        absent: dict[str, dict[str, Any]] = {
            "logocap.dataset.transforms": {
                "FLIP_CONFIG": {name: list(flip) for name, flip in flips.items()}
            },
            "matplotlib": {},
            "matplotlib.pyplot": {},
        }
        with import_alone(folder, _NAMES, absent) as modules:
            config, _, backbone, decoder, model, inference, self._transforms = modules
            settings = config._C.clone()
            settings.merge_from_file(
                str(folder / f"experiments/logocap-hrnet-w{width}-coco.yaml")
            )
            settings.DATASET.NUM_JOINTS = len(mirrored) + 1
            decoder.torch = model.torch = _OnCPU(torch)
            self._seen: dict[str, Any] = {}
            model.F = _Recorder(torch.nn.functional, self._seen)
            net = backbone.get_backbone(settings, False)
            self.net = model.Model(settings, net).eval()
            self._shell = inference.LogoCapInference(settings)
        self.net.joints_mlp.register_forward_hook(self._hook("features", "attraction"))
        self.net.transition_embedding.register_forward_hook(self._hook("", "embedding"))

    def _hook(self, before: str, after: str) -> Callable:
        def record(_: Any, inputs: tuple, output: Any) -> None:
            self._seen |= {before: inputs[0], after: output}

        return record

    def perturb(self, image: np.ndarray) -> None:
        """Random weights and statistics that no initialiser gives.

        Statistics are near those of the picture, so that values keep their size, and
        the centres' bias is such that some of the slots are filled.
        """
        torch, net = self._torch, self.net
        generator = randomise(torch, net, fixed=("weight_", "bias_"))
        with torch.no_grad():
            # Poses of some size, some of which reach out of the picture.
            net.final_layer_reg.weight *= 8
        disturb_norms(torch, net, generator, lambda: self.forward(image))
        with torch.no_grad():
            heights = self.forward(image)[0]["centers"][:, -1]
            net.final_layer_cls.bias[-1] -= heights.sort(descending=True)[0][_PEOPLE]

    def save(self, path: str) -> None:
        """Writes the weights as the official programs do."""
        self._torch.save(self.net.state_dict(), path)

    def forward(self, image: np.ndarray, level: str = "full") -> tuple[dict, Any]:
        """The official outputs of a picture uint8 `[h, w, 3]`, and how it was placed.

        Args:
            image: at its final size, multiples of 64.
            level: `none`, `partial` or `full`.
        """
        torch = self._torch
        pixels = (np.float32(image) / 255 - np.float32(_MEAN)) / np.float32(_STD)
        tensor = torch.from_numpy(pixels.transpose(2, 0, 1)[None].copy())
        self.net.adaptation_level_test = level
        with torch.no_grad():
            return self.net(tensor)

    def maps(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Everything between pixels and poses, of the filled slots, by our names."""
        outputs, _ = self.forward(image)
        seen = {name: value.numpy() for name, value in self._seen.items()}
        count = len(outputs["poses"])
        joints = self.net.num_joints
        side = seen["attraction"].shape[-1]
        sampled = seen["features"].reshape(count, joints, -1, side, side)
        size = count, joints, *seen["windows"].shape[2:]
        return {
            "heatmaps, upsampled": _last(outputs["heatmaps"].numpy())[0],
            "offsets": _last(outputs["offsets"].numpy())[0],
            "embedding": _last(seen["embedding"])[0],
            "centres": outputs["centers"].numpy(),
            "start poses": outputs["allposes"][:, side // 2, side // 2].numpy(),
            "local expansion": outputs["allposes"].numpy(),
            "local features": sampled.transpose(0, 3, 4, 1, 2),
            "attraction": _last(seen["attraction"]),
            "global expansion": seen["windows"].reshape(size),
            "refined heatmaps": seen["refined"].reshape(size),
        }

    def poses(self, image: np.ndarray, level: str) -> np.ndarray:
        """Poses before suppression, in input pixels, as of `unsuppressed`."""
        outputs, _ = self.forward(image, level)
        return self._with_certainty(outputs, outputs["poses"].numpy(), level)

    def _with_certainty(
        self, outputs: dict[str, Any], poses: np.ndarray, level: str
    ) -> np.ndarray:
        certain = poses[..., 2] > 0
        if level == "full":
            maps = self._seen["refined"].reshape(-1, self.net.num_joints, 97 * 97)
            first, second, third = self._torch.moveaxis(maps.topk(3)[0], -1, 0)
            heights = (0.75 * first + 0.25 * second) * outputs["centers"][:, 2:]
            left = heights.mean(dim=-1) > 0
            gap = self._torch.minimum(first - second, second - third)
            certain &= (gap > _TIE * maps.max())[left].numpy()
        return np.concatenate([poses, certain[..., None]], axis=-1)

    def place(self, photo: np.ndarray, short_side: int) -> tuple:
        """The official input of a photo, and centre and scale of its placement."""
        return self._transforms.resize(photo, short_side)

    def people(self, photo: np.ndarray, short_side: int) -> np.ndarray:
        """People `[P, J, 3]` of a photo, in its pixels."""
        image, outputs, centre, scale = self._look(photo, short_side)
        placed = {"center": centre, "scale": scale}
        tensor = self._torch.empty(1, 3, *image.shape[:2])
        return self._shell(tensor, None, outputs, placed)[0]

    def unsuppressed(self, photo: np.ndarray, short_side: int) -> np.ndarray:
        """People of a photo before suppression, `[P, J, 4]`.

        The last column is 1 where the joint's place is certain: its score is above 0,
        and its refined heatmap has no other value near the highest two.
        """
        image, outputs, centre, scale = self._look(photo, short_side)
        size = image.shape[1], image.shape[0]
        poses = outputs["poses"].numpy()
        poses = self._transforms.get_final_preds([poses], centre, scale, size)
        return self._with_certainty(outputs, poses, "full")

    def _look(self, photo: np.ndarray, short_side: int) -> tuple:
        image, centre, scale = self.place(photo, short_side)
        return image, self.forward(image)[0], centre, scale


def _last(maps: np.ndarray) -> np.ndarray:
    """Channels last."""
    return np.moveaxis(maps, 1, -1)


class _OnCPU:
    """PyTorch without devices."""

    def __init__(self, torch: Any) -> None:
        self._torch = torch

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._torch, name)
        if name not in _OF_DEVICES:
            return function
        return lambda *args, device=None, **options: function(*args, **options)


class _Recorder:
    """PyTorch's functions; what the one dynamic convolution takes and gives is kept."""

    def __init__(self, functional: Any, seen: dict[str, Any]) -> None:
        self._functional, self._seen = functional, seen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._functional, name)

    def conv2d(self, windows: Any, kernels: Any, **options: Any) -> Any:
        refined = self._functional.conv2d(windows, kernels, **options)
        self._seen |= {"windows": windows, "refined": refined}
        return refined
