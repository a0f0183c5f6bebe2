import dataclasses
import json
import re
from pathlib import Path

import pytest
import torch
import yaml

import augmoments as am
from augmoments.augmentations.base import Augmentation
from augmoments.config import (
    load_policy,
    load_quantify_config,
    policy_from,
    policy_to_dict,
    quantify_config_from,
)
from augmoments.config.steps import STEPS
from augmoments.errors import ConfigError, PolicyError
from augmoments.reporting import SCHEMA, results

READABLE = """\
policy:
  - RandomRotation: {degrees: 15, interpolation: bilinear}
  - RandomTranslation: {x: {Uniform: [-2, 2]}, y: {Normal: {loc: 0, std: 1e-1}}}
  - RandomApply: {p: 0.5, transforms: [{ColorJitter: {brightness: 0.2, clamp: false}}]}
  - RandomHorizontalFlip
"""
MEANT = am.Compose(
    [
        am.RandomRotation(15, interpolation="bilinear"),
        am.RandomTranslation(x=am.Uniform(-2, 2), y=am.Normal(0, 0.1)),
        am.RandomApply([am.ColorJitter(brightness=0.2, clamp=False)], p=0.5),
        am.RandomHorizontalFlip(),
    ]
)
EVERYTHING = am.Compose(
    [
        am.RandomTranslation(x=am.Triangular(-2, 3), y=(-1, 1), fill=0.5, border="zeros"),
        am.RandomTranslation(x=am.Triangular(-2, 3, 1), interpolation="nearest"),
        am.RandomShear(x=am.TruncatedNormal(0, 5, -10, 10), y=5),
        am.RandomZoom(am.LogUniform(0.8, 1.25)),
        am.RandomZoom(x=am.Beta(2, 3, 0.9, 1.2), y=am.Discrete([0.9, 1.1], [0.25, 0.75])),
        am.RandomRotation((-10, 20), center=(3, 4), fill=(0.1, 0.2, 0.3), border="torchvision"),
        am.RandomHorizontalFlip(0.3),
        am.RandomVerticalFlip(),
        am.ColorJitter(0.1, (0.5, 1.5), am.Uniform(0.9, 1.1), clamp=False),
        am.RandomGrayscale(),
        am.Compose([am.RandomApply([am.RandomGrayscale(1.0)])]),
        am.Normalize((0.5, 0.4, 0.3), 0.25),
    ]
)

STEPS_TO_WRITE = [
    *EVERYTHING.steps,
    MEANT,
    am.RandomApply([am.RandomGrayscale()], 0.2),
    am.RandomAffine(10),
    am.RandomAffine((-5, 10), (0.1, 0.2), (0.8, 1.2), 5, "bilinear", 0.5, (1.0, 2.0)),
    am.RandomAffine(am.Normal(0, 3), shear=(am.Uniform(-1, 2), am.Discrete([0, 1]))),
    am.RandomAffine(0, scale=am.LogUniform(0.5, 2), border="torchvision"),
    am.RandomPerspective(0.3, 0.7, "nearest", (0.1, 0.2, 0.3)),
    am.ElasticTransform((20.0, 30.0), 4.0, fill=0.5),
    am.RandomResizedCrop(16),
    am.RandomResizedCrop((16, 12), (0.2, 0.9), (0.5, 2.0), "bicubic", None),
    am.RandomResizedCrop(8, interpolation="nearest", antialias=False),
    am.RandomCrop((4, 5), (1, 2, 3, 4), True, (0.1, 0.2, 0.3), "constant"),
    am.RandomCrop(4, padding=2, padding_mode="reflect"),
    am.CenterCrop((3, 4)),
    am.Pad((1, 2), 0.5),
    am.Pad(1, None, "edge"),
    am.Resize(8, "nearest-exact"),
    am.Resize(8, max_size=12, antialias=False),
    am.GaussianBlur((3, 5), am.Triangular(0.1, 2.0)),
    am.GaussianBlur(3),
    am.GaussianNoise(0.1, (0.1, 0.2), clip=False),
    am.GaussianNoise(),
    am.RandomErasing(0.3, (0.1, 0.2), (0.5, 2.0), "random"),
    am.RandomErasing(value=(0.1, 0.2, 0.3)),
    am.RandomInvert(),
    am.RandomSolarize(0.5, 0.2),
    am.RandomPosterize(3),
    am.RandomAutocontrast(0.1),
    am.RandomEqualize(),
    am.RandomAdjustSharpness(2.0, 0.3),
    am.ColorJitter(hue=am.Uniform(-0.1, 0.2)),
    am.RandAugment(3, 7, 11, "bilinear", 0.5),
    am.TrivialAugmentWide(fill=(0.1, 0.2, 0.3)),
    am.AutoAugment("svhn"),
    am.AugMix(2, all_ops=False, alpha=0.5),
    am.ToDtype(torch.float32, scale=True),
    am.ToDtype(torch.bfloat16),
    am.MixUp(alpha=0.4, num_classes=10),
    am.CutMix(),
    am.RandomChoice([am.RandomInvert(), am.RandomGrayscale()]),
    am.RandomChoice([am.RandomInvert(), am.RandomGrayscale(), am.RandomEqualize()], (1, 2, 4)),
    am.RandomChoice([am.RandomChoice([am.RandomAffine(3)]), am.RandomGrayscale()], (0.1, 0.7)),
    am.RandomOrder([am.RandomInvert(), am.RandomChoice([am.RandomGrayscale(), am.RandomInvert()])]),
]


