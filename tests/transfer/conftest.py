"""Emulators and clients in the loop of the test, and archives to look into."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from ncloudchat_async import Client, Quota, Retry
from ncloudchat_async.emulator import Emulator

OpenClient = Callable[[Emulator], AbstractAsyncContextManager[Client]]


@asynccontextmanager
async def open_client(emulator: Emulator) -> AsyncIterator[Client]:
    """A client that need not be spared, with quick retries."""
    async with Client(
        emulator.project_id,
        emulator.api_key,
        base_url=emulator.base_url,
        quota=Quota(rate=100_000, burst=1_000),
        retry=Retry(base_s=0.001),
    ) as client:
        yield client


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """The old project: an emulator without rows."""
    async with Emulator(project_id="old-project") as running:
        yield running


@pytest.fixture
async def other() -> AsyncIterator[Emulator]:
    """The new project."""
    async with Emulator(project_id="new-project", api_key="new-key") as running:
        yield running


@pytest.fixture
async def chat(emulator: Emulator) -> AsyncIterator[Client]:
    """A client of the old project."""
    async with open_client(emulator) as client:
        yield client


@pytest.fixture
async def new_chat(other: Emulator) -> AsyncIterator[Client]:
    """A client of the new project."""
    async with open_client(other) as client:
        yield client


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where an archive may be made."""
    return tmp_path / "project.ncarchive"


def rows(path: Path, query: str, *values: object) -> list[Any]:
    """What a query finds in an archive."""
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query, values).fetchall()


CONTENT = {
    "members": "SELECT id, name, raw, gone_ms IS NULL FROM members ORDER BY id",
    "channels": "SELECT id, name, unique_id, raw, gone_ms IS NULL FROM channels ORDER BY id",
    "subscriptions": "SELECT id, channel_id, raw, gone_ms IS NULL FROM subscriptions ORDER BY id",
    "messages": "SELECT channel_id, id, content, created_ms, raw, gone_ms IS NULL FROM messages"
    " ORDER BY channel_id, id",
    "lists": "SELECT noun, channel_id, state, covered, from_ms, to_ms FROM lists"
    " ORDER BY noun, channel_id",
}


def content(path: Path) -> dict[str, list[Any]]:
    """Everything that two equal archives have alike."""
    return {name: rows(path, query) for name, query in CONTENT.items()}
