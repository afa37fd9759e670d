"""The official PyTorch HRNet, from a checkout of its repository, for comparison.

Needs a checkout of github.com/leoxiaobin/deep-high-resolution-net.pytorch and
`pip install .[peers]` (we used the CPU build of torch 2.13.0). Other modules that its
data set class imports but does not use here, such as a compiled NMS, are empty.
"""

import importlib.util
import pathlib
from typing import Any

import numpy as np

from benchmarks.peers import import_alone
from tfpose.errors import InputError

__all__ = ["peer_config", "peer_data_set", "peer_loss", "peer_net"]

_EXPERIMENT = "experiments/coco/hrnet/w32_256x192_adam_lr1e-3.yaml"
_COMPILED = {"nms.cpu_nms": {"cpu_nms": None}, "nms.gpu_nms": {"gpu_nms": None}}


def _library(peer_dir: str) -> pathlib.Path:
    library = pathlib.Path(peer_dir) / "lib"
    if not (library / "models" / "pose_hrnet.py").is_file():
        raise InputError(
            f"{peer_dir}: expected a checkout of deep-high-resolution-net.pytorch"
        )
    if importlib.util.find_spec("torch") is None:
        raise InputError("torch is not installed: pip install .[peers]")
    return library


def peer_config(peer_dir: str) -> Any:
    """Official settings of HRNet-W32 at 256 x 192 on COCO, without ImageNet weights.

    Raises:
        InputError: there is no such checkout, or torch is not installed.
    """
    with import_alone(_library(peer_dir), ["config.default"]) as (config,):
        settings = config._C.clone()
    settings.defrost()
    settings.merge_from_file(str(pathlib.Path(peer_dir) / _EXPERIMENT))
    settings.MODEL.INIT_WEIGHTS = False
    return settings


def peer_net(peer_dir: str) -> Any:
    """HRNet-W32 with 17 outputs and random weights, a `torch.nn.Module`."""
    settings = peer_config(peer_dir)
    with import_alone(_library(peer_dir), ["models.pose_hrnet"]) as (models,):
        return models.get_pose_net(settings, is_train=False)


def peer_loss(peer_dir: str) -> Any:
    """The official training loss: (heatmaps, targets, weights) -> scalar."""
    with import_alone(_library(peer_dir), ["core.loss"]) as (losses,):
        return losses.JointsMSELoss(use_target_weight=True)


def peer_data_set(peer_dir: str, coco_dir: str) -> Any:
    """The official data set on a folder in COCO's layout, with augmentation.

    Torchvision's `transforms.ToTensor` and `transforms.Normalize`, which its training
    uses, are replaced by the same operations of torch.
    """
    import torch

    settings = peer_config(peer_dir)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    deviation = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)

    def transform(image: np.ndarray):
        pixels = torch.from_numpy(image.transpose(2, 0, 1)).contiguous()
        return pixels.to(torch.float32).div(255).sub_(mean).div_(deviation)

    with import_alone(_library(peer_dir), ["dataset.coco"], _COMPILED) as (coco,):
        return coco.COCODataset(settings, coco_dir, "train2017", True, transform)
