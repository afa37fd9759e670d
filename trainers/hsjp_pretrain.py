"""HSJP: pretrains a 2D pose net on shuffled photos of people, without labels.

    bazel run //trainers:hsjp_pretrain -- --preset=demo --workdir=...
    python -m trainers.hsjp_pretrain --dataset=coco --data_dir=... --workdir=...

Reference: Zhang et al., "Learning Heatmap-Style Jigsaw Puzzles Provides Good
Pretraining for 2D Human Pose Estimation", arXiv 2012.07101.
"""

import dataclasses
import pathlib
from typing import Any

import keras
import numpy as np
from keras import ops

from data_pipelines.colour import ColourAugmentation
from data_pipelines.jigsaw import JigsawAugmentation, JigsawEvaluation, JigsawTraining
from tfpose.codecs.heatmap import HeatmapCodec
from tfpose.files import write_picture
from tfpose.hsjp.loss import jigsaw_loss
from tfpose.hsjp.picture import draw_puzzle
from tfpose.hsjp.puzzle import check_puzzle, nearest_cells, plateau_loss
from tfpose.metrics.jigsaw import jigsaw_scores
from tfpose.top_down.net import build_heatmap_net, find_net
from tfpose.top_down.transfer import transfer_weights
from tfpose.weights.keras_file import load_keras
from trainers.engine.config import option
from trainers.engine.devices import Devices
from trainers.engine.optimizer import adam
from trainers.engine.program import run_main
from trainers.engine.task import Task
from trainers.engine.workdir import Workdir
from trainers.heatmap_model import HeatmapModel
from trainers.people import PeopleConfig, load_people

__all__ = ["PRESETS", "HSJPConfig", "HSJPTask", "JigsawModel", "main"]

PLATEAU_SHARE = 0.97
"""A loss above this share of the plateau's has not left it."""


@dataclasses.dataclass(frozen=True)
class HSJPConfig(PeopleConfig):
    """Options of jigsaw pretraining; the defaults are the paper's run.

    Where the paper is silent: `sigma` is 6 input pixels, just under its bound of
    224 / (6 * 6), because the plateau of the mean heatmap lasts longer the smaller
    it is; a patch is right within half a patch (`epsilon_patches`), where one cell
    ends and the next begins; people are cropped as squares with a quarter of
    context, as their boxes are for pose; augmentation is uniform in its ranges.

    Raises:
        InputError: an impossible value, N outside 2..8 or sigma over its bound.
    """

    epochs: int = option(240, "Times that every training person is seen.", at_least=1)
    batch_size: int = option(256, "People per step, over all replicas.", at_least=1)
    lr_drop_epochs: tuple[int, ...] = option(
        (190, 220),
        "Epochs (from 1) after which the learning rate is divided by 10.",
        at_least=1,
    )
    input_side: int = option(
        224, "Side of the square input, pixels; a multiple of 4.", at_least=32
    )
    grid: int = option(6, "N: the image is cut into N x N patches, 2 to 8.")
    sigma: float = option(
        6.0, "Target Gaussians' sigma, input pixels, below side / (6 N)."
    )
    epsilon_patches: float = option(
        0.5, "A peak is right this near to its centre, in sides of a patch.", above=0
    )
    with_original: bool = option(False, "Append the unshuffled image to the input.")
    scale: float = option(
        0.35, "Scaling of the mosaic, factor in 1 +- this.", at_least=0, at_most=0.9
    )
    translation: float = option(
        0.10, "Shift of the mosaic, +- this share of the side.", at_least=0, at_most=1
    )
    rotation: float = option(
        45.0, "Rotation of the mosaic, +- degrees.", at_least=0, at_most=180
    )
    colour: float = option(
        1.0, "Share of the colour augmentation's probabilities.", at_least=0, at_most=1
    )
    ramp_epochs: float = option(
        0.0, "Epochs in which augmentation grows from nothing to full.", at_least=0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        find_net(self.net)
        check_puzzle(self.input_size, self.grid, self.sigma)
        HeatmapCodec(self.input_size)

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width), pixels."""
        return self.input_side, self.input_side

    @property
    def augmentation(self) -> JigsawAugmentation:
        """What is done to the mosaics."""
        colour = ColourAugmentation()
        names = [
            f.name
            for f in dataclasses.fields(colour)
            if f.name.endswith("_probability")
        ]
        shares = {name: getattr(colour, name) * self.colour for name in names}
        return JigsawAugmentation(
            scale=self.scale,
            translation=self.translation,
            rotation=self.rotation,
            colour=dataclasses.replace(colour, **shares),
            ramp_epochs=self.ramp_epochs,
        )


_SMALL = HSJPConfig(
    dataset="coco_format",
    net="hrnet_small",
    input_side=64,
    grid=3,
    sigma=3.5,
    epochs=16,
    batch_size=32,
    lr_drop_epochs=(13, 15),
    epsilon=1e-7,
)
PRESETS = {
    "paper": HSJPConfig(),
    "small": _SMALL,
    "demo": dataclasses.replace(
        _SMALL, dataset="mannequin", epochs=6, lr_drop_epochs=(5,)
    ),
}
"""`paper`: COCO, HRNet-W32, 224 pixels, N = 6. `small`: a small net and input for a
few thousand photos on 2 CPU cores. `demo`: the same on drawn mannequins."""


class JigsawModel(HeatmapModel):
    """A heatmap net with the train step of the pretext task (masked loss, Eq. 2)."""

    def __init__(self, net: keras.Model, config: HSJPConfig):
        """
        Args:
            net: heatmap net with N**2 outputs.
            config: the run's options.
        """
        sigma = config.sigma / net.stride
        codec = HeatmapCodec(config.input_size, net.stride, sigma)
        super().__init__(net, codec, config.batch_size)
        self.epsilon = config.epsilon_patches * config.input_side / config.grid

    def targets(self, batch: dict[str, Any]) -> tuple[Any, Any]:
        inside = batch["inside"]
        return self.codec.encode(batch["centres"], ops.ones_like(inside)), inside

    def sample_losses(self, heatmaps: Any, target: Any, weights: Any) -> Any:
        return jigsaw_loss(heatmaps, target, weights)

    def sample_metrics(
        self, batch: dict[str, Any], heatmaps: Any, target: Any
    ) -> dict[str, Any]:
        inside = batch["inside"]
        points, _ = self.codec.decode(heatmaps, "argmax")
        _, correct = jigsaw_scores(points, batch["centres"], self.epsilon, inside)
        energy = ops.mean(ops.square(target), axis=(1, 2)) * inside
        return {
            "target_energy": ops.mean(energy, axis=-1),
            "correct": ops.mean(correct, axis=-1),
            "inside": ops.mean(inside, axis=-1),
        }

    def locate(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Predicted centres and which of them are right, for evaluation."""
        heatmaps = self.net(ops.cast(batch["image"], "float32"), training=False)
        points, _ = self.codec.decode(heatmaps, "argmax")
        solved, correct = jigsaw_scores(points, batch["centres"], self.epsilon)
        return {
            "heatmaps": heatmaps,
            "solved": solved,
            "correct": correct,
            "points": points,
        }


