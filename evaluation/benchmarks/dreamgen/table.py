"""DreamGen's results: the CSV files that its own scripts write, and the table object / behavior / environment.

PA is the mean of PA-I (the VLM) and PA-II (VideoPhy). Rates have 95 % Wilson intervals; PA's, a mean of two shares over
the same videos, is a bootstrap over videos.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

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
from stats.rates import Rate
from storage.files import write_bytes

CSV_COLUMNS = ("video_path", "prompt", "prediction")
COLUMNS = (*QUESTIONS.values(), "PA-II")


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


@dataclass(frozen=True)
class Table:
    """Groups of one run, in the order asked for. `notes` say what a reader has to know."""

    run: str
    judge: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    def to_markdown(self) -> str:
        columns = [name for name in COLUMNS if any(name in row.rates for row in self.rows)]
        head = ["", *columns, *(["PA"] if "PA-II" in columns else []), "Videos", "Judge failures"]
        lines = []
        for row in self.rows:
            cells = [_rate(row.rates[name]) if name in row.rates else "-" for name in columns]
            if "PA-II" in columns:
                cells.append(_share(row.pa, row.pa_low, row.pa_high))
            failed = sum(rate.failed for rate in row.rates.values())
            lines.append([row.group, *cells, f"{row.videos} of {row.expected}", str(failed)])
        notes = [f"- {escaped(note)}" for note in self.notes]
        return "\n".join([markdown.table(head, lines), *([""] if notes else []), *notes]) + "\n"

    def to_json(self) -> dict:
        """As plain values; what is unknown is null."""
        rows = []
        for row in self.rows:
            values = asdict(row) | {"rates": {name: _as_json(rate) for name, rate in row.rates.items()}}
            rows.append({k: None if isinstance(v, float) and math.isnan(v) else v for k, v in values.items()})
        return {"run": self.run, "judge": self.judge, "rows": rows, "notes": list(self.notes)}


def table(
    run: Run,
    judgements: Iterable[Judgement],
    groups: Sequence[str],
    physics: Mapping[str, PhysicsScore] | None = None,
    *,
    allow_partial: bool = False,
) -> Table:
    """The table of a judged run. `physics` are VideoPhy's scores by sample id.

    Raises Incomplete, naming them, when samples of a group or judgements of a sample are missing and `allow_partial` is
    not set; ValueError when judgements come of two judges or of two wordings of a prompt. A failed judgement is not
    missing: it is counted beside its rate.
    """
    answers = _answers(run, judgements)
    judges = sorted({one.judge for one in answers.values()})
    hashes = {
        name: sorted({one.prompt_hash for (_, asked), one in answers.items() if asked == name}) for name in QUESTIONS
    }
    if len(judges) > 1 or any(len(found) > 1 for found in hashes.values()):
        raise ValueError(f"judgements of judges {judges}, prompts {hashes}: one of each is expected; judge again")
    asked = [name for name in QUESTIONS if hashes[name]]
    complaints, rows = count_complaints(run.samples.values(), groups), []
    for group in groups:
        members = [sample_id for sample_id, sample in run.samples.items() if sample.group == group]
        complaints += _complaints(run, group, members, answers, asked, physics)
        rows.append(_row(run, group, members, answers, asked, physics))
    if complaints and not allow_partial:
        raise Incomplete(f"{run.record.name}: {listed(complaints)}. allow_partial: true reports what there is")
    notes = [f"judge {', '.join(judges) or 'none'}, yes/no log-odds at the first token; not the published judge"]
    notes += [f"{QUESTIONS[name]}: prompt {name}, {hashes[name][0]}" for name in asked]
    notes += [f"PARTIAL: {complaint}" for complaint in complaints]
    return Table(run.record.name, ", ".join(judges), tuple(rows), tuple(notes))


def write_predictions(path: Path, run: Run, judgements: Iterable[Judgement], question: str, videos: Path) -> int:
    """Writes `video_path,prompt,prediction` for `question`, as the benchmark's own scripts do; returns how many rows.

    Commas leave the prompt. A path with a comma is quoted here, where those scripts break their own file. A failed
    judgement has an empty prediction: it is neither 0 nor 1.
    """
    rows = []
    for (sample_id, asked), one in sorted(_answers(run, judgements).items()):
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


def _answers(run: Run, judgements: Iterable[Judgement]) -> dict[tuple[str, str], Judgement]:
    """(sample id, question) -> judgement, of DreamGen's questions about the run's videos as they are now."""
    found: dict[tuple[str, str], Judgement] = {}
    videos = {video.video_id: video for video in run.videos.values()}
    for one in judgements:
        if one.question not in QUESTIONS or one.video_id not in videos:
            continue
        if one.video_sha256 != videos[one.video_id].sha256:
            raise ValueError(f"{one.video_id}: judged as another file than it is now; judge again")
        if found.setdefault((one.sample_id, one.question), one) is not one:
            raise ValueError(f"{one.video_id}: two judgements of {one.question}; one is expected")
    return found


def _complaints(run: Run, group: str, members, answers, asked, physics) -> list[str]:
    found = []
    for name in asked:
        lacking = [sample_id for sample_id in members if (sample_id, name) not in answers]
        if lacking:
            found.append(f"{group}: {len(lacking)} not judged on {QUESTIONS[name]}: {listed(lacking, 5)}")
    if not asked:
        found.append(f"{group}: nothing is judged; run the step score")
    lacking = [sample_id for sample_id in members if physics is not None and sample_id not in physics]
    if lacking:
        found.append(f"{group}: {len(lacking)} without VideoPhy's score: {listed(lacking, 5)}")
    gone = [text for text in run.missing if text.split(":")[0] in set(members)]
    if gone:
        found.append(f"{group}: {len(gone)} videos missing: {listed(gone, 5)}")
    return found


def _row(run: Run, group: str, members, answers, asked, physics) -> Row:
    rates = {}
    good = np.full((len(members), len(COLUMNS)), np.nan)
    for column, name in enumerate(QUESTIONS):
        for place, sample_id in enumerate(members):
            one = answers.get((sample_id, name))
            if one is not None and one.yes is not None:
                good[place, column] = one.yes
        if name in asked:
            there = sum((sample_id, name) in answers for sample_id in members)
            rates[QUESTIONS[name]] = _of(good[:, column], there)
    if physics is not None:
        scored = [(place, physics[sample_id]) for place, sample_id in enumerate(members) if sample_id in physics]
        for place, score in scored:
            good[place, -1] = np.nan if score.good is None else score.good
        rates["PA-II"] = _of(good[:, -1], len(scored))
    videos = len(members) - sum(text.split(":")[0] in set(members) for text in run.missing)
    expected = len(members) if len(members) in EXPECTED[group] else EXPECTED[group][0]
    row = Row(group, videos, expected, rates)
    if not {"PA-I", "PA-II"} <= rates.keys() or not members:
        return row
    both = good[:, -2:]
    means = resampled_means(np.nan_to_num(both), (~np.isnan(both)).astype(float)).mean(axis=1)
    pa = (rates["PA-I"].share + rates["PA-II"].share) / 2
    if math.isnan(pa) or vary(means):
        return Row(group, videos, expected, rates, pa, *percentiles(means))
    limits = np.mean([rates[name].interval for name in ("PA-I", "PA-II")], axis=0)  # all videos alike
    return Row(group, videos, expected, rates, pa, *limits.tolist())


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
