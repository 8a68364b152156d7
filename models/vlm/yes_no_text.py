"""Yes/no questions to models without log-probabilities: what a written answer says, and the log-odds of several."""

import math
import re
from collections.abc import Sequence

from models.vlm.protocol import LogOdds, Usage

INSTRUCTION = "Whatever you write before, end with a last line that holds one word alone: yes or no."

THOUGHTS = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
OPENED_BY_THE_TEMPLATE = re.compile(r"\A.*</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
CHOICE = re.compile(r"\b(?:yes\W{0,3}(?:or|/)\W{0,3}no|no\W{0,3}(?:or|/)\W{0,3}yes)\b", re.IGNORECASE)  # the question
# A word of the answer, not one of a sentence such as "there is no doubt": nothing but marks follow on its line, or a
# mark that ends it; or it comes after "answer:" and the like. "No. 5" is a number; "not yes" is no answer.
ANSWER = re.compile(
    r"\b(?:answer|verdict)\b[\"'*_`\s]*(?:is|:|=)[\s*_`\"'({\[]*(yes|no)\b"
    r"|(?<!\bnot )\b(yes|no(?!\.? ?\d))\b(?=[*_`\"')}\]]*\s*(?:[.,;:!?}\])]|[\r\n]|\Z))",
    re.IGNORECASE,
)


def said(text: str | None) -> bool | None:
    """Whether the last answer in a text is yes; None where it gives none. What was thought before does not count."""
    spoken = OPENED_BY_THE_TEMPLATE.sub("", THOUGHTS.sub("", text or ""))
    found = list(ANSWER.finditer(CHOICE.sub("", spoken)))
    return (found[-1][1] or found[-1][2]).lower() == "yes" if found else None


def from_answers(answers: Sequence[bool | None], usage: Usage, text: str = "") -> LogOdds:
    """Log-odds from n answers, k of them yes, None where one says neither: log((k + 1/2) / (n - k + 1/2)).

    That is log(p / (1 - p)) of the smoothed share p = (k + 1/2) / (n + 1), the empirical logit of Haldane (1956, "The
    estimation and significance of the logarithm of a ratio of frequencies") and Anscombe (1956): finite for k = 0 and
    k = n, and its bias is of order 1 / n^2. One yes is +1.10 nats. `mass` is the share of answers that are yes or no.
    """
    valid = [answer for answer in answers if answer is not None]
    yes, no = sum(valid) + 0.5, len(valid) - sum(valid) + 0.5
    log_p_yes, log_p_no = (math.log(share / (len(valid) + 1)) for share in (yes, no))
    return LogOdds(math.log(yes / no), log_p_yes, log_p_no, False, usage, text, len(valid) / len(answers))
