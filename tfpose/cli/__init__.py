"""The front door: `python -m tfpose predict`, `evaluate`, `keypoint_priors`."""
