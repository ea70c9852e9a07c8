"""The commands of a household's memory, against a real Postgres, as `passfel` runs them."""

import asyncio
import json
import os
import stat
import subprocess
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from passfel import main
from pipeline.caller import Caller
from pipeline.store.conversations import Conversations
from pipeline.store.database import Database, StoreDown
from pipeline.store.embedded_postgres import EmbeddedPostgres

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def run(postgres: tuple[EmbeddedPostgres, str], tmp_path: Path, monkeypatch, capsys):
    """Run a command in a thread, as its own process would, and return its exit status and what it said."""
    monkeypatch.setenv("PASSFEL_STORES__POSTGRES", postgres[1])
    monkeypatch.setenv("PASSFEL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("PASSFEL_PORT", "9")

    async def command(*arguments: str) -> tuple[int, str]:
        status = await asyncio.to_thread(main, list(arguments))
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return command


@pytest.fixture
def manual(tmp_path: Path) -> Path:
    folder = tmp_path / "manuals"
    folder.mkdir()
    (folder / "boiler.md").write_text("# Boiler\n\nThe pressure should be 1.5 bar.\n\n## Faults\n\nF28 means no gas.\n")
    return folder


async def count(database: Database, table: str) -> int:
    async with database.connection(5) as connection:
        return await connection.fetchval(f"SELECT count(*) FROM {table}")


async def test_only_what_is_new_is_learned_again_and_what_is_gone_is_forgotten(run, database, manual) -> None:
    (manual / "photo.bin").write_bytes(b"\x00" * 50)
    assert await run("learn", str(manual)) == (0, "1 learned, 0 as before, 0 gone, 0 not readable\n")
    assert "0 learned, 1 as before" in (await run("learn", str(manual)))[1]
    (manual / "boiler.md").write_text("# Boiler\n\nThe pressure should be 2 bar.\n")
    (manual / "dishwasher.txt").write_text("Use salt.")
    assert "2 learned, 0 as before" in (await run("learn", str(manual)))[1]
    assert await count(database, "passages") == 2
    (manual / "boiler.md").unlink()
    assert "1 as before, 1 gone" in (await run("learn", str(manual)))[1]
    assert "dishwasher" in (await run("learn"))[1]
    assert await run("learn", "--remove", str(manual)) == (0, "1 forgotten\n")
    assert await count(database, "passages") == 0


async def test_a_file_that_cannot_be_read_costs_the_others_nothing(run, database, manual) -> None:
    (manual / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    status, said = await run("learn", str(manual))
    assert status == 1
    assert "broken.pdf: it is damaged" in said
    assert "1 learned, 0 as before, 0 gone, 1 not readable" in said
    status, said = await run("learn", str(manual / "none"))
    assert (status, "there is no" in said) == (1, True)


async def test_calendars_and_contacts_are_learned_and_forgotten_with_their_files(run, database, manual) -> None:
    (manual / "family.ics").write_text(CALENDAR)
    (manual / "people.vcf").write_text(CONTACTS)
    assert "3 learned" in (await run("learn", str(manual)))[1]
    assert "3 as before" in (await run("learn", str(manual)))[1]
    assert (await count(database, "events"), await count(database, "contacts")) == (1, 1)
    (manual / "family.ics").unlink()
    assert "1 gone" in (await run("learn", str(manual)))[1]
    assert (await count(database, "events"), await count(database, "contacts")) == (0, 1)


CALENDAR = """BEGIN:VCALENDAR\r
BEGIN:VEVENT\r
UID:1\r
SUMMARY:Dentist\r
DTSTART:20991130T100000Z\r
END:VEVENT\r
END:VCALENDAR\r
""".replace("2099", str(datetime.now(UTC).year + 1))
CONTACTS = "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Anna Weber\r\nTEL:030 123\r\nEND:VCARD\r\n"


async def test_everything_is_embedded_when_learning_ends(run, database, manual) -> None:
    await run("learn", str(manual))
    async with database.connection(5) as connection:
        assert await connection.fetchval("SELECT count(*) FROM passages WHERE embedding IS NULL") == 0


async def filled(database: Database, run, manual: Path) -> None:
    """Somebody's things and somebody else's."""
    await run("learn", str(manual))
    (manual / "diary.txt").write_text("Today I was sad.")
    await run("learn", str(manual / "diary.txt"), "--person", "Ada")
    async with database.connection(5) as connection:
        for person in ("Ada", "Bob"):
            await connection.execute("INSERT INTO people VALUES ($1) ON CONFLICT DO NOTHING", person)
            await connection.execute("INSERT INTO devices (name, door, person) VALUES ($1, 'browser', $1)", person)
            for content in ("I like tea", "I like jazz"):
                await connection.execute(
                    "INSERT INTO facts (person, content, conversation, turn, device, said_as, words) "
                    "VALUES ($1, $2, 'a', '1', 'kitchen', $2, to_tsvector($2))",
                    *(person, content),
                )
            await connection.execute(
                "INSERT INTO messages VALUES (gen_random_uuid(), 'a', 'browser', 'kitchen', $1, NULL, 'user', 'Hello', now())",
                person,
            )


def household_files(folder: Path) -> Path:
    """Timers and messages of somebody and somebody else, as the assistant keeps them."""
    household = folder / "data" / "household"
    household.mkdir(parents=True)
    (household / "timers.json").write_text('[{"name": "call Ben", "person": "Ada"}, {"name": "eggs", "person": ""}]')
    (household / "messages.json").write_text('[{"to": "ada", "text": "Ring me."}, {"to": null, "text": "Ring us."}]')
    return household


async def test_a_person_gets_all_of_theirs_and_nothing_of_others(run, database, manual, tmp_path) -> None:
    await filled(database, run, manual)
    household_files(tmp_path)
    await run("devices", "Ada", "--title", "Ada's tablet")
    status, said = await run("export", "ada")
    exported = json.loads(said)
    assert status == 0
    assert [fact["content"] for fact in exported["facts"]] == ["I like tea", "I like jazz"]
    assert [document["content"] for document in exported["documents"]] == ["Today I was sad."]
    assert len(exported["messages"]) == len(exported["devices"]) == 1
    assert exported["devices"][0]["title"] == "Ada's tablet"
    assert [timer["name"] for timer in exported["timers"]] == ["call Ben"]
    assert [message["text"] for message in exported["telephone_messages"]] == ["Ring me."]
    assert "Bob" not in said
    file = tmp_path / "ada.json"
    await run("export", "Ada", "-o", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (await run("export", "Cleo")) == (1, "passfel: there is no person Cleo; there are: Ada, Bob\n")


async def test_a_person_is_forgotten_everywhere_and_others_are_not(run, database, manual, tmp_path) -> None:
    await filled(database, run, manual)
    household = household_files(tmp_path)
    status, _ = await run("forget", "Ada", "--yes")
    assert status == 0
    assert [each["name"] for each in json.loads((household / "timers.json").read_text())] == ["eggs"]
    assert [each["text"] for each in json.loads((household / "messages.json").read_text())] == ["Ring us."]
    async with database.connection(5) as connection:
        tables = [
            row["table_name"]
            for row in await connection.fetch(
                "SELECT DISTINCT table_name FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'person'"
            )
        ]
        assert {"messages", "facts", "documents", "passages", "devices"} <= set(tables)
        for table in tables:
            assert await connection.fetchval(f"SELECT count(*) FROM {table} WHERE person = 'Ada'") == 0, table
        assert await connection.fetchval("SELECT count(*) FROM passages WHERE content LIKE '%sad%'") == 0
        assert await connection.fetchval("SELECT count(*) FROM facts WHERE person = 'Bob'") == 2
        assert await connection.fetchval("SELECT count(*) FROM documents") == 1


async def test_what_a_running_assistant_has_in_hand_is_not_forgotten_behind_its_back(
    run, database, manual, tmp_path, monkeypatch
) -> None:
    await filled(database, run, manual)
    household = household_files(tmp_path)
    async with TestServer(web.Application()) as server:
        monkeypatch.setenv("PASSFEL_PORT", str(server.port))
        status, said = await run("forget", "Ada", "--yes")
        assert (status, "end it first" in said) == (1, True), said
        assert await count(database, "facts") == 4
        for name in ("timers", "messages"):
            (household / f"{name}.json").write_text("[]")
        assert (await run("forget", "Ada", "--yes"))[0] == 0
    assert await count(database, "facts") == 2


async def test_who_does_not_say_yes_keeps_everything(run, database, manual, monkeypatch) -> None:
    await filled(database, run, manual)
    monkeypatch.setattr("builtins.input", lambda _: "")
    assert (await run("forget", "Ada"))[0] == 1
    assert await count(database, "facts") == 4


async def tables(database: Database) -> dict[str, list[str]]:
    names = ("people", "devices", "facts", "documents", "passages", "messages")
    async with database.connection(5) as connection:
        return {
            name: [str(row) for row in await connection.fetch(f"SELECT * FROM {name} ORDER BY 1")] for name in names
        }


async def test_what_was_backed_up_comes_back_as_it_was(run, database, manual, tmp_path) -> None:
    await filled(database, run, manual)
    household = tmp_path / "data" / "household"
    household.mkdir(parents=True)
    (household / "lists.json").write_text('[{"name": "shopping", "items": ["milk"]}]')
    before = await tables(database)
    file = tmp_path / "house.tar.gz"
    status, said = await run("backup", str(file))
    assert (status, "4 facts" in said) == (0, True)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "there already" in (await run("backup", str(file)))[1]
    assert "not empty" in (await run("restore", str(file)))[1]
    await run("forget", "Ada", "--yes")
    (household / "lists.json").unlink()
    status, _ = await run("restore", str(file), "--replace")
    assert status == 0
    assert await tables(database) == before
    assert "milk" in (household / "lists.json").read_text()
    # What comes after has numbers of its own.
    (manual / "new.txt").write_text("Something new.")
    assert (await run("learn", str(manual / "new.txt")))[0] == 0


async def test_a_file_that_is_in_the_way_keeps_all_of_a_backup_out(run, database, manual, tmp_path) -> None:
    await filled(database, run, manual)
    household = tmp_path / "data" / "household"
    household.mkdir(parents=True)
    for name in ("lists", "timers"):
        (household / f"{name}.json").write_text("[]")
    file = tmp_path / "house.tar.gz"
    await run("backup", str(file))
    async with database.connection(5) as connection:
        await connection.execute("TRUNCATE people, devices, documents, messages, embedding_models CASCADE")
    (household / "lists.json").unlink()
    (household / "timers.json").write_text('[{"name": "pasta"}]')
    status, said = await run("restore", str(file))
    assert (status, "timers.json is there already" in said) == (1, True)
    assert await count(database, "people") == 0
    assert not (household / "lists.json").exists()
    assert "pasta" in (household / "timers.json").read_text()


async def test_a_damaged_or_newer_backup_changes_nothing(run, database, manual, tmp_path) -> None:
    await filled(database, run, manual)
    before = await tables(database)
    whole = tmp_path / "house.tar.gz"
    await run("backup", str(whole))
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])

    def changed(name: str, change) -> Path:
        folder = tmp_path / name
        with tarfile.open(whole) as archive:
            archive.extractall(folder, filter="data")
        change(folder)
        file = tmp_path / f"{name}.tar.gz"
        with tarfile.open(file, "w:gz") as archive:
            for each in sorted(folder.rglob("*")):
                if each.is_file():
                    archive.add(each, str(each.relative_to(folder)))
        return file

    def newer(folder: Path) -> None:
        manifest = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps(manifest | {"schema_version": 999}))

    forged = changed("forged", lambda folder: (folder / "tables" / "facts").write_text("1\tnonsense\n"))
    for file, why in (
        (cut, "cannot be read"),
        (forged, "is damaged"),
        (changed("newer", newer), "newer PASSFEL"),
        (manual / "boiler.md", "cannot be read"),
    ):
        status, said = await run("restore", str(file), "--replace")
        assert (status, why in said) == (1, True), said
        assert await tables(database) == before


