"""The originals' own nets, built by their code from checkouts (see `tests.peers`)."""

import ast
import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.peers import import_alone, peer_folder

__all__ = ["build_mmpose", "build_original", "draw", "perturb"]

# Their settings files for COCO at 256x192; joints and sizes are set from here.
_SETTINGS = {
    "hrnet_w32": ("hrnet", "coco/hrnet/w32_256x192_adam_lr1e-3"),
    "hrnet_w48": ("hrnet", "coco/hrnet/w48_256x192_adam_lr1e-3"),
    **{
        f"resnet{depth}": (
            "simple_baseline",
            f"coco/resnet{depth}/256x192_d256x3_adam_lr1e-3",
        )
        for depth in (50, 101, 152)
    },
    **{
        f"tokenpose_{kind}": ("tokenpose", f"coco/tokenpose/tokenpose_{file}")
        for kind, file in {
            "t": "t_256_192_patch1612_dim192_depth12_heads16",
            "s_v1": "s_v1_256_192_patch43_dim192_depth12_heads8",
            "s_v2": "s_v2_256_192_patch22_dim192_depth12_heads8",
            "b": "b_256_192_patch43_dim192_depth12_heads8",
            "l_d6": "L_D24_256_192_patch43_dim192_depth24_heads12",
            "l_d24": "L_D24_256_192_patch43_dim192_depth24_heads12",
        }.items()
    },
}

# TokenPose names a function that it takes from a package of many models.
_TIMM = ("timm", "timm.models", "timm.models.layers")

_MMPOSE_SETTINGS = {
    "hrnet_w32": "td-hm_hrnet-w32_8xb64-210e_coco-256x192",
    "hrnet_w48": "td-hm_hrnet-w48_8xb32-210e_coco-256x192",
    "resnet50": "td-hm_res50_8xb64-210e_coco-256x192",
    "resnet101": "td-hm_res101_8xb64-210e_coco-256x192",
    "resnet152": "td-hm_res152_8xb32-210e_coco-256x192",
}


