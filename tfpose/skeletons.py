"""Named joints, limbs, left-right pairs and OKS sigmas of every joint set.

The order of joints is that of the data set's files. The names are the same for all data
sets, so that joint sets are converted by name:

    left_*, right_*   the person's own left and right
    pelvis, thorax    between the hips, between the shoulders
    spine             between pelvis and thorax
    neck              upper end of the neck, where LSP, MPII and CrowdPose mark it
    head              middle of the head (Penn Action's head, MPI-INF-3DHP's head,
                      Human3.6M's "Neck/Nose")
    head_top          top of the skull (Human3.6M's "Head", CrowdPose's "head")

MPI-INF-3DHP's files call the point between the shoulders "neck". Measured against the
shoulders it is Human3.6M's thorax, and has that name here.
"""

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any

import numpy as np

from tfpose.errors import InputError

__all__ = ["SKELETONS", "Skeleton", "convert_keypoints", "get_skeleton"]

# Joints that are midpoints of two others, for joint sets without them.
_MIDPOINTS = {
    "pelvis": ("left_hip", "right_hip"),
    "thorax": ("left_shoulder", "right_shoulder"),
}

# The root is the first of these that a joint set has, otherwise its first joint.
_ROOTS = ("pelvis", "thorax", "neck", "nose", "head", "head_top")


