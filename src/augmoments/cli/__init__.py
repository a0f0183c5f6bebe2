"""The command line: ``augmoments quantify``, ``explain``, ``compare``, ``need``, ``tta``, ...

Results go to standard output, messages and progress to standard error. Exit codes: 0 done, 1 a
check that was asked for failed, 2 bad usage, configuration or output folder, 3 bad input, 4 not
enough memory.
"""

from augmoments.cli.app import app, main

__all__ = ["app", "main"]
