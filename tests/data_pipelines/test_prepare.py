"""Preparing resumes after any death, ends bit-identical, and says what is wrong."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data_pipelines import prepare
from data_pipelines.images import decode_image
from data_pipelines.prepare import prepare_split
from data_pipelines.records import read_records
from tfpose.errors import InputError

ROOT = Path(__file__).resolve().parents[2]


def _prepare(source, out, **options):
    options = {"shard_megabytes": 0.02, "quiet": True} | options
    return Path(prepare_split("coco_format", source, "train", out, **options))


def _bytes(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def _command(source, out, *more):
    first = [f"--data_dir={source}", f"--out={out}", "--dataset=coco_format"]
    return [sys.executable, "-m", "data_pipelines.prepare", *first, *more]


class _Killed(BaseException):
    pass


@pytest.mark.parametrize(
    "step", ["write_shard", "_write_json", "np.savez", "os.rename"]
)
def test_stopped_at_any_step_it_ends_the_same(small_set, tmp_path, monkeypatch, step):
    """Every call of the step is the last one once; what is left must be resumed."""
    expected = _bytes(_prepare(small_set, tmp_path / "whole"))
    assert sum(name.endswith(".tfrecord") for name in expected) > 2
    assert set(expected) >= {"manifest.json", "index.npz", "skipped.json"}
    module = {"np": prepare.np, "os": prepare.os}.get(step.split(".")[0], prepare)
    name = step.split(".")[-1]
    real, count = getattr(module, name), [0]

    def stopping(*arguments, **options):
        count[0] += 1
        if count[0] % 2:
            raise _Killed
        return real(*arguments, **options)

    monkeypatch.setattr(module, name, stopping)
    out, attempts = tmp_path / "stopped", 0
    while not (out / "train").exists():
        attempts += 1
        assert attempts < 50
        try:
            _prepare(small_set, out)
        except _Killed:
            assert not (out / "train").exists()
    assert attempts > 1
    assert _bytes(out / "train") == expected
    assert os.listdir(out) == ["train"]


def test_finished_shards_are_not_written_again(small_set, tmp_path, monkeypatch):
    written, real = [], prepare.write_shard

    def dying(path, records):
        if len(written) == 2:
            raise _Killed
        written.append(path)
        return real(path, records)

    monkeypatch.setattr(prepare, "write_shard", dying)
    with pytest.raises(_Killed):
        _prepare(small_set, tmp_path / "out")
    monkeypatch.setattr(
        prepare,
        "write_shard",
        lambda path, records: written.append(path) or real(path, records),
    )
    _prepare(small_set, tmp_path / "out")
    assert len(written) == len(set(written)) > 2


def _until_writing(process, partial):
    while process.poll() is None and not partial.exists():
        time.sleep(0.005)
    return time.monotonic()


@pytest.mark.slow
def test_killed_processes_end_the_same(small_set, tmp_path):
    """SIGKILL at random moments: the first while writing, others wherever they fall."""
    options = ["--splits=train", "--shard_megabytes=1"]
    content = json.loads((small_set / "train.json").read_text())
    image = content["images"][-1]
    for row in range(3000):
        content["images"].append(image | {"id": 1000 + row})
    (small_set / "train.json").write_text(json.dumps(content))
    whole, out = tmp_path / "whole", tmp_path / "killed"
    begun = time.monotonic()
    process = subprocess.Popen(_command(small_set, whole, *options), cwd=ROOT)
    writing = _until_writing(process, tmp_path / "whole" / "train.partial")
    assert process.wait() == 0
    # In units of a whole run, so that quick and slow machines are killed alike.
    seconds = time.monotonic() - writing
    rng = random.Random(0)

    process = subprocess.Popen(_command(small_set, out, *options), cwd=ROOT)
    _until_writing(process, out / "train.partial")
    time.sleep(rng.uniform(0, 0.4) * seconds)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    while not (out / "train").exists():
        process = subprocess.Popen(_command(small_set, out, *options), cwd=ROOT)
        try:
            process.wait(rng.uniform(0.6, 1.4) * (writing - begun))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        assert process.wait() in (0, -signal.SIGKILL)
    assert _bytes(out / "train") == _bytes(whole / "train")


def test_again_with_the_same_settings_does_nothing(small_set, tmp_path, capsys):
    folder = _prepare(small_set, tmp_path / "out")
    times = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    _prepare(small_set, tmp_path / "out", quiet=False)
    assert "already prepared" in capsys.readouterr().err
    assert times == {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert os.listdir(tmp_path / "out") == ["train"]


@pytest.mark.parametrize("finished", [True, False])
def test_other_settings_are_refused_by_name(small_set, tmp_path, monkeypatch, finished):
    out = tmp_path / "out"
    if not finished:

        def dying(*_):
            raise _Killed

        monkeypatch.setattr(prepare, "write_shard", dying)
        with pytest.raises(_Killed):
            _prepare(small_set, out)
        monkeypatch.undo()
    else:
        _prepare(small_set, out)
    with pytest.raises(InputError, match="max_side is 0 there, 40 now$"):
        _prepare(small_set, out, max_side=40)
    content = json.loads((small_set / "train.json").read_text())
    content["annotations"].pop()
    (small_set / "train.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="other settings: source_checksum is "):
        _prepare(small_set, out)


def test_images_that_do_not_decode_are_left_out_and_named(small_set, tmp_path):
    cut = small_set / "images" / "02.jpg"
    cut.write_bytes(cut.read_bytes()[:-100])
    (small_set / "images" / "00.jpg").write_text("a web page")
    folder = _prepare(small_set, tmp_path / "out")
    people, report = read_records(folder)
    assert people.image_ids.tolist() == [101, *range(103, 112)]
    assert len(people) == 10
    for row in range(len(people.images)):
        decode_image(people.images.read(row), tuple(people.image_sizes[row]))
    skipped = json.loads((folder / "skipped.json").read_text())["skipped"]
    assert [(e["record"], e["file"]) for e in skipped] == [
        ("image", "images/00.jpg"),
        ("image", "images/02.jpg"),
        ("annotation", "images/02.jpg"),
        ("annotation", "images/02.jpg"),
    ]
    assert "not an image" in skipped[0]["detail"]
    assert "truncated JPEG" in skipped[1]["detail"]
    assert report.notes == {"record skipped when prepared (see skipped.json)": 4}


def test_no_image_left(small_set, tmp_path):
    for path in (small_set / "images").iterdir():
        path.write_text("a web page")
    with pytest.raises(InputError, match="no usable image in .*12 x image: image can"):
        _prepare(small_set, tmp_path / "out")
    assert not (tmp_path / "out" / "train").exists()


def test_max_side_shrinks_pixels_and_tables(small_set, tmp_path):
    people, _ = read_records(_prepare(small_set, tmp_path / "out", max_side=40))
    assert (people.image_sizes == [30, 40]).all()
    assert decode_image(people.images.read(0), (30, 40)).shape == (30, 40, 3)
    assert people.boxes[0].tolist() == [0.625, 1.25, 30, 25]


def test_a_second_process_is_kept_out(small_set, tmp_path):
    with prepare._alone(str(tmp_path / "out" / "train.partial")):
        with pytest.raises(InputError, match="another process is writing it"):
            _prepare(small_set, tmp_path / "out")
    _prepare(small_set, tmp_path / "out")


FULL_DISK = """
import resource, sys
from data_pipelines import prepare
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)
sys.argv[0] = "prepare"
prepare.main()
"""


def test_a_disk_that_takes_no_more(small_set, tmp_path):
    """The limit on a file's size stands in for the disk's end."""
    out = tmp_path / "out"
    arguments = _command(small_set, out, "--splits=train")[3:]
    process = subprocess.run(
        [sys.executable, "-c", FULL_DISK, "30000", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert process.returncode == 2, process.stderr
    (line,) = [x for x in process.stderr.splitlines() if x.startswith("error: ")]
    assert str(out) in line and "start again to go on" in line
    assert "Traceback" not in process.stderr
    assert not (out / "train").exists()
    prepare_split("coco_format", small_set, "train", out, quiet=True)
    assert len(read_records(out / "train", verify=True)[0]) == 12


def test_a_folder_that_cannot_be_written(small_set, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(InputError, match="out/train: not writable"):
        _prepare(small_set, tmp_path / "out")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--splits=test"], "--splits: 'test' is not one of train, val"),
        (["--splits=val"], "val.json: not there"),
        (["--out="], "--out is missing"),
        (["--data_dir="], "--dataset and --data_dir say what to read"),
        (["--verify", "--splits=train"], "manifest.json: not readable"),
        (["--max_side=-1"], "argument --max_side: -1 is below 0"),
        (["--shard_megabytes=a"], "--shard_megabytes: invalid integer value: 'a'"),
        (["--dataset=records"], "argument --dataset: invalid choice: 'records'"),
        (["stray"], "unrecognized arguments: stray"),
    ],
)
def test_the_command_line_refuses_in_one_line(
    small_set, tmp_path, capsys, more, message
):
    with pytest.raises(SystemExit) as caught:
        _main(*_command(small_set, tmp_path / "out")[3:], *more)
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and message in line


def _main(*arguments):
    prepare.main(arguments)


def test_the_command_line_prepares_and_verifies(small_set, tmp_path, capsys):
    arguments = _command(small_set, tmp_path / "out", "--splits=train")[3:]
    _main(*arguments)
    _main(*arguments, "--verify")
    captured = capsys.readouterr()
    assert "12/12 images" in captured.err and "0 s left" in captured.err
    assert "train: 2 files as in the manifest" in captured.out
