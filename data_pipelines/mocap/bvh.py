"""Reads BVH files (Biovision hierarchy).

What the format leaves open, as files in use have it: rotation channels multiply in
the order of CHANNELS, the first leftmost; the position channels of the root are added
to its OFFSET, those of any other joint replace its OFFSET.
"""

import dataclasses
import os
import pathlib
import re
from collections.abc import Iterator, Sequence

import numpy as np

from data_pipelines.mocap.clip import (
    Clip,
    euler_rotations,
    metres_per_unit,
    parse_numbers,
    sample_frames,
)
from tfpose.errors import InputError

__all__ = ["read_bvh"]

# No joint moves at this speed relative to the root (metres per second) and this much
# faster than a frame later.
_JUMP_SPEED = 10.0
_JUMP_RATIO = 4.0


@dataclasses.dataclass(eq=False)
class _Node:
    name: str
    parent: int
    offset: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0))
    channels: tuple[str, ...] | None = None
    column: int = 0


def read_bvh(
    path: str | os.PathLike,
    *,
    unit: float | None = None,
    frames_per_second: float | None = None,
) -> Clip:
    """Joint positions of a BVH file, by forward kinematics.

    An added rest pose at the beginning is left out, and bones that CMU's conversion
    lost are put back (see `_restore_bones`); `Clip.notes` says so, and of how many
    frames.

    Args:
        path: the file.
        unit: metres per unit of the file. Defaults to the one unit in use that makes
            the skeleton a human's size.
        frames_per_second: keep only so many poses of each second. Defaults to all.

    Raises:
        InputError: the file is broken, and in which line; or it is not of human size.
    """
    path = pathlib.Path(path)
    file = str(path)
    text = path.read_bytes().decode("utf-8", errors="replace")
    lines = text.splitlines()
    nodes, start = _read_hierarchy(lines, file)
    frame_time, motion = _read_motion(lines, start, nodes, file)
    notes = []
    if _restore_bones(nodes):
        notes.append("bones restored that the conversion to BVH lost")
    parents = [node.parent for node in nodes]
    opening = _forward(nodes, motion[:3])
    scale = metres_per_unit(opening[0], parents, unit, file)
    first = _first_frame(nodes, motion, opening * scale, 1 / frame_time)
    if first:
        notes.append(f"added rest pose (frames: {first}) left out of the beginning")
    frames = sample_frames(len(motion), first, 1 / frame_time, frames_per_second)
    return Clip(
        file=file,
        nodes=tuple(node.name for node in nodes),
        parents=tuple(parents),
        positions=(_forward(nodes, motion[frames]) * scale).astype(np.float32),
        frames=frames,
        frame_rate=1 / frame_time,
        notes=tuple(notes),
    )


def _fail(file: str, row: int, message: str) -> InputError:
    return InputError(f"{file}, line {row + 1}: {message}")


def _numbers(words: Sequence[str], file: str, row: int) -> np.ndarray:
    try:
        numbers = np.array([float(word) for word in words])
    except ValueError:
        numbers = np.array([np.nan])
    if not np.isfinite(numbers).all():
        raise _fail(file, row, f"found {' '.join(words)!r}, expected numbers")
    return numbers


