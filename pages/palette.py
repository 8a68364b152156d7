"""Colours of pages and pictures, each on light and on dark paper, and the style sheet's share of them."""

from pages.roles import PAPER_LEVEL, STYLES

# Name -> (on light paper, on dark paper). What is written in a colour has a contrast of 4.5 and more on page and card.
COLOURS = {
    "page": ("#f6f6f3", "#15181c"),
    "card": ("#ffffff", "#1e2227"),
    "ink": ("#1d2126", "#e7e8ea"),
    "quiet": ("#59616b", "#a4acb6"),
    "line": ("#dcdcd5", "#363c44"),
    "link": ("#0b5cad", "#7db8f5"),
    "kept": ("#2b7a78", "#4fb3ad"),
    "rejected": ("#b0521c", "#e08a56"),
    "published": ("#8a8f98", "#7d848e"),
    "neutral": ("#5b76a6", "#86a3d6"),
    "threshold": ("#1d2126", "#ffffff"),
    "warn": ("#fff3dc", "#3a2f17"),
    "warn-line": ("#c98a11", "#d9a336"),
    "caution": ("#855a00", "#d9a336"),
    "yes": ("#1d7a45", "#6fce97"),
    "no": ("#b3402c", "#f0907c"),
    "heat": ("43, 122, 120", "79, 179, 173"),
}
# Of drawn pictures, which lie on white.
INK, QUIET, LINE, PAPER = (COLOURS[name][0] for name in ("ink", "quiet", "line", "card"))
MARK = "#c0392b"  # a line across bars


def style_sheet() -> str:
    """Custom properties of the colours and of who is who, and the classes `c-NAME` of roles and methods."""
    everything = COLOURS | {f"c-{name}": (one.light, one.dark) for name, one in STYLES.items()}
    light, dark = ("".join(f" --{name}: {pair[side]};" for name, pair in everything.items()) for side in (0, 1))
    rules = f"svg .level.theirs {{ stroke-dasharray: {_lengths(PAPER_LEVEL)}; }}\n" + "".join(
        f".c-{name} {{ color: var(--c-{name}); }}\nsvg .dashed.c-{name} {{ stroke-dasharray: {_lengths(one.dash)}; }}\n"
        for name, one in STYLES.items()
    )
    roots = (
        f":root {{ color-scheme: light dark;{light} }}\n@media (prefers-color-scheme: dark) {{ :root {{{dark} }} }}\n"
    )
    return roots + rules


def _lengths(dash: tuple[float, ...]) -> str:
    return " ".join(f"{length:g}" for length in dash)
