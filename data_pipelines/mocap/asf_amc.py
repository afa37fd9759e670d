"""Reads Acclaim skeletons (ASF) and motions (AMC): CMU, HDM05.

A node of the clip is the far end of the bone of that name: `lfemur` is the left knee.
The root's position is the node `root`.
"""

import dataclasses
import math
import os
import pathlib
import re

import numpy as np

from data_pipelines.mocap.clip import (
    Clip,
    euler_rotations,
    metres_per_unit,
    parse_numbers,
    sample_frames,
)
from tfpose.errors import InputError

__all__ = ["AsfSkeleton", "read_amc", "read_asf"]

_INCH = 0.0254
_ROTATIONS = ("rx", "ry", "rz")
_TRANSLATIONS = ("tx", "ty", "tz")


@dataclasses.dataclass(frozen=True, eq=False)
class AsfSkeleton:
    """A skeleton of K nodes, the root first and parents before children.

    Attributes:
        file: str. For messages.
        nodes: K names.
        parents: K indices, -1 for the root.
        offsets: float64 `[K, 3]`, each bone in the rest pose, in the file's units; the
            root's is its position.
        frames: float64 `[K, 3, 3]`. The axes that each node's angles turn about.
        channels: K tuples out of tx, ty, tz, rx, ry, rz, in the order of the AMC file.
        scale: float. Metres per unit.
        degrees: whether the skeleton's angles are degrees; else radians.
    """

    file: str
    nodes: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: np.ndarray
    frames: np.ndarray
    channels: tuple[tuple[str, ...], ...]
    scale: float
    degrees: bool


def _unset() -> np.ndarray:
    return np.zeros(0)


@dataclasses.dataclass(eq=False)
class _Bone:
    row: int
    name: str = ""
    direction: np.ndarray = dataclasses.field(default_factory=_unset)
    length: float = math.nan
    axis: np.ndarray = dataclasses.field(default_factory=_unset)
    order: str = "xyz"
    channels: tuple[str, ...] = ()


def _fail(file: str, row: int, message: str) -> InputError:
    return InputError(f"{file}, line {row + 1}: {message}")


def _numbers(words: list[str], count: int, file: str, row: int) -> np.ndarray:
    try:
        numbers = np.array([float(word) for word in words])
    except ValueError:
        numbers = np.array([np.nan])
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise _fail(file, row, f"found {' '.join(words)!r}, expected {count} numbers")
    return numbers


def read_asf(path: str | os.PathLike, *, unit: float | None = None) -> AsfSkeleton:
    """The skeleton of an ASF file.

    Args:
        path: the file.
        unit: metres per unit of the file. Defaults to inches divided by the file's
            own `length` (0.45 with CMU and HDM05: 0.05644 m), or, where that makes no
            human, to the unit that does.

    Raises:
        InputError: the file is broken, and in which line; or it is not of human size.
    """
    file = str(path)
    text = pathlib.Path(path).read_bytes().decode("utf-8", errors="replace")
    lines = [line.split("#")[0].split() for line in text.splitlines()]
    sections: dict[str, list[tuple[int, list[str]]]] = {}
    current = None
    for row, words in enumerate(lines):
        if not words:
            continue
        if words[0].startswith(":"):
            current = sections.setdefault(words[0][1:].lower(), [])
        elif current is None:
            raise _fail(file, row, f"found {words[0][:40]!r}, expected a :section")
        else:
            current.append((row, words))
    for name in ("root", "bonedata", "hierarchy"):
        if not sections.get(name):
            raise _fail(file, len(lines) - 1, f"the file has no :{name}")
    length, degrees = _read_units(sections.get("units", []), file)
    root = _read_root(sections["root"], file)
    bones = {bone.name: bone for bone in _read_bones(sections["bonedata"], file)}
    parents = _read_hierarchy(sections["hierarchy"], bones, file)
    nodes = ("root", *parents)
    every = [root, *(bones[name] for name in parents)]
    offsets = np.stack([bone.direction * bone.length for bone in every])
    parent_rows = (-1, *(nodes.index(parent) for parent in parents.values()))
    turn = 1.0 if degrees else math.degrees(1.0)
    pose = np.zeros_like(offsets)
    for row, parent in enumerate(parent_rows[1:], 1):
        pose[row] = pose[parent] + offsets[row]
    if unit is None:
        unit = _unit_of_length(length, pose, parent_rows, file)
    return AsfSkeleton(
        file=file,
        nodes=nodes,
        parents=parent_rows,
        offsets=offsets,
        frames=np.stack(
            [
                euler_rotations(bone.order[::-1], bone.axis[::-1] * turn)
                for bone in every
            ]
        ),
        channels=tuple(bone.channels for bone in every),
        scale=metres_per_unit(pose, parent_rows, unit, file),
        degrees=degrees,
    )


def _unit_of_length(
    length: float | None, pose: np.ndarray, parents: tuple[int, ...], file: str
) -> float | None:
    if not length:
        return None
    try:
        return metres_per_unit(pose, parents, _INCH / length, file)
    except InputError:
        return None


