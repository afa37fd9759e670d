"""ASF skeletons and AMC motions, by hand, by plausibility and against BVH."""

import re

import numpy as np
import pytest

from data_pipelines.mocap.asf_amc import read_amc, read_asf
from data_pipelines.mocap.bvh import read_bvh
from data_pipelines.mocap.clip import CMU_UNIT
from tfpose.errors import InputError

ASF = """# a comment
:version 1.10
:units
  mass 1.0
  length 0.45
  angle deg
:documentation
   begin anything end
:root
   order TX TY TZ RX RY RZ
   axis XYZ
   position 0 0 0
   orientation 0 0 0
:bonedata
  begin
     id 1
     name thigh
     direction 0 -1 0
     length 20
     axis 0 0 90 XYZ
     dof rx ry
     limits (-160.0 20.0)
            (-70.0 70.0)
  end
  begin
     id 2
     name shin
     direction 0 -1 0
     length 15
     axis 0 0 0 XYZ
     dof rx
  end
:hierarchy
  begin
    root thigh
    thigh shin
  end
"""
AMC = """#!OML:ASF
:FULLY-SPECIFIED
:DEGREES
1
root 1 2 3 0 90 0
thigh 90 0
shin 0
2
root 0 0 0 0 0 0
thigh 0 0
shin 90
"""
# Frames 1 and 2 of CMU's 01_02 as converted to BVH, without the trailing hands.
ROWS = """
-7.4145 17.6804 24.0195 -172.0350 -50.7408 175.0800 0.0000 0.0000 0.0000 -11.8766
-3.8900 -10.3462 2.4890 9.8179 28.3890 0.0927 -17.3727 -13.0806 0.0006 0.1643 0.4513
0.0000 0.0000 0.0000 27.4191 1.6660 -9.3917 -2.4741 -9.7906 28.3014 -0.8384 -3.9442
-19.1607 -0.7239 -5.4367 15.1584 5.7585 2.6661 7.3016 2.8791 3.7884 2.8384 -0.5449
1.8231 -0.9625 0.0877 7.3404 -6.3630 -1.9909 9.9629 6.6595 -0.1705 4.8538 3.3789
0.0000 -0.0000 0.0000 -85.7815 -1.1356 19.3500 16.2512 -25.8600 -3.7548 -0.0000
-0.0000 4.0932 10.8549 -8.4778 -1.6193 -7.1250 0.0000 -0.0000 -11.5437 21.4152 6.6656
0.0000 -0.0000 0.0000 81.3439 1.6781 0.8090 -13.3344 21.7752 -2.5760 0.0000 -0.0000
-8.2699 -20.7750 -22.9622 8.4186 7.1250 -0.0000 -0.0000 8.7574 -54.1455 -1.9801
|
-7.4138 17.6668 23.9967 -172.0520 -50.6530 175.0370 0.0000 0.0000 0.0000 -12.1694
-4.1454 -10.1038 2.4918 9.8230 28.4055 0.2830 -15.7838 -13.8599 0.0000 -0.0229
-0.0629 0.0000 0.0000 0.0000 27.3993 0.8638 -9.6328 -2.4911 -9.8217 28.4012 -0.8573
-3.1800 -18.9184 -0.6812 -5.2772 14.7009 5.7124 2.7036 7.2680 2.8557 3.8369 2.8101
-0.5461 1.8479 -0.9726 0.0697 7.3042 -6.3645 -1.8328 9.9060 6.7834 -0.1170 4.8298
3.4108 -0.0000 0.0000 0.0000 -85.9112 -1.0259 18.5248 15.7383 -25.1645 -3.5339
-0.0000 -0.0000 4.6010 10.5921 -8.6895 -1.6183 -7.1250 0.0000 -0.0000 -11.7187
21.2137 6.8256 -0.0000 0.0000 0.0000 81.3731 1.6769 0.4932 -13.3736 21.8322 -2.5906
0.0000 -0.0000 -8.4545 -21.5672 -22.4823 8.5951 7.1250 -0.0000 -0.0000 7.7648
-53.8027 -1.6883
"""
# The bone that each node of the BVH is the far end of.
BONES = {
    "UpLeg": "hipjoint",
    "Leg": "femur",
    "Foot": "tibia",
    "ToeBase": "foot",
    "ToeBase_end": "toes",
    "Arm": "clavicle",
    "ForeArm": "humerus",
    "Hand": "radius",
    "HandIndex1": "hand",
    "HandIndex1_end": "fingers",
}
BONES = {
    side + node: side[0].lower() + bone
    for side in ("Left", "Right")
    for node, bone in BONES.items()
} | {
    "LThumb_end": "lthumb",
    "RThumb_end": "rthumb",
    "Spine": "lowerback",
    "Spine1": "upperback",
    "Neck1": "lowerneck",
    "Head": "upperneck",
    "Head_end": "head",
}


