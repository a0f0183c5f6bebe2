"""Copies of every image until ridge regression is right."""
