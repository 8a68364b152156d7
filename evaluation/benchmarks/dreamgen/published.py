"""The questions of DreamGen's own judge, word for word, read from a checkout of its repository.

The scripts are read as text and parsed; nothing of them runs. Each writes its question to `user_text`: a text in which
the instruction stands as `{prompt}`, and in the script of instruction following one for each side of `if zeroshot:`.
Source: dreamgenbench/ of github.com/NVIDIA/GR00T-Dreams, read at commit ec3881d.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from evaluation.benchmarks.foreign import read_text
from models.vlm.protocol import Prompt
from storage.files import sha256_bytes

FOLDER = "dreamgenbench"
FOLLOWING, PHYSICS = "eval_sr_qwen_whole.py", "eval_qwen_pa.py"
WRITTEN, INSTRUCTION, STRICT = "user_text", "prompt", "zeroshot"  # names in the scripts
MOST_BYTES = 2**20
VERSION = 1  # of how they are read
Parts = tuple[str | None, ...]  # None: where the instruction stands
Published = Mapping[str, Parts]  # by the names of our questions


def read_published(checkout: Path) -> Published:
    """The published words of our questions, by their names; `checkout` is the repository or its folder dreamgenbench.

    Raises OSError, and ValueError naming the file where a question is not found in the known form.
    """
    folder = checkout / FOLDER if (checkout / FOLDER).is_dir() else checkout
    path = folder / FOLLOWING
    branches = [one for one in ast.walk(_parsed(path)) if isinstance(one, ast.If) and _is(one.test, STRICT)]
    strict = [text for one in branches for text in _texts(path, one.body)]
    default = [text for one in branches for text in _texts(path, one.orelse)]
    found = {
        "dreamgen_following": _only(path, default, f"behind the else of `if {STRICT}:`"),
        "dreamgen_following_strict": _only(path, strict, f"in `if {STRICT}:`"),
    }
    for name, parts in found.items():
        if None not in parts:
            raise ValueError(f"{path}: the question of {name} does not hold {{{INSTRUCTION}}}")
    path = folder / PHYSICS
    return found | {"dreamgen_physics": _only(path, list(_texts(path, [_parsed(path)])), "in it")}


def published_prompt(name: str, parts: Parts, instruction: str) -> Prompt:
    """The question `name` with its instruction filled in; it is answered by 1 or 0."""
    template = "".join("{prompt}" if part is None else part for part in parts)
    text = "".join(instruction if part is None else part for part in parts)
    digest = sha256_bytes(template.encode())[:16]
    return Prompt(name, VERSION, digest, text, {"instruction": instruction}, digits=True)


def _parsed(path: Path) -> ast.Module:
    text = read_text(path, MOST_BYTES)
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # ValueError: a NUL character
        raise ValueError(f"{path}: no Python that can be read: {str(error)[:200]}") from error


def _texts(path: Path, nodes: list) -> Iterator[Parts]:
    """What is assigned to the question's name anywhere within `nodes`."""
    for node in nodes:
        for one in ast.walk(node):
            if isinstance(one, ast.Assign) and len(one.targets) == 1 and _is(one.targets[0], WRITTEN):
                values = one.value.values if isinstance(one.value, ast.JoinedStr) else [one.value]
                yield tuple(_part(path, value) for value in values)


def _part(path: Path, value: ast.expr) -> str | None:
    match value:
        case ast.Constant(value=str(text)):
            return text
        case ast.FormattedValue(value=ast.Name(id=name), conversion=-1, format_spec=None) if name == INSTRUCTION:
            return None
    seen = ast.unparse(value)[:80]
    raise ValueError(f"{path}, line {value.lineno}: {seen!r} in {WRITTEN}: text and {{{INSTRUCTION}}} are expected")


def _only(path: Path, texts: list[Parts], where: str) -> Parts:
    distinct = list(dict.fromkeys(texts))
    if len(distinct) != 1:
        raise ValueError(
            f"{path}: {WRITTEN} is written {len(distinct)} times {where}, once is expected: another version?"
        )
    return distinct[0]


def _is(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
