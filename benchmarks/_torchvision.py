"""Let torchvision be imported beside a CPU build of torch, as the tests do."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))
import conftest  # noqa: F401
