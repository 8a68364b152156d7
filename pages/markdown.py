"""Tables and untrusted words as Markdown."""

import html
from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] | None = None) -> str:
    """A table of cells that are Markdown already. Columns `right` are flush right: by default all but the first."""
    flush = set(range(1, len(header)) if right is None else right)
    rule = ["--:" if place in flush else "---" for place in range(len(header))]
    return "\n".join(f"| {' | '.join(line)} |" for line in (header, rule, *rows))


def escaped(name: str) -> str:
    """Untrusted text as one line of a cell: no markup, no HTML, no control characters."""
    text = html.escape(one_line(name), quote=False)
    return "".join("\\" + character if character in "\\|`*_[]#~" else character for character in text)


def one_line(text: str) -> str:
    """`text` with every run of spaces, line ends and characters that are not printed as one space."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())
