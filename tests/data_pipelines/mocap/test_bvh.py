"""BVH files to joint positions, by hand-made skeletons and CMU's clips."""

import numpy as np
import pytest

from data_pipelines.mocap.bvh import read_bvh
from data_pipelines.mocap.clip import CMU_UNIT
from tfpose.errors import InputError

ARM = """HIERARCHY
ROOT Hips
{
  OFFSET 0 1 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Shoulder
  {
    OFFSET 0 0.5 0
    CHANNELS 3 Yrotation Zrotation Xrotation
    JOINT Elbow
    {
      OFFSET 1 0 0
      CHANNELS 6 Xposition Yposition Zposition Xrotation Yrotation Zrotation
      End Site
      {
        OFFSET 0 0 0.5
      }
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.05
1 2 3 0 0 0 90 90 0 1 0 0 0 0 0
0 0 0 90 90 0 0 0 0 0.5 0 0 90 0 0
"""


def _write(folder, text, name="arm.bvh"):
    path = folder / name
    path.write_text(text)
    return path


def test_forward_kinematics_by_hand(tmp_path):
    clip = read_bvh(_write(tmp_path, ARM))
    assert clip.nodes == ("Hips", "Shoulder", "Elbow", "Elbow_end")
    assert clip.parents == (-1, 0, 1, 2)
    assert clip.frame_rate == pytest.approx(20)
    # The root's channels add to its OFFSET. Y 90 then Z 90 (leftmost first) turns x
    # to y (Z), which Y leaves where it is, and z to x (Y).
    np.testing.assert_allclose(
        clip.positions[0],
        [[1, 3, 3], [1, 3.5, 3], [1, 4.5, 3], [1.5, 4.5, 3]],
        atol=1e-6,
    )
    # Root Z 90 then X 90: y goes to z, x to y, z to x (X sends z to -y, Z that to x).
    # The elbow's own position replaces its OFFSET; its X 90 turns z to -y.
    np.testing.assert_allclose(
        clip.positions[1],
        [[0, 1, 0], [0, 1, 0.5], [0, 1.5, 0.5], [0, 1.5, 0]],
        atol=1e-6,
    )


@pytest.mark.parametrize("unit", [1.0, 0.01, 0.001, 0.0254, CMU_UNIT])
def test_unit_is_told_from_the_size_of_the_body(tmp_path, unit):
    lines = []
    for line in ARM.splitlines():
        words = line.split()
        if words[0] == "OFFSET":
            line = "OFFSET " + " ".join(str(float(w) / unit) for w in words[1:])
        elif line[0].isdigit():
            values = np.array(words, float)
            values[[0, 1, 2, 9, 10, 11]] /= unit
            line = " ".join(map(str, values))
        lines.append(line)
    clip = read_bvh(_write(tmp_path, "\n".join(lines)))
    np.testing.assert_allclose(clip.positions[0, 3], [1.5, 4.5, 3], rtol=1e-5)


def test_a_body_of_no_human_size_is_refused(tmp_path):
    path = _write(tmp_path, ARM.replace("OFFSET 0 0.5 0", "OFFSET 0 9 0"))
    with pytest.raises(InputError, match="arm.bvh: .* is 10.5 units.*give unit="):
        read_bvh(path)
    with pytest.raises(InputError, match="with a unit of 1 m .* is 10.5 m, expected"):
        read_bvh(path, unit=1.0)
    assert read_bvh(path, unit=0.2).positions[0, 2, 1] == pytest.approx(13 * 0.2)


