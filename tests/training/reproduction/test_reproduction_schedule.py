"""The order of the runs, and what a budget of time has room for."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.reproduction.made_up_runs import MODEL, options_of
from training.reproduction.schedule import cost, forecast, next_run, planned_runs

COSTS = st.lists(st.floats(0.1, 100), min_size=1, max_size=12)


def labelled(costs):
    return {f"run {n}": seconds for n, seconds in enumerate(costs)}


@settings(deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=5))
def test_first_seeds_of_all_come_before_second_seeds_of_any(tmp_path_factory, counts):
    folder = tmp_path_factory.getbasetemp()
    (folder / "manifest.json").write_text("{}")
    experiments = [{"name": f"e{n}", "seeds": list(range(10, 10 + count))} for n, count in enumerate(counts)]
    training = {"model": MODEL, "conditions": str(folder)}
    runs = planned_runs(options_of(experiments, training=training, output=str(folder / "out")))
    places = [(run.experiment.seeds.index(run.seed), int(run.experiment.name[1:])) for run in runs]
    assert places == sorted(places) and len(set(places)) == sum(counts)
    assert all(run.options.run.seed == run.seed and run.options.output == str(run.folder) for run in runs)


@settings(deadline=None)
@given(COSTS, st.floats(0, 200))
def test_the_next_run_is_the_first_that_fits(costs, left):
    seconds = labelled(costs)
    chosen = next_run(list(seconds), seconds, left)
    fitting = [label for label in seconds if seconds[label] <= left]
    assert chosen == (fitting[0] if fitting else None)


@settings(deadline=None)
@given(COSTS, st.integers(1, 4), st.floats(0, 300), st.lists(st.floats(0, 50), max_size=4))
def test_what_is_planned_ends_in_time_and_what_is_not_had_no_place(costs, at_once, left, running):
    seconds, running = labelled(costs), running[:at_once]
    plan = forecast(list(seconds), seconds, running, at_once, left)
    run = [label for label in seconds if label not in plan.not_run]
    assert set(run) | set(plan.not_run) == set(seconds) and list(plan.not_run) == [
        s for s in seconds if s in plan.not_run
    ]
    assert plan.seconds <= max(left, max(running, default=0)) + 1e-6
    work = sum(seconds[label] for label in run) + sum(running)
    assert plan.seconds * at_once >= work - 1e-6
    # When the first place is free for good, none of the others' time was enough.
    assert all(seconds[label] > left - plan.seconds for label in plan.not_run)


@settings(deadline=None)
@given(COSTS, st.integers(1, 4))
def test_with_time_enough_everything_runs(costs, at_once):
    seconds = labelled(costs)
    plan = forecast(list(seconds), seconds, [], at_once, 10_000)
    assert plan.not_run == () and max(costs) - 1e-6 <= plan.seconds <= sum(costs) + 1e-6


def test_two_places_are_used_side_by_side():
    seconds = {"long": 50.0, "a": 20.0, "b": 20.0, "c": 20.0}
    assert forecast(list(seconds), seconds, [], 2, 60).seconds == 60
    late = forecast(list(seconds), seconds, [], 2, 50)
    assert late.not_run == ("c",) and late.seconds == 50
    assert forecast(["long", "a"], seconds, [30.0, 10.0], 2, 45).not_run == ("long",)


def test_the_cost_of_a_run_counts_passes_backward_ones_twice_and_evaluations():
    options = options_of([{"name": "a", "method": "rl_only"}]).run_options
    (experiment,) = options_of([{"name": "a", "method": "rl_only"}]).experiments
    run = options(experiment, 0, "-")
    videos = run.rollout.tasks * run.rollout.group
    step = videos * run.rollout.steps + 3 * videos * run.objective.timesteps
    evaluations = (3 + 5) * run.held_out.tasks * run.held_out.steps
    assert cost(run) == run.run.steps * step + evaluations
    assert cost(run, run.run.steps) == 0 and cost(run, 30) == cost(run) / 2
