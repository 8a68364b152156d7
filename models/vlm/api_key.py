"""A server's key: it comes from the environment by its variable's name, and is shown and kept nowhere."""

import os
import re
from typing import Any

from storage.secrets import without_secret

VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
NO_KEY = "EMPTY"
SHORTEST = 8  # characters of a key that is blotted out of answers too: a shorter one is part of ordinary words


def check_name(api_key_env: str) -> None:
    """Raises ValueError for what cannot be a variable's name: it may be the key itself, and is not repeated."""
    if api_key_env and not NAME.fullmatch(api_key_env):
        raise ValueError(
            f"api_key_env ({len(api_key_env)} characters): the NAME of an environment variable is expected, not the key"
        )


def check_key(api_key_env: str) -> None:
    """Raises ValueError when the environment variable of this name is not set; "" is for servers without keys."""
    check_name(api_key_env)
    if api_key_env and not os.environ.get(api_key_env):
        # Repeated only if it looks like a name: it may be the key itself, written into the wrong field.
        shown = repr(api_key_env) if VARIABLE.fullmatch(api_key_env) else f"({len(api_key_env)} characters)"
        raise ValueError(f"api_key_env {shown} is not set: give the NAME of an environment variable that holds the key")


def key_of(api_key_env: str) -> str:
    """The key in the variable of this name, NO_KEY for none: the client would else send the user's own OpenAI key to
    whatever server this is."""
    return os.environ[api_key_env] if api_key_env else NO_KEY


def without_key(text: str, key: str) -> str:
    """What a server said, for errors: servers echo headers into them, and errors go into tables and logs."""
    return text if key == NO_KEY else without_secret(text, key)


def blotted(value: Any, key: str) -> Any:
    """JSON of a model's answer, its texts and names without the key: answers go into journals and tables."""
    if key == NO_KEY or len(key) < SHORTEST:
        return value
    if isinstance(value, str):
        return without_key(value, key)
    if isinstance(value, dict):
        return {blotted(name, key): blotted(item, key) for name, item in value.items()}
    return [blotted(item, key) for item in value] if isinstance(value, list) else value
