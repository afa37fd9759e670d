r"""Trains a lifter with PoseAug: on poses that a network makes harder for it.

    python -m trainers.poseaug --preset=released --data_dir=... --workdir=... \
        --init_from=runs/lifter/model.keras

Gong, Zhang and Feng, CVPR 2021 (arXiv:2105.02465).
"""

import pathlib

import numpy as np

from data_pipelines.lifting.batches import LiftingTraining
from data_pipelines.lifting.poses import LiftingDataset
from tfpose.drawing import grid as contact_sheet
from tfpose.drawing_3d import draw_positions
from tfpose.errors import InputError
from tfpose.files import write_picture
from tfpose.geometry import limb_ends
from trainers.engine.program import run_main
from trainers.engine.workdir import Workdir
from trainers.lifting_task import LiftingTask, draw_pose
from trainers.poseaug_config import PRESETS, PoseAugConfig
from trainers.poseaug_model import PoseAugModel

__all__ = ["PRESETS", "PoseAugConfig", "PoseAugTask", "main", "subject_lengths"]

_SHOWN = 6
_ANGLES = (0.0, 70.0)
# Signs that adversarial training has failed: a discriminator's accuracy, the mean
# rotation of limbs in degrees, the spread of the bodies' rotations.
_HIGHEST_ACCURACY = 0.97
_LEAST_ROTATION = 1.0
_LEAST_SPREAD = 0.05


class PoseAugTask(LiftingTask):
    """PoseAug as the engine's task."""

    def __init__(self, config: PoseAugConfig, workdir: Workdir):
        """As `LiftingTask`.

        Raises:
            InputError: bad data, a start that is no such lifter, or discriminators that
                rest at some steps on several replicas.
        """
        super().__init__(config, workdir)
        self.sampler = LiftingTraining(
            self.train, config.batch_size, config.seed, with_real=True
        )
        self.model = PoseAugModel(
            self.net,
            config,
            subject_lengths(self.train),
            self.train.positions[:, self.net.skeleton.root],
            self.steps_per_epoch,
        )

    def describe(self, metrics: dict[str, float]) -> str:
        """Training error, hardness, and the accuracy of the discriminators."""
        problem = _collapse(metrics)
        return (
            f"training MPJPE {metrics['mpjpe']:.1f} mm; augmented poses "
            f"{metrics['error_ratio']:.1f} times as hard, rotated by "
            f"{metrics['angle_degrees']:.0f} degrees; accuracy of discriminators "
            f"{100 * _accuracy(metrics, 'part_discriminator'):.0f} % (3D), "
            f"{100 * _accuracy(metrics, 'keypoint_discriminator'):.0f} % (2D)"
            + (f"; WARNING: {problem}" if problem else "")
        )

    def draw(self, folder: pathlib.Path) -> None:
        """As `LiftingTask`, and pairs as they are augmented; those of the first picture
        that is drawn are kept, so that before and after can be compared.
        """
        super().draw(folder)
        picture = self._augmented_pairs()
        before = folder / "augmented_first.png"
        if not before.exists():
            write_picture(before, picture)
        write_picture(folder / "augmented.png", picture)

    def _augmented_pairs(self) -> np.ndarray:
        """Source keypoints and pose, augmented keypoints and pose (as in Figure S2)."""
        rows = np.linspace(0, len(self._poses) - 1, _SHOWN).astype(int)
        batch = self._validation.many(rows)
        placed, keypoints = (
            np.asarray(part)
            for part in self.model.augment(batch["positions"], batch["intrinsics"])
        )
        skeleton, tiles = self.net.skeleton, []
        for row in range(len(rows)):
            for seen, body in (
                (batch["keypoints"][row], batch["positions"][row]),
                (keypoints[row], placed[row]),
            ):
                tiles.append(draw_pose(seen, skeleton))
                tiles += [draw_positions(body, skeleton, angle) for angle in _ANGLES]
        titles = ["source 2D", "3D", "side", "augmented 2D", "3D", "side"] * len(rows)
        return contact_sheet(tiles, columns=6, titles=titles)

    def finish(self, last: dict[str, float]) -> list[str]:
        """Training metrics of the last epoch, and advice where training has failed."""
        trained = {
            name.removeprefix("train_"): value
            for name, value in last.items()
            if name.startswith("train_")
        }
        problem = _collapse(trained)
        return [self.describe(trained)] + ([f"augmentor: {problem}"] if problem else [])


def subject_lengths(poses: LiftingDataset) -> np.ndarray:
    """Median limb lengths of each subject, float32 `[S, L]`, metres.

    Raises:
        InputError: a limb has no length.
    """
    parents = poses.skeleton.parents
    children = limb_ends(parents)
    above = [parents[j] for j in children]
    limbs = poses.positions[:, children] - poses.positions[:, above]
    lengths = np.linalg.norm(limbs, axis=-1)
    subjects = np.unique(poses.subject_index)
    medians = np.stack(
        [np.median(lengths[poses.subject_index == s], axis=0) for s in subjects]
    )
    if not (medians > 0).all():
        _, limb = np.argwhere(~(medians > 0))[0]
        raise InputError(
            f"{poses.name}: the limb to {poses.skeleton.joints[children[limb]]} has no "
            "length"
        )
    return medians.astype(np.float32)


def _accuracy(metrics: dict[str, float], discriminator: str) -> float:
    return (metrics[f"{discriminator}_real"] + metrics[f"{discriminator}_fake"]) / 2


def _collapse(metrics: dict[str, float]) -> str:
    """What is wrong between augmentor and discriminators, and what helps; or ""."""
    for discriminator, kind in (
        ("part_discriminator", "3D"),
        ("keypoint_discriminator", "2D"),
    ):
        if _accuracy(metrics, discriminator) > _HIGHEST_ACCURACY:
            return (
                f"the {kind} discriminator recognises nearly all augmented poses, so "
                "they are not realistic; try gentle_start, a lower "
                "learning_rate_discriminators, a higher "
                f"adversarial_weight_{kind.lower()}, or another seed"
            )
    if metrics["angle_degrees"] < _LEAST_ROTATION and metrics["error_ratio"] < 1.1:
        return (
            "the augmentor changes almost nothing; try regulariser=range or a higher "
            "feedback_weight"
        )
    # Absent where bodies are not rotated.
    if metrics.get("view_spread", 1.0) < _LEAST_SPREAD:
        return (
            "augmented bodies are all rotated alike, so the lifter sees one new view; "
            "try view_spread=0.5"
        )
    return ""


def main() -> None:
    """The command-line program."""
    run_main(PoseAugConfig, PRESETS, PoseAugTask)


if __name__ == "__main__":
    main()
