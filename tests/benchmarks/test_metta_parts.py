"""Rows of MeTTA's table of parts: what each run changes."""

import dataclasses
import json

from benchmarks.metta_parts import plan_runs, table_row
from trainers.metta_config import JOINT_PRESETS, META_PRESETS, MeTTAJointConfig


def planned(folder):
    config = dataclasses.replace(JOINT_PRESETS["small"], epochs=3)
    (folder / "config.json").write_text(json.dumps(config.to_json()))
    return plan_runs(folder, folder / "ablations", 2), config.to_json()


def test_another_shrink_has_a_joint_training_of_its_own(tmp_path):
    runs, config = planned(tmp_path)
    assert "shrink 2" not in runs
    for shrink in (1, 4, 8):
        meta = runs[f"shrink {shrink}"]
        joint = meta.after
        assert meta.options["init_from"] == joint.workdir / "model.keras"
        assert meta.options["shrink"] == joint.options["shrink"] == shrink
        same = set(config) - {"workdir", "shrink", "lr_drop_epochs", "filters"}
        for name in same - {"freeze"}:
            assert joint.options[name] == config[name], name
        assert joint.options["filters"] == "16,32,64"


def test_every_option_is_one_of_the_trainers(tmp_path):
    runs, _ = planned(tmp_path)
    known = {f.name for f in dataclasses.fields(META_PRESETS["small"])} | {"preset"}
    joint = {f.name for f in dataclasses.fields(MeTTAJointConfig)}
    for label, run in runs.items():
        of = joint if run.trainer == "trainers.metta_joint" else known
        assert set(run.options) <= of, label
    folders = [run.workdir for run in runs.values()]
    assert len(set(folders)) == len(folders)


def test_rows_have_a_cell_for_ten_steps():
    for count in (1, 6, 11):
        row = table_row("here", [0.5 + 0.01 * k for k in range(count)])
        assert row.count("|") == table_row("", [0.0] * 11).count("|")
    assert row.startswith("| here | 50.0 | 51.0 |") and row.endswith("| 60.0 |")
