"""Top-down pose estimation: heatmap nets for one person in a box."""