def _write(folder, asf=ASF, amc=AMC):
    (folder / "a.asf").write_text(asf)
    (folder / "a.amc").write_text(amc)
    return folder / "a.asf", folder / "a.amc"


def _read(folder, asf=ASF, amc=AMC):
    asf, amc = _write(folder, asf, amc)
    return read_amc(amc, read_asf(asf))


def test_forward_kinematics_by_hand(tmp_path):
    clip = _read(tmp_path)
    assert clip.nodes == ("root", "thigh", "shin") and clip.parents == (-1, 0, 1)
    # The thigh turns about its own x axis, which its axis line turns to y: nothing
    # moves. The root's y turn does nothing to vertical bones either.
    units = clip.positions / CMU_UNIT
    np.testing.assert_allclose(
        units[0], [[1, 2, 3], [1, -18, 3], [1, -33, 3]], atol=1e-4
    )
    # The shin's own x is the world's: 90 degrees take -y to -z.
    np.testing.assert_allclose(
        units[1], [[0, 0, 0], [0, -20, 0], [0, -20, -15]], atol=1e-4
    )


def test_radians_and_units(tmp_path):
    degrees = _read(tmp_path)
    asf = ASF.replace("angle deg", "angle rad").replace("0 0 90", "0 0 1.5707963268")
    amc = AMC.replace(":DEGREES", ":RADIANS").replace("90", "1.5707963268")
    np.testing.assert_allclose(
        _read(tmp_path, asf, amc).positions, degrees.positions, atol=1e-6
    )
    # `length 1` would make 35 inches, no human; metres are told from the size.
    metres = ASF.replace("length 0.45", "length 1.0")
    metres = metres.replace("length 20", "length 1.0").replace("length 15", "length .7")
    path, _ = _write(tmp_path, metres)
    assert read_asf(path).scale == 1.0
    with pytest.raises(InputError, match="unit of 0.01 m .* is 0.017 m, expected"):
        read_asf(path, unit=0.01)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("# a comment", "hello", r"a\.asf, line 1: found 'hello', expected a :section"),
        (":hierarchy", ":other", r"a\.asf, line 37: the file has no :hierarchy"),
        ("angle deg", "angle turns", r"a\.asf, line 6: angle is \['turns'\]"),
        ("axis XYZ\n", "axis XYX\n", r"a\.asf, line 11: axis order is 'xyx'"),
        ("TX TY TZ", "TX TY", r"a\.asf, line 10: the root's order must name 6"),
        ("length 20", "length long", r"a\.asf, line 19: found 'long', expected 1"),
        ("     length 20\n", "", r"a\.asf, line 23: bone 'thigh' has no length"),
        ("dof rx ry", "dof rx rx", r"a\.asf, line 21: found 'rx rx', expected tx"),
        ("dof rx ry", "dof rx l", r"a\.asf, line 21: bones that change their length"),
        ("name shin", "name thigh", r"a\.asf, line 32: bone 'thigh' is there twice"),
        ("thigh shin", "knee shin", r"a\.asf, line 36: bone 'knee' has children"),
        (
            "thigh shin",
            "thigh knee",
            r"a\.asf, line 36: bone 'knee' is not in bonedata",
        ),
        ("    thigh shin\n", "", r"a\.asf, line 25: bone 'shin' has no parent"),
        (
            "length 15",
            "length 900",
            r"a\.asf: the skeleton's longest path .* 920 units",
        ),
    ],
)
def test_broken_skeletons_are_named_with_their_line(tmp_path, old, new, message):
    assert old in ASF
    with pytest.raises(InputError, match=message) as error:
        _read(tmp_path, asf=ASF.replace(old, new, 1))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (":DEGREES", "DEGREES", r"line 3: found 'DEGREES', expected a frame number"),
        ("thigh 90 0", "thigh 90", r"line 6: found '90', expected 2 numbers"),
        ("thigh 0 0", "thigh 0 x", r"line 10: found '0 x', expected 2 numbers"),
        ("thigh 0 0", "thigh 0 nan", r"line 10: found '0 nan', expected 2 numbers"),
        ("thigh 0 0", "knee 0 0", r"line 10: found 'knee 0 0', expected bone 'thigh'"),
        ("thigh 90 0", "knee 90 0", r"line 6: bone 'knee' is not in .*a\.asf"),
        ("shin 0", "thigh 0 0", r"line 7: bone 'thigh' is there twice"),
        ("\n2\n", "\n3\n", r"line 8: found '3', expected frame 2"),
        ("shin 90\n", "", r"line 10: the file ends within frame 2"),
        (AMC[AMC.index("1\n") :], "", r"line 3: the file ends before the first frame"),
    ],
)
def test_broken_motions_are_named_with_their_line(tmp_path, old, new, message):
    assert old in AMC
    with pytest.raises(InputError, match=r"a\.amc, " + message) as error:
        _read(tmp_path, amc=AMC.replace(old, new, 1))
    assert "\n" not in str(error.value)


