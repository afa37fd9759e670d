"""Image backbones: normalised pixels in, a feature map out."""
