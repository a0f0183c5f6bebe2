"""Images that are read piece by piece, so that only as many are in memory as are asked for.

A :class:`Stream` knows how many images there are and of which shape, and reads any range of them
in an order that never changes. It can be pickled, and opens its files where it is used.
"""

from augmoments.data.streams.base import Batch, Stream
from augmoments.data.streams.datasets import from_dataset
from augmoments.data.streams.folders import from_folder
from augmoments.data.streams.idx import from_idx
from augmoments.data.streams.memory import from_tensors
from augmoments.data.streams.npz import from_npz
from augmoments.data.streams.views import one_hot, resized
from augmoments.data.streams.zarr import from_zarr

__all__ = [
    "Batch",
    "Stream",
    "from_dataset",
    "from_folder",
    "from_idx",
    "from_npz",
    "from_tensors",
    "from_zarr",
    "one_hot",
    "resized",
]
