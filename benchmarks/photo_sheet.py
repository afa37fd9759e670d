"""Photos drawn at random with everybody whom the nets that ship find in them.

    python -m benchmarks.photo_sheet --photos=runs/photos

`--photos` is what `benchmarks.photo_labels` wrote; shown are photos of COCO that were
kept from training, failures too.
"""

import pathlib

from absl import app, flags

from benchmarks.drawn_photos import draw_photos
from data_pipelines.readers.datasets import load_dataset
from tfpose.cli.models import load_shipped

__all__ = ["main"]

_PHOTOS = flags.DEFINE_string("photos", "runs/photos", "Folder of `photo_labels`.")
_OUT = flags.DEFINE_string("out", "docs/everybody.jpg", "The picture.")
_SHOWN = flags.DEFINE_integer("shown", 12, "Number of photos.")


def main(argv: list[str]) -> None:
    """Draws the picture."""
    kept = load_dataset("coco_format", str(pathlib.Path(_PHOTOS.value, "kept")), "val")
    path = pathlib.Path(_OUT.value)
    draw_photos(path, load_shipped(boxes=False), kept, _SHOWN.value)


if __name__ == "__main__":
    app.run(main)