def write(folder, text, name="policy.yaml"):
    path = folder / name
    path.write_text(text)
    return path


class TestReading:
    def test_the_readable_form(self, tmp_path):
        assert load_policy(write(tmp_path, READABLE)) == MEANT

    def test_a_bare_list_and_json(self, tmp_path):
        data = yaml.safe_load(READABLE)
        text = json.dumps(data).replace('"1e-1"', "0.1")
        assert load_policy(write(tmp_path, text, "policy.json")) == MEANT

    def test_lists_are_arguments_values_and_ranges(self):
        policy = policy_from(
            [
                {
                    "RandomZoom": {
                        "x": {"Discrete": [0.9, 1.1]},
                        "y": {"Discrete": [[1, 2], [0.1, 0.9]]},
                    }
                },
                {"RandomTranslation": {"x": [-1, 2]}},
                {"RandomHorizontalFlip": 0.25},
                {"RandomVerticalFlip": None},
            ]
        )
        assert policy == am.Compose(
            [
                am.RandomZoom(x=am.Discrete([0.9, 1.1]), y=am.Discrete([1, 2], [0.1, 0.9])),
                am.RandomTranslation(x=(-1, 2)),
                am.RandomHorizontalFlip(0.25),
                am.RandomVerticalFlip(),
            ]
        )

    def test_one_step_needs_no_list(self):
        assert policy_from({"policy": "RandomHorizontalFlip"}) == am.Compose(
            [am.RandomHorizontalFlip()]
        )


class TestWriting:
    @pytest.mark.parametrize("policy", [MEANT, EVERYTHING])
    def test_round_trip_through_json_and_yaml(self, policy):
        data = policy_to_dict(policy)
        assert policy_from(json.loads(json.dumps(data))) == policy
        assert policy_from(yaml.safe_load(yaml.safe_dump(data))) == policy

    @pytest.mark.parametrize("step", STEPS_TO_WRITE, ids=repr)
    def test_every_step_goes_there_and_back(self, step):
        data = policy_to_dict(step)
        for again in (
            policy_from(json.loads(json.dumps(data))),
            policy_from(yaml.safe_load(yaml.safe_dump(data))),
        ):
            assert again == (step if isinstance(step, am.Compose) else am.Compose([step]))
            assert policy_to_dict(again) == data

    def test_no_step_is_left_out(self):
        assert {type(step).__name__ for step in STEPS_TO_WRITE} == set(STEPS) - {"RandomOrder"}
        exported = {
            name
            for name in am.__all__
            if isinstance(getattr(am, name), type) and issubclass(getattr(am, name), Augmentation)
        }
        assert exported - {"Augmentation"} <= set(STEPS)

    def test_random_order_is_written_as_such(self):
        steps = [am.RandomGrayscale(), am.RandomInvert(), am.RandomHorizontalFlip(0.2)]
        inside = am.Compose([am.RandomOrder(steps), am.RandomApply([am.RandomOrder(steps[:1])])])
        data = policy_to_dict(inside)
        names = ["RandomGrayscale", "RandomInvert", {"RandomHorizontalFlip": {"p": 0.2}}]
        assert data["policy"][0] == {"RandomOrder": {"transforms": names}}
        assert policy_from(data) == inside

    def test_pipelines_of_other_libraries(self):
        transforms = pytest.importorskip("torchvision.transforms.v2")
        pipeline = transforms.Compose(
            [
                transforms.RandomResizedCrop(8, (0.2, 1.0)),
                transforms.RandomHorizontalFlip(),
                transforms.RandAugment(),
                transforms.ToDtype(torch.float32, scale=True),
                transforms.Normalize((0.5, 0.4, 0.3), (0.2, 0.2, 0.2)),
                transforms.RandomErasing(value="random"),
            ]
        )
        policy = am.as_policy(pipeline)
        assert policy_from(json.loads(json.dumps(policy_to_dict(policy)))) == policy

    def test_a_law_that_no_file_can_name_is_refused(self):
        class Mine(am.Uniform):
            pass

        with pytest.raises(PolicyError, match="not a law that a file can name"):
            policy_to_dict(am.RandomTranslation(x=Mine(0, 1)))

    def test_defaults_are_left_out(self):
        assert policy_to_dict(am.RandomHorizontalFlip()) == {"policy": ["RandomHorizontalFlip"]}

    def test_a_class_that_no_file_can_name_is_refused(self):
        class Mine(am.RandomHorizontalFlip):
            pass

        with pytest.raises(PolicyError, match="Mine"):
            policy_to_dict(Mine())


