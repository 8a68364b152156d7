"""The same description is drawn into a page and as a picture; the same input gives the same bytes."""

import io

import numpy as np
import pytest
from PIL import Image

from pages import png, svg
from pages.charts import Bars, Dot, Dots, Histogram, Level, Limit, Lines, Series, running_means
from pages.roles import MARKERS, ROLES, STYLES

OURS = Series("ours", (0, 10, 20), (0.2, 0.4, 0.5), ((0.1, 0.3), (0.3, 0.5), (0.4, 0.6)), "wmsd")
PAPER = Series("paper", (0, 100), (0.3, 0.6), style="rl_only", ours=False)
LEVELS = (Level("Base", 0.25, "base"), Level("paper: Demonstrator", 0.55, "demonstrator", ours=False))
LINES = Lines("Task", (OURS, PAPER), LEVELS, y_name="Task")
DOTS = Dots("Task", (Dot("a", 0.5, 0.4, 0.6, "wmsd", (0.45, 0.55)), Dot("b", None, None, None, "sft")), LEVELS)
HISTOGRAM = Histogram("Words", (0, 1, 2, 3), (("kept", (3, 0, 1)), ("rejected", (0, 2, 1))), (Limit(1.5, side="low"),))
BARS = Bars("Agents", ("a", "b"), (("train", "neutral", (60.0, 40.0)), ("bench", "rejected", (50.0, 50.0))))
HOSTILE = "$x^2$ <b>&amp;\u202e\x00 _hidden"


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def colour(style: str) -> list[int]:
    return [int(STYLES[style].light[at : at + 2], 16) for at in (1, 3, 5)]


def has(picture: np.ndarray, style: str) -> bool:
    """Whether some pixels are of the style's colour, as near as a palette of 256 keeps it."""
    return bool((np.abs(picture - colour(style)).max(axis=-1) < 12).any())


@pytest.mark.slow
@pytest.mark.parametrize("chart", [LINES, DOTS, HISTOGRAM, BARS], ids=lambda chart: type(chart).__name__)
def test_a_picture_is_the_same_bytes_twice_and_of_the_size_asked_for(chart):
    first = png.draw([chart], width_px=400, row_px=200)
    assert first == png.draw([chart], width_px=400, row_px=200)
    assert pixels(first).shape == (200, 400, 3)


def test_page_and_picture_show_a_role_in_its_one_colour():
    drawn, picture = svg.lines(LINES), pixels(png.draw([LINES]))
    for style in ("wmsd", "base"):
        assert f"c-{style}" in drawn and has(picture, style)
    assert not has(picture, "vlm")


def test_ours_are_solid_with_markers_and_the_paper_s_are_dashed_without():
    drawn = svg.lines(LINES)
    assert 'class="curve c-wmsd"' in drawn and 'class="curve c-rl_only theirs dashed"' in drawn
    assert drawn.count('class="marker"') == len(OURS.x) and MARKERS[STYLES["wmsd"].marker][0] in drawn
    assert 'class="level c-base dashed"' in drawn and 'class="level c-demonstrator theirs"' in drawn


def test_the_paper_has_an_axis_of_its_own_where_it_is_given_one():
    one, two = svg.lines(LINES), svg.lines(Lines("Task", LINES.series, x_paper="steps in the paper"))
    assert "steps in the paper" not in one and "steps in the paper" in two


def test_lines_pooled_from_several_show_each_of_them():
    pooled = Lines("t", (Series("s", (0, 1), (0.5, 0.6), strands=((0.4, 0.5), (0.6, 0.7))),))
    assert svg.lines(pooled).count('class="strand') == 2
    assert png.draw([pooled]) != png.draw([Lines("t", (Series("s", (0, 1), (0.5, 0.6)),))])


def test_a_logarithmic_axis_takes_values_over_many_powers_of_ten():
    wide = Lines("t", (Series("s", (0, 1, 2), (1e-4, 1e-2, 1.0)),), unit=False, log=True)
    drawn = svg.lines(wide)
    assert ">0.0001<" in drawn and ">1<" in drawn
    middle = drawn.split('class="curve')[1].split('points="')[1].split('"')[0].split()[1]
    assert middle == "500,500"


@pytest.mark.parametrize("chart", [Lines("t", ()), Lines("t", (Series("s", (), ()),)), Histogram("t", (), ()),
                                   Bars("t", (), ()), Dots("t", ())])  # fmt: skip
def test_nothing_to_show_makes_an_empty_picture(chart):
    assert png.draw([chart], legend=True)


def test_a_legend_names_each_line_once_for_all_charts():
    without, once = (
        pixels(png.draw([LINES, LINES], columns=2, width_px=800, legend=legend)) for legend in (False, True)
    )
    assert len(once) > len(without)
    assert list(png._known([LINES, LINES])) == ["ours", "paper", "Base", "paper: Demonstrator"]


@pytest.mark.parametrize("draw", [lambda text: svg.lines(Lines(text, (Series(text, (0, 1), (0, 1)),), x_name=text)),
                                  lambda text: svg.histogram(Histogram(text, (0, 1), (("kept", (1,)),)))])  # fmt: skip
def test_hostile_words_are_text_in_a_page(draw):
    assert "<b>" not in draw(HOSTILE) and "&lt;b&gt;" in draw(HOSTILE)


def test_hostile_words_are_text_in_a_picture():
    series = Series(HOSTILE, (0, 1), (0.0, 1.0))
    lines = Lines(HOSTILE, (series,), (Level(HOSTILE, 0.5, "base"),), x_name=HOSTILE, y_name=HOSTILE)
    drawn = png.draw([lines], legend=True, note=HOSTILE)
    dots = png.draw([Dots(HOSTILE, (Dot(HOSTILE, 0.5, 0.4, 0.6, "base"),))])
    assert drawn != png.draw([Lines("x", (series,))]) and dots
    # A legend hides what begins with an underscore, and reads $ as mathematics: here both are names.
    hidden, shown = (Lines("", (Series(name, (0, 1), (0.0, 1.0)),)) for name in ("_a", "a"))
    assert png.draw([hidden], legend=True) != png.draw([shown], legend=True)


def test_a_dot_without_a_value_is_a_track_alone():
    assert "circle" in svg.span(0.5, 0.4, 0.6, "a", "c-base") and "circle" not in svg.span(None, None, None, "a")


def test_a_running_mean_is_of_what_came_before():
    assert running_means((1, 2, 3, 4), 2) == (1, 1.5, 2.5, 3.5)
    assert running_means((), 3) == ()


def test_a_key_is_a_piece_of_the_line():
    assert 'class="marker"' in svg.key(OURS) and 'class="marker"' not in svg.key(PAPER)
    assert all(f"c-{name}" in svg.key(Level(name, 0.5, name)) for name in ROLES)
