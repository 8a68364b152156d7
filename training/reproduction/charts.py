"""Charts of a reproduction as PNG: ours solid with 95 % bands, the paper's dashed. The same input, the same bytes."""

import itertools
from collections.abc import Sequence

import numpy as np

from evaluation.scoring.published import TRACED, demonstrator, published, traces
from models.vlm.questions import NAMES, label_of
from training.loop.pictures import FAINT, INK, PAPER, palette_png, plain_axes
from training.options import Method
from training.reproduction.files import CHARTS
from training.reproduction.pooling import Pool, pooled
from training.reproduction.results import RunData, verdicts
from training.reproduction.settings import Findings, Setting

COLOURS = {
    "wmsd": "#2f6bb0",
    "rl_only": "#c8433f",
    "on_policy_anchor": "#3f9a4d",
    "on_policy_full": "#2aa5a0",
    "off_policy": "#e08214",
    "off_policy_teacher_rl": "#9467bd",
    "alternating": "#8c6d4f",
    "sft": "#d98cb3",
    "dmd": "#2b2d33",
}
BASELINES = ("wmsd", "sft", "dmd")
DISTILLATION = ("off_policy", "on_policy_anchor", "on_policy_full")
WITH_REWARDS = ("wmsd", "rl_only", "alternating", "off_policy_teacher_rl")
SIZE, DPI = 8, 110
BANDS = 0.1  # opacity
LOG_SPREAD = 20  # values that spread over more than this factor get a logarithmic axis
WINDOW = 5  # training metrics are shown as means over so many steps


def charts(found: Findings) -> dict[str, bytes]:
    """File name -> PNG, of all charts that the runs so far give something to show in."""
    drawn = {}
    for name, draw in zip(CHARTS, (scores, distillation, rewards, beta_d, consistency, stability), strict=True):
        if (data := draw(found)) is not None:
            drawn[f"{name}.png"] = data
    return drawn


def scores(found: Findings) -> bytes | None:
    """Every setting's end as a dot with its interval, small dots for its seeds, lines for base and Demonstrator."""
    shown = [setting for setting in found.settings if setting.ended]
    if not shown:
        return None
    figure = _figure(0.9 + 0.24 * len(shown))
    reference = found.reference()
    for place, measure in enumerate(("task", "consistency", "average")):
        axes = figure.add_subplot(1, 3, place + 1)
        plain_axes(axes, label_of(measure), SIZE)
        for row, setting in enumerate(shown):
            pool, colour = setting.pool(measure), COLOURS[setting.experiment.method]
            if pool is None:
                continue
            axes.plot([pool.low, pool.high], [row, row], color=colour, linewidth=1.2, alpha=0.5)
            axes.plot(pool.mean, row, "o", color=colour, markersize=4.5)
            if len(pool.seeds) > 1:
                axes.plot(pool.seeds, [row] * len(pool.seeds), "|", color=colour, markersize=7, markeredgewidth=1)
        if reference is not None:
            for arm, style in ((reference.base, ":"), (reference.demonstrator, "-")):
                axes.axvline(np.nanmean(verdicts(arm, measure)), color=FAINT, linestyle=style, linewidth=1, zorder=0)
        axes.set_ylim(len(shown) - 0.4, -0.6)
        names = [_name(setting) for setting in shown] if place == 0 else [""] * len(shown)
        axes.set_yticks(range(len(shown)), names, parse_math=False)
        axes.tick_params(axis="y", length=0)
        axes.set_xlim(0, 1)
    _note(
        figure, "dots: mean of seeds with 95 % interval; ticks: seeds; lines: base under T dotted, Demonstrator solid"
    )
    return palette_png(figure, 256)


def distillation(found: Findings) -> bytes | None:
    """The average score by step: distillation without rewards (the paper's Figure 4, left), and the baselines."""
    paper = traces("average")
    panels = {"Distillation without rewards: average": DISTILLATION, "Baselines: average": BASELINES}
    settings = {title: _of(found, methods) for title, methods in panels.items()}
    if not settings[next(iter(panels))]:
        return None
    figure, first = _figure(3.3), None
    for place, (title, shown) in enumerate(settings.items()):
        first = axes = figure.add_subplot(1, 2, place + 1, sharey=first)
        plain_axes(axes, title, SIZE)
        for setting in shown:
            _trace(axes, setting.ended, "average", COLOURS[setting.experiment.method], _name(setting))
        if place == 0:
            for method in DISTILLATION:
                axes.plot(*paper[method], "--", color=COLOURS[method], linewidth=1, alpha=0.8)
        _levels(axes, found, "average", demonstrator("average") if place == 0 else None)
    _finish(figure)
    return palette_png(figure, 256)


