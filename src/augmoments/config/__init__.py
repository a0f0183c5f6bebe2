"""Policies and whole runs as text: YAML or JSON in, YAML or JSON out, nothing executed.

A policy is a list of steps. A step is a name, or a name with its arguments; laws are written the
same way, and numbers and ranges mean what they mean in Python:

.. code-block:: yaml

    policy:
      - RandomRotation: {degrees: 15, interpolation: bilinear}
      - RandomTranslation: {x: {Uniform: [-2, 2]}, y: {Normal: {loc: 0, std: 1}}}
      - RandomApply: {p: 0.5, transforms: [{ColorJitter: {brightness: 0.2, clamp: false}}]}
      - RandomHorizontalFlip

Unknown names and keys are refused, with the nearest known one and the line where they stand.
"""

from augmoments.config.document import Document, read_document
from augmoments.config.policies import load_policy, policy_from, policy_to_dict
from augmoments.config.runs import QuantifyConfig, load_quantify_config, quantify_config_from

__all__ = [
    "Document",
    "QuantifyConfig",
    "load_policy",
    "load_quantify_config",
    "policy_from",
    "policy_to_dict",
    "quantify_config_from",
    "read_document",
]