def _read_hierarchy(lines: list[str], file: str) -> tuple[list[_Node], int]:
    """The nodes in the file's order, and the row of MOTION."""
    nodes: list[_Node] = []
    path: list[int] = []
    opened = None
    columns = 0
    if not lines or lines[0].strip().lstrip("\ufeff").upper() != "HIERARCHY":
        found = lines[0].strip()[:40] if lines else ""
        raise _fail(file, 0, f"found {found!r}, expected HIERARCHY")
    for row, line in _statements(lines):
        words = line.split()
        key = words[0].upper()
        if opened is not None and key != "{":
            raise _fail(file, row, f"found {line.strip()[:40]!r}, expected {{")
        if key in ("ROOT", "JOINT", "END"):
            if (key == "ROOT") != (not nodes) or (key != "ROOT" and not path):
                raise _fail(file, row, f"{words[0]} outside of the hierarchy's root")
            if len(words) < 2:
                raise _fail(file, row, f"{words[0]} has no name")
            name = " ".join(words[1:])
            if key == "END":
                name = f"{nodes[path[-1]].name}_end"
            if any(node.name == name for node in nodes):
                raise _fail(file, row, f"joint {name!r} is there twice")
            opened = _Node(name, path[-1] if path else -1)
            if key == "END":
                opened.channels = ()
        elif key == "{":
            if opened is None:
                raise _fail(file, row, "a { without a joint")
            nodes.append(opened)
            path.append(len(nodes) - 1)
            opened = None
        elif key == "}":
            if not path:
                raise _fail(file, row, "a } too many")
            node = nodes[path.pop()]
            if not len(node.offset) or node.channels is None:
                what = "CHANNELS" if len(node.offset) else "OFFSET"
                raise _fail(file, row, f"joint {node.name!r} ends without {what}")
        elif key == "OFFSET" and path:
            offset = _numbers(words[1:], file, row)
            if len(offset) != 3:
                raise _fail(file, row, f"OFFSET has {len(offset)} numbers, expected 3")
            nodes[path[-1]].offset = offset
        elif key == "CHANNELS" and path:
            node = nodes[path[-1]]
            node.channels = _read_channels(words, file, row)
            node.column = columns
            columns += len(node.channels)
        elif key == "MOTION":
            if path or not nodes:
                raise _fail(file, row, "MOTION before the hierarchy's last }")
            return nodes, row
        else:
            raise _fail(file, row, f"found {line.strip()[:40]!r} in the hierarchy")
    raise _fail(file, len(lines) - 1, "the file ends before MOTION")


