"""Which operators a `.tflite` model has, and which of them no delegate takes."""

import collections
import dataclasses

from ai_edge_litert.interpreter import Interpreter

from export.litert.file import with_first_signature

__all__ = ["GPU_OPERATORS", "Operators", "count_operators"]

GPU_OPERATORS = frozenset(
    "ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D EXP FULLY_CONNECTED "
    "LOGICAL_AND LOGISTIC LSTM MAX_POOL_2D MAXIMUM MINIMUM MUL PAD PRELU RELU RELU6 "
    "RESHAPE RESIZE_BILINEAR SOFTMAX STRIDED_SLICE SUB TRANSPOSE_CONV "
    "RESIZE_NEAREST_NEIGHBOR DEQUANTIZE".split()
)
"""What the GPU delegate takes by its documentation, ai.google.dev/edge/litert/
performance/gpu; and the last two, which its source (`gpu_compatibility.cc`) takes in
every shape. Newer ones take some of the others in some shapes."""

_DELEGATE = "DELEGATE"


@dataclasses.dataclass(frozen=True)
class Operators:
    """Operators of a signature and how XNNPACK, which runs by default, divides them.

    Attributes:
        kinds: number of each kind, the most frequent first.
        undelegated: of these, what XNNPACK leaves to plain kernels.
        parts: that XNNPACK takes the others in.
    """

    kinds: dict[str, int]
    undelegated: dict[str, int]
    parts: int

    @property
    def nodes(self) -> int:
        """How many operators there are."""
        return sum(self.kinds.values())

    @property
    def not_on_gpu(self) -> dict[str, int]:
        """Number of each kind that is none of `GPU_OPERATORS`."""
        return {
            kind: count
            for kind, count in self.kinds.items()
            if kind not in GPU_OPERATORS
        }


def count_operators(model: bytes, signature: str) -> Operators:
    """Counts the operators of one signature.

    Args:
        model: content of a `.tflite` file.
        signature: its name.
    """
    model = with_first_signature(model, signature)
    interpreter = Interpreter(model_content=model)
    interpreter.allocate_tensors()
    # The list has all operators, and behind them those that took some of their places.
    nodes = interpreter._get_ops_details()
    plain = [node for node in nodes if node["op_name"] != _DELEGATE]
    parts = [node for node in nodes if node["op_name"] == _DELEGATE]
    makers = {int(out): node for node in plain for out in node["outputs"]}
    taken = set()
    for part in parts:
        known = {int(tensor) for tensor in part["inputs"]}
        wanted = [int(tensor) for tensor in part["outputs"]]
        while wanted:
            tensor = wanted.pop()
            node = makers.get(tensor)
            if tensor in known or node is None or node["index"] in taken:
                continue
            taken.add(node["index"])
            wanted += [int(source) for source in node["inputs"]]
    left = [node["op_name"] for node in plain if node["index"] not in taken]
    names = [node["op_name"] for node in plain]
    return Operators(_counted(names), _counted(left), len(parts))


def _counted(names: list[str]) -> dict[str, int]:
    return dict(collections.Counter(names).most_common())
