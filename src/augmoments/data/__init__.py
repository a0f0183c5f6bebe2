"""Images to start from: inside the installed packages, in files, in folders. Nothing is downloaded.

Images are float32 tensors ``(N, C, H, W)`` in [0, 1], labels int64 ``(N,)``. Sources that always
have labels return ``(images, labels)``; :func:`photo` returns images; files and folders of one's
own return a :class:`Dataset`, which unpacks as ``images, labels`` too. A :class:`Stream` has the
same images and reads them piece by piece, so that they need not fit into memory.
"""

from augmoments.data.archives import npz
from augmoments.data.dataset import Dataset, Skipped, resize
from augmoments.data.embedded import PHOTOS, digits, lfw, photo
from augmoments.data.folders import folder
from augmoments.data.idx import mnist
from augmoments.data.sources import load, stream
from augmoments.data.streams import Batch, Stream, one_hot

__all__ = [
    "PHOTOS",
    "Batch",
    "Dataset",
    "Skipped",
    "Stream",
    "digits",
    "folder",
    "lfw",
    "load",
    "mnist",
    "npz",
    "one_hot",
    "photo",
    "resize",
    "stream",
]
