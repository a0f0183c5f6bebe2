"""Let torchvision, whose compiled part wants CUDA, be imported beside a CPU build of torch."""

import torch

try:
    import torchvision  # noqa: F401
except RuntimeError:
    KEPT_ALIVE = torch.library.Library("torchvision", "DEF")
    KEPT_ALIVE.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    KEPT_ALIVE.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
