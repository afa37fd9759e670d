"""Data sets for nets that have other joints."""

from dataclasses import replace

from data_pipelines.people import PoseDataset
from tfpose.errors import InputError
from tfpose.skeletons import Skeleton, convert_keypoints

__all__ = ["in_joints_of", "note_of_unlabelled"]


def in_joints_of(people: PoseDataset, skeleton: Skeleton, data_dir: str) -> PoseDataset:
    """People with a net's joints, found by name.

    Joints that the data set does not have are unlabelled, so no metric counts them; its
    other joints are left out.

    Args:
        people: of a data set.
        skeleton: the net's.
        data_dir: the data set's folder, for messages.

    Raises:
        InputError: they have no joint in common; names both.
    """
    if people.skeleton.joints == skeleton.joints:
        return people
    keypoints, missing = convert_keypoints(people.keypoints, people.skeleton, skeleton)
    if len(missing) == skeleton.num_joints:
        raise InputError(
            f"{data_dir}: has the joints of {people.skeleton.name}, expected some of "
            f"the model's, {skeleton.name}"
        )
    return replace(people, skeleton=skeleton, keypoints=keypoints)


def note_of_unlabelled(people: PoseDataset) -> list[str]:
    """A line that names the joints that nobody has a label of; none if all have."""
    names = [
        name
        for row, name in enumerate(people.skeleton.joints)
        if not (people.keypoints[:, row, 2] > 0).any()
    ]
    return [f"nobody has a label of {', '.join(names)}"] if names else []
