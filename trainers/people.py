"""The people that a run learns from and is measured on."""

import contextlib
import dataclasses
import fcntl
import pathlib
from collections.abc import Iterator

from data_pipelines.people import PoseDataset
from data_pipelines.readers.datasets import DATASETS, load_dataset
from tfpose.errors import InputError
from trainers.engine.config import RunConfig, option
from trainers.engine.workdir import Workdir

__all__ = ["PeopleConfig", "load_people"]


@dataclasses.dataclass(frozen=True)
class PeopleConfig(RunConfig):
    """What every run on photos of people needs.

    Raises:
        InputError: an impossible value.
    """

    dataset: str = option("coco", "Kind of data set.", choices=tuple(DATASETS))
    cache_megabytes: float = option(
        1024.0, "Memory for decoded photos.", at_least=0, changes_result=False
    )


def load_people(
    config: PeopleConfig, workdir: Workdir, split: str, name: str = ""
) -> PoseDataset:
    """One split of the run's data set.

    What could not be used goes into `skipped_{name}.json` of the work folder, where
    mannequins are drawn too if they were given no folder of their own: by one process,
    while others that want the same wait for it.

    Args:
        config: names the data set and its folder.
        workdir: the run's.
        split: `train` or `val`.
        name: by which the report tells it from the run's other data; the split's if
            empty.

    Raises:
        InputError: no such data, or none that can be used.
    """
    report = workdir.root / f"skipped_{name or split}.json" if workdir.chief else None
    if not DATASETS[config.dataset].drawn:
        return load_dataset(config.dataset, config.data_dir, split, report)
    folder = pathlib.Path(config.data_dir or workdir.root / config.dataset)
    with _alone_in(folder):
        return load_dataset(config.dataset, folder, split, report)


@contextlib.contextmanager
def _alone_in(folder: pathlib.Path) -> Iterator[None]:
    """A block that one process at a time may be in, of all that share the folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / ".lock", "w")
    except OSError as error:
        raise InputError(f"data_dir {folder}: {error.strerror}") from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
