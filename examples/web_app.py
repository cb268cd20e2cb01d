"""A web app that awaits single calls in its handlers, with one client for its whole life.

Run it with NCLOUDCHAT_PROJECT_ID and NCLOUDCHAT_API_KEY set. It greets itself once over
HTTP and stops; take the last function away to let it serve.
"""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web

from ncloudchat_async import Client, Timeouts, errors

CHAT = web.AppKey("chat", Client)


async def open_chat(app: web.Application) -> AsyncIterator[None]:
    """Open one pool when the app starts, and close it when the app stops."""
    async with Client(timeouts=Timeouts(deadline_s=5)) as chat:
        app[CHAT] = chat
        yield


async def post_message(request: web.Request) -> web.Response:
    """Send what came, and tell refusal, overload and doubt apart."""
    chat = request.app[CHAT]
    try:
        message = await chat.messages.send(request.match_info["channel_id"], await request.text())
    except errors.NotFoundError:
        return web.json_response({"error": "no such channel"}, status=404)
    except errors.OutcomeUnknownError:
        return web.json_response({"error": "maybe sent: look before trying again"}, status=504)
    except (errors.RateLimitedError, errors.DeadlineExceededError):
        return web.json_response({"error": "busy"}, status=503, headers={"Retry-After": "1"})
    return web.json_response({"id": message.id}, status=201)


def make_app() -> web.Application:
    """Put the app together."""
    app = web.Application()
    app.cleanup_ctx.append(open_chat)
    app.router.add_post("/channels/{channel_id}/messages", post_message)
    return app


async def main() -> None:
    """Serve on a free port and post one message."""
    app = make_app()
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        channel = await app[CHAT].channels.create("web app")
        async with (
            aiohttp.ClientSession() as browser,
            browser.post(
                f"http://{host}:{port}/channels/{channel.id}/messages", data="hi"
            ) as answer,
        ):
            print(answer.status, await answer.json())
    finally:
        await runner.cleanup()


asyncio.run(main())
