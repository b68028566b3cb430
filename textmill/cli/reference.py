"""The reference pages in docs/, made from the code.

`python -m textmill.cli.reference` writes them anew, with a folder as argument there instead.
"""

import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path

import click

from textmill.cli.job_reference import job_reference
from textmill.cli.main import VERBS, cli
from textmill.cli.verb import Verb

_HEAD = "<!-- Made by `python -m textmill.cli.reference`; change the code, not this page. -->\n\n"
#: Where the pages lie in a checkout.
DOCS = Path(__file__).resolve().parents[2] / "docs"


def cli_reference() -> str:
    """The Markdown page on all verbs."""
    context = click.Context(cli, info_name="textmill")
    parts = [
        f"{_HEAD}# The command line\n",
        f"{inspect.cleandoc(cli.help or '')}\n",
        f"{cli.epilog} Messages go to stderr, results to stdout; `--json` makes the result JSON.\n",
    ]
    for title, verbs in VERBS.items():
        parts.append(f"## {title}\n")
        for verb in verbs:
            command = cli.get_command(context, verb)
            assert isinstance(command, Verb)  # noqa: S101 - a verb that is none is a defect here
            parts.append(_verb_section(verb, command, context))
    return "\n".join(parts)


def _verb_section(name: str, command: Verb, parent: click.Context) -> str:
    context = click.Context(command, info_name=name, parent=parent)
    usage = command.get_usage(context).removeprefix("Usage: ")
    lines = [f"### textmill {name}\n", inspect.cleandoc(command.help or ""), ""]
    lines += ["```", re.sub(r"\s+", " ", usage), "```", ""]
    records = [each.get_help_record(context) for each in command.params if isinstance(each, click.Option)]
    options = [record for record in records if record is not None]
    if options:
        lines += ["| option | meaning |", "|---|---|"]
        lines += [f"| `{_cell(flags)}` | {_cell(meaning)} |" for flags, meaning in options]
        lines.append("")
    if command.examples:
        lines.append("```sh")
        for line, meaning in command.examples:
            lines += [f"# {meaning}", line]
        lines += ["```", ""]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")


#: Page name -> what makes it.
PAGES: dict[str, Callable[[], str]] = {"cli.md": cli_reference, "job-file.md": lambda: _HEAD + job_reference()}


def write_pages(folder: Path = DOCS) -> list[Path]:
    """The pages that were not up to date, now written.

    Parameters
    ----------
    folder
        Where they lie.
    """
    written = []
    for name, make in PAGES.items():
        path, text = folder / name, make()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            written.append(path)
    return written


if __name__ == "__main__":
    for page in write_pages(*map(Path, sys.argv[1:2])):
        sys.stdout.write(f"{page}\n")
