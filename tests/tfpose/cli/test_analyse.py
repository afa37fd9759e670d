"""Errors of result files side by side, on real labels."""

import json
import shutil

import cv2
import numpy as np
import pytest

from tfpose.cli.commands import main
from tfpose.metrics.error_types import ERROR_TYPES
from tfpose.skeletons import get_skeleton

COCO17 = get_skeleton("coco17")


@pytest.fixture
def folder(shared_data, tmp_path):
    """Four photos of val2017 with their labels."""
    source, target = shared_data / "formats" / "coco", tmp_path / "data"
    (target / "images").mkdir(parents=True)
    shutil.copy(source / "test_coco.json", target / "val.json")
    for photo in source.glob("*.jpg"):
        shutil.copy(photo, target / "images")
    return target


def _results(folder, path, spread, mirrored=False):
    """The labelled people as results, each joint off by `spread` in units of OKS."""
    order = list(COCO17.flip_permutation) if mirrored else slice(None)
    records = []
    for person in json.loads((folder / "val.json").read_text())["annotations"]:
        labels = np.reshape(person["keypoints"], (17, 3)).astype(float)
        if labels[:, 2].any():
            points = np.where(labels[:, 2:] > 0, labels, 0)[order]
            scale = 2 * np.array(COCO17.sigmas) * np.sqrt(2 * person["area"])
            points[:, 0] += spread * scale
            record = {"image_id": person["image_id"], "category_id": 1, "score": 1}
            records.append({**record, "keypoints": points.ravel().tolist()})
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(records))
    return path


def _refusal(capsys, *arguments):
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main(["analyse", *map(str, arguments)])
    assert stop.value.code == 2
    errors = capsys.readouterr().err.strip().splitlines()
    assert errors[-1].startswith("error: ")
    return errors[-1]


def test_runs_side_by_side(folder, tmp_path, capsys):
    # exp(-d^2) is .91 and .70: above and between the two limits.
    fine = _results(folder, tmp_path / "fine" / "poses.json", 0.3)
    rough = _results(folder, tmp_path / "rough" / "poses.json", 0.6)
    turned = _results(folder, tmp_path / "turned.json", 0.0, mirrored=True)
    out = tmp_path / "out"
    arguments = [str(fine), str(rough), str(turned), "--data_dir", str(folder)]
    main(["analyse", *arguments, "--out", str(out)])
    shown = capsys.readouterr().out
    document = json.loads((out / "analysis.json").read_text())
    runs = list(document["runs"].values())
    # The two files of one name are told apart.
    assert list(document["runs"]) == ["fine/poses", "rough/poses", "turned"]
    shares = [
        [run["error_types"][kind]["share"] for kind in ERROR_TYPES] for run in runs
    ]
    assert shares[0][0] > 0.9 and shares[1][1] > 0.85
    assert runs[2]["error_types"]["inversion"]["count"] > 50
    assert runs[2]["by_joint"]["nose"]["inversion"] == 0
    for run, share in zip(runs, shares, strict=True):
        assert sum(share) == pytest.approx(1)
        counted = [sum(joint.values()) for joint in run["by_joint"].values()]
        assert sum(counted) == run["joints"]
        assert run["people"] == 12
        assert list(run["ap_by_oks"])[::9] == ["0.5", "0.95"]
        assert np.mean(list(run["ap_by_oks"].values())) == pytest.approx(run["ap"])
        assert f"{run['ap']:.3f}" in shown and f"{share[0]:.1%}" in shown
    # All poses have an OKS of .91 and .70.
    assert runs[0]["ap_by_oks"]["0.9"] == 1 and runs[0]["ap_by_oks"]["0.95"] == 0
    assert runs[1]["ap_by_oks"]["0.65"] == 1 and runs[1]["ap_by_oks"]["0.7"] == 0
    for figure in ("ap_by_oks.png", "error_types.png"):
        picture = cv2.imread(str(out / figure))
        assert picture is not None and (picture < 255).any(axis=-1).mean() > 0.01
    # A longer bar for more joints: the colours have their shares.
    picture = cv2.cvtColor(cv2.imread(str(out / "error_types.png")), cv2.COLOR_BGR2RGB)
    good, jitter = (
        (np.abs(picture.astype(int) - colour).max(axis=-1) < 3).sum()
        for colour in ((90, 164, 105), (242, 193, 78))
    )
    assert good > 3000 and jitter > 3000


def test_refusals(folder, tmp_path, capsys):
    def refused(*arguments):
        where = ("--data_dir", folder, "--out", tmp_path / "out")
        return _refusal(capsys, *arguments, *where)

    right = _results(folder, tmp_path / "right.json", 0.1)
    records = json.loads(right.read_text())
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps([{**records[0], "image_id": 9}]))
    line = refused(right, bad)
    assert "bad.json: predictions has 1 image ids that are not evaluated" in line
    bad.write_text(json.dumps([{**records[0], "keypoints": [1] * 42}]))
    assert "bad.json: record 0: has 42 values" in refused(right, bad)
    assert "none.json: not readable" in refused(tmp_path / "none.json")
    assert "given more than once" in refused(right, right)
    document = json.loads((folder / "val.json").read_text())
    labels = json.dumps(document)
    for person in document["annotations"]:
        person.pop("area")
    (folder / "val.json").write_text(json.dumps(document))
    line = refused(right)
    assert "right.json: truth.areas is unknown for 12 of 12" in line
    where = ["--data_dir", str(folder), "--out", str(tmp_path / "estimated")]
    main(["analyse", str(right), *where, "--box_area_factor", "0.53"])
    (run,) = json.loads((tmp_path / "estimated" / "analysis.json").read_text())[
        "runs"
    ].values()
    assert run["areas"] == "0.53 x box area for 12 of 12 people"
    document = json.loads(labels)
    document["categories"][0]["keypoints"] = [f"point_{index}" for index in range(17)]
    (folder / "val.json").write_text(json.dumps(document))
    assert "has no OKS sigmas" in refused(right)
    assert not (tmp_path / "out").exists()
