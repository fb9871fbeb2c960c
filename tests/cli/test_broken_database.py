"""A database that cannot be used is told in one line, by every command that needs it."""

import pytest


@pytest.fixture
def broken(tmp_path):
    """A data folder with something else in the database's place."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "treadle.db").write_bytes(b"no database " * 1_000)
    return folder


@pytest.mark.parametrize(
    "command",
    [
        ["serve", "--port", "0"],
        ["keys", "list"],
        ["keys", "create", "mine"],
        ["keys", "revoke", "mine"],
        ["backup", "copy"],
    ],
    ids=" ".join,
)
async def test_a_database_that_is_none_is_told(treadle, broken, command):
    done = await treadle(*command, "--data-dir", broken)

    assert done.code == 1
    assert f"Error: {broken / 'treadle.db'} cannot be" in done.err
    assert done.err.endswith(": file is not a database\n")
    assert "Traceback" not in done.err
