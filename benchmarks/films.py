"""Films of one mannequin each, as an ordinary data set in COCO's format.

Images are numbered film by film, so a frame's number tells its film.
"""

import json
import pathlib

import cv2
import numpy as np

from data_pipelines.mannequin.film import FilmFrame, draw_film
from data_pipelines.mannequin.render import sample_rng
from data_pipelines.mannequin.scenarios import SCENARIOS
from data_pipelines.mannequin.shards import category
from data_pipelines.people import PoseDataset

__all__ = ["FRAMES", "films_of", "write_films"]

FRAMES = 12
"""Of a film."""
# So few, that a person does not look the same in the next one.
_FPS = 4.0
_SIZE = 135, 240


def write_films(
    folder: pathlib.Path, scenario: str, split: str, count: int, seed: int
) -> None:
    """Draws films into a folder, if they are not there.

    Args:
        folder: of the data set; may hold several splits.
        scenario: key of `SCENARIOS`.
        split: name of the json.
        count: number of films.
        seed: of the first film; the others have those after it.
    """
    path = folder / f"{split}.json"
    if path.exists():
        return
    (folder / "images").mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for film in range(count):
        frames = draw_film(seed + film, 1, FRAMES, _FPS, _SIZE, scenario)
        rng = sample_rng(scenario, seed + film, "film quality", 0)
        low, high = SCENARIOS[scenario].quality
        code = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(low, high + 1))]
        for place, frame in enumerate(frames):
            number = film * FRAMES + place
            name = f"{split}_{film:04d}_{place:02d}.jpg"
            cv2.imwrite(str(folder / "images" / name), frame.image[..., ::-1], code)
            height, width = frame.image.shape[:2]
            images.append(
                {"id": number, "file_name": name, "height": height, "width": width}
            )
            annotations += _annotations(frame, number)
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [category()],
    }
    path.write_text(json.dumps(content))


def films_of(people: PoseDataset) -> np.ndarray:
    """The number of each person's film, int64 `[P]`; frames are in order."""
    return people.image_ids[people.image_index] // FRAMES


def _annotations(frame: FilmFrame, number: int) -> list[dict]:
    return [
        {
            "id": number,
            "image_id": number,
            "category_id": 1,
            "iscrowd": 0,
            "bbox": list(person.box),
            "area": person.area,
            "num_keypoints": int((person.keypoints[:, 2] > 0).sum()),
            "keypoints": person.keypoints.round(2).ravel().tolist(),
        }
        for person in frame.people
    ]
