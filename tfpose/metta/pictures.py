"""What MeTTA's inpainting makes of pictures, to look at."""

import numpy as np
from keras import ops

from tfpose.drawing import draw_skeleton
from tfpose.drawing import grid as contact_sheet
from tfpose.metta.inpainting import fixed_masks
from tfpose.metta.net import MeTTANet
from tfpose.skeletons import Skeleton

__all__ = ["adaptation_sheet", "inpainting_sheet", "to_pixels"]

_TILE = 128
_SHARES = (0.3, 0.5, 0.7, 0.9)
_SHOWN_JOINT = 0.1
_POINT = np.array([255, 220, 0], np.uint8)


def inpainting_sheet(net: MeTTANet, images: np.ndarray) -> np.ndarray:
    """For each image: the self-supervised keypoints, and masks that grow (figure 2),
    each inpainted with and without what the keypoints tell (figure 3).

    Args:
        net: it is called, not changed.
        images: `[B, H, W, 3]`, pixels 0..255.

    Returns:
        uint8 `[height, width, 3]`.
    """
    pictures = net.picture(images)
    features = net.extractor(ops.cast(images, "float32"), training=False)
    points = net.points(net.self_head(ops.cast(features, "float32")))
    columns = [_with_points(to_pixels(pictures), ops.convert_to_numpy(points))]
    titles = ["keypoints"]
    for share in _SHARES:
        mask = fixed_masks(1, net.picture_size, share)
        appearance = net.appearance(pictures, mask)
        hidden = pictures * (1 - mask)
        columns.append(to_pixels(hidden))
        titles.append(f"masked {share:g}")
        for title, guided in (("inpainted", True), ("unguided", False)):
            found = net.inpaint(points, appearance, 1, guided)[:, 0]
            columns.append(to_pixels(hidden + found * mask))
            titles.append(title)
    tiles = [column[row] for row in range(len(images)) for column in columns]
    return contact_sheet(tiles, columns=len(columns), titles=titles * len(images))


def adaptation_sheet(
    images: np.ndarray, trace: dict[str, np.ndarray], skeleton: Skeleton
) -> np.ndarray:
    """For each image: self-supervised keypoints and joints, before and after
    adaptation.

    Args:
        images: `[B, H, W, 3]`, pixels 0..255.
        trace: of the images, see `MeTTAAdapter.trace`.
        skeleton: of the joints.

    Returns:
        uint8 `[height, width, 3]`.
    """
    columns, titles = [], []
    enlarged = to_pixels(images / 127.5 - 1)
    zoom = enlarged.shape[1] / images.shape[1]
    for title, step in (("", 0), (", adapted", -1)):
        columns.append(_with_points(enlarged.copy(), trace["points"][step]))
        found = (trace["keypoints"][step] + 0.5) * zoom - 0.5
        poses = np.concatenate([found, trace["scores"][step][..., None]], axis=-1)
        columns.append(
            np.stack(
                [
                    draw_skeleton(image, pose, skeleton, _SHOWN_JOINT)
                    for image, pose in zip(enlarged, poses, strict=True)
                ]
            )
        )
        titles += [f"keypoints{title}", f"pose{title}"]
    tiles = [column[row] for row in range(len(images)) for column in columns]
    return contact_sheet(tiles, columns=len(columns), titles=titles * len(images))


def to_pixels(pictures: np.ndarray) -> np.ndarray:
    """Pictures `[B, h, w, 3]` of -1 to 1 as uint8 pixels, enlarged without smoothing
    by a whole number.
    """
    values = ops.convert_to_numpy(pictures)
    values = np.clip(np.round((values + 1) * 127.5), 0, 255).astype(np.uint8)
    zoom = max(1, _TILE // max(values.shape[1:3]))
    return values.repeat(zoom, axis=1).repeat(zoom, axis=2)


def _with_points(pictures: np.ndarray, points: np.ndarray) -> np.ndarray:
    """A dot of 3 x 3 pixels at each point, -0.5 to 0.5 of the sides."""
    height, width = pictures.shape[1:3]
    places = np.round((points + 0.5) * [width, height] - 0.5).astype(int)
    places = np.clip(places, 1, [width - 2, height - 2])
    for picture, of_picture in zip(pictures, places, strict=True):
        for x, y in of_picture:
            picture[y - 1 : y + 2, x - 1 : x + 2] = _POINT
    return pictures
