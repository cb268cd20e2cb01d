"""What doctor says of the quota."""

import time

from ncloudchat_async.emulator import EmulatorThread, Fault
from tests.cli.conftest import Cli


def test_a_small_quota_is_found_in_time(cli: Cli, ncloudchat_emulator: EmulatorThread) -> None:
    """Calls under way when the time is over neither count nor are waited for."""
    ncloudchat_emulator.settings = ncloudchat_emulator.settings.but(quota_rate=8)
    begun = time.monotonic()
    done = cli("doctor", "--find-quota", "3")
    assert (done.code, done.rows[-1]["check"]) == (0, "quota")
    passed = float(str(done.rows[-1]["found"]).split()[0])
    # 64 calls at once would have taken 8 s, and made it 30.
    assert 0 < passed <= 12
    assert time.monotonic() - begun < 9


def test_a_used_up_quota_is_told(cli: Cli, ncloudchat_emulator: EmulatorThread) -> None:
    """The platform's support cannot help where the quota of a period is used up."""
    ncloudchat_emulator.faults.add(Fault("*", "throttle", error_code=400))
    done = cli("doctor")
    assert done.code == 4
    assert "quota" in str(done.rows[-1]["fix"])
