"""Damaged, hostile and nonsensical input for everything that reads; see ``test_fuzz.py``."""
