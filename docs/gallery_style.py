"""How figures of the gallery are drawn."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import torch


def reset(configuration: dict[str, Any], script: str) -> None:
    """Before each script: plain, with colours that the colour-blind can tell apart."""
    plt.rcdefaults()
    plt.style.use("tableau-colorblind10")
    plt.rcParams.update(
        {
            "axes.spines.top": False,
            "axes.spines.right": False,
            "figure.constrained_layout.h_pad": 0.1,
            "figure.constrained_layout.w_pad": 0.1,
        }
    )
    torch.manual_seed(0)
