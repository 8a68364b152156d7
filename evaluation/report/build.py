"""One page about evaluated runs: the same input gives the same bytes, whatever the machine and the hour."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from evaluation.generation.run_record import MADE_ON
from evaluation.records import CUT, RUN, RunRecord
from evaluation.report.ablations import ablations, measure_names
from evaluation.report.curves import curves
from evaluation.report.footage import place_all
from evaluation.report.leaderboard import Group, breakdowns, groups, pairs
from evaluation.report.others import others
from evaluation.report.players import players
from evaluation.report.reading import Evaluated, read_runs, shown_in_full
from evaluation.report.reproduction import Reproduction, read_reproduction, usual_options
from evaluation.report.steps_and_sizes import parts, settings
from evaluation.report.summary import write_summary
from evaluation.report.trust import trust
from evaluation.scoring.score_file import Estimate
from evaluation.stored import PAGE
from models.vlm.questions import label_of
from pages.page import environment
from pages.roles import ROLES, styles_of
from storage.files import write_bytes

HERE = Path(__file__).parent
ORDER = {role: place for place, role in enumerate(ROLES)}


def build_report(
    runs: Sequence[Path],
    out: Path,
    reproduction: Path | None = None,
    *,
    title: str = "",
    roles: Mapping[str, str] | None = None,
    reference: str = "",
    judge: str = "",
    exact_judge: str = "",
    expected: int | None = None,
    workers: int = 0,
    tell: Callable[[str], None] | None = None,
) -> Path:
    """Writes `out`/report.html, its summary.json, and the videos that it shows below `out`/videos/; returns the page.

    runs: folders of runs; one that is not whole shows its videos and why it has no scores. Other arguments are those of
    evaluation/report/options.py. Videos are linked, or copied where that cannot be; those of an earlier report that
    are no longer shown are removed.

    Raises ValueError for damaged records, two runs of one name, unknown names in `roles` or `reference`, and an `out`
    that is itself a run's folder.
    """
    if (out / RUN).exists():
        raise ValueError(f"{out} is the folder of a run: give the report its own folder")
    found = read_runs(runs, roles or {}, judge, expected)
    told = read_reproduction(reproduction) if reproduction else None
    if tell:
        tell(f"read {len(found)} runs, {sum(len(one.videos) for one in found)} videos")
    every, found = found, [one for one in found if not one.control]  # controls stand apart
    left_out = parts(found)
    full = [one for one in shown_in_full(found) if one not in left_out]
    shown = sorted(full, key=lambda one: ORDER.get(one.role, len(ORDER)))
    grouped = groups(shown)
    videos = [(one, video) for one in shown for video in one.videos]
    placed = place_all([(one.folder, video) for one, video in videos], out, workers, tell)
    footage = {(one.name, video.video_id): place for (one, video), place in zip(videos, placed, strict=True)}
    view = {
        "title": title or ", ".join(dict.fromkeys(one.record.benchmark for one in shown)),
        "players": players(grouped, footage),
        "missing": sum(1 for place in placed if place.missing),
        "stripless": sum(1 for place in placed if not place.missing and not place.strip),
        "trust": trust(found, shown, exact_judge, expected),
        "ablations": ablations(told, usual_options(reproduction, told)) if told else None,
        "controls": [one for one in every if one.control],
    } | _view(found, shown, grouped, told, reference)
    made = environment(HERE, ["style.css"], ["filters.js", "screens.js", "players.js"], beside=True)
    made.filters |= {"share": share, "named": label_of}
    made.globals |= {"interval_words": interval_words, "made_on": made_on, "cut": cut, "kept": kept}
    page = out / PAGE
    write_summary(out, every, [pair for _, some in view["pairs"] for pair in some], view["curves"])
    write_bytes(page, made.get_template("page.html.j2").render(view).encode("utf-8"))
    if tell:
        tell(f"wrote {page}: {page.stat().st_size / 1e6:.1f} MB")
    return page


def _view(
    found: Sequence[Evaluated],
    shown: Sequence[Evaluated],
    grouped: Sequence[Group],
    told: Reproduction | None,
    reference: str,
) -> dict[str, Any]:
    """Everything else that the templates show, worked out; texts still raw."""
    notes: dict[str, list[str]] = {}
    for one in found:
        for note in one.record.notes:
            notes.setdefault(note, []).append(one.label)
    return {
        "runs": found,
        "shown": shown,
        "groups": grouped,
        "looks": {name: f"c-{style}" for group in grouped for name, style in _styles(group)},
        "notes": notes,
        "all": len(found),
        "pairs": [(group, pairs(group.runs, _of(group, reference, shown))) for group in grouped],
        "curves": curves(found),
        "settings": settings(found),
        "others": others(found),
        "breakdowns": [(group, breakdowns(group.runs)) for group in grouped],
        "reproduction": told,
        "measures": measure_names(),
        "asked": _asked(found),
    }


def _of(group: Group, reference: str, shown: Sequence[Evaluated]) -> str:
    """The reference where the group has it. Raises ValueError for a name that no shown run has."""
    names = [one.name for one in shown]
    if reference and reference not in names:
        raise ValueError(f"reference {reference!r} is not a run: choose one of {names}")
    return reference if reference in [one.name for one in group.runs] else ""


def _styles(group: Group) -> list[tuple[str, str]]:
    """(name, style) of a group's runs."""
    return list(zip([one.name for one in group.runs], styles_of([one.role for one in group.runs]), strict=True))


def _asked(found: Sequence[Evaluated]) -> list[tuple[str, str, str]]:
    """(judge, question, prompt hash) of all that scores are made of."""
    asked = {
        (one.scores.judge, question, digest): None
        for one in found
        if one.scores
        for question, digest in one.scores.prompts.items()
    }
    return list(asked)


def made_on(record: RunRecord) -> str:
    """Hardware, and how many videos at once, that a run was made with; "-" where that is not known."""
    places = record.extra.get(MADE_ON, [])
    return "; ".join(f"{one['hardware']}, {one['batch']} at once" for one in places) or record.hardware or "-"


def cut(record: RunRecord) -> str:
    """What is cut off first frames; "" where a run of an older version does not say."""
    told = record.extra.get(CUT)
    if told is None:
        return ""
    if not told["largest"]:
        return "first frames whole"
    return f"first frames cut by {told['largest']:.1%} at most, {told['mean']:.1%} on average"


def kept(one: Evaluated) -> str:
    """How well first frames keep the pictures that the model was given; "" where nobody measured it."""
    found = [video.first_frame_ssim for video in one.videos if video.first_frame_ssim is not None]
    if not found:
        return ""
    return (
        f"frame 0 against the given picture: SSIM {sum(found) / len(found):.3f} on average, {min(found):.3f} at least"
    )


def share(value: float | None, decimals: int = 3) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"


def interval_words(name: str, one: Estimate | None) -> str:
    """A score as a screen reader says it."""
    if one is None or one.value is None:
        return f"{name}: none judged"
    edges = "" if one.low is None else f", 95 percent interval {one.low:.3f} to {one.high:.3f}"
    return f"{name}: {one.value:.3f}{edges}"
