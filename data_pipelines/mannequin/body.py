"""The articulated body: bones, joint limits, proportions, forward kinematics.

Rest pose and world frame: metres, x to the person's left, y up, z to the person's
front, arms hanging. The rest statue is authored for a stature of 1; segment lengths
follow Drillis and Contini (1966) as fractions of stature.

    B: number of bones (19).  A: number of joint angles (24).  J: named joints (29).
"""

from dataclasses import dataclass

import numpy as np

__all__ = [
    "ANGLES",
    "ANGLE_LIMITS",
    "BONES",
    "JOINTS",
    "Pose3D",
    "Proportions",
    "bone_index",
    "forward_kinematics",
    "joint_positions",
    "limit_angles",
]

# Bone: (parent, rest origin). The origin is the joint the bone turns about.
_TREE: dict[str, tuple[str | None, tuple[float, float, float]]] = {
    "pelvis": (None, (0.0, 0.530, 0.0)),
    "spine": ("pelvis", (0.0, 0.600, 0.0)),
    "chest": ("spine", (0.0, 0.700, 0.0)),
    "neck": ("chest", (0.0, 0.828, -0.004)),
    "head": ("neck", (0.0, 0.868, 0.0)),
}
for _side, _x in (("left", 1.0), ("right", -1.0)):
    _TREE |= {
        f"{_side}_clavicle": ("chest", (0.018 * _x, 0.812, 0.0)),
        f"{_side}_shoulder": (f"{_side}_clavicle", (0.106 * _x, 0.812, 0.0)),
        f"{_side}_elbow": (f"{_side}_shoulder", (0.106 * _x, 0.628, 0.0)),
        f"{_side}_wrist": (f"{_side}_elbow", (0.106 * _x, 0.482, 0.0)),
        f"{_side}_hip": ("pelvis", (0.052 * _x, 0.530, 0.0)),
        f"{_side}_knee": (f"{_side}_hip", (0.052 * _x, 0.285, 0.0)),
        f"{_side}_ankle": (f"{_side}_knee", (0.052 * _x, 0.039, 0.0)),
    }

BONES: tuple[str, ...] = tuple(_TREE)
_INDEX = {name: i for i, name in enumerate(BONES)}
_PARENTS = np.array([-1 if p is None else _INDEX[p] for p, _ in _TREE.values()])


def _levels() -> list[tuple[np.ndarray, np.ndarray]]:
    """Bones of the same depth in the tree, and their parents, from the root down."""
    depth = [0] * len(BONES)
    for bone in range(1, len(BONES)):
        depth[bone] = depth[_PARENTS[bone]] + 1
    levels = [np.nonzero(np.equal(depth, d))[0] for d in range(1, max(depth) + 1)]
    return [(bones, _PARENTS[bones]) for bones in levels]


_LEVELS = _levels()
REST_ORIGINS = np.array([origin for _, origin in _TREE.values()])

# Named joints: (bone, rest position). The first 17 are COCO's, in COCO's order.
_JOINT_POINTS: dict[str, tuple[str, tuple[float, float, float]]] = {
    "nose": ("head", (0.0, 0.914, 0.079)),
    "left_eye": ("head", (0.0185, 0.934, 0.061)),
    "right_eye": ("head", (-0.0185, 0.934, 0.061)),
    "left_ear": ("head", (0.050, 0.922, 0.004)),
    "right_ear": ("head", (-0.050, 0.922, 0.004)),
}
for _joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
    for _side in ("left", "right"):
        _name = f"{_side}_{_joint}"
        _JOINT_POINTS[_name] = (_name, _TREE[_name][1])
_JOINT_POINTS |= {
    "pelvis": ("pelvis", (0.0, 0.530, 0.0)),
    "spine": ("spine", (0.0, 0.640, 0.0)),
    "thorax": ("chest", (0.0, 0.812, 0.0)),
    "neck": ("neck", (0.0, 0.848, 0.0)),
    "head": ("head", (0.0, 0.935, 0.008)),
    "head_top": ("head", (0.0, 1.0, 0.0)),
}
for _side, _x in (("left", 1.0), ("right", -1.0)):
    _JOINT_POINTS |= {
        f"{_side}_hand": (f"{_side}_wrist", (0.106 * _x, 0.420, 0.0)),
        f"{_side}_heel": (f"{_side}_ankle", (0.052 * _x, 0.012, -0.028)),
        f"{_side}_toe": (f"{_side}_ankle", (0.052 * _x, 0.012, 0.100)),
    }
JOINTS: tuple[str, ...] = tuple(_JOINT_POINTS)
_JOINT_BONES = np.array([_INDEX[bone] for bone, _ in _JOINT_POINTS.values()])
_JOINT_REST = np.array([point for _, point in _JOINT_POINTS.values()])

# Degrees. Flexion brings the segment forward (knee: backward), abduction outward.
_SIDE_LIMITS = {
    "shoulder_flex": (-50.0, 175.0),
    "shoulder_abduct": (-30.0, 165.0),
    "shoulder_twist": (-80.0, 80.0),
    "elbow_flex": (2.0, 148.0),
    "hip_flex": (-25.0, 122.0),
    "hip_abduct": (-18.0, 55.0),
    "hip_twist": (-35.0, 40.0),
    "knee_flex": (1.0, 145.0),
    "ankle_flex": (-35.0, 25.0),
}
ANGLE_LIMITS: dict[str, tuple[float, float]] = {
    "spine_flex": (-25.0, 75.0),
    "spine_side": (-32.0, 32.0),
    "spine_twist": (-42.0, 42.0),
    "neck_flex": (-40.0, 45.0),
    "neck_side": (-30.0, 30.0),
    "neck_twist": (-65.0, 65.0),
}
for _side in ("left", "right"):
    ANGLE_LIMITS |= {f"{_side}_{k}": v for k, v in _SIDE_LIMITS.items()}
