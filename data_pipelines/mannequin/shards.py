"""Draws pictures to disk in shards; the body of one writer process.

Run by `write` as `python -m data_pipelines.mannequin.shards <json>`: a process of its
own that imports NumPy, OpenCV and pycocotools only, so that it starts at once and
neither forks nor re-imports a program that holds TensorFlow. It prints one line per
finished shard.
"""

import json
import os
import sys

import cv2

from data_pipelines.mannequin.body import JOINTS
from data_pipelines.mannequin.render import Sample, draw_sample
from data_pipelines.segmentation import Segmentation

__all__ = ["SHARD", "category", "image_name", "shard_path", "write_shard"]

SHARD = 50  # pictures


def image_name(split: str, index: int) -> str:
    """File name of picture `index` under images/."""
    return f"{split}_{index:08d}.jpg"


def shard_path(folder: str, shard: int) -> str:
    """Where the records of a finished shard lie until all are there."""
    return os.path.join(folder, f"{shard:06d}.json")


def _records(sample: Sample, name: str, image_id: int) -> tuple[dict, list[dict]]:
    """COCO's image record and its annotations (without their ids)."""
    height, width = sample.image.shape[:2]
    camera = sample.camera
    image = {
        "id": image_id,
        "file_name": name,
        "height": height,
        "width": width,
        "camera": {
            "fx": round(camera.focal, 4),
            "fy": round(camera.focal, 4),
            "cx": camera.center[0],
            "cy": camera.center[1],
        },
    }
    annotations = []
    for row, person in enumerate(sample.people):
        region = Segmentation.of_mask(sample.silhouettes == row)
        flat = []
        for x, y, v in person.keypoints.tolist():
            flat += [round(x, 2), round(y, 2), int(v)]
        annotations.append(
            {
                "image_id": image_id,
                "category_id": 1,
                "iscrowd": 0,
                "segmentation": {
                    "size": [height, width],
                    "counts": region.rle.decode("ascii"),
                },
                "bbox": list(person.box),
                "area": person.area,
                "num_keypoints": sum(v > 0 for v in flat[2::3]),
                "keypoints": flat,
                "keypoints_3d": [
                    [round(c, 5) for c in p] for p in person.keypoints_3d.tolist()
                ],
                "pose_family": person.family,
            }
        )
    return image, annotations


def write_shard(config: dict, images_dir: str, parts_dir: str, shard: int) -> None:
    """Draws the pictures of one shard, then its records, aside and renamed."""
    images, annotations = [], []
    stop = min((shard + 1) * SHARD, config["count"])
    for index in range(shard * SHARD, stop):
        sample = draw_sample(
            config["scenario"],
            config["seed"],
            index,
            tuple(config["image_size"]),
            tuple(config["people"]),
            config["split"],
        )
        name = image_name(config["split"], index)
        options = [cv2.IMWRITE_JPEG_QUALITY, sample.quality]
        encoded = cv2.imencode(".jpg", sample.image[..., ::-1], options)[1]
        with open(os.path.join(images_dir, name), "wb") as file:
            file.write(encoded.tobytes())
        image, people = _records(sample, name, index + 1)
        images.append(image)
        annotations += people
    path = shard_path(parts_dir, shard)
    with open(path + ".tmp", "w") as file:
        json.dump({"images": images, "annotations": annotations}, file)
    os.replace(path + ".tmp", path)


def category() -> dict:
    """COCO's category record: the joints of `keypoints` and of `keypoints_3d`."""
    limbs = [
        (16, 14),
        (14, 12),
        (17, 15),
        (15, 13),
        (12, 13),
        (6, 12),
        (7, 13),
        (6, 7),
        (6, 8),
        (7, 9),
        (8, 10),
        (9, 11),
        (2, 3),
        (1, 2),
        (1, 3),
        (2, 4),
        (3, 5),
        (4, 6),
        (5, 7),
    ]
    return {
        "id": 1,
        "name": "person",
        "supercategory": "person",
        "keypoints": list(JOINTS[:17]),
        "skeleton": [list(limb) for limb in limbs],
        "keypoints_3d": list(JOINTS),
    }


def _main() -> int:
    job = json.loads(sys.argv[1])
    cv2.setNumThreads(1)
    try:
        for shard in job["shards"]:
            write_shard(job["config"], job["images_dir"], job["parts_dir"], shard)
            print(shard, flush=True)
    except BrokenPipeError:  # The program that asked is gone.
        return 1
    except OSError as error:
        print(
            f"{error.filename or job['images_dir']}: {error.strerror}", file=sys.stderr
        )
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(_main())
