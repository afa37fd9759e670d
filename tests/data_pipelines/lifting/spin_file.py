"""MPI-INF-3DHP's poses written in the form of SPIN's file."""

import numpy as np

# How SPIN's script fills its 24 rows.
SPIN_ROWS = [14, 3, 4, 5, 2, 1, 0, 16, 12, 17, 18, 9, 10, 11, 8, 7, 6]
SPIN_FROM = [14, 11, 12, 13, 8, 9, 10, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4]
MOVES = np.linspace(0, 0.1, 3)[:, None, None]


def copies(sample, offset=0.0):
    """The real pose, and it twice a little further on: `[3, 17, 3]`, `[3, 17, 2]`."""
    f, c = sample.calibration["f"].ravel(), sample.calibration["c"].ravel()
    positions = sample.positions + MOVES
    pixels = positions[..., :2] / positions[..., 2:] * f + c
    pixels[0] = sample.keypoints
    return positions + offset, pixels


def write_spin(path, samples, unlabelled=0):
    """Three poses of each sample; the first `unlabelled` lack a joint."""
    part, pose, names = [], [], []
    for sample in samples:
        for frame, (positions, pixels) in enumerate(zip(*copies(sample), strict=True)):
            one, other = np.zeros((24, 3)), np.zeros((24, 4))
            one[SPIN_ROWS] = np.insert(pixels, 2, 1, axis=1)[SPIN_FROM]
            relative = positions - positions[14]
            other[SPIN_ROWS] = np.insert(relative, 3, 1, axis=1)[SPIN_FROM]
            part.append(one)
            pose.append(other)
            names.append(
                f"mpi_inf_3dhp_test_set/{sample.subject}/imageSequence/"
                f"img_{sample.frame + frame:06d}.jpg"
            )
    part = np.array(part)
    part[:unlabelled, 18, 2] = 0
    np.savez(path, imgname=names, part=part, S=pose, center=np.zeros((len(names), 2)))
