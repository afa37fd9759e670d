"""The lifter of Martinez et al., the "simple yet effective baseline"."""

import keras

from tfpose.lifters.layers import he_normal
from tfpose.lifters.perceptron import PerceptronLifter

__all__ = ["Martinez"]


@keras.saving.register_keras_serializable(package="tfpose")
class Martinez(PerceptronLifter):
    """Dense layers on all keypoints at once, with two residual blocks of 1024 units.

    As in PoseAug's code: no limit on the weights' norm, 16 joints, dropout 0.25 (the
    paper has 0.5), and the net does not predict the root. 4.29 M parameters for
    `h36m16`. Arguments are those of `PerceptronLifter`.

    Reference: Martinez et al., "A simple yet effective baseline for 3d human pose
    estimation", ICCV 2017 (arXiv:1705.03098).
    """

    method = "martinez"
    usual_blocks = 2
    initializer = staticmethod(he_normal)
