"""A film of people who cross each other's way, with the truth of each frame."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from data_pipelines.mannequin.backgrounds import noise_field
from data_pipelines.mannequin.bodies import Body, place_body, turn_body
from data_pipelines.mannequin.body import Proportions
from data_pipelines.mannequin.camera import aim_camera
from data_pipelines.mannequin.poses import FAMILIES, Gait, joint_angles
from data_pipelines.mannequin.render import (
    OCCLUDER,
    Person,
    annotate_people,
    draw_backdrop,
    draw_light,
    draw_people,
    sample_rng,
)
from data_pipelines.mannequin.scenarios import (
    SCENARIOS,
    Scenario,
    draw_proportions,
)
from data_pipelines.mannequin.wardrobe import Outfit, draw_outfit, paint_atlas

__all__ = ["FilmFrame", "draw_film"]

_HALF_WAY = 2.4  # Metres from the middle to where people turn round.
_GRAIN = 5 / 6  # Share of a scenario's largest grain.


@dataclass(frozen=True)
class FilmFrame:
    """One frame.

    Attributes:
        image: uint8 `[H, W, 3]` RGB.
        seconds: since the first frame.
        people: those of whom anything is seen.
        numbers: who each of them is, from 0, the same in all frames.
    """

    image: np.ndarray
    seconds: float
    people: list[Person]
    numbers: list[int]


@dataclass(frozen=True)
class _Walker:
    build: Proportions
    outfit: Outfit
    atlas: np.ndarray
    base: dict[str, float]
    gait: Gait
    speed: float
    start: float
    depth: float
    phase: float

    def at(self, seconds: float) -> Body:
        """The person, who walks from side to side and turns round at the ends."""
        way = self.start + self.speed * seconds
        lap = way / (2 * _HALF_WAY)
        forth = int(np.floor(lap)) % 2 == 0
        share = lap - np.floor(lap)
        x = _HALF_WAY * (2 * share - 1) * (1 if forth else -1)
        # Turning takes a moment.
        turned = 180 * np.floor(lap) + 180 * np.clip((share - 0.94) / 0.06, 0, 1)
        step = 0.45 * self.build.stature
        angles = joint_angles(
            self.base | self.gait.swing(self.phase + np.pi * way / step)
        )
        return place_body(
            "walking",
            self.build,
            angles,
            turn_body(np.deg2rad(90.0 + turned), 0.0, 0.0),
            np.array([x, 0.0, self.depth]),
            self.outfit,
            self.atlas,
        )


def draw_film(
    seed: int,
    people: int = 4,
    frames: int = 150,
    fps: float = 25.0,
    image_size: tuple[int, int] = (270, 480),
    scenario: str = "studio",
) -> Iterator[FilmFrame]:
    """People who walk to and fro, one behind the other, past a pillar in front.

    Whoever is nearer hides the others as they pass. A pure function of the arguments.

    Args:
        seed: int from 0 to 2**64 - 1.
        people: how many.
        frames: how many.
        fps: frames a second.
        image_size: (height, width) in pixels.
        scenario: key of `SCENARIOS`; decides builds, light, what is behind the people,
            and grain. Everybody walks, and cameras are the same.
    """
    plan = SCENARIOS[scenario]
    rng = sample_rng(scenario, seed, "film", 0)
    walkers = [_draw_walker(rng, plan, row) for row in range(people)]
    room = np.array(
        [[x, y, z] for x in (-2.6, 2.6) for y in (0, 1.9) for z in (0, 0.5 * people)]
    )
    view = (rng.uniform(-8, 8), rng.uniform(2, 12), 0.0, 7.0)
    camera = aim_camera(room, view, image_size, 0.98, (0.0, 0.0))
    light = draw_light(rng, plan, camera)
    backdrop = draw_backdrop(
        rng, [w.at(0) for w in walkers], camera, light, image_size, plan
    )
    pillar, hidden = _draw_pillar(rng, image_size)
    for index in range(frames):
        seconds = index / fps
        bodies = [walker.at(seconds) for walker in walkers]
        # Each frame has the same light and folds; the grain is its own.
        same = sample_rng(scenario, seed, "film", 1)
        image, who, depth = draw_people(same, backdrop, bodies, camera, light)
        image[hidden], who[hidden] = pillar[hidden], OCCLUDER
        shown, _, numbers = annotate_people(bodies, camera, who, depth)
        noise = sample_rng(scenario, seed, "film", 2 + index)
        sigma = _GRAIN * plan.grain
        grain = noise.normal(0, sigma, image.shape).astype(np.float32)
        image = np.clip(image + grain, 0, 255).astype(np.uint8)
        yield FilmFrame(image, seconds, shown, numbers)


def _draw_walker(rng: np.random.Generator, plan: Scenario, row: int) -> _Walker:
    build, feminine = draw_proportions(rng, plan)
    outfit = draw_outfit(rng, feminine)
    gait = Gait(
        stride=rng.uniform(18, 28),
        arm=rng.uniform(14, 26),
        knee=rng.uniform(32, 50),
        bend=rng.uniform(12, 28),
    )
    return _Walker(
        build,
        outfit,
        paint_atlas(outfit, rng),
        FAMILIES["walking"](rng),
        gait,
        rng.uniform(0.7, 1.5),
        rng.uniform(0, 4 * _HALF_WAY),
        0.5 * row + rng.uniform(0, 0.1),
        rng.uniform(0, 2 * np.pi),
    )


def _draw_pillar(
    rng: np.random.Generator, image_size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """A picture of a pillar, and bool `[H, W]` where it is."""
    height, width = image_size
    left, wide = int(width * rng.uniform(0.3, 0.6)), int(width * rng.uniform(0.06, 0.1))
    picture = cv2.cvtColor(noise_field(rng, image_size), cv2.COLOR_GRAY2RGB)
    round_ = np.sin(np.pi * np.clip((np.arange(width) - left) / wide, 0.1, 0.9))
    colour = rng.uniform(90, 180, 3)
    painted = (0.7 + picture / 850) * round_[None, :, None] * colour
    hidden = np.zeros(image_size, bool)
    hidden[:, left : left + wide] = True
    return painted.astype(np.uint8), hidden
