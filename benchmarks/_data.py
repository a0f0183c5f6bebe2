"""Where the benchmarks find MNIST."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def mnist_folder() -> Path:
    """The folder of the four IDX files: the first argument, or AUGMOMENTS_DATA/mnist.

    Ends the program, without an error, where there is none.
    """
    folder = Path(os.environ.get("AUGMOMENTS_DATA", "../shared/data")) / "mnist"
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else folder
    if not folder.is_dir():
        print(f"skipped: no MNIST in {folder}; name its folder or set AUGMOMENTS_DATA")
        raise SystemExit(0)
    return folder