class Settings(dict):
    """A dict whose keys are attributes too, as the originals want theirs."""

    __getattr__ = dict.__getitem__

    @classmethod
    def of(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return cls({key: cls.of(part) for key, part in value.items()})
        return value


def build_original(
    net: str,
    joints: int,
    size: tuple[int, int],
    patch: tuple[int, int] | None = None,
) -> Any:
    """HRNet's, SimpleBaseline's or TokenPose's own net, a `torch.nn.Module`.

    Args:
        net: our name of it.
        joints: heatmaps.
        size: (height, width) of its input.
        patch: (height, width) of TokenPose's patches; None for the settings' own.
    """
    peer, name = _SETTINGS[net]
    folder = peer_folder(peer)
    yaml = pytest.importorskip("yaml", reason="the originals' settings are YAML")
    text = (folder / "experiments" / f"{name}.yaml").read_text()
    settings = Settings.of(yaml.safe_load(text))
    model = settings.MODEL
    model.update(NUM_JOINTS=joints, STYLE="pytorch", IMAGE_SIZE=list(size[::-1]))
    model["HEATMAP_SIZE"] = [size[1] // 4, size[0] // 4]
    model.setdefault("BASE_CHANNEL", 32)
    if patch is not None:
        model["PATCH_SIZE"] = list(patch[::-1])
    if net == "tokenpose_l_d6":  # Their settings of it are MPII's.
        model.update(TRANSFORMER_DEPTH=2, TRANSFORMER_HEADS=8)
    torch = pytest.importorskip("torch")
    absent: dict[str, dict[str, Any]] = {name: {} for name in _TIMM}
    absent["timm.models.layers.weight_init"] = {
        "trunc_normal_": torch.nn.init.trunc_normal_
    }
    names = [f"models.{model.NAME}"]
    with (
        import_alone(folder / "lib", names, absent) as (code,),
        contextlib.redirect_stdout(None),
    ):
        return code.get_pose_net(settings, is_train=False).eval()


def build_mmpose(net: str) -> Any:
    """MMPose's own backbone and head, as its detector names them."""
    folder = peer_folder("mmpose")
    torch = pytest.importorskip("torch")

    path = folder / "configs/body_2d_keypoint/topdown_heatmap/coco"
    backbone, head = _mmpose_settings(path / f"{_MMPOSE_SETTINGS[net]}.py")
    names = [
        "mmpose.models.backbones.hrnet",
        "mmpose.models.backbones.resnet",
        "mmpose.models.heads.heatmap_heads.heatmap_head",
    ]
    with import_alone(folder, names, _mmpose_needs()) as (hrnet, resnet, heads):
        module = torch.nn.Module()
        kind = backbone.pop("type")
        module.backbone = getattr(hrnet if kind == "HRNet" else resnet, kind)(
            **backbone
        )
        head = {**head, "decoder": None}
        module.head = getattr(heads, head.pop("type"))(**head)
        module.forward = lambda images: module.head(module.backbone(images))
    return module.eval()


def _mmpose_settings(path: Path) -> tuple[dict, dict]:
    """Settings of backbone and head in a file of assignments."""
    wanted = [
        node
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Assign) and node.targets[0].id in ("codec", "model")
    ]
    values: dict[str, Any] = {"dict": dict, "__builtins__": {}}
    exec(compile(ast.Module(wanted, []), str(path), "exec"), values)
    model = values["model"]
    model["backbone"].pop("init_cfg")
    return model["backbone"], model["head"]


def _mmpose_needs() -> dict[str, dict[str, Any]]:
    """What MMPose's nets take from packages that are large or absent."""
    torch = pytest.importorskip("torch")
    nn = torch.nn

    class BaseModule(nn.Module):
        def __init__(self, init_cfg: Any = None) -> None:
            super().__init__()

    class Registry:
        def register_module(self) -> Any:
            return lambda kind: kind

        def build(self, config: Any) -> Any:
            return nn.Identity()

    def conv(config: Any, *arguments: Any, **keywords: Any) -> nn.Module:
        extra = {k: v for k, v in (config or {}).items() if k != "type"}
        return nn.Conv2d(*arguments, **keywords, **extra)

    def norm(config: Any, count: int, postfix: Any = "") -> tuple[str, nn.Module]:
        return f"bn{postfix}", nn.BatchNorm2d(count)

    def upsample(config: Any) -> nn.Module:
        config = {k: v for k, v in config.items() if k != "type"}
        return nn.ConvTranspose2d(**config)

    batch_norm = nn.modules.batchnorm._BatchNorm
    cnn = {"build_conv_layer": conv, "build_norm_layer": norm, "ConvModule": None}
    registry = Registry()
    types = ("ConfigType", "Features", "OptConfigType", "OptSampleList", "Predictions")
    return {
        "mmcv": {},
        "mmcv.cnn": cnn | {"build_upsample_layer": upsample},
        "mmengine": {},
        "mmengine.model": {"BaseModule": BaseModule, "constant_init": None},
        "mmengine.structures": {"PixelData": Any, "InstanceData": Any},
        "mmengine.utils": {},
        "mmengine.utils.dl_utils": {},
        "mmengine.utils.dl_utils.parrots_wrapper": {"_BatchNorm": batch_norm},
        "mmpose.registry": {"MODELS": registry, "KEYPOINT_CODECS": registry},
        "mmpose.evaluation": {},
        "mmpose.evaluation.functional": {"pose_pck_accuracy": None},
        "mmpose.models.utils": {},
        "mmpose.models.utils.tta": {"flip_heatmaps": None},
        "mmpose.utils": {},
        "mmpose.utils.tensor_utils": {"to_numpy": None},
        "mmpose.utils.typing": {
            **dict.fromkeys(types, torch.Tensor),
            "InstanceList": list,
        },
    }


def perturb(net: Any, images: np.ndarray, seed: int = 0) -> None:
    """Random weights that no initialiser gives, batch statistics included.

    The statistics are near those of `images`, so that activations stay of a size.
    """
    torch = pytest.importorskip("torch")

    # Its threads wait for each other in a loop, which costs most where cores are few.
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(seed)
    norms = [m for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if name.endswith(("num_batches_tracked", "pos_embedding")):
                continue
            if tensor.ndim > 1:
                fan_in = tensor[0].numel()
                tensor.normal_(0, fan_in**-0.5, generator=generator)
            elif name.endswith("bias"):
                tensor.normal_(0, 0.2, generator=generator)
            elif not name.endswith("running_mean"):
                tensor.uniform_(0.5, 1.5, generator=generator)
        for norm in norms:
            norm.momentum = 1
        net.train()
        draw(net, images)
        net.eval()
        for norm in norms:
            mean, variance = norm.running_mean, norm.running_var
            noise = torch.randn(mean.shape, generator=generator)
            mean += 0.2 * noise * variance.sqrt()
            variance *= torch.empty_like(mean).uniform_(0.5, 1.5, generator=generator)
            variance += 1e-3


def draw(net: Any, images: np.ndarray, bgr: bool = False) -> np.ndarray:
    """Heatmaps `[B, h, w, J]` by an original of RGB pixels 0..255 `[B, H, W, 3]`.

    Args:
        net: a `torch.nn.Module`.
        images: float32 or uint8.
        bgr: hand on blue first, less the statistics of red, as SimpleBaseline does.
    """
    torch = pytest.importorskip("torch")

    mean = np.float32([0.485, 0.456, 0.406])
    std = np.float32([0.229, 0.224, 0.225])
    pixels = images[..., ::-1] if bgr else images
    normal = (pixels.astype(np.float32) / 255 - mean) / std
    with torch.no_grad(), contextlib.redirect_stdout(None):
        drawn = net(torch.from_numpy(normal.transpose(0, 3, 1, 2).copy()))
    return drawn.numpy().transpose(0, 2, 3, 1)
