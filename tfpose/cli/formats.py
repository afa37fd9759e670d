"""The forms of poses that are written beside JSON, by name."""

from tfpose.errors import InputError

__all__ = ["FORMATS", "parse_formats"]

FORMATS = {
    "csv": "a table, a row a joint",
    "bvh": "3D, for Blender, a file a person",
    "trc": "3D, for OpenSim, a file a person",
}


def parse_formats(text: str, lifted: bool) -> tuple[str, ...]:
    """The formats that a text names, by commas.

    Args:
        text: such as `csv,bvh`; empty for none.
        lifted: whether there are 3D poses.

    Raises:
        InputError: there is no such format, or it is for 3D poses alone.
    """
    names = tuple(filter(None, (name.strip().lower() for name in text.split(","))))
    for name in names:
        if name not in FORMATS:
            raise InputError(
                f"format: expected some of {', '.join(FORMATS)} by commas, got {name!r}"
            )
        if name != "csv" and not lifted:
            raise InputError(f"format: {name} is for 3D poses, expected --lift")
    return names
