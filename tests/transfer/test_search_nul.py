"""A NUL in a text, at which SQLite's own searching ends, hides nothing."""

from pathlib import Path
from typing import Any

import pytest

from ncloudchat_async import Client
from ncloudchat_async.emulator import Emulator
from ncloudchat_async.transfer import export_project, search
from tests.transfer.conftest import rows

TEXTS = ["before\0behind it", "behind, plain", "a\0\0Grüße 말씀\0end", "nothing"]
CASES: list[tuple[str, list[int]]] = [
    ("behind", [0, 1]),
    ("BEHIND it", [0]),
    ("before", [0]),
    ("be", [0, 1]),
    ("d i", [0]),
    ("grüße", [2]),
    ("말씀", [2]),
    ("en", [2]),
    ("e\0B", [0]),
    ("\0\0", [2]),
    ("photo", [3]),
]


@pytest.fixture
async def archive(emulator: Emulator, chat: Client, path: Path) -> Path:
    """An archive of texts with NULs, and of a file with one in its name."""
    emulator.add_rows("channels", [{"id": "c", "name": "C"}])
    messages: list[dict[str, Any]] = [
        {"channel_id": "c", "content": text, "created_at": 1_751_328_000 + number}
        for number, text in enumerate(TEXTS)
    ]
    messages[3]["attachment_filenames"] = {
        "name": "x\0photo.png",
        "size": 1,
        "type": "image/png",
        "url": "/1",
    }
    emulator.add_rows("messages", messages)
    await export_project(chat, path)
    return path


@pytest.mark.parametrize(("text", "expected"), CASES)
async def test_what_is_behind_a_nul_is_found(archive: Path, text: str, expected: list[int]) -> None:
    """A text is found on either side of a NUL and across it, whatever the case."""
    found = [message.content for message in search(archive, text=text)]
    assert found == [TEXTS[number] for number in expected]


async def test_the_few_with_a_nul_are_found_by_an_index(archive: Path) -> None:
    """Looking for them does not read every message."""
    query = (
        "EXPLAIN QUERY PLAN SELECT seq FROM messages"
        " WHERE (instr(content, char(0)) OR instr(file_name, char(0)))"
    )
    assert "messages_nul" in str(rows(archive, query))
