"""The scores of one run: rates and probabilities by question and category, their average, seconds, PickScore.

    rate      share of judgements whose log-odds are above 0
    soft      mean of p(yes) = 1 / (1 + exp(-log-odds)), the judge's own doubt kept

each with failed judgements dropped and counted as 0. The unit is the sample (a task with its first frame): several
seeds of one sample are drawn together.
"""

import numpy as np

from evaluation.scoring.duration import seconds_of
from evaluation.scoring.judged_run import Run
from evaluation.scoring.pickscores import pickscores_of
from evaluation.scoring.score_file import (
    ALIKE,
    AVERAGE_RULE,
    Average,
    Category,
    Cell,
    Estimate,
    QuestionScores,
    RunScores,
    estimate,
)
from stats.bootstrap import percentiles, resampled_means, vary
from stats.rates import ENOUGH, Rate, interval, mean_interval, probability, rate

SMALL = 20  # samples: a category with fewer is flagged
WILSON = "Wilson"
WILSON_SAMPLES = f"Wilson over samples: {ALIKE}"
BOOTSTRAP = "bootstrap over samples"
MEAN = "bootstrap over samples of the mean of rates"
MEAN_ALIKE = f"mean of the rates' Wilson limits over samples: {ALIKE}"
DIMENSIONS = ("task_type", "agent_category", "group")


def score(run: Run) -> RunScores:
    """The scores of a loaded run. The same run gives the same numbers, bit for bit."""
    record, table = run.record, Table(run.log_odds)
    return RunScores(
        name=record.name,
        role=record.role,
        step=record.step,
        part=record.part,
        benchmark=record.benchmark,
        benchmark_version=record.benchmark_version,
        conditioning=record.conditioning,
        dataset_version=record.dataset_version,
        judge=run.judge,
        prompts=run.prompts,
        frames_shown=run.frames_shown,
        samples=len(run.samples),
        samples_sha256=run.samples_sha256,
        seeds=run.seeds,
        videos=run.seconds.size,
        no_video=run.no_video,
        duplicates=run.duplicates,
        questions={
            question: table.question(q, run.failures[question], run.inexact[question])
            for q, question in enumerate(run.questions)
        },
        average=table.average(),
        breakdown=_breakdown(run),
        seconds=seconds_of(run.seconds, run.vlm_seconds),
        pickscore=pickscores_of(run),
        inputs=run.inputs,
    )