def _read_units(
    section: list[tuple[int, list[str]]], file: str
) -> tuple[float | None, bool]:
    length, degrees = None, True
    for row, words in section:
        if words[0] == "length":
            length = float(_numbers(words[1:], 1, file, row)[0])
        elif words[0] == "angle":
            if words[1:] not in (["deg"], ["rad"]):
                raise _fail(file, row, f"angle is {words[1:]}, expected deg or rad")
            degrees = words[1] == "deg"
    return length, degrees


def _read_axis(words: list[str], file: str, row: int) -> str:
    order = "".join(words).lower()
    if sorted(order) != ["x", "y", "z"]:
        raise _fail(
            file, row, f"axis order is {order!r}, expected XYZ or another order"
        )
    return order


def _read_channels(words: list[str], file: str, row: int) -> tuple[str, ...]:
    channels = tuple(word.lower() for word in words)
    if "l" in channels:
        raise _fail(file, row, "bones that change their length (dof l) are not read")
    if len(set(channels)) != len(channels) or not (
        set(channels) <= {*_ROTATIONS, *_TRANSLATIONS}
    ):
        raise _fail(file, row, f"found {' '.join(words)!r}, expected tx ty tz rx ry rz")
    return channels


def _read_root(section: list[tuple[int, list[str]]], file: str) -> _Bone:
    root = _Bone(section[0][0], "root", np.zeros(3), 1.0, np.zeros(3))
    for row, words in section:
        if words[0] == "order":
            root.channels = _read_channels(words[1:], file, row)
        elif words[0] == "axis":
            root.order = _read_axis(words[1:], file, row)
        elif words[0] == "position":
            root.direction = _numbers(words[1:], 3, file, row)
        elif words[0] == "orientation":
            root.axis = _numbers(words[1:], 3, file, row)
    if set(root.channels) != {*_ROTATIONS, *_TRANSLATIONS}:
        raise _fail(file, section[0][0], "the root's order must name 6 channels")
    return root


def _read_bones(section: list[tuple[int, list[str]]], file: str) -> list[_Bone]:
    bones: list[_Bone] = []
    open_bone = None
    for row, words in section:
        key = words[0].lower()
        if key == "begin":
            open_bone = _Bone(row)
        elif open_bone is None:
            raise _fail(file, row, f"found {words[0][:40]!r}, expected begin")
        elif key == "end":
            for field, found in (
                ("name", open_bone.name),
                ("direction", len(open_bone.direction)),
                ("length", not math.isnan(open_bone.length)),
                ("axis", len(open_bone.axis)),
            ):
                if not found:
                    raise _fail(file, row, f"bone {open_bone.name!r} has no {field}")
            if open_bone.name in {"root", *(bone.name for bone in bones)}:
                raise _fail(file, row, f"bone {open_bone.name!r} is there twice")
            bones.append(open_bone)
            open_bone = None
        elif key == "name":
            open_bone.name = " ".join(words[1:])
        elif key == "direction":
            open_bone.direction = _numbers(words[1:], 3, file, row)
        elif key == "length":
            open_bone.length = float(_numbers(words[1:], 1, file, row)[0])
        elif key == "axis":
            open_bone.axis = _numbers(words[1:4], 3, file, row)
            open_bone.order = _read_axis(words[4:], file, row)
        elif key == "dof":
            open_bone.channels = _read_channels(words[1:], file, row)
    if open_bone is not None or not bones:
        raise _fail(file, section[-1][0], "bonedata ends within a bone")
    return bones


def _read_hierarchy(
    section: list[tuple[int, list[str]]], bones: dict[str, _Bone], file: str
) -> dict[str, str]:
    """The parent of each bone, parents before children."""
    parents: dict[str, str] = {}
    for row, words in section:
        if words[0] in ("begin", "end"):
            continue
        if words[0] != "root" and words[0] not in parents:
            raise _fail(file, row, f"bone {words[0]!r} has children but no parent yet")
        for child in words[1:]:
            if child not in bones or child in parents:
                what = "has two parents" if child in parents else "is not in bonedata"
                raise _fail(file, row, f"bone {child!r} {what}")
            parents[child] = words[0]
    orphans = [name for name in bones if name not in parents]
    if orphans:
        raise _fail(file, bones[orphans[0]].row, f"bone {orphans[0]!r} has no parent")
    return parents


def read_amc(
    path: str | os.PathLike,
    skeleton: AsfSkeleton,
    *,
    frame_rate: float = 120.0,
    frames_per_second: float | None = None,
) -> Clip:
    """Joint positions of an AMC file, by forward kinematics.

    Args:
        path: the file.
        skeleton: of the person who moves.
        frame_rate: frames per second, which AMC files do not say; CMU and HDM05 have
            120.
        frames_per_second: keep only so many poses of each second. Defaults to all.

    Raises:
        InputError: the file is broken, or not of this skeleton, and in which line.
    """
    file = str(path)
    text = pathlib.Path(path).read_bytes().decode("utf-8", errors="replace")
    angles, degrees = _read_frames(text, skeleton, file)
    total = len(next(iter(angles.values())))
    frames = sample_frames(total, 0, frame_rate, frames_per_second)
    turn = 1.0 if degrees else math.degrees(1.0)
    kept = {name: values[frames] for name, values in angles.items()}
    return Clip(
        file=file,
        nodes=skeleton.nodes,
        parents=skeleton.parents,
        positions=(_forward(skeleton, kept, turn) * skeleton.scale).astype(np.float32),
        frames=frames,
        frame_rate=frame_rate,
    )


