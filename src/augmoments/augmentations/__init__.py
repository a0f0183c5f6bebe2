"""Augmentations: random parameters, a deterministic action, and a quadratic rule."""