async def test_where_nothing_can_be_written_a_backup_says_so(run, database, manual) -> None:
    await filled(database, run, manual)
    status, said = await run("backup", "/dev/full/x.tar.gz")
    assert (status, "cannot be written" in said) == (1, True)


async def test_a_full_disk_leaves_no_half_a_backup(run, database, manual, tmp_path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8k", "none", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root can mount a disk that is soon full")
    try:
        await filled(database, run, manual)
        status, said = await run("backup", str(disk / "house.tar.gz"))
        assert (status, "cannot be written" in said) == (1, True), said
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


async def test_a_device_is_told_whose_it_is(run, database) -> None:
    async with database.connection(5) as connection:
        await connection.execute("INSERT INTO devices (name, door) VALUES ('tablet', 'browser')")
    assert "tablet: browser, study, Ada" in (await run("devices", "tablet", "--person", "Ada", "--room", "study"))[1]
    assert (
        "tablet (Ada's): browser, study, Ada, speed 1.5, quiet 22:00-07:00"
        in (await run("devices", "tablet", "--title", "Ada's", "--speed", "1.5", "--quiet", "22:00-07:00"))[1]
    )
    for wrong in (("--speed", "5"), ("--quiet", "at night"), ("--voice", "nobody")):
        assert (await run("devices", "tablet", *wrong))[0] == 1
    assert (
        "tablet: browser, study, Ada,"
        in (await run("devices", "tablet", "--title", "", "--speed", "", "--quiet", ""))[1]
    )
    assert "tablet: browser, study, everybody" in (await run("devices", "tablet", "--person", ""))[1]
    assert (await run("devices", "radio", "--room", "hall")) == (
        1,
        "passfel: there is no device radio; there are: tablet\n",
    )


