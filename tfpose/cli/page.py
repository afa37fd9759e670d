"""`python -m tfpose page`: runs and pictures on one web page."""

import html
import json
import os
import pathlib
from collections.abc import Sequence

import matplotlib.figure
from matplotlib.backends.backend_agg import FigureCanvasAgg

from tfpose.errors import InputError
from tfpose.files import write_whole

__all__ = ["page"]

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem;
       padding: 0 1rem; color: #222; background: #fdfdfb }
img { max-width: 100%; border: 1px solid #ddd; margin: .3rem 0 }
.row img { height: 16rem; margin-right: .3rem }
table { border-collapse: collapse } td { padding: .1rem 1rem .1rem 0 }
h2 { border-top: 1px solid #ccc; padding-top: 1rem }
"""


def page(folders: Sequence[str], out: str) -> None:
    """Writes one HTML page that shows finished runs and folders of pictures.

    Args:
        folders: work folders of runs (their figures, final metrics and curves
            are shown) or folders of PNG pictures, in the order of the page.
        out: the page; pictures are linked by relative paths.

    Raises:
        InputError: a folder holds neither a finished run nor pictures, a run's files
            are broken, or the page cannot be written.
    """
    target = pathlib.Path(out)
    parts = [_section(pathlib.Path(folder), target.parent) for folder in folders]
    text = (
        "<!doctype html>\n<html lang='en'><meta charset='utf-8'><title>tfpose</title>"
        f"<style>{_STYLE}</style>\n<h1>tfpose</h1>\n" + "\n".join(parts) + "\n</html>\n"
    )
    write_whole(target, lambda aside: aside.write_text(text, encoding="utf-8"))
    print(f"page: {target}", flush=True)


def _section(folder: pathlib.Path, base: pathlib.Path) -> str:
    heading = f"<h2>{html.escape(folder.name)}</h2>"
    if (folder / "summary.json").exists():
        try:
            return "\n".join([heading, *_run(folder, base)])
        except (ValueError, LookupError, TypeError, AttributeError, OSError) as error:
            raise InputError(
                f"{folder}: expected summary.json and metrics.jsonl as a finished run "
                f"leaves them, got {type(error).__name__}: {error}"
            ) from None
    pictures = sorted(folder.glob("*.png"))
    if not pictures:
        raise InputError(
            f"{folder}: holds neither summary.json of a finished run nor PNGs"
        )
    images = "".join(_image(picture, base) for picture in pictures)
    return f"{heading}\n<div class='row'>{images}</div>"


def _run(folder: pathlib.Path, base: pathlib.Path) -> list[str]:
    summary = json.loads((folder / "summary.json").read_text())
    rows = {"best epoch": summary["best_epoch"], **summary["metrics"]}
    cells = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{value:.4g}</td></tr>"
        for name, value in rows.items()
    )
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in summary["notes"])
    history = [
        json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()
    ]
    curves = folder / "figures" / "curves.png"
    _draw_curves(history, curves)
    pictures = [p for p in sorted((folder / "figures").glob("*.png")) if p != curves]
    images = [_image(picture, base) for picture in [*pictures, curves]]
    return [f"<table>{cells}</table>", f"<ul>{notes}</ul>" if notes else "", *images]


def _draw_curves(history: list[dict[str, float]], path: pathlib.Path) -> None:
    names = [name for name in history[0] if name.startswith("val_")]
    names = ["train_loss", *names]
    figure = matplotlib.figure.Figure((3 * len(names), 2.6), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(names), squeeze=False)[0]
    for axes, name in zip(panels, names, strict=True):
        epochs = [epoch["epoch"] for epoch in history]
        axes.plot(epochs, [epoch[name] for epoch in history], marker=".")
        axes.set_title(name.replace("_", " "), fontsize=9)
        axes.set_xlabel("epoch", fontsize=8)
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.3)
    write_whole(path, lambda aside: canvas.print_png(str(aside)))


def _image(picture: pathlib.Path, base: pathlib.Path) -> str:
    source = html.escape(os.path.relpath(picture, base))
    return f"<img src='{source}' alt='{html.escape(picture.stem)}'>"
