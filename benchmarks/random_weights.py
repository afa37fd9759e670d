"""Random weights for PyTorch nets that are compared with ours."""

from collections.abc import Callable
from typing import Any

__all__ = ["disturb_norms", "randomise"]


def randomise(torch: Any, net: Any, fixed: tuple[str, ...] = ()) -> Any:
    """Random numbers for all parameters, of the size that keeps values' size.

    Args:
        torch: the package.
        net: a module.
        fixed: ends of the names of parameters of several axes that keep their numbers.

    Returns:
        The generator, for more of them.
    """
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in net.named_parameters():
            if tensor.ndim > 1 and not (fixed and name.endswith(fixed)):
                tensor.normal_(0, tensor[0].numel() ** -0.5, generator=generator)
            elif tensor.ndim == 1:
                low = 0.5 if name.endswith("weight") else -0.3
                tensor.uniform_(low, low + 0.8, generator=generator)
    return generator


def disturb_norms(
    torch: Any, net: Any, generator: Any, forward: Callable[[], Any]
) -> None:
    """Statistics of batch normalisation that are near a picture's, not equal to them.

    Args:
        torch: the package.
        net: a module.
        generator: of random numbers.
        forward: shows the net the picture.
    """
    norms = [m for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    with torch.no_grad():
        for norm in norms:
            norm.momentum = 1
            norm.train()
        forward()
        for norm in norms:
            norm.eval()
            mean, variance = norm.running_mean, norm.running_var
            noise = torch.randn(mean.shape, generator=generator)
            mean += 0.1 * noise * variance.sqrt()
            variance *= 0.7 + 0.6 * torch.rand(mean.shape, generator=generator)
