"""Whether another checkout of the project takes over a collection as it is: nothing in it is made a second time.

    python tests/bench/compare_collections.py BEFORE AFTER --data BEFORE/data [--work FOLDER] [--recipes before]

FOLDER of --data holds a collection that BEFORE built, trained on and evaluated (`make run`). It is copied, and in the
copy `python -m pipelines.build RECIPE`, `pipelines.train` and `pipelines.evaluate` run: first with BEFORE, which shows
what a second run makes again anyway (--no-control leaves that out), then with AFTER. Each has a Dagster instance of its
own, and recipes of the checkout that differ in `root` alone, so that no checkout's own data is touched.

Each line is one check: ok; REPEATED, made again though it was there; CHANGED, other than it was. Exit status 1: any but
ok.
"""

import argparse
import hashlib
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from checkouts import check_origin, environment

COMMANDS = {"pipelines.build": "", "pipelines.train": "_training", "pipelines.evaluate": "_evaluation"}
STAGES = ("clips", "frames", "quality", "aesthetics", "screening", "tasks", "taxonomy", "worldtasks")
OWN = ("data", ".dagster")  # of a checkout
INSTANCE = "dagster.yaml"
PATIENCE_S = 3600


@dataclass(frozen=True)
class Check:
    """Files of a collection by a pattern of their paths. `times`: that they are not written again is checked too."""

    name: str
    pattern: str
    times: bool = True


CHECKS = (
    *(Check(f"table of {stage}", rf"tables/{stage}(/.*)?\.(parquet|json)") for stage in STAGES),
    Check("files of clips", r"[a-z]+_clips/.*"),
    Check("files of frames", r"frames/.*"),
    Check("published dataset", r"published/.*"),
    Check("conditions", r"conditions/[^/]+/.*"),
    Check("training", r"training/[^/]+/.*"),
    Check("pictures of benchmarks", r"evaluation/benchmarks/.*"),
    Check("videos", r"evaluation/runs/.*\.mp4"),
    Check("answers in journals", r".*\.sqlite", times=False),
    Check("judgements", r"evaluation/runs/[^/]+/judgements.*\.jsonl", times=False),
    Check("scores", r"evaluation/runs/[^/]+/scores\.json", times=False),
)
RECORD = re.compile(rb'"run\.json": "[0-9a-f]{64}"')  # in scores: the hash of a record that names the data's folder
NO_RESULT = re.compile(r".*(\.lock|\.log|-wal|-shm|-journal)")


@dataclass(frozen=True)
class Kept:
    """A file as it was: its content, the answers it holds if it is a journal, when it was written."""

    sha256: str
    answers: int
    written_ns: int


def kept(path: Path) -> Kept:
    content, answers, written_ns = hashlib.sha256(), 0, path.lstat().st_mtime_ns
    if path.is_symlink():
        content.update(str(path.readlink()).encode())
        written_ns = 0  # to be set again to the same is not to make anything again
    elif path.suffix == ".sqlite":
        for row in journal_rows(path):
            content.update(repr(row).encode())
            answers += 1
    elif path.name == "scores.json":
        content.update(RECORD.sub(b"", path.read_bytes()))
    else:
        content.update(path.read_bytes())
    return Kept(content.hexdigest(), answers, written_ns)


def journal_rows(path: Path) -> Iterator[tuple[Any, ...]]:
    """All rows of a journal, in an order that does not depend on when they were written."""
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"):
            yield from sorted(connection.execute(f'SELECT * FROM "{table}"'), key=repr)
    finally:
        connection.close()


def snapshot(collection: Path) -> dict[str, dict[str, Kept]]:
    """The results in a collection's folder: by check, path below the folder -> what it is."""
    files = [path for path in sorted(collection.rglob("*")) if path.is_symlink() or path.is_file()]
    found: dict[str, dict[str, Kept]] = {check.name: {} for check in CHECKS}
    for path in files:
        name = path.relative_to(collection).as_posix()
        check = next((one for one in CHECKS if re.fullmatch(one.pattern, name)), None)
        if check and not NO_RESULT.fullmatch(name):
            found[check.name][name] = kept(path)
    return found


def verdict(check: Check, before: dict[str, Kept], after: dict[str, Kept]) -> str:
    """ok, REPEATED or CHANGED, and of what."""
    if not before:
        return "CHANGED: the collection has none to begin with"
    gone = [name for name in before if name not in after]
    other = [name for name in before if name in after and before[name].sha256 != after[name].sha256]
    new = [name for name in after if name not in before]
    again = [name for name in before if name in after and before[name].written_ns != after[name].written_ns]
    counts = [sum(one.answers for one in side.values()) for side in (before, after)]
    if counts[0] < counts[1]:
        return f"REPEATED: {counts[1]} answers, there were {counts[0]}; {(other + new)[0]} is the first to have more"
    for names, word, what in (
        (gone, "CHANGED", "gone"),
        (other, "CHANGED", "another content"),
        (new, "REPEATED", "new"),
        (again if check.times else [], "REPEATED", "written again with the same content"),
    ):
        if names:
            return f"{word}: {names[0]} is {what} ({len(names)} of {len(before)} files)"
    return f"ok ({len(before)} files" + (f", {counts[0]} answers)" if counts[0] else ")")


