"""What a reproduction is told: strict, every mistake named, nothing that would make runs incomparable."""

import json

import pytest
from pydantic import ValidationError

from storage.options import InvalidOptions, dotted
from tests.training.reproduction.made_up_runs import MODEL, options_of
from training.reproduce import main
from training.reproduction.options import merged, read_options
from training.reproduction.schedule import planned_runs

WMSD = {"name": "wmsd"}
WRONG = {
    "an unknown method": ([{"name": "a", "method": "wmds"}], ["method", "'wmsd'"]),
    "an unknown option": (
        [{"name": "a", "changes": {"distill": {"beta": 1}}}],
        ["experiment a: distill.beta: Extra inputs"],
    ),
    "a value out of range": ([{"name": "a", "changes": {"rollout": {"group": 1}}}], ["experiment a: rollout.group"]),
    "two of one name": ([WMSD, WMSD], ["wmsd appears twice"]),
    "no seeds": ([{"name": "a", "seeds": []}], ["seeds", "at least 1"]),
    "a seed twice": ([{"name": "a", "seeds": [1, 1]}], ["seeds [1, 1]: use different whole numbers"]),
    "a negative seed": ([{"name": "a", "seeds": [-1]}], ["seeds [-1]"]),
    "no experiments": ([], ["experiments", "at least 1"]),
    "a name that leaves the folder": ([{"name": "../a"}], ["'../a'", "small letters"]),
    "no steps": ([{"name": "a", "steps": 0}], ["steps"]),
    "other held-out tasks": (
        [{"name": "a", "changes": {"held_out": {"tasks": 5}}}],
        ["an experiment cannot change held_out.tasks"],
    ),
    "another judge": ([{"name": "a", "changes": {"rewards": {"judge": {"retries": 1}}}}], ["rewards.judge"]),
    "a whole block at once": ([{"name": "a", "changes": {"held_out": 3}}], ["an experiment cannot change held_out"]),
    "a seed as a change": ([{"name": "a", "changes": {"run": {"seed": 1}}}], ["the experiment's `seeds`"]),
    "steps as a change": ([{"name": "a", "changes": {"run": {"steps": 1}}}], ["the experiment's `steps`"]),
    "an unknown key": ([{"name": "a", "seed": 1}], ["Extra inputs"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_experiments_are_named(name):
    experiments, words = WRONG[name]
    with pytest.raises(ValidationError) as caught:
        options_of(experiments)
    assert all(word in str(caught.value) for word in words), caught.value


def test_what_is_filled_in_for_each_run_is_not_given():
    with pytest.raises(ValidationError, match=r"training\.output: it is filled in for each run"):
        options_of([WMSD], training={"model": MODEL, "conditions": "c", "output": "x"})


def test_a_file_with_mistakes_is_status_2_and_one_of_another_form_too(tmp_path, capsys):
    path = tmp_path / "r.json"
    path.write_text(json.dumps({"output": "o", "training": {}, "experiments": [{"name": "a", "method": "no"}]}))
    assert main(["--config", str(path)]) == 2
    said = capsys.readouterr().err
    assert "mistakes in the options" in said and "experiments.0.method" in said and "Traceback" not in said
    path.write_text("a: 1\na: 2\n")
    with pytest.raises(InvalidOptions, match="key 'a' appears twice"):
        read_options(path)
    with pytest.raises(InvalidOptions, match=r"absent\.yaml: .*a reproduction's options"):
        read_options(tmp_path / "absent.yaml")


def test_without_conditions_nothing_starts(tmp_path, capsys):
    path = tmp_path / "r.json"
    training = {"model": MODEL, "conditions": str(tmp_path / "none")}
    path.write_text(json.dumps({"output": str(tmp_path / "o"), "training": training, "experiments": [WMSD]}))
    assert main(["--config", str(path)]) == 1
    assert "no conditions in" in capsys.readouterr().err and not (tmp_path / "o").exists()


def test_changes_reach_their_run_alone():
    options = options_of([WMSD, {"name": "b", "method": "rl_only", "steps": 7, "changes": {"distill": {"beta_d": 3}}}])
    plain, changed = (options.run_options(one, 5, "-") for one in options.experiments)
    assert (plain.method, plain.run.steps, plain.run.seed, plain.distill.beta_d) == ("wmsd", 60, 5, 0.01)
    assert (changed.method, changed.run.steps, changed.distill.beta_d) == ("rl_only", 7, 3)
    assert changed.held_out == plain.held_out


def test_an_objective_of_another_kind_replaces_the_block_and_of_the_same_kind_joins_it():
    base = {"objective": {"kind": "awm", "power": 0.5}, "run": {"steps": 3}}
    assert merged(base, {"objective": {"kind": "nft"}})["objective"] == {"kind": "nft"}
    assert merged(base, {"objective": {"clip": 2}})["objective"] == {"kind": "awm", "power": 0.5, "clip": 2}
    assert dotted({"a": {"b": 1, "c": {}}, "d": [2]}) == {"a.b": 1, "a.c": {}, "d": [2]}


def folders(experiments, conditions, output):
    training = {"model": MODEL, "conditions": str(conditions), "run": {"steps": 4}}
    return {
        run.label: run.folder for run in planned_runs(options_of(experiments, training=training, output=str(output)))
    }


def test_a_run_lies_where_its_options_and_data_say(tmp_path):
    """Changed options begin another run; the same ones are found again, wherever else the list changed."""
    (tmp_path / "manifest.json").write_text("{}")
    first = folders([{"name": "a", "seeds": [0, 1]}, {"name": "b"}], tmp_path, tmp_path / "o")
    assert len(set(first.values())) == 3
    more = folders([{"name": "b", "changes": {"distill": {"beta_d": 2}}}, {"name": "a"}], tmp_path, tmp_path / "o")
    assert more["a/0"] == first["a/0"] and more["b/0"] != first["b/0"]
    (tmp_path / "manifest.json").write_text('{"other": 1}')
    assert folders([{"name": "a"}], tmp_path, tmp_path / "o")["a/0"] != first["a/0"]
