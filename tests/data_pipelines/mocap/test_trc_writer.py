"""Motion written as TRC, parsed as OpenSim's TRCFileAdapter does."""

import numpy as np
import pytest

from data_pipelines.mocap.trc_writer import write_trc
from tfpose.skeletons import get_skeleton

KEYS = (
    "DataRate CameraRate NumFrames NumMarkers Units OrigDataRate OrigDataStartFrame "
    "OrigNumFrames"
).split()


def parse(path):
    """Header values by name, marker names, times, and positions `[T, J, 3]`."""
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    assert lines[0][0] == "PathFileType" and lines[0][3] == path.name
    keys, values = lines[1], lines[2]
    assert keys == KEYS and len(values) == len(keys)
    header = dict(zip(keys, values, strict=True))
    labels = list(filter(None, lines[3]))
    assert labels[:2] == ["Frame#", "Time"]
    markers = labels[2:]
    assert len(markers) == int(header["NumMarkers"])
    axes = list(filter(None, lines[4]))
    assert axes == [f"{a}{n + 1}" for n in range(len(markers)) for a in "XYZ"]
    assert lines[5] == [""]
    times, rows = [], []
    for number, row in enumerate(lines[6:], 1):
        # A tab ends each cell.
        assert row.pop() == "" and len(row) == 2 + 3 * len(markers)
        assert row[0] == str(number)
        times.append(float(row[1]))
        rows.append([float(cell) if cell else np.nan for cell in row[2:]])
    assert len(rows) == int(header["NumFrames"])
    return header, markers, times, np.array(rows).reshape(len(rows), -1, 3)


def test_what_is_written_is_read_as_opensim_reads_it(tmp_path):
    skeleton = get_skeleton("lsp14")
    positions = np.random.default_rng(0).normal(0, 1, (4, 14, 3))
    # A joint in between, and all of the last frame, to the end of its line.
    positions[1, 3] = positions[3] = np.nan
    write_trc(tmp_path / "one.trc", positions, 29.97, skeleton)
    header, markers, times, found = parse(tmp_path / "one.trc")
    assert markers == list(skeleton.joints)
    assert (header["Units"], float(header["DataRate"])) == ("mm", 29.97)
    assert times == pytest.approx(np.arange(4) / 29.97, abs=1e-6)
    np.testing.assert_allclose(found / 1000, positions, atol=1e-6)