class Side:
    """A checkout at work on the copy of the collection, on an instance of Dagster and with recipes of its own."""

    def __init__(self, name: str, checkout: Path, recipes: Path, work: Path, python: str):
        self.name, self.checkout, self.recipes, self.python = name, checkout, recipes, python
        self.folder, self.data = work / name, work / "data"

    def prepare(self, recipe_name: str) -> str:
        """Writes what the commands read; returns the collection's name."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        instance = yaml.safe_load((self.checkout / INSTANCE).read_text(encoding="utf-8"))
        self.write(INSTANCE, below(instance, self.folder))
        names = set()
        for more in COMMANDS.values():
            recipe = yaml.safe_load((self.recipes / f"{recipe_name}{more}.yaml").read_text(encoding="utf-8"))
            collection = recipe.setdefault("resources", {}).setdefault("collection", {}).setdefault("config", {})
            collection["root"] = str(self.data)
            names.add(collection.get("name", "microworld"))
            self.write(f"{recipe_name}{more}.yaml", recipe)
        if len(names) != 1:
            sys.exit(f"The three recipes are of different collections: {', '.join(sorted(names))}")
        return names.pop()

    def write(self, name: str, value: Any) -> None:
        (self.folder / name).write_text(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), encoding="utf-8")

    def run(self, recipe_name: str) -> bool:
        """Runs the three commands, telling how each ended; whether all went well."""
        fine, told = True, environment(self.checkout) | {"DAGSTER_HOME": str(self.folder)}
        for module, more in COMMANDS.items():
            recipe, log = self.folder / f"{recipe_name}{more}.yaml", self.folder / f"{module}.log"
            words = [self.python, "-m", module, str(recipe)]
            began = time.monotonic()
            with log.open("w", encoding="utf-8") as out:
                heard = {"stdout": out, "stderr": subprocess.STDOUT, "timeout": PATIENCE_S}
                status = subprocess.run(words, cwd=self.checkout, env=told, **heard).returncode
            said = " ".join(log.read_text(encoding="utf-8", errors="replace").split())[-400:]
            how = f"ok ({time.monotonic() - began:.0f} s)" if status == 0 else f"FAILED with status {status}: {said}"
            print(f"{self.name}: python -m {module}: {how}", flush=True)
            fine = fine and status == 0
        return fine

    def own_data(self) -> dict[str, tuple[int, int]]:
        """What lies in the checkout's own folders of data: size and time by path."""
        paths = [path for name in OWN for path in (self.checkout / name).rglob("*") if path.is_file()]
        return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}

    def check(self, recipe_name: str) -> bool:
        """Runs the commands and prints each check; whether all are ok."""
        collection = self.data / self.prepare(recipe_name)
        if not collection.is_dir():
            sys.exit(f"The data hold no collection {collection.name}")
        before, own = snapshot(collection), self.own_data()
        lines = {"commands": "ok" if self.run(recipe_name) else "FAILED"}
        after = snapshot(collection)
        lines |= {check.name: verdict(check, before[check.name], after[check.name]) for check in CHECKS}
        mine = "ok" if self.own_data() == own else "CHANGED, unless another run was at work there"
        lines["the checkout's own data"] = mine
        for name, line in lines.items():
            print(f"{self.name}: {name}: {line}", flush=True)
        return all(line.startswith("ok") for line in lines.values())


def below(value: Any, home: Path) -> Any:
    """The settings of a Dagster instance with every `base_dir` below `home`."""
    if not isinstance(value, dict):
        return value
    return {key: str(home / inner) if key == "base_dir" else below(inner, home) for key, inner in value.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path, help="checkout that made the data")
    parser.add_argument("after", type=Path, help="checkout that is to take them over")
    parser.add_argument("--data", type=Path, required=True, help="folder of collections; it is copied, never changed")
    parser.add_argument("--recipe", default="microworld", help="name of the recipes; _training, _evaluation are added")
    parser.add_argument("--recipes", choices=("before", "after"), help="whose recipes AFTER is given; usually its own")
    parser.add_argument("--no-control", action="store_true", help="do not run BEFORE on the copy first")
    parser.add_argument("--python", default=sys.executable, help="interpreter of both checkouts' environment")
    parser.add_argument("--work", type=Path, help="folder for the copy and the logs; usually a temporary one")
    given = parser.parse_args()
    before, after = given.before.resolve(), given.after.resolve()
    work = (given.work or Path(tempfile.mkdtemp(prefix="collections-"))).resolve()
    shutil.rmtree(work / "data", ignore_errors=True)
    shutil.copytree(given.data.resolve(), work / "data", symlinks=True)
    old, new = before / "recipes", after / "recipes"
    sides = [] if given.no_control else [Side("before", before, old, work, given.python)]
    sides.append(Side("after", after, old if given.recipes == "before" else new, work, given.python))
    for side in sides:
        check_origin(side.checkout, given.python, next(iter(COMMANDS)))
    fine = [side.check(given.recipe) for side in sides]
    if given.work is None and all(fine):
        shutil.rmtree(work)
    else:
        print(f"Logs and the copy: {work}")
    print("Nothing was made again." if all(fine) else "Something was made again, or is another: see above.")
    return 0 if all(fine) else 1


if __name__ == "__main__":
    sys.exit(main())