REFUSED = {
    "- RandomRotaton: 5": r"line 1, \[0\]: there is no augmentation 'RandomRotaton' "
    r"\(did you mean 'RandomRotation'\?\)",
    "- RandomRotation: {degree: 5}": r"\[0\].RandomRotation.degree: .*did you mean 'degrees'",
    "- RandomHorizontalFlip\n- RandomTranslation:\n    x: {Unifrom: [1, 2]}": r"line 3, "
    r"\[1\].RandomTranslation.x: there is no law 'Unifrom' \(did you mean 'Uniform'\?\)",
    "- RandomTranslation: {x: {Uniform: {lo: 1}}}": "Uniform has no argument 'lo'.*'low'",
    "- RandomTranslation: {x: {Uniform: [2, 1]}}": "low must be below high",
    "- RandomTranslation: {x: {Uniform: [a, 1]}}": "low must be given in numbers, got 'a'",
    "- RandomTranslation: {x: {Uniform: [1, 2, 3]}}": "takes 2 arguments .*got 3",
    "- RandomTranslation: {x: {Uniform: 3}}": "needs its arguments",
    "- RandomTranslation: {x: Uniform}": "needs its arguments",
    "- RandomTranslation: {x: {Uniform: [1, 2], Normal: [1, 2]}}": "one name",
    "- RandomTranslation: {x: {Normal: [0]}}": "Normal takes loc, std",
    "- RandomRotation": "RandomRotation needs degrees",
    "- RandomRotation: [1, 2]": "by name, as in {degrees: ...}",
    "- RandomRotation: {degrees: -3}": "degrees must not be negative",
    "- RandomRotation: {degrees: abc}": "expected a law",
    "- RandomHorizontalFlip: {p: 2}": r"p=2 is not a probability",
    "- RandomHorizontalFlip: {p: true}": "expected a number, got True",
    "- RandomHorizontalFlip: {p: often}": "expected a number, got 'often'",
    "- ColorJitter: {clamp: 1}": "expected true or false, got 1",
    "- RandomResizedCrop: {size: 8, antialias: 1}": "expected true or false, null, got 1",
    "- RandomPosterize: {bits: 2.5}": "expected a whole number, got 2.5",
    "- RandomResizedCrop: {size: [8, a]}": "size must be a whole number or two",
    "- RandomResizedCrop: {scale: [0, 1]}": "RandomResizedCrop needs size",
    "- RandomAffine: {degrees: 5, border: 3}": "expected text, got 3",
    "- RandomAffine: {degrees: 5, interpolation: linear}": "interpolation must be",
    "- RandomAffine: {degrees: 5, shear: [{Unifrom: [1, 2]}]}": r"shear\[0\]: there is no law",
    "- ToDtype: {dtype: float31}": "dtype: expected a type such as float32, got 'float31'",
    "- ToDtype: {dtype: uint8}": "holds whole numbers",
    "- AutoAugment: {policy: mnist}": "mnist",
    "- RandomChoice: {transforms: [RandomInvert], p: [1, 2]}": "p must be 1 weights",
    "- RandomOrder: {transforms: [RandomInvert], p: [1]}": "RandomOrder has no argument 'p'",
    "- RandomOrder": "RandomOrder needs transforms",
    "- RandomErasing: {value: noise}": 'a number, one a channel or "random"',
    "- MixUp: {alpha: [1]}": "alpha",
    "- RandomApply: {transforms: []}": r"transforms: the policy has no steps",
    "- RandomApply: {transforms: [{RandomRotation: {degees: 1}}]}": r"transforms\[0\].*'degrees'",
    "- {RandomRotation: 3, RandomGrayscale: 1}": "a step is a name",
    "- RandomGrayscale: {p: 0.1, p: 0.2}": "line 1: the key 'p' is there twice",
    "polcy: []": "did you mean 'policy'",
    "policy: []": "no steps",
    "policy: [RandomGrayscale]\nseed: 3": "line 2, seed: unknown key 'seed'.*--config",
    "": "there is nothing here",
    "- [a": "line 1",
    "a: &x [*x]": "contains itself",
    "- !!python/object/apply:os.system [ls]": "tag",
    "policy: &x\n  - RandomApply: {transforms: *x}": "contains itself",
    "\t- a": "line 1",
}


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_what_is_wrong_is_named_with_its_place(tmp_path, text):
    path = write(tmp_path, text)
    with pytest.raises(ConfigError, match=REFUSED[text]) as caught:
        load_policy(path)
    assert str(path) in str(caught.value)


