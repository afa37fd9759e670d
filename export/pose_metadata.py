"""What the users of an exported pose net must know, however it is exported."""

from typing import Any

from tfpose.top_down.predictor import TopDownPredictor

__all__ = ["pose_metadata"]

# Of the net's info, what is told under names of its own.
_TOLD = ("skeleton", "sigma", "decoder", "alignment", "flip_shift", "task")


def pose_metadata(
    estimator: TopDownPredictor, inputs: dict[str, str], outputs: dict[str, str]
) -> dict[str, Any]:
    """Skeleton, sizes, normalisation, decoding and training, for JSON.

    Args:
        estimator: what is exported.
        inputs: types, shapes and units by name, in words.
        outputs: the same.
    """
    net = estimator.net
    return {
        "task": "top_down_pose",
        "skeleton": estimator.skeleton.to_dict(),
        "net_input_size": list(net.input_size),
        "inputs": inputs,
        "outputs": outputs,
        "normalisation": {
            "where": "inside the model",
            "mean": list(net.image_mean),
            "std": list(net.image_std),
            "of": "pixels / 255",
        },
        "decoder": estimator.decoder,
        "alignment": estimator.alignment,
        "flip_test": estimator.flip_test,
        "training": {k: v for k, v in net.info.items() if k not in _TOLD},
    }