@dataclasses.dataclass(frozen=True)
class Skeleton:
    """A set of J joints in a fixed order.

    Args:
        name: key in `SKELETONS`, or a name chosen by the user.
        joints: J unique snake_case names; a joint of a side starts with `left_` or
            `right_`, and its mirror joint must be in the list too.
        limbs: pairs of joint indices to draw, root side first.
        sigmas: J per-joint OKS constants k_i (relative to the square root of the
            person's area), or None where OKS is not defined.
        sigmas_source: who defined the sigmas; empty without sigmas. A value that does
            not start with "official" is a choice of this project and must be named with
            every OKS result that uses it.

    Raises:
        InputError: the parts do not fit together.
    """

    name: str
    joints: tuple[str, ...]
    limbs: tuple[tuple[int, int], ...] = ()
    sigmas: tuple[float, ...] | None = None
    sigmas_source: str = ""

    def __post_init__(self) -> None:
        where = f"skeleton {self.name!r}"
        if not self.joints:
            raise InputError(f"{where}: joints is empty, expected at least one name")
        repeated = {joint for joint in self.joints if self.joints.count(joint) > 1}
        if repeated:
            raise InputError(f"{where}: joints repeats {sorted(repeated)}")
        for joint in self.joints:
            if _mirror_name(joint) not in self.joints:
                raise InputError(
                    f"{where}: joints has {joint!r} but not {_mirror_name(joint)!r}"
                )
        for first, second in self.limbs:
            if first == second or not (
                0 <= first < len(self.joints) and 0 <= second < len(self.joints)
            ):
                raise InputError(
                    f"{where}: limbs has ({first}, {second}), expected two different "
                    f"indices in 0..{len(self.joints) - 1}"
                )
        if self.sigmas is None:
            return
        if len(self.sigmas) != len(self.joints):
            raise InputError(
                f"{where}: sigmas has {len(self.sigmas)} values, "
                f"expected {len(self.joints)}"
            )
        if not all(np.isfinite(sigma) and sigma > 0 for sigma in self.sigmas):
            raise InputError(f"{where}: sigmas must be finite and above 0")

    @property
    def num_joints(self) -> int:
        """J, the number of joints."""
        return len(self.joints)

    @property
    def flip_permutation(self) -> tuple[int, ...]:
        """Index of the mirror joint of each joint; the permutation is its own inverse.

        `keypoints[..., flip_permutation, :]` swaps left and right.
        """
        return tuple(self.joints.index(_mirror_name(joint)) for joint in self.joints)

    @property
    def flip_pairs(self) -> tuple[tuple[int, int], ...]:
        """Pairs (i, j), i < j, of joints that mirror each other."""
        return tuple((i, j) for i, j in enumerate(self.flip_permutation) if i < j)

    @property
    def root(self) -> int:
        """Index of the joint that 3D positions are relative to.

        The first of pelvis, thorax, neck, nose, head and head_top that the skeleton
        has, otherwise its first joint.
        """
        named = (self.joints.index(name) for name in _ROOTS if name in self.joints)
        return next(named, 0)

    @property
    def parents(self) -> tuple[int, ...]:
        """The parent's index of each joint, -1 for the root.

        The tree of shortest paths along the limbs from the root; of two paths of the
        same length the one by the limb that is listed first.

        Raises:
            InputError: the limbs do not reach every joint.
        """
        parents = {self.root: -1}
        reached = [self.root]
        for joint in reached:
            for limb in self.limbs:
                if joint in limb:
                    other = limb[0] + limb[1] - joint
                    if other not in parents:
                        parents[other] = joint
                        reached.append(other)
        for joint, name in enumerate(self.joints):
            if joint not in parents:
                raise InputError(
                    f"skeleton {self.name!r}: limbs do not lead from "
                    f"{self.joints[self.root]!r} to {name!r}"
                )
        return tuple(parents[joint] for joint in range(self.num_joints))

    def index(self, joint: str) -> int:
        """Index of the joint of that name.

        Raises:
            InputError: there is none; the message suggests the nearest name.
        """
        if joint not in self.joints:
            raise InputError(
                f"skeleton {self.name!r} has no joint {joint!r}"
                + _nearest(joint, self.joints)
            )
        return self.joints.index(joint)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form; limbs are pairs of joint names."""
        return {
            "name": self.name,
            "joints": list(self.joints),
            "limbs": [[self.joints[i], self.joints[j]] for i, j in self.limbs],
            "sigmas": None if self.sigmas is None else list(self.sigmas),
            "sigmas_source": self.sigmas_source,
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Skeleton":
        """The inverse of `to_dict`; limbs may also be pairs of indices from 0.

        Raises:
            InputError: a field is missing, unknown or of the wrong kind.
        """
        if not isinstance(fields, Mapping):
            raise InputError(f"skeleton: got {fields!r}, expected an object")
        known = [field.name for field in dataclasses.fields(cls)]
        unknown = [key for key in fields if key not in known]
        if unknown:
            raise InputError(
                f"skeleton: unknown field {unknown[0]!r}" + _nearest(unknown[0], known)
            )
        for key in ("name", "joints"):
            if key not in fields:
                raise InputError(f"skeleton: field {key!r} is missing")
        name, joints = fields["name"], fields["joints"]
        if not isinstance(name, str):
            raise InputError(f"skeleton: name is {name!r}, expected a text")
        if not isinstance(joints, (list, tuple)) or not all(
            isinstance(joint, str) for joint in joints
        ):
            raise InputError(f"skeleton {name!r}: joints must be a list of names")
        sigmas = fields.get("sigmas")
        try:
            sigmas = None if sigmas is None else tuple(float(s) for s in sigmas)
        except (TypeError, ValueError):
            raise InputError(
                f"skeleton {name!r}: sigmas is {sigmas!r}, expected numbers or null"
            ) from None
        return cls(
            name=name,
            joints=tuple(joints),
            limbs=_read_limbs(name, joints, fields.get("limbs", ())),
            sigmas=sigmas,
            sigmas_source=str(fields.get("sigmas_source", "")),
        )


def _mirror_name(joint: str) -> str:
    if joint.startswith("left_"):
        return "right_" + joint.removeprefix("left_")
    if joint.startswith("right_"):
        return "left_" + joint.removeprefix("right_")
    return joint


def _nearest(word: str, known: Any) -> str:
    match = difflib.get_close_matches(word, list(known), n=1)
    hint = f"; did you mean {match[0]!r}?" if match else ""
    return f"{hint} (known: {', '.join(known)})"


def _read_limbs(name: str, joints: Any, limbs: Any) -> tuple[tuple[int, int], ...]:
    pairs = []
    for limb in limbs if isinstance(limbs, (list, tuple)) else [limbs]:
        if not isinstance(limb, (list, tuple)) or len(limb) != 2:
            raise InputError(f"skeleton {name!r}: limb {limb!r} is not a pair")
        ends = []
        for end in limb:
            if isinstance(end, str) and end in joints:
                ends.append(joints.index(end))
            elif isinstance(end, int) and not isinstance(end, bool):
                ends.append(end)
            else:
                raise InputError(
                    f"skeleton {name!r}: limb {limb!r} must name two of its joints"
                )
        pairs.append((ends[0], ends[1]))
    return tuple(pairs)


def get_skeleton(name: str) -> Skeleton:
    """The skeleton of that name in `SKELETONS`.

    Raises:
        InputError: there is none; the message suggests the nearest name and lists all.
    """
    if name not in SKELETONS:
        raise InputError(f"unknown skeleton {name!r}" + _nearest(name, SKELETONS))
    return SKELETONS[name]


def convert_keypoints(
    keypoints: np.ndarray,
    source: Skeleton,
    target: Skeleton,
    derive_midpoints: bool = False,
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Reorders keypoints of one skeleton into another by joint name.

    Args:
        keypoints: `[..., J_source, D]`, any units; D may end with visibility.
        source: skeleton of `keypoints`.
        target: skeleton of the result.
        derive_midpoints: fill a pelvis or thorax that the source lacks with the mean of
            hips or shoulders. Use it only where both ends are known: an absent end (0,
            0, 0) would move the mean towards the origin.

    Returns:
        `[..., J_target, D]` of the same type, and the names of target joints that could
        not be filled; those are 0 in every column, which means absent.

    Raises:
        InputError: `keypoints` does not have the source's number of joints.
    """
    keypoints = np.asarray(keypoints)
    if keypoints.ndim < 2 or keypoints.shape[-2] != source.num_joints:
        raise InputError(
            f"keypoints have shape {keypoints.shape}, expected "
            f"[..., {source.num_joints}, D] for skeleton {source.name!r}"
        )
    shape = (*keypoints.shape[:-2], target.num_joints, keypoints.shape[-1])
    converted = np.zeros(shape, keypoints.dtype)
    missing = []
    for row, joint in enumerate(target.joints):
        ends = _MIDPOINTS.get(joint, ())
        if joint in source.joints:
            converted[..., row, :] = keypoints[..., source.index(joint), :]
        elif derive_midpoints and ends and set(ends) <= set(source.joints):
            rows = [source.index(end) for end in ends]
            converted[..., row, :] = keypoints[..., rows, :].mean(axis=-2)
        else:
            missing.append(joint)
    return converted, tuple(missing)


