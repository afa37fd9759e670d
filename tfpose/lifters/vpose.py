"""The lifter VPose: VideoPose3D for a single frame."""

import keras

from tfpose.lifters.perceptron import PerceptronLifter

__all__ = ["VPose"]


@keras.saving.register_keras_serializable(package="tfpose")
class VPose(PerceptronLifter):
    """VideoPose3D with convolutions over one frame, which are dense layers.

    Four residual blocks of 1024 units, dropout 0.25, no bias before batch
    normalisation. The net does not predict the root. 8.49 M parameters for `h36m16`.
    Arguments are those of `PerceptronLifter`.

    Reference: Pavllo et al., "3D human pose estimation in video with temporal
    convolutions and semi-supervised training", CVPR 2019 (arXiv:1811.11742).
    """

    method = "vpose"
    use_bias = False
