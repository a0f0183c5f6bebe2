"""Moments of policies: averages, covariances, nodes, and whole datasets."""
