"""The registry's tables in `control.db`. One change at a time: each begins by taking the database's write lock."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TypeVar, cast

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from headgate.core.artifact import Artifact
from headgate.core.errors import StoreUnavailable
from headgate.core.registry import AppRow, ChannelRow, Decision, Entry, Fate, ReleaseRow, Version
from headgate.core.types import ArtifactRef

T = TypeVar("T")

RETRY_S = 5.0
_NAMES_AT_ONCE = 500  # values bound in one statement
_META = sa.MetaData()

ARTIFACTS = sa.Table(
    "artifacts",
    _META,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("version", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text),
    sa.Column("content", sa.LargeBinary),
    sa.Column("owner", sa.Text),
    sa.Column("author", sa.Text),
    sa.Column("message", sa.Text),
    sa.Column("created_ns", sa.BigInteger),
    sa.Column("created_by", sa.Text),
    sa.Column("fate", sa.Text),
    sa.Column("why", sa.Text),
)
APPS = sa.Table(
    "apps",
    _META,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("settings", sa.LargeBinary),
    sa.Column("declared", sa.LargeBinary),
    sa.Column("set_ns", sa.BigInteger),
    sa.Column("set_by", sa.Text),
)
RELEASES = sa.Table(
    "releases",
    _META,
    sa.Column("app", sa.Text, primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True),
    sa.Column("source", sa.LargeBinary),
    sa.Column("created_ns", sa.BigInteger),
    sa.Column("created_by", sa.Text),
)
CHANNELS = sa.Table(
    "channels",
    _META,
    sa.Column("app", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("target", sa.LargeBinary),
    sa.Column("set_ns", sa.BigInteger),
    sa.Column("set_by", sa.Text),
)
DECISIONS = sa.Table(
    "decisions",
    _META,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("app", sa.Text),
    sa.Column("number", sa.BigInteger),
    sa.Column("actor", sa.Text),
    sa.Column("actor_name", sa.Text),
    sa.Column("verdict", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("at_ns", sa.BigInteger),
)
LOG = sa.Table(
    "registry_log",
    _META,
    sa.Column("serial", sa.Integer, primary_key=True),
    sa.Column("at_ns", sa.BigInteger),
    sa.Column("actor", sa.Text),
    sa.Column("actor_name", sa.Text),
    sa.Column("action", sa.Text),
    sa.Column("subject", sa.Text),
    sa.Column("app", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("detail", sa.LargeBinary),
)
# what a column holds as JSON, by table; the rest is as it is
_JSON = {
    APPS: ("settings", "declared"),
    RELEASES: ("source",),
    CHANNELS: ("target",),
    LOG: ("detail",),
}


class SqliteRegistry:
    """Implements `core.registry.RegistryStore` over the engine that `stores.control` keeps."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @contextmanager
    def reading(self) -> Generator[_Session]:
        """What is kept, as of one moment. Raises StoreUnavailable."""
        with self._connected("BEGIN") as connection:
            yield _Session(connection)

    @contextmanager
    def changing(self) -> Generator[_Session]:
        """One change. Raises StoreUnavailable; nothing is kept then."""
        with self._connected("BEGIN IMMEDIATE") as connection:
            yield _Session(connection)

    @contextmanager
    def _connected(self, begin: str) -> Generator[sa.Connection]:
        try:
            with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql(begin)
                try:
                    yield connection
                except BaseException:
                    connection.exec_driver_sql("ROLLBACK")
                    raise
                connection.exec_driver_sql("COMMIT")
        except DBAPIError as error:
            raise StoreUnavailable(f"the registry cannot be used: {error.orig}", retry_after_s=RETRY_S) from error