def rewards(found: Findings) -> bytes | None:
    """Methods with the judge's rewards: three scores by step (the paper's Figure 5)."""
    settings = _of(found, WITH_REWARDS)
    if not settings:
        return None
    figure = _figure(3.2)
    for place, measure in enumerate(NAMES):
        axes = figure.add_subplot(1, len(NAMES), place + 1)
        plain_axes(axes, label_of(measure), SIZE)
        for setting in settings:
            _trace(axes, setting.ended, measure, COLOURS[setting.experiment.method], _name(setting))
        for method in WITH_REWARDS:
            if measure in TRACED:
                axes.plot(*traces(measure)[method], "--", color=COLOURS[method], linewidth=1, alpha=0.8)
        _levels(axes, found, measure, demonstrator(measure) if measure in TRACED else None)
    _finish(figure)
    return palette_png(figure, 256)


def beta_d(found: Findings) -> bytes | None:
    """The average score at the end by the anchor's weight (the paper's Figure 4, right)."""
    sweep = {beta: setting.pool("average") for beta, setting in found.sweep().items() if setting.ended}
    sweep = {beta: pool for beta, pool in sweep.items() if pool is not None}
    if len(sweep) < 2:
        return None
    paper = published()["beta_d"]
    figure = _figure(3.2)
    axes = figure.add_subplot()
    plain_axes(axes, "Average score at the end by beta_d (weight of the anchor)", SIZE)
    smallest = min(beta for beta in (*sweep, *paper["beta_d"]) if beta > 0)
    axes.set_xscale("symlog", linthresh=smallest, linscale=0.5)
    betas, pools = list(sweep), list(sweep.values())
    errors = [[pool.mean - pool.low for pool in pools], [pool.high - pool.mean for pool in pools]]
    means = [pool.mean for pool in pools]
    axes.errorbar(betas, means, errors, color=COLOURS["wmsd"], marker="o", markersize=4, linewidth=1.4,
                  elinewidth=0.8, capsize=2, label="wmsd")  # fmt: skip
    axes.plot(paper["beta_d"], paper["average"], "--", marker=".", color=COLOURS["wmsd"], linewidth=1, alpha=0.8)
    _levels(axes, found, "average", paper["demonstrator"]["average"])
    axes.set_xticks([0, *_decades(smallest, max(*betas, *paper["beta_d"]))])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.minorticks_off()
    _finish(figure, steps=False)
    axes.set_xlabel("beta_d", fontsize=SIZE - 1, color=INK)
    return palette_png(figure, 256)


def consistency(found: Findings) -> bytes | None:
    """The consistency reward on and off: what reward hacking looks like."""
    pair = found.consistency()
    if any(setting is None or not setting.ended for setting in pair):
        return None
    figure = _figure(2.9)
    for place, (measure, title) in enumerate(
        (("reward", "Task reward in training"), ("task", ""), ("consistency", ""))
    ):
        axes = figure.add_subplot(1, 3, place + 1)
        plain_axes(axes, title or f"{label_of(measure)}, held out", SIZE)
        for setting, colour, label in zip(pair, (COLOURS["wmsd"], COLOURS["rl_only"]), ("on", "off"), strict=True):
            label = f"consistency reward {label}"
            if measure == "reward":
                _metric(axes, setting.ended, "reward/task", colour, label)
                axes.set_ylabel("log-odds", fontsize=SIZE - 1, color=INK)
            else:
                _trace(axes, setting.ended, measure, colour, label)
    _finish(figure, dashed=False)
    return palette_png(figure, 256)


