"""The metrics of a lifter on a data set, and what they say they are."""

import json

import numpy as np
import pytest

from tests.trainers.pairs import write_pairs
from tfpose.cli.commands import main
from tfpose.cli.evaluate_3d import evaluate_3d
from tfpose.cli.refined_lifter import RefinedLifter
from tfpose.errors import InputError
from tfpose.lifters.build import build_lifter
from tfpose.lifters.pose_lifter import PoseLifter
from tfpose.lifters.refine import LimbLengths, Refiner
from tfpose.skeletons import get_skeleton


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("pairs") / "d", {"val": 20})


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    """A lifter that says that everybody stands: the body, whatever it sees."""
    net = build_lifter("martinez_small", get_skeleton("h36m16"))
    head = net.get_layer("head")
    head.kernel.assign(np.zeros(head.kernel.shape))
    head.bias.assign(np.linspace(-1, 1, 45))
    path = tmp_path_factory.mktemp("lifter") / "lifter.keras"
    net.save(path)
    return str(path)


def test_metrics(folder, model, tmp_path, capsys):
    main(
        [
            "evaluate_3d",
            f"--model={model}",
            "--dataset=mannequin",
            f"--data_dir={folder}",
            f"--out={tmp_path / 'out.json'}",
        ]
    )
    lines = capsys.readouterr().out.splitlines()
    assert (
        lines[0].startswith("MPJPE ") and "(20 poses, 16 joints of h36m16" in lines[0]
    )
    assert "no flip, 2D from projected" in lines[0]
    assert lines[1].startswith("N-MPJPE") and lines[2].startswith("PA-MPJPE")
    assert "wrist" in lines[3]
    content = json.loads((tmp_path / "out.json").read_text())
    content_truth = json.loads((folder / "val.json").read_text())
    truth = np.array([p["keypoints_3d"] for p in content_truth["annotations"]])
    said = np.concatenate([np.zeros((1, 3)), np.linspace(-1, 1, 45).reshape(15, 3)])
    errors = np.linalg.norm(truth - truth[:, :1] - said, axis=-1)
    assert content["unscaled"]["overall"]["mpjpe"] == pytest.approx(
        1000 * errors.mean(), rel=1e-4
    )
    assert set(content["procrustes"]["per_action"]) == {"stand"}


def test_flip_is_said(folder, model, capsys):
    scores = evaluate_3d(model, "mannequin", str(folder), flip_test=True)
    assert scores["unscaled"].flip and "with flip" in capsys.readouterr().out


def test_a_pose_net_is_refused(folder, pose_model, capsys):
    with pytest.raises(SystemExit) as stop:
        main(
            [
                "evaluate_3d",
                f"--model={pose_model}",
                "--dataset=mannequin",
                f"--data_dir={folder}",
            ]
        )
    assert stop.value.code == 2
    assert "expected a lifter" in capsys.readouterr().err


@pytest.mark.slow
def test_refinement_and_noise(folder, model, tmp_path, capsys):
    """Noise moves the 2D that is refined to; limb lengths must be known."""
    out = tmp_path / "out.json"
    errors = []
    for noise in (0, 20):
        scores = evaluate_3d(
            model,
            "mannequin",
            str(folder),
            refine="symmetry",
            noise=noise,
            out=str(out),
        )
        errors.append(scores["unscaled"].overall.mpjpe)
    assert errors[1] != errors[0]
    content = json.loads(out.read_text())
    assert (content["refinement"], content["noise"]) == ("symmetry", 20)
    assert "2D from projected with noise of 20 px" in capsys.readouterr().out
    plain = evaluate_3d(model, "mannequin", str(folder))["unscaled"].overall.mpjpe
    assert errors[0] < plain - 20
    for refine in ("limbs", "input"):
        with pytest.raises(InputError, match="keeps no limb_lengths"):
            evaluate_3d(model, "mannequin", str(folder), refine=refine)


def test_noise_is_the_same_in_every_run(folder, tmp_path):
    path = tmp_path / "lifter.keras"
    build_lifter("martinez_small", get_skeleton("h36m16")).save(path)
    errors = [
        evaluate_3d(str(path), "mannequin", str(folder), noise=noise)["unscaled"]
        for noise in (0, 20, 20)
    ]
    means = [error.overall.mpjpe for error in errors]
    assert means[1] == means[2] != means[0]


def test_input_optimisation_lowers_the_energy():
    lengths = {"mean": [0.3] * 15, "std": [0.05] * 15}
    skeleton = get_skeleton("h36m16")
    net = build_lifter("martinez_small", skeleton, info={"limb_lengths": lengths})
    refined = RefinedLifter(net, "input")
    seen = np.random.default_rng(0).uniform(-0.5, 0.5, (4, 16, 2)).astype("float32")
    refiner = Refiner(skeleton, LimbLengths.of(net))
    before, after = (
        np.asarray(refiner.energy(lifter.lift(seen), seen))
        for lifter in (PoseLifter(net), refined)
    )
    assert (after < before).all()
