"""Pictures of poses, boxes and heatmaps, drawn with OpenCV.

Images are uint8 RGB `[H, W, 3]` in and out; inputs are never changed. The person's left
side is orange, the right side blue, the middle green. Coordinates follow
`tfpose.codecs.heatmap`.
"""

import math
from collections.abc import Collection, Sequence

import cv2
import numpy as np

from tfpose.errors import InputError
from tfpose.skeletons import Skeleton

__all__ = [
    "SIDE_COLOURS",
    "colour_heatmap",
    "draw_box",
    "draw_numbers",
    "draw_pose",
    "draw_skeleton",
    "grid",
]

Colour = tuple[int, int, int]

SIDE_COLOURS: dict[str, Colour] = {
    "left": (255, 140, 40),
    "right": (60, 150, 255),
    "middle": (110, 220, 120),
}
_OUTLINE: Colour = (20, 20, 24)
_PAPER: Colour = (250, 250, 250)
_INK: Colour = (40, 40, 44)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
# OpenCV takes sub-pixel coordinates as integers of 1/16 pixel.
_SHIFT = 4
_FAR = 1e5


def draw_skeleton(
    image: np.ndarray,
    keypoints: np.ndarray,
    skeleton: Skeleton,
    threshold: float = 0.3,
    thickness: int | None = None,
    faint: float | None = None,
) -> np.ndarray:
    """Draws the limbs and joints of one person or of many.

    Args:
        image: uint8 `[H, W, 3]` RGB.
        keypoints: `[J, D]` or `[P, J, D]`; x and y in pixels, then, if D is 3, a
            score or a visibility. A joint is drawn if that is above `threshold` and
            its position is finite; a limb if both of its ends are.
        skeleton: joints and limbs.
        threshold: see above; without a third column every finite joint is drawn.
        thickness: of limbs, pixels; chosen from the size of the person and of
            the image if None.
        faint: joints above this, but not above `threshold`, are uncertain: they are
            drawn as rings, their limbs as thin lines. None leaves them out.

    Returns:
        uint8 `[H, W, 3]` RGB, a new array.

    Raises:
        InputError: the image or the keypoints have another shape or type.
    """
    canvas = _checked_image(image).copy()
    people = np.asarray(keypoints, np.float64)
    if people.ndim == 2:
        people = people[None]
    if people.ndim != 3 or people.shape[1] != skeleton.num_joints:
        raise InputError(
            f"keypoints have shape {np.shape(keypoints)}, expected "
            f"[{skeleton.num_joints}, 2 or 3] for skeleton {skeleton.name!r}"
        )
    if people.shape[2] not in (2, 3):
        raise InputError(f"keypoints have {people.shape[2]} columns, expected 2 or 3")
    for person in people:
        drawn = np.isfinite(person).all(axis=1)
        certain = drawn.copy()
        if person.shape[1] == 3:
            certain &= person[:, 2] > threshold
            drawn &= person[:, 2] > (threshold if faint is None else faint)
        if drawn.any():
            points = np.where(drawn[:, None], np.clip(person[:, :2], -_FAR, _FAR), 0.0)
            width = thickness or _limb_width(points[drawn], canvas.shape)
            _draw_person(canvas, points, drawn, certain, skeleton, width)
    return canvas


def draw_pose(
    image: np.ndarray,
    points: np.ndarray,
    skeleton: Skeleton,
    uncertain: Collection[str] = (),
) -> np.ndarray:
    """Draws one person of whom is known which joints are uncertain.

    Args:
        image: uint8 `[H, W, 3]` RGB.
        points: `[J, 2]`, pixels.
        skeleton: joints and limbs.
        uncertain: names of joints that are drawn as rings, with thin limbs.

    Returns:
        uint8 `[H, W, 3]` RGB, a new array.

    Raises:
        InputError: as of `draw_skeleton`.
    """
    scores = [0.0 if name in uncertain else 1.0 for name in skeleton.joints]
    pose = np.column_stack([points, scores])
    return draw_skeleton(image, pose, skeleton, threshold=0.5, faint=-1.0)


def draw_numbers(
    image: np.ndarray,
    poses: np.ndarray,
    numbers: Sequence[int],
    threshold: float = 0.3,
) -> np.ndarray:
    """Writes people's numbers above them.

    Args:
        image: uint8 `[H, W, 3]` RGB.
        poses: `[P, J, 3]`: x, y in pixels and score.
        numbers: of each person; 0 is not written.
        threshold: joints that score less do not count for the place.

    Returns:
        uint8 `[H, W, 3]` RGB, a new array.
    """
    canvas = _checked_image(image).copy()
    size = max(0.4, min(canvas.shape[:2]) / 600)
    thickness = max(1, round(2 * size))
    for pose, number in zip(poses, numbers, strict=True):
        found = np.isfinite(pose).all(axis=1) & (pose[:, 2] > threshold)
        if not number or not found.any():
            continue
        (width, height), _ = cv2.getTextSize(str(number), _FONT, size, thickness)
        low, high = pose[found, :2].min(axis=0), pose[found, :2].max(axis=0)
        x = (low[0] + high[0] - width) / 2
        y = low[1] - height
        x = int(np.clip(x, 0, max(canvas.shape[1] - width, 0)))
        y = int(np.clip(y, height + 2, max(canvas.shape[0], height + 2)))
        for colour, extra in ((_OUTLINE, 2 * thickness), (_PAPER, 0)):
            cv2.putText(
                canvas,
                str(number),
                (x, y),
                _FONT,
                size,
                colour,
                thickness + extra,
                cv2.LINE_AA,
            )
    return canvas


