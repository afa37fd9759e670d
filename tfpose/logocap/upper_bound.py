"""How good poses could be if each joint were at the best place of its local map."""

import numpy as np

__all__ = ["best_poses"]


def best_poses(
    expansion: np.ndarray,
    keypoints: np.ndarray,
    areas: np.ndarray,
    sigmas: np.ndarray,
    whole: bool,
) -> np.ndarray:
    """The pose in each local map that is most like a person.

    A pose's person is the one to whom the sum of similarities, over places and joints,
    is greatest, however bad the match is. Labels are needed for it: it tells what
    adaptation can reach at most (supplement, section 2).

    Args:
        expansion: `[S, k, k, J, 2]` (x, y), pixels of the picture, as `expand_poses`.
        keypoints: `[P, J, 3]`, the people's, pixels of the picture; a joint of
            visibility 0 is like no place.
        areas: `[P]`, square pixels.
        sigmas: `[J]`, the skeleton's for OKS.
        whole: whether all joints of a pose are moved to the same place of their maps;
            else each joint to its own best one.

    Returns:
        `[S, J, 2]`; without people, the middles of the maps.
    """
    slots, side, _, joints, _ = expansion.shape
    middle = expansion[:, side // 2, side // 2]
    if not len(keypoints):
        return middle
    places = expansion.reshape(slots, side * side, 1, joints, 2)
    apart = np.square(places - keypoints[:, :, :2]).sum(axis=-1)
    spread = 2 * np.square(2 * sigmas) * np.maximum(areas[:, None], 1e-6)
    similarity = np.exp(-apart / spread) * (keypoints[:, :, 2] > 0)
    person = similarity.sum(axis=(1, 3)).argmax(axis=1)
    own = similarity[np.arange(slots), :, person]
    if whole:
        best = np.repeat(own.sum(axis=2).argmax(axis=1)[:, None], joints, axis=1)
    else:
        best = own.argmax(axis=1)
        # A joint that is not labelled stays where it is.
        best = np.where(own.max(axis=1) > 0, best, side * side // 2)
    rows = np.arange(slots)[:, None], best, np.arange(joints)
    return places[:, :, 0][rows]
