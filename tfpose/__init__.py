"""Human pose estimation for TensorFlow and Keras 3.

Importing the package registers its layers and models, so that
`keras.saving.load_model` can read the `.keras` files it wrote.
"""

import os
import sys

# TensorFlow greets with lines on the processor's instructions, before any of ours.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# `python -m tfpose` comes through here on the way to its commands, which import what
# they need: without Keras, `--help` answers at once.
if sys.orig_argv[1:3] != ["-m", "tfpose"]:
    from tfpose.backbones import hrnet, resnet  # noqa: F401
    from tfpose.top_down import net  # noqa: F401

__version__ = "0.1.0"
__all__ = ["__version__"]