async def test_devices_are_listed_as_the_running_assistant_sees_them(run, database, monkeypatch) -> None:
    async def satellites(_: web.Request) -> web.Response:
        puck = {
            "device": "puck",
            "door": "esphome",
            "state": "idle",
            "detail": {"firmware": "2026.11", "room": "hall", "problem": None},
        }
        lost = {"device": "lost", "door": "sip", "state": "away", "detail": {"problem": "check its address"}}
        return web.json_response([puck, lost])

    app = web.Application()
    app.router.add_get("/v1/satellites", satellites)
    async with TestServer(app) as server:
        monkeypatch.setenv("PASSFEL_PORT", str(server.port))
        async with database.connection(5) as connection:
            await connection.execute("INSERT INTO devices (name, door, speed) VALUES ('puck', 'esphome', 1.6)")
        assert (await run("devices"))[1].splitlines() == [
            "puck: esphome, hall, everybody, speed 1.6, idle, firmware 2026.11",
            "lost: away: check its address",
        ]
        monkeypatch.delenv("PASSFEL_STORES__POSTGRES")
        assert (await run("devices", "puck"))[1] == "puck: idle, firmware 2026.11, room hall\n"
        assert (await run("devices", "puck", "--room", "hall"))[0] == 1


async def test_without_a_store_the_commands_say_so(run, monkeypatch) -> None:
    monkeypatch.delenv("PASSFEL_STORES__POSTGRES")
    assert os.environ["PASSFEL_STORES__EMBEDDED"] == "false"
    status, said = await run("learn")
    assert (status, "nothing is kept" in said) == (1, True)


async def test_secrets_are_not_kept_of_what_is_said(database) -> None:
    from datetime import timedelta

    conversations = Conversations(database, resume=timedelta(minutes=30), keep=timedelta(days=1))
    conversations.note("a", Caller("browser", "kitchen"), "user", "My PIN is 4711.")
    await conversations.flush()
    async with database.connection(5) as connection:
        assert await connection.fetchval("SELECT content FROM messages") == "My PIN is [not kept]."


async def test_a_row_that_no_database_takes_keeps_no_other_out(database) -> None:
    from pipeline.store.write_behind import WriteBehind

    behind = WriteBehind(database, "INSERT INTO people (name) VALUES ($1)", what="people")
    for name in ("Ada", None, "Bob"):
        behind.note((name,))
    await behind.flush()
    assert await count(database, "people") == 2
    assert not behind.waiting


async def test_a_database_that_is_away_is_waited_for(database) -> None:
    away = Database("postgresql://nobody@/none?host=/nowhere")
    with pytest.raises(StoreDown):
        await away.open()