def _limb_width(points: np.ndarray, shape: tuple[int, ...]) -> int:
    """Width of limbs in pixels that suits a small person and a small image."""
    extent = float(np.ptp(points, axis=0).max())
    return max(1, round(min(extent / 50, math.hypot(*shape[:2]) / 160)))


def _draw_person(
    canvas: np.ndarray,
    points: np.ndarray,
    drawn: np.ndarray,
    certain: np.ndarray,
    skeleton: Skeleton,
    width: int,
) -> None:
    fixed = np.rint(points * 2**_SHIFT).astype(int).tolist()
    limbs = [limb for limb in skeleton.limbs if drawn[list(limb)].all()]
    uncertain = [limb for limb in limbs if not certain[list(limb)].all()]
    thin = max(1, width // 3)
    for first, second in uncertain:
        colour = _limb_colour(skeleton, first, second)
        cv2.line(canvas, fixed[first], fixed[second], colour, thin, cv2.LINE_AA, _SHIFT)
    # All outlines first, so that none is drawn over a limb.
    for extra in (2, 0):
        for first, second in (limb for limb in limbs if limb not in uncertain):
            colour = _OUTLINE if extra else _limb_colour(skeleton, first, second)
            ends = (fixed[first], fixed[second])
            cv2.line(canvas, *ends, colour, width + extra, cv2.LINE_AA, _SHIFT)
    radius = int((0.75 * width + 0.75) * 2**_SHIFT)
    for joint in np.flatnonzero(drawn):
        colour = SIDE_COLOURS[skeleton.side(int(joint))]
        strokes = [(radius + 2**_SHIFT, _OUTLINE, cv2.FILLED)]
        strokes.append((radius, colour, cv2.FILLED))
        if not certain[joint]:
            strokes = [(radius, colour, thin)]
        for size, paint, stroke in strokes:
            cv2.circle(canvas, fixed[joint], size, paint, stroke, cv2.LINE_AA, _SHIFT)


def draw_box(
    image: np.ndarray,
    box: Sequence[float],
    label: str = "",
    colour: Colour = (255, 220, 60),
    thickness: int | None = None,
) -> np.ndarray:
    """Draws a box; the outermost pixels drawn are the outermost pixels inside the box.

    Args:
        image: uint8 `[H, W, 3]` RGB.
        box: (x, y, w, h), pixels, x and y the left and the top edge.
        label: text in the box's upper left corner.
        colour: RGB, 0..255.
        thickness: pixels, inwards; chosen from the size of the image if None.

    Returns:
        uint8 `[H, W, 3]` RGB, a new array.

    Raises:
        InputError: the image has another shape or type, or the box is not finite.
    """
    canvas = _checked_image(image).copy()
    values = np.asarray(box, np.float64)
    if values.shape != (4,) or not np.isfinite(values).all():
        raise InputError(f"box is {box!r}, expected four finite numbers (x, y, w, h)")
    values = np.clip(values, -_FAR, _FAR)
    left, top = np.rint(values[:2]).astype(int).tolist()
    right, bottom = (np.rint(values[:2] + values[2:]).astype(int) - 1).tolist()
    size = thickness or max(1, round(math.hypot(*canvas.shape[:2]) / 300))
    for inset in range(size):
        if left + inset <= right - inset and top + inset <= bottom - inset:
            cv2.rectangle(
                canvas,
                (left + inset, top + inset),
                (right - inset, bottom - inset),
                colour,
            )
    if label:
        scale = max(0.35, math.hypot(*canvas.shape[:2]) / 1800)
        text = _plain(label)
        (width, height), base = cv2.getTextSize(text, _FONT, scale, 1)
        corner = (max(left, 0), max(top, 0))
        end = (corner[0] + width + 4, corner[1] + height + base + 2)
        cv2.rectangle(canvas, corner, end, colour, cv2.FILLED)
        at = (corner[0] + 2, corner[1] + height + 2)
        cv2.putText(canvas, text, at, _FONT, scale, _INK, 1, cv2.LINE_AA)
    return canvas


def colour_heatmap(
    heatmap: np.ndarray, image: np.ndarray, highest: float | None = None
) -> np.ndarray:
    """Draws a heatmap over its image, transparent where it is 0.

    Args:
        heatmap: `[h, w]`, or `[h, w, J]` of which the maximum over J is shown.
        image: uint8 `[H, W, 3]` RGB; the heatmap is resized to its size.
        highest: value of the strongest colour; the heatmap's maximum if None.

    Returns:
        uint8 `[H, W, 3]` RGB, a new array.

    Raises:
        InputError: the image or the heatmap has another shape or type.
    """
    picture = _checked_image(image)
    heat = np.asarray(heatmap, np.float32)
    if heat.ndim == 3 and heat.shape[2]:
        heat = heat.max(axis=2)
    if heat.ndim != 2 or not heat.size:
        raise InputError(
            f"heatmap has shape {np.shape(heatmap)}, expected [h, w] or [h, w, J]"
        )
    heat = np.nan_to_num(heat, posinf=0.0, neginf=0.0)
    top = float(heat.max()) if highest is None else highest
    heat = np.clip(heat / top, 0.0, 1.0) if top > 0 else np.zeros_like(heat)
    height, width = picture.shape[:2]
    heat = cv2.resize(heat, (width, height), interpolation=cv2.INTER_LINEAR)
    levels = np.rint(255 * heat).astype(np.uint8)
    colours = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[..., ::-1]
    # With the square root the whole peak is visible, not only its highest cells.
    opacity = 0.85 * np.sqrt(heat)[..., None]
    mixed = (1.0 - opacity) * picture + opacity * colours
    return np.rint(mixed).astype(np.uint8)


def grid(
    images: Sequence[np.ndarray],
    columns: int,
    titles: Sequence[str] | None = None,
    gap: int = 6,
) -> np.ndarray:
    """Arranges images row by row on a light background.

    Args:
        images: uint8 `[H, W, 3]` RGB each. All cells are as large as the largest image;
            smaller ones are enlarged to fit their cell and keep their aspect ratio.
        columns: images per row.
        titles: one line above each image; non-ASCII characters become "?".
        gap: pixels between cells.

    Returns:
        uint8 `[H, W, 3]` RGB.

    Raises:
        InputError: no image, no column, a bad image, or not one title per image.
    """
    if not len(images):
        raise InputError("grid has no image, expected at least one")
    if columns < 1:
        raise InputError(f"grid has {columns} columns, expected at least 1")
    if titles is not None and len(titles) != len(images):
        raise InputError(
            f"grid has {len(titles)} titles, expected {len(images)}, one per image"
        )
    pictures = [_checked_image(image) for image in images]
    height = max(picture.shape[0] for picture in pictures)
    width = max(picture.shape[1] for picture in pictures)
    strip = 0 if titles is None else max(16, round(0.09 * min(width, 300)))
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    sheet = np.full(
        (rows * (height + strip + gap) + gap, columns * (width + gap) + gap, 3),
        _PAPER,
        np.uint8,
    )
    for number, picture in enumerate(pictures):
        top = gap + (number // columns) * (height + strip + gap)
        left = gap + (number % columns) * (width + gap)
        if titles is not None:
            _write_title(sheet, titles[number], left, top, width, strip)
        fitted = _fit(picture, height, width)
        y = top + strip + (height - fitted.shape[0]) // 2
        x = left + (width - fitted.shape[1]) // 2
        sheet[y : y + fitted.shape[0], x : x + fitted.shape[1]] = fitted
    return sheet


def _checked_image(image: np.ndarray) -> np.ndarray:
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise InputError(
            f"image is {image.dtype} {image.shape}, expected uint8 [H, W, 3] RGB"
        )
    if not image.size:
        raise InputError(f"image is empty, its shape is {image.shape}")
    return np.ascontiguousarray(image)


def _limb_colour(skeleton: Skeleton, first: int, second: int) -> Colour:
    """The side's colour if the limb has joints of one side only."""
    sides = {skeleton.side(first), skeleton.side(second)} - {"middle"}
    return SIDE_COLOURS[sides.pop() if len(sides) == 1 else "middle"]


def _plain(text: str) -> str:
    """The text in ASCII, all that OpenCV's fonts have, with single spaces."""
    return " ".join(text.split()).encode("ascii", "replace").decode()


def _fit(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    scale = min(height / picture.shape[0], width / picture.shape[1])
    size = (
        min(width, max(1, round(picture.shape[1] * scale))),
        min(height, max(1, round(picture.shape[0] * scale))),
    )
    if size == picture.shape[1::-1]:
        return picture
    return cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)


def _write_title(
    sheet: np.ndarray, title: str, left: int, top: int, width: int, strip: int
) -> None:
    """Writes one line; text that is too long is shrunk, then cut with dots."""
    text = _plain(title)
    scale = strip / 42
    while scale > 0.3 and cv2.getTextSize(text, _FONT, scale, 1)[0][0] > width:
        scale *= 0.95
    length = len(text)
    while length and cv2.getTextSize(text, _FONT, scale, 1)[0][0] > width:
        length -= 1
        text = text[:length] + ".."
    at = (left + 1, top + round(0.72 * strip))
    cv2.putText(sheet, text, at, _FONT, scale, _INK, 1, cv2.LINE_AA)
