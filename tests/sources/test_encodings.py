"""Text that is not UTF-8: read as it is said, proposed by `cj init`, never guessed in reading."""

import pandas as pd
import pytest

import cjlib as cj
from cjlib.sources.journey import journey_from_text
from cjlib.sources.journey.scaffold import first_journey

HEAD = "customer_id;event;timestamp;Straße"
ROWS = [
    f"Müller {n % 9};{event};2024-01-{1 + n:02d} 1{hour}:00;Größe {n}€"
    for n in range(20)
    for hour, event in enumerate(["ansehen", "kaufen – „fertig“"])
]
TEXT = "\r\n".join([HEAD, *ROWS]) + "\r\n"
EVENTS = "SELECT * FROM events ORDER BY ALL"


def written(folder, content, name="events.csv"):
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("encoding", ["cp1252", "windows-1252", "utf-16-le", "mac-roman"])
def test_a_file_in_another_encoding_has_the_events_of_the_same_file_in_utf8(encoding, tmp_path):
    plain = cj.read_events(written(tmp_path, TEXT.encode(), "utf8.csv"), timezone="UTC")
    path = written(tmp_path, TEXT.encode(encoding))
    log = cj.read_events(path, timezone="UTC", encoding=encoding)
    assert log.engine.rows(EVENTS) == plain.engine.rows(EVENTS)
    assert log.quarantine.empty


def test_without_the_option_the_fault_names_it(tmp_path):
    path = written(tmp_path, TEXT.encode("cp1252"))
    with pytest.raises(cj.DataError, match=r"byte 0xdf cannot be.*encoding='cp1252'"):
        cj.read_events(path)


def test_a_row_with_a_byte_that_the_encoding_does_not_know_is_quarantined_with_it(tmp_path):
    content = TEXT.encode("cp1252").replace("Größe 7€".encode("cp1252"), b"Gr\x81\x8d 7")
    log = cj.read_events(written(tmp_path, content), timezone="UTC", encoding="cp1252")
    assert log.n_events == len(ROWS) - 2
    assert set(log.quarantine["reason"]) == {"byte that the encoding does not know"}
    assert list(log.quarantine["row"]) == [15, 16]
    assert set(log.quarantine["Straße"]) == {r"Gr\x81\x8d 7"}


def test_damaged_places_of_a_file_in_utf8_are_quarantined_where_it_is_said_to_be_that(tmp_path):
    path = written(tmp_path, TEXT.encode().replace("Größe 7€".encode(), b"Gr\xf6\xdfe 7"))
    with pytest.raises(cj.DataError, match="is not text in UTF-8"):
        cj.read_events(path)
    log = cj.read_events(path, timezone="UTC", encoding="utf-8")
    assert (log.n_events, len(log.quarantine)) == (len(ROWS) - 2, 2)
    assert "encoding: utf-8  # DECIDE: damaged signs" in first_journey(path)


def test_a_mark_at_the_beginning_wins_over_what_is_said(tmp_path):
    for content in (TEXT.encode("utf-8-sig"), TEXT.encode("utf-16")):
        log = cj.read_events(written(tmp_path, content), timezone="UTC", encoding="cp1252")
        assert log.n_events == len(ROWS)
        assert "Müller 0" in set(log.customer_ids())


def test_a_file_that_is_utf8_is_refused_under_another_name(tmp_path):
    path = written(tmp_path, TEXT.encode())
    with pytest.raises(cj.DataError, match=r"is UTF-8 \('Straße'\), not cp1252\. Leave encoding"):
        cj.read_events(path, encoding="cp1252")


def test_an_encoding_must_be_known_and_be_of_a_text_file(tmp_path):
    with pytest.raises(cj.CjlibError, match=r"encoding: must be .* 'cp1252' .* Got 'klingon'"):
        cj.read_events(written(tmp_path, b""), encoding="klingon")
    frame = pd.DataFrame({"customer_id": ["a"], "event": ["b"], "timestamp": ["2024-01-01"]})
    for read in (cj.read_events, cj.read_feedback):
        with pytest.raises(cj.CjlibError, match=r"encoding: the DataFrame is no text file"):
            read(frame, encoding="cp1252")
    frame.to_parquet(tmp_path / "events.parquet")
    with pytest.raises(cj.CjlibError, match=r"only CSV and TSV files have several"):
        cj.read_events(tmp_path / "events.parquet", encoding="cp1252")


def test_init_proposes_the_encoding_with_a_word_to_judge_by_and_its_file_reads_all(tmp_path):
    path = written(tmp_path, TEXT.encode("cp1252"))
    text = first_journey(path)
    assert "    encoding: cp1252  # DECIDE: bytes that are no UTF-8" in text
    assert "“Straße”: is that right?" in text
    log = journey_from_text(text, folder=tmp_path).read_events()
    assert (log.n_events, len(log.quarantine)) == (len(ROWS), 0)
    assert "encoding:" not in first_journey(written(tmp_path, TEXT.encode()))


def test_init_proposes_none_where_bytes_or_letters_are_of_no_western_language(tmp_path):
    russian = TEXT.replace("ansehen", "просмотр")
    for content in (
        TEXT.encode("cp1252") + b"\x81;a;2024-01-01;b",
        russian.encode("cp1251", "ignore"),
    ):
        with pytest.raises(cj.DataError, match="is not text in UTF-8"):
            first_journey(written(tmp_path, content))


def test_feedback_customers_and_one_source_of_several_say_theirs(tmp_path):
    written(tmp_path, TEXT.encode("cp1252"), "shop.csv")
    written(tmp_path, TEXT.replace("Müller", "Möller").encode(), "web.csv")
    answers = "customer_id;timestamp;text;nps\nMüller 1;2024-01-05;Schön;9\n"
    written(tmp_path, answers.encode("cp1252"), "answers.csv")
    written(tmp_path, "customer_id;Ort\nMüller 1;Köln\n".encode("cp1252"), "who.csv")
    journey = journey_from_text(
        """
name: Shop
sources:
  events:
    - {name: shop, path: shop.csv, encoding: cp1252}
    - {name: web, path: web.csv}
  feedback: {path: answers.csv, encoding: cp1252}
  customers: {path: who.csv, encoding: cp1252}
stages: [{name: All}]
""",
        folder=tmp_path,
    )
    log = journey.read_events()
    assert log.n_events == 2 * len(ROWS)
    assert log.engine.rows("SELECT DISTINCT customer_id FROM events WHERE Ort = 'Köln'") == [
        ("Müller 1",)
    ]
    assert list(journey.read_feedback().frame["text"]) == ["Schön"]


def test_a_journey_file_refuses_an_encoding_that_there_is_not(tmp_path):
    with pytest.raises(cj.JourneyError, match=r"sources\.events\.encoding: must be how the file's"):
        journey_from_text(
            "sources: {events: {path: a.csv, encoding: klingon}}\nstages: [{name: All}]\n",
            folder=tmp_path,
        )