class _Session:
    """Implements `core.registry.Change` on one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def artifact(self, kind: str, name: str, version: str) -> Artifact | None:
        """One version with its content."""
        t = ARTIFACTS.c
        wanted = sa.select(ARTIFACTS).where(t.kind == kind, t.name == name, t.version == version)
        row = self._connection.execute(wanted).mappings().first()
        if row is None:
            return None
        content = msgspec.json.decode(cast("bytes", row["content"]), type=dict[str, object])
        about = {field: row[field] for field in ("owner", "author", "message")}
        return msgspec.convert({"ref": _ref(row), "content": content, **about}, Artifact)

    def versions(self, kind: str | None = None, names: Sequence[str] | None = None) -> list[Version]:
        """Versions without content, by kind, name and age."""
        columns = [column for column in ARTIFACTS.c if column.name != "content"]
        wanted = sa.select(*columns).order_by(ARTIFACTS.c.kind, ARTIFACTS.c.name, ARTIFACTS.c.created_ns)
        if kind is not None:
            wanted = wanted.where(ARTIFACTS.c.kind == kind)
        if names is None:
            return [_version(row) for row in self._connection.execute(wanted).mappings()]
        chosen = sorted(set(names))
        found: list[Version] = []
        for at in range(0, len(chosen), _NAMES_AT_ONCE):
            some = wanted.where(ARTIFACTS.c.name.in_(chosen[at : at + _NAMES_AT_ONCE]))
            found += [_version(row) for row in self._connection.execute(some).mappings()]
        return found

    def recent(self, kind: str, limit: int) -> list[Version]:
        """The versions that were kept last, newest first."""
        t = ARTIFACTS.c
        wanted = sa.select(*[column for column in t if column.name != "content"]).where(t.kind == kind)
        latest = wanted.order_by(t.created_ns.desc(), t.name, t.version).limit(limit)
        return [_version(row) for row in self._connection.execute(latest).mappings()]

    def apps(self) -> list[AppRow]:
        """Every app, by name."""
        return self._all(sa.select(APPS).order_by(APPS.c.name), APPS, AppRow)

    def app(self, name: str) -> AppRow | None:
        """One app."""
        return next(iter(self._all(sa.select(APPS).where(APPS.c.name == name), APPS, AppRow)), None)

    def releases(self, app: str | None = None) -> list[ReleaseRow]:
        """Releases of one app or of all, by app and number."""
        wanted = sa.select(RELEASES).order_by(RELEASES.c.app, RELEASES.c.number)
        return self._all(wanted if app is None else wanted.where(RELEASES.c.app == app), RELEASES, ReleaseRow)

    def channels(self, app: str | None = None) -> list[ChannelRow]:
        """Channels of one app or of all, by app and name."""
        wanted = sa.select(CHANNELS).order_by(CHANNELS.c.app, CHANNELS.c.channel)
        return self._all(wanted if app is None else wanted.where(CHANNELS.c.app == app), CHANNELS, ChannelRow)

    def decisions(self, app: str, number: int) -> list[Decision]:
        """What was said of a release, oldest first."""
        t = DECISIONS.c
        wanted = sa.select(DECISIONS).where(t.app == app, t.number == number).order_by(t.id)
        return self._all(wanted, DECISIONS, Decision)

    def entries(self, app: str | None = None, subject: str | None = None, limit: int = 100) -> list[Entry]:
        """The log, newest first."""
        wanted = sa.select(LOG).order_by(LOG.c.serial.desc()).limit(limit)
        if app is not None:
            wanted = wanted.where(LOG.c.app == app)
        if subject is not None:
            wanted = wanted.where(LOG.c.subject == subject)
        return self._all(wanted, LOG, Entry)

    def serial(self) -> int:
        """Counts changes."""
        return cast("int | None", self._connection.execute(sa.select(sa.func.max(LOG.c.serial))).scalar()) or 0

    def put_artifact(self, artifact: Artifact, created_ns: int, created_by: str) -> None:
        """Keep a version. Its ref is new."""
        row: dict[str, object] = {name: getattr(artifact.ref, name) for name in ("kind", "name", "version", "digest")}
        row |= {name: getattr(artifact, name) for name in ("owner", "author", "message")}
        row |= {"content": msgspec.json.encode(artifact.content), "created_ns": created_ns, "created_by": created_by}
        self._connection.execute(sa.insert(ARTIFACTS).values(**row, fate="active", why=""))

    def set_fate(self, ref: ArtifactRef, fate: Fate, why: str) -> None:
        """Retire or revoke a version, or take it back."""
        t = ARTIFACTS.c
        one = sa.update(ARTIFACTS).where(t.kind == ref.kind, t.name == ref.name, t.version == ref.version)
        self._connection.execute(one.values(fate=fate, why=why))

    def put_app(self, app: AppRow) -> None:
        """Keep an app, in place of what was there."""
        self._connection.execute(sa.delete(APPS).where(APPS.c.name == app.name))
        self._insert(APPS, app)

    def put_release(self, release: ReleaseRow) -> None:
        """Keep a release. Its number is new."""
        self._insert(RELEASES, release, number=release.source.number)

    def put_channel(self, channel: ChannelRow) -> None:
        """Point a channel somewhere."""
        t = CHANNELS.c
        self._connection.execute(sa.delete(CHANNELS).where(t.app == channel.app, t.channel == channel.channel))
        self._insert(CHANNELS, channel)

    def put_decision(self, decision: Decision) -> None:
        """Keep what a reviewer said."""
        self._insert(DECISIONS, decision)

    def record(self, entry: Entry) -> None:
        """One line of the log."""
        self._insert(LOG, entry)

    def _insert(self, table: sa.Table, row: msgspec.Struct, **more: object) -> None:
        values = msgspec.structs.asdict(row) | more
        for name in _JSON.get(table, ()):
            values[name] = msgspec.json.encode(values[name])
        self._connection.execute(sa.insert(table).values(values))

    def _all(self, wanted: sa.Select[tuple[object, ...]], table: sa.Table, into: type[T]) -> list[T]:
        found: list[T] = []
        for row in self._connection.execute(wanted).mappings():
            values: dict[str, object] = {str(name): value for name, value in row.items()}
            for name in _JSON.get(table, ()):
                values[name] = msgspec.json.decode(cast("bytes", values[name]))
            found.append(msgspec.convert(values, into))
        return found


def _ref(row: sa.RowMapping) -> ArtifactRef:
    return msgspec.convert({name: row[name] for name in ("kind", "name", "version", "digest")}, ArtifactRef)


def _version(row: sa.RowMapping) -> Version:
    names = ("owner", "author", "message", "created_ns", "created_by", "fate", "why")
    return msgspec.convert({"ref": _ref(row), **{name: row[name] for name in names}}, Version)
