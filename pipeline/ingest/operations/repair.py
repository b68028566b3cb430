"""Operations that repair texts damaged on their way: markup left in, bytes read in a wrong encoding."""

import html
import re
from collections.abc import Callable
from functools import cache, partial
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.ingest.operations.operation import TextOperation
from pipeline.ingest.operations.rows import each_text, on_rows

_BLOCK_ELEMENTS = (
    "address article aside blockquote br dd details dialog div dl dt fieldset figcaption figure footer form "
    "h1 h2 h3 h4 h5 h6 header hr li main nav ol option p pre section table tbody td tfoot th thead tr ul"
)
_INLINE_ELEMENTS = (
    "a abbr acronym applet area audio b base basefont bdi bdo big body button canvas caption center cite code col "
    "colgroup data datalist del dfn dir em embed font frame frameset head html i iframe img input ins kbd label "
    "legend link map mark meta meter noframes noscript object optgroup output param picture progress q rp rt ruby s "
    "samp script select small source span strike strong style sub summary sup svg template textarea time title "
    "track tt u var video wbr"
)
_ATTRIBUTES = r"""(?:[\s/](?:"[^"]*"|'[^']*'|[^"'<>])*|[\s/][^<>]*)?"""


def _tag(elements: str) -> str:
    return rf"</?(?:{elements.replace(' ', '|')}){_ATTRIBUTES}>"


_UNSEEN = r"(?is)<!--.*?-->|<!doctype[^>]*>|<!\[cdata\[|\]\]>|<\?xml[^>]*>" + "".join(
    rf"|<{name}{_ATTRIBUTES}>.*?</{name}\s*>" for name in ("script", "style", "template")
)
_BLOCK = "(?i)" + _tag(_BLOCK_ELEMENTS)
_INLINE = "(?i)" + _tag(_INLINE_ELEMENTS)

#: What ftfy may do here: undo wrong decodings and terminal escapes, and nothing that another operation does.
REPAIR: dict[str, Any] = {
    "unescape_html": False,
    "fix_latin_ligatures": False,
    "fix_character_width": False,
    "uncurl_quotes": False,
    "fix_line_breaks": False,
    "remove_control_chars": False,
    "normalization": None,
    "explain": False,
}


class StripHtml(TextOperation):
    """Turn HTML into text: tags and comments go, scripts and styles go with what they hold, entities become characters.

    Elements that start a line of their own (paragraphs, line breaks, list items, table cells) leave a line break. Only
    names of HTML elements count as tags: ``a < b``, ``<3`` and ``<name@example.org>`` stay.

        op = "strip_html"
    """

    op: Literal["strip_html"] = "strip_html"

    def transform(self, texts: pa.Array) -> pa.Array:
        """The texts without markup."""
        texts = on_rows(texts, pc.match_substring(texts, "<"), _without_tags)
        return on_rows(
            texts,
            pc.match_substring_regex(texts, "&#?[a-zA-Z0-9]"),
            lambda some: each_text(some, html.unescape),
        )


def _without_tags(texts: pa.Array) -> pa.Array:
    texts = pc.replace_substring_regex(texts, _UNSEEN, "")
    texts = pc.replace_substring_regex(texts, _BLOCK, "\n")
    return pc.replace_substring_regex(texts, _INLINE, "")


class FixText(TextOperation):
    """Repair texts that were decoded with a wrong encoding ("cafÃ©" becomes "café"), by the package ftfy.

    Only that: quotes, widths, line breaks and normal forms are left to the operations named after them.

        op = "fix_text"
    """

    op: Literal["fix_text"] = "fix_text"

    def transform(self, texts: pa.Array) -> pa.Array:
        """The texts with wrong decodings undone."""
        return on_rows(
            texts,
            pc.match_substring_regex(texts, _suspicious()),
            lambda some: each_text(some, _repairing()),
        )


@cache
def _repairing() -> Callable[[str], str]:
    # Most jobs repair nothing, and do not wait for it.
    import ftfy

    return partial(ftfy.fix_text, config=ftfy.TextFixerConfig(**REPAIR))


@cache
def _suspicious() -> str:
    """A pattern found in every text that ftfy would change: most texts, pure Chinese ones too, never reach it."""
    from ftfy.badness import MOJIBAKE_CATEGORIES

    characters = sorted(
        {
            c
            for members in MOJIBAKE_CATEGORIES.values()
            for c in _expanded(members)
            if ord(c) > ord("~") and not c.isspace()
        }
    )
    return "[" + r"\x{1b}\x{80}-\x{9f}\x{a0}" + "".join(f"\\x{{{ord(c):x}}}" for c in characters) + "]"


def _expanded(members: str) -> str:
    """The members of a regular expression's character class, ranges written out."""
    return re.sub("(.)-(.)", lambda ends: "".join(map(chr, range(ord(ends[1]), ord(ends[2]) + 1))), members)
