"""Every photo of a data set, whole in the net's input, and scores of what is found."""

import numpy as np
import tensorflow as tf

from data_pipelines.decoded import DecodedImages
from data_pipelines.multi_person import BOX_AREA_FACTOR, photo_middle
from data_pipelines.people import PoseDataset
from data_pipelines.top_down import labelled_people, pose_truth
from tfpose.errors import InputError
from tfpose.metrics.oks import PosePredictions, oks_average_precision
from tfpose.top_down.crop import invert_matrices, region_matrices, transform_points

__all__ = ["WholePhotos"]

_AP = ("AP", "AP50", "AP75")


class WholePhotos:
    """Sampler of every photo in order, upright, with black bars where it is narrower.

    Sample: `image` uint8 `[H, W, 3]`.

    Attributes:
        people: of I photos.
        matrices: float64 `[I, 2, 3]`, from photo to input pixels.
    """

    def __init__(
        self,
        people: PoseDataset,
        input_size: tuple[int, int],
        budget_megabytes: float = 0.0,
    ):
        """
        Args:
            people: all people of a data set.
            input_size: (height, width) of the net's input, pixels.
            budget_megabytes: memory for decoded photos.

        Raises:
            InputError: nobody has a labelled joint, or joints have no OKS sigmas.
        """
        labelled_people(people)
        if people.skeleton.sigmas is None:
            raise InputError(
                f"{people.name}: skeleton {people.skeleton.name!r} has no OKS sigmas, "
                "by which found people are compared with labelled ones"
            )
        self.people, self._input_size = people, input_size
        self._images = DecodedImages(people, budget_megabytes)
        height, width = input_size
        count = len(people.image_ids)
        middles = np.array(
            [photo_middle(people, row, "half_pixel") for row in range(count)]
        )
        sides = people.image_sizes.astype(np.float64)
        across = np.maximum(sides[:, 1], sides[:, 0] * width / height)
        sizes = np.stack([across, across * height / width], axis=-1)
        self.matrices = region_matrices(middles, sizes, input_size)
        self.signature = {"image": tf.TensorSpec((*input_size, 3), tf.uint8)}

    def __len__(self) -> int:
        return len(self.matrices)

    def __call__(self, position: int) -> dict[str, np.ndarray]:
        matrix = self.matrices[position]
        return {"image": self._images.crop(position, matrix, self._input_size)}

    def in_input(self, position: int) -> np.ndarray:
        """`[N, J, 3]`: labelled people of a photo, x and y in input pixels."""
        keypoints = self.people.keypoints[self.people.people_of(position)]
        keypoints = keypoints.astype(np.float64)
        points = transform_points(self.matrices[position], keypoints[..., :2])
        return np.concatenate([points, keypoints[..., 2:]], axis=-1)

    def scores(
        self, poses: np.ndarray, person_scores: np.ndarray
    ) -> tuple[dict[str, float], list[str]]:
        """OKS AP of people found in all photos.

        Args:
            poses: `[I, S, J, 3]`: x and y in input pixels, and the joint's score.
            person_scores: `[I, S]`; a slot with 0 or less is empty.

        Returns:
            `ap`, `ap50` and `ap75` in 0..1, and notes on what they rest on.
        """
        points = transform_points(
            invert_matrices(self.matrices)[:, None], poses[..., :2]
        )
        predictions = PosePredictions.of_slots(
            self.people.image_ids, points, poses[..., 2], person_scores
        )
        result = oks_average_precision(
            pose_truth(self.people),
            predictions,
            self.people.skeleton,
            image_ids=self.people.image_ids,
            box_area_factor=BOX_AREA_FACTOR,
        )
        notes = [
            "boxes: none; photos whole, by their longer side, without flip test",
            f"ap: sigmas {result['sigmas_source']}; areas {result['area_source']}",
        ]
        return {name.lower(): result[name] for name in _AP}, notes + result["notes"]
