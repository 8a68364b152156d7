"""Settings of the low-level filter, one for each limit of curation/quality_metrics.py, and without OpenCV."""

from pydantic import Field, create_model, model_validator

from curation.options import Options
from curation.quality_metrics import METRICS


class _Limits(Options):
    """Thresholds of the low-level filter; the defaults are the paper's (appendix A.6)."""

    @model_validator(mode="after")
    def _ordered(self) -> "_Limits":
        for metric in METRICS:
            names = [limit.option for _, limit in metric.limits]
            values = [getattr(self, name) for name in names]
            if values != sorted(values):
                raise ValueError(f"{names[0]} {values[0]} is above {names[1]} {values[1]}")
        return self


QualityOptions = create_model(
    "QualityOptions",
    __base__=_Limits,
    __doc__=_Limits.__doc__,
    __module__=__name__,
    **{
        limit.option: (
            float,
            Field(limit.default, ge=0, le=metric.span and metric.span[1], description=limit.description),
        )
        for metric in METRICS
        for _, limit in metric.limits
    },
)