def stability(found: Findings) -> bytes | None:
    """The long run's scores, and how far Executors went from the Demonstrator, whose growth announces a collapse."""
    long = found.long()
    if long is None or not long.ended:
        return None
    figure = _figure(2.9)
    axes = figure.add_subplot(1, 2, 1)
    plain_axes(axes, f"{_name(long)}: {long.steps} steps of wmsd", SIZE)
    for measure, colour in zip(NAMES, itertools.cycle(("#2f6bb0", "#8c6d4f", "#3f9a4d")), strict=False):
        _trace(axes, long.ended, measure, colour, measure)
    _legend(axes)
    _axis(axes)
    axes = figure.add_subplot(1, 2, 2)
    plain_axes(axes, "Disagreement with the Demonstrator in training", SIZE)
    for setting in (long, *_of(found, ("wmsd", "on_policy_full"))):
        colour = INK if setting is long else COLOURS[setting.experiment.method]
        _metric(axes, setting.ended, "disagreement", colour, _name(setting))
    if axes.dataLim.y1 > LOG_SPREAD * axes.dataLim.y0 > 0:
        axes.set_yscale("log")
    _legend(axes)
    _axis(axes)
    return palette_png(figure, 256)


def _figure(height_in: float):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure((8.0, height_in), DPI, facecolor=PAPER, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _trace(axes, runs: Sequence[RunData], measure: str, colour: str, label: str) -> None:
    """The mean over runs at the steps that all of them were scored at, with its band."""
    steps = sorted(set.intersection(*(set(one.points) for one in runs)))
    pools: list[tuple[int, Pool]] = []
    for step in steps:
        if (pool := pooled([one.at(step, measure) for one in runs])) is not None:
            pools.append((step, pool))
    at = [step for step, _ in pools]
    axes.fill_between(
        at, [pool.low for _, pool in pools], [pool.high for _, pool in pools], color=colour, alpha=BANDS, linewidth=0
    )
    axes.plot(
        at, [pool.mean for _, pool in pools], color=colour, linewidth=1.6, marker="o", markersize=2.5, label=label
    )


def _metric(axes, runs: Sequence[RunData], name: str, colour: str, label: str) -> None:
    """A training metric of the first run, as a running mean."""
    series = runs[0].series(name)
    values = np.array([value for _, value in series])
    if len(values) < 1:
        return
    means = [values[max(0, place - WINDOW + 1) : place + 1].mean() for place in range(len(values))]
    axes.plot([step for step, _ in series], means, color=colour, linewidth=1.3, label=label)


def _levels(axes, found: Findings, measure: str, paper: float | None) -> None:
    """The Demonstrator: ours solid, the paper's dashed."""
    reference = found.reference()
    if reference is not None:
        level = np.nanmean(verdicts(reference.demonstrator, measure))
        axes.axhline(level, color=FAINT, linewidth=1, zorder=0, label="Demonstrator")
    if paper is not None:
        axes.axhline(paper, color=FAINT, linewidth=1, linestyle="--", zorder=0)


def _of(found: Findings, methods: Sequence[Method]) -> list[Setting]:
    return [setting for method in methods if (setting := found.method(method)) is not None and setting.ended]


def _finish(figure, *, steps: bool = True, dashed: bool = True) -> None:
    """Axes, and one legend below all panels."""
    handles = {}
    for axes in figure.axes:
        _axis(axes, steps=steps)
        handles |= {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    last = handles.pop("Demonstrator", None)
    handles |= {} if last is None else {"Demonstrator": last}
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=6, fontsize=SIZE - 1, frameon=False
    )
    if dashed:
        _note(figure, "solid: here, with 95 % bands; dashed: the paper, with another model, other tasks, another judge")


def _note(figure, text: str) -> None:
    figure.suptitle(text, x=0.01, ha="left", fontsize=SIZE - 1, color=FAINT)


def _legend(axes) -> None:
    axes.legend(fontsize=SIZE - 1, frameon=False)


def _axis(axes, *, steps: bool = True) -> None:
    if steps:
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_xlabel("optimizer steps", fontsize=SIZE - 1, color=INK)


def _name(setting: Setting) -> str:
    return setting.experiment.name


def _decades(low: float, high: float) -> list[float]:
    return [
        10.0**power for power in range(int(np.ceil(np.log10(low) - 1e-9)), int(np.floor(np.log10(high) + 1e-9)) + 1)
    ]
