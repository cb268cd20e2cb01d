"""Every public call, shown to the type checkers; never run."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import assert_type

from ncloudchat_async import (
    Client,
    Delivery,
    Endpoint,
    Event,
    Job,
    LoggingObserver,
    Outcome,
    Page,
    Pages,
    Pool,
    Quota,
    Retry,
    Stats,
    Timeouts,
    errors,
    models,
)
from ncloudchat_async.emulator import Emulator, EmulatorSettings, EmulatorThread, Fault


async def current_key() -> str:
    """A source of keys."""
    return "key"


def tell(event: Event) -> None:
    """An observer."""
    assert_type(event.seconds, float)


def construction() -> None:
    """Options of a client."""
    Client()
    Client("project", "key")
    Client(
        project_id="project",
        api_key=current_key,
        base_url="https://host/prefix",
        quota=Quota(rate=100.0, burst=1, max_in_flight=64, max_wait_s=None, adaptive=True),
        retry=Retry(max_attempts=4, base_s=0.25, max_sleep_s=20, max_retry_after_s=60, budget=0.1),
        timeouts=Timeouts(connect_s=3, read_s=15, deadline_s=60),
        pool=Pool(max_connections=None, keepalive_s=10, dns_cache_s=300, max_body_bytes=2**24),
        session=None,
        observer=tell,
    )
    Client(observer=LoggingObserver())


async def calls(chat: Client) -> None:
    """Every method of every resource."""
    assert_type(await chat.tokens.issue("u", expire_days=1), models.Token)

    member = await chat.members.register(
        "u", "n", profile="p", custom_field="c", notifications=models.NotificationPatch(push=True)
    )
    assert_type(member, models.Member)
    assert_type(member.memberblock_id, object)
    assert_type(await chat.members.get("u"), models.Member)
    assert_type(
        chat.members.list(filter={"online": True}, sort="-created_at"), Pages[models.Member]
    )
    assert_type(await chat.members.count(filter={"name": "n"}), int)
    assert_type(await chat.members.update("u", name="n"), models.Member)
    assert_type(await chat.members.delete("u"), models.Member)
    assert_type(await chat.members.restore("u"), models.Member)
    settings = await chat.members.set_notification(
        "u", token="t", device="FCM", os="o", push=True, ad=False, night=False, timezone="UTC"
    )
    assert_type(settings, models.MemberNotification)
    assert_type(await chat.members.get_notification("u"), models.MemberNotification)
    assert_type(await chat.members.delete_notification("u"), models.MemberNotification)

    assert_type(await chat.friends.request("u", "f", message="m"), models.Friendship)
    assert_type(await chat.friends.request_many([("u", "f")]), models.FriendshipReceipt)
    assert_type(await chat.friends.accept("f", "u"), models.Friendship)
    assert_type(await chat.friends.reject("f", "u"), models.Friendship)

    channel = await chat.channels.create(
        "n",
        type="PRIVATE",
        unique_id="u",
        translation=False,
        members=["u"],
        disabled=False,
        mutes=False,
        push=True,
        limit=0,
        link_url="https://host/a",
        image_url="https://host/a.png",
    )
    assert_type(channel, models.Channel)
    assert_type(await chat.channels.get("c"), models.Channel)
    assert_type(chat.channels.list(), Pages[models.Channel])
    assert_type(await chat.channels.count(), int)
    assert_type(await chat.channels.update("c", name="n"), models.Channel)
    assert_type(await chat.channels.delete("c"), models.Channel)

    assert_type(await chat.messages.send("c", "text"), models.Message)
    assert_type(await chat.messages.get("c", "m"), models.Message)
    assert_type(chat.messages.list("c", window=4, limit=10), Pages[models.Message])
    assert_type(await chat.messages.delete("c", "m"), models.Message)

    assert_type(chat.subscriptions.list(), Pages[models.Subscription])
    assert_type(await chat.subscriptions.count(), int)


async def paging(chat: Client) -> None:
    """Every way to read a list."""
    pages = chat.messages.list("c", per_page=50, window="auto")
    async for message in pages:
        assert_type(message, models.Message)
    async for page in pages.pages():
        assert_type(page, Page[models.Message])
        assert_type(page.items, Sequence[models.Message])
        assert_type(page.offset, int)
        chat.messages.list("c", cursor=page.cursor)
    assert_type(await pages.first(), models.Message | None)
    assert_type(await pages.to_list(limit=3), list[models.Message])


async def bulk(chat: Client) -> None:
    """Fan-out of messages and of any call."""

    async def deliveries() -> AsyncIterator[Delivery]:
        yield Delivery("c", "text", ref="1")

    async with chat.messages.send_many(deliveries(), mode="at_most_once", ordered=True) as job:
        async for outcome in job:
            assert_type(outcome, Outcome)
            assert_type(outcome.message_id, str | None)
            assert_type(outcome.error, errors.NcloudChatError | None)
    assert_type(job.report.unknown, int)

    journalled = chat.messages.send_many(
        None, journal="job.journal", mode="reconcile", settle_s=90, max_in_flight=8
    )
    assert_type(journalled, Job)
    sighting = await chat.messages.find_sent("c", "text", since=datetime.now(UTC))
    assert_type(sighting.message, models.Message | None)

    async with chat.run_many(chat.channels.get, ["c"], max_in_flight=8) as results:
        async for result in results:
            assert_type(result.item, str)
            assert_type(result.value, models.Channel | None)

    async with chat.messages.latest(["c"], n=3) as latest:
        async for newest in latest:
            assert_type(newest.value, Sequence[models.Message] | None)


async def the_rest(chat: Client) -> None:
    """Views, calls of one's own, totals, lifetime."""
    view = chat.with_options(deadline_s=1.5, priority="bulk", retry=Retry(max_attempts=1))
    assert_type(view, Client)
    answer = await chat.send(Endpoint("GET", "/new/thing/{thing_id}", models.Channel)(thing_id="1"))
    assert_type(answer, models.Channel)
    assert_type(chat.stats, Stats)
    await chat.aclose(grace_s=1.0)
    async with chat as same:
        assert_type(same, Client)


async def emulator() -> None:
    """The twin to test against."""
    settings = EmulatorSettings(quota_rate=100)
    async with Emulator(settings=settings) as twin:
        twin.seed(members=1, channels=2, messages_per_channel=3)
        twin.faults.add(Fault("sendMessage", "drop_after", every=10))
        Client(twin.project_id, twin.api_key, base_url=twin.base_url)
    with EmulatorThread() as thread:
        assert_type(thread.base_url, str)
        thread.reset()
