"""Drawn people in the world: pose, build, clothes, and where they stand."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data_pipelines.mannequin.body import (
    Pose3D,
    Proportions,
    forward_kinematics,
    joint_positions,
)
from data_pipelines.mannequin.flesh import Tube, body_tubes
from data_pipelines.mannequin.poses import draw_angles
from data_pipelines.mannequin.scenarios import Scenario, draw_proportions
from data_pipelines.mannequin.skin import Surface, skin_tubes
from data_pipelines.mannequin.wardrobe import RECTS, Outfit, draw_outfit, paint_atlas

__all__ = ["Body", "draw_bodies", "place_body", "turn_body"]


@dataclass(frozen=True)
class Body:
    """A person in the world.

    Attributes:
        family: name of the pose's family.
        build: the proportions.
        joints: `[29, 3]` the joints `body.JOINTS`, metres, world.
        surface: skin and clothes.
        atlas: uint8 picture of the clothes and skin, for the surface.
        seat: what is sat on; None if nothing is.
    """

    family: str
    build: Proportions
    joints: np.ndarray
    surface: Surface
    atlas: np.ndarray
    seat: Surface | None


def turn_body(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """World rotation Ry(yaw) Rx(pitch) Rz(roll), radians."""
    (cy, cp, cr), (sy, sp, sr) = np.cos([yaw, pitch, roll]), np.sin([yaw, pitch, roll])
    ry = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    rx = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    rz = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return ry @ rx @ rz


def _seat_tubes(rng: np.random.Generator) -> list[Tube]:
    """A stool, perhaps with a back, bound to the pelvis."""
    w, d = rng.uniform(0.10, 0.16), rng.uniform(0.09, 0.14)
    y = np.array([0.474, 0.4735, 0.25, 0.249])
    width = np.array([0.01, w, w * rng.uniform(0.5, 1.0), 0.01])
    depth = np.array([0.01, d, d * 0.9, 0.01])
    tubes = [
        Tube(
            "seat",
            np.stack([0 * y, y, 0 * y + 0.01], 1),
            np.stack([width, depth], 1),
            ("pelvis", "pelvis"),
            np.ones(4),
            np.linspace(0, 1, 4),
            square=1.0,
        )
    ]
    if rng.random() < 0.4:
        y = np.array([0.74, 0.739, 0.47, 0.469])
        thin = np.array([0.002, 0.010, 0.010, 0.002])
        tubes.append(
            Tube(
                "seat",
                np.stack([0 * y, y, 0 * y - 0.115], 1),
                np.stack([np.array([0.01, w, w, 0.01]), thin], 1),
                ("pelvis", "pelvis"),
                np.ones(4),
                np.linspace(0, 1, 4),
                square=1.0,
            )
        )
    return tubes


def _draw_body(
    rng: np.random.Generator, scenario: Scenario, yaw: float, place: np.ndarray
) -> Body:
    """A random person standing (sitting, lying) at `place` on the floor."""
    names = list(scenario.families)
    odds = np.cumsum(list(scenario.families.values()))
    pick = np.searchsorted(odds / odds[-1], rng.random(2)).clip(0, len(names) - 1)
    family, blend = names[pick[0]], names[pick[1]]
    amount = rng.uniform(0, scenario.blend) * (rng.random() < 0.6)
    if family in ("sitting", "lying"):
        blend = family
    build, feminine = draw_proportions(rng, scenario)
    angles = draw_angles(rng, family, blend, amount, scenario.noise)
    outfit = draw_outfit(rng, feminine)
    pitch, roll = np.deg2rad(rng.normal(0, 0.5, 2) * scenario.noise)
    if family == "lying":
        pitch += np.pi / 2 * (1 if rng.random() < 0.4 else -1)
        roll += rng.normal(0, 0.4)
    elif family == "sitting":
        pitch = roll = 0.0
    seat = _seat_tubes(rng) if family == "sitting" else []
    atlas = paint_atlas(outfit, rng)
    turn = turn_body(yaw, pitch, roll)
    return place_body(family, build, angles, turn, place, outfit, atlas, seat)


def place_body(
    family: str,
    build: Proportions,
    angles: np.ndarray,
    turn: np.ndarray,
    place: np.ndarray,
    outfit: Outfit,
    atlas: np.ndarray,
    seat: Sequence[Tube] = (),
) -> Body:
    """A person in a pose, with the lowest point on the floor.

    Args:
        family: name of the pose's family.
        build: the proportions.
        angles: `[A]` of the joints, degrees.
        turn: `[3, 3]` rotation in the world.
        place: `[3]` below the pelvis, metres, world.
        outfit: the clothes.
        atlas: their picture, see `paint_atlas`.
        seat: what is sat on.
    """
    pose = forward_kinematics(angles, build).moved(turn, np.zeros(3))
    surface = skin_tubes(body_tubes(outfit), pose, build, RECTS)
    below = skin_tubes(list(seat), pose, build, RECTS) if seat else None
    floor = surface.vertices[:, 1].min()
    if below is not None:
        floor = min(floor, below.vertices[:, 1].min())
    shift = place - np.array([pose.origins[0, 0], floor, pose.origins[0, 2]])
    pose = Pose3D(pose.rotations, pose.origins + shift)
    for part in (surface, below):
        if part is not None:
            part.vertices[:] += shift
    return Body(family, build, joint_positions(pose, build), surface, atlas, below)


def draw_bodies(rng: np.random.Generator, scenario: Scenario, count: int) -> list[Body]:
    """People who do not stand inside each other."""
    places: list[np.ndarray] = []
    reach = 0.55 * np.sqrt(count)
    while len(places) < count:
        reach *= 1.03
        across, along = scenario.spread
        place = np.array([rng.uniform(-across, across), 0, rng.uniform(-along, along)])
        place *= (reach, 0.0, reach)
        if count == 1:
            place[:] = 0.0
        near = [np.hypot(*(place - p)[[0, 2]]) for p in places]
        if min(near, default=9.0) > 0.5:
            places.append(place)
    bodies = []
    for place in places:
        yaw = 0.0
        if count > 1:
            yaw = rng.uniform(-np.pi, np.pi)
            if rng.random() > scenario.any_side:
                yaw = np.deg2rad(rng.normal(0, scenario.front))
        bodies.append(_draw_body(rng, scenario, yaw, place))
    return bodies