def test_a_motion_without_a_moving_bone_is_refused(tmp_path):
    amc = AMC.replace("shin 0\n", "").replace("shin 90\n", "")
    with pytest.raises(InputError, match=r"a\.amc, line 4: .* no bone 'shin'"):
        _read(tmp_path, amc=amc)


def test_bvh_and_amc_of_the_same_clip_agree(shared_data, tmp_path):
    mocap = shared_data / "mocap"
    skeleton = read_asf(mocap / "cmu_asfamc" / "01" / "01.asf")
    truth = read_amc(mocap / "cmu_asfamc" / "01" / "01_02.amc", skeleton)
    # CMU's BVH files share one hierarchy: put this person's bones into another's.
    lines = (mocap / "cmu_bvh" / "02_01.bvh").read_text().splitlines()
    node = ""
    for row, line in enumerate(lines[: lines.index("MOTION")]):
        named = re.match(r"\s*(?:ROOT|JOINT) (\S+)", line)
        node = named[1] if named else node + "_end" if "End Site" in line else node
        if "OFFSET" in line and node in BONES:
            offset = skeleton.offsets[skeleton.nodes.index(BONES[node])]
            lines[row] = "OFFSET " + " ".join(map(str, offset))
    rows = [" ".join(row.split()) for row in ROWS.split("|")]
    text = [*lines[: lines.index("MOTION")], "MOTION", "Frames: 2"]
    path = tmp_path / "01_02.bvh"
    path.write_text("\n".join([*text, "Frame Time: .0083333", *rows]))
    clip = read_bvh(path)
    assert clip.notes == ("bones restored that the conversion to BVH lost",)

    for node, bone in (BONES | {"Neck": "thorax", "LeftFingerBase": "lwrist"}).items():
        found = clip.positions[:, clip.nodes.index(node)]
        expected = truth.positions[:2, truth.nodes.index(bone)]
        error = np.linalg.norm(found - expected, axis=-1).max()
        # What is above the restored vertebra is as near as that is known.
        below = "Leg" in node or "Foot" in node or "Toe" in node
        exact = below or node in ("Spine", "Spine1")
        assert error < (2e-6 if exact else 6e-3), (node, error)


@pytest.mark.parametrize("actor", ["bd", "mm"])
def test_hdm05_actors_are_plausible(shared_data, actor):
    folder = shared_data / "mocap" / "hdm05" / actor
    skeleton = read_asf(folder / f"HDM_{actor}.asf")
    assert skeleton.scale == pytest.approx(CMU_UNIT)
    for path in sorted(folder.glob("*kickLFront1Reps*.amc"))[:3]:
        clip = read_amc(path, skeleton)
        at = {name: clip.positions[:, row] for row, name in enumerate(clip.nodes)}
        bones = clip.positions[:, 1:] - clip.positions[:, list(clip.parents[1:])]
        assert np.linalg.norm(bones, axis=2).std(axis=0).max() < 1e-5
        # Standing on the floor, the head up; the left foot is the one that kicks.
        assert abs(np.median(clip.positions[:, :, 1].min(axis=1))) < 0.08
        assert 1.5 < np.median(at["head"][:, 1]) < 2.0
        lift = {side: np.ptp(at[side + "foot"][:, 1]) for side in "lr"}
        assert lift["l"] > 3 * lift["r"] and lift["l"] > 0.3
        # Left is left of where the toes point.
        forward = at["ltoes"] + at["rtoes"] - at["ltibia"] - at["rtibia"]
        left = np.cross([0, 1, 0], forward)
        across = at["lclavicle"] - at["rclavicle"]
        assert np.mean((left * across).sum(axis=1) > 0) > 0.9
