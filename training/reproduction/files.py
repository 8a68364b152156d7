"""What a reproduction leaves in its folder."""

from collections.abc import Sequence
from pathlib import Path

from storage.files import write_bytes
from training.reproduction.options import ReproductionOptions
from training.reproduction.schedule import Run

JSON, MARKDOWN, CLAIMS = "reproduction.json", "reproduction.md", "claims.txt"
CHARTS = ("scores", "distillation", "rewards", "beta_d", "consistency", "stability")  # PNG files: charts.py draws them


def write_report(options: ReproductionOptions, runs: Sequence[Run]) -> str:
    """Writes the results of the runs so far: the files of this module. Returns the claims."""
    from training.reproduction.charts import charts
    from training.reproduction.findings import findings
    from training.reproduction.report import head, markdown, reproduction_of
    from training.reproduction.results import read_run

    output = Path(options.output)
    found = findings([read_run(run) for run in runs], options.steps)
    result = reproduction_of(found, options.output)
    drawn = charts(result, found.usual())
    for name, data in drawn.items():
        write_bytes(output / name, data)
    write_bytes(output / MARKDOWN, markdown(result, list(drawn)).encode())
    write_bytes(output / JSON, (result.model_dump_json(indent=1) + "\n").encode())
    text = head(result)
    write_bytes(output / CLAIMS, f"{text}\n".encode())
    return text
