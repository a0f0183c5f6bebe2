"""What is left of a run that was killed: a folder of merged partitions."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from augmoments.calculus.dataset import DatasetMoments
from augmoments.cluster.files import PART, sync_folder, write_atomically
from augmoments.cluster.partitions import Partial
from augmoments.cluster.reduction import Node
from augmoments.data import Skipped
from augmoments.errors import DataError, OutputError

_MANIFEST = "manifest.json"
_LOCK = "lock"
_NAME = re.compile(r"node-(\d+)-(\d+)\.json")
_FACTS = {
    "format": "the version of checkpoints",
    "moments": "the policy or its numerical options",
    "stream": "the images or their targets",
    "count": "the number of images",
    "partition_size": "the partition size",
}


class Checkpoint:
    """Nodes of a reduction in a folder, each with its hash.

    Args:
        folder: Made if it is not there.
        facts: What all nodes depend on: values for ``moments``, ``stream``, ``count`` and
            ``partition_size``.
        load: Reads moments from a file.

    Raises:
        DataError: The folder has something else, or a checkpoint of another run.
        OutputError: It cannot be written to, or another process is using it.
    """

    def __init__(
        self, folder: str | Path, facts: dict[str, Any], load: Callable[[Path], DatasetMoments]
    ) -> None:
        self.folder = Path(folder)
        self._facts = {"format": 1, **facts}
        self._load = load

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Check what is there, and keep other processes out."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            names = {path.name for path in self.folder.iterdir()}
        except OSError as error:
            raise _unwritable(self.folder, error) from error
        own = {_LOCK, f".{_MANIFEST}{PART}"}
        if _MANIFEST not in names and names - own:
            raise DataError(
                f"{self.folder} has other files and no {_MANIFEST}: give an empty folder, or that "
                "of a run to resume."
            )
        with _locked(self.folder / _LOCK):
            if _MANIFEST in names:
                self._check_manifest()
            else:
                content = json.dumps(self._facts, indent=1)
                write_atomically(self.folder / _MANIFEST, lambda path: _write_text(path, content))
            for leftover in self.folder.glob(".*"):
                leftover.unlink()
            yield

    def _check_manifest(self) -> None:
        path = self.folder / _MANIFEST
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            different = [name for name in self._facts if found[name] != self._facts[name]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{path} is damaged, so that it cannot be told what the checkpoint is of: remove "
                f"{self.folder} and start again."
            ) from error
        if different:
            reasons = ", ".join(_FACTS[name] for name in different)
            raise DataError(
                f"{self.folder} is the checkpoint of another run; what differs is {reasons}. Give "
                "another folder, or remove this one to start again."
            )

    def nodes(self, root: Node, damaged: list[Skipped]) -> Iterator[tuple[Node, Partial]]:
        """The nodes that are not part of another one; files that are damaged are removed."""
        found = [match for path in self.folder.iterdir() if (match := _NAME.fullmatch(path.name))]
        kept: set[Node] = set()
        for node in sorted((Node(int(m[1]), int(m[2])) for m in found), reverse=True):
            if any(_above(node, other) for other in kept):
                self.forget(node)
                continue
            try:
                partial = self._read(node, root)
            except (OSError, ValueError, KeyError, TypeError) as error:
                reason = " ".join(str(error).split())
                damaged.append(
                    Skipped(
                        self._data(node),
                        f"is damaged ({reason}): what it had of the images is read again",
                    )
                )
                self.forget(node)
                continue
            kept.add(node)
            yield node, partial
        for path in self.folder.glob("node-*.safetensors"):
            if not path.with_suffix(".json").exists():
                path.unlink()

    def _read(self, node: Node, root: Node) -> Partial:
        if node.level > root.level or node.index >= 2 ** (root.level - node.level):
            raise ValueError("there is no such partition")
        note = json.loads(self._note(node).read_text(encoding="utf-8"))
        skipped = tuple(Skipped(Path(path), reason) for path, reason in note["skipped"])
        if note["sha256"] is None:
            return Partial(None, skipped)
        with self._data(node).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != note["sha256"]:
                raise ValueError("its content is not what was written")
        return Partial(self._load(self._data(node)), skipped)

    def store(self, node: Node, partial: Partial) -> None:
        """Write a node; it counts once all of it is on the disk.

        Raises:
            OutputError: It cannot be written.
        """
        moments, digest = partial.moments, None
        if moments is not None:
            digest = write_atomically(self._data(node), moments.save)
        skipped = [(str(path), reason) for path, reason in partial.skipped]
        content = json.dumps({"sha256": digest, "skipped": skipped})
        write_atomically(self._note(node), lambda path: _write_text(path, content))
        sync_folder(self.folder)

    def forget(self, node: Node) -> None:
        """Remove a node that has become part of another one."""
        self._note(node).unlink(missing_ok=True)
        self._data(node).unlink(missing_ok=True)

    def _note(self, node: Node) -> Path:
        return self.folder / f"node-{node.level:02d}-{node.index:08d}.json"

    def _data(self, node: Node) -> Path:
        return self._note(node).with_suffix(".safetensors")


def _above(node: Node, other: Node) -> bool:
    """Whether ``other`` is the node or one above it."""
    return other.level >= node.level and node.index >> (other.level - node.level) == other.index


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _unwritable(folder: Path, error: OSError) -> OutputError:
    return OutputError(f"{folder} cannot be written to: {error.strerror or error}.")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that ends with the process, where the system has such locks."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    try:
        file = path.open("w")
    except OSError as error:
        raise _unwritable(path.parent, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(
                f"{path.parent} is in use by another run: wait for its end."
            ) from error
        yield
