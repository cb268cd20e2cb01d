"""Channels: rooms that members subscribe to."""

from collections.abc import Iterable, Sequence

from msgspec import UNSET, UnsetType

from ncloudchat_async.checks import check_text, check_type
from ncloudchat_async.errors import ConfigError
from ncloudchat_async.models import Channel, ChannelType
from ncloudchat_async.models.channels import ChannelDraft, ChannelPatch
from ncloudchat_async.resources.base import Listed, typed
from ncloudchat_async.wire.endpoint import Endpoint

__all__ = ["Channels"]


class Channels(Listed[Channel]):
    """Rooms that members subscribe to.

    The documented filter keys of `list` (`bizapp-ncloudchat-channellist`) are `id`, `name`,
    `type` and `disabled`; `created_at` as a sort goes out as `createdAt`, as its pages have
    it (D28).
    """

    _created = "createdAt"

    _CREATE = Endpoint("POST", "/v1/api/channels", Channel, envelope=("channel",))
    _GET = Endpoint("GET", "/v1/api/channels/{channel_id}", Channel)
    _LIST = Endpoint("GET", "/v1/api/channels", list[Channel])
    _COUNT: Endpoint[object] = Endpoint("GET", "/v1/api/channels", object)
    _UPDATE = Endpoint("PUT", "/v1/api/channels/{channel_id}", Channel, envelope=("channel",))
    _DELETE = Endpoint("DELETE", "/v1/api/channels/{channel_id}", Channel, envelope=("channel",))

    async def create(
        self,
        name: str,
        *,
        type: ChannelType | str = "PUBLIC",  # noqa: A002 - the platform's word
        unique_id: str | UnsetType = UNSET,
        translation: bool | UnsetType = UNSET,
        members: Sequence[str] | UnsetType = UNSET,
        disabled: bool | UnsetType = UNSET,
        mutes: bool | UnsetType = UNSET,
        push: bool | UnsetType = UNSET,
        limit: int | UnsetType = UNSET,
        link_url: str | UnsetType = UNSET,
        image_url: str | UnsetType = UNSET,
    ) -> Channel:
        """Create a channel (`bizapp-ncloudchat-channelcreate`).

        Only what is set is sent. With a `unique_id`, a lost answer is settled by looking
        for the channel; a cancelled call may have created it.

        Args:
            name: Shown name; the platform's 2023 page allows 90 bytes.
            type: `PUBLIC` (anyone may subscribe) or `PRIVATE` (only `members`).
            unique_id: An id of your own to find the channel by.
            translation: Translate messages (Papago).
            members: Ids of the users who may subscribe to a PRIVATE channel.
            disabled: True: closed.
            mutes: True: no one may write.
            push: Notify subscribers; the platform's default is true.
            limit: Most subscribers; 0 means no limit.
            link_url: A page, checked by the platform.
            image_url: A picture, checked by the platform.

        Raises:
            ConfigError: The name is empty, or an argument has another type than its own;
                nothing was sent. None, other than for `name` and `members`, is sent as null.
            OutcomeUnknownError: Whether it was created is not known.
        """
        draft = ChannelDraft(
            name=_named(name),
            type=type,
            unique_id=unique_id,
            translation=translation,
            members=_several(members),
            disabled=disabled,
            mutes=mutes,
            push=push,
            limit=limit,
            link_url=link_url,
            image_url=image_url,
        )
        return await self._create(
            self._CREATE(body=typed(draft)), lambda: self._find(name, unique_id)
        )

    async def _find(self, name: str, unique_id: str | UnsetType) -> Channel | None:
        """Look for a channel by its natural key; `unique_id` is no documented filter key."""
        if not unique_id:  # nor is null, or "", a key: any number of channels have it
            return None
        async for channel in self.list(filter={"name": name}, sort="-created_at"):
            if channel.unique_id == unique_id:
                return channel
        return None

    async def get(self, channel_id: str) -> Channel:
        """Fetch one channel (`bizapp-ncloudchat-channeldetail`).

        Raises:
            ConfigError: The id cannot be used; nothing was sent.
            NotFoundError: No channel has this id.
        """
        return await self._send(self._GET(channel_id=channel_id))

    async def update(
        self,
        channel_id: str,
        *,
        name: str | UnsetType = UNSET,
        type: ChannelType | str | UnsetType = UNSET,  # noqa: A002 - the platform's word
        unique_id: str | UnsetType = UNSET,
        translation: bool | UnsetType = UNSET,
        members: Sequence[str] | UnsetType = UNSET,
        disabled: bool | UnsetType = UNSET,
        mutes: bool | UnsetType = UNSET,
        push: bool | UnsetType = UNSET,
        limit: int | UnsetType = UNSET,
        link_url: str | UnsetType = UNSET,
        image_url: str | UnsetType = UNSET,
    ) -> Channel:
        """Change what is given and leave the rest (`bizapp-ncloudchat-channelmodify`).

        The arguments are those of `create`; what is left out keeps its value. Safe to
        repeat, and repeated on its own; a cancelled call may have changed it.

        Raises:
            NotFoundError: No channel has this id.
            ConfigError: The name is empty, or an argument has another type than its own;
                nothing was sent. None, other than for `name` and `members`, is sent as null.
        """
        patch = ChannelPatch(
            name=name if isinstance(name, UnsetType) else _named(name),
            type=type,
            unique_id=unique_id,
            translation=translation,
            members=_several(members),
            disabled=disabled,
            mutes=mutes,
            push=push,
            limit=limit,
            link_url=link_url,
            image_url=image_url,
        )
        return await self._send(self._UPDATE(channel_id=channel_id, body=typed(patch)))

    async def delete(self, channel_id: str) -> Channel:
        """Delete a channel and return it as it was (`bizapp-ncloudchat-channeldelete`).

        When the answer was lost and the repeated call finds nothing, the channel returned
        has its `id` only. A cancelled call may have deleted the channel.

        Raises:
            ConfigError: The id cannot be used; nothing was sent.
            NotFoundError: No channel had this id.
        """
        return await self._send(self._DELETE(channel_id=channel_id, absent=Channel(id=channel_id)))


def _several(members: Sequence[str] | UnsetType) -> tuple[str, ...] | UnsetType:
    if isinstance(members, UnsetType):
        return members
    if isinstance(members, str):
        raise ConfigError("members takes the ids of users, such as ['user-1'], not one string")
    check_type("members", members, Iterable, "the ids of users")
    return tuple(members)


def _named(name: str) -> str:
    check_text("name", name)
    if not name:
        raise ConfigError("a channel needs a name")
    return name
