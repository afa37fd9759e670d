"""The nets that ship with the package."""

import pathlib

__all__ = ["SHIPPED", "shipped_net"]

_FOLDER = pathlib.Path(__file__).parent

SHIPPED = {
    "tfpose_crowd": _FOLDER / "crowd.keras",
    "tfpose_person": _FOLDER / "person.keras",
}
"""Their files by name: `tfpose_crowd` finds everybody in a picture, `tfpose_person` one
person in each box. Beside each, as `.md`, is its card: what it was trained on and how
well it does."""


def shipped_net(boxes: bool) -> str:
    """The name of the net that is used where nobody names one.

    Args:
        boxes: whether somebody says where people are.
    """
    return "tfpose_person" if boxes else "tfpose_crowd"
