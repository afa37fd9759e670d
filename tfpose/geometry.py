"""Geometry of bodies and cameras: limbs, rotations, projection, alignment.

Everything is in `keras.ops` on arrays of any leading axes `...`, compiles under XLA and
is differentiable, with finite gradients for a limb of length zero, a rotation by zero
and a joint in the camera's plane. Lengths are in metres, in the camera's frame: x
right, y down, z forward.

A tree of joints is given by `parents`, as in `tfpose.skeletons.Skeleton.parents`: the
parent's index of each joint, -1 for the root. Limb k belongs to the k-th joint that is
not the root and points from that joint's parent to it.

Intrinsics are nine numbers, fx fy cx cy k1 k2 k3 p1 p2. The first four are in pixels or
normalised like keypoints. The order is VideoPose3D's: p1 belongs to x and p2 to y, so
they are OpenCV's p2 and p1.
"""

from collections.abc import Sequence
from typing import Any

from keras import ops

__all__ = [
    "CAMERA_MODELS",
    "align",
    "centre_keypoints",
    "denormalize_keypoints",
    "keypoint_size",
    "kinematic_chain_space",
    "limb_directions",
    "limb_ends",
    "limb_lengths",
    "limb_vectors",
    "normalize_intrinsics",
    "normalize_keypoints",
    "positions_from_limbs",
    "project",
    "rotation_matrices",
    "similarity_transform",
]

CAMERA_MODELS = ("human36m", "opencv")

# Smallest divisor, metres: of bone lengths, and of distances to the camera's plane;
# and of sizes of people in an image, whose width is 2.
_SHORTEST = 1e-4

# Images with a larger ratio of height to width count as portrait. Human3.6M's 1000 x
# 1002 do not: published code divides its keypoints by the width.
_PORTRAIT = 1.01


def limb_ends(parents: Sequence[int]) -> list[int]:
    """The joint at the end of each limb: all but the root, in order."""
    return [joint for joint, parent in enumerate(parents) if parent >= 0]


def limb_vectors(positions: Any, parents: Sequence[int]) -> Any:
    """Child minus parent of every limb.

    Args:
        positions: `[..., J, 3]` (or any number of coordinates).
        parents: J indices, see the module's docstring.

    Returns:
        `[..., J - 1, 3]`, in the order of the children.
    """
    joints = ops.unstack(positions, axis=-2)
    return ops.stack([joints[j] - joints[parents[j]] for j in limb_ends(parents)], -2)


def positions_from_limbs(limbs: Any, root: Any, parents: Sequence[int]) -> Any:
    """The inverse of `limb_vectors`.

    Args:
        limbs: `[..., J - 1, 3]`.
        root: `[..., 3]`, position of the root.
        parents: J indices, see the module's docstring.

    Returns:
        `[..., J, 3]`.
    """
    vectors = dict(zip(limb_ends(parents), ops.unstack(limbs, axis=-2), strict=True))
    positions = {joint: root for joint, parent in enumerate(parents) if parent < 0}
    # Additions instead of a matrix product, which is less precise on a GPU.
    while len(positions) < len(parents):
        for joint, vector in vectors.items():
            if joint not in positions and parents[joint] in positions:
                positions[joint] = positions[parents[joint]] + vector
    return ops.stack([positions[joint] for joint in range(len(parents))], axis=-2)


def limb_lengths(limbs: Any) -> Any:
    """Lengths `[...]` of vectors `[..., 3]`; the gradient at length 0 is 0."""
    squares = ops.sum(ops.square(limbs), axis=-1)
    positive = squares > 0
    roots = ops.sqrt(ops.where(positive, squares, ops.ones_like(squares)))
    return ops.where(positive, roots, ops.zeros_like(squares))


def limb_directions(limbs: Any) -> Any:
    """Unit vectors `[..., 3]` along limbs; zero along a limb of length zero.

    Limbs below 0.1 mm are divided by 0.1 mm, which bounds the gradient.
    """
    lengths = ops.maximum(limb_lengths(limbs), _SHORTEST)
    return limbs / ops.expand_dims(lengths, -1)


def kinematic_chain_space(limbs: Any) -> Any:
    """Cosines of the angles between all limbs: B B^T of the unit vectors B.

    Args:
        limbs: `[..., L, 3]`.

    Returns:
        `[..., L, L]`, 1 on the diagonal.

    Reference: Wandt and Rosenhahn, "RepNet", CVPR 2019 (arXiv:1902.09868), with unit
    vectors as in PoseAug (arXiv:2105.02465).
    """
    directions = limb_directions(limbs)
    return ops.matmul(directions, ops.swapaxes(directions, -1, -2))


