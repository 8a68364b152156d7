"""The whole graph as text: a change to it shows in review as a change of definitions.txt.

After a wanted change:  python tests/pipelines/test_definitions.py > tests/pipelines/definitions.txt
"""

from pathlib import Path

GOLDEN = Path(__file__).with_name("definitions.txt")


def described() -> str:
    """Assets with their parents, partitions, pool and group; checks; jobs; schedules; sensors."""
    from assets.support.evaluation.partitions import EVALUATION_RUNS
    from assets.support.partitions import SHARDS
    from pipelines.definitions import defs

    named = {SHARDS: "by shard", EVALUATION_RUNS: "by evaluated run"}
    graph = defs.resolve_asset_graph()
    lines = []
    for key in sorted(graph.get_all_asset_keys(), key=lambda key: key.to_user_string()):
        node = graph.get(key)
        parents = ", ".join(sorted(parent.to_user_string() for parent in node.parent_keys)) or "-"
        parts = named.get(node.partitions_def, "by method") if node.is_partitioned else "whole"
        pool = ", ".join(sorted(node.pools or ())) or "-"
        freshness = "weekly deadline" if node.freshness_policy else "-"
        name = key.to_user_string()
        lines.append(f"asset {name}: group {node.group_name}; {parts}; pool {pool}; {freshness}; from {parents}")
    for key in sorted(graph.asset_check_keys):
        blocking = "blocks" if graph.get_check_spec(key).blocking else "warns"
        lines.append(f"check {key.name} on {key.asset_key.to_user_string()}: {blocking}")
    for job in sorted(defs.jobs, key=lambda job: job.name):
        assets = sorted(key.to_user_string() for key in defs.resolve_job_def(job.name).asset_layer.selected_asset_keys)
        lines.append(f"job {job.name}: {', '.join(assets)}")
    lines += [f"schedule {item.name}: {item.cron_schedule}; {item.default_status.value}" for item in defs.schedules]
    lines += [f"sensor {item.name}: {item.default_status.value}" for item in defs.sensors]
    return "\n".join(lines) + "\n"


def test_the_graph_is_the_one_in_the_golden_file():
    assert described() == GOLDEN.read_text()


def test_every_name_in_a_pool_is_an_assets():
    from assets.support.asset import POOL_OF
    from pipelines.definitions import defs

    assert POOL_OF.keys() <= {spec.key.to_user_string() for spec in defs.resolve_all_asset_specs()}


def test_every_asset_says_what_it_is():
    from pipelines.definitions import defs

    for spec in defs.resolve_all_asset_specs():
        assert len(spec.description) > 80, spec.key


if __name__ == "__main__":
    import sys

    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    print(described(), end="")
