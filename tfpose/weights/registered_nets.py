"""Imports every net, so that `keras.saving.load_model` can read their files."""

import tfpose.backbones.efficientnet_lite
import tfpose.backbones.hrnet
import tfpose.backbones.pixels
import tfpose.backbones.resnet
import tfpose.iso.net
import tfpose.lifters.build
import tfpose.logocap.dekr
import tfpose.logocap.net
import tfpose.logocap.pose_scorer
import tfpose.metta.net
import tfpose.poseaug.augmentor
import tfpose.top_down.net  # noqa: F401

__all__ = []
