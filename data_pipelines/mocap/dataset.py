"""Folders of motion capture to 2D-3D pose pairs.

Clips are `.bvh` files, and `.amc` files beside the `.asf` of the person. Names tell
subject and action:

    HDM_bd_squat1Reps_012_120.amc   HDM05: actor `bd`, action `squat1Reps`, 120 Hz
    49_06.bvh, 01_02.amc            CMU: subject `49`, trial; the action is the trial
                                    `49_06`, for CMU's files do not say more
    anything else                   the folder is the subject, the name without its
                                    digits the action
"""

import dataclasses
import os
import pathlib
import re
import zlib
from collections.abc import Iterable, Sequence

import numpy as np

from data_pipelines.lifting.poses import LiftingDataset
from data_pipelines.lifting.readers.takes import PROJECTED, TakeTable
from data_pipelines.mocap.asf_amc import AsfSkeleton, read_amc, read_asf
from data_pipelines.mocap.bodies import check_body, check_upright
from data_pipelines.mocap.bvh import read_bvh
from data_pipelines.mocap.cameras import (
    CameraSetting,
    get_setting,
    sample_view,
)
from data_pipelines.mocap.clip import Clip, sample_frames
from data_pipelines.mocap.mapping import map_joints
from data_pipelines.readers.skip_report import SkipReport
from tfpose.errors import InputError
from tfpose.skeletons import Skeleton, get_skeleton

__all__ = [
    "Take",
    "name_take",
    "read_mocap",
    "read_mocap_split",
    "read_takes",
    "subject_part",
]

_HDM05 = re.compile(r"HDM_(?P<subject>[a-z]+)_(?P<action>\w+?)_\d+_(?P<rate>\d+)")
_CMU = re.compile(r"(?P<subject>\d+)_\d+")
_AMC_RATE = 120.0
# Faster than a thrower's hand relative to the pelvis (metres per second): the capture
# lost the joint. Poses so many seconds around it are left out.
_LOST_SPEED = 18.0
_LOST_SECONDS = 0.1
# Seconds that one camera stands before it is moved.
_SECONDS_PER_VIEW = 5.0


@dataclasses.dataclass(frozen=True, eq=False)
class Take:
    """A clip with the joints of a skeleton.

    Attributes:
        file: relative to the folder that was read, with `/`.
        subject: the person.
        action: what they do.
        positions: float32 `[T, J, 3]`, world metres, y up.
        frames: int32 `[T]`, frame numbers of the file, from 0.
        frame_rate: float, of the file.
    """

    file: str
    subject: str
    action: str
    positions: np.ndarray
    frames: np.ndarray
    frame_rate: float


def name_take(path: pathlib.Path) -> tuple[str, str, float]:
    """Subject, action and, for AMC files, frames per second, from a path."""
    if match := _HDM05.fullmatch(path.stem):
        return match["subject"], match["action"], float(match["rate"])
    if match := _CMU.fullmatch(path.stem):
        return match["subject"], path.stem, _AMC_RATE
    action = re.sub(r"[\d_\W]+", " ", path.stem).strip() or path.stem
    return path.parent.name, action, _AMC_RATE


def subject_part(subject: str, held_out: float = 0.25) -> str:
    """The part of a split, "train" or "test", that a subject belongs to.

    A pure function of the name: adding clips or people moves nobody.

    Args:
        subject: name.
        held_out: share of all names that are in "test".
    """
    place = zlib.crc32(f"subject {subject}".encode()) / 2**32
    return "test" if place < held_out else "train"


