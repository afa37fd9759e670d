"""Writes motion as TRC files, which OpenSim reads as markers."""

import pathlib

import numpy as np

from tfpose.files import write_whole
from tfpose.skeletons import Skeleton

__all__ = ["write_trc"]

_MILLIMETRES = 1000.0


def write_trc(
    path: pathlib.Path, positions: np.ndarray, rate: float, skeleton: Skeleton
) -> None:
    """Writes one person's joints as markers, in millimetres.

    Args:
        path: the file.
        positions: `[T, J, 3]`, metres, y up; NaN where a joint was not seen, which is
            left blank.
        rate: frames per second.
        skeleton: names the markers.

    Raises:
        InputError: the file cannot be written.
    """
    frames, joints = positions.shape[:2]
    axes = [f"{axis}{joint + 1}" for joint in range(joints) for axis in "XYZ"]
    lines = [
        f"PathFileType\t4\t(X/Y/Z)\t{path.name}",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\t"
        "OrigDataStartFrame\tOrigNumFrames",
        f"{rate:.8g}\t{rate:.8g}\t{frames}\t{joints}\tmm\t{rate:.8g}\t1\t{frames}",
        "Frame#\tTime\t" + "".join(f"{name}\t\t\t" for name in skeleton.joints),
        "\t\t" + "".join(f"{axis}\t" for axis in axes),
        "",
    ]
    for frame, row in enumerate(positions.reshape(frames, -1) * _MILLIMETRES):
        cells = (f"{value:.3f}" if np.isfinite(value) else "" for value in row)
        # A tab ends each cell, as OpenSim writes them: so a blank last one counts.
        values = "".join(f"{cell}\t" for cell in cells)
        lines.append(f"{frame + 1}\t{frame / rate:.6f}\t{values}")
    text = "\n".join(lines) + "\n"
    # The file's own name may be no UTF-8.
    write_whole(path, lambda aside: aside.write_text(text, "utf-8", "surrogateescape"))
