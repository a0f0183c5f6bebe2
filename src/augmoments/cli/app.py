"""The commands, in the order in which ``augmoments --help`` tells of them."""

from __future__ import annotations

from typing import Annotated

import typer

from augmoments.cli.commands.calibrate import calibrate
from augmoments.cli.commands.compare import compare
from augmoments.cli.commands.doctor import doctor
from augmoments.cli.commands.explain import explain
from augmoments.cli.commands.explore import explore
from augmoments.cli.commands.fit import fit
from augmoments.cli.commands.need import need
from augmoments.cli.commands.quantify import quantify
from augmoments.cli.commands.reproduce import reproduce
from augmoments.cli.commands.tta import tta

app = typer.Typer(
    name="augmoments",
    help="The exact calculus of data augmentation: what augmented images look like on average, how "
    "they vary, and what follows for loss and sampling.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(installed("augmoments"))
        raise typer.Exit


_COMMANDS = (
    quantify,
    explain,
    compare,
    need,
    tta,
    fit,
    reproduce,
    explore,
    calibrate,
    doctor,
)
for _command in _COMMANDS:
    app.command()(_command)


def main() -> None:
    """Entry point of the command."""
    app()
