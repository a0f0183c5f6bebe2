"""The rows of the table: the same work with augmoments and by sampling, a module each."""

from __future__ import annotations

from importlib import import_module

from rows.row import Row

NAMES = {
    "mean-28": "mean_rotation",
    "mean-32": "mean_rotation",
    "mean-224": "mean_rotation",
    "covariance": "covariance_rotation",
    "affine": "covariance_affine",
    "simclr": "simclr",
    "eigenpairs": "eigenpairs",
    "ridge-mnist": "ridge_mnist",
    "ridge-crop-flip": "ridge_crop_flip",
    "tta": "tta",
    "quantify": "quantify",
}
"""Rows in the order of the table, and the modules that they are in."""


def row(name: str) -> Row:
    """The row of this name."""
    return import_module(f"rows.{NAMES[name]}").ROWS[name]
