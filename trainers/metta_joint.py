r"""Trains a net of MeTTA by labels and by inpainting beside each other.

    python -m trainers.metta_joint --dataset=coco --data_dir=... --workdir=...

The first of MeTTA's stages; `trainers.metta` goes on from it. With
`--auxiliary_weight=0` it is plain training of the same net.
"""

import pathlib
from typing import Any

import keras
import numpy as np

from tfpose.files import write_picture
from tfpose.metta.net import MeTTANet
from tfpose.metta.pictures import inpainting_sheet
from tfpose.top_down.predictor import TopDownPredictor
from trainers.engine.optimizer import adam
from trainers.engine.program import run_main
from trainers.engine.workdir import Workdir
from trainers.metta_config import JOINT_PRESETS as PRESETS
from trainers.metta_config import MeTTAJointConfig
from trainers.metta_model import JointModel
from trainers.pose_task import PoseTask

__all__ = ["PRESETS", "MeTTAJointConfig", "MeTTAJointTask", "MeTTATask", "main"]

_SHOWN = 6


class MeTTATask(PoseTask):
    """What is the same for MeTTA's two stages; the net is a `MeTTANet`."""

    def __init__(self, config: MeTTAJointConfig, workdir: Workdir):
        """As of `PoseTask`."""
        super().__init__(config, workdir)
        keras.utils.set_random_seed(config.seed)
        self.net = MeTTANet(self.heatmap_net, **config.architecture)

    def draw(self, folder: pathlib.Path) -> None:
        """As `PoseTask`, and what is inpainted."""
        super().draw(folder)
        sheet = inpainting_sheet(self.net, self._first_images())
        write_picture(folder / "inpainting.png", sheet)

    def _first_images(self) -> np.ndarray:
        """Of validation, for pictures: uint8 `[B, H, W, 3]`."""
        rows = range(min(_SHOWN, len(self._validation)))
        return np.stack([self._validation(row)["image"] for row in rows])


class MeTTAJointTask(MeTTATask):
    """MeTTA's joint training as the engine's task."""

    def __init__(self, config: MeTTAJointConfig, workdir: Workdir):
        """As of `PoseTask`; `init_from` is a heatmap net or a backbone."""
        super().__init__(config, workdir)
        self.predictor = TopDownPredictor(self.net, config.flip_test)
        self.model = JointModel(self.net, config)
        self.model.compile(optimizer=adam(config, self.steps_per_epoch))

    def describe(self, metrics: dict[str, float]) -> str:
        """Both losses."""
        return (
            f"labels' loss {metrics['primary']:.6f}, inpainting's "
            f"{metrics['inpainting']:.4f}"
        )

    def locate(self, images: Any) -> tuple[Any, Any]:
        return self.predictor.locate(images)


def main() -> None:
    """The command-line program."""
    run_main(MeTTAJointConfig, PRESETS, MeTTAJointTask)


if __name__ == "__main__":
    main()
