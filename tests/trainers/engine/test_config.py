"""Options are typed in one place, and impossible ones are refused at once."""

import dataclasses
import json
import os
import re
import subprocess
import sys

import pytest
from absl import flags

from tests.trainers.conftest import ROOT
from tfpose.errors import InputError
from trainers.engine.config import RunConfig, differing_fields, option
from trainers.hsjp_pretrain import PRESETS, HSJPConfig, main
from trainers.top_down import PRESETS as POSE_PRESETS
from trainers.top_down import TopDownConfig


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs the pretraining program's `main` in this process; returns its output."""
    names = ["preset", *(field.name for field in dataclasses.fields(HSJPConfig))]

    def start(*arguments):
        monkeypatch.setattr(sys, "argv", ["hsjp_pretrain", *arguments])
        try:
            with pytest.raises(SystemExit) as end:
                main()
        finally:
            # A program defines its flags once; this process runs it many times.
            for name in names:
                delattr(flags.FLAGS, name)
            flags.FLAGS.unparse_flags()
        printed = capsys.readouterr()
        return end.value.code, printed.out, printed.err

    return start


def test_papers_values_are_the_defaults():
    config = PRESETS["paper"]
    assert config == HSJPConfig()
    assert (config.net, config.input_side, config.grid) == ("hrnet_w32", 224, 6)
    assert (config.epochs, config.batch_size, config.learning_rate) == (240, 256, 1e-3)
    assert config.lr_drop_epochs == (190, 220)
    assert (config.scale, config.translation, config.rotation) == (0.35, 0.1, 45.0)
    pose = POSE_PRESETS["paper"]
    assert pose == TopDownConfig() and pose.input_size == (256, 192)
    assert (pose.epochs, pose.lr_drop_epochs, pose.sigma) == (210, (170, 200), 2.0)


def test_published_nets_are_trained_as_their_authors_did():
    net = POSE_PRESETS["hrnet_w48_coco_384x288"]
    assert (net.net, net.input_size, net.sigma) == ("hrnet_w48", (384, 288), 3.0)
    assert (net.alignment, net.decoder, net.flip_shift) == ("official", "quarter", 1)
    assert net.rounded_targets and net.half_body_centre == "mean"
    assert (net.epochs, net.lr_drop_epochs, net.batch_size) == (210, (170, 200), 96)
    assert (net.scale, net.rotation, net.half_body) == (0.35, 45.0, 0.3)
    net = POSE_PRESETS["resnet50_coco_256x192"]
    assert (net.epochs, net.lr_drop_epochs, net.batch_size) == (140, (90, 120), 128)
    assert (net.scale, net.rotation, net.half_body) == (0.3, 40.0, 0.0)
    assert (net.sigma, net.learning_rate, net.epsilon) == (2.0, 1e-3, 1e-8)
    net = POSE_PRESETS["tokenpose_l_d24_coco_384x288"]
    assert (net.epochs, net.lr_drop_epochs, net.batch_size) == (300, (200, 260), 256)
    assert (net.alignment, net.decoder, net.flip_shift) == ("tokenpose", "dark", 0)
    assert (net.sigma, net.blur_kernel, net.rounded_targets) == (3.0, 11, False)
    assert POSE_PRESETS["tokenpose_s_v2_coco_256x192"].batch_size == 48
    net = POSE_PRESETS["tokenpose_l_d6_mpii_256x256"]
    assert (net.dataset, net.batch_size, net.epochs) == ("mpii", 64, 300)
    assert (net.scale, net.rotation, net.half_body) == (0.25, 30.0, 0.0)
    net = POSE_PRESETS["hrnet_w32_mpii_256x256"]
    assert (net.scale, net.rotation, net.half_body) == (0.25, 30.0, 0.0)
    modern = POSE_PRESETS["mmpose"]
    assert (modern.learning_rate, modern.batch_size) == (5e-4, 512)
    assert (modern.warmup_steps, modern.draws, modern.shift) == (500, "truncated", 0.16)
    assert POSE_PRESETS["mmpose_udp"].alignment == "udp"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"grid": 0}, "grid: .*N from 2 to 8, got N = 0"),
        ({"grid": 9}, "grid: .*got N = 9"),
        ({"sigma": 6.3}, r"sigma: must be above 0 and below .* = 6\.22 .*got 6.3"),
        ({"sigma": -1.0}, "sigma: .*got -1"),
        ({"sigma": float("nan")}, "sigma: expected a finite number, got nan"),
        ({"learning_rate": 0.0}, "learning_rate: expected above 0, got 0.0"),
        ({"learning_rate": float("inf")}, "learning_rate: expected a finite number"),
        ({"batch_size": -4}, "batch_size: expected at least 1, got -4"),
        ({"epochs": 0}, "epochs: expected at least 1, got 0"),
        ({"lr_drop_epochs": (3, 0)}, "lr_drop_epochs: expected at least 1, got 0"),
        ({"scale": 1.5}, "scale: expected at most 0.9, got 1.5"),
        ({"input_side": 226}, "input"),
        ({"precision": "float8"}, "precision: expected one of float32, mixed_bfloat16"),
        ({"seed": -1}, "seed: expected at least 0"),
        ({"seed": 2**32}, "seed: expected at most 4294967295"),
    ],
)
def test_impossible_values_are_refused_by_name(values, message):
    with pytest.raises(InputError, match=message) as refusal:
        HSJPConfig(**values)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--grid=0"], "error: grid: "),
        (["--grid=six"], "error: grid: got six: "),
        (["--sigma=99"], "error: sigma: "),
        (["--preset=huge"], "error: preset: got huge: .*paper.small.demo"),
        (["--epoch=3"], "error: .*'epoch'"),
        (["--lr_drop_epochs=3,x"], "error: lr_drop_epochs: .*int values, got '3,x'"),
        (["--net=hrnet_huge"], "error: unknown net 'hrnet_huge'; expected one of "),
        (["--dataset=coko"], "error: dataset: got coko: "),
        (["oops"], "error: unexpected argument 'oops'"),
        ([], "error: workdir: give a folder"),
    ],
)
def test_program_refuses_in_one_line(command, arguments, message):
    code, out, err = command(*arguments)
    assert code == 2 and not out
    assert len(err.splitlines()) == 1
    assert re.match(message, err)


