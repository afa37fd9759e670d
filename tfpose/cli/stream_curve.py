"""How the error of poses goes along a stream, as a picture."""

import pathlib

import matplotlib.figure
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg

from data_pipelines.lifting.poses import LiftingDataset
from tfpose.files import write_whole

__all__ = ["draw_stream_curve", "moving_average"]


def draw_stream_curve(
    found: dict[str, np.ndarray], poses: LiftingDataset, path: pathlib.Path
) -> None:
    """Draws the moving average of the error of each pose against its number.

    Args:
        found: by name: positions `[N, J, 3]`, metres, relative to the root.
        poses: the truth, of N poses.
        path: PNG file.

    Raises:
        InputError: the file cannot be written.
    """
    root = [poses.skeleton.root]
    truth = poses.positions - poses.positions[:, root]
    width = max(1, len(poses) // 20)
    figure = matplotlib.figure.Figure((7.2, 4.2), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    for name, positions in found.items():
        off = positions - positions[:, root] - truth
        errors = 1000 * np.linalg.norm(off, axis=-1).mean(axis=-1)
        average = moving_average(errors, width)
        places = np.arange(len(average)) + (width + 1) / 2
        label = f"{name}  (mean {errors.mean():.1f} mm)"
        axes.plot(places, average, label=label, linewidth=1.2)
    axes.set_xlim(1, max(2, len(poses)))
    axes.set_xlabel("pose of the stream")
    axes.set_ylabel(f"MPJPE, mm, mean of {width} poses")
    axes.grid(alpha=0.3)
    # Above the axes, where it hides no peak.
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False)
    write_whole(path, lambda aside: canvas.print_png(str(aside)))


def moving_average(values: np.ndarray, width: int) -> np.ndarray:
    """Means `[N - width + 1]` of so many neighbours of values `[N]`."""
    sums = np.cumsum(np.concatenate([[0.0], values]))
    return (sums[width:] - sums[:-width]) / width
