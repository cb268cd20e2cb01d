"""Decides how errors of the library read at the command line: its flags, not Python's names.

The texts of the library stay as they are: it cannot know that somebody types.
"""

import re
from typing import Final

from ncloudchat_async.errors import (
    ArchiveError,
    ConfigError,
    DeadlineExceededError,
    NcloudChatError,
    UnexpectedRedirectError,
)

__all__ = ["CREDENTIALS", "MORE_TIME", "worded"]

CREDENTIALS: Final = (
    "set NCLOUDCHAT_PROJECT_ID and NCLOUDCHAT_API_KEY, or keep both with `ncloudchat profile add`"
)
"""What to do where credentials are missing."""
MORE_TIME: Final = "give a longer --deadline"
"""What to do where the time was too short."""
_BASE_URL: Final = "the base URL (NCLOUDCHAT_BASE_URL, or the profile's)"

PHRASES: Final = {
    "(check_rule=False sends it all the same)": "(--any-id sends it all the same)",
    "or allow_insecure=True": "or --allow-insecure",
    "project_id is empty (pass it, or set NCLOUDCHAT_PROJECT_ID)": (
        f"there is no project id: {CREDENTIALS}"
    ),
    "api_key is empty (pass it, or set NCLOUDCHAT_API_KEY)": f"there is no API key: {CREDENTIALS}",
    "(pass it, or set NCLOUDCHAT_PROJECT_ID)": "(NCLOUDCHAT_PROJECT_ID, or the profile's)",
    "(pass it, or set NCLOUDCHAT_API_KEY)": "(NCLOUDCHAT_API_KEY, or the profile's)",
    "must not hold credentials: they go into project_id and api_key": (
        f"must not hold credentials: {CREDENTIALS}"
    ),
    "api_key ": "the API key ",
    "project_id ": "the project id ",
    "base_url ": _BASE_URL + " ",
    "Quota.rate ": "--rate ",
    "Quota.max_in_flight ": "--max-in-flight ",
    "Timeouts.deadline_s ": "--deadline ",
    ", or None, not ": ", not ",
    "settle_s ": "--settle ",
    "max_length ": "--max-length ",
    "sort must name a field, such as '-created_at'": (
        "--sort must name a field, such as -created_at"
    ),
}
"""What the library says of settings and options, and what the command line calls it. Where
several fit, the first is taken."""
_PHRASE: Final = re.compile("|".join(map(re.escape, PHRASES)))


def worded(error: NcloudChatError) -> str:
    """Return an error's text as people at a terminal understand it; never an empty one."""
    text = str(error) or type(error).__name__
    match error:
        case ConfigError():
            # Only these speak of options, and none of them repeats a text of the server.
            return _PHRASE.sub(lambda match: PHRASES[match[0]], text)
        case ArchiveError():
            return text.replace("(partial_archive=True)", "(--partial-archive)")
        case DeadlineExceededError():
            return f"{text}: {MORE_TIME}"
        case UnexpectedRedirectError():
            return text.replace("base_url", _BASE_URL)
        case _:
            return text
