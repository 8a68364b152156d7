"""How the folders of two training runs differ: logs and scores as numbers, weights and checkpoints as bytes."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import deserialize

LOGS, SCORES = ("metrics.jsonl", "evaluations.jsonl", "judged.jsonl"), "scores.json"
WEIGHTS = "final/pytorch_lora_weights.safetensors"
FOLDERS = ("checkpoints", "adapters")  # with tensors of the run along the way
TIMES = re.compile(r"(seconds|timestamp).*")  # keys of what may differ
NUMBERS = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "I64": np.int64, "I32": np.int32, "U8": np.uint8}

Tensors = dict[str, dict[str, Any]]  # file and name -> dtype, shape and data (bytes)


@dataclass(frozen=True)
class Finding:
    """The first difference ("": none), the largest absolute one of numbers, how much was equal, and a remark."""

    differs: str = ""
    gap: float | None = None
    values: int = 0
    tensors: int = 0
    note: str = ""


def differences(before: Path, after: Path) -> Finding:
    """Compares the folders of two runs."""
    findings = [numbers(name, read_log(before / name), read_log(after / name)) for name in LOGS]
    findings.append(numbers(SCORES, read_json(before / SCORES), read_json(after / SCORES)))
    for name in (WEIGHTS, *FOLDERS):
        findings.append(tensors(name, read_tensors(before, name), read_tensors(after, name)))
    gaps = [one.gap for one in findings if one.gap is not None]
    differs = next((one.differs for one in findings if one.differs), "")
    values, count = (sum(getattr(one, name) for one in findings) for name in ("values", "tensors"))
    return Finding(differs, max(gaps, default=None), values, count, "; ".join(one.note for one in findings if one.note))


def goes_on(first: Path, whole: Path) -> bool:
    """Whether the log at `whole` begins with the lines of that at `first`, times included: none was made again."""
    begun = list(read_log(first).values())
    return bool(begun) and list(read_log(whole).values())[: len(begun)] == begun


def read_log(path: Path) -> dict[str, dict[str, Any]]:
    """The lines of a log. Of two judgements of the same arm and step the later one counts."""
    found: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines() if path.exists() else [], 1):
        row = json.loads(line)
        found[f"step {row['step']}, {row['arm']}" if "arm" in row else f"row {number}"] = row
    return found


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def leaves(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    """The plain values in JSON with their places, without times."""
    if not isinstance(value, Mapping | list):
        yield place, value
    elif not value:
        yield place, "empty"
    else:
        for key, inner in value.items() if isinstance(value, Mapping) else enumerate(value):
            if not TIMES.fullmatch(str(key)):
                yield from leaves(inner, f"{place}[{key}]")


def numbers(name: str, before: Any, after: Any) -> Finding:
    """Compares JSON: the same places, the same values."""
    if not before:
        return Finding(f"{name}: there is nothing before")
    old, new = dict(leaves(before, name)), dict(leaves(after, name))
    wrong = [place for place in old if place in new and old[place] != new[place]]
    gaps = [abs(old[p] - new[p]) for p in wrong if all(isinstance(one[p], int | float) for one in (old, new))]
    gap = max(gaps, default=None)
    if lacking := [place for place in old if place not in new]:
        return Finding(f"{lacking[0]} is not there after ({len(lacking)} of {len(old)} values are not)", gap)
    if added := [place for place in new if place not in old]:
        return Finding(f"{added[0]} was not there before ({len(added)} of {len(new)} values were not)", gap)
    if wrong:
        values = f"{old[wrong[0]]!r} before, {new[wrong[0]]!r} after"
        return Finding(f"{wrong[0]}: {values} ({len(wrong)} of {len(old)} values differ)", gap)
    return Finding(values=len(old))


def read_tensors(run: Path, name: str) -> Tensors:
    """The tensors in the file `name` of a run, or in all files below the folder of that name."""
    place = run / name
    files = [place] if place.is_file() else sorted(place.rglob("*.safetensors"))
    return {
        f"{path.relative_to(run)}: {key}": {**tensor, "data": bytes(tensor["data"])}
        for path in files
        for key, tensor in deserialize(path.read_bytes())
    }


def tensors(what: str, before: Tensors, after: Tensors) -> Finding:
    """Compares tensors by file and name, or by content alone where these are others."""
    if not before:
        return Finding(f"{what}: there is nothing before")
    wrong = [place for place in before if place in after and before[place] != after[place]]
    gap = max((gap for place in wrong if (gap := tensor_gap(before[place], after[place])) is not None), default=None)
    if before.keys() != after.keys():
        old, new = (Counter((t["dtype"], *t["shape"], t["data"]) for t in side.values()) for side in (before, after))
        place = min(before.keys() ^ after.keys())
        if old == new:
            note = f"tensors of {what} are the same by other names or in other files, such as {place}"
            return Finding(tensors=len(before), note=note)
        lost = (old - new).total()
        return Finding(f"{place} is there on one side only ({lost} of {len(before)} tensors are not there after)", gap)
    if wrong:
        return Finding(f"{wrong[0]} ({len(wrong)} of {len(before)} tensors differ)", gap)
    return Finding(tensors=len(before))


def tensor_gap(before: dict[str, Any], after: dict[str, Any]) -> float | None:
    """The largest absolute difference of two tensors; None where they cannot be subtracted."""
    kind = before["dtype"]
    if kind != after["dtype"] or before["shape"] != after["shape"] or kind not in NUMBERS:
        return None
    old, new = (np.frombuffer(one["data"], NUMBERS[kind]).astype(np.float64) for one in (before, after))
    return float(np.abs(old - new).max(initial=0.0))
