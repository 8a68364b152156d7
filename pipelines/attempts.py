"""What became of the runs that a sensor asked for, by their tags: a failed one is asked for again, later and later."""

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial

import dagster as dg

# Tags of a run that a sensor asks for: its name, and JSON {item: state}, e.g. {"source": hash of its files}. Dagster's
# own retries of a run, and those from the UI, have them too.
ASKED_BY, ASKED_FOR = "wmsd/asked_by", "wmsd/asked_for"
# The wait after the n-th failure: 5 minutes, 10, 20, and so on, 6 hours at most. Never without end: a server that is
# repaired after a week finds its work waiting.
FIRST_WAIT_S, LONGEST_WAIT_S = 300, 6 * 3600
LOOKED_AT = 500  # runs of a sensor, the newest; an item whose failures lie further back counts as done
LONGEST_REASON = 300  # characters
FINISHED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}


@dataclass(frozen=True)
class Attempt:
    """What became of an item that was asked for: `said` is for the tick. It is `due` when it has to be asked for again
    now, because of the run `after`, which failed; else later, or not at all."""

    said: str
    due: bool = False
    after: str = ""
    succeeded: bool = False

    def key(self, first: str) -> str:
        """The run key of the next attempt; `first`: of the first one. Dagster starts one run for a key."""
        return f"{first}-after-{self.after}"


def tags(sensor: str, asked: Mapping[str, str | int]) -> dict[str, str]:
    """Tags of a run by which `sensor` asks for some items in these states."""
    return {ASKED_BY: sensor, ASKED_FOR: json.dumps(dict(asked), sort_keys=True)}


def attempts(instance: dg.DagsterInstance, sensor: str, now: Mapping[str, str | int]) -> dict[str, Attempt]:
    """What became of each item of `now` ({item: state}) that was last asked for in this state. Others are left out:
    so an item in a new state, or in one that it had once, starts anew."""
    records = instance.get_run_records(dg.RunsFilter(tags={ASKED_BY: sensor}), limit=LOOKED_AT)
    runs: dict[str, list[dg.RunRecord]] = {}
    passed: set[str] = set()
    for record in records:  # newest first
        for item, state in _asked_for(record).items():
            if item in now and item not in passed:
                if state == now[item]:
                    runs.setdefault(item, []).append(record)
                else:
                    passed.add(item)
    why = cache(partial(_why, instance))  # one run may be for many items
    return {item: _attempt(found, why) for item, found in runs.items()}


def _asked_for(record: dg.RunRecord) -> dict[str, str | int]:
    try:
        found = json.loads(record.dagster_run.tags.get(ASKED_FOR, ""))
    except ValueError:  # a tag that somebody typed
        return {}
    return found if isinstance(found, dict) else {}


def _attempt(records: list[dg.RunRecord], why: Callable[[str], str]) -> Attempt:
    """Of the runs for one item, newest first. `why` tells why the run of an id failed."""
    for record in records:
        if record.dagster_run.status not in FINISHED:
            return Attempt(f"run {_short(record)} is {_words(record)}")
    newest = records[0]
    match newest.dagster_run.status:
        case dg.DagsterRunStatus.SUCCESS:
            return Attempt(f"run {_short(newest)} succeeded", succeeded=True)
        case dg.DagsterRunStatus.CANCELED:
            return Attempt(f"run {_short(newest)} was cancelled: it is not repeated")
    failures = _failures(records)
    ended = newest.end_time or newest.update_timestamp.timestamp()
    following = ended + min(FIRST_WAIT_S * 2 ** min(failures - 1, 30), LONGEST_WAIT_S)
    told = f"run {_short(newest)} failed ({why(newest.dagster_run.run_id)})"
    if time.time() >= following:
        return Attempt(f"{told}: attempt {failures + 1} begins", due=True, after=_short(newest))
    at = datetime.fromtimestamp(following, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return Attempt(f"{told}: attempt {failures + 1} begins at {at}")


def _failures(records: list[dg.RunRecord]) -> int:
    """How many runs have failed since the last one that did not."""
    statuses = [record.dagster_run.status for record in records]
    others = [number for number, status in enumerate(statuses) if status != dg.DagsterRunStatus.FAILURE]
    return others[0] if others else len(statuses)


def _why(instance: dg.DagsterInstance, run_id: str) -> str:
    """The step that failed first and what its error says; of a run that failed outside of steps, what was said then."""
    for kind in (dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE):
        for entry in _events(instance, run_id, kind):
            event = entry.dagster_event
            error = getattr(event.event_specific_data, "error", None) if event is not None else None
            while error is not None and error.cause is not None and (error.cls_name or "").startswith("Dagster"):
                error = error.cause  # Dagster's own error is around the step's; what lies below that says less
            said = error.message if error is not None else entry.user_message or entry.message
            if event is None or event.step_key is None:
                return _line(said)
            return f"{event.step_key}: {_line(_of_check(instance, run_id, event.step_key) or said)}"
    return "no reason is known"


def _of_check(instance: dg.DagsterInstance, run_id: str, step: str) -> str:
    """What a check that failed in the step `step` says: its error only names it."""
    for entry in _events(instance, run_id, dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        event = entry.dagster_event
        if event is not None and event.step_key == step and not event.asset_check_evaluation_data.passed:
            return event.asset_check_evaluation_data.description or ""
    return ""


def _events(instance: dg.DagsterInstance, run_id: str, kind: dg.DagsterEventType) -> list[dg.EventLogEntry]:
    return [record.event_log_entry for record in instance.get_records_for_run(run_id, of_type=kind).records]


def _line(said: str) -> str:
    said = " ".join(said.split())
    said = re.sub(r"^(?:\w+\.)+(?=\w+: )", "", said)  # the error's module
    return said if len(said) <= LONGEST_REASON else said[:LONGEST_REASON] + " ..."


def _short(record: dg.RunRecord) -> str:
    return record.dagster_run.run_id[:8]


def _words(record: dg.RunRecord) -> str:
    return "queued" if record.dagster_run.status is dg.DagsterRunStatus.QUEUED else "in progress"
