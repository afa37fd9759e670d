r"""Trains a lifter that adapts: by labels, and by a self-supervised task beside them.

    python -m trainers.iso --preset=cycle --data_dir=... --workdir=...

Zhang, Nie and Feng, NeurIPS 2020 (arXiv:2007.02054), section 3.2.1.
"""

import math
import pathlib

import numpy as np
from keras import ops

from data_pipelines.lifting.batches import LiftingTraining
from tfpose.drawing import grid as contact_sheet
from tfpose.files import write_picture
from tfpose.geometry import centre_keypoints
from tfpose.iso.loss import seen_from_elsewhere
from tfpose.iso.net import ISONet
from tfpose.lifters.pose_lifter import PoseLifter
from tfpose.lifters.views import view_rotations
from trainers.engine.program import run_main
from trainers.engine.workdir import Workdir
from trainers.iso_config import PRESETS, ISOConfig
from trainers.iso_model import ISOModel
from trainers.lifting_task import LiftingTask, draw_pose

__all__ = ["PRESETS", "ISOConfig", "ISOTask", "main"]

_SHOWN = 6
_AZIMUTHS = (45, 90, 180, 270)
# A person of size 1 within the picture's sides of -1 and 1.
_SHRUNK = 0.4
# A discriminator that is right so often teaches the lifter little.
_HIGHEST_ACCURACY = 0.97


class ISOTask(LiftingTask):
    """ISO's joint training as the engine's task; the net is an `ISONet`."""

    def __init__(self, config: ISOConfig, workdir: Workdir):
        """As `LiftingTask`; `init_from` is a plain lifter's.

        Raises:
            InputError: bad data, a start that is no such lifter, no such
                `shared_layer`, or spectral normalisation on several replicas.
        """
        super().__init__(config, workdir)
        self.net = ISONet(
            self.net,
            config.task,
            config.shared_layer,
            config.adversarial,
            config.prior_units,
            config.spectral_norm,
            config.cycle_weight_2d,
            config.cycle_weight_3d,
            config.distance,
            config.view_elevation,
        )
        self.lifter = PoseLifter(self.net, config.flip_test)
        self.sampler = LiftingTraining(self.train, config.batch_size, config.seed)
        self.model = ISOModel(self.net, config, self.steps_per_epoch)

    def describe(self, metrics: dict[str, float]) -> str:
        """Training errors of both heads, and how real projections look."""
        text = f"training MPJPE {metrics['mpjpe']:.1f} mm"
        if self.net.prior is None:
            return text
        text += f", of the SSL head {metrics['ssl_mpjpe']:.1f} mm; "
        real, fake = metrics["prior_real"], metrics["prior_fake"]
        if self.net.adversarial == "likelihood":
            return text + f"log-likelihood {real:.2f} (2D), {fake:.2f} (projections)"
        text += f"accuracy of the discriminator {50 * (real + fake):.0f} %"
        if (real + fake) / 2 > _HIGHEST_ACCURACY:
            text += (
                "; WARNING: it recognises nearly all projections, so the lifter learns "
                "little from it; try spectral_norm, adversarial=likelihood or a lower "
                "learning_rate_prior"
            )
        return text

    def draw(self, folder: pathlib.Path) -> None:
        """As `LiftingTask`, and lifted poses as random views have them."""
        super().draw(folder)
        rows = np.linspace(0, len(self._poses) - 1, _SHOWN).astype(int)
        keypoints = self._validation.many(rows)["keypoints"]
        root, skeleton = self.net.skeleton.root, self.net.skeleton
        head = self.net.ssl_head or self.net.head
        positions = head(self.net.extractor(keypoints, training=False), training=False)
        columns = [centre_keypoints(keypoints, root)]
        for degrees in _AZIMUTHS:
            azimuth = np.full(len(rows), math.radians(degrees), np.float32)
            rotations = view_rotations(azimuth, np.zeros_like(azimuth))
            columns.append(
                seen_from_elsewhere(positions, rotations, root, self.net.distance)
            )
        columns = [_SHRUNK * ops.convert_to_numpy(column) for column in columns]
        tiles = [
            draw_pose(column[row], skeleton)
            for row in range(len(rows))
            for column in columns
        ]
        titles = ["2D", *(f"lifted, {degrees} degrees" for degrees in _AZIMUTHS)]
        picture = contact_sheet(tiles, columns=len(columns), titles=titles * len(rows))
        write_picture(folder / "views.png", picture)

    def finish(self, last: dict[str, float]) -> list[str]:
        """Training metrics of the last epoch."""
        trained = {
            name.removeprefix("train_"): value
            for name, value in last.items()
            if name.startswith("train_")
        }
        return [self.describe(trained)]


def main() -> None:
    """The command-line program."""
    run_main(ISOConfig, PRESETS, ISOTask)


if __name__ == "__main__":
    main()
