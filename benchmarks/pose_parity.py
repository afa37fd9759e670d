"""Tables of how far maps and poses of two nets are apart; an error where too far."""

import numpy as np

__all__ = ["MAP_TABLE", "POSE_TABLE", "compare_maps", "compare_poses"]

MAP_TABLE = "| map | shape | largest | difference / largest |\n|---|---|---|---|"
"""The head of what `compare_maps` prints."""

POSE_TABLE = (
    "| poses | people | joints | places | scores / largest |\n|---|---|---|---|---|"
)
"""The head of what `compare_poses` prints."""

_MAP_TOLERANCE = 1e-4  # Of the largest value.
_PIXEL_TOLERANCE = 1e-2


def compare_maps(expected: dict[str, np.ndarray], found: dict[str, np.ndarray]) -> None:
    """Prints a row for each map.

    Raises:
        SystemExit: a map differs.
    """
    for name, value in expected.items():
        if found[name].shape != value.shape:
            raise SystemExit(f"error: {name}: {found[name].shape} not {value.shape}")
        largest = np.abs(value).max()
        difference = np.abs(found[name] - value).max() / largest
        shape = " x ".join(map(str, value.shape))
        print(f"| {name} | {shape} | {largest:.3g} | {difference:.1e} |")
        if not difference < _MAP_TOLERANCE:
            raise SystemExit(f"error: {name} differs")


def compare_poses(label: str, expected: np.ndarray, found: np.ndarray) -> None:
    """Prints how far the nearest pose of the other side is, at most.

    Args:
        label: what is compared.
        expected: `[P, J, 4]`: x, y, score, and 1 where the joint is compared.
        found: `[P, J, 3]`.

    Raises:
        SystemExit: a pose differs.
    """
    if len(expected) != len(found):
        raise SystemExit(f"error: {label}: {len(found)} people, not {len(expected)}")
    certain = expected[..., 3] > 0
    apart = np.abs(expected[:, None, :, :3] - found[None])
    apart[..., :2] *= certain[:, None, :, None]
    places, scores = apart[..., :2].max(axis=(2, 3)), apart[..., 2].max(axis=2)
    place = max(places.min(axis=0).max(), places.min(axis=1).max())
    nearest = places.argmin(axis=1)
    score = scores[np.arange(len(nearest)), nearest].max() / expected[..., 2].max()
    print(
        f"| {label} | {len(expected)} | {certain.sum()} of {certain.size} | "
        f"{place:.1e} px | {score:.1e} |",
        flush=True,
    )
    if not place < _PIXEL_TOLERANCE:
        raise SystemExit(f"error: {label}: poses differ")
