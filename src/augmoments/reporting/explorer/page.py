"""The page's text: template, style and scripts put together, with the images as data."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from importlib.metadata import version
from importlib.resources import files

import matplotlib as mpl
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.colors import to_hex

from augmoments.reporting.explorer.pictures import Picture
from augmoments.reporting.pixels import DIVERGING, SEQUENTIAL

ENGINE = (
    "linalg",
    "eigen",
    "rules",
    "warps",
    "values",
    "policy",
    "factor",
    "spectrum",
    "draws",
    "needed",
    "moments",
    "solver",
)
"""Scripts that compute, in the page and in its worker; none of them knows of the page."""
PAGE = ("asking", "code", "paint", "words", "controls", "chart", "trials", "traversal", "results")
"""Scripts that show what was computed; ``page.js`` follows them and starts everything."""
_STOPS = 33


def render(pictures: Sequence[Picture]) -> str:
    """The page; names of images reach it as data alone, never as markup."""
    environment = Environment(
        loader=PackageLoader("augmoments.reporting.explorer", "."),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template("explorer.html.jinja").render(
        css=Markup(_text("templates/tokens.css", "augmoments.reporting") + _text("explorer.css")),
        data=Markup(_data(pictures)),
        engine=Markup(scripts(ENGINE)),
        worker=Markup(scripts(("worker",))),
        page=Markup(scripts((*PAGE, "page"))),
        version=version("augmoments"),
    )


def scripts(names: Sequence[str]) -> str:
    """The sources of the scripts ``js/NAME.js``, one after the other."""
    return "\n".join(_text(f"js/{name}.js") for name in names)


def _text(name: str, package: str = "augmoments.reporting.explorer") -> str:
    return (files(package) / name).read_text(encoding="utf-8")


def _data(pictures: Sequence[Picture]) -> str:
    """Images and colour maps as JSON that cannot end the element it stands in."""
    maps = {"size": _stops(SEQUENTIAL), "sign": _stops(DIVERGING)}
    data = {"images": [_image(picture) for picture in pictures], "maps": maps}
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")


def _image(picture: Picture) -> dict[str, object]:
    values = np.ascontiguousarray(picture.image.detach().cpu().numpy(), dtype="<f4")
    encoded = base64.b64encode(values.tobytes()).decode()
    return {"name": picture.name, "shape": list(picture.image.shape), "values": encoded}


def _stops(name: str) -> list[str]:
    return [to_hex(mpl.colormaps[name](t)) for t in np.linspace(0, 1, _STOPS)]
