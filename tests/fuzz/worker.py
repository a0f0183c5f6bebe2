"""Runs readers in a process of its own, with bounded memory, and tells how each of them ended.

Requests and answers are lines of JSON on standard input and output; see :mod:`fuzz.sandbox`.
"""

import json
import os
import resource
import sys
import traceback
import warnings

MORE_MEMORY = 2 * 10**9
"""Bytes of addresses that a reader may take beyond those of the idle process."""

FORBIDDEN = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "subprocess.Popen")
PIECE = 64


def read_images(arguments):
    """All images by way of ``load``, with what a :class:`Dataset` promises."""
    import augmoments as am

    dataset = am.data.load(**arguments)
    _check(dataset.images, dataset.labels, dataset.classes)
    return repr(dataset)


def read_stream(arguments):
    """All images by way of ``stream``, piece by piece."""
    import augmoments as am

    stream = am.data.stream(**arguments)
    for start in range(0, min(stream.count, 4 * PIECE), PIECE):
        batch = stream.read(start, min(start + PIECE, stream.count))
        _check(batch.images, batch.targets, stream.classes, empty=True)
    return repr(stream)


def read_moments(arguments):
    """Sums of a dataset, and what follows from them."""
    import augmoments as am

    policy = am.RandomHorizontalFlip()
    return str(am.DatasetMoments.load(arguments["path"], policy).moments().mean.shape)


def read_policy(arguments):
    """A policy, and the values that it is written as."""
    from augmoments.config import load_policy, policy_from, policy_to_dict

    policy = load_policy(arguments["path"])
    again = policy_from(policy_to_dict(policy))
    assert again == policy or repr(again) == repr(policy), (
        "the policy changes when it is written and read"
    )
    return repr(policy)


def read_config(arguments):
    """A configuration of ``quantify``."""
    from augmoments.config import load_quantify_config

    return repr(load_quantify_config(arguments["path"]))


def read_model(arguments):
    """A model and its outputs for two images."""
    import torch

    import augmoments as am
    from augmoments.models import load_model

    model = load_model(arguments["path"])
    try:
        with torch.no_grad():
            out = model(torch.rand(2, 1, 8, 8))
    except am.errors.AugmomentsError:
        raise
    except Exception as error:  # a program that cannot run is no failure of the reader
        return f"it does not run: {type(error).__name__}"
    return str(getattr(out, "shape", type(out)))


def run_command(arguments):
    """The command line: its exit code, and nothing but text for people."""
    from typer.testing import CliRunner

    from augmoments.cli import app

    done = CliRunner().invoke(app, arguments["arguments"])
    said = done.output + done.stderr
    assert done.exit_code in (0, 1, 2, 3, 4), f"exit code {done.exit_code}: {said[-2000:]}"
    assert "Traceback" not in said, said[-2000:]
    assert "\x1b" not in done.stderr, "a control character reaches the terminal"
    return f"exit code {done.exit_code}"


READERS = {
    function.__name__: function
    for function in (
        read_images,
        read_stream,
        read_moments,
        read_policy,
        read_config,
        read_model,
        run_command,
    )
}


def _check(images, labels, classes, empty=False):
    assert images.ndim == 4, f"images of shape {tuple(images.shape)}"
    assert empty or len(images), "no images and no error"
    assert not len(images) or (images.min() >= 0 and images.max() <= 1), "values outside [0, 1]"
    if labels is not None and len(labels):
        assert len(labels) == len(images), "images and labels of different number"
        assert labels.min() >= 0, "a negative label"
        assert not classes or labels.max() < len(classes), "a label without a class"
    "".join(classes).encode()


def answer(name, arguments):
    """``value``, ``refused`` or ``failed``, with what was said."""
    from augmoments.errors import AugmomentsError

    try:
        return {"end": "value", "said": READERS[name](arguments)}
    except AugmomentsError as error:
        return {"end": "refused", "said": str(error), "type": type(error).__name__}
    except BaseException:
        return {"end": "failed", "said": traceback.format_exc()[-6000:]}


def _forbid(event, _arguments):
    if event in FORBIDDEN:
        raise RuntimeError(f"a reader started another program: {event}")


def _addresses():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def serve():
    """Answer until the input ends."""
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    warnings.simplefilter("ignore")
    import torch
    import zarr  # noqa: F401

    import augmoments as am
    import augmoments.cli
    import augmoments.config

    torch.set_num_threads(1)
    am.moments(torch.rand(1, 1, 4, 4), am.RandomHorizontalFlip())
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (_addresses() + MORE_MEMORY,) * 2)
    sys.addaudithook(_forbid)
    channel.write("{}\n")
    channel.flush()
    for line in sys.stdin:
        request = json.loads(line)
        channel.write(json.dumps(answer(request["reader"], request["arguments"])) + "\n")
        channel.flush()


if __name__ == "__main__":
    serve()
