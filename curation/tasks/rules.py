"""The rules that a task-solution pair must pass. Each has a name, which a dropped pair keeps as its reason."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from curation.tasks.options import RuleOptions

TASK = re.compile(r"\[(?P<agent>[^\[\]\n]+)\]: (?P<instruction>\S[^\n]*\.)")
# Words that point at somebody without saying who: a task must pick its agent out by words alone. A game's player is
# no such word: there is one, and the paper's authors name it so.
UNNAMED = frozenset([
    "agent", "character", "person", "someone", "somebody", "it", "he", "she", "they", "object", "thing", "entity",
    "subject", "anyone", "anybody", "nobody", "something", "none", "unknown", "unnamed", "unspecified", "name",
    "description",
])  # fmt: skip
ARTICLES = frozenset(("a", "an", "the", "this", "that", "some", "another"))
# One sign over and over: what a model writes when it is stuck.
STUCK = re.compile(r"([^\s])\1{9,}")
# Sentences of any language are mostly letters (with the marks of Indic scripts); tables, code and noise are not.
MIN_LETTERS = 0.6
# Where a finished paragraph may end, closing quotes and brackets allowed.
FINISHED = re.compile(r"[.!?][\"')\]]*$")


@dataclass(frozen=True)
class Pair:
    """A task T and its solution D; `agent` and `instruction` are "" when T does not follow the grammar."""

    task: str
    solution: str

    @property
    def agent(self) -> str:
        match = TASK.fullmatch(self.task)
        return match["agent"].strip() if match else ""

    @property
    def instruction(self) -> str:
        match = TASK.fullmatch(self.task)
        return match["instruction"] if match else ""


def words(text: str) -> list[str]:
    """Lower-case words of any script, without punctuation."""
    return re.findall(r"[^\W_]+(?:['-][^\W_]+)*", unicodedata.normalize("NFKC", text).casefold())


def _empty(pair: Pair, options: RuleOptions) -> str:
    return "task is empty" if not pair.task else "solution is empty" if not pair.solution else ""


def _unprintable(pair: Pair, options: RuleOptions) -> str:
    bad = [c for c in pair.task + pair.solution if unicodedata.category(c) in ("Cc", "Cs", "Co", "Cn")]
    return f"character U+{ord(bad[0]):04X}" if bad else ""


def _grammar(pair: Pair, options: RuleOptions) -> str:
    return "" if TASK.fullmatch(pair.task) else "task is not of the form '[Agent description]: instruction.'"


def _agent_not_named(pair: Pair, options: RuleOptions) -> str:
    named = set(words(pair.agent)) - UNNAMED - ARTICLES
    return "" if named else f"agent {pair.agent!r} names nobody"


def _agent_too_long(pair: Pair, options: RuleOptions) -> str:
    return _above(len(words(pair.agent)), options.max_agent_words, "agent")


def _instruction_too_short(pair: Pair, options: RuleOptions) -> str:
    return _below(len(words(pair.instruction)), options.min_instruction_words, "instruction")


def _instruction_too_long(pair: Pair, options: RuleOptions) -> str:
    return _above(len(words(pair.instruction)), options.max_instruction_words, "instruction")


def _solution_equals_task(pair: Pair, options: RuleOptions) -> str:
    said = words(pair.solution)
    repeats = said in (words(pair.task), words(pair.instruction))
    return "solution only repeats the task" if repeats else ""


def _solution_too_short(pair: Pair, options: RuleOptions) -> str:
    return _below(len(words(pair.solution)), options.min_solution_words, "solution")


def _solution_too_long(pair: Pair, options: RuleOptions) -> str:
    return _above(len(words(pair.solution)), options.max_solution_words, "solution")


def _solution_cut(pair: Pair, options: RuleOptions) -> str:
    return "" if FINISHED.search(pair.solution) else f"solution ends with {pair.solution[-20:]!r}"


def _degenerate(pair: Pair, options: RuleOptions) -> str:
    for name, text in (("task", pair.task), ("solution", pair.solution)):
        if match := STUCK.search(text):
            return f"{name} repeats {match[1]!r} {len(match[0])} times"
        signs = [c for c in text if not c.isspace()]
        letters = sum(unicodedata.category(c)[0] in "LM" for c in signs)
        if letters < MIN_LETTERS * len(signs):
            return f"{letters} of {len(signs)} characters of the {name} are letters"
    return ""


def _repetitive(pair: Pair, options: RuleOptions) -> str:
    for name, text in (("task", pair.instruction), ("solution", pair.solution)):
        share = repeated_share(text)
        if share > options.max_repeated_share:
            return f"{share:.0%} of the {name} repeat what it said before, at most {options.max_repeated_share:.0%} may"
    return ""


def repeated_share(text: str, length: int = 12) -> float:
    """0 to 1: the share of a text's strings of `length` characters that came before in it, whatever the script.

    A phrase named three times in a paragraph of 90 words gives about 0.1, a sentence said twice 0.45, a loop 0.8.
    """
    text = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    count = len(text) - length + 1
    return 1 - len({text[i : i + length] for i in range(count)}) / count if count > 0 else 0.0


def _below(count: int, least: int, what: str) -> str:
    return f"{what} has {count} words, at least {least} are wanted" if count < least else ""


def _above(count: int, most: int, what: str) -> str:
    return f"{what} has {count} words, at most {most} are wanted" if count > most else ""


Rule = Callable[[Pair, RuleOptions], str]

# In this order: the first that a pair breaks is its reason. A rule returns "" or what is wrong.
RULES: dict[str, Rule] = {
    "empty": _empty,
    "unprintable": _unprintable,
    "grammar": _grammar,
    "agent_not_named": _agent_not_named,
    "agent_too_long": _agent_too_long,
    "instruction_too_short": _instruction_too_short,
    "instruction_too_long": _instruction_too_long,
    "solution_equals_task": _solution_equals_task,
    "solution_too_short": _solution_too_short,
    "solution_too_long": _solution_too_long,
    "solution_cut": _solution_cut,
    "degenerate": _degenerate,
    "repetitive": _repetitive,
}


def judge_pairs(pairs: list[Pair], options: RuleOptions) -> list[tuple[str, str]]:
    """(reason, detail) for each pair of one frame, ("", "") when it passes.

    After the rules of RULES comes `duplicate_in_frame`: the same task in other case, spacing or punctuation as an
    earlier kept pair of the frame.
    """
    verdicts, seen = [], {}
    for index, pair in enumerate(pairs):
        verdict = _first_broken(pair, options)
        key = tuple(words(pair.task))
        if not verdict[0] and key in seen:
            verdict = ("duplicate_in_frame", f"same as pair {seen[key]}")
        elif not verdict[0]:
            seen[key] = index
        verdicts.append(verdict)
    return verdicts


def _first_broken(pair: Pair, options: RuleOptions) -> tuple[str, str]:
    for name, rule in RULES.items():
        detail = rule(pair, options)
        if detail:
            return name, detail
    return "", ""
