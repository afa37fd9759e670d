"""Pose families: what people do with their joints, as distributions of angles."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from data_pipelines.mannequin.body import ANGLES, limit_angles

__all__ = ["FAMILIES", "Gait", "draw_angles", "joint_angles"]

_SLOT = {name: i for i, name in enumerate(ANGLES)}
_SIDES = ("left", "right")
Angles = dict[str, float]


def _relaxed(rng: np.random.Generator) -> Angles:
    u = rng.uniform
    pose = {
        "spine_flex": u(-4, 10),
        "spine_side": u(-5, 5),
        "spine_twist": u(-8, 8),
        "neck_flex": u(-10, 18),
        "neck_side": u(-8, 8),
        "neck_twist": u(-25, 25),
    }
    for side in _SIDES:
        pose |= {
            f"{side}_shoulder_flex": u(-12, 22),
            f"{side}_shoulder_abduct": u(5, 18),
            f"{side}_shoulder_twist": u(-35, 15),
            f"{side}_elbow_flex": u(5, 40),
            f"{side}_hip_flex": u(-6, 12),
            f"{side}_hip_abduct": u(1, 9),
            f"{side}_hip_twist": u(0, 14),
            f"{side}_knee_flex": u(1, 12),
        }
    return pose


def _gesture(rng: np.random.Generator, pose: Angles, side: str) -> None:
    """Gives one arm something to do."""
    u = rng.uniform
    flex, abduct, twist, elbow = [
        (u(-25, -5), u(30, 48), u(-75, -50), u(85, 115)),  # hand on the hip
        (u(20, 60), u(5, 30), u(-75, -20), u(80, 135)),  # hand before the chest
        (u(60, 110), u(-10, 30), u(-40, 20), u(5, 60)),  # pointing forward
        (u(-10, 20), u(60, 110), u(-30, 60), u(5, 70)),  # out to the side
        (u(120, 172), u(0, 40), u(-20, 30), u(5, 70)),  # up
        (u(0, 30), u(75, 110), u(50, 80), u(70, 120)),  # waving
        (u(90, 130), u(5, 40), u(-20, 30), u(110, 145)),  # hand at the head
        (u(-40, -15), u(5, 20), u(-40, 0), u(30, 80)),  # behind the back
    ][rng.integers(8)]
    pose |= {
        f"{side}_shoulder_flex": flex,
        f"{side}_shoulder_abduct": abduct,
        f"{side}_shoulder_twist": twist,
        f"{side}_elbow_flex": elbow,
    }


def _standing(rng: np.random.Generator) -> Angles:
    pose = _relaxed(rng)
    for side in _SIDES:
        if rng.random() < 0.45:
            _gesture(rng, pose, side)
    return pose


@dataclass(frozen=True)
class Gait:
    """How somebody walks or runs: sinusoidal hips, arms in counter-phase.

    Attributes:
        stride: of the hips, degrees.
        arm: swing of the arms, degrees.
        knee: how far the knees bend, degrees.
        bend: of the elbows, degrees.
    """

    stride: float
    arm: float
    knee: float
    bend: float

    def swing(self, phase: float) -> Angles:
        """The angles that change, at a phase of the step, radians."""
        pose = {"spine_twist": 0.25 * self.stride * np.sin(phase)}
        for side, turn in (("left", 0.0), ("right", np.pi)):
            swing, lift = np.sin(phase + turn), np.cos(phase + turn)
            bent = self.knee * max(lift, 0.0) ** 1.3 + 0.15 * self.knee
            pose |= {
                f"{side}_hip_flex": self.stride * (0.25 + swing),
                f"{side}_knee_flex": 8 + bent,
                f"{side}_ankle_flex": 10 * swing - 12 * max(-swing, 0.0),
                f"{side}_shoulder_flex": -self.arm * swing + 4,
                f"{side}_elbow_flex": self.bend - 0.4 * self.arm * swing,
            }
        return pose


def _gait(rng: np.random.Generator, stride: float, arm: float, knee: float) -> Angles:
    """One moment of a walk or run."""
    pose = _relaxed(rng)
    phase = rng.uniform(0, 2 * np.pi)
    pose["spine_flex"] = rng.uniform(0, 6) + stride * 0.2
    bend = rng.uniform(10, 30) if arm < 30 else rng.uniform(75, 110)
    for side in _SIDES:
        pose[f"{side}_hip_abduct"] = rng.uniform(0, 5)
    return pose | Gait(stride, arm, knee, bend).swing(phase)


def _walking(rng: np.random.Generator) -> Angles:
    return _gait(rng, rng.uniform(16, 30), rng.uniform(12, 28), rng.uniform(30, 55))


def _running(rng: np.random.Generator) -> Angles:
    return _gait(rng, rng.uniform(32, 55), rng.uniform(32, 58), rng.uniform(75, 110))


def _sitting(rng: np.random.Generator) -> Angles:
    pose, u = _relaxed(rng), rng.uniform
    pose["spine_flex"] = u(-8, 28)
    for side in _SIDES:
        pose |= {
            f"{side}_hip_flex": u(72, 98),
            f"{side}_hip_abduct": u(2, 22),
            f"{side}_knee_flex": u(60, 105),
            f"{side}_shoulder_flex": u(10, 60),
            f"{side}_elbow_flex": u(15, 90),
        }
        if rng.random() < 0.25:
            _gesture(rng, pose, side)
    return pose


def _squatting(rng: np.random.Generator) -> Angles:
    pose, u = _standing(rng), rng.uniform
    depth = u(0.45, 1.0)
    pose["spine_flex"] = u(10, 40)
    pose["neck_flex"] = u(-25, 5)
    spread = u(6, 30)
    for side in _SIDES:
        pose |= {
            f"{side}_hip_flex": 112 * depth + u(-6, 6),
            f"{side}_hip_abduct": spread + u(-4, 4),
            f"{side}_knee_flex": 130 * depth + u(-6, 6),
            f"{side}_ankle_flex": 22 * depth,
        }
    return pose


def _reaching(rng: np.random.Generator) -> Angles:
    pose, u = _standing(rng), rng.uniform
    side = _SIDES[rng.integers(2)]
    lean = 1.0 if side == "right" else -1.0
    pose |= {
        "spine_side": lean * u(0, 25),
        "spine_twist": lean * u(-20, 35),
        "spine_flex": u(-8, 35),
        f"{side}_shoulder_flex": u(40, 165),
        f"{side}_shoulder_abduct": u(-15, 60),
        f"{side}_elbow_flex": u(2, 40),
        f"{side}_hip_flex": u(-15, 30),
        f"{side}_knee_flex": u(2, 40),
    }
    return pose


def _arms_up(rng: np.random.Generator) -> Angles:
    pose, u = _relaxed(rng), rng.uniform
    raised = u(100, 165)
    for side in _SIDES:
        sideways = rng.random() < 0.5
        pose |= {
            f"{side}_shoulder_flex": u(-10, 15) if sideways else raised + u(-20, 10),
            f"{side}_shoulder_abduct": raised + u(-25, 5) if sideways else u(0, 35),
            f"{side}_shoulder_twist": u(-20, 30),
            f"{side}_elbow_flex": u(3, 95),
            f"{side}_hip_abduct": u(2, 18),
        }
    return pose


def _lunging(rng: np.random.Generator) -> Angles:
    pose, u = _standing(rng), rng.uniform
    front, back = _SIDES if rng.random() < 0.5 else _SIDES[::-1]
    pose |= {
        f"{front}_hip_flex": u(45, 95),
        f"{front}_knee_flex": u(50, 100),
        f"{back}_hip_flex": u(-25, 0),
        f"{back}_knee_flex": u(5, 70),
        f"{back}_ankle_flex": u(-10, 20),
        "spine_flex": u(-5, 25),
    }
    return pose


def _kicking(rng: np.random.Generator) -> Angles:
    pose, u = _standing(rng), rng.uniform
    leg, other = _SIDES if rng.random() < 0.5 else _SIDES[::-1]
    pose |= {
        f"{leg}_hip_flex": u(25, 110),
        f"{leg}_hip_abduct": u(0, 50),
        f"{leg}_knee_flex": u(3, 80),
        f"{leg}_ankle_flex": u(-35, 0),
        f"{other}_knee_flex": u(3, 25),
        "spine_flex": u(-15, 25),
        "spine_side": u(-20, 20),
        f"{leg}_shoulder_flex": u(-40, 0),
        f"{other}_shoulder_flex": u(20, 80),
    }
    for side in _SIDES:
        pose[f"{side}_shoulder_abduct"] = u(15, 80)
    return pose


def _bending(rng: np.random.Generator) -> Angles:
    pose, u = _relaxed(rng), rng.uniform
    pose |= {"spine_flex": u(35, 75), "neck_flex": u(-35, 20)}
    hips = u(20, 85)
    for side in _SIDES:
        pose |= {
            f"{side}_hip_flex": hips + u(-8, 8),
            f"{side}_knee_flex": u(2, 45),
            f"{side}_shoulder_flex": u(40, 120),
            f"{side}_elbow_flex": u(5, 60),
        }
    return pose


def _lying(rng: np.random.Generator) -> Angles:
    pose, u = _standing(rng), rng.uniform
    for side in _SIDES:
        pose[f"{side}_hip_abduct"] = u(2, 25)
        if rng.random() < 0.5:
            pose |= {f"{side}_hip_flex": u(10, 75), f"{side}_knee_flex": u(20, 110)}
    return pose


FAMILIES: dict[str, Callable[[np.random.Generator], Angles]] = {
    "standing": _standing,
    "walking": _walking,
    "running": _running,
    "sitting": _sitting,
    "squatting": _squatting,
    "reaching": _reaching,
    "arms_up": _arms_up,
    "lunging": _lunging,
    "kicking": _kicking,
    "bending": _bending,
    "lying": _lying,
}


def draw_angles(
    rng: np.random.Generator, family: str, blend: str, amount: float, noise: float
) -> np.ndarray:
    """Joint angles [A] in degrees, within human limits.

    Args:
        rng: source of randomness.
        family: key of `FAMILIES`: the main pose.
        blend: key of `FAMILIES`: a second pose mixed into the first.
        amount: share of the second pose, 0..1.
        noise: standard deviation of independent noise per joint, degrees.
    """
    first = FAMILIES[family](rng)
    angles = rng.normal(0.0, noise, len(ANGLES))
    for name, value in first.items():
        angles[_SLOT[name]] += (1 - amount) * value
    if amount > 0:
        for name, value in FAMILIES[blend](rng).items():
            angles[_SLOT[name]] += amount * value
    return limit_angles(angles)


def joint_angles(pose: Angles) -> np.ndarray:
    """Joint angles [A] in degrees by their names, within human limits; others are 0."""
    angles = np.zeros(len(ANGLES))
    for name, value in pose.items():
        angles[_SLOT[name]] = value
    return limit_angles(angles)
