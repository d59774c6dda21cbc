"""A run on disk, what readers see of it, what moved, what wakes someone, what nobody sees."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from cjlib.analyses.findings import Finding
from cjlib.analyses.result import MIME, metric
from cjlib.errors import CjlibError
from cjlib.platform import PROCESSES
from cjlib.shared.stats import wilson
from cjlib.views.report import publishing
from cjlib.views.report import publishing as index
from cjlib.views.report.alerts import judge, read_alerts
from cjlib.views.report.changes import metrics_of, moves, moves_of_run
from cjlib.views.report.page import RESULT
from cjlib.views.report.publishing import briefing
from cjlib.views.report.redaction import MASK, Mask, named_in
from cjlib.views.report.run import exit_code, journey_name
from cjlib.views.report.run_store import (
    INTERRUPTED,
    OK,
    PUBLISHING,
    RUNNING,
    Run,
    forget,
    lock,
    new_run,
    read_runs,
    shared_folder,
    write_whole,
)

EVIL = "</script><img src=x onerror=alert(1)>"
TIME = {"label": "Median time to convert", "unit": "seconds", "better": "lower"}


def conversion(value: float, low: float, high: float, n: int) -> dict:
    return metric(value, low, high, n, label="Conversion", unit="share", better="higher")


def facts(*names: str, value: float = 0.2, error: dict | None = None, **more: object) -> dict:
    result = {
        "kind": "Funnel",
        "headline": f"{value} bought.",
        "definition": {},
        "metrics": {"conversion": conversion(value, value - 0.02, value + 0.02, 1000)},
    }
    one = {
        "status": "failed" if error else "ok",
        "title": "How many?",
        "headline": f"{value} bought.",
        "hash": "h",
        "parameters": {},
        "seconds": 1.0,
        "error": error,
        "results": [result],
    }
    return {
        "journey": "Shop",
        "journey_hash": "j",
        "shared_assets": False,
        "alerts": [],
        "exit_code": 0,
        "notebooks": {name: dict(one) for name in names},
    } | more


def a_run(
    out: Path, name: str, status: str, *notebooks: str, text: str = "page", **more: object
) -> Run:
    folder = out / "runs" / name
    folder.mkdir(parents=True)
    run = Run(folder, {})
    run.update(
        {
            "schema": 1,
            "id": name,
            "status": status,
            "started": f"2025-01-{name[-2:]}T03:00:00+00:00",
            "finished": None,
            "seconds": 3.2,
            **facts(*notebooks, **more),
        }
    )
    for notebook in notebooks:
        (folder / f"{notebook}.html").write_text(f'<a href="../../index.html">{text}</a>')
    return run


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^<>]*>", " ", html[html.index("<body") :]).split())


# ---- states ------------------------------------------------------------------------------------------------------


def test_a_run_says_that_it_is_running_from_its_first_moment(tmp_path):
    run = new_run(tmp_path, facts("a"))
    told = json.loads((run.folder / "run.json").read_text())
    assert (told["schema"], told["id"], told["status"], told["finished"]) == (
        1,
        run.id,
        RUNNING,
        None,
    )
    assert [one.id for one in read_runs(tmp_path)] == [run.id]


def test_publishing_swaps_in_every_page_and_mends_its_links(tmp_path):
    run = a_run(tmp_path, "r01", RUNNING, "a", "b")
    publishing.publish(run)
    assert [(tmp_path / f"{name}.html").read_text() for name in "ab"] == [
        '<a href="index.html">page</a>'
    ] * 2
    assert json.loads((run.folder / "run.json").read_text())["status"] == OK
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "b.html", "runs"]


def test_a_link_to_a_report_that_nobody_made_is_its_words_alone(tmp_path):
    (tmp_path / "old.html").write_text("from an earlier run")
    run = a_run(tmp_path, "r01", RUNNING, "a", "b")
    (run.folder / "a.html").write_text(
        '<a href="b.html">b</a> <a href="old.html#x">old</a> <a href="c.html"><code>c</code></a>'
    )
    publishing.publish(run)
    assert (
        (tmp_path / "a.html").read_text()
        == '<a href="b.html">b</a> <a href="old.html#x">old</a> <span><code>c</code></span>'
    )


def test_a_run_killed_while_publishing_is_published_as_a_whole_by_the_next(tmp_path):
    a_run(tmp_path, "r01", OK, "a", "b", text="old")
    (tmp_path / "a.html").write_text("new, swapped before the kill")
    (tmp_path / "b.html").write_text("old")
    killed = a_run(tmp_path, "r02", PUBLISHING, "a", "b", text="new")
    said = publishing.recover(tmp_path)
    assert said == ["finished publishing run r02, which had been cut off"]
    assert all("new" in (tmp_path / f"{name}.html").read_text() for name in "ab")
    assert json.loads((killed.folder / "run.json").read_text())["status"] == OK


def test_what_the_notebooks_of_a_run_share_goes_when_they_are_through(tmp_path):
    run = a_run(tmp_path, "r01", RUNNING, "a")
    with suppress(CjlibError), shared_folder(run) as shared:
        (shared / "texts.parquet").write_text("kept")
        raise CjlibError("a notebook failed")
    assert not shared.exists()


def test_a_run_killed_while_running_becomes_interrupted_and_changes_nothing_else(tmp_path):
    (tmp_path / "a.html").write_text("published")
    run = a_run(tmp_path, "r01", RUNNING, "a")
    (run.folder / "shared").mkdir()
    assert publishing.recover(tmp_path) == ["run r01 had been cut off; it is listed as interrupted"]
    assert not (run.folder / "shared").exists()
    assert json.loads((run.folder / "run.json").read_text())["status"] == INTERRUPTED
    assert (tmp_path / "a.html").read_text() == "published"
    assert publishing.recover(tmp_path) == []


def test_a_failed_notebook_publishes_nothing_but_is_listed(tmp_path):
    (tmp_path / "a.html").write_text("published")
    run = a_run(
        tmp_path, "r01", RUNNING, "a", error={"type": "ValueError", "message": EVIL, "exit_code": 1}
    )
    publishing.finish(run, None)
    assert (tmp_path / "a.html").read_text() == "published"
    text = (tmp_path / "runs.html").read_text()
    assert "failed; nothing was published" in text
    assert 'href="runs/r01/a.html"' in text
    assert "ValueError: &lt;/script&gt;" in text


def test_what_is_not_a_run_is_passed_over(tmp_path):
    for name, content in {"x": "{", "y": "[]", "z": '{"schema": 99}'}.items():
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "run.json").write_text(content)
    assert read_runs(tmp_path) == []
    assert read_runs(tmp_path / "absent") == []


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    write_whole(tmp_path / "x.txt", "one")
    with pytest.raises(UnicodeEncodeError):
        write_whole(tmp_path / "x.txt", "half \ud800")
    assert (tmp_path / "x.txt").read_text() == "one"


def test_old_runs_go_but_not_those_that_the_index_compares(tmp_path):
    for day, status in (("01", OK), ("02", OK), ("03", OK), ("04", "failed"), ("05", "failed")):
        a_run(tmp_path, f"r{day}", status, "a")
    forget(tmp_path, keep=1)
    assert [run.id for run in read_runs(tmp_path)] == ["r05", "r03", "r02"]


# ---- lock --------------------------------------------------------------------------------------------------------


def _hold(out: Path, held: object, release: object) -> None:
    with lock(out, wait=False):
        held.set()  # type: ignore[attr-defined]
        release.wait(20)  # type: ignore[attr-defined]


def test_a_second_run_is_refused_with_the_name_of_the_holder_and_may_wait(tmp_path):
    held, release = PROCESSES.Event(), PROCESSES.Event()
    holder = PROCESSES.Process(target=_hold, args=(tmp_path, held, release))
    holder.start()
    try:
        assert held.wait(60)
        said: list[str] = []
        with (
            pytest.raises(
                CjlibError,
                match=rf"^--out: another run is writing there \(process {holder.pid}, since .*\). Wait for it with --wait, ",
            ),
            lock(tmp_path, wait=False),
        ):
            pass

        def waiting(name: str) -> None:
            said.append(name)
            release.set()

        with lock(tmp_path, wait=True, waiting=waiting):
            assert said[0].startswith(f"process {holder.pid}")
    finally:
        release.set()
        holder.join(20)


# ---- what moved --------------------------------------------------------------------------------------------------


def test_a_move_is_clear_only_if_it_is_significant():
    old = {
        "conversion": conversion(0.20, 0.18, 0.22, 1000),
        "same": metric(1.0),
        "bare": metric(3.0),
        "gone": metric(1.0),
        "few": metric(0.1, 0.0, 0.3, 20),
    }
    new = {
        "bare": metric(4.0),
        "conversion": conversion(0.245, 0.225, 0.265, 1000),
        "same": metric(1.0),
        "fresh": metric(5.0),
        "few": metric(0.9, 0.7, 1.0, 20),
    }
    found = {move.metric: (move.clear, move.words) for move in moves(old, new)}
    assert found == {
        "conversion": (True, "4.5 points better than before (20.0%)"),
        "bare": (False, "before 3, without an interval and n to judge the change by"),
        "same": (False, "the same"),
        "fresh": (False, "new"),
        "few": (False, "before 0.1: too few to compare"),
        "gone": (False, "not in the newer run"),
    }
    assert next(iter(found)) == "conversion"
    inside = moves(old, {"conversion": conversion(0.21, 0.19, 0.23, 1000)})[0]
    assert (inside.clear, inside.words) == (False, "no significant change from 20.0%")


def test_two_runs_of_an_unchanged_business_hardly_ever_show_a_move():
    generator = np.random.default_rng(0)

    def run() -> dict:
        n = generator.integers(100, 3000, 206)
        bought = generator.binomial(n, np.linspace(0.05, 0.9, 206))
        low, high = wilson(bought, n)
        bounds = zip(bought / n, low, high, n, strict=True)
        return {f"{k}_share": metric(*four) for k, four in enumerate(bounds)}

    wrong = sum(any(move.clear for move in moves(run(), run())) for _ in range(60))
    assert wrong <= 3


def test_moves_are_corrected_over_all_notebooks_of_a_run():
    old, new = metric(0.20, 0.18, 0.22, 1000), metric(0.245, 0.225, 0.265, 1000)
    assert moves({"x": old}, {"x": new})[0].clear
    others = {f"other_{k}": old for k in range(20)}
    moved = moves_of_run({"a": ({"x": old}, {"x": new}), "b": (others, others)})
    assert not moved["a"][0].clear


def test_a_moved_number_is_shown_in_its_unit_with_interval_and_n():
    move = moves(
        {"median_seconds_to_convert": metric(3600.0, **TIME)},
        {"median_seconds_to_convert": metric(7200.0, 3600.0, 10800.0, 12, **TIME)},
    )[0]
    assert move.name == "Median time to convert"
    assert move.shown(move.new) == "2 h (1 h to 3 h, n = 12)"
    assert move.shown(move.old) == "1 h"
    assert move.shown(None) == "–"


def test_results_that_share_the_name_of_a_metric_are_told_apart():
    one, two = metric(0.1), metric(0.2)
    assert metrics_of(
        [
            {"metrics": {"a": one}},
            {"metrics": {"a": two}},
            {"metrics": {"a": one}},
            {"metrics": None},
        ]
    ) == {"a": one, "a (2)": two}


def test_the_index_says_what_moved_and_what_was_set_differently(tmp_path):
    publishing.finish(a_run(tmp_path, "r01", RUNNING, "a", value=0.2), None)
    publishing.finish(a_run(tmp_path, "r02", RUNNING, "a", value=0.3, journey_hash="other"), None)
    text = words((tmp_path / "index.html").read_text())
    assert "0.3 bought." in text
    assert (
        "Conversion 20.0% (18.0% to 22.0%, n = 1,000) 30.0% (28.0% to 32.0%, n = 1,000) 10.0 points better than before (20.0%)"
        in text
    )
    assert "1 of 1 numbers moved significantly" in text
    assert "Set differently in the two runs: the journey file." in text


def test_a_page_lists_runs_newest_first_with_state_alerts_and_parameters_in_words(tmp_path):
    a_run(tmp_path, "r01", INTERRUPTED, "a")
    newest = a_run(
        tmp_path,
        "r02",
        OK,
        "a",
        alerts=[
            {"alert": "x<1", "fired": True, "words": f"x is low {EVIL}"},
            {"alert": "y<1", "fired": False, "words": "y is fine"},
        ],
    )
    newest.facts["notebooks"]["a"]["parameters"] = {"window": EVIL}
    newest.update({})
    (tmp_path / "a.html").write_text("published")
    publishing.write_index(tmp_path)
    first = (tmp_path / "index.html").read_text()
    assert "Alert in the newest run." in first
    html = (tmp_path / "runs.html").read_text()
    assert html.index("2025-01-02 03:00 UTC") < html.index("2025-01-01 03:00 UTC")
    assert "interrupted; nothing was published" in html
    assert "y is fine" not in html
    assert "<img" not in html
    assert f"window={EVIL}".replace("<", "&lt;").replace(">", "&gt;") in html


def test_a_report_whose_file_is_gone_is_not_offered(tmp_path):
    a_run(tmp_path, "r01", OK, "a")
    html = index.render(tmp_path, read_runs(tmp_path))
    assert 'href="a.html"' not in html
    assert "There is no report yet." in html


# ---- findings ----------------------------------------------------------------------------------------------------


def found(
    topic: str, claim: str, direction: str, customers: int, p: float = 1e-6, **more: object
) -> dict:
    return Finding(
        topic=topic,
        claim=claim,
        direction=direction,
        family=topic,
        p_adjusted=p,
        customers=customers,
        **more,
    ).plain()


def test_a_briefing_tells_the_worst_first_with_base_interval_and_where_it_stands():
    funnel = {
        "findings": [
            found(
                "a", "Ads lose.", "bad", 90, value=-0.1, low=-0.14, high=-0.06, n=900, unit="share"
            ),
            found("b", "Mail wins.", "good", 50),
            found("c", "By chance.", "bad", 500, p=0.03),
        ],
        "families": {"a": 3, "b": 2, "c": 9},
    }
    scores = {
        "findings": [
            found("d", "Onboarding hurts.", "bad", 400, value=-64.0, n=100, unit="points")
        ],
        "families": {"d": 5},
    }
    brief = briefing({"01_funnel": [funnel], "03_sentiment": [scores, scores]})
    assert brief.headline == "Two things need attention and one goes well."
    assert [(one.claim, one.evidence, one.notebook) for one in brief.findings] == [
        ("Onboarding hurts.", "−64.0 points · n = 100 · 400 customers concerned", "03_sentiment"),
        (
            "Ads lose.",
            "−10.0 points (95% CI −14.0 to −6.0 points) · n = 900 · 90 customers concerned",
            "01_funnel",
        ),
        ("Mail wins.", "50 customers concerned", "01_funnel"),
    ]


def test_a_finding_answers_since_when_how_sure_how_much_and_what_next():
    change = found(
        "change",
        "Newer customers come back less: cohorts from 2025-06-23 on come back in 22% fewer weeks.",
        "bad",
        1231,
        p=0.0002,
        since="2025-06-23",
        next_step="Look for what changed about 2025-06-23.",
    )
    level = found("stage A", "A is the biggest pain point (n = 40).", "bad", 2000)
    brief = briefing(
        {"02_retention": [{"findings": [change, level], "families": {"a": 3, "b": 2}}]},
        {"02_retention": "Do customers come back?"},
        "2025-01-01 to 2025-12-31",
    )
    assert brief.title == "A is the biggest pain point. Newer customers come back less."
    first, second = brief.findings
    assert (first.head, first.since) == (
        "A is the biggest pain point",
        "2025-01-01 to 2025-12-31",
    )
    assert first.body.split() == ["n", "=", "40"]
    assert second.body == "Cohorts from 2025-06-23 on come back in 22% fewer weeks."
    assert second.since == "since 2025-06-23"
    assert second.sure == "Very sure (p < 0.001, corrected for all 5 comparisons)"
    assert (second.stake, second.title) == ("1,231 customers", "Do customers come back?")
    assert second.next_step == "Look for what changed about 2025-06-23."


def kpi(name: str, met: str = "", **more: object) -> dict:
    target = {"target": 0.5, "target_met": met} if met else {}
    return {name: metric(0.4, 0.3, 0.5, 99, label=name, unit="share", **target, **more)}


def tiles_of(**metrics: dict) -> list[dict]:
    report = publishing.Report(
        name="00_overview", title="How?", headline="", made="", span="", before="", changed=(),
        results=[{"metrics": metrics}], moves=(),
    )  # fmt: skip
    return publishing.tiles([report])


def test_key_figures_tell_missed_targets_first_each_with_its_trend():
    told = tiles_of(
        **kpi("met", "reached"),
        **kpi("lost", "missed", trend=[0.6, 0.4]),
        **kpi("open", "not clear"),
    )
    assert [one["name"] for one in told] == ["lost", "open", "met"]
    assert ["<svg" in one["trend"] for one in told] == [True, False, False]


def test_the_key_figures_say_of_which_period_they_are():
    card = {"kind": "Scorecard", "definition": {"period": "December 2025; the last complete month"}}
    report = publishing.Report(
        name="00_overview", title="How?", headline="", made="", span="", before="", changed=(),
        results=[{"kind": "Paths", "definition": {"period": "a day"}}, card], moves=(),
    )  # fmt: skip
    assert publishing.period_of([report]) == "December 2025"
    assert publishing.period_of([]) == ""


def test_without_targets_the_key_figures_are_the_first_of_the_scorecard():
    told = tiles_of(
        **kpi("impact_Browse"), **kpi("nps", trend=[0.1, 0.2]), **kpi("churn", trend=[0.1, 0.2])
    )
    assert [one["name"] for one in told] == ["churn", "nps"]


@pytest.mark.parametrize(
    ("claim", "head", "body"),
    [
        ("Email converts better (n = 40).", "Email converts better", "n = 40"),
        (
            "54% of the new churned (95% CI 51–57%), 20% of the others. (Association, not causation.)",
            "54% of the new churned",
            "(95% CI 51–57%), 20% of the others. (Association, not causation.)",
        ),
    ],
)
def test_a_claim_is_cut_where_its_words_end_and_no_bracket_is_torn(claim, head, body):
    (told,) = briefing(
        {"a": [{"findings": [found("t", claim, "bad", 9)], "families": {"t": 1}}]}
    ).findings
    assert (told.head, told.body) == (head, body)


def test_few_targets_have_other_figures_of_the_scorecard_beside_them():
    told = tiles_of(**kpi("churn", trend=[0.1, 0.2]), **kpi("open", "not clear"))
    assert [one["name"] for one in told] == ["open", "churn"]


def test_where_nothing_is_bad_the_first_page_begins_with_what_there_is_to_know():
    brief = briefing(
        {
            "a": [
                {
                    "findings": [found("t", "Waiting precedes success (n = 9).", "neutral", 9)],
                    "families": {"t": 1},
                }
            ]
        }
    )
    assert brief.title == "Waiting precedes success."


def test_what_two_notebooks_say_of_one_stage_is_told_once():
    stage = found("stage Onboarding", "Onboarding hurts.", "bad", 900)
    theme = found("theme onboarding", "Comments about “onboarding” are unhappy.", "bad", 400)
    other = found("theme onboardings", "Another.", "bad", 300)
    brief = briefing(
        {"a": [{"findings": [theme, other], "families": {"t": 1}}], "b": [{"findings": [stage]}]}
    )
    assert [one.claim for one in brief.findings] == ["Onboarding hurts.", "Another."]


def test_where_nothing_is_significant_the_first_page_says_so(tmp_path):
    nothing = {
        "findings": [found("a", "Maybe.", "bad", 9, p=0.02)],
        "families": {"a": 3, "b": 1, "c": 2},
    }
    assert briefing({"a": [nothing]}).findings == []
    publishing.finish(a_run(tmp_path, "r01", RUNNING, "a"), None)
    text = words((tmp_path / "index.html").read_text())
    assert "No statistically significant finding in this run." in text


# ---- alerts ------------------------------------------------------------------------------------------------------

METRICS = {
    "01_funnel": {"conversion": conversion(0.04, 0.03, 0.06, 900), "empty": metric(float("nan"))},
    "02_retention": {"retention_period_1": metric(0.5)},
}


@pytest.mark.parametrize(
    ("written", "fired", "said"),
    [
        ("conversion<0.05", True, "conversion is 4.0% in 01_funnel; the alert is < 5.0%."),
        ("conversion < 5%", True, "conversion is 4.0% in 01_funnel; the alert is < 5.0%."),
        (
            "conversion.high<0.05",
            False,
            "conversion is 6.0% at its upper bound in 01_funnel; the alert is < 5.0%.",
        ),
        (
            "conversion.low<=3e-2",
            True,
            "conversion is 3.0% at its lower bound in 01_funnel; the alert is <= 3.0%.",
        ),
        (
            "conversion.n<1000",
            True,
            "conversion is 900 in its n in 01_funnel; the alert is < 1,000.",
        ),
        (
            "01_funnel:conversion>=0.04",
            True,
            "conversion is 4.0% in 01_funnel; the alert is >= 4.0%.",
        ),
        ("conversion>0.04", False, "conversion is 4.0% in 01_funnel; the alert is > 4.0%."),
        (
            "02_retention:conversion<1",
            True,
            "cannot be checked: no metric 'conversion' in this run.",
        ),
        (
            "conversin<1",
            True,
            "cannot be checked: no metric 'conversin' in this run. Did you mean 'conversion'?",
        ),
        ("empty<1", True, "cannot be checked: empty has no value in this run."),
        (
            "retention_period_1.low<1",
            True,
            "cannot be checked: retention_period_1 has no low in this run.",
        ),
    ],
)
def test_an_alert_fires_by_its_condition_and_when_it_cannot_be_checked(written, fired, said):
    results = {name: [{"metrics": metrics}] for name, metrics in METRICS.items()}
    (told,) = judge(read_alerts([written]), results, {}, [], "2025-01-01")
    assert (told["alert"], told["fired"], told["words"]) == (written, fired, said)


@pytest.mark.parametrize(
    "written",
    [
        "conversion",
        "conversion=0.05",
        "<0.05",
        "conversion<",
        "conversion<low",
        "conversion<1.2.3",
        "conversion<5% until 4%",
        "conversion>5% until 6%",
        "moved: any",
        "missed:",
    ],
)
def test_what_is_no_alert_is_refused(written):
    with pytest.raises(
        CjlibError,
        match=r"^--alert: must be a metric, one of < <= > >=, and a number, such as 'conversion<0.05' or .* Got '",
    ):
        read_alerts([written])


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        ([], 0),
        ([1], 1),
        ([3], 3),
        ([2], 2),
        ([3, 3], 3),
        ([3, 2], 2),
        ([3, 1], 1),
        ([2, 1, 3], 1),
        ([77], 1),
    ],
)
def test_the_exit_code_tells_a_fault_of_the_notebook_from_one_of_the_call_and_one_of_the_data(
    codes, code
):
    assert exit_code([{"exit_code": one} for one in codes]) == code


# ---- secrets and names ---------------------------------------------------------------------------------------------


def test_a_secret_is_masked_however_it_is_written(monkeypatch):
    secret = 'p"ä s/w&<'
    monkeypatch.setenv("CJ_TEST_SECRET", secret)
    mask = Mask(
        named_in(["sources:\n  events: {url: 'postgresql://me:${CJ_TEST_SECRET}@host/db'}"])
    )
    for form in (
        secret,
        json.dumps(secret),
        json.dumps([repr(secret)]),
        json.dumps(secret, ensure_ascii=False),
        "p%22%C3%A4%20s/w%26%3C",
        "p%22%C3%A4+s%2Fw%26%3C",
        "p&quot;ä s/w&amp;&lt;",
    ):
        assert MASK in mask(f"before {form} after")
        assert "s/w" not in mask(form)


def test_a_password_in_an_address_is_masked_without_being_named():
    assert (
        Mask()("see postgresql+psycopg://me:s3cr@t!@host:5432/db, please")
        == f"see postgresql+psycopg://me:{MASK}@host:5432/db, please"
    )
    assert (
        Mask()("http://localhost:8888/tree and me@example.com")
        == "http://localhost:8888/tree and me@example.com"
    )


def test_a_path_and_a_short_value_are_no_secrets(monkeypatch):
    monkeypatch.setenv("CJ_TEST_FOLDER", "/data/events")
    monkeypatch.setenv("CJ_TEST_SHORT", "abc")
    assert named_in(["events: {path: ${CJ_TEST_FOLDER}/x.parquet}"]) == []
    assert Mask(named_in(["password: ${CJ_TEST_SHORT}"]))("abc") == "abc"
    assert named_in(["url: x://${CJ_TEST_ABSENT}@h"]) == []


def test_a_journey_is_called_what_its_file_says(tmp_path):
    file = tmp_path / "journey.yml"
    file.write_text("name: Shop ☃\n")
    assert journey_name(file) == "Shop ☃"
    file.write_text("[")
    assert journey_name(file) == ""
    assert journey_name(tmp_path / "absent.yml") == journey_name(None) == ""


def test_reports_read_what_results_leave():
    assert RESULT == MIME
