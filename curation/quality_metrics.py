"""What is measured in a frame, one entry a number: its column, its limits, and the words for both.

The table's columns, the options, the rules of the filter and the report's charts are made from METRICS. What a number
is, curation/quality/measure.py says. A new one is an entry here and a field of `Quality` there.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Threshold:
    """A threshold: the option that sets it, its default (the paper's, appendix A.6.1), and the reason of a frame
    beyond it. The report works out `tries`, other thresholds, beside the one in use."""

    option: str
    default: float
    reason: str
    description: str
    tries: tuple[float, ...]


@dataclass(frozen=True)
class Metric:
    """A number of each frame, 0 or more. A frame below `low` or above `high` is rejected.

    `span` is the largest possible range. `log`: the report's axis is logarithmic.
    """

    column: str
    title: str
    explains: str
    low: Threshold | None = None
    high: Threshold | None = None
    span: tuple[float, float] | None = None
    log: bool = False

    @property
    def limits(self) -> tuple[tuple[str, Threshold], ...]:
        """(sign, limit) of those it has: a value for which `value sign limit` holds is rejected."""
        return tuple((sign, limit) for sign, limit in (("<", self.low), (">", self.high)) if limit is not None)


@dataclass(frozen=True)
class Rule:
    """A frame whose `column` is `sign` ("<" or ">") the value of `option` is rejected for `reason`."""

    reason: str
    column: str
    sign: str
    option: str


RATIO_TRIES = (0.5, 0.7, 0.8, 0.85, 0.9, 0.95)
METRICS = (
    Metric(
        "laplacian_var",
        title="Sharpness: variance of the Laplacian",
        explains="Low is blurred. Logarithmic axis.",
        low=Threshold(
            "min_laplacian_var",
            12.0,
            "blurred",
            "Variance of the Laplacian (squared luma levels, as of a picture of 720 lines); less is blurred",
            tries=(3, 6, 12, 25, 50, 100, 200),
        ),
        log=True,
    ),
    Metric(
        "mean_luma",
        title="Brightness: mean luma",
        explains="Levels from 0, black, to 255, white.",
        low=Threshold(
            "min_mean_luma",
            20.0,
            "too_dark",
            "Mean luma, levels 0..255; less is too dark",
            tries=(10, 20, 30, 40, 60),
        ),
        high=Threshold(
            "max_mean_luma",
            235.0,
            "too_bright",
            "Mean luma, levels 0..255; more is too bright",
            tries=(195, 215, 225, 235, 245),
        ),
        span=(0, 255),
    ),
    Metric(
        "luma_std",
        title="Contrast: standard deviation of luma",
        explains="Levels. Near 0 the picture is one flat tone.",
        span=(0, 128),
    ),
    Metric(
        "black_ratio",
        title="Near-black pixels",
        explains="Share of the picture's pixels.",
        high=Threshold(
            "max_black_ratio",
            0.85,
            "mostly_black",
            "Share of pixels with luma <= 16; more is mostly black",
            RATIO_TRIES,
        ),
        span=(0, 1),
    ),
    Metric(
        "white_ratio",
        title="Near-white pixels",
        explains="Share of the picture's pixels.",
        high=Threshold(
            "max_white_ratio",
            0.85,
            "mostly_white",
            "Share of pixels with luma >= 239; more is mostly white",
            RATIO_TRIES,
        ),
        span=(0, 1),
    ),
)
# The most telling first, since a black frame is also dark and has no edges. A frame has the first reason that applies;
# what is kept does not depend on the order.
REASONS = ("mostly_black", "mostly_white", "too_dark", "too_bright", "blurred")
RULES = tuple(
    sorted(
        (Rule(limit.reason, metric.column, sign, limit.option) for metric in METRICS for sign, limit in metric.limits),
        key=lambda rule: REASONS.index(rule.reason),
    )
)
DEFAULTS = {limit.option: limit.default for metric in METRICS for _, limit in metric.limits}
