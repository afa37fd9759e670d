"""Real pairs of 2D and 3D, with their cameras."""

import pickle
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest


class Sample(NamedTuple):
    """One real pose."""

    subject: str
    action: str
    camera: str
    frame: int
    positions: np.ndarray
    """float64 `[17, 3]`, metres, camera frame; order of h36m17 or mpi_inf_3dhp17."""
    keypoints: np.ndarray
    """float64 `[17, 2]`, px."""
    calibration: dict
    """What the dataset's samples come with: R, T, f, c, k, p, w, h."""


def _read(folder: Path, archive: str, cameras: str) -> tuple[dict, dict]:
    if not folder.is_dir():
        pytest.skip(f"real samples are not at {folder}")
    with open(folder / cameras, "rb") as file:
        return dict(np.load(folder / archive)), pickle.load(file)


@pytest.fixture(scope="session")
def h36m_samples(shared_data) -> list[Sample]:
    """Four poses of Human3.6M, of S1, S5, S7 and S8."""
    folder = shared_data / "formats" / "h36m"
    content, cameras = _read(folder, "test_h36m_body3d.npz", "cameras.pkl")
    samples = []
    for name, part, pose in zip(
        content["imgname"], content["part"], content["S"], strict=True
    ):
        # As S1/S1_Directions_1.54138969/S1_Directions_1.54138969_000001.jpg.
        take, camera = name.split("/")[1].split(".")
        subject, action, *_ = take.split("_")
        frame = int(name[-10:-4])
        samples.append(
            Sample(
                *(subject, action, camera, frame),
                *(pose[:, :3], part[:, :2], cameras[subject, camera]),
            )
        )
    return samples


@pytest.fixture(scope="session")
def mpi_samples(shared_data) -> list[Sample]:
    """Two poses of MPI-INF-3DHP's test set and two of its training set."""
    folder = shared_data / "formats" / "mpi_inf_3dhp"
    samples = []
    for split in ("test", "train"):
        archive, cameras = f"test_3dhp_{split}.npz", f"cameras_{split}.pkl"
        content, calibrations = _read(folder, archive, cameras)
        for name, part, pose in zip(
            content["imgname"], content["part"], content["S"], strict=True
        ):
            # As TS1_002001.jpg and S4_Seq2_Cam0_001033.jpg.
            take, frame = name.removesuffix(".jpg").rsplit("_", 1)
            subject, *sequence = take.split("_")
            samples.append(
                Sample(
                    *(subject, "".join(sequence), take, int(frame)),
                    *(pose[:, :3], part[:, :2], calibrations[take]),
                )
            )
    return samples