# COCO's official constants; the same for both sides.
_COCO_SIGMAS = {
    "nose": 0.026,
    "eye": 0.025,
    "ear": 0.035,
    "shoulder": 0.079,
    "elbow": 0.072,
    "wrist": 0.062,
    "hip": 0.107,
    "knee": 0.087,
    "ankle": 0.089,
}
# CrowdPose's official additions.
_CROWDPOSE_SIGMAS = _COCO_SIGMAS | {"head_top": 0.079, "neck": 0.079}


def _skeleton(
    name: str,
    joints: str,
    limbs: str,
    sigmas: dict[str, float] | None = None,
    sigmas_source: str = "",
) -> Skeleton:
    """Reads a table: joints by name, limbs as chains `a-b-c` of names.

    `l_` and `r_` stand for `left_` and `right_`.
    """

    def full_name(word: str) -> str:
        if word.startswith("l_"):
            return "left_" + word[2:]
        return "right_" + word[2:] if word.startswith("r_") else word

    names = tuple(full_name(word) for word in joints.split())
    pairs = []
    for chain in limbs.split():
        ends = [names.index(full_name(word)) for word in chain.split("-")]
        pairs += list(zip(ends[:-1], ends[1:], strict=True))
    by_joint = None
    if sigmas is not None:
        by_joint = tuple(
            sigmas[joint.removeprefix("left_").removeprefix("right_")]
            for joint in names
        )
    return Skeleton(name, names, tuple(pairs), by_joint, sigmas_source)


_ARMS = "l_shoulder-l_elbow-l_wrist r_shoulder-r_elbow-r_wrist "
_LEGS = "l_hip-l_knee-l_ankle r_hip-r_knee-r_ankle "
_TORSO = "l_shoulder-r_shoulder-r_hip-l_hip-l_shoulder "
_TREE = (
    "pelvis-spine-thorax pelvis-l_hip pelvis-r_hip "
    "thorax-l_shoulder thorax-r_shoulder " + _ARMS + _LEGS
)
_LSP_ORDER = "r_ankle r_knee r_hip l_hip l_knee l_ankle"
_H36M_LEGS = "pelvis r_hip r_knee r_ankle l_hip l_knee l_ankle spine thorax"
_H36M_ARMS = "l_shoulder l_elbow l_wrist r_shoulder r_elbow r_wrist"

