"""Prints what the contract's tests found as a table: trainers by checks."""

import re
from collections.abc import Iterable

__all__ = ["contract_table"]

_NODE = re.compile(r"tests/trainers/test_contract\.py::test_(\w+)\[([^\]]+)\]")
_SIGNS = {"passed": "ok", "failed": "FAILED", "error": "FAILED", "skipped": "skipped"}


def contract_table(reports: Iterable[tuple[str, str]]) -> list[str]:
    """Lines of a table: a row for each trainer, a column for each check.

    Args:
        reports: pairs of a test's node id and its outcome. Tests of other files are
            left out.
    """
    cells: dict[str, dict[str, str]] = {}
    for node, outcome in reports:
        found = _NODE.fullmatch(node)
        if found and outcome in _SIGNS:
            check, method = found[1].replace("_", " "), found[2]
            row = cells.setdefault(method, {})
            # Of a test and its set-up, what failed counts.
            if row.get(check) != "FAILED":
                row[check] = _SIGNS[outcome]
    if not cells:
        return []
    checks = list(dict.fromkeys(check for row in cells.values() for check in row))
    width = max(map(len, cells))
    lines = [f"{n}: {check}" for n, check in enumerate(checks, 1)]
    numbers = "".join(f"{n:>9}" for n in range(1, len(checks) + 1))
    lines += ["", f"{'':{width}}{numbers}"]
    for method, row in cells.items():
        signs = "".join(f"{row.get(check, '-'):>9}" for check in checks)
        lines.append(f"{method:{width}}{signs}")
    return lines
