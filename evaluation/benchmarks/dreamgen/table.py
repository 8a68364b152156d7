"""DreamGen's results: the CSV files that its own scripts write, and the table object / behavior / environment.

PA is the mean of PA-I (the VLM) and PA-II (VideoPhy). Rates have 95 % Wilson intervals; PA's, a mean of two shares over
the same videos, is a bootstrap over videos.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from evaluation.benchmarks.dreamgen.comparing import Paired
from evaluation.benchmarks.dreamgen.options import QUESTIONS
from evaluation.benchmarks.dreamgen.released import EXPECTED, count_complaints, instruction, video_name
from evaluation.benchmarks.foreign import harmless, write_csv, write_json
from evaluation.benchmarks.named_videos import Run, listed
from evaluation.benchmarks.videophy import PhysicsScore
from evaluation.records import Judgement
from evaluation.scoring.judged_run import Incomplete
from pages import markdown
from pages.markdown import escaped
from stats.bootstrap import percentiles, resampled_means, vary
from stats.rates import Rate, mean_interval, probability
from storage.files import write_bytes

CSV_COLUMNS = ("video_path", "prompt", "prediction")
ALL = "all"  # what the row over all groups is called
COLUMNS = (*QUESTIONS.values(), "PA-II")


@dataclass(frozen=True)
class MeanYes:
    """The mean of P(Yes) over videos, with its bootstrap interval over them; some published numbers are such means."""

    value: float
    low: float
    high: float
    videos: int


@dataclass(frozen=True)
class Row:
    """One group: `videos` of `expected` there, and rates by column; `pa` the mean of PA-I and PA-II, with its
    interval.
    """

    group: str
    videos: int
    expected: int
    rates: Mapping[str, Rate]
    pa: float = math.nan
    pa_low: float = math.nan
    pa_high: float = math.nan
    means: Mapping[str, MeanYes] = field(default_factory=dict)  # of P(Yes), where the judge gave it


@dataclass(frozen=True)
class Table:
    """Groups of one run, in the order asked for. `notes` say what a reader has to know."""

    run: str
    judge: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    compared: tuple[Paired, ...] = ()

    def to_markdown(self) -> str:
        known = {name: None for row in self.rows for name in row.rates}
        columns = [name for name in dict.fromkeys((*COLUMNS, *known)) if name in known]
        means = [name for name in columns if any(name in row.means for row in self.rows)]
        head = [
            "",
            *columns,
            *(["PA"] if "PA-II" in columns else []),
            *(f"{name}, mean P(Yes)" for name in means),
            "Videos",
            "Judge failures",
        ]
        lines = []
        for row in self.rows:
            cells = [_rate(row.rates[name]) if name in row.rates else "-" for name in columns]
            if "PA-II" in columns:
                cells.append(_share(row.pa, row.pa_low, row.pa_high))
            for name in means:
                one = row.means.get(name)
                cells.append(_share(one.value, one.low, one.high) if one else "-")
            failed = sum(rate.failed for rate in row.rates.values())
            lines.append([row.group, *cells, f"{row.videos} of {row.expected}", str(failed)])
        notes = [f"- {escaped(note)}" for note in self.notes]
        pairs = [
            [
                f"{escaped(one.run)} - {escaped(one.first)}",
                one.column,
                f"{one.found.gain:+.3f} [{one.found.low:+.3f}, {one.found.high:+.3f}]",
                f"{one.found.better} / {one.found.worse} of {one.found.pairs}",
                f"{one.found.p_value:.2g} ({one.found.test})",
            ]
            for one in self.compared
        ]
        told = ["", markdown.table(["Run - first", "", "Gain", "Better / worse", "p"], pairs)] if pairs else []
        return "\n".join([markdown.table(head, lines), *told, *([""] if notes else []), *notes]) + "\n"

    def to_json(self) -> dict:
        """As plain values; what is unknown is null."""
        rows = []
        for row in self.rows:
            values = asdict(row) | {"rates": {name: _as_json(rate) for name, rate in row.rates.items()}}
            rows.append({k: None if isinstance(v, float) and math.isnan(v) else v for k, v in values.items()})
        told = {"run": self.run, "judge": self.judge, "rows": rows, "notes": list(self.notes)}
        return told | {"compared": [one.to_json() for one in self.compared]}


def table(
    run: Run,
    judgements: Iterable[Judgement],
    groups: Sequence[str],
    physics: Mapping[str, PhysicsScore] | None = None,
    *,
    allow_partial: bool = False,
    official: Mapping[str, Mapping[str, bool]] | None = None,
    compared: Sequence[Paired] = (),
) -> Table:
    """The table of a judged run: its groups, and all of them together where there are several.

    `physics` are VideoPhy's scores by sample id, `official` predictions of the benchmark's own scripts: column ->
    sample id -> prediction.

    Raises Incomplete, naming them, when samples of a group or judgements of a sample are missing and `allow_partial` is
    not set; ValueError when judgements come of two judges or of two wordings of a prompt. A failed judgement is not
    missing: it is counted beside its rate.
    """
    answers, official = answers_of(run, judgements), official or {}
    judges = sorted({one.judge for one in answers.values()})
    hashes = {
        name: sorted({one.prompt_hash for (_, asked), one in answers.items() if asked == name}) for name in QUESTIONS
    }
    if len(judges) > 1 or any(len(found) > 1 for found in hashes.values()):
        raise ValueError(f"judgements of judges {judges} with prompts {hashes}: they must be one each, judge again")
    asked = [name for name in QUESTIONS if hashes[name]]
    complaints, rows = count_complaints(run.samples.values(), groups), []
    for group in groups:
        members = [sample_id for sample_id, sample in run.samples.items() if sample.group == group]
        complaints += _complaints(run, group, members, answers, asked, physics, official)
        rows.append(_row(run, group, members, answers, asked, physics, official))
    if len(groups) > 1:
        members = [sample_id for sample_id, sample in run.samples.items() if sample.group in set(groups)]
        whole = _row(run, ALL, members, answers, asked, physics, official)
        rows.append(replace(whole, expected=sum(row.expected for row in rows)))
    if complaints and not allow_partial:
        raise Incomplete(f"{run.record.name}: {listed(complaints)}. Set allow_partial: true to report what there is")
    notes = [f"judge {', '.join(judges)}, yes/no log-odds of the first token; not the published judge"] if asked else []
    notes += [f"{name}: read from the CSV of the benchmark's own script" for name in official]
    notes += [f"{QUESTIONS[name]}: prompt {name}, {hashes[name][0]}" for name in asked]
    notes += [f"PARTIAL: {complaint}" for complaint in complaints]
    return Table(run.record.name, ", ".join(judges), tuple(rows), tuple(notes), tuple(compared))


def write_predictions(path: Path, run: Run, judgements: Iterable[Judgement], question: str, videos: Path) -> int:
    """Writes `video_path,prompt,prediction` for `question`, as the benchmark's own scripts do; returns how many rows.

    Commas leave the prompt. A path with a comma is quoted here, where those scripts break their own file. A failed
    judgement has an empty prediction: it is neither 0 nor 1.
    """
    rows = []
    for (sample_id, asked), one in sorted(answers_of(run, judgements).items()):
        if asked == question:
            sample = run.samples[sample_id]
            text = harmless(instruction(sample).replace(",", " "))
            prediction = "" if one.yes is None else int(one.yes)
            rows.append((str(videos / video_name(sample)), text, prediction))
    write_csv(path, CSV_COLUMNS, rows)
    return len(rows)


def write_table(made: Table, folder: Path) -> None:
    """table.json and table.md in `folder`."""
    write_json(folder / "table.json", made.to_json())
    write_bytes(folder / "table.md", made.to_markdown().encode())


def answers_of(run: Run, judgements: Iterable[Judgement]) -> dict[tuple[str, str], Judgement]:
    """(sample id, question) -> judgement, of DreamGen's questions about the run's videos as they are now."""
    found: dict[tuple[str, str], Judgement] = {}
    videos = {video.video_id: video for video in run.videos.values()}
    for one in judgements:
        if one.question not in QUESTIONS or one.video_id not in videos:
            continue
        if one.video_sha256 != videos[one.video_id].sha256:
            raise ValueError(f"{one.video_id} has changed since it was judged: judge it again")
        if found.setdefault((one.sample_id, one.question), one) is not one:
            raise ValueError(f"{one.video_id} has two judgements of {one.question}: keep one")
    return found


def _complaints(run: Run, group: str, members, answers, asked, physics, official) -> list[str]:
    found = []
    for name in asked:
        lacking = [sample_id for sample_id in members if (sample_id, name) not in answers]
        if lacking:
            found.append(f"{group}: {len(lacking)} not judged on {QUESTIONS[name]}: {listed(lacking, 5)}")
    if not asked and not official:
        found.append(f"{group}: nothing is judged. Run the step score")
    lacking = [sample_id for sample_id in members if physics is not None and sample_id not in physics]
    if lacking:
        found.append(f"{group}: {len(lacking)} without VideoPhy's score: {listed(lacking, 5)}")
    gone = [text for text in run.missing if text.split(":")[0] in set(members)]
    if gone:
        found.append(f"{group}: {len(gone)} videos missing: {listed(gone, 5)}")
    return found


def _row(run: Run, group: str, members, answers, asked, physics, official) -> Row:
    rates, means = {}, {}
    good = np.full((len(members), len(COLUMNS)), np.nan)
    for column, name in enumerate(QUESTIONS):
        for place, sample_id in enumerate(members):
            one = answers.get((sample_id, name))
            if one is not None and one.yes is not None:
                good[place, column] = one.yes
        if name in asked:
            there = sum((sample_id, name) in answers for sample_id in members)
            rates[QUESTIONS[name]] = _of(good[:, column], there)
            said = [answers[one, name] for one in members if (one, name) in answers]
            odds = np.array([one.log_odds for one in said if one.log_odds is not None])
            means |= _mean_yes(QUESTIONS[name], probability(odds)) if len(odds) else {}
    if physics is not None:
        scored = [(place, physics[sample_id]) for place, sample_id in enumerate(members) if sample_id in physics]
        for place, score in scored:
            good[place, -1] = np.nan if score.good is None else score.good
        rates["PA-II"] = _of(good[:, -1], len(scored))
        shares = [score.score for _, score in scored if score.version == 1 and score.score is not None]
        means |= _mean_yes("PA-II", np.array(shares)) if shares else {}
    for name, predictions in official.items():
        there = [predictions[sample_id] for sample_id in members if sample_id in predictions]
        rates[name] = Rate(sum(there), len(there), 0)
    videos = len(members) - sum(text.split(":")[0] in set(members) for text in run.missing)
    wanted = EXPECTED.get(group, (len(members),))  # of all groups together: whoever adds them up says it
    expected = len(members) if len(members) in wanted else wanted[0]
    row = Row(group, videos, expected, rates, means=means)
    if not {"PA-I", "PA-II"} <= rates.keys() or not members:
        return row
    both = good[:, -2:]
    drawn = resampled_means(np.nan_to_num(both), (~np.isnan(both)).astype(float)).mean(axis=1)
    pa = (rates["PA-I"].share + rates["PA-II"].share) / 2
    if math.isnan(pa) or vary(drawn):
        low, high = percentiles(drawn)
        return replace(row, pa=pa, pa_low=low, pa_high=high)
    limits = np.mean([rates[name].interval for name in ("PA-I", "PA-II")], axis=0)  # all videos alike
    return replace(row, pa=pa, pa_low=float(limits[0]), pa_high=float(limits[1]))


def _mean_yes(name: str, shares: np.ndarray) -> dict[str, MeanYes]:
    drawn = resampled_means(shares[:, None], np.ones((len(shares), 1)))[:, 0]
    low, high = percentiles(drawn) if vary(drawn) else mean_interval(float(shares.mean()), len(shares))
    return {name: MeanYes(float(shares.mean()), low, high, len(shares))}


def _of(good: np.ndarray, there: int) -> Rate:
    valid = int((~np.isnan(good)).sum())
    return Rate(int(np.nansum(good)), valid, there - valid)


def _as_json(rate: Rate) -> dict:
    low, high = rate.interval
    share = None if math.isnan(rate.share) else rate.share
    return asdict(rate) | {"share": share, "low": low, "high": high}


def _rate(rate: Rate) -> str:
    return f"{_share(rate.share, *rate.interval)} {rate.successes}/{rate.valid}"


def _share(share: float, low: float, high: float) -> str:
    return "-" if math.isnan(share) else f"{share:.3f} [{low:.3f}, {high:.3f}]"
