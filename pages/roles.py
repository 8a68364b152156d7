"""Who is who on every page and chart: one entry a role and a training method, with its colour, dash, marker and label.

A colour means the same everywhere: style sheets (pages/palette.py) and pictures (pages/png.py) read these entries.
Entries that share a chart differ to people who see fewer colours too, and beside colour by marker and dash. A role's
colour has a contrast of at least 4.5 on white and on dark paper, every other one of at least 3: WCAG's AA for text and
for graphics. tests/pages holds all of this.
"""

from collections.abc import Sequence
from dataclasses import dataclass

# Marker -> (path in SVG, name in matplotlib).
MARKERS = {
    "circle": ("M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0z", "o"),
    "square": ("M-3.6,-3.6h7.2v7.2h-7.2z", "s"),
    "up": ("M0,-4.8l4.6,8h-9.2z", "^"),
    "diamond": ("M0,-5l5,5l-5,5l-5,-5z", "D"),
    "down": ("M0,4.8l4.6,-8h-9.2z", "v"),
    "plus": ("M-1.3,-4.5h2.6v3.2h3.2v2.6h-3.2v3.2h-2.6v-3.2h-3.2v-2.6h3.2z", "P"),
}


@dataclass(frozen=True)
class Style:
    """How one of them looks. `light` and `dark` are its colours on light and on dark paper.

    `dash`: lengths of strokes and gaps in pixels, where it is a level that others are held against, or the paper's
    trace; lines of our own are solid.
    """

    name: str
    label: str
    light: str
    dark: str
    dash: tuple[float, ...]
    marker: str = "circle"


def _by_name(*styles: Style) -> dict[str, Style]:
    return {one.name: one for one in styles}


ROLES = _by_name(
    Style("base", "Base", "#3c4450", "#dfe3e8", (1, 3), "square"),
    Style("demonstrator", "Demonstrator", "#b34700", "#f2a65a", (12, 3), "up"),
    Style("executor", "Executor", "#0067a5", "#6db3f2", (5, 4), "circle"),
    Style("vlm", "+VLM", "#008060", "#45c498", (10, 3, 2, 3), "diamond"),
)
METHODS = _by_name(
    # What wmsd trains is the Executor: one colour.
    Style("wmsd", "on-policy + RL (WMSD)", ROLES["executor"].light, ROLES["executor"].dark, (5, 4), "circle"),
    Style("rl_only", "RL only", "#a07b06", "#f9d170", (2, 3), "square"),
    Style("alternating", "alternating + RL", "#793600", "#c87846", (10, 3), "up"),
    Style("off_policy_teacher_rl", "off-policy + Demonstrator RL", "#b16385", "#c27696", (10, 3, 2, 3), "diamond"),
    Style("on_policy_anchor", "on-policy, anchor", "#50996a", "#4cf695", (6, 2, 1, 2, 1, 2), "down"),
    Style("on_policy_full", "on-policy, full", "#9356f0", "#a778fc", (8, 3), "up"),
    Style("off_policy", "off-policy", "#5a6cc3", "#7586cd", (3, 6), "plus"),
    Style("sft", "SFT", "#1899a6", "#46d8e7", (7, 2), "diamond"),
    Style("dmd", "DMD", "#762229", "#fe606b", (4, 2, 1, 2), "square"),
)
# Lines that are neither: several trainings, or settings of one method. The first of them is the usual one.
OTHERS = (
    ROLES["executor"],
    Style("other-1", "", "#7773c5", "#8981f0", (2, 3), "square"),
    Style("other-2", "", "#b53778", "#fd54aa", (10, 3), "up"),
    Style("other-3", "", "#50996a", "#4cf695", (10, 3, 2, 3), "diamond"),
    Style("other-4", "", "#793600", "#c87846", (6, 2, 1, 2, 1, 2), "down"),
)
PAPER_LEVEL = (8, 4, 1, 4)  # dash of a level that is the paper's
STYLES = ROLES | METHODS | _by_name(*OTHERS)


def role_label(role: str) -> str:
    """What a reader calls a role; a name of its own stays as it is."""
    return ROLES[role].label if role in ROLES else role


def styles_of(names: Sequence[str]) -> list[str]:
    """A style for each line of one chart: its own where a role or method is called so, and no colour twice."""
    made: list[str] = []
    for name in names:
        taken = {STYLES[one].light for one in made}
        own = [name] if name in ROLES or name in METHODS else []
        free = (one for one in (*own, *(other.name for other in OTHERS)) if STYLES[one].light not in taken)
        made.append(next(free, OTHERS[len(made) % len(OTHERS)].name))
    return made
