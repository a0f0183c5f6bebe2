"""Passes of test-time augmentation until a prediction is right or decided."""
