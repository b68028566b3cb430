"""Sizes on the command line."""

import click

from pipeline.settings import parse_size


class ByteSize(click.ParamType[int]):
    """A number of bytes as a person writes it: ``128MB``."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The bytes."""
        try:
            return parse_size(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


SIZE = ByteSize()
