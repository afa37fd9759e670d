"""Poses as a CSV file, a row a joint."""

import csv
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tfpose.files import write_whole

__all__ = ["write_pose_table"]


def write_pose_table(
    path: pathlib.Path,
    people: Iterable[tuple[dict[str, Any], dict[str, Any], np.ndarray]],
    joints: Sequence[str],
    columns: Sequence[str],
) -> None:
    """Writes a row for each joint of each person.

    The last column is 0 where the person's record names the joint as `uncertain`.

    Args:
        path: the file.
        people: of each their image's record, their own and an array `[J, D]`.
        joints: J names.
        columns: D names.

    Raises:
        InputError: the file cannot be written.
    """

    def write(aside: pathlib.Path) -> None:
        # Names of files may be no UTF-8.
        with open(
            aside, "w", newline="", encoding="utf-8", errors="surrogateescape"
        ) as file:
            table = csv.writer(file)
            of_image = ("file_name", "frame_index", "seconds")
            of_joint = ["person", "track_id", "joint", *columns, "certain"]
            table.writerow([*of_image, *of_joint])
            for image, person, values in people:
                start = [image.get(name, "") for name in of_image]
                start += [person.get(name, "") for name in ("id", "track_id")]
                uncertain = person.get("uncertain", ())
                for joint, row in zip(joints, values.tolist(), strict=True):
                    table.writerow([*start, joint, *row, int(joint not in uncertain)])

    write_whole(path, write)