def read_takes(
    folder: str | os.PathLike,
    skeleton: Skeleton,
    *,
    frames_per_second: float | None = 10.0,
    subjects: Iterable[str] | None = None,
    unit: float | None = None,
) -> tuple[list[Take], SkipReport]:
    """All clips under a folder.

    Files that cannot be used are left out and reported, as are poses around moments
    at which the capture lost a joint.

    Args:
        folder: searched with all folders in it, in the order of names.
        skeleton: joints to make.
        frames_per_second: poses to keep of each second; None keeps all.
        subjects: people to read. Defaults to all.
        unit: metres per unit of all files. Defaults to what makes each a human.

    Raises:
        InputError: there is no such folder, or nothing in it is of use.
    """
    folder = pathlib.Path(folder)
    paths = _clip_paths(folder)
    if subjects is not None:
        subjects = list(subjects)
        known = dict.fromkeys(name_take(path)[0] for path in paths)
        for subject in subjects:
            if subject not in known:
                raise InputError(
                    f"{folder}: no subject {subject!r}, found {', '.join(known)}"
                )
        paths = [path for path in paths if name_take(path)[0] in subjects]
    if not paths:
        raise InputError(f"{folder}: subjects is empty, expected one or more names")
    report = SkipReport(source=str(folder))
    people: dict[pathlib.Path, AsfSkeleton] = {}
    takes: list[Take] = []
    for path in paths:
        name = path.relative_to(folder).as_posix()
        try:
            clip = _read_clip(path, people, unit)
            positions, notes = map_joints(clip, skeleton)
            check_body(positions, skeleton, str(path))
        except InputError as error:
            report.skip("clip", len(takes), name, "not readable", str(error))
            continue
        for note in (*clip.notes, *notes):
            report.note(f"clips with {note}")
        kept = sample_frames(len(clip), 0, clip.frame_rate, frames_per_second)
        lost = _lost_frames(positions, clip.frame_rate)[kept]
        report.note("poses left out where the capture lost a joint", lost.sum())
        kept = kept[~lost]
        if not len(kept):
            report.skip("clip", len(takes), name, "no poses")
            continue
        subject, action, _ = name_take(path)
        takes.append(
            Take(
                name,
                subject,
                action,
                positions[kept],
                clip.frames[kept],
                clip.frame_rate,
            )
        )
    if not takes:
        raise InputError(f"{folder}: no clip of use{report.example()}")
    takes = _upright(takes, skeleton, report)
    report.used = {"clips": len(takes), "poses": sum(len(t.frames) for t in takes)}
    return takes, report


def _upright(takes: list[Take], skeleton: Skeleton, report: SkipReport) -> list[Take]:
    """The takes of people who stand up along y at all; the others are reported.

    Raises:
        InputError: nobody does.
    """
    fallen: dict[str, InputError] = {}
    for person in dict.fromkeys(take.subject for take in takes):
        every = [take.positions for take in takes if take.subject == person]
        where = f"{report.source}: subject {person!r}"
        try:
            check_upright(np.concatenate(every), skeleton, where)
        except InputError as error:
            fallen[person] = error
    for row, take in enumerate(takes):
        if take.subject in fallen:
            reason = "the person never stands up along y"
            report.skip("clip", row, take.file, reason, str(fallen[take.subject]))
    standing = [take for take in takes if take.subject not in fallen]
    if not standing:
        raise next(iter(fallen.values()))
    return standing


def _clip_paths(folder: str | os.PathLike) -> list[pathlib.Path]:
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise InputError(
            f"{folder}: no such folder, expected one of .bvh or .amc files"
        )
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".bvh", ".amc"))
    if not paths:
        raise InputError(f"{folder}: no .bvh or .amc files")
    return paths


def _read_clip(
    path: pathlib.Path, people: dict[pathlib.Path, AsfSkeleton], unit: float | None
) -> Clip:
    if path.suffix.lower() == ".bvh":
        return read_bvh(path, unit=unit)
    found = sorted(p for p in path.parent.iterdir() if p.suffix.lower() == ".asf")
    if len(found) > 1:
        found = [p for p in found if path.stem.startswith(p.stem)]
        found = sorted(found, key=lambda p: len(p.stem))[-1:]
    if not found:
        raise InputError(f"{path}: no .asf file of the person beside it")
    if found[0] not in people:
        people[found[0]] = read_asf(found[0], unit=unit)
    return read_amc(path, people[found[0]], frame_rate=name_take(path)[2])


def _lost_frames(positions: np.ndarray, frame_rate: float) -> np.ndarray:
    """Bool `[T]`: frames near a jump that no human makes."""
    local = positions - positions.mean(axis=1, keepdims=True)
    speed = np.linalg.norm(np.diff(local, axis=0), axis=2).max(axis=1, initial=0)
    lost = np.zeros(len(positions), bool)
    reach = max(1, round(_LOST_SECONDS * frame_rate))
    for frame in np.flatnonzero(speed * frame_rate > _LOST_SPEED):
        lost[max(0, frame + 1 - reach) : frame + 1 + reach] = True
    return lost


