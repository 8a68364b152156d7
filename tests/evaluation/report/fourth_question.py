"""A program, not a test: `python fourth_question.py FOLDER` judges, scores, reports and trains with a fourth question.

It stands for a clone in which models/vlm/questions.py has one entry more and a prompt file lies beside the others:
nothing else is changed. Prints what came out as JSON.
"""

import json
import shutil
import sys
from pathlib import Path

from models.vlm import prompts, questions

OUT = Path(sys.argv[1])

prompts.FOLDER = Path(shutil.copytree(prompts.FOLDER, OUT / "prompts"))
(prompts.FOLDER / "judge_speed.v1.txt").write_text("Asked for: $task\nDoes everything move at a natural speed?")
questions.QUESTIONS += (questions.Question("speed", "Speed", "things move at a natural speed", 0.25),)
questions.NAMES = tuple(one.name for one in questions.QUESTIONS)

from pydantic import ValidationError  # noqa: E402

from evaluation.judging.judge_runs import judge_runs  # noqa: E402
from evaluation.judging.options import JudgingOptions  # noqa: E402
from evaluation.report.build import build_report  # noqa: E402
from evaluation.scoring.options import ScoreOptions  # noqa: E402
from evaluation.scoring.score_runs import score_runs  # noqa: E402
from microworld.scripted_vlm import ScriptedVLM  # noqa: E402
from models.vlm.protocol import LogOdds, Usage  # noqa: E402
from tests.evaluation.report.made_runs import MadeRun, films  # noqa: E402
from tests.training.reproduction.made_up_runs import found, run_of  # noqa: E402
from training.loop.checks import check_options  # noqa: E402
from training.options import TrainOptions  # noqa: E402
from training.reproduction.charts import charts  # noqa: E402
from training.reproduction.report import markdown, reproduction_of  # noqa: E402


class Judge:
    """Says yes to questions about speed alone."""

    model_id = "judge-of-speed"

    async def log_odds(self, question, media):
        value = 2.0 if question.name == "judge_speed" else -2.0
        return LogOdds(value, -0.1, -2.1, True, Usage(1, 1), "yes" if value > 0 else "no")

    async def aclose(self):
        pass


def evaluated() -> list[Path]:
    movies = films(OUT)
    arms = {"base": {"role": "base"}} | {f"at-{step}": {"role": "executor", "step": step} for step in (10, 20)}
    runs = [MadeRun(OUT / name, 4, movies, **more).write() for name, more in arms.items()]
    judge_runs(runs, JudgingOptions(), Judge())
    score_runs(ScoreOptions(runs=tuple(map(str, runs))))
    return runs


def options(**rewards) -> TrainOptions:
    model = {"kind": "wan", "path": "model", "frames": 8, "height": 32, "width": 32, "fps": 4.0}
    return TrainOptions(model=model, conditions="c", output="o", rewards=rewards)


def refusal(make) -> str:
    try:
        make()
    except (ValidationError, ValueError) as error:
        return str(error)
    raise AssertionError("it was taken")


runs = evaluated()
shares = (0.5, 0.8, 0.4, 0.9)
curve = {step: shares for step in (30, 60)}
trained = found(run_of({"name": "wmsd"}, curve, base=shares, demonstrator=shares))
written = reproduction_of(trained, "out")
(OUT / "reproduction.json").write_text(written.model_dump_json())
check_options(options(speed=2.0))
print(
    json.dumps(
        {
            "scores": json.loads((runs[0] / "scores.json").read_text())["questions"]["speed"]["rate"]["value"],
            "page": str(build_report(runs, OUT / "report", OUT / "reproduction.json")),
            "weight": options().rewards.speed,
            "asked": options().rewards.judge.questions,
            "unasked": refusal(lambda: check_options(options(speed=2.0, judge={"questions": ["task", "consistency"]}))),
            "unknown": refusal(lambda: JudgingOptions(questions=("task", "sped"))),
            "unanswered": refusal(lambda: ScriptedVLM()._screening(prompts.prompt("judge_speed", task="-"), [])),
            "charts": sorted(charts(written, trained.usual())),
            "reproduced": written.experiments[0].speed.mean,
            "table": markdown(written),
        }
    )
)
