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

import numpy as np

from tfpose.errors import InputError
from tfpose.skeleton import Skeleton, nearest_name

__all__ = [
    "SKELETONS",
    "Skeleton",
    "convert_keypoints",
    "get_skeleton",
    "uncertain_joints",
]

# Joints that are midpoints of two others, for joint sets without them.
_MIDPOINTS = {
    "pelvis": ("left_hip", "right_hip"),
    "thorax": ("left_shoulder", "right_shoulder"),
}


def get_skeleton(name: str) -> Skeleton:
    """The skeleton of that name in `SKELETONS`.

    Raises:
        InputError: there is none; the message suggests the nearest name and lists all.
    """
    if name not in SKELETONS:
        raise InputError(f"unknown skeleton {name!r}" + nearest_name(name, SKELETONS))
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


def uncertain_joints(
    pose: np.ndarray, skeleton: Skeleton, threshold: float
) -> list[str]:
    """Names of the joints of `[J, 3]` (x, y, score) that do not score above it."""
    scores = np.asarray(pose)[:, 2]
    return [
        name
        for name, score in zip(skeleton.joints, scores, strict=True)
        if not score > threshold
    ]


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
        # What COCO's joints tell of a body, for lifters: pelvis and thorax are the
        # middles of hips and shoulders.
        _skeleton(
            "limbs14",
            "pelvis thorax l_hip l_knee l_ankle l_shoulder l_elbow l_wrist "
            "r_hip r_knee r_ankle r_shoulder r_elbow r_wrist",
            "pelvis-thorax pelvis-l_hip pelvis-r_hip thorax-l_shoulder "
            "thorax-r_shoulder " + _ARMS + _LEGS,
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
