"""Joint names of files to the joints of skeletons."""

import numpy as np
import pytest

from data_pipelines.mocap.asf_amc import read_amc, read_asf
from data_pipelines.mocap.bvh import read_bvh
from data_pipelines.mocap.clip import Clip
from data_pipelines.mocap.mapping import map_joints
from tfpose.errors import InputError
from tfpose.skeletons import get_skeleton

MIXAMO = (
    "Hips Spine Spine1 Spine2 Neck Head HeadTop_End "
    "LeftShoulder LeftArm LeftForeArm LeftHand "
    "RightShoulder RightArm RightForeArm RightHand "
    "LeftUpLeg LeftLeg LeftFoot RightUpLeg RightLeg RightFoot"
).split()


def _clip(nodes):
    """One pose in which node k stands at (k, 0, 0)."""
    positions = np.zeros((1, len(nodes), 3), np.float32)
    positions[0, :, 0] = np.arange(len(nodes))
    parents = (-1, *([0] * (len(nodes) - 1)))
    return Clip("a.bvh", tuple(nodes), parents, positions, np.zeros(1, np.int32), 30.0)


@pytest.mark.parametrize("prefix", ["", "mixamorig:", "MIXAMORIG:"])
def test_usual_names_with_and_without_prefix(prefix):
    clip = _clip([prefix + name for name in MIXAMO])
    skeleton = get_skeleton("h36m17")
    positions, notes = map_joints(clip, skeleton)
    expected = {
        "pelvis": (MIXAMO.index("LeftUpLeg") + MIXAMO.index("RightUpLeg")) / 2,
        "spine": MIXAMO.index("Spine1"),
        "thorax": MIXAMO.index("Neck"),
        "head": (MIXAMO.index("Head") + MIXAMO.index("HeadTop_End")) / 2,
        "head_top": MIXAMO.index("HeadTop_End"),
        "left_hip": MIXAMO.index("LeftUpLeg"),
        "right_knee": MIXAMO.index("RightLeg"),
        "left_ankle": MIXAMO.index("LeftFoot"),
        "right_shoulder": MIXAMO.index("RightArm"),
        "left_elbow": MIXAMO.index("LeftForeArm"),
        "right_wrist": MIXAMO.index("RightHand"),
    }
    for joint, place in expected.items():
        assert positions[0, skeleton.index(joint), 0] == place, joint
    assert notes == () and positions.dtype == np.float32


def test_what_is_missing_is_named_with_what_is_there():
    nodes = [name for name in MIXAMO if name not in ("HeadTop_End", "LeftHand")]
    with pytest.raises(InputError) as error:
        map_joints(_clip(nodes), get_skeleton("h36m16"))
    message = str(error.value)
    assert message.startswith("a.bvh: no head_top, left_wrist of skeleton 'h36m16'")
    assert "RightForeArm" in message and "MotionBuilder" in message
    assert "\n" not in message
    with pytest.raises(InputError, match="no pelvis, .* among its joints Box, Lid$"):
        map_joints(_clip(["Box", "Lid"]), get_skeleton("h36m16"))


def test_a_skeleton_with_a_face_cannot_be_made():
    with pytest.raises(InputError, match="no nose, left_eye, right_eye"):
        map_joints(_clip(MIXAMO), get_skeleton("coco17"))


def _real_clips(shared_data):
    mocap = shared_data / "mocap"
    for path in ("cmu_bvh/02_01.bvh", "cmu_bvh/55_04.bvh", "reactidle/002_genuine.bvh"):
        yield read_bvh(mocap / path, frames_per_second=2)
    for folder, amc in (
        ("cmu_asfamc/03", "03_01.amc"),
        ("hdm05/bd", "HDM_bd_squat1Reps_001_120.amc"),
        ("hdm05/mm", "HDM_mm_squat1Reps_037_120.amc"),
    ):
        asf = next((mocap / folder).glob("*.asf"))
        clip = read_amc(mocap / folder / amc, read_asf(asf), frames_per_second=4)
        yield clip


@pytest.mark.parametrize("name", ["h36m16", "h36m17", "lsp14", "mpii16"])
def test_real_clips_are_human(shared_data, name):
    skeleton = get_skeleton(name)
    for clip in _real_clips(shared_data):
        if "face" in clip.nodes and "neck" in skeleton.joints:
            with pytest.raises(InputError, match="no neck of skeleton"):
                map_joints(clip, skeleton)
            continue
        positions, notes = map_joints(clip, skeleton)
        assert bool(notes) == ("face" in clip.nodes)
        at = {joint: positions[:, row] for row, joint in enumerate(skeleton.joints)}

        def length(a, b, at=at):
            return np.median(np.linalg.norm(at[a] - at[b], axis=1))

        for side in ("left", "right"):
            assert 0.34 < length(f"{side}_hip", f"{side}_knee") < 0.48, clip.file
            assert 0.29 < length(f"{side}_knee", f"{side}_ankle") < 0.48, clip.file
            assert 0.20 < length(f"{side}_shoulder", f"{side}_elbow") < 0.34, clip.file
            assert 0.20 < length(f"{side}_elbow", f"{side}_wrist") < 0.31, clip.file
        # Standing: ankles below knees below hips below shoulders below the head.
        chain = ("left_ankle", "left_knee", "left_hip", "left_shoulder", "head_top")
        heights = [np.median(at[joint][:, 1]) for joint in chain]
        assert heights == sorted(heights), clip.file
        if "spine" in at:
            trunk = length("pelvis", "spine"), length("spine", "thorax")
            assert 0.38 < sum(trunk) < 0.56 and min(trunk) > 0.17, (clip.file, trunk)
