"""How albumentations puts transforms together, and when a child's ``p`` counts."""
