"""`treadle backup`, beside a running server."""

import subprocess
import sys

import apsw


async def test_a_backup_made_while_the_server_runs_holds_what_was_answered(server, api, thread, tmp_path):
    target = tmp_path / "copy.db"

    done = subprocess.run(
        [sys.executable, "-m", "treadle", "backup", str(target), "--data-dir", str(server.settings.data_dir)],
        capture_output=True,
        text=True,
        check=True,
    )

    assert str(target) in done.stdout
    assert target.stat().st_mode & 0o777 == 0o600
    copy = apsw.Connection(str(target))
    assert copy.execute("SELECT id FROM threads").fetchall() == [(thread["id"],)]


async def test_a_backup_writes_over_nothing(server, tmp_path):
    target = tmp_path / "copy.db"
    target.write_text("precious")

    done = subprocess.run(
        [sys.executable, "-m", "treadle", "backup", str(target), "--data-dir", str(server.settings.data_dir)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "is there already" in done.stderr
    assert target.read_text() == "precious"


async def test_a_postgresql_database_is_left_to_its_own_program(treadle, environment, tmp_path):
    environment["TREADLE_DATABASE"] = "postgresql://ada:hush@db/treadle"

    done = await treadle("backup", tmp_path / "my copy")

    assert done.code == 1
    assert f"pg_dump --format=custom --file='{tmp_path}/my copy' 'postgresql://ada:***@db/treadle'" in done.err
    assert not (tmp_path / "my copy").exists()
