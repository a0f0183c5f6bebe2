"""What is said of the transforms that are known and not supported."""

from __future__ import annotations

_SIZE = "its output's size is random"
_SEVERAL = "it turns an image into several"
_FIXED = "use Resize, RandomResizedCrop or RandomCrop, whose output has one size"
_CROP = "use CenterCrop or RandomCrop"
_BITS = "8-bit arithmetic rounds, which is not modelled"
_FLOAT = "leave it out and convert to torch.float32 with scale=True before all other steps"

REFUSALS: dict[str, tuple[str, str]] = {
    "FiveCrop": (_SEVERAL, _CROP),
    "JPEG": ("the compression rounds in 8 bits", "leave it out"),
    "Lambda": (
        "what its function does cannot be read from it",
        "put an augmentation of augmoments in its place, your own if need be",
    ),
    "RandomIoUCrop": ("it depends on bounding boxes", "use RandomResizedCrop"),
    "RandomResize": (_SIZE, _FIXED),
    "RandomShortestSize": (_SIZE, _FIXED),
    "RandomZoomOut": (_SIZE, "use RandomAffine with a scale below 1"),
    "ScaleJitter": (_SIZE, _FIXED),
    "TenCrop": (_SEVERAL, _CROP),
    "ToPILImage": (_BITS, _FLOAT),
    "UniformTemporalSubsample": ("it takes videos", "leave it out for images"),
}
"""Why, and what to do instead, by the transform's name."""