def rotation_matrices(axis_angle: Any) -> Any:
    """Rodrigues' formula.

    Args:
        axis_angle: `[..., 3]`, the axis times the angle in radians.

    Returns:
        `[..., 3, 3]` that rotate column vectors by the right-hand rule.
    """
    square = ops.sum(ops.square(axis_angle), axis=-1)
    small = square < 1e-2
    safe = ops.where(small, ops.ones_like(square), square)
    angle = ops.sqrt(safe)
    # sin(t) / t and (1 - cos(t)) / t^2, by their series where t is small.
    sine = ops.where(
        small, 1 - square / 6 * (1 - square / 20 * (1 - square / 42)), _sinc(angle)
    )
    cosine = ops.where(
        small,
        0.5 - square / 24 * (1 - square / 30 * (1 - square / 56)),
        0.5 * ops.square(_sinc(angle / 2)),
    )
    x, y, z = ops.unstack(axis_angle, axis=-1)
    zero = ops.zeros_like(x)
    cross = _matrix([[zero, -z, y], [z, zero, -x], [-y, x, zero]])
    squared = _matrix(
        [
            [-y * y - z * z, x * y, x * z],
            [x * y, -x * x - z * z, y * z],
            [x * z, y * z, -x * x - y * y],
        ]
    )
    unit = ops.eye(3, dtype=cross.dtype)
    return unit + sine[..., None, None] * cross + cosine[..., None, None] * squared


def _sinc(angle: Any) -> Any:
    return ops.sin(angle) / angle


def _matrix(rows: list[list[Any]]) -> Any:
    return ops.stack([ops.stack(row, axis=-1) for row in rows], axis=-2)


def project(
    positions: Any,
    intrinsics: Any,
    limit: float | None = None,
    camera_model: str = "human36m",
) -> Any:
    """Projects points with a camera that has radial and tangential distortion.

    With u = (X / Z, Y / Z), r^2 = |u|^2 and p = (p1, p2):

        u (1 + k1 r^2 + k2 r^4 + k3 r^6 + n p.u) + p r^2,  n = 1 or 2

    n = 1 is Human3.6M's model (it gives its 2D ground truth to 1e-4 pixels, n = 2 only
    to a fifth of a pixel), n = 2 is Brown's and OpenCV's.

    Args:
        positions: `[..., J, 3]`, metres, in the camera's frame. Points behind the
            camera are projected mirrored; where |Z| is below 0.1 mm, Z is taken as 0.1
            mm.
        intrinsics: `[..., 9]`, see the module's docstring.
        limit: X / Z and Y / Z are clipped to plus and minus this; the gradient is 0
            beyond. Distortion polynomials are not valid at large angles (45 degrees for
            1). PoseAug's and VideoPose3D's code have 1. None for no limit.
        camera_model: one of `CAMERA_MODELS`.

    Returns:
        `[..., J, 2]` in the units of f and c.

    Raises:
        ValueError: `camera_model` is unknown.
    """
    if camera_model not in CAMERA_MODELS:
        raise ValueError(f"camera_model {camera_model!r} is none of {CAMERA_MODELS}")
    depth = positions[..., 2:]
    near = ops.abs(depth) < _SHORTEST
    u = positions[..., :2] / ops.where(near, ops.full_like(depth, _SHORTEST), depth)
    if limit is not None:
        u = ops.clip(u, -limit, limit)
    camera = ops.expand_dims(intrinsics, -2)
    focal, centre = camera[..., :2], camera[..., 2:4]
    k1, k2, k3 = camera[..., 4:5], camera[..., 5:6], camera[..., 6:7]
    tangential = camera[..., 7:9]
    square = ops.sum(ops.square(u), axis=-1, keepdims=True)
    radial = 1 + square * (k1 + square * (k2 + square * k3))
    times = 1 if camera_model == "human36m" else 2
    tilt = times * ops.sum(tangential * u, axis=-1, keepdims=True)
    return focal * (u * (radial + tilt) + tangential * square) + centre


def _frame(image_size: Any, dtype: Any) -> tuple[Any, Any]:
    """(width, height) `[..., 2]` and the side `[..., 1]` that is 2 units long."""
    height, width = ops.unstack(ops.cast(image_size, dtype), axis=-1)
    side = ops.where(height > _PORTRAIT * width, height, width)
    return ops.stack([width, height], axis=-1), side[..., None]


def normalize_keypoints(keypoints: Any, image_size: Any) -> Any:
    """Pixels to the normalised keypoints of lifters: 2x / w - 1 and 2y / w - h / w.

    The image's centre becomes the origin and its width 2; the aspect ratio is kept. A
    portrait image is padded to a square about its centre, so that keypoints stay within
    -1..1.

    Args:
        keypoints: `[..., J, 2]`, float, pixels.
        image_size: `[..., 2]`, (height, width), pixels.

    Returns:
        `[..., J, 2]`.
    """
    keypoints = ops.convert_to_tensor(keypoints)
    size, side = _frame(image_size, keypoints.dtype)
    return (2 * keypoints - size[..., None, :]) / side[..., None, :]


