"""Motion capture: clips of joint angles to 3D poses before sampled cameras."""
