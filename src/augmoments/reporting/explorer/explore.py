"""The explorer as a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from augmoments.data import Dataset
from augmoments.reporting.explorer.page import render
from augmoments.reporting.explorer.pictures import embedded, pictures_of
from augmoments.reporting.output import prepare_folder, replace


def explore(
    path: str | Path = "explore.html", images: Sequence[Dataset] = (), limit: int = 8
) -> Path:
    """Write the explorer: one HTML page that needs nothing else and asks for nothing.

    Args:
        path: The file to write.
        images: Datasets whose images come first, before those that every page has.
        limit: Most images of each.

    Returns:
        The path.

    Raises:
        InputError: Images of more than 48 pixels a side, or of other than 1 or 3 channels.
        OutputError: The file cannot be written.

    Example:
        >>> import tempfile, augmoments as am
        >>> from pathlib import Path
        >>> path = Path(tempfile.mkdtemp()) / "explore.html"
        >>> explore(path, [am.data.load("photo:rocket", size=32)]).stat().st_size < 1_000_000
        True
    """
    target = Path(path)
    own = [picture for dataset in images for picture in pictures_of(dataset, limit)]
    page = render([*own, *embedded()])
    prepare_folder(target.parent)
    replace(target, page)
    return target
