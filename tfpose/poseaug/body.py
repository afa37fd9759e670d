"""Parts and groups of a body's limbs and joints, derived from the joints' names."""

import dataclasses

from tfpose.errors import InputError
from tfpose.skeletons import Skeleton

__all__ = ["Body"]

_PROXIMAL = ("shoulder", "hip")
_MIDDLE = ("elbow", "knee")
_TRUNK = ("pelvis", "spine", "spine2", "spine3", "spine4", "thorax", "neck", "clavicle")


def _kind(joint: str) -> str:
    return joint.removeprefix("left_").removeprefix("right_")


@dataclasses.dataclass(frozen=True)
class Body:
    """Groups of a skeleton's limbs and joints for augmentor, discriminators and losses.

    Limb k belongs to the k-th joint that is not the root, as in `tfpose.geometry`.

    Args:
        skeleton: a skeleton with both shoulders and both hips.

    Raises:
        InputError: a shoulder or hip is missing.
    """

    skeleton: Skeleton

    def __post_init__(self) -> None:
        needed = [f"{side}_{kind}" for side in ("left", "right") for kind in _PROXIMAL]
        missing = [joint for joint in needed if joint not in self.skeleton.joints]
        if missing:
            raise InputError(
                f"skeleton {self.skeleton.name!r} lacks {', '.join(missing)}, at which "
                "PoseAug's body parts begin"
            )

    @property
    def limbs(self) -> tuple[int, ...]:
        """Index of the joint at the end of each limb."""
        joints = range(self.skeleton.num_joints)
        return tuple(joint for joint in joints if joint != self.skeleton.root)

    @property
    def trunk(self) -> tuple[int, ...]:
        """Limbs from the root to the joint where the arms begin.

        Their directions do not change: rotating them would rotate the whole body.
        """
        shoulder = self.skeleton.joints.index("left_shoulder")
        return self._path(self.skeleton.parents[shoulder])

    @property
    def length_groups(self) -> tuple[int, ...]:
        """The group of each limb, numbered from 0, whose lengths change together.

        The same limbs of the left and right side are one group.
        """
        kinds = [_kind(self.skeleton.joints[joint]) for joint in self.limbs]
        order = list(dict.fromkeys(kinds))
        return tuple(order.index(kind) for kind in kinds)

    @property
    def fixed_lengths(self) -> tuple[int, ...]:
        """Groups whose length does not change: that of the trunk's last limb.

        It fixes the scale, because a tall body far away looks like a small one near by
        (the released code).
        """
        return tuple(self.length_groups[limb] for limb in self.trunk[-1:])

    @property
    def parts(self) -> tuple[tuple[int, ...], ...]:
        """Limbs of each part that the 3D discriminator scores: arms, legs, torso.

        An arm includes the limb that it is attached to, a leg the other limbs at the
        root. The torso has all limbs but those below a shoulder or hip.
        """
        joints, parents = self.skeleton.joints, self.skeleton.parents
        at_root = {
            k for k, j in enumerate(self.limbs) if parents[j] == parents.index(-1)
        }
        below: set[int] = set()
        parts = []
        for start in ("shoulder", "hip"):
            for side in ("left", "right"):
                joint = joints.index(f"{side}_{start}")
                own = {k for k, j in enumerate(self.limbs) if joint in self._chain(j)}
                below |= own - {self.limbs.index(joint)}
                attached_to = set(self._path(parents[joint])[-1:])
                parts.append(own | (attached_to if start == "shoulder" else at_root))
        torso = set(range(len(self.limbs))) - below
        return tuple(tuple(sorted(part)) for part in (*parts, torso))

    @property
    def joint_weights(self) -> tuple[float, ...]:
        """Weight of each joint's error in the released feedback.

        5 for shoulders and hips, 2 for elbows and knees, otherwise 1.
        """
        kinds = [_kind(joint) for joint in self.skeleton.joints]
        return tuple(
            5.0 if kind in _PROXIMAL else 2.0 if kind in _MIDDLE else 1.0
            for kind in kinds
        )

    @property
    def joint_groups(self) -> tuple[tuple[int, ...], ...]:
        """Groups of joints over which the released feedback averages errors.

        Shoulders and hips; elbows, knees and the head; the joints beyond elbows and
        knees. The trunk's joints are in no group.
        """
        groups: tuple[list[int], ...] = ([], [], [])
        distal = self._distal()
        for joint, name in enumerate(self.skeleton.joints):
            kind = _kind(name)
            if kind in _PROXIMAL:
                groups[0].append(joint)
            elif joint in distal:
                groups[2].append(joint)
            elif kind not in _TRUNK:
                groups[1].append(joint)
        return tuple(tuple(group) for group in groups if group)

    def _distal(self) -> set[int]:
        """Joints beyond an elbow or a knee."""
        joints = self.skeleton.joints
        return {
            joint
            for joint in self.limbs
            if _kind(joints[joint]) not in _MIDDLE
            and any(_kind(joints[j]) in _MIDDLE for j in self._chain(joint))
        }

    def _chain(self, joint: int) -> list[int]:
        """A joint and its ancestors, without the root."""
        chain = []
        while self.skeleton.parents[joint] >= 0:
            chain.append(joint)
            joint = self.skeleton.parents[joint]
        return chain

    def _path(self, joint: int) -> tuple[int, ...]:
        """Limbs from the root to a joint."""
        return tuple(self.limbs.index(j) for j in reversed(self._chain(joint)))
