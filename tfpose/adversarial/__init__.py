"""What adversarial methods share: layers and losses of discriminators, fake pools."""

__all__ = []
