"""The names of what goes wrong between a question and its answer: one place for backends, stages, judging and rewards.

A Completion's `error` is one of ERRORS. A VLMUnavailable's `kind` is one of those below, or names the transport's
failure: timeout, connection, interrupted, engine, http_429 and the other statuses.
"""

TRUNCATED = "truncated"  # cut at the token limit, blanks until there among it
INVALID_JSON = "invalid_json"  # no JSON in it, or JSON that cannot be stored
WRONG_SCHEMA = "wrong_schema"  # JSON that does not fit what was asked for
EMPTY = "empty"  # no text at all
REFUSED = "refused"  # by the model or a content filter; of completions and of log-odds
NO_ANSWER = "no_answer"  # the model is about to say neither yes nor no: their mass is below `min_mass`
NO_LOGPROBS = "no_logprobs"  # the server gives no log-probabilities: never the fault of what was asked about
MALFORMED = "malformed"  # what the server sent is no answer of this protocol, or holds numbers out of range
SERVER = "server"  # a request was refused, and one that had been answered before is not answered any more

# What another seed may mend: asked once more. Counted against a limit of their own, unlike a refusal.
MENDABLE = (TRUNCATED, INVALID_JSON, WRONG_SCHEMA, EMPTY)
ERRORS = (*MENDABLE, REFUSED)
# The model's own failure to say yes or no: it would come again.
FINAL = (REFUSED, NO_ANSWER)
# Statuses by which a server says that the request is wrong: too long, too many images, a picture it cannot read.
REJECTED = ("http_400", "http_413", "http_422")


class TooManyFailures(RuntimeError):
    """More was left without an answer, or got one that cannot be used, than the recipe accepts: whoever was asked (a
    server, a judge, another scorer) is not to be believed. What was answered is kept where there is a journal."""


class TooManyMalformed(TooManyFailures):
    """The server answers, but too often with what cannot be used."""


class NoLogProbabilities(TooManyFailures):
    """The server gives no log-probabilities, so no yes/no question can be answered: none is asked any more."""


def bearable(share: float, count: int) -> int:
    """How many of `count` may fail where the share 0 to 1 may: always one, since a share of a handful is none."""
    return max(1, int(share * count + 1e-9))  # 0.29 * 100 is a little less than 29