def test_refused_before_anything_is_written(command, tmp_path):
    code, _, _ = command("--grid=1", f"--workdir={tmp_path / 'run'}")
    assert code == 2 and not (tmp_path / "run").exists()


def test_help_lists_every_option():
    command = [sys.executable, "-m", "trainers.hsjp_pretrain", "--help"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout
    for field in dataclasses.fields(HSJPConfig):
        assert re.search(rf"--(\[no\])?{field.name}:", printed), field.name
    assert "--preset: <paper|small|demo>" in printed


def test_errors_come_alone(tmp_path):
    arguments = ["--dataset=coco", f"--data_dir={tmp_path}/no", f"--workdir={tmp_path}"]
    command = [sys.executable, "-m", "trainers.top_down", *arguments]
    # Without what tests set to keep TensorFlow quiet.
    hushed = ("TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS")
    env = {k: v for k, v in os.environ.items() if k not in hushed}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=env)
    assert done.returncode == 2
    assert done.stderr == f"error: data_dir {tmp_path}/no: no such folder\n"


def test_flags_change_the_preset_they_name(command, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "trainers.engine.program.train", lambda config, task: seen.append(config)
    )
    arguments = ["--preset=small", "--grid=2", "--lr_drop_epochs=2,4", "--jit_compile"]
    command(*arguments)
    expected = {"grid": 2, "lr_drop_epochs": (2, 4), "jit_compile": True}
    assert seen == [dataclasses.replace(PRESETS["small"], **expected)]
    command("--lr_drop_epochs=")
    assert seen[-1] == dataclasses.replace(HSJPConfig(), lr_drop_epochs=())


def test_saved_configuration_is_the_same_run():
    config = HSJPConfig(workdir="a", seed=3, lr_drop_epochs=(4,))
    saved = json.loads(json.dumps(config.to_json()))
    assert differing_fields(config, saved) == []
    elsewhere = dataclasses.replace(
        config, workdir="b", strategy="mirrored", cache_megabytes=1.0
    )
    assert differing_fields(elsewhere, saved) == []
    other = dataclasses.replace(config, seed=4, lr_drop_epochs=(1, 2))
    assert differing_fields(other, saved) == [
        "lr_drop_epochs: [4] -> [1, 2]",
        "seed: 3 -> 4",
    ]
    assert "old: 1 -> None" in differing_fields(config, {**saved, "old": 1})


def test_bounds_hold_for_every_entry_of_a_tuple():
    @dataclasses.dataclass(frozen=True)
    class Config(RunConfig):
        shares: tuple[float, ...] = option((0.5,), "Shares.", at_least=0, at_most=1)

    assert Config(shares=(0.0, 1.0)).shares == (0.0, 1.0)
    with pytest.raises(InputError, match="shares: expected at most 1, got 2.0"):
        Config(shares=(0.5, 2.0))
