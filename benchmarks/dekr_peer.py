"""The official PyTorch DEKR, from a checkout of its repository, for comparison.

Needs a checkout of github.com/HRNet/DEKR and `pip install .[peers]`. torchvision's
deformable convolution, which is all that the net needs of it, is written out here.
"""

import importlib.util
import pathlib
from typing import Any

import numpy as np

from benchmarks.peers import import_alone
from benchmarks.random_weights import disturb_norms, randomise
from tfpose.errors import InputError
from tfpose.skeletons import Skeleton

__all__ = ["Peer"]

_NAMES = (
    "config.default",
    "core.inference",
    "core.nms",
    "models.hrnet_dekr",
    "models.predictOKS",
    "utils.rescore",
    "utils.transforms",
)
_FILES = {
    "coco17": ("coco", "w{0}_4x_reg03_bs{1}_{2}_adam_lr1e-3_coco_x140.yaml"),
    "crowdpose14": (
        "crowdpose",
        "w{0}_4x_reg03_bs{1}_{2}_adam_lr1e-3_crowdpose_x300.yaml",
    ),
}
_SIZES = {32: (10, 512), 48: (5, 640)}
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Slots that are filled, of 30, with random weights.
_PEOPLE = 18
# Cells from a centre to a joint, at most, but for what pictures add.
_REACH = 60.0
# Pixels from a whole one within which a joint may be in the next on the other side.
_NEAR_WHOLE = 1e-3