def denormalize_keypoints(keypoints: Any, image_size: Any) -> Any:
    """The inverse of `normalize_keypoints`."""
    keypoints = ops.convert_to_tensor(keypoints)
    size, side = _frame(image_size, keypoints.dtype)
    return (keypoints * side[..., None, :] + size[..., None, :]) / 2


def keypoint_size(keypoints: Any, root: int) -> Any:
    """Root mean square distance of a person's keypoints from the root, `[..., 1, 1]`.

    At least 1e-4, a pixel's tenth, so that it can be divided by.

    Args:
        keypoints: `[..., J, 2]`, normalised.
        root: index of the root.
    """
    from_root = keypoints - _row(keypoints, root)
    squares = ops.sum(ops.square(from_root), axis=(-2, -1), keepdims=True)
    return ops.sqrt(ops.maximum(squares / keypoints.shape[-2], _SHORTEST**2))


def centre_keypoints(keypoints: Any, root: int) -> Any:
    """Keypoints relative to the root's and of size 1, see `keypoint_size`.

    Where a person is in the image, and how large, is lost.

    Args:
        keypoints: `[..., J, 2]`, any unit; those of a point become 0.
        root: index of the root.

    Returns:
        `[..., J, 2]`.
    """
    return (keypoints - _row(keypoints, root)) / keypoint_size(keypoints, root)


def _row(points: Any, row: int) -> Any:
    """One row `[..., 1, D]`; not a slice, whose gradient LiteRT does not have."""
    return ops.split(points, points.shape[-2], axis=-2)[row]


def normalize_intrinsics(intrinsics: Any, image_size: Any) -> Any:
    """Intrinsics `[..., 9]` in pixels to those that project to normalised keypoints.

    `image_size` is `[..., 2]`, (height, width), pixels.
    """
    intrinsics = ops.convert_to_tensor(intrinsics)
    size, side = _frame(image_size, intrinsics.dtype)
    return ops.concatenate(
        [
            2 * intrinsics[..., :2] / side,
            (2 * intrinsics[..., 2:4] - size) / side,
            intrinsics[..., 4:],
        ],
        axis=-1,
    )


def similarity_transform(source: Any, target: Any) -> tuple[Any, Any, Any]:
    """Scale, rotation and shift that align one body with another.

    Least squares over the joints, without reflections (Umeyama, PAMI 1991). Not for
    training: the gradients of a singular value decomposition are infinite where two
    singular values are equal.

    Args:
        source: `[..., J, 3]`.
        target: `[..., J, 3]`.

    Returns:
        scale `[...]`, rotation R `[..., 3, 3]` and shift `[..., 3]`, so that scale R x
        + shift is nearest to the target. If all joints of the source are at one point,
        the scale is 0.
    """
    source_middle = ops.mean(source, axis=-2, keepdims=True)
    target_middle = ops.mean(target, axis=-2, keepdims=True)
    x, y = source - source_middle, target - target_middle
    extent = ops.sum(ops.square(x), axis=(-2, -1))
    # Sums of products instead of a matrix product, which is less precise on a GPU.
    covariance = ops.sum(y[..., :, :, None] * x[..., :, None, :], axis=-3)
    left, values, right = ops.svd(covariance, full_matrices=False)
    sign = ops.sign(_determinants(left) * _determinants(right))
    signs = ops.stack([ops.ones_like(sign), ops.ones_like(sign), sign], axis=-1)
    rotation = _product(left * signs[..., None, :], right)
    known = extent > 0
    scale = ops.sum(values * signs, axis=-1) / ops.where(known, extent, 1)
    scale = ops.where(known, scale, ops.zeros_like(scale))
    rotated = ops.sum(rotation * source_middle, axis=-1)
    return scale, rotation, target_middle[..., 0, :] - scale[..., None] * rotated


def align(predicted: Any, target: Any) -> Any:
    """The predicted body, scaled, rotated and shifted to be nearest to the target.

    Args:
        predicted: `[..., J, 3]`.
        target: `[..., J, 3]`.

    Returns:
        `[..., J, 3]`.
    """
    scale, rotation, shift = similarity_transform(predicted, target)
    rotated = _product(predicted, ops.swapaxes(rotation, -1, -2))
    return scale[..., None, None] * rotated + shift[..., None, :]


def _product(a: Any, b: Any) -> Any:
    """Matrix product `[..., n, 3] x [..., 3, 3]` in full precision."""
    return ops.sum(a[..., :, :, None] * b[..., None, :, :], axis=-2)


def _determinants(matrices: Any) -> Any:
    """Determinants `[...]` of matrices `[..., 3, 3]`."""
    a, b, c = ops.unstack(matrices, axis=-2)
    return ops.sum(a * ops.cross(b, c), axis=-1)
