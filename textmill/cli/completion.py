"""The verb that prints shell completion scripts."""

import click
from click.shell_completion import get_completion_class

from textmill.cli.verb import verb

_SHELLS = ("bash", "zsh", "fish")
#: The line that makes the completion permanent, by shell.
SETUP = {
    "bash": 'eval "$(textmill completion bash)"     # in ~/.bashrc',
    "zsh": 'eval "$(textmill completion zsh)"      # in ~/.zshrc',
    "fish": "textmill completion fish | source       # in ~/.config/fish/config.fish",
}


@verb(
    examples=[
        (SETUP["bash"], "for bash"),
        (SETUP["zsh"], "for zsh"),
        (SETUP["fish"], "for fish"),
    ]
)
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str, store: str, as_json: bool) -> None:  # noqa: ARG001 - what verbs take
    """Print the script that makes the shell complete verbs, options, and names of datasets, models and runs."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"there is no completion for {shell}")
    click.echo(kind(ctx.find_root().command, {}, "textmill", "_TEXTMILL_COMPLETE").source())
