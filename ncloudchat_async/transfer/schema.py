"""Decides what an archive is: the tables of one SQLite file, and the statements that fill it.

Tables are meant to be read with any SQLite tool: `raw` is the platform's JSON, the columns
beside it repeat what searching and joining needs, times are milliseconds since 1970.
`gone_ms` is the moment an export no longer found a row; rows are never dropped.
"""

from functools import cache
from typing import Final

from ncloudchat_async.transfer.rows import MESSAGES, Noun

__all__ = [
    "APPLICATION_ID",
    "HOLDS_NUL",
    "INDEXED",
    "INDEXES",
    "SCHEMA",
    "VERSION",
    "insert_statement",
]

APPLICATION_ID: Final = 0x4E434131  # "NCA1", shown by file(1)
VERSION: Final = 1

_NOUN: Final = """seen INTEGER NOT NULL,
        gone_ms INTEGER,
        raw TEXT NOT NULL"""

SCHEMA: Final = (
    """CREATE TABLE archive (
        project_id TEXT NOT NULL,
        base_url TEXT NOT NULL,
        created_ms INTEGER NOT NULL
    ) STRICT""",
    # One line per export. It is open until ended_ms is set, and is then gone on with.
    """CREATE TABLE runs (
        id INTEGER PRIMARY KEY,
        begun_ms INTEGER NOT NULL,
        ended_ms INTEGER,
        complete INTEGER NOT NULL,
        since_ms INTEGER,
        look_back_ms INTEGER NOT NULL,
        first_seq INTEGER NOT NULL
    ) STRICT""",
    # How far each list is read; written together with the rows.
    """CREATE TABLE lists (
        noun TEXT NOT NULL,
        channel_id TEXT NOT NULL,
        run INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('open', 'done', 'failed')),
        cursor TEXT,
        floor_ms INTEGER,
        error TEXT,
        covered INTEGER NOT NULL DEFAULT 0,
        from_ms INTEGER,
        to_ms INTEGER,
        PRIMARY KEY (noun, channel_id)
    ) STRICT, WITHOUT ROWID""",
    f"""CREATE TABLE members (
        id TEXT PRIMARY KEY,
        created_ms INTEGER,
        name TEXT,
        online INTEGER,
        deleted INTEGER,
        {_NOUN}
    ) STRICT""",
    f"""CREATE TABLE channels (
        id TEXT PRIMARY KEY,
        created_ms INTEGER,
        name TEXT,
        type TEXT,
        unique_id TEXT,
        disabled INTEGER,
        {_NOUN}
    ) STRICT""",
    "CREATE INDEX channels_unique_id ON channels (unique_id)",
    f"""CREATE TABLE subscriptions (
        id TEXT PRIMARY KEY,
        created_ms INTEGER,
        channel_id TEXT,
        user_id TEXT,
        online INTEGER,
        {_NOUN}
    ) STRICT""",
    f"""CREATE TABLE messages (
        seq INTEGER PRIMARY KEY,
        channel_id TEXT NOT NULL,
        id TEXT NOT NULL,
        created_ms INTEGER,
        sort_id INTEGER,
        sender_id TEXT,
        sender_name TEXT,
        content TEXT,
        file_name TEXT,
        has_file INTEGER NOT NULL,
        {_NOUN},
        UNIQUE (channel_id, id)
    ) STRICT""",
    # Three letters make a term, so that parts of words are found in Korean as well.
    """CREATE VIRTUAL TABLE messages_text USING fts5 (
        content, file_name, content='messages', content_rowid='seq', tokenize='trigram'
    )""",
    # One line per project that this archive was imported into, and per round of doing so.
    """CREATE TABLE imports (
        id INTEGER PRIMARY KEY,
        project_id TEXT NOT NULL,
        base_url TEXT NOT NULL,
        template TEXT NOT NULL,
        max_length INTEGER,
        begun_ms INTEGER NOT NULL,
        ended_ms INTEGER
    ) STRICT""",
    # Which row became which: target_id is empty while nobody knows.
    """CREATE TABLE mapped (
        project_id TEXT NOT NULL,
        base_url TEXT NOT NULL,
        noun TEXT NOT NULL,
        source TEXT NOT NULL,
        target_id TEXT,
        state TEXT NOT NULL,
        begun_ms INTEGER NOT NULL,
        PRIMARY KEY (project_id, base_url, noun, source)
    ) STRICT, WITHOUT ROWID""",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {VERSION}",
)

HOLDS_NUL: Final = "(instr(content, char(0)) OR instr(file_name, char(0)))"
"""The condition of a message that SQLite's own searching does not see the end of."""

INDEXES: Final = (
    "CREATE INDEX messages_created ON messages (created_ms, sort_id, seq)",
    "CREATE INDEX messages_channel ON messages (channel_id, created_ms, sort_id, seq)",
    "CREATE INDEX messages_sender ON messages (sender_id)",
    "CREATE INDEX messages_sender_name ON messages (sender_name)",
    "CREATE INDEX messages_file ON messages (created_ms, sort_id, seq) WHERE has_file = 1",
    f"CREATE INDEX messages_nul ON messages (seq) WHERE {HOLDS_NUL}",
    "INSERT INTO messages_text (messages_text) VALUES ('rebuild')",
    """CREATE TRIGGER messages_text_insert AFTER INSERT ON messages BEGIN
        INSERT INTO messages_text (rowid, content, file_name)
        VALUES (new.seq, new.content, new.file_name);
    END""",
    """CREATE TRIGGER messages_text_update AFTER UPDATE OF content, file_name ON messages
    WHEN old.content IS NOT new.content OR old.file_name IS NOT new.file_name BEGIN
        INSERT INTO messages_text (messages_text, rowid, content, file_name)
        VALUES ('delete', old.seq, old.content, old.file_name);
        INSERT INTO messages_text (rowid, content, file_name)
        VALUES (new.seq, new.content, new.file_name);
    END""",
)
"""What searching needs, made once the first export is at its end: keeping it up from the
first row on would take as long again as writing the rows."""

INDEXED: Final = "SELECT count(*) FROM sqlite_master WHERE name = 'messages_text_update'"
"""Tells whether the indexes are there."""


@cache
def insert_statement(noun: Noun, rows: int) -> str:
    """Write the statement that adds or refreshes some rows at once.

    One statement for a page instead of one for each row: SQLite gives up Python's lock once
    per statement, and getting it back from a busy event loop takes up to 5 ms each time.
    """
    scope = ("channel_id",) if noun is MESSAGES else ()
    columns = (*scope, "id", "created_ms", *noun.columns, "raw", "seen")
    place = f"({', '.join('?' * len(columns))})"
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns[len(scope) + 1 :])
    return (
        f"INSERT INTO {noun.name} ({', '.join(columns)}) VALUES {', '.join([place] * rows)}"  # noqa: S608 - names of this module
        f" ON CONFLICT ({', '.join((*scope, 'id'))}) DO UPDATE SET {changes}, gone_ms = NULL"
    )
