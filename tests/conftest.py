"""What all tests share."""

import os
import zlib
from pathlib import Path

import pytest
import torch

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # it would ask for its newest version when imported
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))


def _define_missing_operators() -> list[torch.library.Library]:
    """Let torchvision, whose compiled part wants CUDA, be imported beside a CPU build of torch.

    Its transforms are pure Python, but its import refers to the schemas of two operators.
    """
    try:
        import torchvision  # noqa: F401
    except ImportError:
        return []
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        return [library]
    return []


_KEPT_ALIVE = _define_missing_operators()


@pytest.fixture
def generator(request: pytest.FixtureRequest) -> torch.Generator:
    """A generator whose seed is the test's own and the same in every run."""
    return torch.Generator().manual_seed(zlib.crc32(request.node.name.encode()))


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of MNIST and others, where there is one."""
    default = Path(__file__).parents[1] / "../shared/data"
    root = Path(os.environ.get("AUGMOMENTS_DATA", default)).resolve()
    if not root.is_dir():
        pytest.skip(f"no data in {root}: set AUGMOMENTS_DATA to the folder that has mnist/")
    return root
