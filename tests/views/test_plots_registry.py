"""Which module draws a result, and what stands in place of a figure that cannot be drawn."""

from __future__ import annotations

import sys
from types import ModuleType

import pandas as pd
import pytest

import cjlib as cj
from cjlib.analyses.result import Result
from cjlib.views.plots import views_of


def test_an_analysis_that_is_new_is_drawn_by_the_module_of_its_name(monkeypatch):
    class Basket(Result):
        __module__ = "cjlib.analyses.baskets.result"

    plots = ModuleType("cjlib.views.plots.baskets")
    plots.VIEWS = {"Basket": {"contents": lambda result: "drawn"}}
    monkeypatch.setattr(
        "cjlib.views.plots.find_spec",
        lambda name: name if name == plots.__name__ else None,
    )
    monkeypatch.setitem(sys.modules, plots.__name__, plots)
    basket = Basket(table=pd.DataFrame(), headline="", definition={})
    assert list(views_of(basket)) == ["contents"]
    assert cj.plot(basket) == "drawn"


def test_a_result_without_an_answer_is_drawn_as_its_reason_and_holds_no_table():
    note = cj.plot(Result.unanswered("Nobody <was> asked."), "any view")
    shown = note._repr_mimebundle_()
    assert shown == {
        "text/plain": "Nobody <was> asked.",
        "text/html": '<p class="cj-reason">Nobody &lt;was&gt; asked.</p>',
    }
    assert note.layout.meta["caption"] == "Nobody <was> asked."


@pytest.mark.parametrize("thing", [3, "funnel", pd.DataFrame()])
def test_what_no_analysis_gave_is_refused(thing):
    with pytest.raises(cj.CjlibError, match="result: there is no figure for"):
        cj.plot(thing)
