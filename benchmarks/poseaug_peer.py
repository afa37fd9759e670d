"""The official PyTorch PoseAug, from a checkout of its repository, to measure beside.

Needs a checkout of github.com/jfzhang95/PoseAug and `pip install .[peers]`. Its own
functions run as they are, but on the CPU where they name a GPU. What else they import
is left out: pictures, TensorBoard and the progress bar do nothing here, and the
matrices of rotations, by a package that is gone, are PyTorch's.
"""

import contextlib
import importlib.util
import io
import pathlib
import sys
import types
from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.peers import import_alone
from data_pipelines.lifting.batches import LiftingEvaluation
from data_pipelines.lifting.poses import LiftingDataset
from tfpose.errors import InputError

__all__ = ["PeerPoseAug"]

_MODULES = {
    "config": "function_poseaug.config",
    "nets": "function_poseaug.model_gan_preparation",
    "update": "function_poseaug.dataloader_update",
    "gan": "function_poseaug.model_gan_train",
    "lifter": "function_poseaug.model_pos_train",
    "vpose": "models_baseline.videopose.model_VideoPose3D",
    "data": "common.data_loader",
    "pool": "utils.gan_utils",
}
_TEMPLATES = "data_extra/bone_length_npy/hm36s15678_bl_templates.npy"
_GENTLY = 0.1


class _Nothing:
    """Takes whatever is done to it, and does nothing."""

    def __init__(self, *_: Any, **__: Any):
        self.elapsed_td = self.eta_td = ""

    def add_scalar(self, *_: Any) -> None:
        """Stands for TensorBoard's writer."""

    def next(self) -> None:
        """Stands for a progress bar's."""

    def finish(self) -> None:
        """Stands for a progress bar's."""


def _on_cpu(torch: Any) -> types.ModuleType:
    """PyTorch, in which every device is the CPU."""
    module = types.ModuleType("torch")
    vars(module).update(vars(torch))
    vars(module)["device"] = lambda _: torch.device("cpu")
    return module


def _matrices(turns: Any) -> Any:
    """Rotations `[B, 3]` as matrices `[B, 4, 4]`: Rodrigues' formula, as the missing
    package has it."""
    import torch

    angle = torch.linalg.vector_norm(turns, dim=-1).clamp_min(1e-6)
    x, y, z = (turns / angle[:, None]).unbind(-1)
    cosine, sine = torch.cos(angle), torch.sin(angle)
    rest = 1 - cosine
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    rows = [
        [cosine + x * x * rest, x * y * rest - z * sine, y * sine + x * z * rest, zero],
        [z * sine + x * y * rest, cosine + y * y * rest, y * z * rest - x * sine, zero],
        [x * z * rest - y * sine, x * sine + y * z * rest, cosine + z * z * rest, zero],
        [zero, zero, zero, one],
    ]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def _load(peer_dir: str) -> types.SimpleNamespace:
    folder = pathlib.Path(peer_dir)
    if not (folder / "function_poseaug" / "model_gan_train.py").is_file():
        raise InputError(f"{peer_dir}: expected a checkout of PoseAug")
    if importlib.util.find_spec("torch") is None:
        raise InputError("torch is not installed: pip install .[peers]")
    import torch

    absent = {
        "tensorboardX": {"SummaryWriter": _Nothing},
        "progress.bar": {"Bar": _Nothing},
        "function_poseaug.poseaug_viz": {"plot_poseaug": lambda *_: None},
        "torchalignment": {"angle_axis_to_rotation_matrix": _matrices},
    }
    with import_alone(folder, list(_MODULES.values()), absent) as modules:
        for module in modules:
            if hasattr(module, "torch"):
                module.torch = _on_cpu(torch)
        return types.SimpleNamespace(**dict(zip(_MODULES, modules, strict=True)))


@contextlib.contextmanager
def _within(folder: pathlib.Path) -> Iterator[None]:
    """Their code reads a file from where it runs, and prints."""
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
        yield


