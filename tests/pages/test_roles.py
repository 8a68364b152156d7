"""Who is who looks the same everywhere, can be told apart by everybody, and can be read on light and dark paper."""

import itertools
from typing import get_args

import numpy as np
import pytest

from evaluation.report.trained import BASELINES, DISTILLATION, WITH_REWARDS
from pages.palette import COLOURS, style_sheet
from pages.roles import MARKERS, METHODS, OTHERS, ROLES, STYLES, styles_of

# How the colours of light reach eyes without one kind of cones (Machado, Oliveira and Fernandes 2009), linear RGB.
EYES = {
    "all cones": np.eye(3),
    "no red cones": [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]],
    "no green cones": [[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]],
    "no blue cones": [[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]],
}
# OKLab (Ottosson 2020), whose distances are about as large as people see them; 2 hundredths can just be seen.
TO_LMS = np.array([[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.6300]])
TO_LAB = np.array([[0.2105, 0.7936, -0.0041], [1.9780, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]])
APART = 5.0
LEVELS = ("base", "demonstrator")
TOGETHER = {
    "roles": tuple(ROLES),
    "rewards": (*WITH_REWARDS, *LEVELS),
    "distillation": (*DISTILLATION, *LEVELS),
    "baselines": (*BASELINES, *LEVELS),
    "settings": (*(one.name for one in OTHERS), *LEVELS),
}


def light_of(colour: str) -> np.ndarray:
    """#rrggbb -> linear RGB."""
    value = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """WCAG's contrast ratio."""
    dark, bright = sorted(float(light_of(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (one, other))
    return (bright + 0.05) / (dark + 0.05)


def distance(one: str, other: str, eyes: str) -> float:
    seen = (np.clip(np.asarray(EYES[eyes]) @ light_of(colour), 0, 1) for colour in (one, other))
    first, second = (TO_LAB @ np.cbrt(TO_LMS @ light) for light in seen)
    return 100 * float(np.linalg.norm(first - second))


@pytest.mark.parametrize("paper", ["page", "card"])
@pytest.mark.parametrize("side", [0, 1], ids=["light", "dark"])
def test_colours_have_the_contrast_that_they_need(paper, side):
    ground = COLOURS[paper][side]
    text = {name: COLOURS[name][side] for name in ("ink", "quiet", "link", "kept", "rejected", "caution", "yes", "no")}
    text |= {name: (one.light, one.dark)[side] for name, one in ROLES.items()}
    assert {name: contrast(colour, ground) for name, colour in text.items() if contrast(colour, ground) < 4.5} == {}
    marks = {name: (one.light, one.dark)[side] for name, one in STYLES.items()}
    assert {name: contrast(colour, ground) for name, colour in marks.items() if contrast(colour, ground) < 3} == {}


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("names", TOGETHER.values(), ids=TOGETHER)
def test_what_shares_a_chart_differs_to_all_eyes(names, eyes):
    for one, other in itertools.combinations([STYLES[name] for name in names], 2):
        for side in ("light", "dark"):
            found = distance(getattr(one, side), getattr(other, side), eyes)
            # Where a colour is missing, marker and dash have to differ: nobody is told by colour alone.
            assert found > APART or (one.marker, one.dash) != (other.marker, other.dash), (one.name, other.name, found)
            if eyes != "no blue cones":  # one in 30,000 people
                assert found > APART, (one.name, other.name, side, found)


def test_every_training_method_has_an_entry_and_wmsd_is_the_executor():
    from training.options import Method

    assert set(get_args(Method)) <= set(METHODS)
    assert METHODS["wmsd"].light == ROLES["executor"].light and METHODS["wmsd"].dark == ROLES["executor"].dark
    assert all(one.marker in MARKERS for one in STYLES.values())


def test_a_chart_has_no_colour_twice_and_names_keep_their_own():
    assert styles_of(["base", "executor", "vlm"]) == ["base", "executor", "vlm"]
    assert styles_of(["", "", ""]) == [one.name for one in OTHERS[:3]]
    first, second = styles_of(["wmsd", "executor"])
    assert first == "wmsd" and STYLES[second].light != STYLES[first].light
    assert len(styles_of([""] * 20)) == 20


def test_the_style_sheet_is_made_of_the_entries():
    sheet = style_sheet()
    for name, one in STYLES.items():
        assert f"--c-{name}: {one.light};" in sheet and f"--c-{name}: {one.dark};" in sheet
        assert f".c-{name} {{ color: var(--c-{name}); }}" in sheet
    assert all(
        f"--{name}: {light};" in sheet and f"--{name}: {dark};" in sheet for name, (light, dark) in COLOURS.items()
    )
