"""The control store: API keys, durable, by tenant."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.exc import IntegrityError

from headgate.admission.limitdesk import parsed
from headgate.core.errors import ConfigError
from headgate.core.keys import EVERY_TENANT, Limits, ScopeLimits, StoredKey
from headgate.core.roles import ROLES, Role, allow
from headgate.core.stages import KeyInfo
from headgate.stores.control import _MIGRATIONS, API_KEYS, CONTROL_FILE, ControlStore


def key(number: int, tenant: str = "acme", **fields) -> StoredKey:
    info = KeyInfo(f"key_{number}", f"key {number}", tenant, **fields)
    return StoredKey(info, number.to_bytes(32, "big"), "hg_abcdef", 1000 + number, "tests")


@pytest.fixture
def store(tmp_path: Path):
    made = ControlStore(tmp_path)
    yield made
    made.close()


def test_a_key_reads_back_whole(store: ControlStore) -> None:
    full = key(
        1, admin=True, models=frozenset({"a", "b"}), expires_ns=9, rpm=1, tpm=2, budget_usd=0.5,
        budget_period="day", concurrency=3,
    )  # fmt: skip
    store.add(full)
    assert store.keys(EVERY_TENANT) == [full]


@pytest.mark.parametrize("roles", [allow(), allow("viewer"), allow("reviewer", "author"), allow(*ROLES)])
def test_roles_are_kept_with_the_key(store: ControlStore, roles: frozenset[Role]) -> None:
    full = msgspec.structs.replace(key(1, admin="admin" in roles), roles=roles)
    store.add(full)
    assert store.keys(EVERY_TENANT) == [full]
    revoked = store.revoke("key_1", EVERY_TENANT, 5)
    assert revoked is not None
    assert revoked.roles == roles


def test_admin_keys_of_before_there_were_roles_have_that_role_and_others_none(tmp_path: Path) -> None:
    """On the schema as that version made it."""
    migrations = Config()
    migrations.set_main_option("script_location", str(_MIGRATIONS))
    engine = sa.create_engine(f"sqlite:///{tmp_path / CONTROL_FILE}")
    with engine.begin() as connection:
        migrations.attributes["connection"] = connection
        command.upgrade(migrations, "0003")
        rows = [
            {"id": "key_a", "name": "root", "digest": b"1", "admin": True},
            {"id": "key_b", "name": "shop", "digest": b"2", "admin": False},
        ]
        connection.execute(
            sa.text(
                "INSERT INTO api_keys (id, tenant_id, name, digest, shown, admin, created_ns, created_by,"
                " budget_period, models) VALUES (:id, 'default', :name, :digest, 'hg_', :admin, 1, 'x', 'month', '[]')"
            ),
            rows,
        )
    engine.dispose()
    for _ in range(2):
        reopened = ControlStore(tmp_path)
        found = [(one.info.id, one.info.admin, one.roles) for one in reopened.keys(EVERY_TENANT)]
        assert found == [("key_a", True, allow("admin")), ("key_b", False, allow())]
        reopened.close()


def test_keys_are_of_their_tenant_oldest_first(store: ControlStore) -> None:
    for made in (key(2), key(1), key(3, "globex")):
        store.add(made)
    assert [item.info.id for item in store.keys("acme")] == ["key_1", "key_2"]
    assert [item.info.id for item in store.keys(EVERY_TENANT)] == ["key_1", "key_2", "key_3"]
    with pytest.raises(ValueError, match="tenant"):
        store.keys("")


def test_a_digest_is_there_once(store: ControlStore) -> None:
    store.add(key(1))
    with pytest.raises(IntegrityError):
        store.add(key(1))


def test_the_first_revocation_stands_and_is_durable(store: ControlStore, tmp_path: Path) -> None:
    store.add(key(1))
    assert store.revoke("key_1", "globex", 5) is None
    first = store.revoke("key_1", "acme", 5)
    assert first is not None
    assert (first.revoked_ns, first.info.revoked) == (5, True)
    again = store.revoke("key_1", EVERY_TENANT, 9)
    assert again is not None
    assert again.revoked_ns == 5
    store.close()
    reopened = ControlStore(tmp_path)
    assert reopened.keys("acme")[0].info.revoked
    reopened.close()


def test_the_file_is_only_the_owners(store: ControlStore) -> None:
    assert store.path.stat().st_mode & 0o077 == 0


def test_a_newer_schema_is_refused(store: ControlStore, tmp_path: Path) -> None:
    store.close()
    connection = sqlite3.connect(tmp_path / CONTROL_FILE)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(ConfigError, match="newer Headgate"):
        ControlStore(tmp_path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / CONTROL_FILE).write_bytes(b"hello" * 1000)
    with pytest.raises(ConfigError, match="not a usable database"):
        ControlStore(tmp_path)


def test_the_migrations_make_the_schema_the_code_speaks(store: ControlStore) -> None:
    made = {column["name"]: str(column["type"]) for column in sa.inspect(store._engine).get_columns("api_keys")}
    assert set(made) == {column.name for column in API_KEYS.columns}


def test_a_team_and_a_rule_for_unknown_prices_are_kept_with_the_key(store: ControlStore) -> None:
    full = key(1, team="shop", budget_usd=1.0, unpriced="allow")
    store.add(full)
    assert store.keys("acme") == [full]


def scope_limits(address: str, **limits) -> ScopeLimits:
    kind, tenant, name = parsed(address)
    return ScopeLimits(kind, tenant, name, Limits(**limits), 5, "tests")


def test_limits_replace_earlier_ones_and_are_of_their_tenant(store: ControlStore, tmp_path: Path) -> None:
    every = [
        scope_limits("app/support", rpm=5),
        scope_limits("team/acme/shop", budget_usd=2.5, budget_period="day", unpriced="allow"),
        scope_limits("tenant/acme", tpm=7, concurrency=2),
        scope_limits("tenant/globex", rpm=1),
    ]
    for one in (scope_limits("app/support", rpm=9), *every):
        store.set_limits(one)
    store.close()
    reopened = ControlStore(tmp_path)
    assert reopened.limits(EVERY_TENANT) == every
    assert reopened.limits("acme") == every[1:3], "apps are of no tenant"
    reopened.set_limits(scope_limits("tenant/acme"))
    assert [one.address for one in reopened.limits("acme")] == ["team/acme/shop"]
    with pytest.raises(ValueError, match="tenant"):
        reopened.limits("")
    reopened.close()


def test_keys_of_before_keep_what_they_were_promised(store: ControlStore, tmp_path: Path) -> None:
    store.add(key(1, budget_usd=1.0))
    store.close()
    connection = sqlite3.connect(tmp_path / CONTROL_FILE)
    connection.executescript(
        "DROP TABLE artifacts; DROP TABLE apps; DROP TABLE releases; DROP TABLE channels; DROP TABLE decisions;"
        "DROP TABLE registry_log; DROP TABLE scope_limits; ALTER TABLE api_keys DROP COLUMN team;"
        "ALTER TABLE api_keys DROP COLUMN unpriced;"
        "ALTER TABLE api_keys DROP COLUMN criticality; ALTER TABLE api_keys DROP COLUMN roles;"
        "UPDATE alembic_version SET version_num = '0001';"
    )
    connection.close()
    reopened = ControlStore(tmp_path)
    (old,) = reopened.keys(EVERY_TENANT)
    assert (old.info.team, old.info.unpriced, old.info.budget_usd) == (None, "allow", 1.0)
    assert old.info.criticality == "default"
    assert reopened.limits(EVERY_TENANT) == []
    reopened.close()
