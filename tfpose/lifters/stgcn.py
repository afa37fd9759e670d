"""The lifter ST-GCN for a single frame: graph convolutions on joints and body parts."""

import dataclasses
from typing import Any

import keras

from tfpose.lifters.graphs import (
    PARTS,
    body_parts,
    find_neighbours,
    hop_distances,
    partition,
)
from tfpose.lifters.layers import (
    Blocks,
    MaxJoints,
    MeanJoints,
    PartitionedGraphConv,
    SelfAttention,
    SubtractRoot,
)
from tfpose.lifters.net import LiftingNet
from tfpose.skeletons import Skeleton

__all__ = ["STGCN"]

# Multiples of the first layer's channels: for joints, for parts, and after the parts.
_JOINT_FACTORS = (1, 1, 2)
_PART_FACTOR = 4
_UP_FACTOR = 2

# The authors' dropout rates: in graph convolutions, after pooling over the whole body,
# before unpooling to joints, and before the last layer.
_GRAPH, _BODY, _UP, _LAST = 0.05, 0.25, 0.1, 0.1

# Epsilon of the first normalisation; the original code probably meant it as momentum.
_INPUT_EPSILON = 0.1


@keras.saving.register_keras_serializable(package="tfpose")
class STGCN(LiftingNet):
    """Graph convolutions on joints and on body parts, then a non-local layer on both.

    The body has five parts. Neighbours along limbs and mirror joints have separate
    weights by kind: the joint itself, farther from the centre of the body (its spine,
    otherwise its root), nearer, and mirrored. Where a limb joins thorax and head_top
    directly, as in `h36m16`, the joint between them is added as their mean and removed
    at the end. The root's position is subtracted, as the authors do in evaluation.
    3.63 M parameters for `h36m16`.

    Args:
        skeleton: skeleton of the keypoints and positions; its joints' names must
            include arms, legs and a trunk.
        dropout: dropout rate of every layer. Defaults to the authors' 0.05 to 0.25.
        info: dict. Stored in the `.keras` file as JSON.
        dtype: Keras dtype policy. Defaults to the global one; the last layer always
            computes in float32.
        channels: int. Channels per joint in the first two of the three joint layers.
        centred: bool. See `LiftingNet`.

    Raises:
        InputError: the skeleton lacks an arm, a leg or the trunk, `dropout` is not in
            [0, 1) or `info` is not JSON.

    Reference: Cai et al., "Exploiting Spatial-temporal Relationships for 3D Pose
    Estimation via Graph Convolutional Networks", ICCV 2019, as in PoseAug's code.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        dropout: float | None = None,
        info: dict[str, Any] | None = None,
        dtype: Any = None,
        channels: int = 128,
        centred: bool = False,
        name: str = "stgcn",
        **kwargs: Any,
    ) -> None:
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        blocks = _GraphBlocks(policy, dropout)
        full, rows = _with_head(skeleton)
        joints = full.num_joints
        parts = body_parts(full)
        part_of = {joint: [i] for i, part in enumerate(parts) for joint in part}
        joint_adjacency, part_adjacency = _joint_adjacency(full), _part_adjacency()

        # === Functional model ===
        inputs, x = blocks.keypoints(skeleton.num_joints, skeleton.root, centred)
        x = MeanJoints(rows, name="joints", dtype="float32")(x)
        x = blocks.reshape(x, (2 * joints,), "flatten")
        x = blocks.norm(x, "input_norm", epsilon=_INPUT_EPSILON, dtype="float32")
        x = blocks.reshape(x, (joints, 2), "normalised")
        for i, factor in enumerate(_JOINT_FACTORS):
            first = i == 0
            x = blocks.graph_block(
                x, factor * channels, joint_adjacency, f"joints{i}", first
            )

        y = MaxJoints(parts, name="pool_parts", dtype=policy)(x)
        for i in range(2):
            y = blocks.graph_block(
                y, _PART_FACTOR * channels, part_adjacency, f"parts{i}"
            )
        whole = MaxJoints([range(len(parts))], name="pool_body", dtype=policy)(y)
        whole = blocks.layer(whole, _PART_FACTOR * channels, _BODY, "body")
        repeated = [[0]] * len(parts)
        whole = MeanJoints(repeated, name="body_to_parts", dtype=policy)(whole)
        y = blocks.join([whole, y], "body_and_parts")
        y = blocks.layer(y, _UP_FACTOR * channels, _UP, "up")
        of_joints = [part_of[joint] for joint in range(joints)]
        y = MeanJoints(of_joints, name="parts_to_joints", dtype=policy)(y)

        x = blocks.non_local(blocks.join([x, y], "joints_and_parts"))
        x = blocks.drop(x, blocks.rate(_LAST), "head_dropout")
        x = blocks.dense(x, 3, "head", dtype="float32")
        original = [[rows.index([j])] for j in range(skeleton.num_joints)]
        x = MeanJoints(original, name="positions", dtype="float32")(x)
        outputs = SubtractRoot(skeleton.root, name="root", dtype="float32")(x)
        super().__init__(
            inputs, outputs, skeleton, dropout, info, policy, name, centred, **kwargs
        )

        # === Config ===
        self.channels = channels

    @property
    def last_shared_layer(self) -> str:
        return "joints_and_parts"

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "channels": self.channels}


@dataclasses.dataclass(frozen=True)
class _GraphBlocks(Blocks):
    dropout: float | None

    def rate(self, default: float) -> float:
        return default if self.dropout is None else self.dropout

    def join(self, tensors: list[Any], name: str) -> Any:
        return keras.layers.Concatenate(name=name, dtype=self.dtype)(tensors)

    def layer(self, x: Any, units: int, rate: float, name: str) -> Any:
        x = self.norm(self.dense(x, units, f"{name}_dense"), f"{name}_norm")
        return self.drop(
            self.relu(x, f"{name}_relu"), self.rate(rate), f"{name}_dropout"
        )

    def graph_block(
        self, x: Any, channels: int, adjacency: Any, name: str, first: bool = False
    ) -> Any:
        """A graph convolution and a dense layer with a residual connection.

        The first block takes keypoints, so its convolution is in float32; it has no
        residual connection.
        """
        rate = self.rate(_GRAPH)
        dtype = "float32" if first else None
        y = self.dense(x, len(adjacency) * channels, f"{name}_conv", dtype=dtype)
        y = PartitionedGraphConv(adjacency, name=f"{name}_sum", dtype=self.dtype)(y)
        y = self.relu(self.norm(y, f"{name}_norm1"), f"{name}_relu1")
        y = self.drop(y, rate, f"{name}_dropout1")
        y = self.norm(self.dense(y, channels, f"{name}_dense"), f"{name}_norm2")
        y = self.drop(y, rate, f"{name}_dropout2")
        if not first:
            if x.shape[-1] != channels:
                x = self.dense(x, channels, f"{name}_projection_dense")
                x = self.norm(x, f"{name}_projection_norm")
            y = self.add([y, x], f"{name}_add")
        return self.relu(y, f"{name}_relu2")

    def non_local(self, x: Any) -> Any:
        """Attention over all joints with a residual connection; initially identity."""
        channels = x.shape[-1]
        queries = self.dense(x, channels // 2, "attention_queries")
        keys = self.dense(x, channels // 2, "attention_keys")
        values = self.dense(x, channels // 2, "attention_values")
        y = SelfAttention(name="attention", dtype=self.dtype)(queries, keys, values)
        y = self.dense(y, channels, "attention_dense")
        y = self.norm(y, "attention_norm", gamma="zeros")
        return self.add([y, x], "attention_add")


def _with_head(skeleton: Skeleton) -> tuple[Skeleton, list[list[int]]]:
    """The skeleton with Human3.6M's head, and for each joint the joints to average."""
    rows = [[joint] for joint in range(skeleton.num_joints)]
    limbs = [tuple(skeleton.joints[end] for end in limb) for limb in skeleton.limbs]
    neck = next((limb for limb in limbs if {*limb} == {"thorax", "head_top"}), None)
    if neck is None or "head" in skeleton.joints:
        return skeleton, rows
    top = skeleton.index("head_top")
    joints = [*skeleton.joints[:top], "head", *skeleton.joints[top:]]
    rows.insert(top, [skeleton.index("thorax"), top])
    limbs.remove(neck)
    limbs += [("thorax", "head"), ("head", "head_top")]
    fields = {"name": skeleton.name, "joints": joints, "limbs": limbs}
    fields["mirrored"] = skeleton.to_dict()["mirrored"]
    return Skeleton.from_dict(fields), rows


def _joint_adjacency(skeleton: Skeleton) -> Any:
    names = skeleton.joints
    middle = names.index("spine") if "spine" in names else skeleton.root
    neighbours = find_neighbours(skeleton.num_joints, skeleton.limbs)
    distances = hop_distances(neighbours, middle)
    return partition(skeleton.limbs, skeleton.flip_pairs, distances)


def _part_adjacency() -> Any:
    """Adjacency of the parts: arms and legs join the trunk and their mirror part."""
    trunk = PARTS.index("trunk")
    limbs = [(part, trunk) for part in range(len(PARTS)) if part != trunk]
    distances = hop_distances(find_neighbours(len(PARTS), limbs), trunk)
    return partition(limbs, [(0, 1), (2, 3)], distances)
