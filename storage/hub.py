"""Errors of pushes to the Hugging Face Hub, told without the token."""

from collections.abc import Iterator
from contextlib import contextmanager

from storage.secrets import without_secret


class PushFailed(Exception):
    """The Hub refused the push or broke it off. The message never contains the token."""


@contextmanager
def errors_without(token: str, *told: type[Exception]) -> Iterator[None]:
    """Turns every error into PushFailed, with the token blotted out and no link to the original; `told` are our own.

    A Hub that answers something else than its client expects ends in whatever that does to the client: KeyError,
    TypeError, a pydantic error and more.
    """
    # HTTPError is that of the client's HTTP library, whose name changes between versions of the client; RuntimeError is
    # what its transfer library raises.
    from huggingface_hub.errors import HFValidationError, HTTPError

    try:
        yield
    except (PushFailed, *told):
        raise
    except Exception as error:
        said = without_secret(f"{type(error).__name__}: {error}", token)
        expected = isinstance(error, HTTPError | HFValidationError | OSError | RuntimeError)
        if not expected or isinstance(error, RecursionError):
            said = (
                f"the Hub's answer was not understood ({said:.500}). See that HF_ENDPOINT, where it is set, is a "
                "Hugging Face Hub, and that huggingface_hub is up to date; then push again"
            )
        raise PushFailed(said) from None
