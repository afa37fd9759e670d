"""Kinds of error: on made scenes, and against the authors' own code."""

import contextlib
import io
import json

import numpy as np
import pytest
from pycocotools.coco import COCO

from tests.peers import import_alone, peer_folder
from tfpose.errors import InputError
from tfpose.metrics.error_types import ERROR_TYPES, find_error_types
from tfpose.metrics.oks import PosePredictions, PoseTruth
from tfpose.skeletons import Skeleton, get_skeleton

COCO17 = get_skeleton("coco17")
AREA = 10000.0
PAIR = Skeleton("pair", ("left_a", "right_a", "nose", "tail"), sigmas=(0.05,) * 4)
# A distance in pixels at which joints of PAIR have a similarity.
UNIT = np.sqrt(2 * AREA) * 2 * 0.05


def _away(similarity: float) -> float:
    return float(UNIT * np.sqrt(-np.log(similarity)))


def _scene(labels=(2, 2, 2, 2)) -> PoseTruth:
    """Two people of one image, 1000 px apart, their joints 100 px apart."""
    row = np.array([[0, 0], [100, 0], [200, 0], [300, 0.0]])
    points = np.stack([row, row + [0, 1000]])
    visible = np.tile(np.array(labels, float)[None, :, None], (2, 1, 1))
    keypoints = np.concatenate([points, visible], axis=-1)
    boxes = np.array([[0, 0, 300, 50], [0, 1000, 300, 50.0]])
    return PoseTruth(np.array([5, 5]), keypoints, np.full(2, AREA), boxes)


def _poses(*poses) -> PosePredictions:
    points = np.array(poses, float)
    count, joints = points.shape[:2]
    scores = np.linspace(1, 0.5, count)
    return PosePredictions(np.full(count, 5), points, np.ones((count, joints)), scores)


def _kinds(truth, poses) -> list[list[str]]:
    kinds = find_error_types(truth, poses, PAIR).kinds
    return [["-" if k < 0 else ERROR_TYPES[k] for k in row] for row in kinds]


def test_each_kind_of_error_has_its_name() -> None:
    home = _scene().keypoints[0, :, :2]
    good, jitter, miss = (home.copy() for _ in range(3))
    good[:, 1] = _away(0.86)
    jitter[:, 1] = [_away(0.84), _away(0.51), _away(0.6), 0]
    miss[:, 1] = [0, _away(0.49), 0, -500]
    assert _kinds(_scene(), _poses(good)) == [["good"] * 4]
    assert _kinds(_scene(), _poses(jitter)) == [["jitter"] * 3 + ["good"]]
    assert _kinds(_scene(), _poses(miss)) == [["good", "miss", "good", "miss"]]
    inverted = home[[1, 0, 2, 3]]
    inverted[0, 1] = _away(0.51)
    assert _kinds(_scene(), _poses(inverted)) == [["inversion"] * 2 + ["good"] * 2]
    inverted[0, 1] = _away(0.49)
    assert _kinds(_scene(), _poses(inverted))[0][0] == "miss"
    # Someone else's joint, and someone else's mirror joint; a wrong joint is a miss.
    swapped = home + [0, 1000]
    swapped[2:] = home[2:]
    swapped[0] = swapped[1]
    assert _kinds(_scene(), _poses(swapped)) == [["swap"] * 2 + ["good"] * 2]
    swapped[0] = home[3] + [0, 1000]
    assert _kinds(_scene(), _poses(swapped))[0][0] == "miss"


def test_a_nearer_joint_of_another_person_is_a_swap_though_ones_own_is_near() -> None:
    truth = _scene()
    truth.keypoints[1, 3, :2] = truth.keypoints[0, 3, :2] + [_away(0.7), 0]
    pose = truth.keypoints[0, :, :2].copy()
    pose[3, 0] += _away(0.7) * 0.4
    assert _kinds(truth, _poses(pose))[0][3] == "good"
    pose[3, 0] += _away(0.7) * 0.2
    assert _kinds(truth, _poses(pose))[0][3] == "swap"


def test_only_labelled_joints_of_matched_poses_are_classified() -> None:
    home = _scene().keypoints[0, :, :2]
    truth = _scene(labels=(2, 0, 1, 2))
    found = find_error_types(truth, _poses(home, home + 1, home + [0, 500]), PAIR)
    # The better pose takes the person; the second has nobody left, the third no one.
    assert found.kinds.tolist() == [[0, -1, 0, 0], [-1] * 4, [-1] * 4]
    assert found.matches.rows.tolist() == [0, -1, -1]
    assert found.counts.sum() == 3 and found.counts[0].tolist() == [1, 0, 1, 1]
    # The unlabelled mirror joint is not there to be mistaken for.
    inverted = home[[1, 0, 2, 3]]
    assert _kinds(truth, _poses(inverted)) == [["miss", "-", "good", "good"]]


def test_crowds_and_unlabelled_people_take_their_poses_away() -> None:
    truth = _scene()
    truth.keypoints[1] = 0
    home = truth.keypoints[0, :, :2]
    lost = home + [0, 1000]
    found = find_error_types(truth, _poses(home, lost), PAIR)
    assert found.matches.rows.tolist() == [0, -1]
    assert found.matches.counted.tolist() == [True, False]
    nobody = _poses(home)
    nobody = PosePredictions(*(getattr(nobody, f)[:0] for f in vars(nobody)))
    assert find_error_types(truth, nobody, PAIR).counts.sum() == 0


