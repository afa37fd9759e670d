"""2D poses of files to 3D ones and pictures, and what is said where it cannot be."""

import csv
import itertools
import json
import pathlib

import cv2
import numpy as np
import pytest

from data_pipelines.mocap.bvh import read_bvh
from data_pipelines.video import VideoReader
from tfpose.cli.commands import main
from tfpose.lifters.build import build_lifter
from tfpose.lifters.pose_lifter import PoseLifter
from tfpose.skeletons import convert_keypoints, get_skeleton

H36M, COCO = get_skeleton("h36m16"), get_skeleton("coco17")
# Joints that COCO's suffice for: a pelvis and a thorax can be made.
LIMBS_OF_COCO = get_skeleton("limbs14")


@pytest.fixture(scope="module")
def lifter():
    net = build_lifter("martinez_small", H36M)
    rng = np.random.default_rng(0)
    for weight in net.trainable_weights:
        weight.assign(rng.normal(0, 0.1, weight.shape))
    return net


@pytest.fixture(scope="module")
def model(lifter, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("lifter") / "lifter.keras"
    lifter.save(path)
    return str(path)


def document(people=2, images=2, skeleton=H36M, **image) -> dict:
    """People at random joints of images of 400 x 300 pixels."""
    rng = np.random.default_rng(0)
    annotations = []
    for image_id, _ in itertools.product(range(1, images + 1), range(people)):
        points = rng.uniform(50, 250, (skeleton.num_joints, 3))
        points[:, 2] = 0.9
        annotations.append(
            {
                "id": len(annotations) + 1,
                "image_id": image_id,
                "keypoints": points.ravel().tolist(),
                "score": 0.9,
            }
        )
    return {
        "images": [
            {"id": n, "file_name": f"p{n}.jpg", "height": 300, "width": 400, **image}
            for n in range(1, images + 1)
        ],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person", "keypoints": skeleton.joints}],
    }


def write(tmp_path, content) -> str:
    path = tmp_path / "poses.json"
    path.write_text(json.dumps(content))
    return str(path)


def lift(tmp_path, content, model, *more) -> dict:
    path = write(tmp_path, content)
    main(["predict", path, f"--lift={model}", f"--out={tmp_path / 'out'}", *more])
    return json.loads((tmp_path / "out" / "poses_3d.json").read_text())


def refused(capsys, *arguments) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main(["predict", *arguments])
    assert stop.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("error: ")
    return lines[-1].removeprefix("error: ")


def test_positions_are_the_lifters(tmp_path, model, lifter, capsys):
    content = document()
    found = lift(tmp_path, content, model)
    assert "2 pictures, 4 people" in capsys.readouterr().out
    assert [p["id"] for p in found["annotations"]] == [1, 2, 3, 4]
    assert found["categories"][0]["root"] == "pelvis"
    points = np.array([a["keypoints"] for a in content["annotations"]])
    keypoints = points.reshape(4, 16, 3)[..., :2]
    expected = PoseLifter(lifter, flip_test=True).predict(keypoints, (300, 400))
    positions = np.array([p["positions"] for p in found["annotations"]])
    np.testing.assert_allclose(positions, expected, atol=2e-5)
    assert (positions[:, H36M.root] == 0).all()
    picture = cv2.imread(str(tmp_path / "out" / "p1_3d.png"))
    # Two people below each other, each in 2D and from two sides.
    assert picture.shape[0] > 480 and picture.shape[1] > 700


def test_frames_become_a_video(tmp_path, model):
    content = document(people=1, images=5)
    # As of a phone, whose rate changes.
    times = [0, 0.033, 0.1, 0.4, 0.45]
    for n, image in enumerate(content["images"]):
        image |= {"file_name": "clip.mp4", "frame_index": n, "seconds": times[n]}
    content["annotations"].pop(2)  # Nobody is in frame 2.
    lift(tmp_path, content, model)
    video = VideoReader(tmp_path / "out" / "clip_3d.mp4")
    assert [frame.seconds for frame in video] == pytest.approx(times, abs=1e-4)


def test_joints_are_matched_by_name(tmp_path, lifter):
    net = build_lifter("martinez_small", LIMBS_OF_COCO)
    net.save(tmp_path / "limbs.keras")
    content = document(skeleton=COCO)
    found = lift(tmp_path, content, str(tmp_path / "limbs.keras"))
    points = np.array(content["annotations"][0]["keypoints"]).reshape(17, 3)
    chosen, missing = convert_keypoints(points, COCO, LIMBS_OF_COCO, True)
    assert not missing
    expected = PoseLifter(net, True).predict(chosen[None, :, :2], (300, 400))[0]
    positions = found["annotations"][0]["positions"]
    np.testing.assert_allclose(positions, expected, atol=2e-5)


def test_a_list_of_results_needs_joints_and_sizes(tmp_path, model, capsys):
    results = document()["annotations"]
    path = write(tmp_path, results)
    message = refused(capsys, path, f"--lift={model}")
    assert "give --skeleton and --image_size" in message
    more = ["--skeleton=h36m16", "--image_size=300,400"]
    found = lift(tmp_path, results, model, *more)
    assert len(found["annotations"]) == 4
    assert found["images"][0] == {"id": 1, "height": 300, "width": 400}


def test_who_lacks_a_joint_is_named_and_left_out(tmp_path, model, capsys):
    content = document()
    content["annotations"][1]["keypoints"][3 * 5 + 2] = 0  # The left knee's score.
    content["annotations"][2]["keypoints"][0] = float("nan")
    found = lift(tmp_path, content, model)
    assert [p["id"] for p in found["annotations"]] == [1, 4]
    said = capsys.readouterr().err
    assert "not lifted: person 2 of image 1: no left_knee" in said
    assert "person 3 of image 2: no pelvis" in said


@pytest.mark.parametrize(
    "change,message",
    [
        (lambda c: c.pop("annotations"), "expected COCO-format JSON with annotations"),
        (lambda c: c.pop("categories"), "0 categories that name their joints"),
        (lambda c: c["images"][0].pop("height"), "height and width are None and 400"),
        (lambda c: c["annotations"][0].update(image_id=9), "image_id 9 is none of the"),
        (lambda c: c["annotations"][1]["keypoints"].pop(), "annotation 1: expected"),
        (lambda c: c["annotations"].clear(), "has nobody with all joints"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_line(
    tmp_path, model, capsys, change, message
):
    content = document()
    change(content)
    path = write(tmp_path, content)
    assert message in refused(capsys, path, f"--lift={model}", f"--out={tmp_path}")


def test_joints_that_cannot_be_made_are_named(tmp_path, model, capsys):
    path = write(tmp_path, document(skeleton=COCO))
    message = refused(capsys, path, f"--lift={model}")
    assert "spine, head_top cannot be made of the joints of coco17" in message


def test_a_pose_net_is_no_lifter(tmp_path, pose_model, capsys):
    path = write(tmp_path, document())
    assert "expected a lifter" in refused(capsys, path, f"--lift={pose_model}")


def test_json_is_only_lifted(tmp_path, capsys):
    path = write(tmp_path, document())
    assert "is to be lifted" in refused(capsys, path)
    assert "expected it alone" in refused(capsys, path, "a.jpg", "--lift=x.keras")


def film(frames=6, fps=25.0) -> dict:
    """A video, of which the person is unseen in frames 2 and 3, and a photo."""
    content = document(people=1, images=frames + 1)
    for n, image in enumerate(content["images"][:frames]):
        image |= {"file_name": "clip.mp4", "frame_index": n, "seconds": n / fps}
    for person in content["annotations"][:frames]:
        person["track_id"] = 7
    del content["annotations"][2:4]
    return content


def test_every_format_has_the_positions(tmp_path, model):
    """In a table, and, with y up and the camera in front, of each person."""
    found = lift(tmp_path, film(), model, "--format=csv,bvh,trc")
    people = found["annotations"]
    assert [person.get("track_id") for person in people] == [7, 7, 7, 7, None]
    out = tmp_path / "out"
    names = {path.name for path in out.iterdir()}
    assert {f"clip_person7.{form}" for form in ("bvh", "trc")} < names
    assert {f"p7_person1.{form}" for form in ("bvh", "trc")} < names
    with open(out / "poses_3d.csv", newline="") as file:
        table = list(csv.DictReader(file))
    positions = np.array([person["positions"] for person in people])
    values = [[float(row[axis]) for axis in "xyz"] for row in table]
    np.testing.assert_allclose(values, positions.reshape(-1, 3), atol=1e-5)
    assert [row["joint"] for row in table] == [*H36M.joints] * 5
    assert [row["frame_index"] for row in table[::16]] == ["0", "1", "4", "5", ""]
    assert {row["track_id"] for row in table[:64]} == {"7"}
    assert table[-1]["file_name"] == "p7.jpg"
    # Frames and joints; of those unseen the cells are blank.
    rows = (out / "clip_person7.trc").read_text().splitlines()[6:]
    cells = [row.split("\t")[2:-1] for row in rows]
    assert [frame for frame, row in enumerate(cells) if set(row) == {""}] == [2, 3]
    seen = np.array([row for row in cells if row[0]], float).reshape(-1, 16, 3) / 1000
    np.testing.assert_allclose(seen, positions[:4] * [1, -1, -1], atol=6e-6)
    assert rows[5].startswith("6\t0.200000\t")
    # Of random weights the body is a giant: it is read as half as large.
    clip = read_bvh(out / "clip_person7.bvh", unit=0.005)
    assert len(clip) == 6 and clip.frame_rate == pytest.approx(25)
    # A direct child of the root: bones have one length, and keep their direction.
    spine = clip.positions[:, clip.nodes.index("spine")]
    true = (positions[:4] * [1, -1, -1])[:, H36M.index("spine")]
    cosines = (spine[[0, 1, 4, 5]] * true).sum(axis=1) / np.linalg.norm(true, axis=1)
    np.testing.assert_allclose(cosines, np.linalg.norm(spine[0]), rtol=1e-4)


def test_uncertain_joints_are_marked(tmp_path, model):
    def lifted(threshold):
        content = document(people=1, images=1)
        for joint in (H36M.index("left_knee"), H36M.index("spine")):
            content["annotations"][0]["keypoints"][3 * joint + 2] = 0.3
        content["categories"][0]["score_threshold"] = threshold
        found = lift(tmp_path / str(threshold), content, model, "--format=csv")
        return found["annotations"][0], tmp_path / str(threshold) / "out"

    for threshold in (0.2, 0.5):
        (tmp_path / str(threshold)).mkdir()
    sure, first = lifted(0.2)
    unsure, second = lifted(0.5)
    assert (sure["uncertain"], unsure["uncertain"]) == ([], ["left_knee", "spine"])
    with open(second / "poses_3d.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    marked = {row["joint"] for row in rows if row["certain"] == "0"}
    assert marked == {"left_knee", "spine"}
    pictures = [cv2.imread(str(out / "p1_3d.png")) for out in (first, second)]
    changed = (pictures[0] != pictures[1]).any(axis=-1)
    # In each of the three views.
    assert all(part.any() for part in np.array_split(changed, 3, axis=1))


def test_a_format_that_cannot_be_written_costs_itself_only(
    tmp_path, model, capsys, monkeypatch
):
    (tmp_path / "out" / "poses_3d.csv").mkdir(parents=True)
    monkeypatch.setattr("tfpose.cli.commands.new_folder", pathlib.Path)
    with pytest.raises(SystemExit):
        lift(tmp_path, document(people=1), model, "--format=csv,trc")
    assert "error: " in capsys.readouterr().err
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"poses_3d.json", "p1_person1.trc", "p2_person1.trc"} < names


@pytest.mark.parametrize(
    "wanted,message",
    [("csv,xls", "expected some of csv, bvh, trc"), ("bvh", "expected --lift")],
)
def test_formats_are_known_and_possible(capsys, wanted, message):
    assert message in refused(capsys, "a.jpg", f"--format={wanted}")


def test_files_of_one_name_do_not_overwrite_each_other(tmp_path, model):
    content = document(people=1, images=6)
    for n, image in enumerate(content["images"][:4]):
        image |= {"file_name": f"{'ab'[n // 2]}/clip.mp4", "frame_index": n % 2}
    for image, folder in zip(content["images"][4:], "ab", strict=True):
        image["file_name"] = f"{folder}/photo.jpg"
    lift(tmp_path, content, model, "--format=trc")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    pictures = {"clip_3d.mp4", "clip_2_3d.mp4", "photo_3d.png", "photo_2_3d.png"}
    stems = ("clip", "clip_2", "photo", "photo_2")
    people = {f"{stem}_person1.trc" for stem in stems}
    assert names == pictures | people | {"poses_3d.json"}
