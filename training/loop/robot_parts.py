"""What surrounds the policy of a robot's run, made from its options (training/loop/parts.py has that of videos)."""

from pathlib import Path

from models.robot.ctrl_world import CtrlWorld
from models.robot.options import RobotFile, RobotSettings
from training.conditions.episodes import Episodes
from training.loop.checkpoint import RunState
from training.loop.evaluation import Results
from training.loop.log import RunLog
from training.loop.optimise import SCORED
from training.loop.parts import Parts
from training.loop.robot_held_out import RobotHeldOut
from training.loop.robot_scores import BEST, RobotScores
from training.methods.prefix_contexts import PrefixContexts
from training.options.robots import RobotTrainOptions
from training.policies.adapters import FOLDER
from training.policies.lora import Policies
from training.policies.predictor import Predictor
from training.policies.robot_card import robot_card
from training.policies.whole_model import (
    EXECUTOR,
    base_folder,
    export_model,
    read_trained,
    trained_tensors,
    write_trained,
)
from training.rewards.frames import FrameScorer
from training.step_folders import step_folder
from training.stopping import Stopping
from training.world import World


def robot_parts_of(options: RobotTrainOptions, model: CtrlWorld, episodes: Episodes) -> Parts:
    """The parts of a run on a robot's episodes."""
    output = Path(options.output)

    def evaluation(state: RunState, predictor: Predictor, log: RunLog, stopping: Stopping, world: World) -> RobotScores:
        held_out, *other = (
            RobotHeldOut(options, predictor, episodes, world, lambda: stopping.asked, split)
            for split in (("val", "test") if options.held_out.test_episodes else ("val",))
        )
        return RobotScores(state, held_out, other[0] if other else held_out, log)

    def keep(policies: Policies, step: int) -> None:
        write_trained(trained_tensors(policies), step_folder(output / FOLDER, step))

    def export(state: RunState, results: Results) -> None:
        """final/: the last weights, or their average where that is scored. best/: those that were best on the held-out
        episodes."""
        last = trained_tensors(state.policies, state.learners[EXECUTOR].shadows.get(SCORED))
        best = state.notes["best"]["step"]
        base = base_folder(options.model)
        settings = options.model.model_dump(include=set(RobotSettings.model_fields))
        file = RobotFile(
            **settings,
            contract=episodes.store.contract,
            pattern=options.rollout.time.history,
            stride=options.rollout.time.stride,
            base=model.identity,
        )
        for name, step, tensors in (
            ("final", state.step, last),
            ("best", best, last if best == state.step else read_trained(output / BEST)),
        ):
            export_model(
                model,
                state.policies,
                tensors,
                output / name,
                base=base,
                file=file,
                statistics=episodes.store.statistics.to_json(),
                card=robot_card(options, episodes.store.contract, episodes.dataset_version, step, results.markdown),
                scores=dict(results.numbers),
            )

    scorers = {"frames": FrameScorer(options.rewards, model.shape.views)}
    return Parts(PrefixContexts(episodes, options), scorers, evaluation, keep, export)
