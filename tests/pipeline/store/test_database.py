import asyncio

import pytest

from pipeline.store.database import Database, SchemaTooNew, StoreDown, migrate

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_migrations_run_once_however_many_start_at_the_same_time(postgres, tmp_path) -> None:
    async with asyncio.TaskGroup() as tasks:
        databases = [Database(postgres[1]) for _ in range(5)]
        for database in databases:
            tasks.create_task(database.open())
    async with databases[0].connection(5) as connection:
        assert await connection.fetchval("SELECT count(*) FROM schema_versions") >= 1
    for database in databases:
        await database.close()


async def test_a_newer_schema_is_refused_and_left_alone(database, tmp_path) -> None:
    async with database.connection(5) as connection:
        await connection.execute("INSERT INTO schema_versions (version) VALUES (1000)")
        try:
            with pytest.raises(SchemaTooNew, match="schema 1000"):
                await migrate(connection)
        finally:
            await connection.execute("DELETE FROM schema_versions WHERE version = 1000")


async def test_a_migration_that_fails_leaves_nothing_of_it(database, tmp_path) -> None:
    version = 0
    async with database.connection(5) as connection:
        version = await connection.fetchval("SELECT max(version) FROM schema_versions")
        for number in range(1, version + 1):
            (tmp_path / f"{number:04}_old.sql").write_text("SELECT 1")
        (tmp_path / f"{version + 1:04}_new.sql").write_text("CREATE TABLE half (n integer); SELECT 1 / 0")
        with pytest.raises(Exception, match="division by zero"):
            await migrate(connection, tmp_path)
        assert await connection.fetchval("SELECT to_regclass('half')") is None
        assert await connection.fetchval("SELECT max(version) FROM schema_versions") == version


async def test_what_takes_longer_than_there_is_time_is_down(database) -> None:
    with pytest.raises(StoreDown, match=r"longer than 0\.2 s"):
        async with database.connection(0.2) as connection:
            await connection.execute("SELECT pg_sleep(30)")
    async with database.connection(5) as connection:
        assert await connection.fetchval("SELECT 1") == 1


async def test_a_closed_or_absent_database_is_down(tmp_path) -> None:
    absent = Database(f"postgresql://nobody@/none?host={tmp_path}")
    with pytest.raises(StoreDown):
        await absent.open()
    await absent.close()
    with pytest.raises(StoreDown, match="not open"):
        async with absent.connection(1):
            pass
