"""ISO's lifter: that of Martinez et al., deeper and with leaky ReLU."""

import keras

from tfpose.lifters.perceptron import PerceptronLifter

__all__ = ["ISOLifter"]


@keras.saving.register_keras_serializable(package="tfpose")
class ISOLifter(PerceptronLifter):
    """Dense layers on all keypoints at once, with four residual blocks of 1024 units.

    As the paper's network details have it: a dense layer and three blocks that two
    heads share, and a head of one block and a dense layer; dropout 0.5. Leaky ReLU with
    slope 0.01 below 0 and the initial weights are PyTorch's defaults; the paper does
    not say. 8.50 M parameters for `h36m16`. Arguments are those of `PerceptronLifter`.

    Reference: Zhang, Nie and Feng, "Inference Stage Optimization for Cross-scenario 3D
    Human Pose Estimation", NeurIPS 2020, section 3.3.
    """

    method = "iso"
    usual_dropout = 0.5
    slope = 0.01
