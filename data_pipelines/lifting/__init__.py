"""3D poses with the 2D keypoints and cameras they were seen by, for lifters."""
