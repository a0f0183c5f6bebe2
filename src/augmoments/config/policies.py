"""Policies as values: a list of steps, each a name with its arguments."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from augmoments.augmentations.affine import (
    RandomAffine,
)
from augmoments.augmentations.augmix import (
    AugMix,
)
from augmoments.augmentations.automatic import (
    AutoAugment,
    RandAugment,
    TrivialAugmentWide,
)
from augmoments.augmentations.base import (
    Augmentation,
)
from augmoments.augmentations.blur import (
    GaussianBlur,
)
from augmoments.augmentations.color import (
    ColorJitter,
    Normalize,
    RandomGrayscale,
)
from augmoments.augmentations.compose import (
    Compose,
    RandomApply,
    RandomChoice,
)
from augmoments.augmentations.conversion import (
    ToDtype,
)
from augmoments.augmentations.crops import (
    CenterCrop,
    Pad,
    RandomCrop,
    RandomResizedCrop,
    Resize,
)
from augmoments.augmentations.elastic import (
    ElasticTransform,
)
from augmoments.augmentations.erasing import (
    RandomErasing,
)
from augmoments.augmentations.geometric import (
    RandomHorizontalFlip,
    RandomRotation,
    RandomShear,
    RandomTranslation,
    RandomVerticalFlip,
    RandomZoom,
)
from augmoments.augmentations.mixing import (
    CutMix,
    MixUp,
)
from augmoments.augmentations.noise import (
    GaussianNoise,
)
from augmoments.augmentations.perspective import (
    RandomPerspective,
)
from augmoments.augmentations.pixelwise import (
    RandomAdjustSharpness,
    RandomAutocontrast,
    RandomEqualize,
    RandomInvert,
    RandomPosterize,
    RandomSolarize,
)
from augmoments.checks import did_you_mean
from augmoments.config.document import Document, Place, read_document
from augmoments.config.laws import LAWS, fields_of, law_from, law_to_dict, looks_like_law, plain
from augmoments.errors import AugmomentsError, PolicyError
from augmoments.laws import Law

STEPS: dict[str, type[Augmentation]] = {
    step.__name__: step
    for step in (
        RandomAffine,
        AugMix,
        AutoAugment,
        RandAugment,
        TrivialAugmentWide,
        GaussianBlur,
        ColorJitter,
        Normalize,
        RandomGrayscale,
        Compose,
        RandomApply,
        RandomChoice,
        ToDtype,
        CenterCrop,
        Pad,
        RandomCrop,
        RandomResizedCrop,
        Resize,
        ElasticTransform,
        RandomErasing,
        RandomHorizontalFlip,
        RandomRotation,
        RandomShear,
        RandomTranslation,
        RandomVerticalFlip,
        RandomZoom,
        CutMix,
        MixUp,
        GaussianNoise,
        RandomPerspective,
        RandomAdjustSharpness,
        RandomAutocontrast,
        RandomEqualize,
        RandomInvert,
        RandomPosterize,
        RandomSolarize,
    )
}


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
    try:
        return Compose(_steps(document, value, at))
    except RecursionError as error:
        raise document.error("the policy contains itself.", at) from error


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
    kind, place = STEPS[name], (*at, name)
    names = fields_of(kind)
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
    return _construct(document, kind, given, place)


def _value(document: Document, value: Any, at: Place) -> Any:
    """An argument: nested steps under ``transforms``, laws by name, lists as tuples."""
    if at[-1] == "transforms":
        return _steps(document, value, at)
    if looks_like_law(value):
        return law_from(document, value, at)
    if isinstance(value, str) and value in LAWS:
        raise document.error(f"{value} needs its arguments, as in {{{value}: [...]}}.", at)
    return _tuples(value)


def _construct(
    document: Document, kind: type[Augmentation], given: dict[str, Any], at: Place
) -> Augmentation:
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if field.name in given and not _fits(given[field.name], str(field.type)):
            wanted = "true or false" if str(field.type) == "bool" else "a number"
            raise document.error(
                f"expected {wanted}, got {_short(given[field.name])}.", (*at, field.name)
            )
        required = (
            field.init
            and field.default is dataclasses.MISSING
            and field.default_factory is dataclasses.MISSING
        )
        if required and field.name not in given:
            raise document.error(f"{kind.__name__} needs {field.name}.", at)
    try:
        return kind(**given)
    except AugmomentsError as error:
        raise document.error(str(error), at) from error
    except (TypeError, ValueError) as error:
        raise document.error(f"{kind.__name__} cannot take these values: {error}.", at) from error


def _fits(value: Any, annotation: str) -> bool:
    """Whether a value is a truth value where one is wanted, and a number where that is."""
    if isinstance(value, bool) or annotation == "bool":
        return isinstance(value, bool) and annotation == "bool"
    return annotation != "float" or isinstance(value, int | float)


def policy_to_dict(policy: Augmentation) -> dict[str, list[Any]]:
    """The reverse of :func:`policy_from`: values for YAML or JSON, defaults left out.

    Raises:
        PolicyError: The policy contains a class that has no name in a file.

    >>> from augmoments import Compose, RandomTranslation, Uniform
    >>> policy_to_dict(Compose([RandomTranslation(x=Uniform(-2, 2))]))
    {'policy': [{'RandomTranslation': {'x': {'Uniform': {'low': -2, 'high': 2}}}}]}
    """
    steps = policy.transforms if isinstance(policy, Compose) else (policy,)
    return {"policy": [_step_to_dict(step) for step in steps]}


def _step_to_dict(step: Augmentation) -> str | dict[str, Any]:
    name = type(step).__name__
    if STEPS.get(name) is not type(step):
        raise PolicyError(f"{name} is not an augmentation that a file can name.")
    arguments = {}
    for field in dataclasses.fields(step):  # type: ignore[arg-type]
        if not field.init:
            continue
        value: Any = getattr(step, field.name)
        if field.name == "transforms":
            arguments["transforms"] = [_step_to_dict(inner) for inner in value]
        elif isinstance(value, Law):
            arguments[field.name] = law_to_dict(value)
        elif field.default is dataclasses.MISSING or plain(value) != plain(field.default):
            arguments[field.name] = plain(value)
    return {name: arguments} if arguments else name


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