def test_subsampling_keeps_the_true_frame_numbers(tmp_path):
    rows = "".join(f"{t} 0 0 0 0 0 0 0 0 1 0 0 0 0 0\n" for t in range(20))
    head = ARM[: ARM.index("1 2 3")].replace("Frames: 2", "Frames: 20")
    clip = read_bvh(_write(tmp_path, head + rows), frames_per_second=8)
    assert clip.frames.tolist() == [0, 2, 5, 8, 10, 12, 15, 18]
    np.testing.assert_array_equal(clip.positions[:, 0, 0], clip.frames)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("HIERARCHY", "HELLO", r"line 1: found 'HELLO', expected HIERARCHY"),
        ("OFFSET 1 0 0", "OFFSET 1 0", r"line 12: OFFSET has 2 numbers"),
        ("OFFSET 1 0 0", "OFFSET 1 0 nan", r"line 12: found '1 0 nan'"),
        ("CHANNELS 3 Y", "CHANNELS 4 Y", r"line 9: CHANNELS says 4 and names 3"),
        ("3 Yrot", "3 Wrot", r"line 9: unknown channel 'Wrotation'"),
        ("Yrotation Zrotation X", "Yrotation Yrotation X", r"line 9: CHANNELS repeats"),
        ("JOINT Elbow", "JOINT Hips", r"line 10: joint 'Hips' is there twice"),
        ("    OFFSET 0 0.5 0\n", "", r"line 18: joint 'Shoulder' ends without OFFSET"),
        ("MOTION", "MOVING", r"line 21: found 'MOVING' in the hierarchy"),
        ("Frames: 2", "Frames: 3", r"line 25: found 2 frames, expected 3"),
        ("Frames: 2", "Frames: 1", r"line 25: found 2 frames, expected 1"),
        ("Frames: 2", "Frames: no", r"line 22: found 'no', expected numbers"),
        ("Frame Time: 0.05", "Frame Time: 0", r"line 23: Frame Time: 0, expected more"),
        ("1 2 3 0", "1 2 3", r"line 24: found 14 numbers, expected 15"),
        ("1 2 3 0", "1 2 x 0", r"line 24: found .*, expected numbers"),
        ("1 2 3 0", "1 2 inf 0", r"line 24: found .*, expected numbers"),
    ],
)
def test_broken_files_are_named_with_their_line(tmp_path, old, new, message):
    assert old in ARM
    path = _write(tmp_path, ARM.replace(old, new, 1))
    with pytest.raises(InputError, match=rf"arm\.bvh, {message}") as error:
        read_bvh(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("keep", [0, 5, 100, 420])
def test_truncated_and_binary_files_are_refused(tmp_path, keep):
    with pytest.raises(InputError, match=r"arm\.bvh, line"):
        read_bvh(_write(tmp_path, ARM[:keep]))
    path = tmp_path / "noise.bvh"
    path.write_bytes(bytes(range(256)) * 4)
    with pytest.raises(InputError, match=r"noise\.bvh, line 1"):
        read_bvh(path)


def test_a_jump_no_human_makes_ends_a_rest_pose(tmp_path):
    rows = ["0 0 0 0.5 0 0 0 0 0 1 0 0 0 0 0"]
    rows += [f"0 0 0 {90 + t}.5 0 0 0 0 0 1 0 0 0 0 0" for t in range(9)]
    head = ARM[: ARM.index("1 2 3")].replace("Frames: 2", "Frames: 10")
    clip = read_bvh(_write(tmp_path, head + "\n".join(rows)))
    assert clip.frames.tolist() == list(range(1, 10))
    assert clip.notes == ("added rest pose (frames: 1) left out of the beginning",)


def test_cmu_clips_are_human_and_lose_their_rest_pose(shared_data):
    folder = shared_data / "mocap" / "cmu_bvh"
    # One of each naming variant; the first opens with an added rest pose.
    rest, plain = read_bvh(folder / "02_01.bvh"), read_bvh(folder / "55_04.bvh")
    assert rest.frames[0] == 1 and len(rest) == 343
    assert plain.frames[0] == 0 and len(plain) == 530
    for clip in (rest, plain):
        assert clip.frame_rate == pytest.approx(120, rel=1e-4)
        children = np.arange(1, len(clip.nodes))
        parents = np.array(clip.parents)[children]
        bones = clip.positions[:, children] - clip.positions[:, parents]
        assert np.linalg.norm(bones, axis=2).std(axis=0).max() < 1e-5
        # Walking and dancing: the lowest point stays at the floor, the head above it.
        low = clip.positions[:, :, 1].min(axis=1)
        assert np.ptp(low) < 0.15
        height = clip.positions[:, clip.nodes.index("Head"), 1] - low
        assert 1.3 < np.median(height) < 1.8


@pytest.mark.slow
def test_rest_poses_of_all_cmu_clips(shared_data):
    files = sorted((shared_data / "mocap" / "cmu_bvh").glob("*.bvh"))
    clips = [read_bvh(path, frames_per_second=5) for path in files]
    opened = [clip.frames[0] > 0 for clip in clips]
    assert sum(opened) == 85
    for clip, rest in zip(clips, opened, strict=True):
        assert rest == ("LeftUpLeg" in clip.nodes), clip.file
