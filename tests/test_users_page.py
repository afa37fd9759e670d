"""docs/users.md names tests; they are there."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent


def test_every_row_names_a_test_that_is_there() -> None:
    text = (ROOT / "docs" / "users.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    rows = [row for row in rows if "| test |" not in row]
    assert len(rows) > 25
    for row in rows:
        named = re.search(r"`(tests/\S+\.py)::(test_\w+)` \|$", row)
        assert named, row
        source = (ROOT / named.group(1)).read_text()
        assert f"def {named.group(2)}(" in source, row
