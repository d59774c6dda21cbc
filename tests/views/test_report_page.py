"""From an executed notebook to its page: what is shown, what is left out, and that nothing of it can run."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from itertools import pairwise
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from cjlib.analyses.result import Result, metric
from cjlib.views.notebook.summary_cards import summary
from cjlib.views.report.clean import clean, markdown
from cjlib.views.report.figures import MIME, decoded, in_script, read_figure, trace_table, unbroken
from cjlib.views.report.page import Page, read_page
from cjlib.views.report.render import own, packed_plotly, policy, render

EVIL = "</script><img src=x onerror=alert(1)><!--<script>"
FRAME = {
    "journey": EVIL,
    "made": "2025-01-01 00:00 UTC",
    "published": "",
    "version": "0.1",
    "provenance": [("Run", EVIL)],
}


def shown(**data: object) -> object:
    return new_output(
        "display_data", data={key.replace("_", "/"): value for key, value in data.items()}
    )


def result_of(headline: str = "12 of 40 buy.") -> Result:
    return Result(
        table=pd.DataFrame({"step": ["visit", "buy"], "customers": [40, 12]}),
        headline=headline,
        definition={
            "window": "14 days",
            "rows used": "52 events",
            "rows left out": "3 in quarantine",
        },
        metrics={"conversion": metric(0.3, 0.18, 0.45, 40)},
    )


def code(source: str, *outputs: object, tags: tuple[str, ...] = ()) -> object:
    return new_code_cell(
        source,
        outputs=list(outputs),
        metadata={"tags": list(tags), "papermill": {"status": "completed"}},
    )


def displayed(thing: object) -> object:
    return new_output("display_data", data=thing._repr_mimebundle_())  # type: ignore[attr-defined]


@pytest.fixture
def page_of(tmp_path: Path):
    def make(*cells: object, error: dict | None = None) -> Page:
        file = tmp_path / "nb.ipynb"
        nbformat.write(new_notebook(cells=list(cells)), file)
        return read_page(file, error=error)

    return make


def written(page: Page, **options: object) -> str:
    return render(page, frame=FRAME, name="nb", parameters={}, **options)  # type: ignore[arg-type]


def words(text: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^<>]*>", " ", text)).split())


# ---- what is shown -----------------------------------------------------------------------------------------------


def test_the_question_is_the_only_h1_and_the_answer_stands_right_under_it(page_of):
    page = page_of(
        new_markdown_cell("# How many buy?\n\nA decision."),
        new_markdown_cell("## Data"),
        code("x", shown(text_html="<p>rows</p>")),
        code("a", displayed(summary(result_of()))),
    )
    text = written(page)
    assert page.title == "How many buy?"
    assert text.count("<h1") == 1
    body = text[text.index("<h1") :]
    assert (
        body.index("How many buy?")
        < body.index("12 of 40 buy.")
        < body.index("cj-cards")
        < body.index("A decision.")
        < body.index("rows")
    )


def test_a_second_h1_becomes_a_section_and_levels_leave_no_gap(page_of):
    page = page_of(
        new_markdown_cell("# One\n\n### Deep first\n\nwords\n\n# Two\n\n##### Very deep\n\nwords")
    )
    text = written(page)
    levels = [int(level) for level in re.findall(r"<h([1-6])", text[: text.index("<footer")])]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert [section.title for section in page.sections] == ["Deep first", "Two"]


def test_headings_of_one_name_get_ids_of_their_own(page_of):
    page = page_of(
        new_markdown_cell("## Same\n\na"),
        new_markdown_cell("## Same\n\nb"),
        new_markdown_cell("## Ünïcode only: ☃\n\nc"),
        new_markdown_cell("## ☃\n\nd"),
    )
    assert [section.id for section in page.sections] == [
        "s-same",
        "s-same-2",
        "s-n-code-only",
        "s-part",
    ]


def test_a_bare_repr_is_not_shown_unless_its_cell_is_tagged(page_of):
    plain = new_output("execute_result", data={"text/plain": "np.float64(0.21)"}, execution_count=1)
    text = written(page_of(code("share", plain), code("kept", plain, tags=("keep-text",))))
    assert text.count("np.float64(0.21)") == 1


def test_a_section_says_a_claim_once(page_of):
    result = shown(
        text_html='<section class="cj-result"><p class="cj-headline">12% buy.</p><table><tr><td>the table</td></tr></table></section>'
    )
    figure = shown(
        **{
            "application/vnd.plotly.v1+json": {
                "data": [{"type": "bar", "x": [1]}],
                "layout": {"meta": {"caption": "12% buy. 3 are in the table only."}},
            }
        }
    )
    nothing = shown(
        **{
            "application/vnd.plotly.v1+json": {
                "data": [],
                "layout": {"meta": {"caption": "There are no groups."}},
            }
        }
    )
    page = page_of(
        new_markdown_cell("## One"),
        code("a", figure, result, nothing, nothing),
        new_markdown_cell("## Two"),
        code("b", result, nothing),
    )
    one, two = ("".join(str(block.html) for block in section.blocks) for section in page.sections)
    assert "12% buy." not in one
    assert "the table" in one
    assert one.count("There are no groups.") == 1
    assert "12% buy." in two
    assert two.count("There are no groups.") == 1


@pytest.mark.parametrize(
    ("caption", "claim"),
    [
        ("12 of 40 buy. 3 are in the table only.", "3 are in the table only."),
        ("12 of 40 buy.", ""),
        ("Visitors differ. 12 of 40 buy.", "Visitors differ. 12 of 40 buy."),
    ],
)
def test_a_figure_does_not_say_again_what_the_answer_has_said(page_of, caption, claim):
    figure = shown(
        **{
            "application/vnd.plotly.v1+json": {
                "data": [{"type": "bar", "x": [1]}],
                "layout": {"meta": {"caption": caption}},
            }
        }
    )
    page = page_of(
        new_markdown_cell("# Who buys?"),
        code("cj.summary(funnel)", displayed(summary(result_of()))),
        new_markdown_cell("## Step by step"),
        code("cj.plot(funnel)", figure),
    )
    figures = [block.figure for block in page.sections[-1].blocks if block.figure]
    assert [one.claim for one in figures] == [claim]


def test_why_nothing_can_be_said_is_told_once_at_the_top(page_of):
    reason = "Who will leave cannot be said: the log is too short."
    unanswered = Result.unanswered(reason)
    page = page_of(
        new_markdown_cell("# Who leaves?"),
        code("cj.summary(scores)", displayed(summary(unanswered))),
        new_markdown_cell("## Who is at risk\n\nThe riskiest first."),
        code("cj.table(scores)", shown(text_html=f"<p>{reason}</p>")),
        new_markdown_cell("## What is it worth?"),
        code("cj.plot(worth)", shown(text_html='<p class="cj-reason">No value is given.</p>')),
    )
    *_, risk, worth = page.sections
    assert risk.gist == "Not answered, for the reason at the top."
    assert not risk.seen
    assert (worth.seen, worth.gist) == (True, "No value is given.")


def test_a_section_with_nothing_but_code_is_not_in_the_contents(page_of):
    page = page_of(
        new_markdown_cell("## Set-up"),
        code("import cjlib"),
        new_markdown_cell("## Figures\n\nwords"),
    )
    text = written(page)
    assert [section.seen for section in page.sections] == [False, True]
    assert "Set-up" not in text[text.index('<nav class="cj-contents"') : text.index("</nav>")]
    assert ' cj-only-code"' in text


def test_a_section_that_shows_nothing_because_its_output_is_a_bare_repr_is_named(page_of):
    plain = new_output("execute_result", data={"text/plain": "0.21"}, execution_count=1)
    page = page_of(
        new_markdown_cell("## Bare"),
        code("share", plain),
        new_markdown_cell("## Set-up"),
        code("x = 1"),
        new_markdown_cell("## Words\n\nw"),
        code("y", plain),
    )
    assert page.facts["empty"] == ["Bare"]


def test_cells_of_papermill_and_injected_parameters_are_left_out(page_of):
    red = new_markdown_cell(
        '<span style="color:red">An Exception was encountered</span>',
        metadata={"tags": ["papermill-error-cell-tag"]},
    )
    text = written(
        page_of(red, code("secret = 1", tags=("injected-parameters",)), new_markdown_cell("words"))
    )
    assert "An Exception" not in text
    assert "secret" not in text


def test_prints_and_warnings_are_shown_as_what_they_are(page_of):
    page = page_of(
        code(
            "x",
            new_output("stream", name="stdout", text=f"counted {EVIL}\n"),
            new_output("stream", name="stderr", text="a warning"),
        )
    )
    assert [block.kind for block in page.sections[0].blocks] == ["code", "printed", "messages"]
    assert f"counted {html.escape(EVIL, quote=False)}" in written(page)


def test_pictures_are_in_the_page_and_an_svg_is_a_picture_too(page_of):
    pixel = base64.b64encode(b"png").decode()
    page = page_of(
        new_markdown_cell("## Here"),
        code(
            "x",
            shown(image_png=pixel + "\n"),
            new_output("display_data", data={"image/svg+xml": "<svg onload='x'/>"}),
        ),
    )
    pictures = [block for block in page.sections[-1].blocks if block.kind == "image"]
    assert pictures[0].source == f"data:image/png;base64,{pixel}"
    assert base64.b64decode(pictures[1].source.split(",")[1]) == b"<svg onload='x'/>"
    assert "<svg" not in written(page)


def test_widgets_and_scripts_that_a_notebook_holds_are_dropped(page_of):
    view = new_output(
        "display_data",
        data={
            "application/vnd.jupyter.widget-view+json": {"model_id": "m"},
            "text/plain": "Dropdown()",
        },
    )
    script = new_output(
        "display_data",
        data={"application/javascript": "alert(1)", "text/plain": "<IPython.Javascript>"},
    )
    assert [block.kind for block in page_of(code("w", view, script)).sections[0].blocks] == ["code"]


def test_a_result_tells_its_definition_and_metrics_once_however_often_it_is_shown(page_of):
    result = result_of()
    page = page_of(
        code("a", displayed(summary(result))),
        code("b", displayed(result)),
        code("c", displayed(result)),
    )
    assert [one["kind"] for one in page.facts["results"]] == ["Result"]
    assert page.facts["results"][0]["metrics"]["conversion"] == metric(0.3, 0.18, 0.45, 40)


def test_the_headline_of_a_page_is_the_first_sentence_of_its_answer(page_of):
    assert (
        page_of(
            code("a", displayed(summary(result_of(f"First {EVIL}."), result_of("Second."))))
        ).facts["headline"]
        == "First " + EVIL + "."
    )
    assert page_of(code("a", displayed(result_of("Alone.")))).facts["headline"] == "Alone."
    assert page_of(new_markdown_cell("words")).facts["headline"] == ""


def test_the_top_says_which_data_and_the_foot_which_rows_were_left_out(page_of):
    quality = shown(
        text_html='<section class="cj-quality"><p>52 events of 40 customers, 2025 (Europe/Berlin)</p><table></table></section>'
    )
    text = written(page_of(code("log", quality), code("a", displayed(summary(result_of())))))
    assert "52 events of 40 customers, 2025 (Europe/Berlin) · made 2025-01-01 00:00 UTC" in text
    assert (
        "Data 52 events of 40 customers, 2025 (Europe/Berlin) Rows used 52 events Rows left out 3 in quarantine"
        in words(text[text.index("<footer") :])
    )
    assert "Made 2025-01-01 00:00 UTC" in written(page_of(new_markdown_cell("words")))


# ---- a failed run ------------------------------------------------------------------------------------------------


def test_a_failed_run_says_where_and_what_and_leaves_out_what_was_not_reached(page_of):
    broken = new_output(
        "error",
        ename="ZeroDivisionError",
        evalue=EVIL,
        traceback=["\x1b[31mZeroDivisionError\x1b[0m: " + EVIL],
    )
    page = page_of(
        new_markdown_cell("# Q"),
        new_markdown_cell("## The division"),
        code("1 / 0", broken),
        new_markdown_cell("## Never reached\n\nnot shown"),
        error={"type": "ZeroDivisionError", "message": EVIL, "exit_code": 1},
    )
    text = written(page)
    assert page.facts["error"] == {
        "type": "ZeroDivisionError",
        "message": EVIL,
        "exit_code": 1,
        "cell": 3,
        "section": "The division",
    }
    assert "This run failed at “The division”" in text
    assert 'role="alert"' in text
    assert "There is no published report of this notebook yet." in text
    assert "Never reached" not in text
    assert '<span class="ansi-red-fg">ZeroDivisionError</span>' in text


def test_a_run_that_was_too_late_stops_at_the_cell_that_was_running(page_of):
    late = new_code_cell("time.sleep(60)", metadata={"papermill": {"status": "running"}})
    page = page_of(
        new_markdown_cell("## First\n\nx"),
        code("1"),
        new_markdown_cell("## Waiting"),
        late,
        new_markdown_cell("## After\n\ny"),
        error={"type": "Timeout", "message": "late"},
    )
    assert page.facts["error"]["section"] == "Waiting"
    assert "After" not in written(page)


# ---- figures -----------------------------------------------------------------------------------------------------


def test_a_figure_brings_its_caption_its_words_and_its_table():
    meta = {
        "caption": "12% of all & more",
        "alt": "two bars",
        "columns": ["step", "n"],
        "rows": [["visit", 1204], [EVIL, None]],
    }
    figure = read_figure(
        {
            "data": [{"type": "bar"}],
            "layout": {"meta": meta, "height": 250, "title": {"text": "gone"}},
        },
        3,
        "heading",
    )
    assert (figure.id, figure.caption, figure.alt, figure.height) == (
        "fig-3",
        "12% of all & more",
        "two bars",
        250,
    )
    assert figure.rows == (("visit", "1,204"), (EVIL, "–"))
    assert figure.numeric == (False, True)
    assert "gone" not in figure.json
    assert "meta" not in json.loads(figure.json)["layout"]


def test_there_is_one_data_fig_for_each_figure_of_the_notebook(page_of):
    figures = [
        new_output(
            "display_data", data={MIME: json.loads(go.Figure(go.Bar(x=["a"], y=[1])).to_json())}
        )
        for _ in range(3)
    ]
    text = written(page_of(code("x", *figures)))
    assert re.findall(r'data-fig="(fig-\d)"', text) == ["fig-1", "fig-2", "fig-3"]
    assert (
        len(re.findall(r'<script type="application/(?:json|octet-stream)" id="fig-\d">', text)) == 3
    )
    assert text.count("<details") == 3


def test_a_link_to_a_notebook_leads_to_its_report():
    assert '<a href="02_retention.html">' in str(markdown("next: [retention](02_retention.ipynb)"))
    assert '<a href="02_retention.html#how">' in str(
        clean('<p><a href="02_retention.ipynb#how">retention</a></p>')
    )


def test_a_link_to_a_file_that_a_mailed_report_leaves_behind_is_its_words_alone():
    assert (
        str(markdown("see [docs/funnel.md](../docs/funnel.md)")).strip()
        == "<p>see <span>docs/funnel.md</span></p>"
    )
    for kept in ("#part", "https://example.org/a", "mailto:a@example.org"):
        assert f'href="{kept}"' in str(markdown(f"see [it]({kept})"))


def test_a_question_that_was_not_asked_is_not_in_the_report_but_with_its_code(page_of):
    answered = shown(text_html="<p>an answer</p>")
    page = page_of(
        new_markdown_cell("# Title\n\nWhat it serves."),
        code("import cjlib"),
        new_markdown_cell("## Has it changed?\n\nWhere a day is given."),
        code("x if day else None"),
        new_markdown_cell("## Is it better?\n\nBy period."),
        code("trend", answered),
        new_markdown_cell("Where a start is given."),
        code("before if start else None"),
        new_markdown_cell("## Limits\n\nNot why."),
    )
    kinds = {section.title: [block.kind for block in section.blocks] for section in page.sections}
    assert kinds["Has it changed?"] == ["unasked", "code"]
    assert kinds["Is it better?"] == ["words", "code", "html", "unasked", "code"]
    assert [section.title for section in page.sections if section.seen] == [
        "",
        "Is it better?",
        "Limits",
    ]
    assert "What it serves." in written(page)


def test_a_figure_without_marks_is_its_sentence(page_of):
    empty = new_output(
        "display_data",
        data={MIME: {"data": [], "layout": {"meta": {"caption": "Nobody <b>was</b> asked."}}}},
    )
    page = page_of(new_markdown_cell("## Feelings"), code("plot", empty))
    assert page.facts["figures"] == 0
    assert '<div class="cj-nothing"><p>Nobody &lt;b&gt;was&lt;/b&gt; asked.</p></div>' in written(
        page
    )


def test_without_a_caption_the_title_and_then_the_heading_stand_in():
    assert (
        read_figure(
            {"data": [], "layout": {"title": {"text": "A <b>title</b> &lt;x&gt;"}}}, 1, "heading"
        ).caption
        == "A title <x>"
    )
    assert read_figure({"data": [], "layout": {}}, 1, "heading").caption == "heading"


def test_the_table_of_a_foreign_figure_is_read_from_its_traces_hidden_ones_included():
    bars = go.Figure(
        [
            go.Bar(name="<b>web</b>", x=["a", "b"], y=np.array([1.5, 2.5])),
            go.Bar(name="shop", x=["a"], y=[3], visible=False),
        ]
    )
    bars.update_layout(xaxis_title="step", yaxis_title={"text": "share"})
    spec = json.loads(bars.to_json())
    assert "bdata" in json.dumps(spec)
    columns, rows = trace_table(spec["data"], spec["layout"])
    assert columns == ["series", "step", "share"]
    assert rows == [["web", "a", 1.5], ["web", "b", 2.5], ["shop", "a", 3]]


@pytest.mark.parametrize(
    ("trace", "columns", "rows"),
    [
        (go.Pie(labels=["a &amp; b"], values=[2]), ["label", "value"], [["a & b", 2]]),
        (
            go.Heatmap(z=np.array([[1.0, 2.0], [3.0, np.nan]]), x=["p", "q"]),
            ["row", "column", "value"],
            [[1, "p", 1.0], [1, "q", 2.0], [2, "p", 3.0], [2, "q", None]],
        ),
        (
            go.Sankey(
                node={"label": ["a", "b"]}, link={"source": [0], "target": [1], "value": [5]}
            ),
            ["from", "to", "value"],
            [["a", "b", 5]],
        ),
        (go.Scatter(x=[], y=[]), [], []),
    ],
)
def test_every_kind_of_trace_has_a_table(trace, columns, rows):
    spec = json.loads(go.Figure(trace).to_json())
    found, values = trace_table(spec["data"], spec["layout"])
    assert found == columns
    assert [
        [None if isinstance(value, float) and np.isnan(value) else value for value in row]
        for row in values
    ] == rows


def test_typed_arrays_are_decoded_whatever_their_shape():
    grid = np.arange(6, dtype="int16").reshape(2, 3)
    assert decoded(
        {"bdata": base64.b64encode(grid.tobytes()).decode(), "dtype": "i2", "shape": "2, 3"}
    ) == [[0, 1, 2], [3, 4, 5]]


def test_a_long_table_says_how_many_rows_it_leaves_out():
    figure = read_figure(
        {"data": [], "layout": {"meta": {"columns": ["n"], "rows": [[n] for n in range(1234)]}}},
        1,
        "",
    )
    assert (len(figure.rows), figure.more_rows) == (500, 734)


def test_menus_of_plotly_become_lists_of_the_page():
    menus = [
        {
            "name": "Window",
            "active": 1,
            "buttons": [
                {"label": "7 &lt; 8", "method": "update", "args": [{"visible": [True]}]},
                {"label": "14"},
            ],
        },
        {"visible": False},
    ]
    spec = json.loads(read_figure({"data": [], "layout": {"updatemenus": menus}}, 1, "").json)
    assert "updatemenus" not in spec["layout"]
    assert spec["menus"] == [
        {
            "label": "Window",
            "active": 1,
            "options": [
                {"label": "7 < 8", "method": "update", "args": [{"visible": [True]}]},
                {"label": "14", "method": "restyle", "args": []},
            ],
        }
    ]


def test_numbers_keep_their_units_at_the_end_of_a_line():
    assert unbroken("20.5% of all, n = 12") == "20.5% of all, n\u00a0=\u00a012"
    assert unbroken("in = 3, a % b") == "in = 3, a % b"
    assert unbroken("p &lt; 0.001") == "p\u00a0&lt;\u00a00.001"
    assert unbroken("<pre>WHERE n = 3</pre> n = 3") == "<pre>WHERE n = 3</pre> n\u00a0=\u00a03"


# ---- nothing runs ------------------------------------------------------------------------------------------------


@settings(max_examples=100)
@given(
    st.recursive(
        st.text() | st.floats() | st.booleans() | st.none(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_json_in_a_script_is_the_same_json_and_cannot_leave_it(value):
    text = in_script(value)
    assert not re.search(r"[<>&\u2028\u2029]", text)
    assert json.dumps(json.loads(text)) == json.dumps(json.loads(in_script(json.loads(text))))


def test_a_number_that_is_none_becomes_null():
    assert in_script([float("nan"), float("inf"), 1.5]) == "[null,null,1.5]"


@pytest.mark.parametrize(
    ("given_html", "kept"),
    [
        ("<p onclick='x()'>words</p>", "<p>words</p>"),
        ("<script>alert(1)</script><style>p{}</style>words", "words"),
        ("<iframe src='https://a.b'></iframe><object></object><form action='x'>w</form>", "w"),
        ("<a href='javascript:alert(1)'>w</a>", "<a>w</a>"),
        ("<a href='https://example.com'>w</a>", '<a href="https://example.com">w</a>'),
        ("<img src='https://example.com/x.png' onerror='x'>words", "words"),
        (
            "<p id='fig-1' style='color:red;background:url(https://a.b)'>w</p>",
            '<p style="color:red;">w</p>',
        ),
        ("<meta http-equiv='refresh' content='0;url=https://a.b'><base href='https://a.b'>w", "w"),
        ("<svg onload='x'><script>y</script></svg>w", "<svg></svg>w"),
        (
            "<svg><rect fill='url(https://a.b#c)' stroke='#1b2430' x='1.5'></rect></svg>",
            '<svg><rect stroke="#1b2430" x="1.5"></rect></svg>',
        ),
        (
            "<svg><rect fill='u\\72l(https://a.b)' style='fill:url(https://a.b)'></rect></svg>",
            '<svg><rect style=""></rect></svg>',
        ),
        (
            "<svg><image href='https://a.b'></image><use href='#x'></use><text onclick='x'>w</text></svg>",
            "<svg><text>w</text></svg>",
        ),
        (
            "<svg xmlns='https://a.b'><foreignObject><script>y</script></foreignObject></svg>",
            "<svg></svg>",
        ),
        (
            "<div style='fill:url(https://a.b);cursor:url(https://a.b),auto;color:red'>w</div>",
            '<div style="color:red;">w</div>',
        ),
        ("<p>1 < 2 & 3</p>", "<p>1 &lt; 2 &amp; 3</p>"),
    ],
)
def test_html_of_a_notebook_keeps_its_words_and_loses_what_runs_or_loads(given_html, kept):
    assert clean(given_html) == Markup(kept)


def test_a_table_scrolls_in_its_own_box_with_texts_to_the_left():
    text = clean(
        pd.DataFrame({"share_of_first": [0.5, 0.25], "event": ["", EVIL]}).to_html(index=False)
    )
    assert text.startswith('<div class="cj-scroll"><table')
    assert "<th>share_<wbr>of_<wbr>first</th>" in text
    assert '<th class="cj-text">event</th>' in text
    assert f'<td class="cj-text">{html.escape(EVIL, quote=False)}</td>' in text


def test_a_wide_table_of_few_rows_can_stand_row_below_row_on_a_phone_each_cell_with_its_head():
    table = pd.DataFrame([[1, 2, 3, 4, "x"]] * 3, columns=["a", "b", "share_of_first", EVIL, "e"])
    text = clean(table.to_html(index=False))
    assert text.count("data-label=") == 15
    assert '<td role="cell" data-label="share_of_first">3</td>' in text
    assert f'data-label="{html.escape(EVIL)}"' in text
    assert [text.count(f'role="{role}"') for role in ("table", "row", "columnheader")] == [1, 4, 5]
    assert "data-label" not in clean(table.drop(columns="a").to_html(index=False)), "narrow"
    assert "data-label" not in clean(pd.concat([table] * 3).to_html(index=False)), "long"


@pytest.mark.parametrize(("rows", "labels"), [(8, 40), (9, 0)])
def test_the_table_of_a_figure_stands_row_below_row_on_a_phone_too(page_of, rows, labels):
    meta = {
        "caption": "c",
        "columns": ["a", EVIL, "c", "d", "e"],
        "rows": [[f"r{n}", 1, 2, 3, "x"] for n in range(rows)],
    }
    told = {
        MIME: {"data": [{"type": "bar", "x": ["a"], "y": [1]}], "layout": {"meta": meta}},
        "text/plain": "",
    }
    text = render(
        page_of(code("f", new_output("display_data", data=told))),
        frame=FRAME,
        name="nb",
        parameters={},
    )
    assert text.count(' data-label="') == labels
    assert (
        not labels
        or f'<td role="cell" data-label="{html.escape(EVIL).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")}">1</td>'
        in text
    )


def test_every_text_from_outside_is_shown_as_the_text_it_is(page_of):
    evil_figure = {
        MIME: {
            "data": [{"type": "bar", "x": [EVIL], "y": [1], "name": EVIL}],
            "layout": {"title": EVIL},
        },
        "text/plain": "",
    }
    cells = [
        new_markdown_cell(f"# Title {EVIL} end\n\n## Heading {EVIL} end\n\nwords {EVIL}"),
        code(
            f"print({EVIL!r})",
            new_output("display_data", data=evil_figure),
            displayed(result_of(EVIL)),
            shown(text_html=f"<p>{EVIL}</p>"),
            shown(text_markdown=EVIL),
        ),
    ]
    text = render(page_of(*cells), frame=FRAME, name="nb", parameters={EVIL: EVIL, "other": [EVIL]})
    ours = [own("early.js"), own("report.js")]
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", text, re.DOTALL)
    assert [body for kind, body in scripts if "type=" not in kind] == ours
    assert not re.search(
        r"<[^<>]*\son\w+\s*=", re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    )
    assert "<img src=x" not in text
    assert html.escape(EVIL, quote=False) in text


def test_only_our_scripts_may_run_and_nothing_may_be_loaded():
    rules = policy("a", "b")
    for script in ("a", "b"):
        assert (
            f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
            in rules
        )
    assert rules.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in rules.split("style-src")[0]
    assert "http" not in rules
    assert "file:" in policy("a", shared=True)
    assert "blob:" not in policy("a", shared=True).split(";")[1]


def test_a_page_names_no_other_place_on_the_network(page_of):
    figure = new_output(
        "display_data", data={MIME: json.loads(go.Figure(go.Bar(x=["a"], y=[1])).to_json())}
    )
    text = written(page_of(code("x", figure)))
    without_library = re.sub(
        r'<script type="application/octet-stream".*?</script>', "", text, flags=re.DOTALL
    )
    assert not re.search(r"(src|href|action)=[\"']?(https?:)?//", without_library)
    assert "url(" not in without_library


def test_plotly_is_packed_the_same_way_every_time_and_a_page_without_figures_has_none(page_of):
    assert packed_plotly() == packed_plotly()
    assert "cj-plotly-packed" in own("report.js")
    text = written(page_of(new_markdown_cell("# Words only")))
    assert 'id="cj-plotly' not in text
    assert len(text) < 60_000


def test_a_report_with_figures_stays_under_its_size_goal(page_of):
    figure = new_output(
        "display_data", data={MIME: json.loads(go.Figure(go.Bar(x=["a"], y=[1])).to_json())}
    )
    page = page_of(code("x", figure))
    assert len(written(page).encode()) <= 2_100_000
    assert len(written(page, shared=True).encode()) <= 120_000


# ---- summary and order ---------------------------------------------------------------------------------------------


def drawn(caption: str, height: int) -> object:
    layout = {"height": height, "meta": {"caption": caption, "columns": ["a"], "rows": [[1]]}}
    return new_output(
        "display_data", data={MIME: {"data": [{"type": "bar", "y": [1]}], "layout": layout}}
    )


def test_evidence_comes_before_the_data_and_the_limitations(page_of):
    quality = shown(text_html='<div class="cj-quality"><p>9 events.</p></div>')
    page = page_of(
        new_markdown_cell("# Q"),
        new_markdown_cell("## Data quality"),
        code("q", quality),
        new_markdown_cell("## Limitations\n\nmany"),
        new_markdown_cell("## Steps"),
        code("f", drawn("Half go on.", 300)),
    )
    assert [section.title for section in page.sections] == ["Steps", "Data quality", "Limitations"]
    assert "</h2> <span>9 events.</span></summary>" in written(page)


def test_a_summary_shows_pictures_while_there_is_room_and_claims_after(page_of):
    cells = []
    for number, height in enumerate((600, 400, 300), 1):
        cells += [new_markdown_cell(f"## S{number}"), code("f", drawn(f"Claim {number}.", height))]
    sections = page_of(*cells).sections
    assert [section.lead is not None for section in sections] == [True, False, False]
    assert [section.gist for section in sections] == ["", "Claim 2.", "Claim 3."]


def test_a_comparison_without_a_finding_is_one_line(page_of):
    page = page_of(new_markdown_cell("## S"), code("f", drawn("No significant difference.", 300)))
    text = written(page)
    assert '<details class="cj-unremarkable"><summary>No significant difference.</summary>' in text
    assert page.sections[0].lead is None


def test_a_page_explains_the_terms_it_uses(page_of):
    text = written(page_of(new_markdown_cell("## S\n\nThe median.")))
    assert "<dt>median</dt>" in text
    assert "<dt>AUC</dt>" not in text


def test_what_the_top_has_said_leaves_no_footnote_for_a_gist(page_of):
    page = page_of(
        new_markdown_cell("# Who comes back?"),
        code("cj.summary(result)", shown(text_html='<p class="cj-headline">Half do.</p>')),
        new_markdown_cell("## First"),
        code("f", drawn("First.", 900)),
        new_markdown_cell("## By cohort"),
        code("g", drawn("Half do. 29 earlier cohorts are in the table only.", 900)),
        new_markdown_cell("## Contacted"),
        code("h", shown(text_html='<p class="cj-reason">No list. Write one with list.csv.</p>')),
    )
    *_, cohorts, contacted = page.sections
    assert (cohorts.gist, contacted.gist) == ("", "No list.")


def test_what_pandas_knows_nothing_of_is_a_dash():
    table = pd.DataFrame({"a": [1.5, None], "b": ["NaN or so", "None"]}).to_html()
    shown = clean(table)
    assert "<td>–</td>" in shown
    assert "NaN or so" in shown
    assert ">None<" in shown
