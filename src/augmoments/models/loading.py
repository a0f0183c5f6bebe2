"""From a file to a model that takes any number of images."""

from __future__ import annotations

import io
import logging
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from augmoments.checks import check_memory
from augmoments.data.dataset import check_file, missing, printable, reason
from augmoments.errors import AugmomentsError, DataError, ModelError
from augmoments.models.archive import clean_copy
from augmoments.models.exported import ExportedModel
from augmoments.models.storages import cut_short

HOW_TO_EXPORT = (
    "program = torch.export.export(model.eval(), (images,), "
    "dynamic_shapes=({0: torch.export.Dim.AUTO},)); "
    "torch.export.save(program, 'model.pt2')"
)


def load_model(path: str | Path) -> nn.Module:
    r"""A model from a ``torch.export`` program (``.pt2``) or a TorchScript file.

    Maps images ``(N, C, H, W)`` to outputs ``(N, K)``, on the CPU and in evaluation mode. What a
    file is, is told by its content and not by its name.

    No pickle is run. Of a ``.pt2`` archive a copy is made first that has the graph and raw tensors;
    pickled weights and constants, custom objects, compiled libraries, source text and operators
    outside PyTorch's own are refused.
    TorchScript is read by PyTorch's C++ reader, which builds tensors and TorchScript's own classes
    only. Still, a model is a program: its operators run, so take it from where you would take a
    program from.

    A program exported with a fixed batch size takes any number of images too: they go in parts of
    that size, the last one filled up.

    Args:
        path: The file.

    Raises:
        DataError: There is no such file, or it is damaged or not a model.
        ModelError: A model that cannot be used: pickled, exported in training mode, with several
            inputs, or with parts that are refused.
    """
    path = Path(path)
    check_file(path)
    kind = _kind(path)
    if kind == "script":
        return _load_script(path)
    clean = clean_copy(path)
    with _quietly(), _reading(path):
        return ExportedModel(torch.export.load(io.BytesIO(clean)))


def _load_script(path: Path) -> nn.Module:
    with _quietly(), _reading(path):
        loaded = torch.jit.load(str(path), map_location="cpu")
    return ScriptedModel(loaded).eval()


class ScriptedModel(nn.Module):
    """A TorchScript module, without the warnings of its deprecation."""

    def __init__(self, script: nn.Module) -> None:
        super().__init__()
        self.script = script.eval()

    def forward(self, images: Tensor) -> Tensor:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return self.script(images)


def _kind(path: Path) -> str:
    """``"exported"`` or ``"script"``; refuses anything else."""
    start = b""
    try:
        with path.open("rb") as file:
            start = file.read(4)
        with zipfile.ZipFile(path) as archive:
            names = [name.partition("/")[2] or name for name in archive.namelist()]
            size = sum(entry.file_size for entry in archive.infolist())
            if min((entry.header_offset for entry in archive.infolist()), default=0) > 0:
                raise zipfile.BadZipFile("the archive does not begin where the file does")
            check_memory(3 * size, f"the model {path}", "a smaller model")
            short = cut_short(archive) if "constants.pkl" in names else None
            if short is not None:
                raise zipfile.BadZipFile(f"{short} has fewer numbers than its tensors")
    except FileNotFoundError as error:
        raise missing(path) from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (zipfile.BadZipFile, zlib.error, struct.error, ValueError, NotImplementedError) as error:
        if start == b"PK\x03\x04":
            raise DataError(
                f"{path} is damaged or cut short ({reason(error)}): save it again."
            ) from error
        raise DataError(
            f"{path} is not a model's file: expected a torch.export program or TorchScript. "
            f"Make one by {HOW_TO_EXPORT}."
        ) from error
    if "models/model.json" in names:
        return "exported"
    if any(name.startswith("data/aotinductor") for name in names):
        raise ModelError(
            f"{path} is a compiled package, which has native code: save the exported program "
            f"itself. {HOW_TO_EXPORT}."
        )
    if "serialized_exported_program.json" in names or "serialized_exported_program.json" in (
        name.rpartition("/")[2] for name in names
    ):
        raise ModelError(
            f"{path} is in the format that torch before 2.8 saved, which is pickled: load and save "
            "it again with torch 2.8 or later, or use TorchScript."
        )
    if "constants.pkl" in names and any(name.startswith("code/") for name in names):
        return "script"
    if "data.pkl" in names:
        raise ModelError(
            f"{path} was written by torch.save: a pickled model or a state dict, which is not "
            f"unpickled here. Export the model: {HOW_TO_EXPORT}."
        )
    raise DataError(f"{path} is an archive without a model. Make one by {HOW_TO_EXPORT}.")


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Whatever PyTorch's readers stumble over inside is the file's fault."""
    try:
        yield
    except (AugmomentsError, MemoryError):
        raise
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        first = printable(lines[0])[:300]
        raise DataError(
            f"{path} cannot be read as a model by torch {torch.__version__}: {first} Save it "
            "again, with the same version if it can be."
        ) from error


@contextmanager
def _quietly() -> Iterator[None]:
    """Without PyTorch's warnings and log messages on the way."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