def test_what_has_no_similarity_is_refused() -> None:
    home = _scene().keypoints[0, :, :2]
    bare = Skeleton("bare", PAIR.joints)
    with pytest.raises(InputError, match="has no OKS sigmas"):
        find_error_types(_scene(), _poses(home), bare)
    truth = _scene()
    truth.areas[1] = np.nan
    with pytest.raises(InputError, match="areas is unknown for 1 of 2"):
        find_error_types(truth, _poses(home), PAIR)
    assert find_error_types(truth, _poses(home), PAIR, box_area_factor=0.5)
    with pytest.raises(InputError, match="image ids that are not evaluated"):
        find_error_types(_scene(), _poses(home), PAIR, image_ids=np.array([5, 6]) + 1)


def _disturbed(people: list[dict], noise: float, seed: int) -> list[dict]:
    """Result records: labels moved, inverted, swapped and lost at random."""
    rng = np.random.default_rng(seed)
    permutation = list(COCO17.flip_permutation)
    points = {
        p["id"]: np.reshape(p["keypoints"], (17, 3)).astype(float) for p in people
    }
    beside = {
        p["id"]: [q["id"] for q in people if q["image_id"] == p["image_id"]]
        for p in people
    }
    records = []
    for person in people:
        own = points[person["id"]]
        if not own[:, 2].any():
            continue
        place = own[:, :2].copy()
        for joint in range(17):
            event = rng.uniform()
            other = points[rng.choice(beside[person["id"]])][joint]
            mirrored = own[permutation[joint]]
            if event < 0.15 and mirrored[2]:
                place[joint] = mirrored[:2]
            elif 0.15 < event < 0.3 and other[2]:
                place[joint] = other[:2]
            elif 0.3 < event < 0.35:
                place[joint] += 200
        spread = np.sqrt(person["area"]) * noise * 2 * np.array(COCO17.sigmas)[:, None]
        for _ in range(rng.integers(1, 3)):
            moved = place + rng.normal(size=(17, 2)) * spread
            keypoints = np.column_stack([moved, np.ones(17)]).ravel().tolist()
            records.append(
                {
                    "image_id": person["image_id"],
                    "category_id": 1,
                    "keypoints": keypoints,
                    "score": float(rng.uniform()),
                }
            )
    return records


def _theirs(folder, monkeypatch, document: dict, records: list[dict]) -> np.ndarray:
    """Kinds `[Q, 17]` by the authors' code, ours in number."""
    linspace = np.linspace
    # Their count of thresholds is a float, which NumPy no longer takes.
    monkeypatch.setattr(
        np, "linspace", lambda a, b, n, **k: linspace(a, b, int(n), **k)
    )
    absent = {
        "pycocotools.mask": {},
        "colour": {"Color": object},
        "skimage": {},
        "skimage.io": {},
    }
    truth = COCO()
    truth.dataset = document
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        found = truth.loadRes(json.loads(json.dumps(records)))
        with import_alone(folder, ["pycocotools.cocoanalyze"], absent) as (module,):
            analysis = module.COCOanalyze(truth, found)
            analysis.params.areaRng = [[32**2, 1e5**2]]
            analysis.params.areaRngLbl = ["all"]
            analysis.cocoEval.params.useGtIgnore = 0
            analysis.cocoEval.params.gtIgnoreIds = []
            analysis.analyze(check_kpts=True, check_scores=False, check_bckgd=False)
    kinds = np.full((len(records), 17), -1)
    for pose in analysis.corrected_dts["all"]:
        if "good" in pose:
            for index, kind in enumerate(ERROR_TYPES):
                kinds[pose["id"] - 1][np.array(pose[kind]) == 1] = index
    return kinds


@pytest.mark.parametrize(("noise", "seed"), [(0.2, 0), (0.5, 1), (1.0, 2), (2.0, 3)])
def test_kinds_are_the_authors(noise, seed, shared_data, monkeypatch) -> None:
    """On COCO's people, coco-analyze and ours agree on each joint."""
    folder = peer_folder("coco_analyze")
    document = json.loads((shared_data / "coco" / "train.json").read_text())
    people = [a for a in document["annotations"] if a.get("area")]
    people = [{"iscrowd": 0, **person} for person in people]
    document["annotations"] = people
    records = _disturbed(people, noise, seed)
    expected = _theirs(folder, monkeypatch, document, records)
    truth = PoseTruth(
        np.array([person["image_id"] for person in people]),
        np.array([np.reshape(person["keypoints"], (17, 3)) for person in people]),
        np.array([person["area"] for person in people]),
        np.array([person["bbox"] for person in people]),
        np.array([person["iscrowd"] for person in people], bool),
    )
    points = np.array([np.reshape(r["keypoints"], (17, 3)) for r in records])
    poses = PosePredictions(
        np.array([record["image_id"] for record in records]),
        points[..., :2],
        points[..., 2],
        np.array([record["score"] for record in records]),
    )
    image_ids = np.array([image["id"] for image in document["images"]])
    found = find_error_types(truth, poses, COCO17, image_ids)
    assert set(np.unique(expected)) == {-1, 0, 1, 2, 3, 4}
    assert np.array_equal(found.kinds, expected)
