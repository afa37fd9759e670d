r"""Meta-trains a net of MeTTA: to start where inpainting an image helps its pose.

    python -m trainers.metta --dataset=coco --data_dir=... --workdir=... \
        --init_from=runs/joint/model.keras

`init_from` is a net of `trainers.metta_joint`, with the same options of the net.
"""

import dataclasses
import pathlib
from typing import Any

from keras import ops

from tfpose.errors import InputError
from tfpose.files import write_picture
from tfpose.metta.adapt import MeTTAAdapter
from tfpose.metta.net import MeTTANet
from tfpose.metta.options import MeTTAOptions
from tfpose.metta.pictures import adaptation_sheet
from tfpose.weights.keras_file import load_keras
from trainers.engine.devices import Devices
from trainers.engine.optimizer import adam
from trainers.engine.program import run_main
from trainers.engine.workdir import Workdir
from trainers.metta_config import META_PRESETS as PRESETS
from trainers.metta_config import MeTTAConfig
from trainers.metta_joint import MeTTATask
from trainers.metta_model import MetaModel

__all__ = ["PRESETS", "MeTTAConfig", "MetaTask", "main"]


class MetaTask(MeTTATask):
    """Meta-training as the engine's task.

    Validation adapts to each person by itself; the metrics named `pck`, `ap` and so on
    are after the last step, those with `_before` without adaptation.
    """

    def __init__(self, config: MeTTAConfig, workdir: Workdir):
        """As of `PoseTask`.

        Raises:
            InputError: also where `init_from` is no such net, or of other options.
        """
        start = None
        if config.init_from and not workdir.begun:
            start = load_keras(config.init_from)
        super().__init__(dataclasses.replace(config, init_from=""), workdir)
        self.config = config
        if start is not None:
            _copy_weights(start, self.net, config)
        self._adapter = MeTTAAdapter(self.net, MeTTAOptions())
        self.model = MetaModel(self.net, config)
        self.net.rates.trainable = config.learn_rates
        self.model.compile(
            optimizer=adam(config, self.steps_per_epoch, clip_norm=config.clip_norm)
        )

    def describe(self, metrics: dict[str, float]) -> str:
        """The labels' loss without and with adaptation, and the inpainting's."""
        return (
            f"labels' loss {metrics['primary_before']:.6f}, adapted "
            f"{metrics['primary']:.6f}; inpainting's {metrics['inpainting_before']:.4f}"
            f" to {metrics['inpainting']:.4f}"
        )

    def evaluate(self, devices: Devices) -> tuple[dict[str, float], list[str]]:
        """As of `PoseTask`, after adaptation and before it."""
        found = devices.predict(self._trace, self._validation, len(self._validation))
        of_steps = [
            self._validation.scores(found["keypoints"][:, k], found["scores"][:, k])
            for k in range(found["keypoints"].shape[1])
        ]
        metrics, notes = of_steps[-1]
        before = {f"{name}_before": value for name, value in of_steps[0][0].items()}
        risen = ", ".join(f"{100 * scores['pck']:.2f}" for scores, _ in of_steps)
        return {**metrics, **before}, [*notes, f"pck after each step, %: {risen}"]

    def draw(self, folder: pathlib.Path) -> None:
        """As `MeTTATask`, and what adaptation changes."""
        super().draw(folder)
        images = self._first_images()
        state = self._adapter.init(self.net.variables)
        found = self._adapter.trace(state, {"image": ops.convert_to_tensor(images)})
        trace = {name: ops.convert_to_numpy(one) for name, one in found.items()}
        sheet = adaptation_sheet(images, trace, self._people.skeleton)
        write_picture(folder / "adaptation.png", sheet)

    def _trace(self, batch: dict[str, Any]) -> dict[str, Any]:
        state = self._adapter.init(self.net.variables)
        found = self._adapter.trace(state, batch)
        return {
            name: ops.moveaxis(found[name], 0, 1) for name in ("keypoints", "scores")
        }

    def locate(self, images: Any) -> tuple[Any, Any]:
        """After adaptation; see `PoseTask`."""
        found = self._trace({"image": ops.convert_to_tensor(images)})
        return found["keypoints"][:, -1], found["scores"][:, -1]


def _copy_weights(start: Any, net: MeTTANet, config: MeTTAConfig) -> None:
    """All weights but the learning rates, which are the config's."""
    if not isinstance(start, MeTTANet):
        raise InputError(
            f"init_from {config.init_from}: is a {type(start).__name__}, expected a "
            "net of trainers.metta_joint"
        )
    if start.info["skeleton"] != net.info["skeleton"]:
        raise InputError(
            f"init_from {config.init_from}: has other joints than {config.data_dir}"
        )
    weights = [
        [v for v in model.variables if v is not model.rates] for model in (start, net)
    ]
    shapes = [[tuple(v.shape) for v in of_model] for of_model in weights]
    if shapes[0] != shapes[1]:
        raise InputError(
            f"init_from {config.init_from}: a {start.name} of "
            f"{start.count_params():,} numbers, expected one of "
            f"{net.count_params():,}: net, num_maps, hidden and filters must be those "
            "of joint training"
        )
    for value, variable in zip(*weights, strict=True):
        variable.assign(value)


def main() -> None:
    """The command-line program."""
    run_main(MeTTAConfig, PRESETS, MetaTask)


if __name__ == "__main__":
    main()
