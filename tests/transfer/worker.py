"""A process that exports or imports, to be killed: prints a dot for each bit of progress."""

import asyncio
import sys

from ncloudchat_async import Client, Quota
from ncloudchat_async.transfer import Progress, export_project, import_project

SETTLE_S = 0.3


def tell(_: Progress) -> None:
    """Let the parent count."""
    sys.stdout.write(".")
    sys.stdout.flush()


async def main(task: str, base_url: str, project_id: str, api_key: str, path: str) -> None:
    """Do one task to its end."""
    quota = Quota(rate=100_000, burst=1_000)
    async with Client(project_id, api_key, base_url=base_url, quota=quota) as chat:
        if task == "export":
            await export_project(chat, path, on_progress=tell)
        else:
            await import_project(chat, path, settle_s=SETTLE_S, on_progress=tell)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
