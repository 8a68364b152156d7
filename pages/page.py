"""Templates that escape everything, and the security policy of a page that runs no script but its own."""

import base64
import hashlib
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import jinja2
from markupsafe import Markup

from pages import numbers, palette, svg

BASE_STYLE = Path(__file__).with_name("base.css")
SHORT = 80  # characters of a name in a table or caption: a reason, a category, a model


def environment(folder: Path, styles: Sequence[str], scripts: Sequence[str], *, beside: bool = False):
    """The templates of `folder` with its `styles` (after the colours and base.css) and its `scripts`, inline.

    Autoescape everywhere, unknown names are errors, and every text passes `visible` on its way out. `beside`: pictures
    and videos may be files beside the page. Templates find `style`, `script`, `policy` and the functions that draw.
    """
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
    )
    sheets = (BASE_STYLE, *(folder / name for name in styles))
    style = palette.style_sheet() + "".join(path.read_text(encoding="utf-8") for path in sheets)
    script = "".join((folder / name).read_text(encoding="utf-8") for name in scripts)
    made.filters |= {
        "number": numbers.number,
        "short": lambda text: text if len(text) <= SHORT else text[: SHORT - 3] + "...",
        "count": lambda value: f"{value:,}",
    }
    made.globals |= {
        "style": Markup(style),
        "script": Markup(script),
        "policy": policy(style, script, beside=beside),
        "bar": svg.bar,
        "span": svg.span,
        "lines": svg.lines,
        "key": svg.key,
        "histogram": svg.histogram,
        "root_axis": numbers.root_axis,
    }
    return made


def policy(style: str, script: str, *, beside: bool = False) -> str:
    """The page's Content-Security-Policy: nothing but this style, this script and data: images.

    With `beside` also pictures and videos from where the page lies, be it a folder or a server.
    """
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    files = " 'self' file:" if beside else ""
    return (
        f"default-src 'none'; img-src data:{files}; {f'media-src{files}; ' if beside else ''}"
        f"style-src 'sha256-{digests[0]}'; script-src 'sha256-{digests[1]}'; base-uri 'none'; form-action 'none'"
    )


def visible(text: str) -> str:
    """`text` with everything a reader could not see, or that turns writing direction, as its code point in brackets.

    A file name may hold any of it. Spaces and line ends stay; a lone surrogate cannot be written as UTF-8 at all.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char
        if char in "\n\t" or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn")
        else f"[U+{ord(char):04X}]"
        for char in text
    )
