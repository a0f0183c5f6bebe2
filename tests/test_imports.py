"""What is slow to import is imported by those who use it, and by nobody else."""

import subprocess
import sys

import pytest

HEAVY = [
    "albumentations",
    "dask",
    "distributed",
    "kornia",
    "matplotlib",
    "pandas",
    "pydantic",
    "rich",
    "scipy.stats",
    "skimage",
    "sklearn",
    "torchvision",
    "typer",
    "zarr",
]
PROGRAMS = {
    "import": "import augmoments",
    "operator": "import augmoments as am\n"
    "am.expected_operator(am.RandomRotation(10, interpolation='bilinear'), (1, 4, 4))",
    "moments": "import augmoments as am, torch\n"
    "am.moments(torch.rand(1, 4, 4), am.RandomRotation(10, interpolation='bilinear'))",
    "samples": "import augmoments as am, torch\n"
    "am.samples_needed(torch.rand(1, 4, 4), am.RandomTranslation(x=(-1, 1)), of='mean')",
    "loss": "import augmoments as am\nam.expected_loss, am.ExpectedLoss, am.DatasetMoments",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_heavy_modules_are_not_imported(name):
    program = (
        f"import sys\n{PROGRAMS[name]}\nprint(*(name for name in {HEAVY} if name in sys.modules))\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == []


def test_importing_the_package_imports_neither_torch_nor_numpy():
    program = "import sys, augmoments\nprint(*({'torch', 'numpy', 'scipy'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.stdout.split() == []
