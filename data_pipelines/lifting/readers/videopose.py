"""The npz files that VideoPose3D's scripts make of Human3.6M and HumanEva.

`data_3d_NAME.npz` has `positions_3d`, a dict subject -> action -> `[T, J, 3]` in world
metres; `data_2d_NAME_SOURCE.npz` has `positions_2d`, a dict subject -> action -> one
`[T', J', 2 or more]` in pixels per camera.
"""

import os
from typing import Any

import numpy as np

from data_pipelines.lifting.readers.arrays import read_archive
from data_pipelines.readers.layout import expect_path
from data_pipelines.readers.skip_report import SkipReport
from tfpose.errors import InputError

__all__ = ["checked_positions", "paired", "read_keypoints", "read_positions"]


def _keypoint_sources(folder: str, name: str) -> list[str]:
    """The sources that `folder` has 2D files of."""
    start, end = f"data_2d_{name}_", ".npz"
    return sorted(
        file.removeprefix(start).removesuffix(end)
        for file in os.listdir(folder)
        if file.startswith(start) and file.endswith(end)
    )


def read_positions(folder: str, name: str) -> tuple[str, dict[str, dict[str, Any]]]:
    """Path and content of the 3D file.

    Raises:
        InputError: it is absent, damaged, or no such dict.
    """
    path = expect_path(folder, f"data_3d_{name}.npz")
    return path, _checked_tree(read_archive(path, ["positions_3d"]), path)


def read_keypoints(
    folder: str, name: str, source: str
) -> tuple[str, dict[str, dict[str, Any]]]:
    """Path and content of the 2D file of one source.

    Raises:
        InputError: it is absent (says which sources there are), damaged, or no such
            dict.
    """
    file = f"data_2d_{name}_{source}.npz"
    if not os.path.exists(os.path.join(folder, file)):
        there = ", ".join(_keypoint_sources(folder, name)) or "none"
        raise InputError(
            f"{os.path.join(folder, file)}: not there; 2D sources found: {there} "
            "(or take keypoints='projected')"
        )
    path = os.path.join(folder, file)
    return path, _checked_tree(read_archive(path, ["positions_2d"]), path)


def paired(
    positions: Any,
    of_cameras: Any,
    camera: int,
    where: str,
    report: SkipReport,
) -> tuple[np.ndarray, np.ndarray]:
    """3D and one camera's 2D of a take, of equal length.

    A detector ran over whole videos, which are some frames longer than the motion
    capture: what is behind its end has no 3D and is left out and counted.

    Args:
        positions: `[T, J, 3]`, of the 3D file.
        of_cameras: what the 2D file has for the take.
        camera: index into it.
        where: for the message.
        report: counts frames left out.

    Returns:
        `[T, J, 3]` and `[T, J', 2]`.

    Raises:
        InputError: no such arrays, or the 2D is shorter than the 3D.
    """
    positions = checked_positions(positions, where)
    if not isinstance(of_cameras, list | tuple | np.ndarray) or camera >= len(
        of_cameras
    ):
        raise InputError(f"{where}: no 2D of camera {camera} in the file")
    keypoints = of_cameras[camera]
    if (
        not isinstance(keypoints, np.ndarray)
        or keypoints.ndim != 3
        or keypoints.shape[-1] < 2
        or keypoints.dtype.kind != "f"
    ):
        raise InputError(
            f"{where}: 2D of camera {camera} is {_description(keypoints)}, expected "
            "floats [frames, joints, 2]"
        )
    if len(keypoints) < len(positions):
        raise InputError(
            f"{where}: camera {camera} has 2D for {len(keypoints)} frames and 3D for "
            f"{len(positions)}; these files do not belong together"
        )
    report.note(
        "frames of 2D behind the end of the 3D left out",
        len(keypoints) - len(positions),
    )
    return positions, keypoints[: len(positions), :, :2]


def checked_positions(positions: Any, where: str) -> np.ndarray:
    """The 3D of a take; InputError if it is none."""
    if (
        not isinstance(positions, np.ndarray)
        or positions.ndim != 3
        or positions.shape[-1] != 3
        or positions.dtype.kind != "f"
    ):
        raise InputError(
            f"{where}: 3D is {_description(positions)}, expected floats "
            "[frames, joints, 3]"
        )
    return positions


def _checked_tree(content: dict[str, Any], path: str) -> dict[str, dict[str, Any]]:
    ((name, tree),) = content.items()
    if not isinstance(tree, dict) or not all(
        isinstance(subject, str) and isinstance(actions, dict)
        for subject, actions in tree.items()
    ):
        raise InputError(
            f"{path}: {name!r} is {_description(tree)}, expected a dict of subjects' "
            "dicts of actions"
        )
    return tree


def _description(thing: Any) -> str:
    if isinstance(thing, np.ndarray):
        return f"{thing.dtype} {list(thing.shape)}"
    return type(thing).__name__
