"""The command that shows on an emulator what the fan-out does."""

from pathlib import Path
from tempfile import TemporaryDirectory

from ncloudchat_async.cli.options import Count, Flag, Mode
from ncloudchat_async.cli.running import run_async

__all__ = ["demo"]


def demo(
    *,
    channels: Count = 200,
    messages: Count = 5000,
    quota: Count = 500,
    window: Count = 2,
    mode: Mode = "reconcile",
    drop_every: Count | None = None,
    kill: Flag = False,
) -> int:
    """Send thousands of messages to an emulator, read all back and account for each.

    Starts the emulator with a quota, creates the channels, fans the messages out with a
    journal, reads every channel and message, and prints what became of them. Exit code 0
    means that each message was read back exactly once; 5 that some are in doubt and did not
    arrive; 1 that one failed, is missing or came twice.

    Example: `ncloudchat demo --channels 20 --messages 500 --drop-every 50 --kill`

    Args:
        channels: Channels to create.
        messages: Messages to send, spread over the channels in turn.
        quota: Requests per second that the emulator allows and the client is told.
        window: Pages in flight while a list is read.
        mode: What to do with messages whose answer was lost: `reconcile` looks for them,
            `at_most_once` names them unknown, `at_least_once` sends them again.
        drop_every: Lose the answer to one send in this many, after it was applied.
        kill: Kill the sending process once with SIGKILL, and go on with its journal.
    """
    from ncloudchat_async.cli.demo_run import run_demo
    from ncloudchat_async.cli.demo_worker import Work

    with TemporaryDirectory(prefix="ncloudchat-demo-") as folder:
        work = Work(
            channels=channels,
            messages=messages,
            rate=quota,
            window=window,
            mode=mode,
            journal=str(Path(folder, "demo.journal")),
        )
        return run_async(lambda _: run_demo(work, drop_every, kill=kill))
