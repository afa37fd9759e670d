"""People whom a net finds, drawn on photos that are chosen at random."""

import pathlib

import numpy as np

from benchmarks.tiles import tile
from data_pipelines.people import PoseDataset
from tfpose.drawing import draw_skeleton
from tfpose.drawing import grid as contact_sheet
from tfpose.files import write_picture
from tfpose.predictors import Predictor

__all__ = ["draw_photos"]

_TILE, _COLUMNS = 240, 6


def draw_photos(
    path: pathlib.Path, predictor: Predictor, people: PoseDataset, shown: int
) -> None:
    """Draws what is found on photos chosen at random, not by how well it is found.

    Args:
        path: the picture.
        predictor: finds people by itself.
        people: in whose photos.
        shown: number of photos.
    """
    rows = np.random.default_rng(0).permutation(len(people.image_ids))[:shown]
    tiles = []
    for row in rows.tolist():
        photo = people.picture(row)
        found = predictor.predict(photo).above(predictor.person_threshold)
        drawn = draw_skeleton(
            photo, found.poses, predictor.skeleton, threshold=predictor.score_threshold
        )
        tiles.append(tile(drawn, _TILE))
    write_picture(path, contact_sheet(tiles, columns=_COLUMNS))
