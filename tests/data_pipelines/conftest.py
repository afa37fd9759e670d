"""Small data sets on disk, in COCO format."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from data_pipelines.images import FileImages
from data_pipelines.people import PoseDataset
from tfpose.skeletons import get_skeleton


@pytest.fixture
def small_set(tmp_path) -> Path:
    """12 images of noise with 0 to 2 people each: train.json and images/."""
    folder = tmp_path / "source"
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for row in range(12):
        pixels = rng.integers(0, 255, (60, 80, 3), dtype=np.uint8)
        name = f"{row:02d}.jpg"
        cv2.imwrite(str(folder / "images" / name), pixels)
        images.append({"id": 100 + row, "file_name": name, "width": 80, "height": 60})
        for _ in range(row % 3):
            pose = rng.uniform(5, 55, (3, 3)).round(2)
            pose[:, 2] = (2, 1, 2)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": 100 + row,
                    "category_id": 1,
                    "bbox": [1.25, 2.5, 60.0, 50.0],
                    "keypoints": pose.ravel().tolist(),
                }
            )
    annotations.reverse()
    joints = ["head", "left_hand", "right_hand"]
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person", "keypoints": joints}],
    }
    (folder / "train.json").write_text(json.dumps(content))
    return folder


@pytest.fixture
def people_on(tmp_path):
    """Makes a dataset of one person per picture (uint8 RGB), stored as PNG."""

    def make(pictures, boxes=None, keypoints=None, skeleton="coco17"):
        count = len(pictures)
        paths = [tmp_path / f"{row}.png" for row in range(count)]
        for path, picture in zip(paths, pictures, strict=True):
            cv2.imwrite(str(path), picture[..., ::-1])
        sizes = np.array([picture.shape[:2] for picture in pictures], np.int32)
        if boxes is None:
            boxes = np.concatenate([np.zeros((count, 2)), sizes[:, ::-1]], axis=1)
        joints = get_skeleton(skeleton)
        if keypoints is None:
            keypoints = np.zeros((count, joints.num_joints, 3))
        return PoseDataset(
            name="pictures",
            skeleton=joints,
            images=FileImages(paths),
            image_ids=np.arange(count, dtype=np.int64) + 100,
            image_sizes=sizes,
            image_index=np.arange(count, dtype=np.int32),
            person_ids=np.arange(count, dtype=np.int64),
            boxes=np.asarray(boxes, np.float32),
            keypoints=np.asarray(keypoints, np.float32),
            areas=np.full(count, 500, np.float32),
            crowd=np.zeros(count, np.bool_),
        )

    return make
