"""What the asset of a stage does around the stage itself."""

from collections import Counter

from assets.support.stage import forget_malformed
from curation.run_shard import Outcome


def outcome(path, reasons: dict[str, int], reused: bool = False) -> Outcome:
    path.write_bytes(b"a table")
    return Outcome(path.stem, path, "0" * 64, 3, 1, Counter(reasons), 0.1, reused, {})


def test_tables_of_this_run_that_a_wrong_server_spoilt_are_made_again(tmp_path):
    spoilt = outcome(tmp_path / "shard-0000.parquet", {"truncated": 1, "agent_not_named": 1})
    sound = outcome(tmp_path / "shard-0001.parquet", {"agent_not_named": 2})
    earlier = outcome(tmp_path / "shard-0002.parquet", {"truncated": 1}, reused=True)
    forget_malformed([spoilt, sound, earlier])
    assert [one.path.exists() for one in (spoilt, sound, earlier)] == [False, True, True]
