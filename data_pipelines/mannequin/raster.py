"""A z-buffer for triangle meshes in NumPy: all triangles of a picture at once.

    T: triangles.  N: covered pixels.  C: vertex attributes.
"""

import numpy as np

__all__ = ["interpolate", "rasterize"]

_FAR = np.iinfo(np.int64).max
_ID_BITS = 20
_NEAR = 0.15  # metres


def _front_faces(xy: np.ndarray, z: np.ndarray, triangles: np.ndarray,
                 size: tuple[int, int]) -> np.ndarray:
    """Indices of triangles that face the camera and touch the picture."""
    a, b, c = (xy[triangles[:, k]] for k in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1])
    area -= (c[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1])
    keep = area > 1e-4
    if (z < _NEAR).any():
        keep &= z[triangles].min(1) > _NEAR
    low = np.minimum(np.minimum(a, b), c)
    high = np.maximum(np.maximum(a, b), c)
    keep &= (high > -0.5).all(1) & (low[:, 0] < size[1]) & (low[:, 1] < size[0])
    return np.nonzero(keep)[0]


def rasterize(
    xy: np.ndarray, z: np.ndarray, triangles: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Finds the nearest triangle of every pixel.

    Args:
        xy: projected vertices [V, 2], pixels.
        z: their depths [V], metres; triangles nearer than 15 cm are left out.
        triangles: [T, 3], clockwise on screen where they face the camera.
        size: (height, width) of the picture.

    Returns:
        `pixels` [N] (flat indices of covered pixels), `owners` [N] (their triangles)
        and `depths` [N] (metres, to 1/4 mm).
    """
    height, width = size
    faces = _front_faces(xy, z, triangles, size)
    corners = xy[triangles[faces]]
    inverse = 1.0 / z[triangles[faces]]
    order = np.argsort(corners[..., 1], axis=1)
    corners = np.take_along_axis(corners, order[..., None], 1)
    inverse = np.take_along_axis(inverse, order, 1)
    (x0, y0), (x1, y1), (x2, y2) = (corners[:, k].T for k in range(3))
    # 1/z is linear on the screen: 1/z = slope_x * (x - x0) + slope_y * (y - y0) + w0.
    ux, uy, vx, vy = x1 - x0, y1 - y0, x2 - x0, y2 - y0
    du, dv = inverse[:, 1] - inverse[:, 0], inverse[:, 2] - inverse[:, 0]
    det = ux * vy - vx * uy
    slope_x = (du * vy - dv * uy) / det
    slope_y = (dv * ux - du * vx) / det

    top = np.clip(np.ceil(y0), 0, height).astype(np.int64)
    bottom = np.clip(np.ceil(y2), 0, height).astype(np.int64)
    rows = np.maximum(bottom - top, 0)
    tri = np.repeat(np.arange(len(faces)), rows)
    y = np.arange(len(tri)) - np.repeat(np.cumsum(rows) - rows - top, rows)
    with np.errstate(divide="ignore", invalid="ignore"):
        long_step = vx / vy
        upper = ux / uy
        lower = (x2 - x1) / (y2 - y1)
    down = y - y0[tri]
    edge_long = x0[tri] + down * long_step[tri]
    below = y >= y1[tri]
    edge_short = np.where(
        below, x1[tri] + (y - y1[tri]) * lower[tri], x0[tri] + down * upper[tri]
    )
    start = np.clip(np.ceil(np.minimum(edge_long, edge_short)), 0, width)
    stop = np.clip(np.ceil(np.maximum(edge_long, edge_short)), 0, width)
    start, stop = start.astype(np.int64), stop.astype(np.int64)
    spans = np.maximum(stop - start, 0)
    base = inverse[tri, 0] + slope_y[tri] * down - slope_x[tri] * x0[tri]
    which = np.repeat(np.arange(len(tri)), spans)
    x = np.arange(len(which)) - np.repeat(np.cumsum(spans) - spans - start, spans)
    depth = 1.0 / np.maximum(base[which] + slope_x[tri][which] * x, 1e-3)
    key = ((depth * 4000.0).astype(np.int64) << _ID_BITS) | faces[tri[which]]
    buffer = np.full(height * width, _FAR)
    np.minimum.at(buffer, y[which] * width + x, key)
    pixels = np.nonzero(buffer != _FAR)[0]
    found = buffer[pixels]
    return pixels, found & ((1 << _ID_BITS) - 1), (found >> _ID_BITS) / 4000.0


def interpolate(
    xy: np.ndarray,
    triangles: np.ndarray,
    values: np.ndarray,
    pixels: np.ndarray,
    owners: np.ndarray,
    width: int,
) -> np.ndarray:
    """Vertex attributes `values` [V, C] at the covered pixels: [N, C]."""
    seen = np.zeros(len(triangles), bool)
    seen[owners] = True
    used = np.nonzero(seen)[0]
    slot = (np.cumsum(seen) - 1)[owners]
    corner = xy[triangles[used]]
    value = values[triangles[used]]
    a = corner[:, 0]
    (ux, uy), (vx, vy) = (corner[:, 1] - a).T, (corner[:, 2] - a).T
    det = (ux * vy - vx * uy)[:, None]
    du, dv = value[:, 1] - value[:, 0], value[:, 2] - value[:, 0]
    slope_x = (du * vy[:, None] - dv * uy[:, None]) / det
    slope_y = (dv * ux[:, None] - du * vx[:, None]) / det
    base = value[:, 0] - slope_x * a[:, :1] - slope_y * a[:, 1:]
    y, x = np.divmod(pixels, width)
    return base[slot] + slope_x[slot] * x[:, None] + slope_y[slot] * y[:, None]