def test_files_that_are_none(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        load_policy(tmp_path / "no.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_policy(tmp_path)
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(ConfigError, match="not text"):
        load_policy(tmp_path / "b.yaml")
    (tmp_path / "c.yaml").write_text("- a\n" * 300_000)
    with pytest.raises(ConfigError, match="bytes"):
        load_policy(tmp_path / "c.yaml")


class TestRuns:
    def test_files_beside_the_configuration_are_found(self, tmp_path):
        write(tmp_path, READABLE)
        (tmp_path / "images").mkdir()
        text = "images: images\npolicy: policy.yaml\nsize: [32, 24]\ntol: 1e-3\njson: true\n"
        config = load_quantify_config(write(tmp_path, text, "run.yaml"))
        assert config.images == str(tmp_path / "images")
        assert load_policy(config.policy) == MEANT
        assert (config.size, config.tol, config.json_) == ((32, 24), 1e-3, True)

    def test_a_policy_may_stand_in_the_configuration(self):
        config = quantify_config_from({"policy": ["RandomGrayscale"]})
        assert policy_from(config.policy) == am.Compose([am.RandomGrayscale()])

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            ({"polcy": "a.yaml"}, "unknown key 'polcy' .*did you mean 'policy'"),
            ({"tol": 2}, "^tol: .*less than 1"),
            ({"size": 0}, "^size: .*greater than 0"),
            ({"size": [1, 2, 3]}, "^size: "),
            ({"loss": "mse"}, "^loss: .*'cross_entropy' or 'squared_error'"),
            ({"seed": -1}, "^seed: "),
            ({"limit": "many"}, "^limit: .*integer"),
            ({"policy": ["RandomFlip"]}, r"^policy\[0\]: there is no augmentation"),
            ([1], "a configuration is a mapping"),
        ],
    )
    def test_what_is_wrong_is_named(self, data, message):
        with pytest.raises(ConfigError, match=message):
            quantify_config_from(data)

    def test_the_line_is_named(self, tmp_path):
        with pytest.raises(ConfigError, match=r"run.yaml, line 2, sed: unknown key .*'seed'"):
            load_quantify_config(write(tmp_path, "tol: 0.1\nsed: 2\n", "run.yaml"))


ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ["README.md", "docs/command-line.md"])
def test_what_the_documents_show_is_read(name):
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / name).read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        data = yaml.safe_load(block)
        if isinstance(data, dict) and set(data) != {"policy"}:
            assert quantify_config_from(data).images == data["images"]
        else:
            assert policy_from(data)


def test_the_schema_is_documented():
    text = (ROOT / "docs/results.md").read_text()
    assert SCHEMA in text
    for kind in (results.Results, *_parts(results.Results)):
        for field in dataclasses.fields(kind):
            drawn = field.metadata.get("drawn")
            assert drawn or re.search(rf"`[\w\[\].]*\b{field.name}(\[\])?[`.]", text), field.name


def _parts(kind):
    for field in dataclasses.fields(kind):
        for name in re.findall(r"\w+", str(field.type)):
            part = getattr(results, name, None)
            if dataclasses.is_dataclass(part):
                yield part
                yield from _parts(part)


def test_a_name_that_no_file_system_takes_is_left_as_it_is(tmp_path):
    (tmp_path / "a.yaml").write_text(f"images: {'a' * 5000}\n")
    assert load_quantify_config(tmp_path / "a.yaml").images == "a" * 5000
