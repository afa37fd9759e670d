"""Named scenarios: what poses, builds, views, light and clutter to expect."""

from dataclasses import dataclass

import numpy as np

from data_pipelines.mannequin.body import BONES, Proportions

__all__ = ["SCENARIOS", "Scenario", "draw_proportions"]

Range = tuple[float, float]


@dataclass(frozen=True)
class Scenario:
    """Distributions of a scenario. Ranges are uniform; angles in degrees.

    Attributes:
        name: key in `SCENARIOS`.
        families: weight of every pose family.
        blend: largest share of a second family.
        noise: standard deviation of what is added to every joint's angle.
        front: standard deviation of the azimuth around the front view.
        any_side: share of views from anywhere around.
        elevation: of the camera, seen from the people.
        roll: spread of the camera's turn about the viewing direction.
        distance: metres.
        spread: how far people stand apart, across and along the view; several people
            only.
        fill: share of the picture that the people take.
        shift: largest shift from the picture's middle, as a share of it.
        stature: metres.
        build_spread: relative standard deviation of segment lengths and girths.
        children: share of people of 1.0 to 1.35 m.
        occluders: most objects in front of the people.
        cut: share of pictures framed on a part of the body.
        contrast: share of the key light.
        tint: strength of coloured light.
        exposure: brightness factor.
        clutter: fewest and most things behind the people.
        blur: largest Gaussian sigma, pixels.
        grain: largest pixel noise.
        quality: JPEG's.
    """

    name: str
    families: dict[str, float]
    blend: float
    noise: float
    front: float
    any_side: float
    elevation: Range
    roll: float
    distance: Range
    spread: Range
    fill: Range
    shift: float
    stature: Range
    build_spread: float
    children: float
    occluders: int
    cut: float
    contrast: Range
    tint: float
    exposure: Range
    clutter: tuple[int, int]
    blur: float
    grain: float
    quality: tuple[int, int]


SCENARIOS: dict[str, Scenario] = {
    "studio": Scenario(
        name="studio",
        families={
            "standing": 5,
            "walking": 2.5,
            "reaching": 1,
            "arms_up": 1.2,
            "sitting": 1,
            "squatting": 0.4,
            "lunging": 0.5,
            "running": 0.4,
        },
        blend=0.4,
        noise=4.0,
        front=38.0,
        any_side=0.15,
        elevation=(-4, 18),
        roll=3.0,
        distance=(3.0, 7.0),
        spread=(1.5, 1.0),
        fill=(0.72, 0.94),
        shift=0.03,
        stature=(1.52, 1.94),
        build_spread=0.035,
        children=0.0,
        occluders=0,
        cut=0.0,
        contrast=(0.45, 0.65),
        tint=0.04,
        exposure=(0.92, 1.08),
        clutter=(2, 9),
        blur=0.5,
        grain=3.0,
        quality=(80, 95),
    ),
    "wild": Scenario(
        name="wild",
        families={
            "standing": 1.5,
            "walking": 1.2,
            "running": 1.8,
            "sitting": 1.2,
            "squatting": 1.2,
            "reaching": 1.4,
            "arms_up": 1,
            "lunging": 1.3,
            "kicking": 1.5,
            "bending": 1.3,
            "lying": 0.9,
        },
        blend=0.6,
        noise=9.0,
        front=60.0,
        any_side=0.6,
        elevation=(-12, 62),
        roll=14.0,
        distance=(1.7, 9.0),
        spread=(1.5, 1.0),
        fill=(0.5, 1.08),
        shift=0.1,
        stature=(1.4, 2.05),
        build_spread=0.09,
        children=0.2,
        occluders=3,
        cut=0.22,
        contrast=(0.45, 0.9),
        tint=0.22,
        exposure=(0.5, 1.3),
        clutter=(5, 22),
        blur=1.3,
        grain=11.0,
        quality=(28, 90),
    ),
    # For several people: they hide each other, near ones are large and far ones small.
    "crowd": Scenario(
        name="crowd",
        families={
            "standing": 3,
            "walking": 2,
            "reaching": 1,
            "arms_up": 1,
            "sitting": 1,
            "squatting": 0.5,
            "running": 0.7,
            "lunging": 0.5,
            "kicking": 0.3,
            "bending": 0.4,
        },
        blend=0.5,
        noise=6.0,
        front=50.0,
        any_side=0.4,
        elevation=(-4, 30),
        roll=6.0,
        distance=(4.0, 8.0),
        spread=(0.7, 1.9),
        fill=(0.8, 1.15),
        shift=0.05,
        stature=(1.45, 2.0),
        build_spread=0.06,
        children=0.15,
        occluders=1,
        cut=0.0,
        contrast=(0.45, 0.75),
        tint=0.12,
        exposure=(0.7, 1.2),
        clutter=(3, 14),
        blur=0.7,
        grain=6.0,
        quality=(50, 95),
    ),
}


def draw_proportions(
    rng: np.random.Generator, scenario: Scenario
) -> tuple[Proportions, float]:
    """A random build, and how feminine it is (0..1)."""
    child = rng.random() < scenario.children
    feminine = float(rng.random() < 0.5) * 0.9 + 0.05
    low, high = (1.0, 1.35) if child else scenario.stature
    stature = rng.uniform(low, high) * (1.0 - 0.04 * feminine)
    spread = scenario.build_spread
    lengths = np.ones(len(BONES))
    girths = np.ones((len(BONES), 2))
    body = rng.normal(0.0, 1.0, 8).clip(-2, 2) * spread
    heavy = 1.0 + 2.4 * body[0]
    for i, bone in enumerate(BONES):
        part = bone.split("_")[-1]
        if part in ("hip", "knee"):
            lengths[i] += body[1]
        elif part in ("shoulder", "elbow", "wrist"):
            lengths[i] += body[2]
        elif part in ("pelvis", "spine", "chest"):
            lengths[i] += 0.7 * body[3]
        wide = 0.0
        if part in ("chest", "clavicle", "shoulder"):
            wide = 0.6 * body[4] - 0.07 * (feminine - 0.5)
        elif part in ("pelvis", "hip"):
            wide = 0.6 * body[5] + 0.08 * (feminine - 0.5)
        girths[i] = heavy + wide
    clavicles = [i for i, bone in enumerate(BONES) if bone.endswith("clavicle")]
    lengths[clavicles] += 0.8 * body[4] - 0.08 * (feminine - 0.5)
    head = [i for i, bone in enumerate(BONES) if bone in ("head", "neck")]
    size = 1.04 + 0.5 * body[6] + (0.22 if child else 0.0)
    lengths[head] = size
    girths[head] = size
    return Proportions(float(stature), lengths, np.maximum(girths, 0.72)), feminine
