"""What PoseAug must know of a body beyond its limbs, made of the joints' names."""

import dataclasses

from tfpose.errors import InputError
from tfpose.skeletons import Skeleton

__all__ = ["Body"]

_STRONG = ("shoulder", "hip")
_MIDDLE = ("elbow", "knee")
_TRUNK = ("pelvis", "spine", "spine2", "spine3", "spine4", "thorax", "neck", "clavicle")


def _kind(joint: str) -> str:
    return joint.removeprefix("left_").removeprefix("right_")


@dataclasses.dataclass(frozen=True)
class Body:
    """A skeleton's limbs, as the augmentor, discriminators and losses see them.

    Limb k belongs to the k-th joint that is not the root, as in `tfpose.geometry`.

    Args:
        skeleton: with both shoulders and hips.

    Raises:
        InputError: a shoulder or hip is missing.
    """

    skeleton: Skeleton

    def __post_init__(self) -> None:
        needed = [f"{side}_{kind}" for side in ("left", "right") for kind in _STRONG]
        missing = [joint for joint in needed if joint not in self.skeleton.joints]
        if missing:
            raise InputError(
                f"skeleton {self.skeleton.name!r} lacks {', '.join(missing)}, which "
                "PoseAug's parts of the body begin at"
            )

    @property
    def limbs(self) -> tuple[int, ...]:
        """The joint at the end of each limb."""
        joints = range(self.skeleton.num_joints)
        return tuple(joint for joint in joints if joint != self.skeleton.root)

    @property
    def trunk(self) -> tuple[int, ...]:
        """Limbs from the root to where the arms begin.

        Their direction is left alone, since to turn them would be to turn the body.
        """
        shoulder = self.skeleton.joints.index("left_shoulder")
        return self._way(self.skeleton.parents[shoulder])

    @property
    def length_groups(self) -> tuple[int, ...]:
        """For each limb the number of its change in length; both sides share theirs."""
        kinds = [_kind(self.skeleton.joints[joint]) for joint in self.limbs]
        order = list(dict.fromkeys(kinds))
        return tuple(order.index(kind) for kind in kinds)

    @property
    def fixed_lengths(self) -> tuple[int, ...]:
        """Numbers of the changes that stay 0: the trunk's last limb.

        A tall body far away looks like a small one near by (the released code).
        """
        return tuple(self.length_groups[limb] for limb in self.trunk[-1:])

    @property
    def parts(self) -> tuple[tuple[int, ...], ...]:
        """Limbs of what the 3D discriminator scores by itself: arms, legs, torso.

        An arm has the limb that it hangs on, a leg the other limbs at the root, the
        torso all but what is behind a shoulder or hip.
        """
        joints, parents = self.skeleton.joints, self.skeleton.parents
        at_root = {
            k for k, j in enumerate(self.limbs) if parents[j] == parents.index(-1)
        }
        behind: set[int] = set()
        found = []
        for start in ("shoulder", "hip"):
            for side in ("left", "right"):
                joint = joints.index(f"{side}_{start}")
                own = {k for k, j in enumerate(self.limbs) if joint in self._line(j)}
                behind |= own - {self.limbs.index(joint)}
                hung = set(self._way(parents[joint])[-1:])
                found.append(own | (hung if start == "shoulder" else at_root))
        torso = set(range(len(self.limbs))) - behind
        return tuple(tuple(sorted(part)) for part in (*found, torso))

    @property
    def joint_weights(self) -> tuple[float, ...]:
        """Of each joint's error in the released feedback: 5 for shoulders and hips, 2
        for elbows and knees, else 1."""
        kinds = [_kind(joint) for joint in self.skeleton.joints]
        return tuple(
            5.0 if kind in _STRONG else 2.0 if kind in _MIDDLE else 1.0
            for kind in kinds
        )

    @property
    def joint_groups(self) -> tuple[tuple[int, ...], ...]:
        """Joints whose errors the released feedback averages: shoulders and hips;
        elbows, knees and the head; what is beyond. The trunk is in none."""
        groups: tuple[list[int], ...] = ([], [], [])
        beyond = self._beyond_middle()
        for joint, name in enumerate(self.skeleton.joints):
            kind = _kind(name)
            if kind in _STRONG:
                groups[0].append(joint)
            elif joint in beyond:
                groups[2].append(joint)
            elif kind not in _TRUNK:
                groups[1].append(joint)
        return tuple(tuple(group) for group in groups if group)

    def _beyond_middle(self) -> set[int]:
        joints = self.skeleton.joints
        return {
            joint
            for joint in self.limbs
            if _kind(joints[joint]) not in _MIDDLE
            and any(_kind(joints[j]) in _MIDDLE for j in self._line(joint))
        }

    def _line(self, joint: int) -> list[int]:
        """A joint and all that it hangs on, without the root."""
        line = []
        while self.skeleton.parents[joint] >= 0:
            line.append(joint)
            joint = self.skeleton.parents[joint]
        return line

    def _way(self, joint: int) -> tuple[int, ...]:
        """Limbs from the root to a joint."""
        return tuple(self.limbs.index(j) for j in reversed(self._line(joint)))
