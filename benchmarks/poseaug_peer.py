"""The official PyTorch PoseAug, from a checkout of its repository, for comparison.

Needs a checkout of github.com/jfzhang95/PoseAug and `pip install .[peers]`. Its
functions run unchanged, except on the CPU where they name a GPU. Other packages that
they import are replaced: pictures, TensorBoard and the progress bar do nothing here,
and rotation matrices, from a package that no longer exists, are computed by PyTorch.
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
# As in `tfpose.poseaug.augmentor`.
_INITIAL_SCALE = 0.1


class _Stub:
    """Replaces TensorBoard's writer and the progress bar; does nothing."""

    def __init__(self, *_: Any, **__: Any):
        self.elapsed_td = self.eta_td = ""

    def add_scalar(self, *_: Any) -> None:
        """Method of TensorBoard's writer."""

    def next(self) -> None:
        """Method of the progress bar."""

    def finish(self) -> None:
        """Method of the progress bar."""


def _on_cpu(torch: Any) -> types.ModuleType:
    """PyTorch with the CPU as every device."""
    module = types.ModuleType("torch")
    vars(module).update(vars(torch))
    vars(module)["device"] = lambda _: torch.device("cpu")
    return module


def _rotation_matrices(axis_angle: Any) -> Any:
    """Rotations `[B, 3]`, radians, as matrices `[B, 4, 4]` by Rodrigues' formula.

    Replaces a function of the missing package.
    """
    import torch

    angle = torch.linalg.vector_norm(axis_angle, dim=-1).clamp_min(1e-6)
    x, y, z = (axis_angle / angle[:, None]).unbind(-1)
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
        "tensorboardX": {"SummaryWriter": _Stub},
        "progress.bar": {"Bar": _Stub},
        "function_poseaug.poseaug_viz": {"plot_poseaug": lambda *_: None},
        "torchalignment": {"angle_axis_to_rotation_matrix": _rotation_matrices},
    }
    with import_alone(folder, list(_MODULES.values()), absent) as modules:
        for module in modules:
            if hasattr(module, "torch"):
                module.torch = _on_cpu(torch)
        return types.SimpleNamespace(**dict(zip(_MODULES, modules, strict=True)))


@contextlib.contextmanager
def _within(folder: pathlib.Path) -> Iterator[None]:
    """Runs the official code in a folder, where it reads a file; hides its output."""
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
        yield


class PeerPoseAug:
    """The official networks, optimisers and loaders, after the epochs of warm-up.

    Args:
        peer_dir: the checkout.
        pairs: pairs of skeleton `h36m16`.
        lengths: float32 `[S, 15]`, metres: limb lengths of training subjects.
        batch_size: poses per step.
        folder: folder for the file of these lengths.

    Attributes:
        lifter: VPose as a `torch.nn.Module`.

    Raises:
        InputError: there is no such checkout, or torch is not installed.
    """

    def __init__(
        self,
        peer_dir: str,
        pairs: LiftingDataset,
        lengths: np.ndarray,
        batch_size: int,
        folder: pathlib.Path,
    ):
        import torch

        self._code, self._folder = _load(peer_dir), folder
        (folder / _TEMPLATES).parent.mkdir(parents=True)
        np.save(folder / _TEMPLATES, lengths)
        options = {"batch_size": batch_size, "num_workers": 0, "pretrain": False}
        arguments = [f"--{name}={value}" for name, value in options.items()]
        with mock.patch.object(sys, "argv", ["run_poseaug.py", *arguments]):
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
        """Data loaders as in the official `data_preparation`."""
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
        """Trains an epoch; returns the share of augmented poses used for the lifter."""
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
                _Stub(),
            )
            for name in ("train_fake2d3d_loader", "train_det2d3d_loader"):
                code.lifter.train_posenet(
                    self.lifter, data[name], self._optimizer, self._criterion, "cpu"
                )
        augmented, real = data["train_fake2d3d_loader"], data["train_det2d3d_loader"]
        return len(augmented.dataset) / len(real.dataset)


def _start_gently(augmentor: Any, roots: np.ndarray) -> None:
    """Begins with small changes at usual positions, as in `tfpose.poseaug.augmentor`.

    With the official initial weights nearly all poses are outside of the image and
    skipped, so an epoch would have less work than later ones.

    Args:
        augmentor: the official augmentor.
        roots: `[N, 3]`, metres: the roots of people, in the camera's frame.
    """
    import torch

    small = [
        augmentor.BAprocess.w2,
        augmentor.BLprocess.w2_BL,
        augmentor.RTprocess.w2_R,
    ]
    outputs = np.stack([*roots[:, :2].T, np.sqrt(roots[:, 2])], axis=-1)
    mean, deviation = (
        torch.tensor(part, dtype=torch.float32)
        for part in (outputs.mean(axis=0), outputs.std(axis=0))
    )
    with torch.no_grad():
        for layer in small:
            layer.weight *= _INITIAL_SCALE
            layer.bias *= _INITIAL_SCALE
        last = augmentor.RTprocess.w2_T
        # 0.58 and 0.40: standard deviation and mean of a leaky ReLU of normal values.
        last.weight *= (deviation / last.weight.norm(dim=1) / 0.58)[:, None]
        last.bias.copy_(mean - 0.40 * last.weight.sum(dim=1))
