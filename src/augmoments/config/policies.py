"""Policies as values: a list of steps, each a name with its arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import factorial
from pathlib import Path
from typing import Any

import torch

from augmoments.augmentations.base import Augmentation
from augmoments.augmentations.choice import RandomChoice, RandomOrder
from augmoments.augmentations.compose import Compose
from augmoments.checks import did_you_mean
from augmoments.config.document import Document, Place, read_document
from augmoments.config.laws import LAWS, law_from, law_to_dict, looks_like_law, plain
from augmoments.config.steps import STEPS, arguments_of, misfit, required
from augmoments.errors import AugmomentsError, PolicyError
from augmoments.laws import Law


def load_policy(path: str | Path) -> Augmentation:
    """The policy in a YAML or JSON file: a list of steps, or a mapping with the key ``policy``.

    Raises:
        ConfigError: The file cannot be read, or a step, key, law or value in it is not known or
            not possible; the message names the line, the step and the nearest known name.
    """
    return policy_in(read_document(path))


def policy_from(data: Any) -> Augmentation:
    """The policy in values as YAML and JSON give them.

    Raises:
        ConfigError: As :func:`load_policy`.

    >>> policy_from([{"RandomRotation": {"degrees": 15}}, "RandomHorizontalFlip"])
    Compose(transforms=(RandomRotation(degrees=15,...), RandomHorizontalFlip(p=0.5)))
    """
    return policy_in(Document(data))


def policy_in(document: Document, at: Place = ()) -> Augmentation:
    """The policy at a place of a document."""
    value = document.data
    for key in at:
        value = value[key]
    if value is None:
        raise document.error("there is nothing here; a policy is a list of steps.", at)
    if isinstance(value, Mapping) and "policy" in value:
        for key in value:
            if key != "policy":
                raise document.error(
                    f"unknown key {key!r}{did_you_mean(str(key), ['policy'])}: a policy's file has "
                    "the key policy alone; whole runs go by --config.",
                    (*at, key),
                )
        value, at = value["policy"], (*at, "policy")
    return Compose(_steps(document, value, at))


def _steps(document: Document, value: Any, at: Place) -> tuple[Augmentation, ...]:
    if not isinstance(value, list):
        return (_step(document, value, at),)
    if not value:
        raise document.error("the policy has no steps; give at least one.", at)
    return tuple(_step(document, item, (*at, index)) for index, item in enumerate(value))


def _step(document: Document, value: Any, at: Place) -> Augmentation:
    if isinstance(value, str):
        return _build(document, value, {}, at)
    if not isinstance(value, Mapping) or len(value) != 1:
        raise document.error(
            "a step is a name, or one name with its arguments as in "
            f"`RandomRotation: {{degrees: 15}}`; got {_short(value)}.",
            at,
        )
    (name, arguments), *_ = value.items()
    return _build(document, name, arguments, at)


def _build(document: Document, name: Any, arguments: Any, at: Place) -> Augmentation:
    if name not in STEPS:
        known = STEPS if at else (*STEPS, "policy")
        raise document.error(
            f"there is no augmentation {name!r}{did_you_mean(str(name), known)}: known are "
            f"{', '.join(STEPS)}.",
            at,
        )
    step, place = STEPS[name], (*at, name)
    names = list(arguments_of(step))
    if isinstance(arguments, int | float) and not isinstance(arguments, bool):
        arguments = {names[0]: arguments}
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, Mapping):
        raise document.error(
            f"give the arguments of {name} by name, as in {{{names[0]}: ...}}; it takes "
            f"{', '.join(names)}.",
            place,
        )
    for key in arguments:
        if key not in names:
            raise document.error(
                f"{name} has no argument {key!r}{did_you_mean(str(key), names)}: it takes "
                f"{', '.join(names)}.",
                (*place, key),
            )
    given = {k: _value(document, v, (*place, k)) for k, v in arguments.items()}
    return _construct(document, step, given, place)


def _value(document: Document, value: Any, at: Place) -> Any:
    """An argument: nested steps under ``transforms``, laws and types by name, lists as tuples."""
    if at[-1] == "transforms":
        return _steps(document, value, at)
    if at[-1] == "dtype":
        return _dtype(document, value, at)
    if looks_like_law(value):
        return law_from(document, value, at)
    if isinstance(value, str) and value in LAWS:
        raise document.error(f"{value} needs its arguments, as in {{{value}: [...]}}.", at)
    if isinstance(value, list):
        return tuple(_value(document, item, (*at, index)) for index, item in enumerate(value))
    return value


def _dtype(document: Document, value: Any, at: Place) -> torch.dtype:
    found = getattr(torch, str(value).removeprefix("torch."), None)
    if not isinstance(found, torch.dtype):
        raise document.error(f"expected a type such as float32, got {_short(value)}.", at)
    return found


def _construct(
    document: Document, step: Callable[..., Augmentation], given: dict[str, Any], at: Place
) -> Augmentation:
    for name, argument in arguments_of(step).items():
        if name in given and (wanted := misfit(argument, given[name])):
            raise document.error(f"expected {wanted}, got {_short(given[name])}.", (*at, name))
        if name not in given and required(argument):
            raise document.error(f"{step.__name__} needs {name}.", at)
    try:
        return step(**given)
    except AugmomentsError as error:
        raise document.error(str(error), at) from error
    except (TypeError, ValueError, ArithmeticError) as error:
        raise document.error(f"{step.__name__} cannot take these values: {error}.", at) from error


def policy_to_dict(policy: Augmentation) -> dict[str, list[Any]]:
    """The reverse of :func:`policy_from`: values for YAML or JSON, defaults left out.

    Raises:
        PolicyError: The policy contains a class that has no name in a file.

    >>> from augmoments import Compose, RandomTranslation, Uniform
    >>> policy_to_dict(Compose([RandomTranslation(x=Uniform(-2, 2))]))
    {'policy': [{'RandomTranslation': {'x': {'Uniform': {'low': -2, 'high': 2}}}}]}
    """
    steps = policy.steps if isinstance(policy, Compose) else (policy,)
    return {"policy": [_step_to_dict(step) for step in steps]}


def _step_to_dict(step: Augmentation) -> str | dict[str, Any]:
    name = type(step).__name__
    if STEPS.get(name) is not type(step):
        raise PolicyError(f"{name} is not an augmentation that a file can name.")
    if (shuffled := _shuffled(step)) is not None:
        return {"RandomOrder": {"transforms": [_step_to_dict(inner) for inner in shuffled]}}
    arguments = {}
    for key, argument in arguments_of(type(step)).items():
        value = _plain(getattr(step, key))
        if required(argument) or value != plain(argument.default):
            arguments[key] = value
    if isinstance(step, RandomChoice) and step == RandomChoice(step.branches):
        del arguments["p"]
    return {name: arguments} if arguments else name


def _shuffled(step: Augmentation) -> tuple[Augmentation, ...] | None:
    """What :func:`RandomOrder` was given, if ``step`` is what it gave."""
    if not isinstance(step, RandomChoice) or not isinstance(step.branches[0], Compose):
        return None
    found = step.branches[0].steps
    if len(step.branches) != factorial(len(found)) or step != RandomOrder(found):
        return None
    return found


def _plain(value: Any) -> Any:
    """The reverse of :func:`_value`."""
    if isinstance(value, Augmentation):
        return _step_to_dict(value)
    if isinstance(value, Law):
        return law_to_dict(value)
    if isinstance(value, torch.dtype):
        return str(value).removeprefix("torch.")
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else plain(value)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