class HSJPTask(Task):
    """Jigsaw pretraining as the engine's task."""

    def __init__(self, config: HSJPConfig, workdir: Workdir):
        """
        Args:
            config: the run's options.
            workdir: gets the reports of records that cannot be used.

        Raises:
            InputError: bad data, or a net or start that does not fit.
        """
        self.config = config
        # First, so that a net or start that does not fit is refused at once.
        self.net = build_heatmap_net(
            config.net,
            config.input_size,
            config.grid**2,
            input_channels=6 if config.with_original else 3,
            info={"task": "hsjp", "grid": config.grid, "sigma": config.sigma},
        )
        if config.init_from and not workdir.begun:
            transfer_weights(load_keras(config.init_from), self.net)
        memory = config.cache_megabytes / 2
        self.sampler = JigsawTraining(
            load_people(config, workdir, "train"),
            config.input_size,
            config.grid,
            config.batch_size,
            config.seed,
            config.augmentation,
            config.with_original,
            memory,
        )
        self._validation = JigsawEvaluation(
            load_people(config, workdir, "val"),
            config.input_size,
            config.grid,
            # The same puzzles for every run, so that runs can be compared.
            seed=0,
            with_original=config.with_original,
            budget_megabytes=memory,
        )
        self.model = JigsawModel(self.net, config)
        self.model.compile(optimizer=adam(config, self.steps_per_epoch))

    def evaluate(self, devices: Devices) -> tuple[dict[str, float], list[str]]:
        """Precision P (Eq. 5) and the share of patches in their place."""
        predictions = devices.predict(
            self._scores, self._validation, len(self._validation)
        )
        return {
            "precision": float(predictions["solved"].mean()),
            "patch_accuracy": float(predictions["correct"].mean()),
        }, []

    def _scores(self, batch: dict[str, Any]) -> dict[str, Any]:
        located = self.model.locate(batch)
        return {"solved": located["solved"], "correct": located["correct"]}

    def score(self, metrics: dict[str, float]) -> list[float]:
        """P selects the checkpoint, as in the paper; patches decide while P is 0."""
        return [metrics["precision"], metrics["patch_accuracy"]]

    def describe(self, metrics: dict[str, float]) -> str:
        """Loss beside the plateau's, and patches in their place."""
        plateau = plateau_loss(metrics["target_energy"], self.config.grid)
        patches = metrics["correct"] / max(metrics["inside"], 1e-9)
        where = " ON THE PLATEAU" if metrics["loss"] > PLATEAU_SHARE * plateau else ""
        return (
            f"loss {metrics['loss']:.5f} (plateau {plateau:.5f}{where}) "
            f"patches {patches:.1%}"
        )

    def draw(self, folder: pathlib.Path) -> None:
        """Puzzles of validation people: mosaic, heatmaps, and put together again."""
        config, rows = self.config, min(6, len(self._validation))
        samples = [self._validation(row) for row in range(rows)]
        batch = {k: np.stack([s[k] for s in samples]) for k in samples[0]}
        located = self.model.locate(batch)
        target = self.model.codec.encode(batch["centres"], batch["inside"])
        picture = draw_puzzle(
            people=[self._validation.person(row) for row in range(rows)],
            orders=self._validation.orders[:rows],
            targets=ops.convert_to_numpy(target),
            predictions=ops.convert_to_numpy(located["heatmaps"]),
            cells=nearest_cells(
                ops.convert_to_numpy(located["points"]), config.input_size, config.grid
            ),
        )
        write_picture(folder / "puzzles.png", picture)

    def finish(self, last: dict[str, float]) -> list[str]:
        """A warning if the run ended on the plateau of the mean heatmap."""
        plateau = plateau_loss(last["train_target_energy"], self.config.grid)
        if last["train_loss"] <= PLATEAU_SHARE * plateau:
            return []
        return [
            f"warning: the loss ended at {last['train_loss']:.5f}, on the plateau of "
            f"the mean heatmap ({plateau:.5f}): little was learnt. Train longer "
            "(--epochs), let augmentation grow (--ramp_epochs), take sigma nearer to "
            "its bound, or start from a run with fewer patches (--grid, then "
            "--init_from)"
        ]


def main() -> None:
    """The command-line program."""
    run_main(HSJPConfig, PRESETS, HSJPTask)


if __name__ == "__main__":
    main()
