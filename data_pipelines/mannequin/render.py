"""One picture from (scenario, seed, split, index): people, place, light, labels."""

from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

import cv2
import numpy as np

from data_pipelines.mannequin.backgrounds import (
    noise_field,
    paint_background,
    paint_occluders,
)
from data_pipelines.mannequin.bodies import Body, draw_bodies
from data_pipelines.mannequin.body import JOINTS
from data_pipelines.mannequin.camera import Camera, aim_camera
from data_pipelines.mannequin.raster import interpolate, rasterize
from data_pipelines.mannequin.scenarios import SCENARIOS, Scenario
from data_pipelines.mannequin.wardrobe import ATLAS_SIZE

__all__ = [
    "Light",
    "OCCLUDER",
    "Person",
    "Sample",
    "annotate_people",
    "draw_backdrop",
    "draw_light",
    "draw_people",
    "draw_sample",
    "sample_rng",
]

_SEAT = -1
OCCLUDER = -2
# With fewer joints in sight nobody could label the person.
_LEAST_SEEN = 3
_NOBODY = -3

# How deep in the flesh a joint lies, as a fraction of stature: nose; eyes, ears,
# shoulders, elbows, wrists, hips, knees, ankles, two of each (COCO order).
_DEPTH = np.repeat(
    [0.018, 0.02, 0.022, 0.055, 0.042, 0.035, 0.095, 0.058, 0.045], [1] + 8 * [2]
)


@dataclass(frozen=True)
class Person:
    """Annotations of one body.

    Attributes:
        keypoints: `[17, 3]` COCO joints, x, y in pixels and visibility (0 outside the
            picture, then x = y = 0; 1 hidden by the body itself, another one or an
            object; 2 visible). All 0 when fewer than 3 joints are visible: a hint of
            a person that no annotator would label.
        keypoints_3d: `[29, 3]` the joints `body.JOINTS`, metres, camera frame.
        box: `(x, y, width, height)` around the visible silhouette, edge coordinates.
        area: visible silhouette, pixels.
        family: name of the pose's family.
    """

    keypoints: np.ndarray
    keypoints_3d: np.ndarray
    box: tuple[float, float, float, float]
    area: int
    family: str


@dataclass(frozen=True)
class Sample:
    """A picture and what is known of it.

    Attributes:
        image: uint8 `[height, width, 3]` RGB.
        people: the annotated people.
        camera: the camera that saw them.
        quality: int. JPEG quality to write it with.
        silhouettes: int16 `[height, width]`: which person (row of `people`) a pixel
            shows, negative for none.
    """

    image: np.ndarray
    people: list[Person]
    camera: Camera
    quality: int
    silhouettes: np.ndarray


