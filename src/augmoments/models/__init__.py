"""Models from files: torch.export programs and TorchScript, with nothing unpickled."""

from augmoments.models.loading import load_model

__all__ = ["load_model"]