class Table:
    """Answers float64 [N samples, K seeds, Q questions] with the resampled means that all their intervals come from."""

    def __init__(self, log_odds: np.ndarray):
        self.log_odds = log_odds
        valid = ~np.isnan(log_odds)
        self.wins, self.valid = (log_odds > 0).sum(axis=1), valid.sum(axis=1)
        self.total = np.full_like(self.valid, log_odds.shape[1])
        self.soft = np.where(valid, probability(log_odds), 0.0).sum(axis=1)
        values = np.concatenate([self.wins, self.wins, self.soft, self.soft], axis=1)
        counts = np.concatenate([self.valid, self.total, self.valid, self.total], axis=1)
        drawn = resampled_means(values, counts)
        self.drawn = dict(
            zip(("rate", "rate_as_zero", "soft", "soft_as_zero"), np.split(drawn, 4, axis=1), strict=True)
        )

    def question(self, q: int, failures: dict[str, int], inexact: int) -> QuestionScores:
        counted = rate(self.log_odds[..., q])
        return QuestionScores(
            successes=counted.successes,
            valid=counted.valid,
            failed=counted.failed,
            total=counted.total,
            rate=rate_estimate(self.wins[:, q], self.valid[:, q], self.drawn["rate"][:, q]),
            rate_resampled=self._resampled("rate", q),
            rate_as_zero=rate_estimate(self.wins[:, q], self.total[:, q], self.drawn["rate_as_zero"][:, q]),
            soft=self._resampled("soft", q),
            soft_as_zero=self._resampled("soft_as_zero", q),
            failure_rate=estimate(counted.failure_rate, *interval(counted.failed, counted.total), WILSON),
            failures=failures,
            constant=counted.valid >= ENOUGH and counted.successes in (0, counted.valid),
            inexact=inexact,
        )

    def average(self) -> Average:
        """Where all samples are alike in their mean over the questions, its limits are the means of the questions'."""
        made = {}
        for name, drawn in self.drawn.items():
            questions = range(self.valid.shape[1])
            value = float(np.mean([self._mean(name, q) for q in questions]))
            means = drawn.mean(axis=1)
            if np.isnan(value) or vary(means):
                made[name] = estimate(value, *percentiles(means), MEAN)
            else:
                limits = np.mean([self._alike(name, q) for q in questions], axis=0)
                made[name] = estimate(value, *limits.tolist(), MEAN_ALIKE)
        return Average(rule=AVERAGE_RULE, **made)

    def _resampled(self, name: str, q: int) -> Estimate:
        value, drawn = self._mean(name, q), self.drawn[name][:, q]
        if np.isnan(value) or vary(drawn):
            return estimate(value, *percentiles(drawn), BOOTSTRAP)
        return estimate(value, *self._alike(name, q), WILSON_SAMPLES)

    def _alike(self, name: str, q: int) -> tuple[float, float]:
        return mean_interval(self._mean(name, q), int((self._counts(name)[:, q] > 0).sum()))

    def _mean(self, name: str, q: int) -> float:
        values = self.wins if name.startswith("rate") else self.soft
        count = self._counts(name)[:, q].sum()
        return float(values[:, q].sum() / count) if count else float("nan")

    def _counts(self, name: str) -> np.ndarray:
        return self.total if name.endswith("as_zero") else self.valid


def rate_estimate(wins: np.ndarray, counts: np.ndarray, drawn: np.ndarray) -> Estimate:
    """A share of successes, int [N] of int [N] judgements a sample, with the interval that fits.

    Wilson where no sample has more than one judgement; else the percentiles of its bootstrap means `drawn`, or, where
    all samples are alike, which leaves resampling nothing to vary, Wilson's as if each sample had one.
    """
    successes, n = int(wins.sum()), int(counts.sum())
    share = successes / n if n else float("nan")
    if counts.max(initial=0) <= 1:
        return estimate(share, *interval(successes, n), WILSON)
    if vary(drawn):
        return estimate(share, *percentiles(drawn), BOOTSTRAP)
    return estimate(share, *mean_interval(share, int((counts > 0).sum())), WILSON_SAMPLES)


def _breakdown(run: Run) -> tuple[Category, ...]:
    """Figure 7's tables for every question: by task type, addressed agent and the benchmark's own groups."""
    categories = []
    for dimension in DIMENSIONS:
        names = np.array([getattr(one, dimension) for one in run.samples])
        if dimension == "group" and not any(names):
            continue
        for name in sorted(set(names.tolist())):
            part = run.log_odds[names == name]
            cells = {question: _cell(part[..., q]) for q, question in enumerate(run.questions)}
            categories.append(Category(dimension=dimension, category=name, samples=len(part), questions=cells))
    return tuple(categories)


def _cell(log_odds: np.ndarray) -> Cell:
    counted: Rate = rate(log_odds)
    wins, valid = (log_odds > 0).sum(axis=1), (~np.isnan(log_odds)).sum(axis=1)
    several = valid.max(initial=0) > 1
    drawn = resampled_means(wins[:, None], valid[:, None])[:, 0] if several else np.empty(0)
    samples = int((valid > 0).sum())
    return Cell(
        successes=counted.successes,
        valid=counted.valid,
        failed=counted.failed,
        samples=samples,
        rate=rate_estimate(wins, valid, drawn),
        small=samples < SMALL,
    )