def read_mocap(
    folder: str | os.PathLike,
    skeleton: Skeleton,
    *,
    frames_per_second: float | None = 10.0,
    cameras: str | CameraSetting = "studio",
    views: int = 4,
    seed: int = 0,
    subjects: Iterable[str] | None = None,
    unit: float | None = None,
) -> tuple[LiftingDataset, SkipReport]:
    """Poses of all clips under a folder, as seen by cameras sampled around them.

    A camera stands for at most 5 seconds and has all of them in its image. Cameras
    are a function of (seed, file, place in the file, number of the view) alone.

    Args:
        folder: of `.bvh` files, and `.amc` files beside their `.asf`.
        skeleton: joints to make.
        frames_per_second: poses to keep of each second; None keeps all.
        cameras: a setting, or its name in `CAMERA_SETTINGS`.
        views: cameras for each pose.
        seed: of the cameras.
        subjects: people to read. Defaults to all.
        unit: metres per unit of all files. Defaults to what makes each a human.

    Raises:
        InputError: nothing is of use, or poses are not of humans.
    """
    setting = get_setting(cameras)
    if views < 1:
        raise InputError(f"views is {views}, expected 1 or more")
    takes, report = read_takes(
        folder,
        skeleton,
        frames_per_second=frames_per_second,
        subjects=subjects,
        unit=unit,
    )
    table = TakeTable(
        f"mocap ({pathlib.Path(folder).name}, {setting.name} cameras)",
        skeleton,
        PROJECTED,
        report,
    )
    used = report.used
    for take in takes:
        parts = (take.frames / take.frame_rate // _SECONDS_PER_VIEW).astype(int)
        for part in np.unique(parts).tolist():
            inside = parts == part
            for number in range(views):
                rng = _generator(seed, take.file, part, number)
                view = sample_view(take.positions[inside], setting, rng)
                table.add(
                    view.to_camera(take.positions[inside]),
                    None,
                    camera=(take.file, part, number),
                    intrinsics=view.intrinsics,
                    size=view.image_size,
                    subject=take.subject,
                    action=take.action,
                    frames=take.frames[inside],
                )
    dataset = table.finish()
    report.used = used | {"cameras": len(dataset.intrinsics), "pairs": len(dataset)}
    return dataset, report


def read_mocap_split(
    folder: str | os.PathLike,
    split: str,
    keypoints: str,
    subjects: Sequence[str] | None,
    stride: int,
    skeleton: Skeleton | None = None,
) -> tuple[LiftingDataset, SkipReport]:
    """10 poses a second: a row of `LIFTING_DATASETS`.

    Args:
        folder: of `.bvh` files, and `.amc` files beside their `.asf`.
        split: "train": people of that `subject_part` before `studio` cameras; "test":
            the others before `wild` cameras.
        keypoints: "projected", for there are no others.
        subjects: people instead of the split's.
        stride: every how many of those poses one is kept.
        skeleton: joints to make. Defaults to Human3.6M's 17.

    Raises:
        InputError: nothing is of use, or the split has none of the people.
    """
    if keypoints != PROJECTED:
        raise InputError(f"keypoints is {keypoints!r}, mocap has {PROJECTED!r} alone")
    if stride < 1:
        raise InputError(f"stride is {stride}, expected 1 or more")
    if subjects is None:
        people = dict.fromkeys(name_take(path)[0] for path in _clip_paths(folder))
        subjects = [name for name in people if subject_part(name) == split]
        if not subjects:
            raise InputError(
                f"{folder}: none of its people ({', '.join(people)}) is in {split!r}; "
                "name those to take by subjects"
            )
    return read_mocap(
        folder,
        get_skeleton("h36m17") if skeleton is None else skeleton,
        frames_per_second=10.0 / stride,
        cameras="studio" if split == "train" else "wild",
        subjects=subjects,
    )


def _generator(seed: int, file: str, part: int, view: int) -> np.random.Generator:
    key = np.random.SeedSequence([seed, zlib.crc32(file.encode()), part, view])
    return np.random.Generator(np.random.Philox(key))