ANGLES: tuple[str, ...] = tuple(ANGLE_LIMITS)
_LOW, _HIGH = np.array(list(ANGLE_LIMITS.values())).T


def bone_index(name: str) -> int:
    """Row of bone `name` in `BONES`."""
    return _INDEX[name]


@dataclass(frozen=True)
class Proportions:
    """One body's build.

    Attributes:
        stature: metres from the sole to the crown, for average segments.
        lengths: `[B]` segment length over the average of that stature.
        girths: `[B, 2]` thickness over the average, (side to side, front to back).
    """

    stature: float
    lengths: np.ndarray
    girths: np.ndarray

    def offsets(self) -> np.ndarray:
        """Bone origins relative to their parents' in the rest pose, metres [B, 3]."""
        parents = np.maximum(_PARENTS, 0)
        steps = REST_ORIGINS - REST_ORIGINS[parents]
        return steps * (self.stature * self.lengths[parents])[:, None]


@dataclass(frozen=True)
class Pose3D:
    """Bones in the world.

    Attributes:
        rotations: `[B, 3, 3]`.
        origins: `[B, 3]` metres.
    """

    rotations: np.ndarray
    origins: np.ndarray

    def moved(self, rotation: np.ndarray, shift: np.ndarray) -> "Pose3D":
        """The same pose turned by `rotation` [3, 3], then shifted by `shift` [3]."""
        return Pose3D(rotation @ self.rotations, self.origins @ rotation.T + shift)


def limit_angles(angles: np.ndarray) -> np.ndarray:
    """Clips joint angles [A] in degrees to the human range."""
    return np.clip(angles, _LOW, _HIGH)


def _rotations(euler: np.ndarray) -> np.ndarray:
    """Rx @ Rz @ Ry for angles [B, 3] in radians: twist first, then side, then flex."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(euler).T, np.sin(euler).T
    out = np.empty((len(euler), 3, 3))
    out[:, 0] = np.stack([cz * cy, -sz, cz * sy], 1)
    middle = np.stack([sz * cy, cz, sz * sy], 1)
    last = np.stack([-sy, np.zeros_like(sy), cy], 1)
    out[:, 1] = cx[:, None] * middle - sx[:, None] * last
    out[:, 2] = sx[:, None] * middle + cx[:, None] * last
    return out


def _bone_angles(angles: np.ndarray) -> np.ndarray:
    """Euler angles (about x, y, z) of every bone, radians [B, 3]."""
    named = dict(zip(ANGLES, angles.tolist(), strict=True))
    euler = np.zeros((len(BONES), 3))
    # The trunk's and the neck's angles are shared by two bones each.
    for bone, source in (
        ("spine", "spine"),
        ("chest", "spine"),
        ("neck", "neck"),
        ("head", "neck"),
    ):
        euler[_INDEX[bone]] = (
            named[f"{source}_flex"] / 2,
            named[f"{source}_twist"] / 2,
            named[f"{source}_side"] / 2,
        )
    for side, sign in (("left", 1.0), ("right", -1.0)):
        flex = named[f"{side}_shoulder_flex"]
        abduct = named[f"{side}_shoulder_abduct"]
        # The shoulder girdle lifts with the arm (scapulohumeral rhythm).
        lift = min(max(0.22 * (max(flex, abduct) - 40.0), 0.0), 28.0)
        euler[_INDEX[f"{side}_clavicle"]] = (0.0, 0.0, sign * lift)
        euler[_INDEX[f"{side}_shoulder"]] = (
            -flex,
            sign * named[f"{side}_shoulder_twist"],
            sign * (abduct - lift),
        )
        euler[_INDEX[f"{side}_elbow"]] = (-named[f"{side}_elbow_flex"], 0.0, 0.0)
        euler[_INDEX[f"{side}_hip"]] = (
            -named[f"{side}_hip_flex"],
            sign * named[f"{side}_hip_twist"],
            sign * named[f"{side}_hip_abduct"],
        )
        euler[_INDEX[f"{side}_knee"]] = (named[f"{side}_knee_flex"], 0.0, 0.0)
        euler[_INDEX[f"{side}_ankle"]] = (-named[f"{side}_ankle_flex"], 0.0, 0.0)
    return np.deg2rad(euler)


def forward_kinematics(angles: np.ndarray, build: Proportions) -> Pose3D:
    """Bones of a body of `build` with joint `angles` [A] (degrees), pelvis at 0."""
    local = _rotations(_bone_angles(angles))
    steps = build.offsets()
    rotations = np.empty_like(local)
    origins = np.zeros((len(BONES), 3))
    rotations[0] = local[0]
    for bones, parents in _LEVELS:
        above = rotations[parents]
        rotations[bones] = above @ local[bones]
        origins[bones] = origins[parents] + (above @ steps[bones, :, None])[..., 0]
    return Pose3D(rotations, origins)


def joint_positions(pose: Pose3D, build: Proportions) -> np.ndarray:
    """The named `JOINTS` in the world, metres [J, 3]."""
    bones = _JOINT_BONES
    scale = (build.stature * build.lengths[bones])[:, None]
    local = (_JOINT_REST - REST_ORIGINS[bones]) * scale
    return pose.origins[bones] + np.einsum("jab,jb->ja", pose.rotations[bones], local)
