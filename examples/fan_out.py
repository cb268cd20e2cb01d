"""Send one message to every channel of the project, and account for each."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

from ncloudchat_async import Client, Delivery, LoggingObserver


async def deliveries(chat: Client) -> AsyncIterator[Delivery]:
    """One delivery for each channel, read as they are needed."""
    async for channel in chat.channels.list(window="auto"):
        yield Delivery(channel.id, "We are back at nine.", ref=channel.name)


async def main() -> None:
    """Fan out at the pace the platform allows, which the client finds by itself."""
    async with Client(observer=LoggingObserver()) as chat:
        for i in range(20):
            await chat.channels.create(f"fan-out example {i}")
        totals: Counter[str] = Counter()
        async with chat.messages.send_many(deliveries(chat)) as job:
            async for outcome in job:
                totals[outcome.status] += 1
                if outcome.status != "sent":
                    print(outcome.ref, outcome.status, outcome.error)
        print(dict(totals), f"{job.report.rate:.0f}/s")


asyncio.run(main())
