"""The people that a run learns from and is measured on."""

from data_pipelines.datasets import load_dataset
from data_pipelines.people import PoseDataset
from trainers.config import RunConfig
from trainers.workdir import Workdir

__all__ = ["load_people"]


def load_people(config: RunConfig, workdir: Workdir, split: str) -> PoseDataset:
    """One split of the run's data set.

    What could not be used goes into `skipped_{split}.json` of the work folder, where
    mannequins are drawn too if they were given no folder of their own.

    Args:
      config: names the data set and its folder.
      workdir: the run's.
      split: `train` or `val`.

    Raises:
      InputError: no such data, or none that can be used.
    """
    data_dir = config.data_dir
    if config.dataset == "mannequin" and not data_dir:
        data_dir = str(workdir.root / "mannequin")
    report = workdir.root / f"skipped_{split}.json" if workdir.chief else None
    return load_dataset(config.dataset, data_dir, split, report)