SKELETONS: dict[str, Skeleton] = {
    skeleton.name: skeleton
    for skeleton in (
        _skeleton(
            "coco17",
            "nose l_eye r_eye l_ear r_ear l_shoulder r_shoulder l_elbow r_elbow "
            "l_wrist r_wrist l_hip r_hip l_knee r_knee l_ankle r_ankle",
            "nose-l_eye-l_ear-l_shoulder nose-r_eye-r_ear-r_shoulder l_eye-r_eye "
            + _TORSO
            + _ARMS
            + _LEGS,
            _COCO_SIGMAS,
            "official (COCO)",
        ),
        _skeleton(
            "crowdpose14",
            "l_shoulder r_shoulder l_elbow r_elbow l_wrist r_wrist l_hip r_hip "
            "l_knee r_knee l_ankle r_ankle head_top neck",
            "neck-head_top neck-l_shoulder neck-r_shoulder "
            "l_shoulder-l_hip-r_hip-r_shoulder " + _ARMS + _LEGS,
            _CROWDPOSE_SIGMAS,
            "official (CrowdPose)",
        ),
        # Rows 0..15 of MPII's annotation; its "upper neck" is the neck.
        _skeleton(
            "mpii16",
            _LSP_ORDER + " pelvis thorax neck head_top r_wrist r_elbow r_shoulder "
            "l_shoulder l_elbow l_wrist",
            "pelvis-thorax-neck-head_top pelvis-l_hip pelvis-r_hip "
            "thorax-l_shoulder thorax-r_shoulder " + _ARMS + _LEGS,
        ),
        _skeleton(
            "lsp14",
            _LSP_ORDER + " r_wrist r_elbow r_shoulder l_shoulder l_elbow l_wrist "
            "neck head_top",
            "neck-head_top neck-l_shoulder neck-r_shoulder "
            "l_shoulder-l_hip-r_hip-r_shoulder " + _ARMS + _LEGS,
            _CROWDPOSE_SIGMAS,
            "by analogy (COCO and CrowdPose joints of the same name)",
        ),
        _skeleton(
            "penn_action13",
            "head l_shoulder r_shoulder l_elbow r_elbow l_wrist r_wrist l_hip r_hip "
            "l_knee r_knee l_ankle r_ankle",
            "head-l_shoulder head-r_shoulder " + _TORSO + _ARMS + _LEGS,
        ),
        # The 17 moving joints of Human3.6M's 32, in the order of VideoPose3D.
        _skeleton(
            "h36m17",
            f"{_H36M_LEGS} head head_top {_H36M_ARMS}",
            "thorax-head-head_top " + _TREE,
        ),
        # Without "Neck/Nose", as Martinez et al., SemGCN and PoseAug use it.
        _skeleton(
            "h36m16",
            f"{_H36M_LEGS} head_top {_H36M_ARMS}",
            "thorax-head_top " + _TREE,
        ),
        _skeleton(
            "mpi_inf_3dhp28",
            "spine3 spine4 spine2 spine pelvis thorax head head_top "
            "l_clavicle l_shoulder l_elbow l_wrist l_hand "
            "r_clavicle r_shoulder r_elbow r_wrist r_hand "
            "l_hip l_knee l_ankle l_foot l_toe r_hip r_knee r_ankle r_foot r_toe",
            "pelvis-spine-spine2-spine3-spine4-thorax-head-head_top "
            "spine4-l_clavicle-l_shoulder-l_elbow-l_wrist-l_hand "
            "spine4-r_clavicle-r_shoulder-r_elbow-r_wrist-r_hand "
            "pelvis-l_hip-l_knee-l_ankle-l_foot-l_toe "
            "pelvis-r_hip-r_knee-r_ankle-r_foot-r_toe",
        ),
        # The official test set's relevant joints, in its order.
        _skeleton(
            "mpi_inf_3dhp17",
            "head_top thorax r_shoulder r_elbow r_wrist l_shoulder l_elbow l_wrist "
            "r_hip r_knee r_ankle l_hip l_knee l_ankle pelvis spine head",
            "thorax-head-head_top " + _TREE,
        ),
    )
}
