"""Reports as a reader meets them: offline, on a phone, in the dark, on paper, by keyboard, without JavaScript."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest

from cjlib.analyses.findings import Finding
from cjlib.views import marks
from cjlib.views.marks import Mark, Scale
from cjlib.views.plots import theme
from cjlib.views.report.page import read_page
from cjlib.views.report.publishing import write_index
from cjlib.views.report.render import render, write_asset
from cjlib.views.report.run_store import Run

pytestmark = pytest.mark.browser

PAGES = ("ok.html", "hostile.html", "broken.html", "../../index.html", "../../runs.html")
CONTRASTS = """() => {
  const parse = (text) => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return { r, g, b, a }; };
  const over = (top, under) => ({ r: top.r * top.a + under.r * (1 - top.a), g: top.g * top.a + under.g * (1 - top.a), b: top.b * top.a + under.b * (1 - top.a), a: 1 });
  const light = ({ r, g, b }) => { const f = (v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }; return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
  const ground = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.push(parse(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((under, top) => over(top, under), { r: 255, g: 255, b: 255, a: 1 });
  };
  const poor = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !element.checkVisibility() || element.closest("svg, script, style, .cj-hidden, .cj-skip")) continue;
    const under = ground(element);
    const [a, b] = [light(over(parse(getComputedStyle(element).color), under)), light(under)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) poor.push(`${ratio.toFixed(2)} ${texts.currentNode.data.trim().slice(0, 40)}`);
  }
  return poor;
}"""
SIDEWAYS = "document.documentElement.scrollWidth > innerWidth"


def test_every_figure_is_drawn_without_a_request_or_a_complaint(look, pages):
    seen = look(pages / "ok.html")
    assert seen.figures == 3
    seen.draw_all()
    assert seen.requests == []
    assert seen.complaints == []


def test_a_page_that_shares_plotly_with_others_draws_as_well(look, pages, tmp_path):
    frame = {"journey": "", "made": "", "published": "", "version": "", "provenance": []}
    shared = tmp_path / "runs" / "1" / "ok.html"
    shared.parent.mkdir(parents=True)
    shared.write_text(
        render(read_page(pages / "ok.ipynb"), frame=frame, name="ok", parameters={}, shared=True),
        encoding="utf-8",
    )
    write_asset(tmp_path)
    seen = look(shared)
    seen.draw_all()
    assert seen.requests == []
    assert seen.complaints == []


@pytest.mark.parametrize("name", PAGES)
def test_nothing_from_outside_runs(look, pages, name):
    seen = look(pages / name)
    seen.page.evaluate(
        "document.querySelectorAll('main *').forEach((one) => one.dispatchEvent(new MouseEvent('mouseover', { bubbles: true })))"
    )
    seen.page.wait_for_timeout(300)
    assert seen.page.evaluate("window.hacked") is None
    assert seen.requests == []
    assert seen.complaints == []
    assert seen.page.url.startswith("file:")


def test_a_smuggled_script_is_refused_even_if_it_got_into_the_page(look, pages, tmp_path):
    smuggled = tmp_path / "smuggled.html"
    text = (pages / "ok.html").read_text(encoding="utf-8")
    smuggled.write_text(
        text.replace(
            "<main", "<script>window.hacked=1</script><img src=x onerror='window.hacked=2'><main", 1
        ),
        encoding="utf-8",
    )
    seen = look(smuggled)
    seen.draw_all()
    assert seen.page.evaluate("window.hacked") is None
    assert len([one for one in seen.complaints if "Content Security Policy" in one]) >= 2


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_needs_no_sideways_scroll_and_reads_well_in_the_dark(look, pages, name):
    seen = look(pages / name, width=390, dark=True)
    if name == "ok.html":
        seen.draw_all()
    assert not seen.page.evaluate(SIDEWAYS)
    assert seen.page.evaluate(CONTRASTS) == []
    seen.page.evaluate(
        "document.querySelectorAll('details').forEach((one) => { one.open = true; })"
    )
    assert not seen.page.evaluate(SIDEWAYS)
    assert seen.page.evaluate(CONTRASTS) == []


@pytest.mark.parametrize("name", PAGES)
def test_light_pages_have_contrast_landmarks_and_one_title(look, pages, name):
    page = look(pages / name).page
    page.evaluate(
        "document.querySelectorAll('details').forEach((one) => { one.open = true; }); document.documentElement.classList.add('with-code')"
    )
    assert page.evaluate(CONTRASTS) == []
    assert page.evaluate(
        "[document.documentElement.lang, document.querySelectorAll('h1').length, document.querySelectorAll('main').length]"
    ) == [
        "en",
        1,
        1,
    ]
    assert page.evaluate("['header', 'main'].every((name) => document.querySelector(name))")
    levels = page.evaluate(
        "[...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].map((one) => Number(one.tagName[1]))"
    )
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.evaluate(
        "[...document.querySelectorAll('button')].every((one) => one.textContent.trim())"
    )
    assert page.evaluate(
        "[...document.querySelectorAll('img, [role=img]')].every((one) => one.alt || one.getAttribute('aria-label'))"
    )
    # Asked at once, since figures that are still being drawn bring ids of their own.
    assert (
        page.evaluate(
            "[...document.querySelectorAll('[id]')].map((one) => one.id).filter((id, k, every) => every.indexOf(id) !== k)"
        )
        == []
    )


def test_a_choice_changes_the_data_that_is_drawn_and_the_picture_for_paper(look, pages):
    seen = look(pages / "ok.html")
    seen.draw_all()
    visible = (
        "document.querySelector('[data-fig=fig-2]').data.map((trace) => trace.visible !== false)"
    )
    paper = "(document.querySelector('[data-fig=fig-2]').parentElement.querySelector('img.cj-paper') || {}).src || ''"
    assert seen.page.evaluate(visible) == [True, False]
    seen.until(f"({paper}).startsWith('data:image/svg')", True)
    before = seen.page.evaluate(paper)
    seen.page.get_by_role("combobox", name="Channel", exact=True).select_option(label="shop")
    seen.until(visible, [False, True])
    seen.until(f"({paper}) !== {before!r}", True)


def test_the_buttons_show_the_code_and_change_the_theme_of_page_and_figures(look, pages):
    seen = look(pages / "ok.html")
    seen.draw_all()
    page = seen.page
    assert not page.locator(".cj-code").first.is_visible()
    page.get_by_role("button", name="Show code").click()
    assert page.locator(".cj-code").first.is_visible()
    assert page.get_by_role("button", name="Hide code").get_attribute("aria-pressed") == "true"
    ink = "document.querySelector('[data-fig=fig-1]').layout.font.color"
    assert page.evaluate(ink) == "#1b2430"
    for name in ("system", "light"):
        page.get_by_role("button", name=f"Theme: {name}").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(14, 18, 24)"
    seen.until(ink, "#e8ebf0")
    assert page.evaluate(CONTRASTS) == []


def test_the_keyboard_reaches_everything_in_order_and_shows_where_it_is(look, pages):
    seen = look(pages / "ok.html")
    seen.draw_all()
    seen.page.evaluate("scrollTo(0, 0)")
    stops = []
    for _ in range(60):
        seen.page.keyboard.press("Tab")
        stop = seen.page.evaluate(
            "(() => { const at = document.activeElement; return [at.tagName, (at.textContent || '').trim().slice(0, 24), getComputedStyle(at).outlineStyle, !!at.closest('.js-plotly-plot')]; })()"
        )
        if stop[0] == "BODY":
            break
        stops.append(stop)
    words = [stop[1] for stop in stops]
    assert words[:7] == [
        "Skip to the content",
        "All reports",
        "Summary",
        "Full",
        "Show code",
        "Theme: system",
        "Print",
    ]
    assert "Contents" in words
    assert sum(word.startswith("Show the data") for word in words) == 3
    assert any(stop[0] == "SELECT" for stop in stops)
    assert not any(stop[3] for stop in stops)
    assert all(stop[2] != "none" for stop in stops)


def test_without_javascript_the_answer_the_words_and_every_number_are_there(look, pages):
    seen = look(pages / "ok.html", script=False)
    page = seen.page
    assert page.locator("h1").inner_text() == "How many buy?"
    assert page.locator(".cj-headline").first.inner_text().startswith("204 of 1,000 customers")
    assert page.locator("figure table").count() == 3
    assert page.locator("figure table").first.is_visible()
    assert page.locator("figure").first.get_by_role("cell", name="20.4%").is_visible()
    assert not page.locator(".cj-tools").is_visible()
    assert not page.locator(".cj-plot").first.is_visible()  # no hole where the picture would be


def test_paper_gets_every_figure_as_a_picture_that_fits_and_every_table(look, pages, tmp_path):
    seen = look(pages / "ok.html", dark=True)
    seen.draw_all()
    seen.until("document.querySelectorAll('figure img.cj-paper').length", 3)
    seen.page.emulate_media(media="print")
    seen.page.set_viewport_size({"width": 680, "height": 900})
    seen.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    shown = seen.page.evaluate(
        "[...document.querySelectorAll('img.cj-paper')].map((one) => [one.checkVisibility(), one.getBoundingClientRect().right <= innerWidth])"
    )
    assert shown == [[True, True]] * 3
    assert not seen.page.evaluate(
        "[...document.querySelectorAll('.cj-plot')].some((one) => one.checkVisibility())"
    )
    assert seen.page.evaluate(
        "[...document.querySelectorAll('details.cj-data')].every((one) => one.open)"
    )
    assert not seen.page.evaluate(SIDEWAYS)
    assert (
        seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
        == "rgb(255, 255, 255)"
    )
    seen.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert not seen.page.evaluate(
        "[...document.querySelectorAll('details.cj-data')].some((one) => one.open)"
    )
    printed = tmp_path / "report.pdf"
    seen.page.pdf(path=printed, prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed.read_bytes())) <= 6


def test_a_failed_run_says_so_first(look, pages):
    page = look(pages / "broken.html").page
    alert = page.get_by_role("alert")
    assert alert.is_visible()
    assert alert.bounding_box()["y"] < page.locator("h1").bounding_box()["y"]
    assert not page.locator(".cj-failed pre").is_visible()
    page.get_by_text("Where it happened, for whoever fixes it").click()
    assert "ZeroDivisionError" in page.locator(".cj-failed pre").inner_text()


def test_a_figure_that_cannot_be_drawn_leaves_its_numbers(look, pages: Path, tmp_path):
    text = (pages / "ok.html").read_text(encoding="utf-8")
    torn = tmp_path / "torn.html"
    torn.write_text(
        re.sub(r'(id="cj-plotly-packed">).{400}', r"\1", text, count=1), encoding="utf-8"
    )
    seen = look(torn)
    seen.until("document.querySelectorAll('.cj-plot .cj-note').length > 0", True)
    assert (
        "Its numbers stand in the table below."
        in seen.page.locator(".cj-plot .cj-note").first.inner_text()
    )
    assert seen.page.locator("figure table").first.is_visible()


def test_a_reader_gets_the_summary_and_one_click_gives_everything(look, pages):
    page = look(pages / "ok.html", full=False).page
    assert page.get_by_role("button", name="Summary").get_attribute("aria-pressed") == "true"
    assert page.locator(".cj-figure").first.is_visible()
    shown = page.evaluate("document.documentElement.scrollHeight")
    assert not page.locator(".cj-in-full").first.is_visible()
    page.get_by_role("button", name="Full", exact=True).click()
    assert page.evaluate("document.documentElement.scrollHeight") > shown


# ---- the first page ---------------------------------------------------------------------------------------------


def briefing_page(folder: Path) -> Path:
    """The first page of a run that found a stage that hurts, a change and something good."""

    def finding(topic: str, claim: str, direction: str, customers: int, **more: object) -> dict:
        given = {"direction": direction, "family": topic, "p_adjusted": 1e-6, "unit": "share"}
        return Finding(topic=topic, claim=claim, customers=customers, **given, **more).plain()

    findings = [
        finding(
            "stage Onboarding",
            "Onboarding is the biggest pain point: 59% of the answers about Onboarding are unhappy, 21% elsewhere (n = 829).",
            "bad",
            1547,
            value=0.386,
            next_step="Product: Import without a fixed format; Fewer fields in the form.",
        ),
        finding(
            "change",
            "Newer customers come back less: cohorts from 2025-06-23 on come back in 22% fewer weeks than the cohorts before.",
            "bad",
            1231,
            value=-0.24,
            since="2025-06-23",
        ),
        finding("channel", "Email converts better: 34.0% of 746 customers.", "good", 120),
    ]
    notebook = {
        "status": "ok",
        "title": "Where does the journey hurt?",
        "headline": "Onboarding hurts.",
        "data": "157,986 events of 5,600 customers, 2025-01-01 to 2025-12-31 (Europe/Berlin)",
        "hash": "1",
        "parameters": {},
        "error": None,
        "results": [
            {
                "kind": "JourneyMap",
                "headline": "",
                "definition": {},
                "metrics": {},
                "findings": findings,
                "families": {"stage": 8, "change": 1, "channel": 5},
            }
        ],
    }
    run = Run(folder / "runs" / "1", {})
    run.folder.mkdir(parents=True)
    (folder / "map.html").write_text("map", encoding="utf-8")
    run.update(
        {
            "schema": 1,
            "id": "1",
            "status": "ok",
            "started": "2026-01-02T03:00:00+00:00",
            "finished": None,
            "seconds": 3.0,
            "journey": "Northlight (sample subscription business)",
            "notebooks": {"map": notebook},
        }
    )
    write_index(folder)
    return folder / "index.html"


FIRST_SCREEN = """() => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), seen = [];
  while (texts.nextNode()) {
    const range = document.createRange();
    range.selectNodeContents(texts.currentNode);
    const box = range.getBoundingClientRect(), element = texts.currentNode.parentElement;
    if (box.height && box.bottom <= innerHeight && element.checkVisibility() && !element.closest(".cj-hidden, .cj-skip")) seen.push(texts.currentNode.data.trim());
  }
  return seen.filter(Boolean).join(" ");
}"""


def test_a_phones_first_screen_says_what_is_worst_since_when_how_sure_how_much_and_what_next(
    look, tmp_path
):
    seen = look(briefing_page(tmp_path), width=390)
    text = " ".join(seen.page.evaluate(FIRST_SCREEN).split())
    assert "Onboarding is the biggest pain point" in text
    assert "When 2025-01-01 to 2025-12-31" in text
    assert "How sure Very sure (p < 0.001, corrected for all 14 comparisons)" in text
    assert "At stake 1,547 customers" in text
    assert "Next Product: Import without a fixed format" in text
    assert not seen.page.evaluate(SIDEWAYS)
    assert seen.page.evaluate(CONTRASTS) == []


def test_the_first_page_says_the_same_without_a_script_and_in_the_dark(look, tmp_path):
    page = look(briefing_page(tmp_path), script=False).page
    assert page.get_by_role("heading", level=1).inner_text().startswith("Onboarding is the biggest")
    assert page.get_by_role("link", name="Where does the journey hurt?").count() == 4
    assert look(tmp_path / "index.html", dark=True).page.evaluate(CONTRASTS) == []


def test_a_table_of_marks_is_there_without_a_script_on_a_phone_and_on_paper(look, tmp_path):
    rows = [
        Mark(name="ad", said="16.1%, below the others", n=1662, value=0.161, low=0.14, high=0.18),
        Mark(
            name="email", said="34.0%, above", n=746, value=0.34, low=0.31, high=0.37, strong=True
        ),
        Mark(name="shop", said="25.0%, too few to read", n=12, value=0.25, faint=True),
    ]
    figure = theme.rows_figure(
        marks.spec(rows, Scale(title="share, 95% CI", percent=True, middle=0.2), "dot"),
        caption="Email converts best.",
        alt="ad 16%, email 34%",
        columns=["channel", "share"],
        rows=[["ad", 0.161], ["email", 0.34], ["shop", 0.25]],
    )
    output = nbformat.v4.new_output("display_data", data=figure._repr_mimebundle_())
    cells = [
        nbformat.v4.new_markdown_cell("# Who converts?\n\n## By channel"),
        nbformat.v4.new_code_cell("1", outputs=[output]),
    ]
    executed = tmp_path / "a.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), executed)
    frame = {"journey": "", "made": "", "published": "", "version": "", "provenance": []}
    file = tmp_path / "a.html"
    file.write_text(render(read_page(executed), frame=frame, name="a", parameters={}), "utf-8")
    assert file.stat().st_size < 200_000  # no figure, no plotly
    for width in (1280, 390):
        seen = look(file, width=width, script=False)
        assert seen.page.locator("circle.cj-dot").count() == 3
        assert seen.page.get_by_role("rowheader", name="email").first.is_visible()
        assert not seen.page.evaluate(SIDEWAYS)
        assert seen.page.evaluate(CONTRASTS) == []
    seen = look(file, full=False)
    seen.page.emulate_media(media="print")
    seen.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert seen.page.locator(".cj-marks").is_visible()
    assert not seen.page.locator(".cj-data tbody").is_visible()


@pytest.mark.parametrize("kind", ["dot", "bar", "spark"])
@pytest.mark.parametrize("letters", [3, 30, 60, 200])
def test_a_mark_has_room_beside_a_name_of_any_length(look, tmp_path, kind, letters):
    name = ("retained from the period before " * 7)[:letters]
    n = None if kind == "spark" else 9
    row = Mark(name=name, said="66%", n=n, value=0.6, series=[0.5, 0.7, 0.6], band=[0.4, 0.8])
    title = "last 12 months; band: normal variation; dashes: target"
    table = marks.table_html(marks.spec([row], Scale(title=title, percent=True), kind))
    file = tmp_path / "a.html"
    page = f"<meta charset=utf-8><style>{marks.STYLE}</style><body style='max-width: 800px'>{table}"
    file.write_text(page, "utf-8")
    for width in (1280, 390):
        wide = "Math.min(...[...document.querySelectorAll('.cj-mark')].map((cell) => cell.offsetWidth))"
        assert look(file, width=width).page.evaluate(wide) >= 120
