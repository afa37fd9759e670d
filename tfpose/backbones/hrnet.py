"""HRNet: parallel branches at strides 4 to 32 that exchange features repeatedly."""

from collections.abc import Sequence
from typing import Any

import keras

from tfpose.backbones.base import Backbone
from tfpose.backbones.blocks import Blocks, official_initializer

__all__ = ["HRNet"]


@keras.saving.register_keras_serializable(package="tfpose")
class HRNet(Backbone):
    """High-resolution network for pose, with the layers of the official code.

    Takes a normalised image `[B, H, W, C]` float and returns the highest-resolution
    map `[B, ceil(H / 4), ceil(W / 4), width]` at stride 4. Branch b (0 to 3) has
    `width * 2**b` channels at stride `4 * 2**b`. Sizes that 32 does not divide work:
    a coarser branch is resized to the finer one's size.

    Layer names start with their group (`stem`, `stage1`, `transition1`, `stage2`, ...)
    and count modules, branches and blocks from 0 as the official code does, e.g.
    `stage3_module2_branch1_block0_conv2`, `stage3_module2_fuse0_from1_conv`.

    Args:
        input_shape: sequence of int. (H, W, C), pixels, H and W at least 32. With both
            None the net takes any size of which 32 divides both sides.
        width: int. Channels of the stride-4 branch. Defaults to `32`.
        stem_filters: int. Channels of the stem, and the bottlenecks' inner channels
            in stage 1, which ends with `4 * stem_filters`. Defaults to `64`.
        stage_modules: up to three ints. Exchange modules in stages 2, 3 and 4. With
            fewer ints the net ends earlier; with none it ends after stage 1, with
            `4 * stem_filters` channels.
        blocks_per_branch: int. Basic blocks of a branch in a module.
        stage1_blocks: int. Bottlenecks of stage 1.
        kernel_initializer: Keras initialiser of every convolution. Defaults to the
            official N(0, 0.001).
        dtype: Keras dtype policy of the layers. Defaults to the global one.
        return_all: bool. Whether the last exchange computes all branches and the net
            returns them as `pyramid_outputs`, "P2" to "P5" with four stages. By default
            only the first is computed and returned, as top-down pose nets use it. The
            layers of the others are added and do not change the first branch.

    Reference: Sun et al., "Deep High-Resolution Representation Learning for Human
    Pose Estimation", CVPR 2019 (arXiv:1902.09212), and its official code.
    """

    stride = 4

    def __init__(
        self,
        input_shape: Sequence[int | None],
        width: int = 32,
        stem_filters: int = 64,
        stage_modules: Sequence[int] = (1, 4, 3),
        blocks_per_branch: int = 4,
        stage1_blocks: int = 4,
        kernel_initializer: Any = None,
        dtype: Any = None,
        return_all: bool = False,
        name: str = "hrnet",
        **kwargs: Any,
    ) -> None:
        initializer = keras.initializers.get(
            official_initializer() if kernel_initializer is None else kernel_initializer
        )
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        blocks = Blocks(initializer, policy)
        last_stage = len(stage_modules) + 1

        # === Functional model ===
        inputs = keras.Input(tuple(input_shape), name="image", dtype="float32")
        x = blocks.conv_norm(inputs, stem_filters, 3, 2, name="stem", index=1)
        x = blocks.conv_norm(x, stem_filters, 3, 2, name="stem", index=2)
        for i in range(stage1_blocks):
            x = blocks.bottleneck(x, stem_filters, name=f"stage1_block{i}")
        branches = [x]
        if stage_modules:
            branches = [
                blocks.conv_norm(x, width, 3, name="transition1_branch0"),
                blocks.conv_norm(x, 2 * width, 3, 2, name="transition1_branch1"),
            ]
        for stage, modules in enumerate(stage_modules, start=2):
            if stage > 2:
                branches.append(
                    blocks.conv_norm(
                        branches[-1],
                        width * 2 ** (stage - 1),
                        3,
                        2,
                        name=f"transition{stage - 1}_branch{stage - 1}",
                    )
                )
            for module in range(modules):
                module_name = f"stage{stage}_module{module}"
                last = stage == last_stage and module == modules - 1
                num_outputs = 1 if last and not return_all else stage
                branches = _exchange_module(
                    blocks, branches, blocks_per_branch, num_outputs, module_name
                )
        pyramid = {f"P{branch + 2}": x for branch, x in enumerate(branches)}
        super().__init__(inputs, pyramid, policy, name, return_all, **kwargs)

        # === Config ===
        self.width = width
        self.stem_filters = stem_filters
        self.stage_modules = tuple(stage_modules)
        self.blocks_per_branch = blocks_per_branch
        self.stage1_blocks = stage1_blocks
        self.kernel_initializer = initializer

    def layer_groups(self) -> dict[str, list[keras.layers.Layer]]:
        """The layers that can be frozen, by group, ordered from the input.

        A stage's group includes the transition after it (`stage1` has `transition1`).
        The last exchange of the last stage is in no group: like the head, it is always
        trained.
        """
        prefixes: dict[str, tuple[str, ...]] = {"stem": ("stem_",)}
        for stage in range(1, len(self.stage_modules) + 2):
            prefixes[f"stage{stage}"] = (f"stage{stage}_", f"transition{stage}_")
        modules = (1, *self.stage_modules)
        last_fuse = f"stage{len(modules)}_module{modules[-1] - 1}_fuse"
        return {
            group: [
                layer
                for layer in self.layers
                if layer.name.startswith(starts)
                and not layer.name.startswith(last_fuse)
            ]
            for group, starts in prefixes.items()
        }

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "width": self.width,
            "stem_filters": self.stem_filters,
            "stage_modules": list(self.stage_modules),
            "blocks_per_branch": self.blocks_per_branch,
            "stage1_blocks": self.stage1_blocks,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


def _exchange_module(
    blocks: Blocks, branches: list, num_blocks: int, num_outputs: int, name: str
) -> list:
    """Applies `num_blocks` basic blocks to every branch, then fuses the branches.

    Every output sums all branches. Output i takes branch j unchanged (j = i), through a
    1x1 convolution and nearest upsampling (j > i), or through i - j convolutions of
    stride 2 (j < i).
    """
    branches = list(branches)
    for b, x in enumerate(branches):
        for i in range(num_blocks):
            x = blocks.basic_block(x, x.shape[-1], name=f"{name}_branch{b}_block{i}")
        branches[b] = x
    outputs = []
    for i in range(num_outputs):
        target = branches[i]
        terms = []
        for j, x in enumerate(branches):
            prefix = f"{name}_fuse{i}_from{j}"
            if j > i:
                x = blocks.conv_norm(x, target.shape[-1], 1, name=prefix, relu=False)
                x = blocks.nearest(x, target, 2 ** (j - i), f"{prefix}_resize")
            for step in range(i - j):
                last = step == i - j - 1
                filters = target.shape[-1] if last else x.shape[-1]
                x = blocks.conv_norm(
                    x, filters, 3, 2, name=prefix, index=step, relu=not last
                )
            terms.append(x)
        fused = blocks.add(terms, f"{name}_fuse{i}_add")
        outputs.append(blocks.relu(fused, f"{name}_fuse{i}_relu"))
    return outputs
