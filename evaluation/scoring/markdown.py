"""Scores and comparisons as markdown, for a terminal, a page or an asset's metadata."""

from collections.abc import Sequence

from evaluation.scoring.comparing import RunComparison
from evaluation.scoring.score_file import ALIKE, Estimate, RunScores
from evaluation.scoring.training_curve import Point
from models.vlm.questions import label_of
from pages.markdown import escaped, table

NONE = "-"


def scores_markdown(runs: Sequence[RunScores]) -> str:
    """The paper's Table 1 for these runs: rates with 95 % intervals and counts, their average, soft scores, seconds."""
    questions = list(dict.fromkeys(question for run in runs for question in run.questions))
    header = ["", *map(label_of, questions), "Average", "Average p(yes)", "PickScore / 26"]
    rows = []
    for run in runs:
        row = [escaped(run.name)]
        for question in questions:
            one = run.questions.get(question)
            row.append(f"{interval_text(one.rate)} {one.successes}/{one.valid}" if one else NONE)
        row += [interval_text(run.average.rate), interval_text(run.average.soft)]
        row.append(interval_text(run.pickscore.scaled, 4) if run.pickscore else NONE)
        row.append(f"{run.seconds.median.value:.3g}" if run.seconds else NONE)
        rows.append([*row, str(run.videos), str(sum(one.failed for one in run.questions.values()))])
    shown = [one for run in runs for one in (run.average.rate, run.average.soft)]
    return table([*header, "E2E s (median)", "Videos", "Judge failures"], rows) + _methods(shown)


def comparisons_markdown(comparisons: Sequence[RunComparison]) -> str:
    """A row for each question of each comparison."""
    rows = []
    for one in comparisons:
        names = f"{escaped(one.ours)} - {escaped(one.theirs)}"
        for question, paired in one.questions.items():
            p_value = NONE if paired.p_value is None else f"{paired.p_value:.2g}"
            gain, counts = interval_text(paired.gain, sign=True), f"{paired.better} / {paired.worse} of {paired.pairs}"
            rows.append([names, question, gain, interval_text(paired.gain_soft, sign=True), counts, p_value])
        rows.append(
            [
                names,
                "average",
                interval_text(one.average, sign=True),
                interval_text(one.average_soft, sign=True),
                NONE,
                NONE,
            ]
        )
    shown = [gain for one in comparisons for gain in (one.average, one.average_soft)]
    shown += [
        gain for one in comparisons for paired in one.questions.values() for gain in (paired.gain, paired.gain_soft)
    ]
    return table(["", "Question", "Gain", "Gain in p(yes)", "Won / lost of pairs", "p"], rows) + _methods(shown)


def curves_markdown(trainings: Sequence[tuple[str, Sequence[Point]]]) -> str:
    """Curves as (name, points): a row a step, scores with 95 % intervals."""
    questions = list(dict.fromkeys(question for _, line in trainings for point in line for question in point.questions))
    rows = []
    for name, line in trainings:
        for point in line:
            row = [escaped(name), str(point.step)]
            row += [interval_text(point.questions[one]) if one in point.questions else NONE for one in questions]
            row += [interval_text(point.average), interval_text(point.pickscore, 4) if point.pickscore else NONE]
            rows.append(row)
    drawn = table(["", "Step", *map(label_of, questions), "Average", "PickScore / 26"], rows)
    return drawn + _methods([point.average for _, line in trainings for point in line])


def interval_text(one: Estimate, decimals: int = 3, sign: bool = False) -> str:
    """`0.512 [0.430, 0.593]`; without the interval where it has none."""
    if one.value is None:
        return "none judged"
    form = f"{'+' if sign else ''}.{decimals}f"
    edges = "" if one.low is None or one.high is None else f" [{one.low:{form}}, {one.high:{form}}]"
    return f"{one.value:{form}}{edges}"


def _methods(shown: Sequence[Estimate]) -> str:
    """How intervals were made that were not resampled, below the table; nothing where all were."""
    found = [one.method for one in shown if one.value is not None and ALIKE in one.method]
    return "".join(f"\n\nSome intervals: {method}." for method in dict.fromkeys(found))
