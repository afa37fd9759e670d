"""Takes of people by cameras, gathered into one table of pose pairs."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from data_pipelines.lifting.cameras import project_points
from data_pipelines.lifting.poses import LiftingDataset
from data_pipelines.readers.skip_report import SkipReport
from tfpose.errors import InputError
from tfpose.skeletons import Skeleton

__all__ = ["PROJECTED", "TakeTable", "chosen_subjects"]

PROJECTED = "projected"
"""The source of 2D keypoints that are computed from the 3D and the camera."""


def chosen_subjects(
    wanted: Sequence[str] | None, of_split: Sequence[str], known: Collection[str]
) -> Sequence[str]:
    """The subjects asked for, or else the split's.

    Raises:
        InputError: one is not known, or none is asked for.
    """
    if wanted is None:
        return of_split
    for subject in wanted:
        if subject not in known:
            raise InputError(
                f"subject {subject!r} is not one of {', '.join(sorted(known))}"
            )
    if not wanted:
        raise InputError("subjects is empty, expected one or more names")
    return wanted


class TakeTable:
    """Collects takes and makes a `LiftingDataset` of them.

    Args:
        name: of the dataset.
        skeleton: of every take.
        keypoint_source: of every take; see `LiftingDataset`.
        report: gets what is left out.
        stride: every how many frames one is kept.
    """

    def __init__(
        self,
        name: str,
        skeleton: Skeleton,
        keypoint_source: str,
        report: SkipReport,
        stride: int = 1,
    ) -> None:
        if stride < 1:
            raise InputError(f"stride is {stride}, expected 1 or more")
        self.name = name
        self.skeleton = skeleton
        self.keypoint_source = keypoint_source
        self.report = report
        self.stride = stride
        self._cameras: dict[Any, tuple[int, np.ndarray, tuple[int, int]]] = {}
        self._names: dict[str, dict[str, int]] = {"subject": {}, "action": {}}
        self._takes: list[dict[str, np.ndarray]] = []

    def add(
        self,
        positions: np.ndarray,
        keypoints: np.ndarray | None,
        *,
        camera: Any,
        intrinsics: np.ndarray,
        size: tuple[int, int],
        subject: str,
        action: str,
        frames: np.ndarray | None = None,
    ) -> None:
        """One take of one person by one camera.

        Args:
            positions: `[T, J, 3]`, metres, camera frame.
            keypoints: `[T, J, 2]`, px; None projects the positions. A pose with a
                value that is not finite, here or there, is left out and counted.
            camera: what tells cameras apart; a camera's intrinsics and size are
                those of its first take.
            intrinsics: `[9]`, px.
            size: (height, width), px.
            subject: who.
            action: what, without the number of the take.
            frames: `[T]` numbers. Defaults to 0 to T - 1.
        """
        if frames is None:
            frames = np.arange(len(positions))
        kept = slice(None, None, self.stride)
        positions, frames = positions[kept], frames[kept]
        if keypoints is None:
            keypoints = project_points(positions, intrinsics)
        else:
            keypoints = keypoints[kept]
        finite = np.isfinite(positions).all((1, 2)) & np.isfinite(keypoints).all((1, 2))
        self.report.note("poses without finite values left out", (~finite).sum())
        count = int(finite.sum())
        row, *_ = self._cameras.setdefault(
            camera, (len(self._cameras), intrinsics, size)
        )
        subject_row, action_row = (
            self._names[table].setdefault(word, len(self._names[table]))
            for table, word in (("subject", subject), ("action", action))
        )
        numbers = {
            "camera_index": row,
            "subject_index": subject_row,
            "action_index": action_row,
            "sequence_index": len(self._takes),
        }
        self._takes.append(
            {
                "positions": positions[finite].astype(np.float32),
                "keypoints": keypoints[finite].astype(np.float32),
                "frame": frames[finite].astype(np.int32),
                **{name: np.full(count, n, np.int32) for name, n in numbers.items()},
            }
        )

    def finish(self) -> LiftingDataset:
        """The table; the takes collected are given up for it.

        Raises:
            InputError: there is no pose.
        """
        if not any(len(take["frame"]) for take in self._takes):
            raise InputError(f"{self.report.source}: no usable pose")
        columns: dict[str, Any] = {}
        for column in list(self._takes[0]):
            columns[column] = np.concatenate([take.pop(column) for take in self._takes])
        cameras = list(self._cameras.values())
        dataset = LiftingDataset(
            name=self.name,
            skeleton=self.skeleton,
            keypoint_source=self.keypoint_source,
            intrinsics=np.stack([lens for _, lens, _ in cameras]).astype(np.float32),
            image_sizes=np.array([size for *_, size in cameras], np.int32),
            subjects=tuple(self._names["subject"]),
            actions=tuple(self._names["action"]),
            **columns,
        )
        self.report.used = {"poses": len(dataset), "takes": len(self._takes)}
        return dataset
