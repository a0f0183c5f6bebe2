"""Readers in another process, of which time, memory and end are watched."""

import json
import os
import select
import subprocess
import sys
from pathlib import Path

SECONDS = 60
"""How long one reader may take: many times what they take, so that a busy machine passes too."""

_HERE = Path(__file__).parents[1]


class ReaderError(AssertionError):
    """A reader that crashed, hung, or raised something else than a typed error."""


class Sandbox:
    """A process that runs readers one after the other, and is replaced when it dies."""

    def __init__(self, folder):
        self._folder = folder
        self._process = None

    def __call__(self, reader, seconds=SECONDS, **arguments):
        """What a reader answers within so many seconds.

        Raises:
            ReaderError: It ended in another way than by a value or a typed error.
        """
        if self._process is None:
            self._start()
        answer = self._ask({"reader": reader, "arguments": arguments}, seconds)
        if answer["end"] == "failed":
            raise ReaderError(f"{reader} {arguments}\n{answer['said']}")
        if answer["end"] == "refused":
            said = answer["said"]
            if not 10 < len(said) < 3000:
                raise ReaderError(
                    f"{reader} {arguments}: a message of {len(said)} letters: {said!r}"
                )
        return answer

    def close(self):
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _start(self):
        paths = [str(_HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fuzz.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd=self._folder,
        )
        self._answer({"reader": "the start"}, 120)

    def _ask(self, request, seconds):
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        return self._answer(request, seconds)

    def _answer(self, request, seconds):
        ready, _, _ = select.select([self._process.stdout], [], [], seconds)
        line = self._process.stdout.readline() if ready else b""
        if not line.endswith(b"\n"):
            code = self._process.poll()
            self.close()
            how = f"died ({code})" if ready else f"took more than {seconds} s"
            raise ReaderError(f"{request} {how}")
        return json.loads(line)
