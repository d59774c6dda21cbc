"""Where sources lie: below CJ_DATA or beside the file; secrets only at the moment of connecting."""

import pytest

import cjlib as cj
from cjlib.sources.connect.files import expanded, located
from cjlib.sources.journey import journey_from_text


@pytest.fixture
def folders(tmp_path, monkeypatch):
    for name in ("here", "data"):
        (tmp_path / name).mkdir()
    monkeypatch.delenv("CJ_DATA", raising=False)
    return tmp_path


def test_a_relative_path_starts_beside_the_journey_file(folders):
    (folders / "here" / "events.csv").touch()
    assert located("events.csv", folders / "here", "key") == str(folders / "here" / "events.csv")


def test_below_cj_data_comes_first_if_the_file_exists_there(folders, monkeypatch):
    monkeypatch.setenv("CJ_DATA", str(folders / "data"))
    (folders / "here" / "events.csv").touch()
    assert located("events.csv", folders / "here", "key") == str(folders / "here" / "events.csv")
    (folders / "data" / "events.csv").touch()
    assert located("events.csv", folders / "here", "key") == str(folders / "data" / "events.csv")


def test_a_glob_and_a_folder_are_places_too(folders):
    (folders / "here" / "part-1.csv").touch()
    assert located("part-*.csv", folders / "here", "key").endswith("part-*.csv")
    assert located(".", folders / "here", "key") == str(folders / "here")


def test_an_absolute_path_is_itself(folders, monkeypatch):
    monkeypatch.setenv("CJ_DATA", str(folders / "data"))
    (folders / "here" / "events.csv").touch()
    assert located(str(folders / "here" / "events.csv"), folders, "key") == str(
        folders / "here" / "events.csv"
    )


def test_a_missing_file_says_where_it_was_looked_for(folders, monkeypatch):
    monkeypatch.setenv("CJ_DATA", str(folders / "data"))
    with pytest.raises(cj.DataError) as caught:
        located("events.csv", folders / "here", "sources.events.path")
    text = str(caught.value)
    assert text.startswith("sources.events.path: there is no file 'events.csv'. Looked for ")
    assert str(folders / "data") in text
    assert str(folders / "here") in text
    assert "--data DIR or CJ_DATA" in text
    assert caught.value.exit_code == 3


def test_a_variable_is_looked_up_only_when_it_is_needed(monkeypatch):
    monkeypatch.delenv("SHOP_DB", raising=False)
    text = "name: S\nsources: {events: {url: '${SHOP_DB}', table: events}}\nstages: [{name: A}]\n"
    journey = journey_from_text(text)
    monkeypatch.setenv("SHOP_DB", "postgresql://bob:geheim@host/db")
    assert "geheim" not in repr(journey) + str(journey.model_dump())
    monkeypatch.delenv("SHOP_DB")
    with pytest.raises(
        cj.JourneyError,
        match=r"sources\.events\.url: the environment variable SHOP_DB is not set\. Set it where cj runs",
    ):
        journey.read_events()


def test_a_password_may_hold_any_character(monkeypatch):
    monkeypatch.setenv("PW", "p@ss/w:rd#1")
    monkeypatch.setenv("USERNAME_DB", "bob")
    assert (
        expanded("postgresql://${USERNAME_DB}:${PW}@host/${USERNAME_DB}", "key")
        == "postgresql://bob:p%40ss%2Fw%3Ard%231@host/bob"
    )
    assert expanded("${PW}", "key") == "p@ss/w:rd#1", (
        "a whole address in a variable is taken as it is"
    )


def test_text_that_is_no_variable_stays(monkeypatch):
    monkeypatch.setenv("PW", "x")
    assert expanded("$PW ${} ${1A} {PW} 100$", "key") == "$PW ${} ${1A} {PW} 100$"


def test_a_path_may_hold_a_variable(folders, monkeypatch):
    monkeypatch.setenv("WHERE", str(folders / "data"))
    (folders / "data" / "events.csv").touch()
    assert located("${WHERE}/events.csv", folders, "key") == str(folders / "data" / "events.csv")