def _read_frames(
    text: str, skeleton: AsfSkeleton, file: str
) -> tuple[dict[str, np.ndarray], bool]:
    """The channels `[T, C]` of each bone that moves, and whether they are degrees."""
    lines = text.splitlines()
    degrees = skeleton.degrees
    start = 0
    while start < len(lines) and not re.fullmatch(r"\s*\d+\s*", lines[start]):
        word = lines[start].strip()
        if word and word[0] not in "#:":
            raise _fail(file, start, f"found {word[:40]!r}, expected a frame number")
        if word.upper() in (":DEGREES", ":RADIANS"):
            degrees = word.upper() == ":DEGREES"
        start += 1
    rows = [row for row in range(start, len(lines)) if lines[row].strip()]
    if len(rows) < 2:
        raise _fail(
            file, max(len(lines) - 1, 0), "the file ends before the first frame"
        )
    count = 1
    while count < len(rows) and not lines[rows[count]].strip()[:1].isdigit():
        count += 1
    widths = {
        node: len(channels)
        for node, channels in zip(skeleton.nodes, skeleton.channels, strict=True)
    }
    angles: dict[str, np.ndarray] = {}
    for place in range(1, count):
        row = rows[place]
        name = lines[row].split()[0]
        if name not in widths or name in angles:
            what = "is there twice" if name in angles else f"is not in {skeleton.file}"
            raise _fail(file, row, f"bone {name!r} {what}")
        angles[name] = _read_column(lines, rows[place::count], name, widths[name], file)
    _check_frame_numbers(lines, rows, count, file)
    missing = [name for name, width in widths.items() if width and name not in angles]
    if missing:
        raise _fail(file, rows[0], f"the frame has no bone {missing[0]!r}")
    return angles, degrees


def _read_column(
    lines: list[str], rows: list[int], name: str, width: int, file: str
) -> np.ndarray:
    """What the bone's lines say, `[T, width]`."""
    texts = [lines[row].strip() for row in rows]
    key = name + " "
    if all(text.startswith(key) for text in texts):
        values = parse_numbers(" ".join(text[len(key) :] for text in texts))
        counts = {text.count(" ") for text in texts}
        if (
            len(values) == width * len(rows)
            and np.isfinite(values).all()
            and len(counts) == 1
        ):
            return values.reshape(len(rows), width)
    columns = []
    for row, text in zip(rows, texts, strict=True):
        words = text.split()
        if words[0] != name:
            raise _fail(file, row, f"found {text[:40]!r}, expected bone {name!r}")
        columns.append(_numbers(words[1:], width, file, row))
    return np.stack(columns)


def _check_frame_numbers(
    lines: list[str], rows: list[int], count: int, file: str
) -> None:
    numbers = [lines[row].strip() for row in rows[::count]]
    first = int(numbers[0])
    for place, number in enumerate(numbers):
        if number != str(first + place):
            raise _fail(
                file,
                rows[place * count],
                f"found {number[:40]!r}, expected frame {first + place}",
            )
    if len(rows) % count:
        raise _fail(file, rows[-1], f"the file ends within frame {numbers[-1]}")


def _forward(
    skeleton: AsfSkeleton, angles: dict[str, np.ndarray], turn: float
) -> np.ndarray:
    """Positions `[T, K, 3]` in the file's units; `turn` makes angles degrees.

    A bone turns within its own axes: its rotation in its parent's frame is
    C M C^-1, with M the product of its channels, the first rightmost.
    """
    total = len(next(iter(angles.values())))
    positions = np.zeros((total, len(skeleton.nodes), 3))
    rotations: list[np.ndarray] = []
    for row, (node, parent, channels) in enumerate(
        zip(skeleton.nodes, skeleton.parents, skeleton.channels, strict=True)
    ):
        values = angles.get(node, np.zeros((total, 0)))
        offset = np.tile(skeleton.offsets[row], (total, 1))
        turning = []
        for column, channel in enumerate(channels):
            if channel in _TRANSLATIONS:
                offset[:, _TRANSLATIONS.index(channel)] += values[:, column]
            else:
                turning.append(column)
        turning.reverse()
        rotation = euler_rotations(
            [channels[column][1] for column in turning], values[:, turning] * turn
        )
        axes = skeleton.frames[row]
        rotation = axes @ rotation @ axes.T
        if parent < 0:
            positions[:, row] = offset
        else:
            rotation = rotations[parent] @ rotation
            turned = (rotation @ offset[:, :, None])[:, :, 0]
            positions[:, row] = positions[:, parent] + turned
        rotations.append(rotation)
    return positions
