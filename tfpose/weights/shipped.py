"""The nets that ship with the package."""

import pathlib

__all__ = ["SHIPPED"]

_FOLDER = pathlib.Path(__file__).parent

SHIPPED = {
    "tfpose_crowd": _FOLDER / "crowd.keras",
    "tfpose_person": _FOLDER / "person.keras",
}
"""Their files by name: `tfpose_crowd` finds everybody in a picture, `tfpose_person` one
person in each box. Beside each, as `.md`, is its card: what it was trained on and how
well it does."""
