"""The client's part of the demo, as a process of its own; never judges what it reports.

Started as `python -m ncloudchat_async.cli.demo_worker`, it takes one `Work` as JSON from
stdin, credentials from the environment, and reports events as JSON lines on stdout. So the
emulator and the client each have a core, and the worker can be killed like a real job.
"""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from ncloudchat_async import Client, Delivery, Quota
from ncloudchat_async.bulk import Mode, Status
from ncloudchat_async.models import Channel, Message

__all__ = ["Event", "Made", "Phase", "Read", "Went", "Work", "deliveries", "main"]

_READERS: Final = 16
"""Channels read at once: at 20 ms latency enough for 800 pages a second."""
_SETTLE_S: Final = 1.0
"""The emulator stores at once; what is looked for after this long is there or will never be."""
_BATCH: Final = 64
"""Events per write."""


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What the worker is to do."""

    channels: int
    messages: int
    rate: float
    """Requests per second that the client is told."""
    window: int
    """Pages in flight per list."""
    mode: Mode
    journal: str
    channel_ids: tuple[str, ...] = ()
    """The channels, when an earlier worker created them: go on with its journal."""


class Phase(msgspec.Struct, frozen=True, tag="phase"):
    """A part of the work ended."""

    name: str


class Made(msgspec.Struct, frozen=True, tag="made"):
    """A channel was created."""

    channel_id: str


class Went(msgspec.Struct, frozen=True, tag="went"):
    """A delivery came to its end."""

    ref: str
    status: Status


class Read(msgspec.Struct, frozen=True, tag="read"):
    """A message was read back."""

    channel_id: str
    content: str


Event = Phase | Made | Went | Read


def deliveries(channel_ids: Sequence[str], messages: int) -> Iterator[Delivery]:
    """Spread messages over channels in turn; each text occurs once."""
    for number in range(messages):
        channel_id = channel_ids[number % len(channel_ids)]
        yield Delivery(channel_id, f"message {number + 1} of {messages}", ref=str(number))


class _Worker:
    def __init__(self, chat: Client, work: Work) -> None:
        self._chat = chat
        self._work = work
        self._ids = list(work.channel_ids)
        self._encoder = msgspec.json.Encoder()
        self._lines: list[bytes] = []

    async def run(self) -> None:
        """Create, send, read back."""
        for name, phase in (("create", self._create), ("send", self._send), ("read", self._read)):
            await phase()
            self._tell(Phase(name))
            self._flush()

    async def _create(self) -> None:
        async def create(number: int) -> Channel:
            return await self._chat.channels.create(f"demo {number + 1}")

        numbers = range(len(self._ids), self._work.channels)
        async with self._chat.run_many(create, numbers) as results:
            async for result in results:
                if result.value is None:
                    raise result.error or RuntimeError("a channel was not created")
                self._ids.append(result.value.id)
                self._tell(Made(result.value.id))

    async def _send(self) -> None:
        async with self._chat.messages.send_many(
            deliveries(self._ids, self._work.messages),
            journal=self._work.journal,
            mode=self._work.mode,
            settle_s=_SETTLE_S,
        ) as job:
            async for out in job:
                # What an earlier worker sent is skipped here, and sent all the same.
                done = out.status == "skipped" and out.message_id is not None
                self._tell(Went(out.ref or "", "sent" if done else out.status))

    async def _read(self) -> None:
        """Read every channel's messages, several channels at once."""

        async def read(channel: Channel) -> list[Message]:
            return await self._chat.messages.list(channel.id, window=self._work.window).to_list()

        channels = self._chat.channels.list(window=self._work.window)
        async with self._chat.run_many(read, channels, max_in_flight=_READERS) as results:
            async for result in results:
                if result.value is None:
                    raise result.error or RuntimeError("a channel was not read")
                for message in result.value:
                    self._tell(Read(result.item.id, message.content or ""))

    def _tell(self, event: Event) -> None:
        self._lines.append(self._encoder.encode(event))
        if len(self._lines) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._lines:
            sys.stdout.buffer.write(b"\n".join(self._lines) + b"\n")
            sys.stdout.buffer.flush()
            self._lines.clear()


async def main() -> None:
    """Take the work from stdin and do it."""
    work = msgspec.json.decode(sys.stdin.buffer.readline(), type=Work)
    async with Client(quota=Quota(rate=work.rate)) as chat:
        await _Worker(chat, work).run()


if __name__ == "__main__":
    asyncio.run(main())