class Peer:
    """The official net with random weights, as its test program uses it.

    Args:
        peer_dir: the checkout.
        width: of HRNet, 32 or 48.
        skeleton: COCO's or CrowdPose's joints.
        threads: PyTorch's.

    Raises:
        InputError: there is no such checkout, or torch is not installed.
    """

    def __init__(
        self, peer_dir: str, width: int, skeleton: Skeleton, threads: int
    ) -> None:
        folder = pathlib.Path(peer_dir)
        if not (folder / "lib" / "models" / "hrnet_dekr.py").is_file():
            raise InputError(f"{peer_dir}: expected a checkout of HRNet/DEKR")
        if importlib.util.find_spec("torch") is None:
            raise InputError("torch is not installed: pip install .[peers]")
        import torch

        torch.set_num_threads(threads)
        self._torch = torch
        flip = list(skeleton.flip_permutation)
        with_centre = [*flip, len(flip)]
        flips = {"COCO": flip, "COCO_WITH_CENTER": with_centre}
        flips |= {"CROWDPOSE": flip, "CROWDPOSE_WITH_CENTER": with_centre}
        absent: dict[str, dict[str, Any]] = {
            "dataset": {},
            "dataset.transforms": {"FLIP_CONFIG": flips},
            "torchvision": {},
            "torchvision.ops": {"DeformConv2d": _deformable(torch)},
            # Of its training.
            "crowdposetools": {},
            "crowdposetools.cocoeval": {"COCOeval": object},
            "pycocotools": {},
            "pycocotools.cocoeval": {"COCOeval": object},
        }
        with import_alone(folder / "lib", _NAMES, absent) as modules:
            config, self._inference, self._nms, model, scorer, rescore, transforms = (
                modules
            )
        self._transforms, self._rescore = transforms, rescore
        data, pattern = _FILES[skeleton.name]
        settings = config._C.clone()
        file = pattern.format(width, *_SIZES[width])
        settings.merge_from_file(
            str(folder / "experiments" / data / f"w{width}" / file)
        )
        self._settings = settings
        self.net = model.get_pose_net(settings, is_train=False).eval()
        links = rescore.JOINT_COCO_LINK_1
        if data == "crowdpose":
            links = rescore.JOINT_CROWDPOSE_LINK_1
        width = 3 * len(links) + len(flip)
        self.scorer = scorer.get_pose_net(settings, width, is_train=False).eval()
        randomise(torch, self.scorer)

    def perturb(self, image: np.ndarray) -> None:
        """Random weights and statistics that no initialiser gives.

        Statistics are near those of the picture, so that values keep their size, and
        the centres' bias is such that some of the slots are filled.
        """
        torch, net = self._torch, self.net
        generator = randomise(torch, net)
        with torch.no_grad():
            # Poses so alike and so large that some lie on each other.
            for head in net.offset_final_layer:
                head.weight *= 0.1
                head.bias.uniform_(-_REACH, _REACH, generator=generator)
            # A pose without a value above 0 is nobody.
            net.head_heatmap[1].bias[:-1] += 5
        tensor = self._tensor(image)
        disturb_norms(torch, net, generator, lambda: net(tensor))
        with torch.no_grad():
            heatmap = self._maps(image)[0]
            _, heights = self._centres(heatmap)
            net.head_heatmap[1].bias[-1] -= heights[_PEOPLE]

    def save(self, path: str, scorer_path: str) -> None:
        """Writes the weights of both nets as the official programs do."""
        self._torch.save(self.net.state_dict(), path)
        self._torch.save(self.scorer.state_dict(), scorer_path)

    def rescored(self, poses: np.ndarray) -> np.ndarray:
        """What the rescoring net says of poses `[P, J, 3]`, `[P]`."""
        data = self._settings.DATASET.DATASET
        with self._torch.no_grad():
            return self.scorer(self._rescore.get_feature(poses, data))[:, 0].numpy()

    def place(self, photo: np.ndarray, short_side: int) -> tuple:
        """The official input of a photo, and centre and scale of its placement."""
        return tuple(
            self._transforms.resize_align_multi_scale(photo, short_side, 1.0, 1.0)
        )

    def maps(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Everything between pixels and poses, by our names."""
        with self._torch.no_grad():
            alone = self.net(self._tensor(image))
        heatmap, posemap = self._maps(image)
        index, heights = self._centres(heatmap)
        upsampled, poses = self._aggregated(heatmap, posemap)
        values = self._nms.get_heat_value(poses[..., :2], upsampled[0])
        rows, columns = np.unravel_index(index.numpy(), heatmap.shape[-2:])
        centres = np.stack([columns, rows, heights.numpy()], axis=-1)
        return {
            "heatmaps of the picture alone": _last(alone[0])[0],
            "offsets of the picture alone": _last(alone[1])[0],
            "heatmaps": _last(heatmap)[0],
            "places that offsets name": _last(posemap)[0],
            "centres": centres,
            "start poses": poses[..., :2].numpy(),
            "values": values[..., 0].numpy(),
        }

    def centres(self, centre_map: np.ndarray) -> np.ndarray:
        """Cells (x, y) and heights of a map's `[h, w]` highest centres, `[P, 3]`."""
        tensor = self._torch.from_numpy(centre_map)[None, None]
        index, heights = self._centres(tensor)
        rows, columns = np.unravel_index(index.numpy(), centre_map.shape)
        return np.stack([columns, rows, heights.numpy()], axis=-1)

    def people(self, photo: np.ndarray, short_side: int) -> np.ndarray:
        """People of a photo, `[P, J, 4]`: x, y in its pixels, score, and whether the
        value of the joint's heatmap is certain.
        """
        image, centre, scale = self.place(photo, short_side)
        heatmap, posemap = self._maps(image)
        upsampled, poses = self._aggregated(heatmap, posemap)
        found, _ = self._nms.pose_nms(self._settings, upsampled, [poses])
        size = image.shape[1], image.shape[0]
        final = self._transforms.get_final_preds(found, centre, scale, size)
        return np.concatenate([np.array(final), _certain(found[0])[..., None]], axis=-1)

    def unsuppressed(self, photo: np.ndarray, short_side: int) -> np.ndarray:
        """As `people`, with those that lie on each other."""
        image, centre, scale = self.place(photo, short_side)
        heatmap, posemap = self._maps(image)
        upsampled, poses = self._aggregated(heatmap, posemap)
        values = self._nms.get_heat_value(poses[..., :2], upsampled[0])
        found = self._torch.cat([poses[..., :2], poses[..., 2:] * values], dim=-1)
        size = image.shape[1], image.shape[0]
        final = self._transforms.get_final_preds([found.numpy()], centre, scale, size)
        certain = _certain(found.numpy())
        return np.concatenate([np.array(final), certain[..., None]], axis=-1)

    def _tensor(self, image: np.ndarray) -> Any:
        pixels = (np.float32(image) / 255 - np.float32(_MEAN)) / np.float32(_STD)
        return self._torch.from_numpy(pixels.transpose(2, 0, 1)[None].copy())

    def _maps(self, image: np.ndarray) -> tuple[Any, Any]:
        with self._torch.no_grad():
            return self._inference.get_multi_stage_outputs(
                self._settings, self.net, self._tensor(image), True
            )

    def _centres(self, heatmap: Any) -> tuple[Any, Any]:
        return self._inference.get_maximum_from_heatmap(self._settings, heatmap[0, -1:])

    def _aggregated(self, heatmap: Any, posemap: Any) -> tuple[Any, Any]:
        upsampled, poses = self._inference.aggregate_results(
            self._settings, 0, [], heatmap, posemap, 1
        )
        return upsampled, poses[0]


def _last(maps: Any) -> np.ndarray:
    """Channels last."""
    return np.moveaxis(maps.numpy(), 1, -1)


def _certain(poses: np.ndarray) -> np.ndarray:
    """Bool `[P, J]`: whether joints are well inside of a pixel."""
    inside = np.abs(poses[..., :2] - np.round(poses[..., :2])) > _NEAR_WHOLE
    return inside.all(axis=-1)


def _deformable(torch: Any) -> type:
    """The class `DeformConv2d` of torchvision, for 3x3 kernels of one group."""

    class DeformConv2d(torch.nn.Module):
        def __init__(self, inplanes: int, outplanes: int, **options: Any) -> None:
            super().__init__()
            expected = {
                "kernel_size": 3,
                "stride": 1,
                "padding": 1,
                "dilation": 1,
                "bias": False,
                "groups": 1,
            }
            if options != expected:
                raise InputError(f"deformable convolution of {options} is not known")
            self.weight = torch.nn.Parameter(torch.zeros(outplanes, inplanes, 3, 3))

        def forward(self, x: Any, offsets: Any) -> Any:
            height, width = x.shape[2:]
            rows, columns = torch.meshgrid(
                torch.arange(height), torch.arange(width), indexing="ij"
            )
            total = 0.0
            for tap in range(9):
                y = rows + (tap // 3 - 1) + offsets[:, 2 * tap]
                x_ = columns + (tap % 3 - 1) + offsets[:, 2 * tap + 1]
                value = _bilinear(torch, x, y, x_)
                kernel = self.weight[:, :, tap // 3, tap % 3]
                total = total + torch.einsum("oi,nihw->nohw", kernel, value)
            return total

    return DeformConv2d


def _bilinear(torch: Any, maps: Any, y: Any, x: Any) -> Any:
    """Values of maps `[N, C, H, W]` at places `[N, H, W]`; outside of a map is 0."""
    count, channels, height, width = maps.shape
    total = 0.0
    for row in (torch.floor(y), torch.floor(y) + 1):
        for column in (torch.floor(x), torch.floor(x) + 1):
            weight = (1 - (y - row).abs()) * (1 - (x - column).abs())
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            index = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
            index = index.long().reshape(count, 1, -1).expand(-1, channels, -1)
            found = maps.reshape(count, channels, -1).gather(2, index)
            total = total + found.reshape(maps.shape) * (weight * inside)[:, None]
    return total
