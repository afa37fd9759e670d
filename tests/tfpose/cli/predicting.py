"""What tests of `predict` share besides fixtures."""

import json

import pytest

__all__ = ["FRAMES", "refused", "write_boxes"]

FRAMES = 30
"""Of the fixture `clip`."""


def refused(capsys, run, *paths, **options):
    """All lines on stderr of a command that ends with exit code 2."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        run(*paths, **options)
    assert stop.value.code == 2
    return capsys.readouterr().err.splitlines()


def write_boxes(tmp_path, content):
    """A file of boxes."""
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(content))
    return path
