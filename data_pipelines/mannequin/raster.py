"""A z-buffer for triangle meshes in NumPy: all triangles of a picture at once.

T: triangles.  N: covered pixels.  C: vertex attributes.
"""

import numpy as np

__all__ = ["interpolate", "rasterize"]

_FAR = np.iinfo(np.int64).max
_ID_BITS = 20
_NEAR = 0.15  # metres


def _front_faces(
    xy: np.ndarray, z: np.ndarray, triangles: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """Indices of triangles that face the camera and touch the picture."""
    x, y = xy[:, 0].take(triangles.T), xy[:, 1].take(triangles.T)
    area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])
    keep = area > 1e-4
    if z.min() < _NEAR:
        keep &= z[triangles].min(1) > _NEAR
    if xy.min() < -0.5 or (xy.max(0) > (size[1], size[0])).any():
        keep &= (x.max(0) > -0.5) & (x.min(0) < size[1])
        keep &= (y.max(0) > -0.5) & (y.min(0) < size[0])
    return np.nonzero(keep)[0]


def rasterize(
    xy: np.ndarray, z: np.ndarray, triangles: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Finds the nearest triangle of every pixel.

    Args:
        xy: projected vertices [V, 2], pixels, float32.
        z: their depths [V], metres; triangles nearer than 15 cm are left out.
        triangles: [T, 3], clockwise on screen where they face the camera.
        size: (height, width) of the picture.

    Returns:
        `pixels` [N] (flat indices of covered pixels), `owners` [N] (their triangles)
        and `depths` [N] (metres, to 1/4 mm).
    """
    height, width = size
    faces = _front_faces(xy, z, triangles, size)
    corners = triangles.take(faces, 0)
    order = np.argsort(xy[:, 1].take(corners), axis=1)
    corners = np.take_along_axis(corners, order, 1).T
    x0, x1, x2 = xy[:, 0].take(corners)
    y0, y1, y2 = xy[:, 1].take(corners)
    w0, w1, w2 = (1.0 / z).astype(np.float32).take(corners)
    # 1/z is linear on the screen: 1/z = slope_x * (x - x0) + slope_y * (y - y0) + w0.
    ux, uy, vx, vy = x1 - x0, y1 - y0, x2 - x0, y2 - y0
    det = ux * vy - vx * uy
    slope_x = ((w1 - w0) * vy - (w2 - w0) * uy) / det
    slope_y = ((w2 - w0) * ux - (w1 - w0) * vx) / det
    # The step along a level edge is never used; it must only be finite.
    rises = np.maximum(np.stack([vy, uy, y2 - y1]), 1e-9)
    steps = np.stack([vx, ux, x2 - x1]) / rises
    top = np.clip(np.ceil(y0), 0, height).astype(np.int64)
    bottom = np.clip(np.ceil(y2), 0, height).astype(np.int64)
    rows = np.maximum(bottom - top, 0)

    # One item per triangle and row: where the row enters and leaves the triangle.
    tri = np.repeat(np.arange(len(faces)), rows)
    y = np.arange(len(tri)) - np.repeat(np.cumsum(rows) - rows - top, rows)
    setup = np.stack([x0, y0, x1, y1, *steps, w0, slope_x, slope_y]).take(tri, 1)
    x0, y0, x1, y1, step_long, step_up, step_low, w0, slope_x, slope_y = setup
    down = y - y0
    edge = x0 + down * step_long
    other = np.where(y >= y1, x1 + (y - y1) * step_low, x0 + down * step_up)
    start = np.clip(np.ceil(np.minimum(edge, other)), 0, width).astype(np.int64)
    stop = np.clip(np.ceil(np.maximum(edge, other)), 0, width).astype(np.int64)
    spans = np.maximum(stop - start, 0)
    ends = np.cumsum(spans)

    # One item per triangle and pixel: the nearest wins the pixel.
    per_row = np.stack([w0 + slope_y * down - slope_x * x0, slope_x])
    base, slope = np.repeat(per_row, spans, axis=1)
    place = np.stack([ends - spans - start, faces.take(tri), y * width])
    back, face, line = np.repeat(place, spans, axis=1)
    x = np.arange(len(back)) - back
    depth = 4000.0 / np.maximum(base + slope * x, 1e-3)
    key = (depth.astype(np.int64) << _ID_BITS) | face
    buffer = np.full(height * width, _FAR)
    np.minimum.at(buffer, line + x, key)
    pixels = np.nonzero(buffer != _FAR)[0]
    found = buffer.take(pixels)
    return pixels, found & ((1 << _ID_BITS) - 1), (found >> _ID_BITS) / 4000.0


def interpolate(
    xy: np.ndarray,
    triangles: np.ndarray,
    values: np.ndarray,
    pixels: np.ndarray,
    owners: np.ndarray,
    width: int,
) -> np.ndarray:
    """Vertex attributes `values` [V, C] at the covered pixels: float32 [N, C]."""
    seen = np.zeros(len(triangles), bool)
    seen[owners] = True
    used = np.nonzero(seen)[0]
    slot = (np.cumsum(seen) - 1)[owners]
    corners = triangles.take(used, 0).T
    x, y = xy[:, 0].take(corners), xy[:, 1].take(corners)
    value = values.take(corners, 0)
    det = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])
    ux, uy = ((x[1] - x[0]) / det)[:, None], ((y[1] - y[0]) / det)[:, None]
    vx, vy = ((x[2] - x[0]) / det)[:, None], ((y[2] - y[0]) / det)[:, None]
    du, dv = value[1] - value[0], value[2] - value[0]
    slope_x, slope_y = du * vy - dv * uy, dv * ux - du * vx
    base = value[0] - slope_x * x[0][:, None] - slope_y * y[0][:, None]
    planes = np.concatenate([base, slope_x, slope_y], 1).astype(np.float32)
    base, slope_x, slope_y = np.split(planes.take(slot, 0), 3, axis=1)
    row, column = np.divmod(pixels, width)
    column, row = column.astype(np.float32), row.astype(np.float32)
    return base + slope_x * column[:, None] + slope_y * row[:, None]
