import contextlib
import io
import json
import pickle
import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

import augmoments as am
from augmoments.errors import DataError, ModelError
from augmoments.models import load_model

SHAPE = (1, 8, 8)


class Net(nn.Module):
    """Everything whose mode matters, and a buffer."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(4 * 64, 5)
        self.register_buffer("shift", torch.randn(5))

    def forward(self, x):
        x = torch.relu(self.norm(self.convolution(x)))
        return self.head(self.dropout(x.flatten(1))) + self.shift


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return Net().eval()


def export(path, model, batch=4, dynamic=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shapes = None if dynamic is None else ({0: dynamic},)
        program = torch.export.export(model, (torch.rand(batch, *SHAPE),), dynamic_shapes=shapes)
        torch.export.save(program, path)
    return path


@pytest.fixture(scope="module")
def fixed(net, tmp_path_factory):
    return export(tmp_path_factory.mktemp("fixed") / "net.pt2", net)


@pytest.fixture(scope="module")
def dynamic(net, tmp_path_factory):
    path = tmp_path_factory.mktemp("dynamic") / "net.pt2"
    return export(path, net, dynamic=torch.export.Dim.AUTO)


@pytest.fixture(scope="module")
def scripted(net, tmp_path_factory):
    path = tmp_path_factory.mktemp("scripted") / "net.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(Net().train()), path)
        torch.jit.save(torch.jit.script(net), path)
    return path


class TestLoading:
    @pytest.mark.parametrize("kind", ["fixed", "dynamic", "scripted"])
    @pytest.mark.parametrize("count", [1, 3, 4, 9])
    def test_any_number_of_images(self, kind, count, net, request):
        model = load_model(request.getfixturevalue(kind))
        images = torch.rand(count, *SHAPE)
        with torch.no_grad():
            torch.testing.assert_close(model(images), net(images), rtol=1e-5, atol=1e-5)
        assert not model.training

    @pytest.mark.parametrize("kind", ["fixed", "dynamic", "scripted"])
    def test_gradients_reach_the_images(self, kind, net, request):
        images = torch.rand(5, *SHAPE, requires_grad=True)
        load_model(request.getfixturevalue(kind))(images).square().sum().backward()
        found, images.grad = images.grad, None
        net(images).square().sum().backward()
        torch.testing.assert_close(found, images.grad, rtol=1e-4, atol=1e-5)

    def test_an_expected_loss_of_an_exported_model(self, fixed, net):
        images, labels = torch.rand(3, *SHAPE), torch.tensor([0, 1, 4])
        policy = am.RandomHorizontalFlip()
        found = am.expected_loss(load_model(fixed), "cross_entropy", images, labels, policy)
        wanted = am.expected_loss(net, "cross_entropy", images, labels, policy)
        torch.testing.assert_close(found.value, wanted.value, rtol=1e-5, atol=1e-6)

    def test_other_dtypes_are_cast(self, dynamic):
        assert load_model(dynamic)(torch.rand(2, *SHAPE).double()).dtype == torch.float32

    def test_bounds_of_the_batch_are_kept(self, net, tmp_path):
        size = torch.export.Dim("batch", min=3, max=64)
        model = load_model(export(tmp_path / "m.pt2", net, dynamic=size))
        assert model(torch.rand(1, *SHAPE)).shape == (1, 5)

    def test_the_mode_of_an_exported_program_cannot_change(self, dynamic):
        model = load_model(dynamic)
        assert model.eval() is model
        with pytest.raises(ModelError, match="no training mode"):
            model.train()

    def test_a_script_in_training_mode_is_put_into_evaluation_mode(self, tmp_path):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.jit.save(torch.jit.script(Net().train()), tmp_path / "m.pt")
        model = load_model(tmp_path / "m.pt")
        images = torch.rand(2, *SHAPE)
        assert torch.equal(model(images), model(images))


class TestRefusedModels:
    def test_exported_in_training_mode(self, tmp_path):
        path = export(tmp_path / "m.pt2", Net().train())
        with pytest.raises(ModelError, match=r"active dropout, batch norm.*after model.eval\(\)"):
            load_model(path)

    def test_random(self, tmp_path):
        class Noisy(nn.Module):
            def forward(self, x):
                return (x + torch.randn_like(x)).flatten(1)

        with pytest.raises(ModelError, match="random operator randn_like"):
            load_model(export(tmp_path / "m.pt2", Noisy()))

    def test_two_inputs(self, tmp_path):
        class Two(nn.Module):
            def forward(self, x, y):
                return (x + y).flatten(1)

        images = torch.rand(2, *SHAPE)
        torch.export.save(torch.export.export(Two(), (images, images)), tmp_path / "m.pt2")
        with pytest.raises(ModelError, match="takes 2 inputs"):
            load_model(tmp_path / "m.pt2")

    def test_images_of_another_shape(self, fixed):
        with pytest.raises(ModelError, match=r"exported for images of shape \(1, 8, 8\).*--size"):
            load_model(fixed)(torch.rand(2, 1, 9, 9))


class TestRefusedFiles:
    def test_missing(self, fixed):
        with pytest.raises(DataError, match=r"no nett.pt2 .*did you mean 'net.pt2'"):
            load_model(fixed.parent / "nett.pt2")

    def test_a_folder(self, tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            load_model(tmp_path)

    def test_something_else(self, tmp_path):
        (tmp_path / "m.pt2").write_text("hello")
        with pytest.raises(DataError, match=r"not a model's file.*torch\.export\.save"):
            load_model(tmp_path / "m.pt2")

    def test_an_archive_of_something_else(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "m.pt2", "w") as archive:
            archive.writestr("a/readme.txt", "hello")
        with pytest.raises(DataError, match="archive without a model"):
            load_model(tmp_path / "m.pt2")

    @pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
    @pytest.mark.parametrize("kind", ["fixed", "scripted"])
    def test_cut_short(self, kind, share, request, tmp_path):
        content = request.getfixturevalue(kind).read_bytes()
        (tmp_path / "m").write_bytes(content[: int(share * len(content))])
        with pytest.raises(DataError, match="damaged or cut short"):
            load_model(tmp_path / "m")

    @pytest.mark.parametrize("kind", ["fixed", "scripted"])
    def test_any_damaged_byte_gives_a_typed_error_or_a_model(self, kind, request, tmp_path):
        content = bytearray(request.getfixturevalue(kind).read_bytes())
        for position in range(50, len(content), len(content) // 25):
            damaged = content.copy()
            damaged[position] ^= 0xFF
            (tmp_path / "m").write_bytes(damaged)
            with contextlib.suppress(DataError, ModelError):
                load_model(tmp_path / "m")

    @pytest.mark.parametrize("value", ["state", "module"])
    def test_pickled(self, value, net, tmp_path):
        torch.save(net.state_dict() if value == "state" else net, tmp_path / "m.pt")
        with pytest.raises(ModelError, match=r"written by torch.save.*Export the model"):
            load_model(tmp_path / "m.pt")

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("data/aotinductor/model/x.so", "native code"),
            ("serialized_exported_program.json", "torch before 2.8"),
        ],
    )
    def test_other_formats(self, name, message, tmp_path):
        with zipfile.ZipFile(tmp_path / "m.pt2", "w") as archive:
            archive.writestr(f"model/{name}", b"")
        with pytest.raises(ModelError, match=message):
            load_model(tmp_path / "m.pt2")


class Evil:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def tampered(path, into, change):
    """A copy of an archive, after ``change(parts)``."""
    with zipfile.ZipFile(path) as archive:
        parts = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    change(parts)
    with zipfile.ZipFile(into, "w") as archive:
        for name, content in parts.items():
            archive.writestr(f"net/{name}", content)
    return into


def edit(parts, name, action):
    data = json.loads(parts[name])
    action(data)
    parts[name] = json.dumps(data).encode()


def pickled(mark):
    buffer = io.BytesIO()
    torch.save(Evil(mark), buffer)
    return buffer.getvalue()


class TestNothingIsRun:
    """What torch.export.load would unpickle or evaluate never reaches it."""

    def test_pickled_sample_inputs_are_dropped(self, dynamic, tmp_path, net):
        mark = tmp_path / "run"
        path = tampered(
            dynamic,
            tmp_path / "m.pt2",
            lambda parts: parts.update({"data/sample_inputs/model.pt": pickled(mark)}),
        )
        images = torch.rand(2, *SHAPE)
        torch.testing.assert_close(load_model(path)(images), net(images), rtol=1e-5, atol=1e-5)
        assert not mark.exists()

    @pytest.mark.parametrize("section", ["weights", "constants"])
    def test_pickled_tensors_are_refused(self, section, dynamic, tmp_path):
        mark = tmp_path / "run"
        prefix = "weight" if section == "weights" else "tensor"

        def change(parts):
            entry = {"path_name": f"{prefix}_99", "is_param": False, "use_pickle": True}
            parts[f"data/{section}/{prefix}_99"] = pickled(mark)
            name = f"data/{section}/model_{section}_config.json"
            edit(parts, name, lambda data: data["config"].update({"x": entry}))

        with pytest.raises(ModelError, match="pickled form"):
            load_model(tampered(dynamic, tmp_path / "m.pt2", change))
        assert not mark.exists()

    @pytest.mark.parametrize("name", ["custom_obj_0", "opaque_obj_0"])
    def test_custom_objects_are_refused(self, name, dynamic, tmp_path):
        mark = tmp_path / "run"

        def change(parts):
            entry = {"path_name": name, "is_param": False, "use_pickle": False}
            parts[f"data/constants/{name}"] = pickle.dumps(Evil(mark))
            config = "data/constants/model_constants_config.json"
            edit(parts, config, lambda data: data["config"].update({"x": entry}))

        with pytest.raises(ModelError, match="pickled form"):
            load_model(tampered(dynamic, tmp_path / "m.pt2", change))
        assert not mark.exists()

    @pytest.mark.parametrize("name", ["data/weights/model.pt", "data/constants/model.pt"])
    def test_pickles_of_older_archives_are_dropped(self, name, dynamic, tmp_path):
        mark = tmp_path / "run"
        path = tampered(
            dynamic, tmp_path / "m.pt2", lambda parts: parts.update({name: pickled(mark)})
        )
        load_model(path)
        assert not mark.exists()

    def test_shape_expressions_are_not_evaluated(self, dynamic, tmp_path):
        mark = tmp_path / "run"
        code = f"__import__('pathlib').Path('{mark}').touch()"

        def replace(value):
            if isinstance(value, dict):
                if "expr_str" in value:
                    value["expr_str"] = code
                for inner in value.values():
                    replace(inner)
            if isinstance(value, list):
                for inner in value:
                    replace(inner)

        path = tampered(
            dynamic, tmp_path / "m.pt2", lambda parts: edit(parts, "models/model.json", replace)
        )
        with pytest.raises(ModelError, match=r"the shape expression .* is refused"):
            load_model(path)
        assert not mark.exists()

    @pytest.mark.parametrize(
        "target", ["torch.os.system", "os.system", "torch.ops.aten.from_file.default", "eval"]
    )
    def test_operators_that_do_more_are_refused(self, target, dynamic, tmp_path):
        def change(parts):
            edit(
                parts,
                "models/model.json",
                lambda data: data["graph_module"]["graph"]["nodes"][0].update(target=target),
            )

        with pytest.raises(ModelError, match=f"the operator '{target}'"):
            load_model(tampered(dynamic, tmp_path / "m.pt2", change))

    def test_names_that_are_code_are_refused(self, dynamic, tmp_path):
        def change(parts):
            text = parts["models/model.json"].decode()
            parts["models/model.json"] = text.replace('"x"', '"x=print(1)"').encode()

        with pytest.raises(ModelError, match="the name 'x=print"):
            load_model(tampered(dynamic, tmp_path / "m.pt2", change))

    def test_guards_are_refused(self, dynamic, tmp_path):
        def change(parts):
            edit(parts, "models/model.json", lambda data: data.update(guards_code=["print(1)"]))

        with pytest.raises(ModelError, match="conditions on its inputs as source text"):
            load_model(tampered(dynamic, tmp_path / "m.pt2", change))


def test_torchscript_with_fewer_numbers_than_its_tensors_is_refused(tmp_path):
    """PyTorch itself reads beyond the end of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.trace(nn.Linear(4, 3), torch.rand(1, 4)), tmp_path / "whole.pt")
    with (
        zipfile.ZipFile(tmp_path / "whole.pt") as whole,
        zipfile.ZipFile(tmp_path / "cut.pt", "w") as cut,
    ):
        for name in whole.namelist():
            content = whole.read(name)
            cut.writestr(name, content[:-4] if name.endswith("/data/0") else content)
    assert load_model(tmp_path / "whole.pt")(torch.rand(2, 4)).shape == (2, 3)
    with pytest.raises(DataError, match="fewer numbers than its tensors"):
        load_model(tmp_path / "cut.pt")
