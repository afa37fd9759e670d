"""Part of the training poses, kept out of training to choose a model by."""

from collections.abc import Sequence

import numpy as np

from data_pipelines.lifting.poses import LiftingDataset
from tfpose.errors import InputError

__all__ = ["split_off"]

_SHARE = 0.1


def split_off(
    poses: LiftingDataset, subjects: Sequence[str] = ()
) -> tuple[LiftingDataset, LiftingDataset]:
    """Training and validation poses, of different people where there are several.

    Args:
        poses: of a training split. The test split is for the final metrics only.
        subjects: people to keep out. By default the last ones, by name, who have a
            tenth of the poses together; of one person alone the last takes that do.

    Returns:
        Training poses, validation poses.

    Raises:
        InputError: an unknown person, or nothing would be left on one side.
    """
    present = [poses.subjects[s] for s in np.unique(poses.subject_index)]
    unknown = [name for name in subjects if name not in present]
    if unknown:
        raise InputError(
            f"{poses.name}: no subject {', '.join(unknown)}, expected some of "
            f"{', '.join(sorted(present))}"
        )
    if subjects or len(present) > 1:
        names = np.array(poses.subjects)[poses.subject_index]
        kept = np.isin(names, list(subjects) or _last(names, sorted(present)))
    else:
        takes = poses.sequence_index
        kept = np.isin(takes, _last(takes, np.unique(takes).tolist()))
    if kept.all() or not kept.any():
        raise InputError(
            f"{poses.name}: cannot keep some of {len(present)} subjects' poses out of "
            "training to choose a model by; expected two subjects or takes"
        )
    return poses.select(~kept), poses.select(kept)


def _last(labels: np.ndarray, order: list) -> list:
    """The last labels of an order that make up a tenth together, but never all."""
    chosen: list = []
    for label in reversed(order[1:]):
        chosen.append(label)
        if np.isin(labels, chosen).mean() >= _SHARE:
            break
    return chosen
