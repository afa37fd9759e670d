"""Human pose estimation for TensorFlow and Keras 3.

Importing the package registers its layers and models, so that
`keras.saving.load_model` can read the `.keras` files it wrote.
"""

from tfpose.backbones import hrnet, resnet
from tfpose.top_down import net

__version__ = "0.1.0"
__all__ = ["__version__", "hrnet", "net", "resnet"]
