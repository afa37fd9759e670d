"""PoseAug: learned, differentiable augmentation of pairs of 2D and 3D poses.

Gong, Zhang and Feng, "PoseAug: A Differentiable Pose Augmentation Framework for 3D
Human Pose Estimation", CVPR 2021 (arXiv:2105.02465). Equations are those of the paper;
"the released code" is github.com/jfzhang95/PoseAug, which differs from the paper.
"""
