"""Half a character in one row costs neither the row nor its page, nor a byte of either."""

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ncloudchat_async import Client
from ncloudchat_async.emulator import Emulator, Fault
from ncloudchat_async.transfer import convert, export_project, import_project, search
from ncloudchat_async.transfer.rows import RowsDecoder
from ncloudchat_async.wire.bodies import without_lone_surrogates
from tests.transfer.conftest import rows

HALF = st.sampled_from(["\ud83d", "\ude00", "\\ud83d", "\\", '"', "u", "😀", "가"])
TEXTS = st.lists(HALF | st.text(max_size=3), max_size=6).map("".join)
VALUES = st.recursive(
    TEXTS | st.integers(-9, 9) | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(VALUES, max_size=5), st.sampled_from([(",", ":"), (" ,\n", ": ")]))
def test_rows_come_apart_as_they_were(values: list[object], separators: tuple[str, str]) -> None:
    """Each row is, byte for byte, what stood in the array."""
    body = json.dumps(values, separators=separators).encode()
    found = [bytes(row) for row in RowsDecoder().decode(body)]
    assert found == [json.dumps(value, separators=separators).encode() for value in values]


@given(VALUES)
def test_only_half_characters_are_replaced(value: object) -> None:
    """A mended text says the same but for what Unicode cannot."""
    body = json.dumps(value)
    plain = json.dumps(value, ensure_ascii=False)
    whole = plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    assert json.loads(without_lone_surrogates(body.encode())) == json.loads(whole)


async def test_a_page_with_half_a_character_is_in_the_archive(
    emulator: Emulator, chat: Client, other: Emulator, new_chat: Client, path: Path
) -> None:
    """All rows of the page are there as they came, are found, converted and imported."""
    emulator.add_rows("channels", [{"id": "c-1", "name": "c"}])
    texts = [
        '{"id":"m-1","content":"hello \\uD83d"}',
        '{"id": "m-2", "content": "hello \\ud83d\\ude00"}',
    ]
    body = f"[{texts[0]} , {texts[1]}]"
    emulator.faults.add(Fault("listMessages", "status", status=200, body=body, nth=1))
    emulator.faults.add(Fault("listMessages", "status", status=200, body="[]"))
    report = await export_project(chat, path)
    assert (report.messages, report.failures) == (2, ())
    assert rows(path, "SELECT raw FROM messages ORDER BY id") == [(text,) for text in texts]
    assert [one.content for one in search(path, text="hello")] == ["hello \ufffd", "hello 😀"]
    assert convert(path, path.with_name("t.jsonl")).rows == 2
    lines = path.with_name("t.jsonl").read_bytes().splitlines()
    assert [json.loads(line)["content"] for line in lines] == ["hello \ufffd", "hello 😀"]
    await import_project(new_chat, path, template="{content}")
    channel = await new_chat.channels.list().first()
    assert channel is not None
    sent = [one.content async for one in new_chat.messages.list(channel.id)]
    assert sent == ["hello \ufffd", "hello 😀"]
