"""Members: the users of a project, and their push settings."""

import msgspec
from msgspec import UNSET, UnsetType

from ncloudchat_async.models.base import Draft, Model, Timestamp

__all__ = [
    "Member",
    "MemberDraft",
    "MemberNotification",
    "MemberPatch",
    "Notification",
    "NotificationPatch",
]


class Notification(Model, frozen=True, kw_only=True):
    """A member's push settings."""

    token: str | None = None
    """The device's push token."""
    device: str | None = None
    """`FCM` or `APNS`; other words occur."""
    os: str | None = None
    push: bool | None = None
    ad: bool | None = None
    """Consent to advertising pushes."""
    night: bool | None = None
    """Consent to pushes at night."""
    timezone: str | None = None
    """IANA name of the time zone that decides what night is."""

    def __repr__(self) -> str:
        """Leave the push token out: whoever holds it can push to the device."""
        shown = msgspec.structs.asdict(self) | ({"token": "***"} if self.token else {})
        return f"Notification({', '.join(f'{k}={v!r}' for k, v in shown.items())})"


class Member(Model, frozen=True, kw_only=True):
    """A user of the project (`bizapp-ncloudchat-memberdetail`)."""

    id: str
    project_id: str | None = None
    member_id: str | None = None
    """The same as `id` in every documented answer."""
    name: str | None = None
    profile: str | None = None
    """URL of the picture; None and "" both occur."""
    memo: str | None = None
    country: str | None = None
    remoteip: str | None = None
    adid: str | None = None
    device: str | None = None
    network: str | None = None
    version: str | None = None
    model: str | None = None
    deleted: bool | None = None
    """True when withdrawn; `members.restore` undoes it."""
    online: bool | None = None
    custom_field: str | None = msgspec.field(default=None, name="customField")
    """Free text, often not JSON."""
    device_type: tuple[str | None, ...] | None = None
    push: bool | None = None
    memberblock_id: object = None
    """A string on the documentation's pages, an object in GraphQL."""
    notifications: Notification | None = None
    """Absent from older answers and from `restore`."""
    language: str | None = None
    logined_at: Timestamp = None
    created_at: Timestamp = None
    updated_at: Timestamp = None
    deleted_at: Timestamp = None


class MemberNotification(Model, frozen=True, kw_only=True):
    """The push settings of one member (`bizapp-ncloudchat-notilist`)."""

    id: str
    notifications: Notification | None = None


class NotificationPatch(Draft, frozen=True, kw_only=True):
    """Push settings to set; what fields left UNSET become is not documented."""

    token: str | UnsetType | None = UNSET
    device: str | UnsetType | None = UNSET
    """`FCM` or `APNS`; any other word is passed on."""
    os: str | UnsetType | None = UNSET
    push: bool | UnsetType | None = UNSET
    ad: bool | UnsetType | None = UNSET
    night: bool | UnsetType | None = UNSET
    timezone: str | UnsetType | None = UNSET

    def __repr__(self) -> str:
        """Leave the push token out."""
        shown = msgspec.structs.asdict(self) | ({"token": "***"} if self.token else {})
        return f"NotificationPatch({', '.join(f'{k}={v!r}' for k, v in shown.items())})"


class MemberDraft(Draft, frozen=True, kw_only=True):
    """What registers a member (`bizapp-ncloudchat-member`)."""

    user_id: str
    name: str
    profile: str | UnsetType = UNSET
    custom_field: str | UnsetType = UNSET
    notifications: NotificationPatch | UnsetType = UNSET


class MemberPatch(Draft, frozen=True, kw_only=True):
    """What changes a member; fields left UNSET keep their value (`…-membermodify`)."""

    name: str | UnsetType = UNSET
    profile: str | UnsetType = UNSET
    custom_field: str | UnsetType = UNSET
    notifications: NotificationPatch | UnsetType = UNSET
