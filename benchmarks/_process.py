"""A row's measurement, or its work alone, in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

CHILD = Path(__file__).parent / "_child.py"
POOLS = "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"


def in_process(task: str, name: str, given: object, limit: float) -> dict[str, Any]:
    """What the process finds; it is stopped after ``limit`` seconds."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "answer.json")
        command = [sys.executable, CHILD, task, name, json.dumps(given), out]
        process = subprocess.Popen(
            [str(part) for part in command],
            env={**os.environ, **dict.fromkeys(POOLS, "2")},
            start_new_session=True,
        )
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            return {"failed": f"not done after {limit:.0f} s"}
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if code:
            return {"failed": f"exit code {code}"}
        return json.loads(out.read_text(encoding="utf-8"))
