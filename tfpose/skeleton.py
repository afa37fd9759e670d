"""The class of a joint set: names, limbs, left-right pairs and OKS sigmas."""

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any

import numpy as np

from tfpose.errors import InputError

__all__ = ["Skeleton", "nearest_name"]

# Joints that have no side.
_MIDDLE = frozenset(
    "pelvis spine thorax neck head head_top nose chin mouth chest back tail".split()
)

# The root is the first of these that a joint set has, otherwise its first joint.
_ROOTS = ("pelvis", "thorax", "neck", "nose", "head", "head_top")


@dataclasses.dataclass(frozen=True)
class Skeleton:
    """A set of J joints in a fixed order.

    Args:
        name: key in `SKELETONS`, or a name chosen by the user.
        joints: J unique snake_case names; a joint of a side starts with `left_` or
            `right_`, and its mirror joint must be in the list too, unless `mirrored`
            is given.
        limbs: pairs of joint indices to draw, root side first.
        sigmas: J per-joint OKS constants k_i (relative to the square root of the
            person's area), or None where OKS is not defined.
        sigmas_source: who defined the sigmas; empty without sigmas. A value that does
            not start with "official" is a choice of this project and must be named with
            every OKS result that uses it.
        mirrored: pairs (left, right) of joint indices, for names that do not say
            `left_` and `right_`; empty if no joint has a side. None: names tell.

    Raises:
        InputError: the parts do not fit together.
    """

    name: str
    joints: tuple[str, ...]
    limbs: tuple[tuple[int, int], ...] = ()
    sigmas: tuple[float, ...] | None = None
    sigmas_source: str = ""
    mirrored: tuple[tuple[int, int], ...] | None = None

    def __post_init__(self) -> None:
        where = f"skeleton {self.name!r}"
        if not self.joints:
            raise InputError(f"{where}: joints is empty, expected at least one name")
        repeated = {joint for joint in self.joints if self.joints.count(joint) > 1}
        if repeated:
            raise InputError(f"{where}: joints repeats {sorted(repeated)}")
        self._check_sides(where)
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

    def _check_sides(self, where: str) -> None:
        if self.mirrored is None:
            for joint in self.joints:
                if _mirror_name(joint) not in self.joints:
                    raise InputError(
                        f"{where}: joints has {joint!r} but not {_mirror_name(joint)!r}"
                    )
            return
        ends = [end for pair in self.mirrored for end in pair]
        if len(set(ends)) != 2 * len(self.mirrored) or not all(
            0 <= end < len(self.joints) for end in ends
        ):
            raise InputError(
                f"{where}: mirrored is {self.mirrored}, expected pairs of different "
                f"indices in 0..{len(self.joints) - 1}"
            )

    @property
    def num_joints(self) -> int:
        """J, the number of joints."""
        return len(self.joints)

    @property
    def flip_permutation(self) -> tuple[int, ...]:
        """Index of the mirror joint of each joint; the permutation is its own inverse.

        `keypoints[..., flip_permutation, :]` swaps left and right.

        Raises:
            InputError: nothing says which joints are left and which are right.
        """
        if self.mirrored is None:
            self._expect_sides()
            return tuple(self.joints.index(_mirror_name(name)) for name in self.joints)
        permutation = list(range(len(self.joints)))
        for left, right in self.mirrored:
            permutation[left], permutation[right] = right, left
        return tuple(permutation)

    @property
    def unsided(self) -> tuple[str, ...]:
        """Joints that are taken for none of a side, though their names do not say so.

        Names like `nose` do; `ear1` may hide its side.
        """
        return tuple(
            name
            for joint, name in enumerate(self.joints)
            if name not in _MIDDLE and self.side(joint) == "middle"
        )

    def _expect_sides(self) -> None:
        # Who mirrors people without swapping their sides trains nonsense, in silence.
        hidden = self.unsided
        if len(hidden) > 1 and all(_mirror_name(name) == name for name in self.joints):
            raise InputError(
                f"skeleton {self.name!r}: which joints are left and which are right is "
                f"not known of {', '.join(hidden[:4])}{', ...' if hidden[4:] else ''}; "
                'give their category in the annotation file "flip_pairs": [[left, '
                "right], ...], names or indices from 0, or [] if no joint has a side"
            )

    def side(self, joint: int) -> str:
        """The side of a joint index: "left", "right" or "middle"."""
        if self.mirrored is not None:
            for place, side in enumerate(("left", "right")):
                if joint in [pair[place] for pair in self.mirrored]:
                    return side
            return "middle"
        name = self.joints[joint]
        return "middle" if _mirror_name(name) == name else name.partition("_")[0]

    @property
    def flip_pairs(self) -> tuple[tuple[int, int], ...]:
        """Pairs (i, j), i < j, of joints that mirror each other.

        Raises:
            InputError: as of `flip_permutation`.
        """
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
                + nearest_name(joint, self.joints)
            )
        return self.joints.index(joint)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form; limbs and mirrored are pairs of joint names."""
        return {
            "name": self.name,
            "joints": list(self.joints),
            "limbs": [[self.joints[i], self.joints[j]] for i, j in self.limbs],
            "sigmas": None if self.sigmas is None else list(self.sigmas),
            "sigmas_source": self.sigmas_source,
            "mirrored": None
            if self.mirrored is None
            else [[self.joints[i], self.joints[j]] for i, j in self.mirrored],
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Skeleton":
        """The inverse of `to_dict`; pairs may also be of indices from 0.

        Raises:
            InputError: a field is missing, unknown or of the wrong kind.
        """
        if not isinstance(fields, Mapping):
            raise InputError(f"skeleton: got {fields!r}, expected an object")
        known = [field.name for field in dataclasses.fields(cls)]
        unknown = [key for key in fields if key not in known]
        if unknown:
            raise InputError(
                f"skeleton: unknown field {unknown[0]!r}"
                + nearest_name(unknown[0], known)
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
        mirrored = fields.get("mirrored")
        if mirrored is not None:
            mirrored = _read_pairs(name, joints, "mirrored", mirrored)
        return cls(
            name=name,
            joints=tuple(joints),
            limbs=_read_pairs(name, joints, "limb", fields.get("limbs", ())),
            sigmas=sigmas,
            sigmas_source=str(fields.get("sigmas_source", "")),
            mirrored=mirrored,
        )


def _mirror_name(joint: str) -> str:
    if joint.startswith("left_"):
        return "right_" + joint.removeprefix("left_")
    if joint.startswith("right_"):
        return "left_" + joint.removeprefix("right_")
    return joint


def nearest_name(word: str, known: Any) -> str:
    """A hint for a message: the known name that is most like `word`, and all names."""
    match = difflib.get_close_matches(word, list(known), n=1)
    hint = f"; did you mean {match[0]!r}?" if match else ""
    return f"{hint} (known: {', '.join(known)})"


def _read_pairs(
    name: str, joints: Any, what: str, pairs: Any
) -> tuple[tuple[int, int], ...]:
    found = []
    for pair in pairs if isinstance(pairs, (list, tuple)) else [pairs]:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise InputError(f"skeleton {name!r}: {what} {pair!r} is not a pair")
        ends = []
        for end in pair:
            if isinstance(end, str) and end in joints:
                ends.append(joints.index(end))
            elif isinstance(end, int) and not isinstance(end, bool):
                ends.append(end)
            else:
                raise InputError(
                    f"skeleton {name!r}: {what} {pair!r} must name two of its joints"
                )
        found.append((ends[0], ends[1]))
    return tuple(found)
