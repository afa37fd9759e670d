"""What `python -m tfpose analyse_adaptation` finds out."""

__all__ = ["ANALYSES"]

ANALYSES = {
    "steps": "accuracy against gradient steps a sample",
    "rates": "accuracy against the learning rate",
    "limbs": "ratios of limb lengths",
    "datasets": "whether predictions look like the source's or the target's bodies",
    "parts": "accuracy of each part of the body",
    "noise": "accuracy with noise on the keypoints",
    "gradients": "whether a step goes where the true error falls",
    "time": "milliseconds a sample of each mode, and of many streams together",
}
"""Names and what they are; here, because they are listed without TensorFlow."""
