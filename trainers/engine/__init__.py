"""What runs a method: flags, work folder, checkpoints, strategies, the loop."""
