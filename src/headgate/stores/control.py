"""The control store on SQLite: keys and limits, what the control process must not lose. Workers never open it.

Statements are built by SQLAlchemy Core, so values are always bound. Every table has `tenant_id`, and every
reading names its scope. (PostgreSQL takes the same statements and migrations; its connection set-up comes
with scale-out.)
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

import msgspec
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DatabaseError

from headgate.core.errors import ConfigError
from headgate.core.keys import EVERY_TENANT, Limits, ScopeLimits, StoredKey
from headgate.core.roles import Role, in_order
from headgate.core.stages import KeyInfo
from headgate.stores.registry_sqlite import SqliteRegistry

CONTROL_FILE = "control.db"
BUSY_MS = 5_000

_MIGRATIONS = Path(__file__).with_name("migrations")
_META = sa.MetaData()

API_KEYS = sa.Table(
    "api_keys",
    _META,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("tenant_id", sa.Text, nullable=False, index=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("shown", sa.Text, nullable=False),
    sa.Column("admin", sa.Boolean, nullable=False),
    sa.Column("created_ns", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("expires_ns", sa.BigInteger),
    sa.Column("revoked_ns", sa.BigInteger),
    sa.Column("rpm", sa.BigInteger),
    sa.Column("tpm", sa.BigInteger),
    sa.Column("concurrency", sa.BigInteger),
    sa.Column("budget_usd", sa.Float),
    sa.Column("budget_period", sa.Text, nullable=False),
    sa.Column("models", sa.Text, nullable=False),
    sa.Column("team", sa.Text),
    sa.Column("unpriced", sa.Text, nullable=False),
    sa.Column("criticality", sa.Text, nullable=False),
    sa.Column("roles", sa.Text, nullable=False),
)

SCOPE_LIMITS = sa.Table(
    "scope_limits",
    _META,
    sa.Column("address", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("tenant_id", sa.Text, nullable=False, index=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("rpm", sa.BigInteger),
    sa.Column("tpm", sa.BigInteger),
    sa.Column("concurrency", sa.BigInteger),
    sa.Column("budget_usd", sa.Float),
    sa.Column("budget_period", sa.Text, nullable=False),
    sa.Column("unpriced", sa.Text, nullable=False),
    sa.Column("set_ns", sa.BigInteger, nullable=False),
    sa.Column("set_by", sa.Text, nullable=False),
)


class ControlStore:
    """API keys and limits, durable. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        """Open `control.db` in the folder and bring its schema up to date.

        Raises ConfigError where it is not a database, or was written by a newer Headgate.
        """
        self.path = folder / CONTROL_FILE
        # made here so that it is never anybody else's to read, whatever the umask
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        self._engine = sa.create_engine(f"sqlite:///{self.path}", connect_args={"timeout": BUSY_MS / 1000})
        event.listen(self._engine, "connect", _set_up)
        try:
            self._migrate()
        except DatabaseError as error:
            self._engine.dispose()
            wrong = f"not a usable database: {type(error.orig).__name__}: {error.orig}"
            raise ConfigError(str(self.path), wrong, "restore it from a backup") from error
        except ConfigError:
            self._engine.dispose()
            raise

    def registry(self) -> SqliteRegistry:
        """The registry's tables, in the same file."""
        return SqliteRegistry(self._engine)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def add(self, key: StoredKey) -> None:
        """Keep a new key. Raises sqlalchemy.exc.IntegrityError for an id or digest that is there already."""
        with self._engine.begin() as connection:
            connection.execute(sa.insert(API_KEYS).values(_row(key)))

    def keys(self, scope: str) -> list[StoredKey]:
        """All keys of a tenant, or of EVERY_TENANT, oldest first."""
        wanted = _scoped(API_KEYS, scope).order_by(API_KEYS.c.created_ns, API_KEYS.c.id)
        with self._engine.connect() as connection:
            return [_key(row) for row in connection.execute(wanted).mappings()]

    def revoke(self, key_id: str, scope: str, at_ns: int) -> StoredKey | None:
        """Revoke a key; the first time stands. None where the scope has no such key."""
        one = _scoped(API_KEYS, scope).where(API_KEYS.c.id == key_id)
        with self._engine.begin() as connection:
            row = connection.execute(one).mappings().first()
            if row is None:
                return None
            connection.execute(
                sa.update(API_KEYS)
                .where(API_KEYS.c.id == key_id, API_KEYS.c.revoked_ns.is_(None))
                .values(revoked_ns=at_ns)
            )
            return _key(connection.execute(one).mappings().one())

    def limits(self, scope: str) -> list[ScopeLimits]:
        """The limits of a tenant and its teams, or of EVERY_TENANT and apps, by address."""
        wanted = _scoped(SCOPE_LIMITS, scope).order_by(SCOPE_LIMITS.c.address)
        with self._engine.connect() as connection:
            return [_limits(row) for row in connection.execute(wanted).mappings()]

    def set_limits(self, limits: ScopeLimits) -> None:
        """Keep limits in place of earlier ones; where nothing is limited, keep none."""
        with self._engine.begin() as connection:
            connection.execute(sa.delete(SCOPE_LIMITS).where(SCOPE_LIMITS.c.address == limits.address))
            if not limits.limits.none:
                connection.execute(sa.insert(SCOPE_LIMITS).values(_limits_row(limits)))

    def _migrate(self) -> None:
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        with self._engine.begin() as connection:
            current = set(MigrationContext.configure(connection).get_current_heads())
            if newer := current - known:
                raise ConfigError(
                    str(self.path),
                    f"written by a newer Headgate (schema {', '.join(sorted(newer))})",
                    "run that version, or restore the backup made before it",
                )
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def _set_up(connection: DBAPIConnection, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")  # a revocation that was answered survives a power cut
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _scoped(table: sa.Table, scope: str) -> sa.Select[tuple[object, ...]]:
    if not scope:
        raise ValueError("a reading names its tenant, or EVERY_TENANT")
    statement = sa.select(table)
    return statement if scope == EVERY_TENANT else statement.where(table.c.tenant_id == scope)


def _row(key: StoredKey) -> dict[str, object]:
    info = key.info
    return {
        "id": info.id,
        "tenant_id": info.tenant,
        "name": info.name,
        "digest": key.digest,
        "shown": key.shown,
        "admin": info.admin,
        "created_ns": key.created_ns,
        "created_by": key.created_by,
        "expires_ns": info.expires_ns,
        "revoked_ns": key.revoked_ns,
        "rpm": info.rpm,
        "tpm": info.tpm,
        "concurrency": info.concurrency,
        "budget_usd": info.budget_usd,
        "budget_period": info.budget_period,
        "models": msgspec.json.encode(sorted(info.models)).decode(),
        "team": info.team,
        "unpriced": info.unpriced,
        "criticality": info.criticality,
        "roles": ",".join(in_order(key.roles)),
    }


def _key(row: sa.RowMapping) -> StoredKey:
    revoked_ns = cast("int | None", row["revoked_ns"])
    info = msgspec.convert(
        {
            "id": row["id"],
            "name": row["name"],
            "tenant": row["tenant_id"],
            "admin": row["admin"],
            "models": msgspec.json.decode(cast("str", row["models"])),
            "expires_ns": row["expires_ns"],
            "revoked": revoked_ns is not None,
            "rpm": row["rpm"],
            "tpm": row["tpm"],
            "budget_usd": row["budget_usd"],
            "budget_period": row["budget_period"],
            "concurrency": row["concurrency"],
            "team": row["team"],
            "unpriced": row["unpriced"],
            "criticality": row["criticality"],
        },
        KeyInfo,
    )
    return StoredKey(
        info,
        bytes(cast("bytes", row["digest"])),
        cast("str", row["shown"]),
        cast("int", row["created_ns"]),
        cast("str", row["created_by"]),
        revoked_ns,
        msgspec.convert([name for name in cast("str", row["roles"]).split(",") if name], frozenset[Role]),
    )


def _limits_row(made: ScopeLimits) -> dict[str, object]:
    row: dict[str, object] = msgspec.structs.asdict(made.limits)
    row |= {"address": made.address, "kind": made.kind, "tenant_id": made.tenant, "name": made.name}
    return row | {"set_ns": made.set_ns, "set_by": made.set_by}


def _limits(row: sa.RowMapping) -> ScopeLimits:
    limits = msgspec.convert({name: row[name] for name in Limits.__struct_fields__}, Limits)
    values = {"kind": row["kind"], "tenant": row["tenant_id"], "name": row["name"], "limits": limits}
    return msgspec.convert(values | {"set_ns": row["set_ns"], "set_by": row["set_by"]}, ScopeLimits)
