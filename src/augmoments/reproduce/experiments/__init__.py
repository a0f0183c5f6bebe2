"""The experiments, a module or a package each, with ``EXPERIMENT`` in it."""
