"""Names for what is made of files, where several files have one name."""

import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["image_file", "names_of_images", "output_names"]


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


def image_file(image: dict[str, Any]) -> str:
    """The photo or video that a record of an image is of."""
    return str(image.get("file_name", f"image_{image['id']}"))


def names_of_images(images: Iterable[dict[str, Any]]) -> dict[str, str]:
    """A name for what is made of each photo or video, by `image_file`."""
    files = list(dict.fromkeys(map(image_file, images)))
    names = output_names([pathlib.Path(file).stem for file in files])
    return dict(zip(files, names, strict=True))
