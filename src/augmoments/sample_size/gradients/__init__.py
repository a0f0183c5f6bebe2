"""Draws for gradients: per-sample gradients at the nodes, their spread, and the answer."""
