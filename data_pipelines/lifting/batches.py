"""Pose pairs for lifters, whole batches at a time."""

import numpy as np
import tensorflow as tf

from data_pipelines.batches import EpochPlans, epoch_rng, steps_per_epoch
from data_pipelines.lifting.poses import LiftingDataset
from tfpose.geometry import normalize_intrinsics, normalize_keypoints
from tfpose.metrics.mpjpe import PROTOCOLS, PositionScores, score_positions

__all__ = ["LiftingEvaluation", "LiftingTraining"]


def _columns(dataset: LiftingDataset) -> dict[str, np.ndarray]:
    """What lifters take and give, one row per pose.

    `keypoints` `[N, J, 2]` and `intrinsics` `[N, 9]` normalised, `positions`
    `[N, J, 3]` metres in the camera's frame; all float32.
    """
    sizes = dataset.image_sizes.astype(np.float32)
    cameras = np.asarray(normalize_intrinsics(dataset.intrinsics, sizes))
    keypoints = normalize_keypoints(dataset.keypoints, sizes[dataset.camera_index])
    return {
        "keypoints": np.asarray(keypoints),
        "positions": dataset.positions,
        "intrinsics": cameras[dataset.camera_index],
    }


def _signature(columns: dict[str, np.ndarray]) -> dict[str, tf.TensorSpec]:
    return {
        name: tf.TensorSpec(column.shape[1:], tf.float32)
        for name, column in columns.items()
    }


class LiftingTraining:
    """An endless stream of training pairs, in another order in every epoch.

    With `with_real`, each pair comes with the position and the camera of another one,
    `real_positions` and `real_intrinsics`, in an order of its own: what
    discriminators see as real.
    """

    def __init__(
        self,
        dataset: LiftingDataset,
        batch_size: int,
        seed: int,
        with_real: bool = False,
    ):
        """
        Args:
            dataset: the pairs.
            batch_size: global batch size.
            seed: decides the orders.
            with_real: see above.

        Raises:
            InputError: there are fewer pairs than a batch has.
        """
        self._columns = _columns(dataset)
        self.steps_per_epoch = steps_per_epoch(len(dataset), batch_size)
        self._per_epoch = self.steps_per_epoch * batch_size
        # The names decide the random orders.
        streams = ["order", "judged"] if with_real else ["order"]
        self._orders = EpochPlans(
            lambda epoch: [
                epoch_rng(seed, stream, epoch).permutation(len(dataset))
                for stream in streams
            ]
        )
        self._with_real = with_real
        columns = dict(self._columns)
        if with_real:
            columns |= {
                f"real_{name}": columns[name] for name in ("positions", "intrinsics")
            }
        self.signature = _signature(columns)

    def many(self, positions: np.ndarray) -> dict[str, np.ndarray]:
        """The pairs at these places of the stream."""
        rows = self._rows(positions)
        batch = {name: column[rows[0]] for name, column in self._columns.items()}
        if self._with_real:
            for name in ("positions", "intrinsics"):
                batch[f"real_{name}"] = self._columns[name][rows[1]]
        return batch

    def sample_id(self, position: int) -> str:
        """Which pair is at a place of the stream, for messages."""
        return f"pose {self._rows(np.array([position]))[0, 0]}"

    def _rows(self, positions: np.ndarray) -> np.ndarray:
        """Rows of the pairs, and of those seen as real, `[1 or 2, n]`."""
        epochs, places = np.divmod(positions, self._per_epoch)
        rows = np.empty((1 + self._with_real, len(positions)), np.int64)
        for epoch in np.unique(epochs):
            here = epochs == epoch
            for stream, order in enumerate(self._orders[int(epoch)]):
                rows[stream, here] = order[places[here]]
        return rows


class LiftingEvaluation:
    """Pairs in their order; scores what is found for them.

    Attributes:
        poses: `LiftingDataset` of N poses.
    """

    def __init__(self, poses: LiftingDataset) -> None:
        self.poses = poses
        self._columns = _columns(poses)
        self.signature = _signature(self._columns)

    def __len__(self) -> int:
        return len(self.poses)

    @property
    def keypoints(self) -> np.ndarray:
        """Float32 `[N, J, 2]`, normalised: what lifters take, of all poses."""
        return self._columns["keypoints"]

    def many(self, positions: np.ndarray) -> dict[str, np.ndarray]:
        """The pairs in these rows."""
        return {name: column[positions] for name, column in self._columns.items()}

    def scores(self, positions: np.ndarray, flip: bool) -> dict[str, PositionScores]:
        """Errors of predictions for all poses, by protocol.

        Args:
            positions: `[N, J, 3]`, metres, in the camera's frame.
            flip: whether they are means with those of the mirrored poses, to be
                reported.

        Raises:
            InputError: another shape, or a number that is not finite.
        """
        poses = self.poses
        return {
            protocol: score_positions(
                positions,
                poses.positions,
                poses.skeleton,
                protocol=protocol,
                keypoint_source=poses.keypoint_source,
                flip=flip,
                actions=poses.actions,
                action_index=poses.action_index,
            )
            for protocol in PROTOCOLS
        }
