"""Results as Arrow, polars and Excel: the same numbers, and text that stays text."""

from __future__ import annotations

import re
import sys
from xml.etree import ElementTree
from zipfile import ZipFile

import pandas as pd
import pytest

import cjlib as cj
from cjlib.analyses.result import Result, metric
from cjlib.show import workbook

HOSTILE = ["=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("http://x")', "http://x", "\t=1", "<b>&"]
MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


@pytest.fixture
def result():
    return Result(
        table=pd.DataFrame(
            {
                "name": HOSTILE,
                "count": range(len(HOSTILE)),
                "share": [0.5, float("nan"), float("inf"), *[0.1] * 5],
                "at": pd.date_range("2024-07-01 12:00", periods=8, tz="Europe/Berlin"),
                "anything": [1, "a", None, 2.5, True, (1, 2), "x", "y"],
            }
        ),
        headline="=cmd|' /C calc'!A0",
        definition={"=rule": "=1+1"},
        metrics={"conversion": metric(0.25, 0.1, 0.4, 80, label="=Conversion", unit="share")},
    )


def cells(file, sheet):
    """A sheet as rows of values, read from its XML; a formula would be an element `f`."""
    with ZipFile(file) as book:
        texts = [
            "".join(part.itertext())
            for part in ElementTree.fromstring(book.read("xl/sharedStrings.xml"))
        ]
        root = ElementTree.fromstring(book.read(f"xl/worksheets/sheet{sheet}.xml"))
    assert not list(root.iter(f"{MAIN}f"))
    assert not list(root.iter(f"{MAIN}hyperlink"))
    return {
        cell.get("r"): texts[int(cell[0].text)] if cell.get("t") == "s" else float(cell[0].text)
        for cell in root.iter(f"{MAIN}c")
    }


def names(file):
    with ZipFile(file) as book:
        return re.findall(r'<sheet name="([^"]+)"', book.read("xl/workbook.xml").decode())


def test_a_workbook_has_headline_definition_and_every_table(tmp_path, toy_log):
    log = toy_log("ana: a@0h(web) b@1h(web) | bob: a@0h(app)")
    file = cj.funnel(log, ["a", "b"], window="1D", by="channel").to_excel(tmp_path / "f.xlsx")
    assert names(file) == ["Headline", "Definition", "Table", "Overall"]
    headline, table = cells(file, 1), cells(file, 3)
    assert headline["A2"].startswith("1 of 2 customers (50.0%")
    assert [headline[f"{column}1"] for column in "BCDE"] == ["value", "95% low", "95% high", "n"]
    assert (headline["A3"], headline["B3"], headline["E3"]) == ("Conversion", 0.5, 2.0)
    assert [table["A2"], table["B2"], table["C2"], table["D2"]] == ["app", 1.0, "a", 1.0]


def test_text_from_data_is_never_a_formula_or_a_link(tmp_path, result):
    file = result.to_excel(tmp_path / "r.xlsx")
    table = cells(file, 3)
    assert [table[f"A{row}"] for row in range(2, 10)] == HOSTILE
    assert cells(file, 1)["A2"] == result.headline
    assert cells(file, 2)["A2"] == "=rule"


def test_numbers_dates_and_gaps_are_what_excel_knows(tmp_path, result):
    table = cells(result.to_excel(tmp_path / "r.xlsx"), 3)
    assert table["B3"] == 1.0
    assert "C3" not in table
    assert table["C4"] == "inf"
    assert table["D2"] == 45474.5
    assert table["E7"] == "(1, 2)"


def test_arrow_and_polars_hold_the_table(result):
    polars = pytest.importorskip("polars")
    arrow = result.to_arrow()
    assert arrow.column_names == list(result.table.columns)
    assert arrow["count"].to_pylist() == result.table["count"].tolist()
    assert arrow["anything"].to_pylist()[:4] == ["1", "a", None, "2.5"]
    frame = result.to_polars()
    assert frame["at"].dtype == polars.Datetime("us", "Europe/Berlin")
    assert frame["name"].to_list() == HOSTILE


@pytest.mark.parametrize("path", ["r.csv", "nowhere/r.xlsx"])
def test_a_path_that_will_not_do_is_an_error(tmp_path, result, path):
    with pytest.raises(cj.CjlibError, match="path: "):
        result.to_excel(tmp_path / path)


def test_a_table_too_long_for_a_sheet_is_an_error(tmp_path, result, monkeypatch):
    monkeypatch.setattr(workbook, "MOST_ROWS", 7)
    with pytest.raises(cj.CjlibError, match="the sheet Table would have 8 rows, Excel holds 7"):
        result.to_excel(tmp_path / "r.xlsx")


def test_a_library_that_is_not_there_is_named(tmp_path, result, monkeypatch):
    for library in ("xlsxwriter", "polars"):
        monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(cj.CjlibError, match=r"notebooks\[excel\]"):
        result.to_excel(tmp_path / "r.xlsx")
    with pytest.raises(cj.CjlibError, match=r"notebooks\[polars\]"):
        result.to_polars()


def test_a_result_without_an_answer_can_be_written(tmp_path):
    unanswered = Result.unanswered("Nobody bought.")
    file = unanswered.to_excel(tmp_path / "u.xlsx")
    assert cells(file, 1)["A2"] == "Nobody bought."
    assert unanswered.to_arrow().num_rows == 0
