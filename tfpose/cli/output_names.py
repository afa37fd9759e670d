"""Names for what is made of files, where several files have one name."""

from collections.abc import Sequence

__all__ = ["output_names"]


def output_names(names: Sequence[str]) -> list[str]:
    """The same names, with a number where one is taken.

    Those that differ in their case alone are one name on some machines.
    """
    taken: set[str] = set()
    found = []
    for wanted in names:
        name, number = wanted, 1
        while name.lower() in taken:
            number += 1
            name = f"{wanted}_{number}"
        taken.add(name.lower())
        found.append(name)
    return found
