"""The explorer: one HTML page that computes exact moments while sliders move, without a server."""

from augmoments.reporting.explorer.explore import explore
from augmoments.reporting.explorer.pictures import MOST_PIXELS, Picture, embedded, pictures_of

__all__ = ["MOST_PIXELS", "Picture", "embedded", "explore", "pictures_of"]
