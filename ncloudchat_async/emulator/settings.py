"""Decides how the emulated platform behaves where its pages differ or say nothing.

A number such as D04 names the contradiction in the platform's documentation that a setting
settles (`docs/platform.md`). Nothing here is read from a file or from the environment.
"""

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Annotated, Literal, Self

import msgspec

from ncloudchat_async.emulator.names import refuse_unknown

__all__ = ["EmulatorSettings"]

_Count = Annotated[int, msgspec.Meta(ge=0)]
_Positive = Annotated[int, msgspec.Meta(ge=1)]
_Seconds = Annotated[float, msgspec.Meta(ge=0)]


class EmulatorSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every switch of the emulator; the defaults are the documentation's most likely reading.

    Replace it at run time (`emulator.settings = EmulatorSettings(...)`) or change single
    fields with `settings.but(...)`; the next request sees it.
    """

    # Answers
    mode: Literal["standard", "strict", "lenient"] = "standard"
    """How undocumented input is taken. `lenient`: a missing filter means `{}`, unknown filter
    keys are ignored, POST and PUT also restore (D12), any channel type passes. `strict`: a
    friend request is accepted or rejected by its receiver only (D19). `standard`: neither."""
    auth_http_status: Literal[200, 400, 401, 403] = 200
    """HTTP status of `{"status": -1}` to `{"status": -6}` (D01)."""
    refusal_http_status: Literal[200, 400, 422] = 200
    """HTTP status of a refused parameter, body status -100 (D01)."""
    conflict_http_status: Literal[200, 400, 409] = 200
    """HTTP status of a call that the object's state forbids, body status -101 (D01)."""
    missing: Literal["null", "empty", "404", "status"] = "null"
    """Answer for an unknown id (D04): null in the usual envelope, `{}`, the gateway's 404,
    or `{"status": -1}`."""
    count_shape: Literal["count", "totalCount", "total", "number", "text", "array", "ignored"] = (
        "count"
    )
    """Body for `"count": true` (D03; shown nowhere, so the default is a guess): `{"count": n}`,
    `{"totalCount": n}`, `{"total": n}`, `n`, `"n"`, `[n]`, or the list as if not asked."""
    default_per_page: _Positive = 20
    """Rows of a page when `per_page` is not given (D02, a guess)."""
    max_per_page: _Positive = 100
    """Largest page (D02)."""
    over_max: Literal["clamp", "reject"] = "clamp"
    """What a `per_page` above the largest does (D02)."""
    content_match: Literal["substring", "whole"] = "substring"
    """How a filter on message `content` matches (D22)."""
    list_lag_s: _Seconds = 0.0
    """Seconds for which a new row is missing from lists, though getting it by id works."""
    utc_offset_minutes: Annotated[int, msgspec.Meta(gt=-1440, lt=1440)] = 540
    """Offset of every timestamp from UTC; +09:00 in nearly every sample."""
    time_zone: str = "Asia/Seoul"
    """The project's time zone as tokens carry it."""

    # Access
    key_state: Literal["active", "deleted", "disabled", "expired"] = "active"
    """State of the API key; the others answer -3, -4 and -5."""
    key_expires_at: float | None = None
    """Unix time from which the key answers -5."""
    reissued_key_code: Literal[-2, -3] = -2
    """Answer to a key that was replaced by `reissue_key()`."""
    other_keys: tuple[str, ...] = ()
    """Keys that exist, but belong to another project: they answer -2."""
    api_access: Literal["read_write", "read", "none"] = "read_write"
    """The dashboard's API access: `read` refuses writes with -1, `none` everything."""
    allowed_ips: tuple[str, ...] = ()
    """Addresses or networks that may call (others answer -1); empty allows all."""

    # Limits
    quota_rate: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """Requests per second in a strict sliding window; None sets no limit (D05)."""
    quota_burst: _Count = 0
    """Requests above the rate that may pass after a second without any request."""
    max_concurrency: _Positive | None = None
    """Requests worked on at the same time; more are answered 429 with code 420."""
    throttle_form: Literal["gateway", "plain"] = "gateway"
    """Body of a 429: the gateway's JSON, or plain text."""
    throttle_code: Literal[400, 410, 420] = 410
    """`errorCode` of the gateway's 429: quota exceeded, throttled, rate limited."""
    retry_after_s: _Seconds | None = None
    """Retry-After of a 429; None leaves the header out."""
    retry_after_form: Literal["seconds", "date"] = "seconds"
    """How Retry-After is written."""
    max_body_bytes: Annotated[int, msgspec.Meta(ge=1, le=2**20)] = 2**20
    """Largest request body; a larger one is answered 413 with code 430."""

    # Tokens
    max_expire_days: _Positive | None = 90
    """Largest `expireDay`; the 2023 page names none (D07)."""
    tokens_for_members_only: bool = False
    """Refuse a token for an id that is not registered (D08)."""

    # Members
    user_id_rule: bool = True
    """Enforce 4 to 128 of `A-Z a-z 0-9 - _` on registration; paths take anything (D10)."""
    repeat_registration: Literal["refuse", "return", "update"] = "refuse"
    """What registering an existing id does (D11)."""
    withdrawn_registration: Literal["refuse", "restore"] = "refuse"
    """What registering a withdrawn id does (D11)."""
    list_withdrawn: bool = True
    """Whether lists show withdrawn members when the filter does not speak of `deleted`."""

    # Friends
    friend_envelope: Literal["graphql", "plain"] = "graphql"
    """Envelope of a friend request: `data.requestFriend.friendship` or `friendship` (D14)."""
    friend_status: Literal["requested", "pending"] = "requested"
    """Status of a fresh friend request (D16)."""
    bulk_status: Literal["requested", "accepted"] = "requested"
    """Status of friendships made by the bulk call (D18); `requested` follows `friend_status`."""

    # Channels
    channel_name_bytes: _Positive | None = 90
    """Longest channel name in UTF-8 bytes."""
    channel_urls: Literal["refuse", "drop", "drop_all", "echo"] = "refuse"
    """What becomes of `linkUrl` and `imageUrl` (D26): `refuse` answers -100 when the form is
    wrong, `drop` stores null instead, `drop_all` stores null always, `echo` takes anything.
    Only the form is looked at; the emulator never calls out."""
    repeat_unique_id: Literal["refuse", "allow"] = "refuse"
    """What creating a second channel with the same `uniqueId` does."""

    # Messages
    max_message_length: _Positive | None = None
    """Longest `content`; None sets no limit."""
    message_length_unit: Literal["characters", "bytes"] = "characters"
    """What the longest `content` is counted in."""
    profanity: Literal["off", "mask", "block"] = "off"
    """The profanity filter: off, every letter replaced by `*`, or the message refused."""
    profanity_words: tuple[str, ...] = ()
    """What the profanity filter looks for, without regard to case, inside words too."""
    closed_channels: Literal["accept", "refuse"] = "accept"
    """Whether a muted or disabled channel takes messages over REST, where calls act as the
    project's admin."""
    admin_id: str = "admin@example.com"
    """Id of the key's owner: creator of channels, sender of messages (D21)."""
    admin_name: str = "Admin"
    """Name of the key's owner."""
    admin_profile: str = ""
    """Profile of the key's owner."""

    def __post_init__(self) -> None:
        """Refuse what is no address."""
        for network in self.allowed_ips:
            ip_network(network, strict=False)

    def but(self, **changes: object) -> Self:
        """Return a checked copy with some fields changed.

        Raises:
            ValueError: A field is unknown, or a value is not one it can take.
        """
        return self.checked({**msgspec.to_builtins(self), **changes})

    @classmethod
    def checked(cls, fields: object) -> Self:
        """Build settings from plain values, as the control API receives them.

        Raises:
            ValueError: A field is unknown, or a value is not one it can take.
        """
        if isinstance(fields, Mapping):
            names = (str(name) for name in fields)
            refuse_unknown("setting", names, cls.__struct_fields__)
        try:
            return msgspec.convert(fields, cls)
        except msgspec.ValidationError as error:
            raise ValueError(f"Settings refused: {error}") from error
