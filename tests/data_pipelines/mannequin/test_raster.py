"""The z-buffer against the definition of a triangle."""

import numpy as np

from data_pipelines.mannequin.raster import interpolate, rasterize


def scene(count=60, size=(40, 50), seed=0):
    rng = np.random.default_rng(seed)
    xy = rng.uniform(-8, 58, (3 * count, 2)).astype(np.float32)
    z = rng.uniform(1, 4, 3 * count)
    triangles = np.arange(3 * count).reshape(-1, 3)
    a, b, c = xy[triangles].transpose(1, 0, 2)
    area = (b - a)[:, 0] * (c - a)[:, 1] - (c - a)[:, 0] * (b - a)[:, 1]
    return xy, z, triangles[area > 1], size


def barycentric(corner, point):
    return np.linalg.solve(np.vstack([corner.T, np.ones(3)]), [*point, 1.0])


def test_every_pixel_shows_its_nearest_triangle():
    xy, z, triangles, size = scene()
    pixels, owners, depths = rasterize(xy, z, triangles, size)
    got = dict(zip(pixels.tolist(), zip(owners, depths, strict=True), strict=True))
    wrong = 0
    for row in range(size[0]):
        for column in range(size[1]):
            best = (np.inf, -1)
            for t, corners in enumerate(triangles):
                share = barycentric(xy[corners].astype(float), (column, row))
                if share.min() >= 0:
                    best = min(best, (1 / (share @ (1 / z[corners])), t))
            owner, depth = got.get(row * size[1] + column, (-1, np.inf))
            if owner != best[1]:
                wrong += 1  # Only ties and edges may differ.
            elif owner >= 0:
                assert abs(depth - best[0]) < 1e-3
    assert wrong <= 3


def test_attributes_are_linear_on_a_triangle():
    xy, z, triangles, size = scene(seed=1)
    values = np.column_stack([xy @ [2.0, -1.0] + 3, xy[:, 0]])
    pixels, owners, _ = rasterize(xy, z, triangles, size)
    found = interpolate(xy, triangles, values, pixels, owners, size[1])
    y, x = np.divmod(pixels, size[1])
    np.testing.assert_allclose(found, np.column_stack([2 * x - y + 3, x]), atol=2e-2)


def test_faces_turned_away_and_too_near_are_left_out():
    xy = np.array([(5, 5), (30, 5), (5, 30)], np.float32)
    front = np.array([[0, 1, 2]])
    for triangles, z in ((front[:, ::-1], 2.0), (front, 0.05)):
        assert len(rasterize(xy, np.full(3, z), triangles, (40, 40))[0]) == 0
    assert len(rasterize(xy, np.full(3, 2.0), front, (40, 40))[0]) > 250
