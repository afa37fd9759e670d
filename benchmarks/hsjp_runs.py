"""Pretrainings by puzzles and the trainings that follow, as tables compare them."""

import dataclasses
import json
import pathlib
import re
from typing import Any

from benchmarks.runs import Run, drops
from tfpose.hsjp.puzzle import sigma_bound

__all__ = ["Setting", "count_people", "grid_options"]

_EVALUATIONS = 4
# Share of a training in which the weight of consistency grows.
_RAMP = 2 / 3
# Of preset `small`.
_BATCH_SIZE, _INPUT_SIDE = 32, 64
# Sigma of pretraining, of what it must stay below.
_SHARE_OF_BOUND = 0.98


def count_people(data_dir: str) -> int:
    """People of the training split of a COCO-format folder."""
    document = json.loads((pathlib.Path(data_dir) / "train.json").read_text())
    return len(document["annotations"])


def grid_options(grid: int) -> dict[str, Any]:
    """Options of pretraining for N patches a side: sigma just below its bound."""
    sigma = _SHARE_OF_BOUND * sigma_bound((_INPUT_SIDE, _INPUT_SIDE), grid)
    return {"input_side": _INPUT_SIDE, "grid": grid, "sigma": round(sigma, 3)}


def _steps_per_epoch(people: int) -> int:
    return people // _BATCH_SIZE


def _name(*parts: object) -> str:
    """A folder's name: letters, digits and underscores."""
    words = "_".join(str(part) for part in parts if part != "")
    return re.sub(r"\W+", "_", words.lower())


@dataclasses.dataclass(frozen=True)
class Setting:
    """What all runs of a table have in common, preset `small` beside it.

    Attributes:
        root: folder for the runs.
        data_dir: COCO-format folder.
        net: a net's name.
        people: of the training split.
        pretrain_epochs: epochs of pretraining.
    """

    root: pathlib.Path
    data_dir: str
    net: str
    people: int
    pretrain_epochs: int

    @property
    def pretrain_steps(self) -> int:
        """Steps of pretraining."""
        return self.pretrain_epochs * _steps_per_epoch(self.people)

    def _options(self, seed: int, epochs: int) -> dict[str, Any]:
        return {
            "preset": "small",
            "data_dir": self.data_dir,
            "net": self.net,
            "seed": seed,
            "epochs": epochs,
            "lr_drop_epochs": drops(epochs),
        }

    def pretraining(self, seed: int, changed: str = "", **changes: Any) -> Run:
        """Pretraining without labels.

        Args:
            seed: the run's seed.
            changed: names the run where options differ.
            **changes: options that differ, `epochs` among them.
        """
        epochs = changes.pop("epochs", self.pretrain_epochs)
        options = {**self._options(seed, epochs), **changes}
        workdir = self.root / _name("pretrain", changed, seed)
        return Run("trainers.hsjp_pretrain", workdir, options)

    def pretraining_elsewhere(self, seed: int, data_dir: str) -> Run:
        """Pretraining on another folder's people for as many steps, not epochs: more
        people are seen less often each.
        """
        of_epoch = _steps_per_epoch(count_people(data_dir))
        epochs = round(self.pretrain_steps / of_epoch)
        return self.pretraining(seed, "all", data_dir=data_dir, epochs=epochs)

    def training(
        self,
        seed: int,
        kind: str,
        fraction: float,
        steps: int,
        after: Run | None = None,
        consistent: bool = False,
        **changes: Any,
    ) -> Run:
        """Training of a pose net. Its folder is named by kind, labels and length, so
        that tables share the runs that they have in common.

        Args:
            seed: the run's seed, which also chooses the labels.
            kind: what it starts from and what is changed, in a word or a few.
            fraction: share of the labels.
            steps: to the nearest whole epoch.
            after: the pretraining it starts from; none for a new net.
            consistent: easy-to-hard consistency on the people without labels; an
                epoch is one of these.
            **changes: options that differ.
        """
        seen = self.people if consistent else round(self.people * fraction)
        epochs = max(1, round(steps / _steps_per_epoch(seen)))
        options = {
            **self._options(seed, epochs),
            "label_fraction": fraction,
            "eval_every": max(1, epochs // _EVALUATIONS),
            **changes,
        }
        if after:
            options["init_from"] = after.workdir / "model.keras"
        if consistent:
            options["ramp_epochs"] = round(_RAMP * epochs, 1)
        trainer = "semi_supervised" if consistent else "top_down"
        name = _name(kind, f"{round(100 * fraction)}pc", f"{epochs}ep", seed)
        return Run(f"trainers.{trainer}", self.root / name, options, after)
