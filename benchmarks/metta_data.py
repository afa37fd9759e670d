"""Training data, and tests unlike them, for the tables of MeTTA.

Each is written once, as an ordinary data set in COCO's format.
"""

import dataclasses
import json
import pathlib
import shutil
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from benchmarks.films import write_films
from data_pipelines.mannequin.write import write_dataset

__all__ = ["CORRUPTIONS", "Setting", "write_setting"]

_UPRIGHT = 45.0
_HEAD, _HIPS = ("head_top", "neck"), ("left_hip", "right_hip")


def _blurred(photo: np.ndarray, box: np.ndarray, _: np.random.Generator) -> np.ndarray:
    return cv2.GaussianBlur(photo, (0, 0), 0.03 * max(box[2:]))


def _noisy(photo: np.ndarray, _: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return photo + rng.normal(0, 60, photo.shape)


def _dark(photo: np.ndarray, _: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return 0.15 * photo + rng.normal(0, 4, photo.shape)


def _compressed(
    photo: np.ndarray, _: np.ndarray, __: np.random.Generator
) -> np.ndarray:
    _, code = cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, 4])
    return cv2.imdecode(code, cv2.IMREAD_COLOR)


def _occluded(
    photo: np.ndarray, box: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    photo, sides = photo.copy(), 0.4 * box[2:]
    x, y = (box[:2] + rng.random(2) * (box[2:] - sides)).astype(int)
    photo[max(y, 0) : int(y + sides[1]), max(x, 0) : int(x + sides[0])] = 127
    return photo


CORRUPTIONS: dict[
    str, Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]
] = {
    "blur": _blurred,
    "noise": _noisy,
    "low light": _dark,
    "JPEG": _compressed,
    "occlusion": _occluded,
}
"""Of light and camera: Gaussian blur of 3 % of the box's longer side; noise of 60
levels; 15 % of the light, and noise of 4 levels; JPEG of quality 4; a grey rectangle of
40 % of the box's sides. From photo, box (x, y, w, h) and random numbers to a photo."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """Where nets are trained, chosen and tested.

    Attributes:
        train: data set folder, with the splits `train` and `val`.
        tests: folders by what they hold, each with a split `val`. Settings are chosen
            on the first alone.
    """

    train: str
    tests: dict[str, str]


def write_setting(
    name: str, root: pathlib.Path, lspet: pathlib.Path, people: int
) -> Setting:
    """Writes a setting's data sets, if they are not there.

    Args:
        name: `mannequin`: from `studio` to `wild`. `lspet`: from upright people to
            others, and to upright ones under corruptions. `film`: as `mannequin`, films
            of one person each, a film for 25 mannequins.
        root: folder for the data sets.
        lspet: folder of Leeds Sports Pose Extended in COCO's format.
        people: mannequins for training; for their tests, a quarter each.
    """
    if name == "mannequin":
        folders = {}
        for key, scenario, split, count, seed in (
            ("train", "studio", "train", people, 0),
            ("train", "studio", "val", people // 10, 1),
            ("studio", "studio", "val", people // 4, 2),
            ("wild", "wild", "val", people // 4, 3),
        ):
            folders[key] = str(root / f"mannequin_{key}")
            write_dataset(
                folders[key],
                scenario=scenario,
                count=count,
                seed=seed,
                split=split,
                image_size=(96, 96),
            )
        return Setting(folders.pop("train"), folders)
    if name == "film":
        folders = {key: root / f"film_{key}" for key in ("train", "studio", "wild")}
        for key, scenario, split, count, seed in (
            ("train", "studio", "train", people // 25, 0),
            ("train", "studio", "val", people // 400, 10_000),
            ("studio", "studio", "val", people // 160, 20_000),
            ("wild", "wild", "val", people // 160, 30_000),
        ):
            write_films(folders[key], scenario, split, max(1, count), seed)
        train, studio, wild = map(str, folders.values())
        return Setting(train, {"studio": studio, "wild": wild})
    upright = root / "upright"
    for split in ("train", "val"):
        _write_people(lspet, split, upright, split, upright=True)
    tests = {"upright, blur": "blur", "upright": "", "not upright": "turned"}
    tests |= {f"upright, {kind}": kind for kind in CORRUPTIONS if kind != "blur"}
    for test, kind in tests.items():
        tests[test] = str(root / f"val_{kind.replace(' ', '_') or 'upright'}")
        _write_people(
            lspet,
            "val",
            pathlib.Path(tests[test]),
            "val",
            upright=kind != "turned",
            corrupt=CORRUPTIONS.get(kind),
        )
    return Setting(str(upright), tests)


def _write_people(
    source: pathlib.Path,
    split: str,
    folder: pathlib.Path,
    target: str,
    upright: bool,
    corrupt: Callable[..., np.ndarray] | None = None,
) -> None:
    """Those of LSPET's people who are, or are not, upright, one on each photo."""
    label_path = folder / f"{target}.json"
    if label_path.exists():
        return
    (folder / "images").mkdir(parents=True, exist_ok=True)
    content = json.loads((source / f"{split}.json").read_text())
    joints = content["categories"][0]["keypoints"]
    people = [
        person
        for person in content["annotations"]
        if (abs(_lean(person, joints)) < _UPRIGHT) == upright
    ]
    names = {image["id"]: image["file_name"] for image in content["images"]}
    rng = np.random.default_rng(0)
    for person in people:
        name = names[person["image_id"]]
        if corrupt is None:
            shutil.copyfile(source / "images" / name, folder / "images" / name)
            continue
        photo = cv2.imread(str(source / "images" / name))
        photo = corrupt(photo, np.asarray(person["bbox"]), rng)
        photo = np.clip(np.round(photo), 0, 255).astype(np.uint8)
        cv2.imwrite(
            str(folder / "images" / name), photo, [cv2.IMWRITE_JPEG_QUALITY, 98]
        )
    used = {person["image_id"] for person in people}
    content["annotations"] = people
    content["images"] = [one for one in content["images"] if one["id"] in used]
    label_path.write_text(json.dumps(content))


def _lean(person: dict[str, Any], joints: list[str]) -> float:
    """Degrees from upright of the line from hips to head; 180 where a part is missing.

    A person of whom it is not known how they stand is no upright one.
    """
    points = np.reshape(person["keypoints"], (-1, 3))
    ends = []
    for names in (_HEAD, _HIPS):
        part = points[[joints.index(name) for name in names]]
        part = part[part[:, 2] > 0, :2]
        if not len(part):
            return 180.0
        ends.append(part.mean(axis=0))
    x, y = ends[0] - ends[1]
    return float(np.degrees(np.arctan2(x, -y)))