def sample_rng(scenario: str, seed: int, split: str, index: int) -> np.random.Generator:
    """Random numbers of one picture; a Philox stream of its own."""
    stream = (crc32(f"{scenario}/{split}".encode()) << 32) | index
    key = np.array([seed & (2**64 - 1), stream], np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


def _draw_camera(
    rng: np.random.Generator,
    scenario: Scenario,
    bodies: list[Body],
    size: tuple[int, int],
) -> Camera:
    azimuth = rng.normal(0, scenario.front)
    if rng.random() < scenario.any_side:
        azimuth = rng.uniform(-180, 180)
    if len(bodies) > 1:
        azimuth = rng.normal(0, 15)
    distance = rng.uniform(*scenario.distance) + 0.8 * (len(bodies) - 1) ** 0.5
    view = (
        azimuth,
        rng.uniform(*scenario.elevation),
        rng.normal(0, scenario.roll / 2),
        distance,
    )
    points = np.concatenate([b.surface.vertices[::7] for b in bodies])
    fill, limit = rng.uniform(*scenario.fill), scenario.shift
    if rng.random() < scenario.cut and len(bodies) == 1:  # Upper or lower body only.
        middle = bodies[0].joints[JOINTS.index("pelvis"), 1]
        above = points[:, 1] > middle - 0.1
        part = points[above if rng.random() < 0.75 else ~above]
        points = part if len(part) > 60 else points
    shift = rng.uniform(-limit, limit, 2)
    return aim_camera(points, view, size, fill, (float(shift[0]), float(shift[1])))


@dataclass(frozen=True)
class Light:
    """A light.

    Attributes:
        direction: `[3]`, towards the light in the world.
        key: `[3]` colour of the light, relative to white.
        ambient: `[3]` colour of what comes from everywhere, relative to white.
    """

    direction: np.ndarray
    key: np.ndarray
    ambient: np.ndarray


def draw_light(rng: np.random.Generator, scenario: Scenario, camera: Camera) -> Light:
    """A random light."""
    side, height = rng.uniform(-75, 75), rng.uniform(25, 75)
    if scenario.cut and rng.random() < 0.25:  # Against the light.
        side += 180.0
    side, height = np.deg2rad([side, height])
    toward = -camera.rotation[2] * (1, 0, 1)
    toward /= np.sqrt(toward @ toward) + 1e-9
    across = np.array([toward[2], 0.0, -toward[0]])
    flat = np.cos(side) * toward + np.sin(side) * across
    direction = np.cos(height) * flat + np.array([0, np.sin(height), 0])
    contrast = rng.uniform(*scenario.contrast)
    exposure = rng.uniform(*scenario.exposure)
    tints = 1 + scenario.tint * rng.uniform(-1, 1, (2, 3))
    return Light(
        direction,
        1.25 * exposure * contrast * tints[0],
        exposure * (1.12 - contrast) * tints[1],
    )


def _cast_shadows(
    image: np.ndarray,
    bodies: list[Body],
    camera: Camera,
    light: Light,
    strength: float,
) -> None:
    """Darkens the floor (in place) where bodies keep the light off."""
    height, width = image.shape[:2]
    mask = np.zeros(((height + 1) // 2, (width + 1) // 2), np.uint8)
    for body in bodies:
        vertices = body.surface.vertices
        drop = vertices[:, 1:2] / light.direction[1]
        ground = camera.to_camera(vertices - drop * light.direction)
        if ground[:, 2].min() < 0.3:
            continue
        flat = np.clip(camera.project(ground) / 2, -3000, 3000).astype(np.int32)
        for first, last in body.surface.outlines:
            if last - first > 17 * 5:
                cv2.fillConvexPoly(mask, cv2.convexHull(flat[first:last]), 255)
    if not mask.any():
        return
    mask = cv2.GaussianBlur(mask, (0, 0), 2.0)
    keep = cv2.resize(
        cv2.convertScaleAbs(mask, alpha=-strength, beta=255.0), (width, height)
    )
    cv2.multiply(image, cv2.cvtColor(keep, cv2.COLOR_GRAY2RGB), image, 1 / 255)


def _paint_people(
    image: np.ndarray,
    bodies: list[Body],
    camera: Camera,
    light: Light,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Draws all bodies into `image` (in place).

    Returns:
        labels int16 [H, W] (person, `_SEAT` or `_NOBODY`) and depths [H, W], metres.
    """
    height, width = image.shape[:2]
    parts = [(i, b.surface, i) for i, b in enumerate(bodies)]
    parts += [(i, b.seat, _SEAT) for i, b in enumerate(bodies) if b.seat is not None]
    start = np.cumsum([0] + [len(s.vertices) for _, s, _ in parts])
    triangles = np.concatenate(
        [s.triangles + o for (_, s, _), o in zip(parts, start[:-1], strict=True)]
    )
    labels = np.repeat([p[2] for p in parts], [len(p[1].triangles) for p in parts])
    vertices = np.concatenate([s.vertices for _, s, _ in parts])
    normals = np.concatenate([s.normals for _, s, _ in parts])
    local = camera.to_camera(vertices)
    z = local[:, 2]
    if z.min() < 0.05:  # Left out later; only their division must not fail.
        local = np.maximum(local, [-1e3, -1e3, 0.05])
    xy = camera.project(local).astype(np.float32)
    pixels, owners, depths = rasterize(xy, z, triangles, (height, width))

    away = local / -np.sqrt(np.einsum("va,va->v", local, local))[:, None]
    facing = np.abs(np.einsum("va,va->v", normals @ camera.rotation.T, away))
    lambert = np.maximum((normals @ light.direction + 0.25) / 1.25, 0.0)
    values = np.empty((len(vertices), 4))
    values[:, :2] = np.concatenate([s.uv + (0, i * ATLAS_SIZE[0]) for i, s, _ in parts])
    values[:, 2] = lambert * (0.8 + 0.2 * facing)
    values[:, 3] = (0.62 + 0.38 * facing) * (0.86 + 0.14 * normals[:, 1])
    inside = interpolate(xy, triangles, values, pixels, owners, width)

    # remap wants pictures of at most 2**15 on a side: the pixels in rows of 256.
    uv = np.zeros((2, -(-len(pixels) // 256) * 256), np.float32)
    uv[:, : len(pixels)] = inside[:, :2].T
    u, v = uv.reshape(2, -1, 256)
    atlas = np.concatenate([b.atlas for b in bodies])
    texture = cv2.remap(atlas, u, v, cv2.INTER_LINEAR)
    color = texture.reshape(-1, 3)[: len(pixels)].astype(np.float32)
    folds = noise_field(rng, (height, width)).reshape(-1).take(pixels)
    folds = np.float32(0.9) + folds * np.float32(0.2 / 255)
    shade = inside[:, 2:3] * light.key.astype(np.float32)
    shade += inside[:, 3:4] * light.ambient.astype(np.float32)
    color *= shade * folds[:, None]
    image.reshape(-1, 3)[pixels] = np.minimum(color, 255).astype(np.uint8)
    who = np.full(height * width, _NOBODY, np.int16)
    who[pixels] = labels[owners]
    depth = np.full(height * width, np.inf)
    depth[pixels] = depths
    return who.reshape(height, width), depth.reshape(height, width)


def _smooth_edges(image: np.ndarray, who: np.ndarray) -> None:
    """Softens the staircase of the silhouettes (in place)."""
    mask = (who + 4).astype(np.uint8)
    edge = cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, np.ones((2, 2), np.uint8))
    cv2.copyTo(cv2.GaussianBlur(image, (3, 3), 0.75), edge, image)


def _annotate(
    body: Body, row: int, camera: Camera, who: np.ndarray, depth: np.ndarray
) -> Person | None:
    """Keypoints, box and area; None when nothing of the person is seen."""
    height, width = who.shape
    mask = who == row
    columns, rows = np.nonzero(mask.any(0))[0], np.nonzero(mask.any(1))[0]
    local = camera.to_camera(body.joints)
    xy = camera.project(local[:17])
    inside = (local[:17, 2] > 0.05) & (xy > -0.5).all(1)
    inside &= (xy[:, 0] < width - 0.5) & (xy[:, 1] < height - 0.5)
    if not len(columns):
        return None
    column = np.clip(np.rint(xy[:, 0]), 0, width - 1).astype(int)
    line = np.clip(np.rint(xy[:, 1]), 0, height - 1).astype(int)
    flesh = _DEPTH * body.build.stature * 1.25
    seen = mask[line, column] & (depth[line, column] > local[:17, 2] - flesh)
    keypoints = np.column_stack([xy, 1.0 + seen])
    keypoints[~inside] = 0.0
    if seen[inside].sum() < _LEAST_SEEN:
        keypoints[:] = 0.0
    x0, y0 = int(columns[0]), int(rows[0])
    box = (x0, y0, int(columns[-1]) + 1 - x0, int(rows[-1]) + 1 - y0)
    return Person(keypoints, local, box, int(mask.sum()), body.family)


def draw_backdrop(
    rng: np.random.Generator,
    bodies: list[Body],
    camera: Camera,
    light: Light,
    image_size: tuple[int, int],
    plan: Scenario,
) -> np.ndarray:
    """What is behind the people, uint8 `[H, W, 3]`."""
    ground = np.mean([b.joints[JOINTS.index("pelvis")] for b in bodies], 0) * (1, 0, 1)
    image = paint_background(rng, camera, ground, image_size, plan.clutter)
    mood = np.clip((light.key * 0.6 + light.ambient) ** 0.8, 0.2, 1.4)
    levels = np.minimum(np.arange(256)[:, None] * mood, 255).astype(np.uint8)
    return cv2.LUT(image, levels[:, None])


def draw_people(
    rng: np.random.Generator,
    backdrop: np.ndarray,
    bodies: list[Body],
    camera: Camera,
    light: Light,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The picture with people; whom each pixel shows, int16; and how far, metres."""
    image = backdrop.copy()
    _cast_shadows(image, bodies, camera, light, rng.uniform(0.25, 0.7))
    who, depth = _paint_people(image, bodies, camera, light, rng)
    _smooth_edges(image, who)
    return image, who, depth


def annotate_people(
    bodies: list[Body], camera: Camera, who: np.ndarray, depth: np.ndarray
) -> tuple[list[Person], np.ndarray, list[int]]:
    """The people who are seen, whom each pixel shows among them, and their rows."""
    found = [_annotate(b, i, camera, who, depth) for i, b in enumerate(bodies)]
    shown = [person for person in found if person is not None]
    rows = [row for row, person in enumerate(found) if person is not None]
    order = np.full(len(bodies), _NOBODY, np.int16)
    order[rows] = np.arange(len(shown))
    return shown, np.where(who >= 0, order[np.maximum(who, 0)], who), rows


def draw_sample(
    scenario: str,
    seed: int,
    index: int,
    image_size: tuple[int, int] = (256, 192),
    people: tuple[int, int] = (1, 1),
    split: str = "train",
) -> Sample:
    """Draws picture `index`: a pure function of the arguments.

    Args:
        scenario: key of `SCENARIOS`.
        seed: int from 0 to 2**64 - 1.
        index: int from 0 to 2**32 - 1.
        image_size: (height, width) in pixels.
        people: fewest and most people; the number is uniform between them.
        split: name of the split; splits share no random numbers.
    """
    plan = SCENARIOS[scenario]
    rng = sample_rng(scenario, seed, split, index)
    count = int(rng.integers(people[0], people[1] + 1))
    bodies = draw_bodies(rng, plan, count)
    camera = _draw_camera(rng, plan, bodies, image_size)
    light = draw_light(rng, plan, camera)
    backdrop = draw_backdrop(rng, bodies, camera, light, image_size, plan)
    image, who, depth = draw_people(rng, backdrop, bodies, camera, light)
    if plan.occluders:
        hidden = paint_occluders(image, rng, int(rng.integers(0, plan.occluders + 1)))
        who[hidden] = OCCLUDER
    shown, who, _ = annotate_people(bodies, camera, who, depth)
    image = _develop(image, rng, plan)
    return Sample(
        image,
        shown,
        camera,
        int(rng.integers(plan.quality[0], plan.quality[1] + 1)),
        who,
    )


def _develop(image: np.ndarray, rng: np.random.Generator, plan: Scenario) -> np.ndarray:
    """What lens and sensor add: blur and grain."""
    sigma = rng.uniform(-0.4, plan.blur)
    if sigma > 0.25:
        image = cv2.GaussianBlur(image, (0, 0), sigma)
    grain = rng.uniform(0, plan.grain) / _GRAIN_SIGMA
    sheet = _grain_sheet()
    height, width = image.shape[:2]
    y, x = rng.integers(0, len(sheet) // 2, 2).tolist()
    noise = sheet[y : y + height, x : x + width]
    if noise.shape != image.shape:
        noise = cv2.copyMakeBorder(
            noise,
            0,
            height - noise.shape[0],
            0,
            width - noise.shape[1],
            cv2.BORDER_WRAP,
        )
    return cv2.addWeighted(image, 1.0, noise, grain, -128 * grain)


_GRAIN_SIGMA = 30.0


@lru_cache(maxsize=1)
def _grain_sheet() -> np.ndarray:
    """Sensor noise around 128, mostly grey: uint8 [512, 512, 3]."""
    rng = np.random.Generator(np.random.Philox(key=21))
    grey = rng.standard_normal((512, 512, 1)) + 0.4 * rng.standard_normal((512, 512, 3))
    return np.clip(128 + _GRAIN_SIGMA * grey, 0, 255).astype(np.uint8)
