"""Show the newest message of every channel: one request each, many at once."""

import asyncio

from ncloudchat_async import Client


async def main() -> None:
    """Make a few channels, then list the newest message of all."""
    async with Client() as chat:
        for i in range(3):
            channel = await chat.channels.create(f"newest example {i}")
            await chat.messages.send(channel.id, f"first of {i}")
            await chat.messages.send(channel.id, f"second of {i}")
        names = {c.id: c.name async for c in chat.channels.list()}
        async for result in chat.messages.latest(names):
            newest = result.value[0].content if result.value else result.error
            print(names[result.item], "->", newest)


asyncio.run(main())
