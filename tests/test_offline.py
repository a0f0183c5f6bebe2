"""Nothing that runs looks for another computer: every attempt is refused, and counted.

Python reports each address that is looked up or connected to as an audit event, in all processes
that start from this one.
"""

import os
import subprocess
import sys

import pytest

from augmoments.cli import app

GUARD = """\
import sys
from pathlib import Path

EVENTS = ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo")
EVENTS += ("socket.gethostbyname", "socket.gethostbyaddr", "urllib.Request")
HERE = ("localhost", "127.0.0.1", "::1", None)

def guard(event, arguments):
    if event not in EVENTS:
        return
    place = arguments[1] if event.startswith(("socket.connect", "socket.send")) else arguments[0]
    host = place[0] if isinstance(place, tuple) else place
    if {workers} and host in HERE:
        return
    with Path(__file__).with_name("attempts").open("a") as attempts:
        print(event, place, file=attempts)
    raise OSError(f"{{event}} {{place}}: no network in this test")

sys.addaudithook(guard)
"""
TRIES = """\
import socket, urllib.request
for call in (
    lambda: socket.create_connection(("192.0.2.1", 80)),
    lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"", ("192.0.2.1", 53)),
    lambda: socket.gethostbyname("example.org"),
    lambda: urllib.request.urlopen("https://example.org"),
):
    try:
        call()
    except OSError as error:
        print(error)
"""
IMPORTS = """\
import pkgutil, augmoments
for module in pkgutil.walk_packages(augmoments.__path__, "augmoments."):
    __import__(module.name)
"""
LIBRARY = """\
import torch
import augmoments as am

images, labels = am.data.digits()
images, labels = images[:40], labels[:40]
policy = am.load_policy("policy.yaml")
model = am.AugmentedRidgeClassifier(policy, alpha=1e-3).fit(images, labels).to_module()
assert am.moments(images, policy).method == "exact"
am.expected_loss(model, "squared_error", images, labels, policy)
am.samples_needed(images, policy, of="covariance")
am.sensitivity(model, "squared_error", images, labels, policy, steps=True)
am.tta(model, images, policy, labels)
am.compare(images, policy, am.RandomRotation(5))
am.data.photo("cat", size=8)
program = torch.export.export(
    model, (images[:2],), dynamic_shapes=({0: torch.export.Dim.AUTO},)
)
torch.export.save(program, "model.pt2")
"""
CALLS = """\
from typer.testing import CliRunner
from augmoments.cli import app
for words in {calls}:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, (words, done.output)
"""
DIGITS = ("-i", "digits", "-p", "policy.yaml")
COMMANDS = {
    "quantify": (*DIGITS, "-m", "model.pt2", "--limit", "4"),
    "explain": ("-p", "policy.yaml", "--shape", "1,8,8"),
    "compare": ("--a", "policy.yaml", "--b", "other.yaml", "-i", "digits", "--limit", "4"),
    "need": (*DIGITS, "--limit", "4"),
    "tta": (*DIGITS, "-m", "ridge", "--limit", "8"),
    "fit": (*DIGITS, "--out", "fitted"),
    "reproduce": ("policies-compared", "--quick"),
    "explore": ("--no-open",),
    "calibrate": ("--cases", "2"),
    "doctor": (),
}


@pytest.fixture
def offline(tmp_path):
    """Run a program with no way out; the attempts to find one."""
    (tmp_path / "policy.yaml").write_text("[RandomHorizontalFlip, {RandomTranslation: {x: 1}}]")
    (tmp_path / "other.yaml").write_text("RandomHorizontalFlip")

    def run(program, workers=False):
        guard = tmp_path / "guard"
        guard.mkdir(exist_ok=True)
        (guard / "sitecustomize.py").write_text(GUARD.format(workers=workers))
        paths = [str(guard), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        attempts = guard / "attempts"
        return attempts.read_text().splitlines() if attempts.exists() else []

    return run


def test_attempts_are_refused_and_counted(offline):
    assert len(offline(TRIES)) == 4


def test_every_command_is_run():
    assert set(COMMANDS) == {command.callback.__name__ for command in app.registered_commands}


def test_every_module_and_command(offline):
    calls = [(name, *options) for name, options in COMMANDS.items()]
    assert offline(IMPORTS + LIBRARY + CALLS.format(calls=calls)) == []


@pytest.mark.slow
def test_workers_stay_on_this_machine(offline):
    call = ("fit", *DIGITS, "--workers", "2", "--out", "fitted")
    program = f"if __name__ == '__main__':\n    from augmoments.cli import app\n    app({call})"
    assert offline(program, workers=True) == []