def _statements(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Rows and texts from the second line on; braces may share a line with others."""
    for row, line in enumerate(lines[1:], 1):
        for part in re.split(r"([{}])", line):
            if part.strip():
                yield row, part


def _read_channels(words: list[str], file: str, row: int) -> tuple[str, ...]:
    known = [axis + kind for kind in ("position", "rotation") for axis in "xyz"]
    channels = tuple(word.lower() for word in words[2:])
    if len(words) < 2 or words[1] != str(len(channels)):
        count = words[1] if len(words) > 1 else "nothing"
        raise _fail(file, row, f"CHANNELS says {count} and names {len(channels)}")
    for channel, word in zip(channels, words[2:], strict=True):
        if channel not in known:
            raise _fail(file, row, f"unknown channel {word!r}, expected {known}")
    if len(set(channels)) != len(channels):
        raise _fail(file, row, f"CHANNELS repeats one of {' '.join(channels)}")
    return channels


def _read_motion(
    lines: list[str], start: int, nodes: list[_Node], file: str
) -> tuple[float, np.ndarray]:
    """Seconds per frame, and the channels `[T, C]` of all frames."""
    columns = sum(len(node.channels or ()) for node in nodes)
    rows = [row for row in range(start + 1, len(lines)) if lines[row].strip()]
    values = []
    for place, key in enumerate(("Frames:", "Frame Time:")):
        row = rows[place] if place < len(rows) else len(lines) - 1
        line = " ".join(lines[row].split())
        if not line.lower().startswith(key.lower()):
            raise _fail(file, row, f"found {line[:40]!r}, expected {key}")
        number = _numbers([line[len(key) :].strip()], file, row)
        if number[0] <= 0:
            raise _fail(file, row, f"{key} {number[0]:g}, expected more than 0")
        values.append(float(number[0]))
    total, frame_time = int(values[0]), values[1]
    rows = rows[2:]
    motion = parse_numbers("\n".join(lines[rows[0] :])) if rows else np.zeros(0)
    whole = len(motion) == total * columns and np.isfinite(motion).all()
    if whole and len(rows) == total:
        return frame_time, motion.reshape(total, columns)
    for row in rows[:total]:
        found = len(_numbers(lines[row].split(), file, row))
        if found != columns:
            raise _fail(
                file, row, f"found {found} numbers, expected {columns} (one a channel)"
            )
    last = len(lines) - 1 if len(rows) <= total else rows[total]
    raise _fail(file, last, f"found {len(rows)} frames, expected {total}")


def _forward(nodes: list[_Node], motion: np.ndarray) -> np.ndarray:
    """Positions `[T, K, 3]` in the file's units of channels `[T, C]`."""
    positions = np.zeros((len(motion), len(nodes), 3))
    rotations: list[np.ndarray] = []
    for index, node in enumerate(nodes):
        channels = node.channels or ()
        offset = np.tile(node.offset, (len(motion), 1))
        columns, axes = [], []
        for column, channel in enumerate(channels, node.column):
            axis = channel[0]
            if channel.endswith("rotation"):
                columns.append(column)
                axes.append(axis)
            elif node.parent < 0:
                offset[:, "xyz".index(axis)] += motion[:, column]
            else:
                offset[:, "xyz".index(axis)] = motion[:, column]
        rotation = euler_rotations(axes, motion[:, columns])
        if node.parent < 0:
            positions[:, index] = offset
        else:
            turned = (rotations[node.parent] @ offset[:, :, None])[:, :, 0]
            positions[:, index] = positions[:, node.parent] + turned
            rotation = rotations[node.parent] @ rotation
        rotations.append(rotation)
    return positions


def _first_frame(
    nodes: list[_Node], motion: np.ndarray, opening: np.ndarray, frame_rate: float
) -> int:
    """The frame that the take begins with: after an added rest pose and empty frames.

    Those have whole degrees in all channels, which no measured frame has, and are all
    alike, or empty; or nothing human is as fast as what follows them.

    Args:
        nodes: K nodes.
        motion: `[T, C]`.
        opening: positions of up to three frames `[<=3, K, 3]` in metres.
        frame_rate: frames per second.
    """
    angles = [
        column
        for node in nodes
        for column, channel in enumerate(node.channels or (), node.column)
        if channel.endswith("rotation")
    ]
    measured = (motion[:, angles] % 1 != 0).any(axis=1)
    if measured.any() and not measured[0]:
        first = int(measured.argmax())
        added = motion[:first, angles]
        still = (added == added[0]).all(axis=1) | (added == 0).all(axis=1)
        if still.all():
            return first
    if len(opening) < 3:
        return 0
    local = opening - opening[:, :1]
    jump, step = np.linalg.norm(np.diff(local, axis=0), axis=2).max(axis=1)
    return int(jump * frame_rate > _JUMP_SPEED and jump > _JUMP_RATIO * step)


def _restore_bones(nodes: list[_Node]) -> bool:
    """Puts back the bones that the common conversion of CMU's clips to BVH lost.

    That conversion wrote OFFSET 0 0 0 for every child of a joint with several
    children, which drops two bones of the original skeletons: the uppermost of three
    vertebrae (so that neck and collar bones start 0.12 m too low) and the outer third
    of each forearm. CMU's skeletons are made of equal vertebrae (within 2 %) and
    forearms split 2 : 1, so both are known from the bones beside them.

    Returns:
        Whether this is such a file. Offsets of `nodes` are changed in place.
    """
    by_name = {node.name: node for node in nodes}
    if not {"LHipJoint", "RHipJoint"} <= set(by_name):
        return False
    restored = False
    for names, share in (
        (("Neck", "LeftShoulder", "RightShoulder"), 1.0),
        (("lowerneck", "LeftCollar", "RightCollar"), 1.0),
        (("LeftFingerBase", "LThumb"), 0.5),
        (("RightFingerBase", "RThumb"), 0.5),
        (("lhand", "LThumb"), 0.5),
        (("rhand", "RThumb"), 0.5),
    ):
        children = [by_name[name] for name in names if name in by_name]
        siblings = len({child.parent for child in children}) == 1
        if len(children) < len(names) or not siblings:
            continue
        if all(not child.offset.any() for child in children):
            bone = nodes[children[0].parent].offset
            for child in children:
                child.offset = share * bone
            restored = True
    return restored
