"""What all verbs have in common: the store, JSON on request, and examples in their help."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import click

from textmill.cli.failures import Session

#: The store where neither ``--store`` nor the environment names one.
DEFAULT_STORE = "store"
STORE_VARIABLE = "TEXTMILL_STORE"


class AtLeast(click.IntRange):
    """A whole number from `least` on, called N in the help."""

    name = "n"

    def __init__(self, least: int) -> None:
        super().__init__(min=least)


class Verb(click.Command):
    """A command with examples.

    Attributes
    ----------
    examples
        Command lines that work, each with what it does.
    """

    def __init__(self, *args: Any, examples: Sequence[tuple[str, str]] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Nothing; the examples are at the end of the help."""
        if self.examples:
            with formatter.section("Examples"):
                for line, meaning in self.examples:
                    formatter.write_text(f"# {meaning}")
                    # Written as it is: a wrapped command could not be pasted.
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")
        super().format_epilog(ctx, formatter)


def _remember_debug(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    session = ctx.find_object(Session)
    if value and session is not None:
        session.debug = True


def verb(
    *, examples: Sequence[tuple[str, str]], store_help: str | None = None, store_default: bool = True
) -> Callable[[Callable[..., Any]], Verb]:
    """A decorator that makes a function a verb, with the options that every verb takes.

    The function receives ``store`` (text, or None without a default) and ``as_json`` (bool).

    Parameters
    ----------
    examples
        See `Verb`.
    store_help
        What ``--store`` means where it is not simply the store to work on.
    store_default
        Whether ``--store`` falls back on the environment and on ``./store``.
    """
    told = (
        store_help
        or f"The store: a directory, or s3://bucket/prefix. [default: ${STORE_VARIABLE}, or ./{DEFAULT_STORE}]"
    )

    def decorate(function: Callable[..., Any]) -> Verb:
        @functools.wraps(function)
        def quiet(*args: Any, **kwargs: Any) -> None:
            function(*args, **kwargs)

        command = click.command(name=function.__name__, cls=Verb, examples=tuple(examples))(quiet)
        command.params += [
            click.Option(
                ["--store"],
                metavar="DIR",
                help=told,
                envvar=STORE_VARIABLE if store_default else None,
                default=DEFAULT_STORE if store_default else None,
            ),
            click.Option(["--json", "as_json"], is_flag=True, help="Print JSON on stdout, for programs."),
            click.Option(
                ["--debug"], is_flag=True, expose_value=False, callback=_remember_debug, hidden=True, is_eager=True
            ),
        ]
        return command

    return decorate
