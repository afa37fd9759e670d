r"""Trains a top-down 2D pose net, from scratch or from a pretrained start.

    python -m trainers.top_down --dataset=coco --data_dir=... --workdir=... \
        --init_from=runs/hsjp/model.keras

The recipe is HRNet's (Sun et al. 2019), which the HSJP paper fine-tunes with.
"""

from typing import Any

from tfpose.top_down.loss import keypoint_loss
from tfpose.top_down.predictor import TopDownPredictor
from trainers.engine.optimizer import adam
from trainers.engine.program import run_main
from trainers.engine.workdir import Workdir
from trainers.heatmap_model import HeatmapModel
from trainers.pose_task import PoseTask
from trainers.top_down_config import PRESETS, TopDownConfig

__all__ = ["PRESETS", "TopDownConfig", "TopDownModel", "TopDownTask", "main"]


class TopDownModel(HeatmapModel):
    """A heatmap net with the train step of keypoint regression."""

    def targets(self, batch: dict[str, Any]) -> tuple[Any, Any]:
        return self.codec.targets(batch["keypoints"], batch["weights"])

    def sample_losses(self, heatmaps: Any, target: Any, weights: Any) -> Any:
        return keypoint_loss(heatmaps, target, weights)


class TopDownTask(PoseTask):
    """Training a pose net as the engine's task."""

    def __init__(self, config: TopDownConfig, workdir: Workdir):
        """As of `PoseTask`."""
        super().__init__(config, workdir)
        self.net = self.heatmap_net
        self.predictor = TopDownPredictor(self.net, config.flip_test)
        self.model = TopDownModel(self.net, config.codec(), config.batch_size)
        self.model.compile(optimizer=adam(config, self.steps_per_epoch))

    def locate(self, images: Any) -> tuple[Any, Any]:
        return self.predictor.locate(images)


def main() -> None:
    """The command-line program."""
    run_main(TopDownConfig, PRESETS, TopDownTask)


if __name__ == "__main__":
    main()
