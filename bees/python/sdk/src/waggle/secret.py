"""Secrets by name: the same secrets that `{{ secrets.NAME }}` in a swarm file names."""

from __future__ import annotations

import os
import re

from .errors import MissingSecret


def get_secret(name: str) -> str:
    """The secret of this name: the environment variable WAGGLE_SECRET_<NAME>, else a file of that name in the folder WAGGLE_SECRETS_DIR.

    A variable may have the name unchanged or in upper case. Docker and Kubernetes mount such files. One newline at the end of a file is dropped.
    A bee's process has only the variables that `env` in its spec gives it. Raises MissingSecret, and ValueError for an invalid name.

    >>> import os
    >>> os.environ["WAGGLE_SECRET_WEATHER_KEY"] = "k-123"
    >>> get_secret("weather_key")
    'k-123'
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name[:80]!r} is no name of a secret: use letters, digits, _, - and .")
    for variable in (f"WAGGLE_SECRET_{name}", f"WAGGLE_SECRET_{re.sub('[-.]', '_', name).upper()}"):
        value = os.environ.get(variable)
        if value is not None:
            return value
    folder = os.environ.get("WAGGLE_SECRETS_DIR")
    if folder:
        try:
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                return re.sub(r"\r?\n\Z", "", file.read())
        except FileNotFoundError:
            pass
        except (OSError, UnicodeDecodeError) as error:
            raise MissingSecret(f"The secret {name} cannot be read from {folder}: {type(error).__name__}") from None
    variable = f"WAGGLE_SECRET_{re.sub('[-.]', '_', name).upper()}"
    if os.environ.get("WAGGLE_PROTOCOL"):
        raise MissingSecret(f'This bee has no secret {name}: write env: {{{variable}: "{{{{ secrets.{name} }}}}"}} into its spec')
    where = f"a file {name} in {folder}" if folder else "a file of that name in the folder WAGGLE_SECRETS_DIR"
    raise MissingSecret(f"There is no secret {name}: set {variable}, or mount {where}")


_NAME = re.compile(r"(?!\.)[A-Za-z0-9_.-]{1,253}")
