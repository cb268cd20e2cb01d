"""The life of a client: opened, shared, closed, opened again."""

import asyncio
import gc
import pickle
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest

from ncloudchat_async import Client, Delivery, Event, Pool, Quota, Retry, Timeouts, errors
from ncloudchat_async.emulator import Emulator, EmulatorThread, Fault
from tests.support.starving import within


def client_of(emulator: Emulator | EmulatorThread, **options: object) -> Client:
    """A client of an emulator, not opened."""
    return Client(
        emulator.project_id,
        emulator.api_key,
        base_url=emulator.base_url,
        **options,  # type: ignore[arg-type]  # each test knows its option
    )


@pytest.mark.parametrize(
    ("key", "complaint"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        (" sesame", "spaces around"),
        ("sesame\n", "spaces around"),
        ("se\nsame", "printable ASCII"),
        ("열려라", "printable ASCII"),
    ],
)
def test_unusable_keys(key: str, complaint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that no header can carry is refused, without being shown."""
    monkeypatch.delenv("NCLOUDCHAT_API_KEY", raising=False)
    with pytest.raises(errors.ConfigError, match=complaint) as caught:
        Client("project", key)
    assert "same" not in str(caught.value)


@pytest.mark.parametrize("project_id", ["", " ", "a b\n", "프로젝트"])
def test_unusable_projects(project_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project id that no header can carry is refused."""
    monkeypatch.delenv("NCLOUDCHAT_PROJECT_ID", raising=False)
    with pytest.raises(errors.ConfigError, match="project_id"):
        Client(project_id, "sesame")


def test_credentials_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not passed is taken from three variables; what is missing is named."""
    for name in ("PROJECT_ID", "API_KEY", "BASE_URL"):
        monkeypatch.delenv(f"NCLOUDCHAT_{name}", raising=False)
    with pytest.raises(errors.ConfigError, match="NCLOUDCHAT_API_KEY"):
        Client("project")
    monkeypatch.setenv("NCLOUDCHAT_API_KEY", "sesame")
    with pytest.raises(errors.ConfigError, match="NCLOUDCHAT_PROJECT_ID"):
        Client()
    monkeypatch.setenv("NCLOUDCHAT_PROJECT_ID", "project")
    assert Client().base_url == "https://dashboard-api.ncloudchat.naverncp.com"
    monkeypatch.setenv("NCLOUDCHAT_BASE_URL", "https://proxy.example/chat/")
    assert Client().base_url == "https://proxy.example/chat"


def test_construction_needs_no_loop_and_shows_no_key() -> None:
    """A client can be a module-level constant, and its repr can be logged."""
    chat = Client("project", "sesame")
    assert "sesame" not in repr(chat)
    view = chat.with_options(priority="bulk", deadline_s=None)
    for words in ("closed", "'project'", "https://", "priority='bulk'", "deadline_s=None"):
        assert words in repr(view)
    pages = chat.messages.list("room-7", filter={"content": "psst"}, sort="-created_at", limit=9)
    assert repr(pages) == (
        "<Pages Messages.list /v1/api/messages/{channel_id} "
        """sort={"created_at":"-1"} per_page=100 window=1 limit=9>"""
    )
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(chat)


async def test_a_closed_client_says_so(emulator: Emulator) -> None:
    """Before and after its block a client sends nothing."""
    chat = client_of(emulator)
    with pytest.raises(errors.ClientClosedError, match="async with"):
        await chat.channels.get("1")
    async with chat:
        with pytest.raises(errors.ClientClosedError, match="open already"):
            await chat.__aenter__()
    with pytest.raises(errors.ClientClosedError):
        await chat.channels.get("1")
    await chat.aclose()
    assert not emulator.requests


def test_one_loop_after_another() -> None:
    """A client serves several event loops, one at a time, and leaves no warning."""
    with EmulatorThread() as emulator:
        chat = client_of(emulator)

        async def count() -> int:
            async with chat:
                return await chat.channels.count()

        assert [asyncio.run(count()) for _ in range(3)] == [0, 0, 0]
        assert chat.stats.calls == 3
        assert chat.stats.connections == 3
    gc.collect()


async def test_a_client_of_another_loop_says_so(emulator: Emulator) -> None:
    """Calls from a second running loop are refused with the reason."""
    async with client_of(emulator) as chat:

        def elsewhere() -> None:
            asyncio.run(call())

        async def call() -> None:
            await chat.channels.get("1")

        with pytest.raises(errors.ClientClosedError, match="another event loop"):
            await asyncio.to_thread(elsewhere)


async def test_two_openings_at_once_are_one(emulator: Emulator) -> None:
    """While the key is asked for, the client counts as open: the second one is told."""

    async def key() -> str:
        await asyncio.sleep(0)
        return emulator.api_key

    chat = Client(emulator.project_id, key, base_url=emulator.base_url)
    ends = await asyncio.gather(chat.__aenter__(), chat.__aenter__(), return_exceptions=True)
    assert [type(end) for end in ends] == [Client, errors.ClientClosedError]
    await chat.aclose()
    for _ in range(2):
        async with chat:
            assert await chat.channels.count() == 0


async def test_an_opening_that_fails_can_be_repeated(emulator: Emulator) -> None:
    """Cancelled or without a key, opening leaves the client closed, and as good as new."""
    keys: list[object] = ["", asyncio.CancelledError(), emulator.api_key]

    async def key() -> str:
        coming = keys.pop(0)
        if isinstance(coming, BaseException):
            raise coming
        return str(coming)

    chat = Client(emulator.project_id, key, base_url=emulator.base_url)
    for kind in (errors.ConfigError, asyncio.CancelledError):
        with pytest.raises(kind):
            await chat.__aenter__()
    async with chat:
        assert await chat.channels.count() == 0


async def test_a_client_opened_while_it_is_being_closed(emulator: Emulator) -> None:
    """The end of the old session takes nothing from the new one, whose sockets count on."""
    emulator.faults.add(Fault("getMember", "delay", delay_s=0.3))
    chat = client_of(emulator)
    await chat.__aenter__()
    slow = asyncio.create_task(chat.members.get("nobody"))
    await until_asked(emulator)
    closing = asyncio.create_task(chat.aclose())
    await asyncio.sleep(0)
    await chat.__aenter__()
    await chat.channels.count()
    assert chat.stats.connections == 2
    await closing
    assert slow.done()
    await chat.channels.count()
    assert chat.stats.connections == 2
    await chat.aclose()
    assert chat.stats.connections == 2
    with pytest.raises(errors.NotFoundError):
        await slow


async def test_a_second_close_waits_for_the_first(emulator: Emulator) -> None:
    """Whoever closes a client may then close what it uses: no call runs any more."""
    emulator.faults.add(Fault("getMember", "delay", delay_s=0.3))
    chat = client_of(emulator)
    await chat.__aenter__()
    slow = asyncio.create_task(chat.members.get("nobody"))
    await until_asked(emulator)
    first = asyncio.create_task(chat.aclose())
    await asyncio.sleep(0)
    impatient = asyncio.create_task(chat.aclose())
    await asyncio.sleep(0)
    impatient.cancel()
    await chat.aclose()
    assert slow.done()
    await asyncio.sleep(0)
    assert first.done()
    assert impatient.cancelled()
    await chat.aclose()
    with pytest.raises(errors.NotFoundError):
        await slow


async def until_asked(emulator: Emulator) -> None:
    """Wait until a request has arrived."""
    async with asyncio.timeout(5):
        while not emulator.requests:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)


async def test_a_borrowed_session_is_left_open(emulator: Emulator) -> None:
    """Who opened a session closes it."""
    async with aiohttp.ClientSession() as session:
        async with client_of(emulator, session=session) as chat:
            assert await chat.channels.count() == 0
        assert not session.closed


async def test_a_borrowed_session_keeps_its_proxy(emulator: Emulator) -> None:
    """Calls take the way of the session that was lent, not another one past its proxy."""
    async with aiohttp.ClientSession(proxy=emulator.base_url) as session:
        nowhere = Client("project", "sesame", base_url="http://127.0.0.1:9", session=session)
        async with nowhere:
            with pytest.raises(errors.ApiError):  # the emulator answers, and is no proxy
                await nowhere.channels.get("1")
    assert len(emulator.requests) == 1


async def test_an_error_in_the_block_waits_for_no_call(emulator: Emulator) -> None:
    """Who leaves a client by an error gets it at once, and calls on the wire get their own."""
    rule = emulator.faults.add(Fault("getChannel", "delay", delay_s=60))
    calls: list[asyncio.Future[Any]] = []

    async def leave() -> None:
        async with client_of(emulator) as chat:
            calls.append(asyncio.ensure_future(chat.channels.get("1")))
            while not rule.fired:
                await anyio.lowlevel.checkpoint()
            raise RuntimeError

    async with asyncio.timeout(2):
        with pytest.raises(RuntimeError):
            await leave()
    with pytest.raises(errors.ClientClosedError):
        await calls[0]


async def test_a_base_url_may_have_a_prefix(emulator: Emulator) -> None:
    """Routes are appended to the path of the base URL."""
    chat = Client("project", "sesame", base_url=emulator.base_url + "/gateway/")
    async with chat:
        with pytest.raises(errors.NotFoundError):
            await chat.channels.get("1")
    assert [entry.path for entry in emulator.requests] == ["/gateway/v1/api/channels/1"]


async def test_a_key_source_has_the_time_of_a_call() -> None:
    """A source that gives no key in time ends opening with a typed error."""

    async def never() -> str:
        await asyncio.Event().wait()
        raise AssertionError

    chat = Client("project", never, timeouts=Timeouts(deadline_s=0.05))
    with pytest.raises(errors.DeadlineExceededError, match="no key within"):
        await chat.__aenter__()


async def test_views_share_pool_and_quota(emulator: Emulator) -> None:
    """A view has its own options, and the connections and totals of its client."""
    async with client_of(emulator) as chat:
        view = chat.with_options(deadline_s=5, priority="bulk", retry=Retry(max_attempts=1))
        await view.channels.count()
        await chat.channels.count()
        assert (view.options.deadline_s, chat.options.deadline_s) == (5, 60)
        assert view.with_options().options == view.options
        assert view.stats is chat.stats
        assert (chat.stats.calls, chat.stats.attempts, chat.stats.connections) == (2, 2, 1)


async def test_a_rotated_key_is_asked_for_again(emulator: Emulator) -> None:
    """A refused key is replaced once, and the call goes on with the new one."""
    keys = [emulator.api_key]

    async def current() -> str:
        return keys[-1]

    chat = Client(emulator.project_id, current, base_url=emulator.base_url)
    async with chat:
        channel = await chat.channels.create("notice")
        keys.append(emulator.reissue_key())
        calls = (chat.messages.send(channel.id, str(i)) for i in range(4))
        sent = await asyncio.gather(*calls)
        assert len({m.id for m in sent}) == 4
        emulator.reissue_key()
        with pytest.raises(errors.AuthenticationError):
            await chat.messages.send(channel.id, "too late")


async def test_in_flight_is_bounded(emulator: Emulator) -> None:
    """No more requests are on the wire than the quota or the pool allow."""
    emulator.settings = emulator.settings.but(max_concurrency=4)
    quota = Quota(rate=100_000, burst=1_000, max_in_flight=8)
    async with client_of(emulator, quota=quota, pool=Pool(max_connections=4)) as chat:
        await asyncio.gather(*(chat.channels.count() for _ in range(50)))
        assert chat.stats.connections <= 4
        assert chat.stats.throttles == 0


def test_the_quota_that_is_shown_is_the_one_in_force() -> None:
    """A smaller pool bounds what is in flight, and the workers of a job; the rest stays."""
    asked = Quota(rate=7.0, burst=2, max_wait_s=3.0, adaptive=False)
    chat = Client("project", "key", quota=asked, pool=Pool(max_connections=4))
    assert chat.quota == Quota(rate=7.0, burst=2, max_in_flight=4, max_wait_s=3.0, adaptive=False)
    assert "max_in_flight=4" in repr(chat)
    for connections in (64, 100, None):
        assert Client("project", "key", pool=Pool(max_connections=connections)).quota == Quota()


async def test_a_told_rate_is_kept(emulator: Emulator) -> None:
    """With a quota told, the server sees it kept in every second, but for late arrivals.

    Requests evenly spaced by the client bunch when a connection is slow to open: 2 % is
    20 ms of that.
    """
    emulator.settings = emulator.settings.but(quota_rate=200)
    async with client_of(emulator, quota=Quota(rate=200)) as chat:
        await asyncio.gather(*(chat.channels.count() for _ in range(260)))
        assert chat.stats.throttles <= 4
    assert emulator.stats.peak_per_second <= 204


async def test_events_name_the_call_and_nothing_else(emulator: Emulator) -> None:
    """An observer sees attempts, throttles, retries and waits."""
    events: list[Event] = []
    emulator.faults.add(Fault("getChannel", "throttle", nth=1))
    options = {"observer": events.append, "retry": Retry(base_s=0.001)}
    async with client_of(emulator, **options) as chat:
        channel = await chat.channels.create("notice")
        await chat.channels.get(channel.id)
    seen = [(e.kind, e.operation, e.attempt, e.http_status) for e in events if e.kind != "wait"]
    assert seen == [
        ("attempt", "Channels.create", 1, 200),
        ("throttle", "Channels.get", 1, 429),
        ("retry", "Channels.get", 1, 429),
        ("attempt", "Channels.get", 2, 200),
    ]
    assert channel.id not in str(events)


async def test_a_deadline_ends_a_call(emulator: Emulator) -> None:
    """A slow server meets the call's deadline; a write in doubt says so."""
    emulator.faults.add(Fault("*", "delay", delay_s=30))
    timeouts = Timeouts(deadline_s=0.2)
    async with client_of(emulator, timeouts=timeouts) as chat, within(3 * 0.2 + 0.25):
        with pytest.raises(errors.DeadlineExceededError) as read:
            await chat.channels.get("1")
        with pytest.raises(errors.DeadlineExceededError) as put:
            await chat.channels.update("1", name="x")
        with pytest.raises(errors.OutcomeUnknownError) as post:
            await chat.messages.send("1", "hello")
    assert (read.value.applied, put.value.applied, post.value.applied) == (
        "no",
        "unknown",
        "unknown",
    )
    assert all(e.value.elapsed_s >= 0.2 for e in (read, put, post))


async def test_lost_answers(emulator: Emulator, chat: Client) -> None:
    """Reads are repeated, a send is not, a repeated delete that finds nothing succeeded."""
    channel = await chat.channels.create("notice")
    for operation in ("getChannel", "sendMessage", "deleteChannel", "createChannel"):
        emulator.faults.add(Fault(operation, "drop_after", nth=1))
    assert await chat.channels.get(channel.id) == channel
    with pytest.raises(errors.OutcomeUnknownError) as caught:
        await chat.messages.send(channel.id, "hello")
    assert caught.value.attempts == 1
    assert isinstance(caught.value.__cause__, errors.NoReplyError)
    assert [m.content async for m in chat.messages.list(channel.id)] == ["hello"]
    assert await chat.channels.delete(channel.id) == type(channel)(id=channel.id)
    with pytest.raises(errors.NotFoundError):
        await chat.channels.delete(channel.id)
    made = await chat.channels.create("second", unique_id="room-2")
    assert [c.id async for c in chat.channels.list()] == [made.id]


async def test_single_calls_overtake_a_job(emulator: Emulator) -> None:
    """Messages of a job wait behind what somebody waits for."""
    (channel_id,) = emulator.seed(channels=1).channel_ids
    job_of = [Delivery(channel_id, str(number)) for number in range(30)]
    async with (
        client_of(emulator, quota=Quota(max_in_flight=1, adaptive=False)) as chat,
        chat.messages.send_many(job_of, max_in_flight=20) as job,
    ):
        await anext(job)
        await chat.channels.count()
        operations = [entry.operation for entry in emulator.requests]
        assert operations.index("listChannels") < 10
        assert len([outcome async for outcome in job]) == 29


async def test_any_call_can_be_fanned_out(chat: Client, emulator: Emulator) -> None:
    """A bounded number of calls runs at once, and a failure is the result of its item."""
    users = [(f"user-{i}", "Kim") for i in range(40)] + [("user-7", "Lee")]
    async with chat.run_many(lambda u: chat.members.register(*u), users) as results:
        failed = [(r.item, type(r.error)) async for r in results if r.error is not None]
    assert [kind for _, kind in failed] == [errors.ConflictError]
    assert await chat.members.count() == 40


async def test_latest_messages_of_many_channels(chat: Client, emulator: Emulator) -> None:
    """The newest come first, also of those that share a second."""
    channels = [await chat.channels.create(f"room {i}") for i in range(5)]
    for channel in channels[:-1]:
        for i in range(4):
            await chat.messages.send(channel.id, f"{channel.name}: {i}")
    ids = [c.id for c in channels] + ["..", "unknown"]
    async with chat.messages.latest(ids, n=2) as results:
        found = {r.item: r async for r in results}
    for channel in channels[:-1]:
        rows = found[channel.id].value
        assert rows is not None
        assert [m.content for m in rows] == [f"{channel.name}: 3", f"{channel.name}: 2"]
    assert not found[channels[-1].id].value
    assert isinstance(found[".."].error, errors.ConfigError)
    with pytest.raises(errors.ConfigError, match="n must be"):
        chat.messages.latest([], n=0)


async def test_a_sort_id_that_is_no_number_breaks_nothing(
    chat: Client, emulator: Emulator, tmp_path: Path
) -> None:
    """Python reads no number of 5,000 digits; the platform may send one all the same."""
    channel = await chat.channels.create("notice")
    odd = f'{{"id":"m","content":"hi","sort_id":"{"9" * 5_000}"}}'
    emulator.faults.add(Fault("listMessages", "status", status=200, body=f"[{odd}]"))
    sent = f'{{"status":1,"message":{odd}}}'
    emulator.faults.add(Fault("sendMessage", "status", status=200, body=sent))
    async with chat.messages.latest([channel.id]) as results:
        assert [[m.id for m in one.value or ()] async for one in results] == [["m"]]
    found = await chat.messages.find_sent(channel.id, "hi", since=datetime.now(UTC), settle_s=0)
    assert found.status == "unknown"
    deliveries = [Delivery(channel.id, "hi")]
    async with chat.messages.send_many(deliveries, journal=tmp_path / "job") as job:
        assert [outcome.status async for outcome in job] == ["sent"]


@pytest.mark.parametrize(("n", "requests"), [(1, 1), (3, 1), (4, 3), (5, 3), (99, 3)])
async def test_latest_costs_one_request_a_channel(
    n: int, requests: int, chat: Client, emulator: Emulator
) -> None:
    """A channel with an older message is read once; one without to its end."""
    emulator.seed(channels=3, messages_per_channel=4)
    empty = await chat.channels.create("empty")
    ids = [channel.id async for channel in chat.channels.list()]
    before = len(emulator.requests)
    async with chat.messages.latest(ids, n=n) as results:
        found = {result.item: result.value or () async for result in results}
    assert [len(found[i]) for i in ids] == [0 if i == empty.id else min(n, 4) for i in ids]
    assert len(emulator.requests) - before == 1 + 3 * requests


@pytest.mark.parametrize(("n", "cap"), [(50, 20), (20, 20), (3, 2), (150, 100), (100, 7)])
async def test_latest_is_complete_when_the_server_caps_its_pages(
    n: int, cap: int, chat: Client, emulator: Emulator
) -> None:
    """A page shorter than asked is no proof that a channel has no more."""
    ids = emulator.seed(channels=1, messages_per_channel=160).channel_ids
    newest = [m.id for m in await chat.messages.list(ids[0], sort="-created_at").to_list(n)]
    emulator.faults.add(Fault("listMessages", "cap", rows=cap))
    async with chat.messages.latest(ids, n=n) as results:
        assert [[m.id for m in one.value or ()] async for one in results] == [newest]


async def test_latest_looks_no_further_for_messages_of_an_unknown_time(
    chat: Client, emulator: Emulator
) -> None:
    """Times that cannot be read are not the same time."""
    rows = ",".join(f'{{"id":"m{number}","created_at":"soon"}}' for number in range(20))
    emulator.faults.add(Fault("listMessages", "status", status=200, body=f"[{rows}]"))
    async with chat.messages.latest(["channel"], n=1) as results:
        assert [[m.id for m in one.value or ()] async for one in results] == [["m0"]]
    assert len(emulator.requests) == 1


@pytest.mark.parametrize(("older", "requests"), [(True, 1), (False, 3)])
async def test_latest_reads_messages_of_one_second_at_once(
    older: bool, requests: int, chat: Client, emulator: Emulator
) -> None:
    """A burst of messages, as bots send them, costs no request for each of them."""
    channel = await chat.channels.create("notice")
    times = [1_751_328_000 - older, *[1_751_328_000] * 10]
    rows = [
        {"channel_id": channel.id, "content": f"{number}", "created_at": at}
        for number, at in enumerate(times)
    ]
    emulator.add_rows("messages", rows)
    before = len(emulator.requests)
    async with chat.messages.latest([channel.id]) as results:
        assert [[m.content for m in one.value or ()] async for one in results] == [["10"]]
    assert len(emulator.requests) - before == requests


@pytest.mark.parametrize("cap", [1, 3, 5, 100])
async def test_latest_finds_the_newest_of_a_second_across_pages(
    cap: int, chat: Client, emulator: Emulator
) -> None:
    """A page that a server cuts amid a second does not hide the rest of that second."""
    emulator.settings = emulator.settings.but(max_per_page=cap)
    channel = await chat.channels.create("notice")
    burst = {"channel_id": channel.id, "created_at": 1_751_328_000}
    emulator.add_rows("messages", [{**burst, "content": f"{number}"} for number in range(8)])
    async with chat.messages.latest([channel.id], n=2) as results:
        assert [[m.content for m in one.value or ()] async for one in results] == [["7", "6"]]


async def test_a_doubt_is_settled_by_looking(chat: Client, emulator: Emulator) -> None:
    """A lost answer becomes a message or a free way to send again."""
    channel = await chat.channels.create("notice")
    for number, action in ((1, "drop_after"), (2, "drop_before")):
        emulator.faults.add(Fault("sendMessage", action, nth=number))  # type: ignore[arg-type]
    begun = datetime.now(UTC)
    for text, status in (("first", "sent"), ("second", "not_sent")):
        with pytest.raises(errors.OutcomeUnknownError):
            await chat.messages.send(channel.id, text)
        found = await chat.messages.find_sent(channel.id, text, since=begun, settle_s=0)
        assert found.status == status
    with pytest.raises(errors.ConfigError, match="aware"):
        await chat.messages.find_sent(channel.id, "x", since=datetime(2026, 1, 1))  # noqa: DTZ001


async def test_a_journalled_job_goes_on(chat: Client, emulator: Emulator, tmp_path: Path) -> None:
    """Stopped half way and begun again, a job sends exactly the rest."""
    channels = [await chat.channels.create(f"room {i}") for i in range(10)]
    deliveries = [Delivery(c.id, f"hello {c.name}") for c in channels for _ in range(5)]
    emulator.faults.add(Fault("sendMessage", "drop_after", every=7))
    emulator.faults.add(Fault("sendMessage", "drop_before", every=11))
    journal = tmp_path / "job.journal"
    async with chat.messages.send_many(deliveries, journal=journal, settle_s=0.01) as job:
        async for _ in job:
            if job.report.sent >= 20:
                break
    async with chat.messages.send_many(deliveries, journal=journal, settle_s=0.01) as job:
        outcomes = [outcome async for outcome in job]
    assert len(outcomes) == 50
    assert {o.status for o in outcomes} <= {"sent", "skipped"}
    audit = emulator.audit([(d.channel_id, d.content) for d in deliveries])
    assert (*audit.missing, *audit.duplicated, *audit.extra) == ()


@pytest.mark.parametrize("name", ["quota", "retry", "timeouts", "pool"])
def test_options_of_another_type_are_refused(name: str) -> None:
    """A number where a struct belongs is told at once, with what it takes."""
    with pytest.raises(errors.ConfigError, match=f"{name} takes a"):
        Client("project", "sesame", **{name: 5})  # type: ignore[arg-type]  # the mistake
    with pytest.raises(errors.ConfigError, match="api_key takes"):
        Client("project", b"sesame")  # type: ignore[arg-type]  # the mistake


async def test_an_unknown_mode_is_refused(chat: Client) -> None:
    """A mistyped mode does not become another one."""
    with pytest.raises(errors.ConfigError, match="mode must be one of"):
        chat.messages.send_many([], mode="reconcil")  # type: ignore[arg-type]  # the mistake
