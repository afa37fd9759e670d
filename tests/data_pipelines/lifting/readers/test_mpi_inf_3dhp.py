"""MPI-INF-3DHP in the three forms that it comes in, written from real poses."""

import h5py
import numpy as np
import pytest
import scipy.io

from data_pipelines.lifting.readers.mpi_inf_3dhp import read_mpi_inf_3dhp
from data_pipelines.readers.layout import NotThere
from tests.data_pipelines.lifting.spin_file import copies, write_spin
from tfpose.errors import InputError

# Rows of the 28 joints that MMPose's picks.
OF_28 = [7, 5, 14, 15, 16, 9, 10, 11, 23, 24, 25, 18, 19, 20, 4, 3, 6]


def test_spin(tmp_path, mpi_samples):
    tests = mpi_samples[:2]
    write_spin(tmp_path / "mpi_inf_3dhp_valid.npz", tests, unlabelled=1)
    poses, report = read_mpi_inf_3dhp(tmp_path, "test")
    assert poses.skeleton.name == "mpi_inf_3dhp17" and len(poses) == 5
    assert report.notes == {"frames with an unlabelled joint left out": 1}
    assert poses.subjects == ("TS1", "TS2") == poses.actions
    np.testing.assert_array_equal(poses.frame[:3], [2002, 2003, 1850])
    # The root is not in the file: it is found from the pixels.
    np.testing.assert_allclose(poses.positions[2], tests[1].positions, atol=0.02)
    relative = poses.positions - poses.positions[:, [14]]
    expected = tests[1].positions - tests[1].positions[14]
    np.testing.assert_allclose(relative[2], expected, atol=1e-6)
    np.testing.assert_allclose(poses.keypoints[2], tests[1].keypoints, rtol=1e-6)
    np.testing.assert_array_equal(poses.image_sizes, [[2048, 2048]] * 2)
    chosen, _ = read_mpi_inf_3dhp(tmp_path, "test", "projected", ["TS2"])
    assert len(chosen) == 3 and chosen.subjects == ("TS2",)


def test_test_set_as_published(tmp_path, mpi_samples):
    for sample in mpi_samples[:2]:
        positions, pixels = copies(sample)
        folder = tmp_path / "mpi_inf_3dhp_test_set" / sample.subject
        folder.mkdir(parents=True)
        with h5py.File(folder / "annot_data.mat", "w") as file:
            file["annot2"] = pixels[:, None]
            file["univ_annot3"] = 1000 * positions[:, None]
            file["annot3"] = 900 * positions[:, None]
            file["valid_frame"] = np.array([[1.0], [0.0], [1.0]])
            file["activity_annotation"] = np.array([[1.0], [1.0], [6.0]])
    subjects = ["TS1", "TS2"]
    poses, report = read_mpi_inf_3dhp(tmp_path, "test", subjects=subjects)
    assert len(poses) == 4 and report.notes == {"invalid frames left out": 2}
    assert poses.actions == ("Standing/Walking", "Sports")
    np.testing.assert_array_equal(poses.frame, [1, 3, 1, 3])
    np.testing.assert_allclose(poses.positions[0], mpi_samples[0].positions, atol=0.02)
    with pytest.raises(NotThere, match="TS3"):
        read_mpi_inf_3dhp(tmp_path, "test")
    with h5py.File(folder / "annot_data.mat", "a") as file:
        del file["annot2"]
        file["annot2"] = np.zeros((2, 1, 17, 2))
    with pytest.raises(InputError, match=r"'annot2' is \[2, 1, 17, 2\], expected \[3,"):
        read_mpi_inf_3dhp(tmp_path, "test", subjects=subjects)
    (folder / "annot_data.mat").write_bytes(b"MATLAB 5.0")
    with pytest.raises(InputError, match="annot_data.mat: not readable as"):
        read_mpi_inf_3dhp(tmp_path, "test", subjects=subjects)


def write_training(folder, sample, scale=1000.0):
    """A sequence of a real pose, which all 14 cameras see alike."""
    positions, pixels = copies(sample)
    whole = np.zeros((3, 28, 3)), np.zeros((3, 28, 2))
    for array, values in zip(whole, (scale * positions, pixels), strict=True):
        array[:, OF_28] = values
    cells = {}
    for name, array in zip(("annot3", "annot2"), whole, strict=True):
        cells[name] = np.empty((14, 1), object)
        for camera in range(14):
            cells[name][camera, 0] = array.reshape(3, -1)
    f, c = sample.calibration["f"].ravel(), sample.calibration["c"].ravel()
    lines = ["Skeletool Camera Calibration File V1.0"]
    for camera in range(14):
        lines += [
            f"name          {camera}",
            "  sensor      10 10",
            "  size        2048 2048",
            "  animated    0",
            f"  intrinsic   {f[0]} 0 {c[0]} 0 0 {f[1]} {c[1]} 0 0 0 1 0 0 0 0 1 ",
            "  extrinsic   1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1 ",
            "  radial      0",
        ]
    folder.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(folder / "annot.mat", cells)
    (folder / "camera.calibration").write_text("\n".join(lines) + "\n")


def test_training_set_as_published(tmp_path, mpi_samples):
    sample = mpi_samples[2]
    for sequence in ("Seq1", "Seq2"):
        write_training(tmp_path / "train" / "S4" / sequence, sample)
    poses, _ = read_mpi_inf_3dhp(tmp_path, "train", subjects=["S4"])
    assert len(poses) == 2 * 8 * 3 and len(poses.intrinsics) == 16
    assert poses.actions == ("Seq1", "Seq2")
    np.testing.assert_allclose(poses.positions[3], sample.positions, atol=1e-6)
    np.testing.assert_allclose(poses.keypoints[3], sample.keypoints, rtol=1e-6)
    np.testing.assert_allclose(poses.intrinsics[0, :2], sample.calibration["f"][:, 0])
    write_training(tmp_path / "train" / "S4" / "Seq1", sample, scale=1.0)
    with pytest.raises(InputError, match="left hip to knee is 0.0003841 m"):
        read_mpi_inf_3dhp(tmp_path, "train", subjects=["S4"])
    calibration = tmp_path / "train" / "S4" / "Seq1" / "camera.calibration"
    calibration.write_text(calibration.read_text().replace("intrinsic", "lens"))
    with pytest.raises(InputError, match=r"camera.calibration: camera \['0'\]"):
        read_mpi_inf_3dhp(tmp_path, "train", subjects=["S4"])
    with pytest.raises(NotThere, match="S1/Seq1/annot.mat: not there; found train"):
        read_mpi_inf_3dhp(tmp_path, "train")


def test_refusals(tmp_path, mpi_samples):
    with pytest.raises(InputError, match="expected 'gt' or 'projected'"):
        read_mpi_inf_3dhp(tmp_path, "test", "cpn")
    path = tmp_path / "mpi_inf_3dhp_valid.npz"
    np.savez(path, imgname=["a"], part=np.zeros((1, 17, 3)), S=np.zeros((1, 17, 4)))
    with pytest.raises(InputError, match=r"'part' is \[1, 17, 3\]"):
        read_mpi_inf_3dhp(tmp_path, "test")
    np.savez(path, imgname=["a"], part=np.zeros((1, 24, 3)), S=np.zeros((1, 24, 4)))
    with pytest.raises(InputError, match="imgname has 'a', expected"):
        read_mpi_inf_3dhp(tmp_path, "test")
