"""Which category of an annotation file is people."""

from typing import Any

from data_pipelines.readers.coco_images import is_id
from tfpose.errors import InputError

__all__ = ["find_people", "names_joints"]

_PEOPLE = frozenset("person persons people human humans pedestrian pedestrians".split())


def find_people(
    categories: list[Any], where: str, of_boxes: bool = False
) -> dict[str, Any]:
    """The category with keypoints, or called person or the like, or the only one.

    Args:
        categories: of a COCO-format file, unchecked.
        where: names the file.
        of_boxes: whether boxes alone are wanted: then keypoints tell nothing.

    Raises:
        InputError: there is not one such category; names those that there are.
    """
    categories = [c for c in categories if isinstance(c, dict) and is_id(c.get("id"))]
    with_joints = [c for c in categories if names_joints(c) and not of_boxes]
    for choice in (with_joints, categories):
        people = [c for c in choice if _is_people(c.get("name"))]
        if len(choice) == 1 or len(people) == 1:
            return choice[0] if len(choice) == 1 else people[0]
    names = [c.get("name") for c in categories]
    raise InputError(
        f"{where}: expected one category of people, found {len(names)}: {names[:8]}"
    )


def names_joints(category: dict[str, Any]) -> bool:
    """Whether a category has keypoints."""
    return isinstance(category.get("keypoints"), list) and bool(category["keypoints"])


def _is_people(name: Any) -> bool:
    return isinstance(name, str) and name.strip().casefold() in _PEOPLE
