"""Members: the users of a project."""

import re
from typing import Final

from msgspec import UNSET, UnsetType

from ncloudchat_async.checks import check_flag
from ncloudchat_async.errors import ConfigError, ConflictError, NotFoundError
from ncloudchat_async.models import Member, MemberNotification, NotificationPatch
from ncloudchat_async.models.members import MemberDraft, MemberPatch
from ncloudchat_async.resources.base import Listed, typed
from ncloudchat_async.wire.endpoint import Endpoint, check_id

__all__ = ["NEW_ID", "Members"]

NEW_ID: Final = re.compile(r"[A-Za-z0-9_-]{4,128}")
"""What an id is to look like when it is registered (D10)."""


class Members(Listed[Member]):
    """Users of the project, their withdrawal and their push settings.

    `list` (`bizapp-ncloudchat-memberlist`) has withdrawn members too; its documented filter
    keys are `id`, `name` and `online`, and `{"deleted": False}` leaves the withdrawn ones out.
    """

    _REGISTER = Endpoint("POST", "/v1/api/members", Member, envelope=("member",))
    _GET = Endpoint("GET", "/v1/api/members/{user_id}", Member)
    _LIST = Endpoint("GET", "/v1/api/members", list[Member])
    _COUNT: Endpoint[object] = Endpoint("GET", "/v1/api/members", object)
    _UPDATE = Endpoint("PUT", "/v1/api/members/{user_id}", Member, envelope=("member",))
    _DELETE = Endpoint("DELETE", "/v1/api/members/{user_id}", Member, envelope=("member",))
    _RESTORE = Endpoint(
        "DELETE",
        "/v1/api/members/{user_id}/restore",
        Member,
        envelope=("member",),
        repeatable=False,
    )
    _SET_NOTIFICATION = Endpoint(
        "POST",
        "/v1/api/members/{user_id}/notification",
        MemberNotification,
        envelope=("member",),
        repeatable=True,
    )
    _GET_NOTIFICATION = Endpoint(
        "GET", "/v1/api/members/{user_id}/notification", MemberNotification
    )
    _DELETE_NOTIFICATION = Endpoint(
        "DELETE",
        "/v1/api/members/{user_id}/notification",
        MemberNotification,
        envelope=("member",),
    )

    async def register(
        self,
        user_id: str,
        name: str,
        *,
        profile: str | UnsetType = UNSET,
        custom_field: str | UnsetType = UNSET,
        notifications: NotificationPatch | UnsetType = UNSET,
        check_rule: bool = True,
    ) -> Member:
        """Register a member (`bizapp-ncloudchat-member`).

        The id is a natural key, so a lost answer is settled by looking for it. A cancelled
        call may have registered the member.

        Args:
            user_id: 4 to 128 of A-Z, a-z, 0-9, `-` and `_`.
            name: Shown name.
            profile: URL of a picture.
            custom_field: Free text.
            notifications: Push settings.
            check_rule: Hold the id against the documented rule before sending; the
                platform's own examples break it with e-mail addresses (D10).

        Raises:
            ConfigError: The id, the name or an argument's type cannot be used; nothing was
                sent. None, other than for the name, is sent as null.
            ConflictError: The id is taken, maybe by a withdrawn member: `restore` that one.
            OutcomeUnknownError: Whether it was registered is not known: an answer was lost
                and nobody has the id yet, or looking for it failed too. Once `get` finds
                nobody for a while, register again; a second registration is refused.
        """
        check_flag("check_rule", check_rule)
        check_id("user_id", user_id)
        if check_rule and not NEW_ID.fullmatch(user_id):
            raise ConfigError(
                "user_id must be 4 to 128 of A-Z, a-z, 0-9, - and _ "
                "(check_rule=False sends it all the same)"
            )
        if not name:
            raise ConfigError("a member needs a name")
        draft = MemberDraft(
            user_id=user_id,
            name=name,
            profile=profile,
            custom_field=custom_field,
            notifications=notifications,
        )
        return await self._create(self._REGISTER(body=typed(draft)), lambda: self._find(draft))

    async def _find(self, draft: MemberDraft) -> Member | None:
        """Look for a member whose registration was left in doubt."""
        try:
            found = await self.get(draft.user_id)
        except NotFoundError:
            return None
        if found.deleted or found.name != draft.name:
            # Or this one, by a name that the platform changed: the doubt remains.
            raise ConflictError(
                "another member has this id, or had it and was withdrawn", applied="unknown"
            )
        return found

    async def get(self, user_id: str) -> Member:
        """Fetch one member (`bizapp-ncloudchat-memberdetail`).

        Raises:
            ConfigError: The id cannot be used; nothing was sent.
            NotFoundError: No member has this id.
        """
        return await self._send(self._GET(user_id=user_id))

    async def update(
        self,
        user_id: str,
        *,
        name: str | UnsetType = UNSET,
        profile: str | UnsetType = UNSET,
        custom_field: str | UnsetType = UNSET,
        notifications: NotificationPatch | UnsetType = UNSET,
    ) -> Member:
        """Change what is given and leave the rest (`bizapp-ncloudchat-membermodify`).

        The arguments are those of `register`; what is left out keeps its value. Safe to
        repeat, and repeated on its own; a cancelled call may have changed it.

        Raises:
            ConfigError: The id or an argument's type cannot be used; nothing was sent. None
                is sent as null.
            NotFoundError: No member has this id.
        """
        patch = MemberPatch(
            name=name, profile=profile, custom_field=custom_field, notifications=notifications
        )
        return await self._send(self._UPDATE(user_id=user_id, body=typed(patch)))

    async def delete(self, user_id: str) -> Member:
        """Withdraw a member; `restore` undoes it (`bizapp-ncloudchat-memberdelete`).

        When the answer was lost and the repeated call finds nothing, the member returned
        has its `id` only. A cancelled call may have withdrawn the member.

        Raises:
            ConfigError: The id cannot be used; nothing was sent.
            NotFoundError: No member had this id.
        """
        return await self._send(self._DELETE(user_id=user_id, absent=Member(id=user_id)))

    async def restore(self, user_id: str) -> Member:
        """Restore a withdrawn member (`bizapp-ncloudchat-memberrestore`).

        Unofficial: it has a page, but the overview of the platform does not list it
        (D12). It is not repeated after a lost answer, though its verb is DELETE. A cancelled
        call may have restored the member.

        Raises:
            ConfigError: The id cannot be used; nothing was sent.
            NotFoundError: No member has this id.
            OutcomeUnknownError: Whether it was restored is not known: `get` tells.
        """
        return await self._send(self._RESTORE(user_id=user_id))

    async def set_notification(
        self,
        user_id: str,
        *,
        token: str | UnsetType = UNSET,
        device: str | UnsetType = UNSET,
        os: str | UnsetType = UNSET,
        push: bool | UnsetType = UNSET,
        ad: bool | UnsetType = UNSET,
        night: bool | UnsetType = UNSET,
        timezone: str | UnsetType = UNSET,
    ) -> MemberNotification:
        """Set a member's push settings (`bizapp-ncloudchat-notiset`).

        Safe to repeat, and repeated on its own; a cancelled call may have set them.

        Args:
            user_id: Whose settings.
            token: The device's push token.
            device: `FCM` or `APNS`; any other word is passed on (D13).
            os: The device's system.
            push: Pushes at all.
            ad: Consent to advertising pushes.
            night: Consent to pushes at night.
            timezone: IANA name, such as `Asia/Seoul`.

        Raises:
            ConfigError: The id or an argument's type cannot be used; nothing was sent. None
                is sent as null.
            NotFoundError: No member has this id.
        """
        patch = NotificationPatch(
            token=token,
            device=device,
            os=os,
            push=push,
            ad=ad,
            night=night,
            timezone=timezone,
        )
        return await self._send(self._SET_NOTIFICATION(user_id=user_id, body=typed(patch)))

    async def get_notification(self, user_id: str) -> MemberNotification:
        """Fetch a member's push settings (`bizapp-ncloudchat-notilist`).

        Raises:
            ConfigError: The id cannot be used; nothing was sent.
            NotFoundError: No member has this id.
        """
        return await self._send(self._GET_NOTIFICATION(user_id=user_id))

    async def delete_notification(self, user_id: str) -> MemberNotification:
        """Clear a member's push settings (`bizapp-ncloudchat-noticancel`).

        A cancelled call may have cleared them.

        Raises:
            ConfigError: The id cannot be used; nothing was sent.
            NotFoundError: No member has this id.
        """
        return await self._send(self._DELETE_NOTIFICATION(user_id=user_id))
