"""What can go wrong, as types: every error says what was found and what to do about it."""


class AugmomentsError(Exception):
    """Base of every error that augmoments raises on purpose."""


class InputError(AugmomentsError, ValueError):
    """Images, targets or arguments whose values cannot be what was meant."""


class InputTypeError(AugmomentsError, TypeError):
    """An argument of a type that cannot be taken."""


class LawError(AugmomentsError, ValueError):
    """A probability law with impossible parameters."""


class PolicyError(AugmomentsError, ValueError):
    """A policy that does not admit what was asked of it."""


class ModelError(AugmomentsError, ValueError):
    """A model that is not a deterministic function of its input, or does not fit the images."""


class DataError(AugmomentsError, ValueError):
    """A file or folder that cannot be read as images, targets or a model."""


class OutputError(AugmomentsError, OSError):
    """A place that cannot be written to."""


class ConfigError(AugmomentsError, ValueError):
    """A configuration with unknown keys or impossible values."""


class NotEnoughMemoryError(AugmomentsError, MemoryError):
    """An answer that does not fit into memory; says how much it needs and what to use instead."""


class ClusterError(AugmomentsError, RuntimeError):
    """Workers that cannot be reached, or that died too often."""
