"""Decides which delivery may go next when a channel's deliveries must keep their order.

A channel with something on its way is a lane; what comes for it meanwhile waits in the
lane. Lanes and what waits in them are bounded, and reading stops at the bound, so an input
that favours one channel for a while costs concurrency and never memory.
"""

from asyncio import Future, get_running_loop
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from ncloudchat_async.bulk.fanout import wake
from ncloudchat_async.bulk.source import END, End, Take

__all__ = ["Lanes"]

ItemT = TypeVar("ItemT")


class Lanes(Generic[ItemT]):
    """Hand out items so that a channel has one under way, in the order of the input."""

    def __init__(self, take: Take[ItemT], channel_of: Callable[[ItemT], str], *, room: int) -> None:
        self._input = take
        self._channel_of = channel_of
        self._room = room
        self._lanes: dict[str, deque[ItemT]] = {}
        self._free: deque[ItemT] = deque()
        self._waiting = 0
        self._asleep: deque[Future[None]] = deque()
        self._closed = False

    async def take(self) -> ItemT | End:
        """Give the next item whose channel is free; `leave` its channel when it is done.

        `END` means that whatever is left waits for a channel, and that the one who leaves
        that channel should take again.
        """
        while True:
            if self._free:
                return self._free.popleft()
            if self._closed:
                return END
            if self._waiting >= self._room or len(self._lanes) >= self._room:
                await self._change()
                continue
            item = await self._input()
            if item is END:
                self.close()
                continue
            lane = self._lanes.get(self._channel_of(item))
            if lane is None or self._closed:  # nobody would drain it any more
                self._lanes[self._channel_of(item)] = deque()
                return item
            lane.append(item)
            self._waiting += 1

    def occupy(self, channel_id: str) -> None:
        """Let a channel's items wait for something that is under way there already."""
        self._lanes[channel_id] = deque()

    def leave(self, channel_id: str) -> None:
        """Free a channel for the next of its items."""
        lane = self._lanes[channel_id]
        if lane:
            self._free.append(lane.popleft())
            self._waiting -= 1
        else:
            del self._lanes[channel_id]
        if self._asleep:
            wake(self._asleep.popleft())

    def close(self) -> None:
        """Read no further."""
        self._closed = True
        while self._asleep:
            wake(self._asleep.popleft())

    def drain(self) -> Iterator[ItemT]:
        """Take out everything that still waits; a channel under way stays so."""
        self._waiting = 0
        for line in (self._free, *self._lanes.values()):
            while line:
                yield line.popleft()

    async def _change(self) -> None:
        change: Future[None] = get_running_loop().create_future()
        self._asleep.append(change)
        await change