class PeerPoseAug:
    """Its networks, optimisers and loaders, after the epochs of warm-up.

    Attributes:
        lifter: VPose as a `torch.nn.Module`.
    """

    def __init__(
        self,
        peer_dir: str,
        pairs: LiftingDataset,
        lengths: np.ndarray,
        batch_size: int,
        folder: pathlib.Path,
    ):
        """
        Args:
            peer_dir: the checkout.
            pairs: of `h36m16`.
            lengths: float32 `[S, 15]`, metres: limb lengths of training subjects.
            batch_size: poses of a step.
            folder: for the file of these lengths.

        Raises:
            InputError: no such checkout, or no torch.
        """
        import torch

        self._code, self._folder = _load(peer_dir), folder
        (folder / _TEMPLATES).parent.mkdir(parents=True)
        np.save(folder / _TEMPLATES, lengths)
        options = {"batch_size": batch_size, "num_workers": 0, "pretrain": False}
        given = [f"--{name}={value}" for name, value in options.items()]
        with mock.patch.object(sys, "argv", ["run_poseaug.py", *given]):
            self._args = self._code.config.get_parse_args()
        skeleton = types.SimpleNamespace(num_joints=lambda: 16)
        with _within(folder):
            self._parts = self._code.nets.get_poseaug_model(
                self._args, types.SimpleNamespace(skeleton=lambda: skeleton)
            )
            self.lifter = self._code.vpose.TemporalModelOptimized1f(16, 2, 15, [1] * 5)
            self._data = self._loaders(pairs)
        _start_gently(self._parts["model_G"], pairs.positions[:, 0])
        self._optimizer = torch.optim.Adam(self.lifter.parameters(), self._args.lr_p)
        self._criterion = torch.nn.MSELoss(reduction="mean")
        self._pools = [self._code.pool.Sample_from_Pool() for _ in range(2)]
        self._summary = types.SimpleNamespace(
            epoch=self._args.warmup + 1, train_iter_num=0
        )
        self._summary.summary_train_iter_num_update = self._count

    def _count(self) -> None:
        self._summary.train_iter_num += 1

    def _loaders(self, pairs: LiftingDataset) -> dict[str, Any]:
        """As its `data_preparation` makes them."""
        from torch.utils.data import DataLoader

        columns = LiftingEvaluation(pairs).many(np.arange(len(pairs)))
        positions, keypoints = [columns["positions"]], [columns["keypoints"]]
        actions = [["none"] * len(pairs)]
        kind = self._code.data.PoseDataSet

        def loader():
            poses = kind(positions, keypoints, actions, [columns["intrinsics"]])
            return DataLoader(poses, self._args.batch_size, shuffle=True)

        return {"train_det2d3d_loader": loader(), "train_gt2d3d_loader": loader()}

    def epoch(self) -> float:
        """One epoch; returns the share of the augmented poses that the lifter got."""
        code, data = self._code, self._data
        with _within(self._folder):
            code.update.dataloader_update(self._args, data, "cpu")
            code.gan.train_gan(
                self._args,
                self._parts,
                data,
                self.lifter,
                self._criterion,
                *self._pools,
                self._summary,
                _Nothing(),
            )
            for name in ("train_fake2d3d_loader", "train_det2d3d_loader"):
                code.lifter.train_posenet(
                    self.lifter, data[name], self._optimizer, self._criterion, "cpu"
                )
        made, given = data["train_fake2d3d_loader"], data["train_det2d3d_loader"]
        return len(made.dataset) / len(given.dataset)


def _start_gently(augmentor: Any, roots: np.ndarray) -> None:
    """Small changes where people are, nearly as `tfpose.poseaug.augmentor` has it.

    The start of their own training puts nearly all poses out of sight, which it drops,
    and would have less to do than the rest.
    """
    import torch

    small = [
        augmentor.BAprocess.w2,
        augmentor.BLprocess.w2_BL,
        augmentor.RTprocess.w2_R,
    ]
    places = np.stack([*roots[:, :2].T, np.sqrt(roots[:, 2])], axis=-1)
    mean, deviation = (
        torch.tensor(part, dtype=torch.float32)
        for part in (places.mean(axis=0), places.std(axis=0))
    )
    with torch.no_grad():
        for layer in small:
            layer.weight *= _GENTLY
            layer.bias *= _GENTLY
        last = augmentor.RTprocess.w2_T
        # 0.58 and 0.40: deviation and mean of the leaky ReLU of normal values.
        last.weight *= (deviation / last.weight.norm(dim=1) / 0.58)[:, None]
        last.bias.copy_(mean - 0.40 * last.weight.sum(dim=1))
