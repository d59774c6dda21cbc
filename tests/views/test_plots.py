"""Figures: what they say, what they hold, and that no text from data can be markup."""

from __future__ import annotations

import json
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cjlib as cj
from cjlib.shared.stats import wilson
from cjlib.show import numbers
from cjlib.views.plots import theme, views_of

START = pd.Timestamp("2025-01-06", tz="UTC")
STEPS = ["visit", "signup", "buy"]


def events_of(reached: dict[str | None, list[int]], steps: list[str] = STEPS) -> pd.DataFrame:
    """Events of customers by channel: how many of them reach each step, the next step k hours after the one before."""
    rows = []
    for channel, counts in reached.items():
        for customer in range(counts[0]):
            for k, (step, count) in enumerate(zip(steps, counts, strict=True)):
                if customer < count:
                    rows.append(
                        (
                            f"{channel}-{customer}",
                            step,
                            START + pd.Timedelta(hours=customer % 20 + k * (k + 1) / 2),
                            channel,
                        )
                    )
    return pd.DataFrame(rows, columns=["customer_id", "event", "timestamp", "channel"]).astype(
        {"channel": "str"}
    )


def funnel_of(
    reached: dict[str | None, list[int]], steps: list[str] = STEPS, **options: object
) -> cj.Funnel:
    log = cj.read_events(
        events_of(reached, steps), timezone="UTC", observed_until="2025-03-01", quarantine_limit=1
    )
    named = [steps[0], *(cj.Step(step, may_be_absent=True) for step in steps[1:])]
    return cj.funnel(log, named, **{"window": "7D", **options})


@pytest.fixture(scope="module")
def plain() -> cj.Funnel:
    return funnel_of({"web": [200, 80, 60]})


@pytest.fixture(scope="module")
def grouped() -> cj.Funnel:
    return funnel_of(
        {"web": [400, 160, 80], "mail": [200, 120, 90], "shop": [100, 45, 26], None: [12, 4, 3]},
        by="channel",
    )


def said(figure: object) -> str:
    """All words in a figure, as plotly gets them."""
    return json.dumps(
        figure.to_plotly_json()["layout"]["annotations"], ensure_ascii=False, default=str
    )


# ---- words ----------------------------------------------------------------------------------------------------------


def test_a_share_that_is_neither_none_nor_all_is_never_shown_as_none_or_all():
    assert [numbers.percent(share) for share in (0, 0.0001, 0.427, 0.9999, 1, float("nan"))] == [
        "0.0%",
        "<0.1%",
        "42.7%",
        ">99.9%",
        "100.0%",
        "–",
    ]


def test_differences_carry_their_sign_and_their_unit():
    assert [numbers.points(x) for x in (0.032, -0.008, 0.0, None)] == [
        "+3.2 points",
        "−0.8 points",
        "±0.0 points",
        "–",
    ]
    assert numbers.points_interval(-0.01, 0.03) == "−1.0 to +3.0 points"


def test_numbers_durations_and_lists_read_as_a_person_writes_them():
    assert [numbers.number(x) for x in (1204, 12.5, 8249.3, None, pd.NA)] == [
        "1,204",
        "12.5",
        "8,249",
        "–",
        "–",
    ]
    assert [numbers.duration(x) for x in (0, 5400, 86400, float("nan"), float("inf"))] == [
        "0 s",
        "1 h 30 min",
        "1 d",
        "–",
        "–",
    ]
    assert [numbers.joined(x) for x in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
    assert (
        numbers.count_of(1, "customer"),
        numbers.count_of(1204, "customer"),
        numbers.count_of(2, "is", "are"),
    ) == (
        "1 customer",
        "1,204 customers",
        "2 are",
    )


def test_labels_are_cut_by_characters_and_never_within_one():
    assert numbers.short("a very long event name", 10) == "a very lo…"
    assert numbers.short("e\u0301" * 6, 6) == "e\u0301e\u0301…"
    family = "👩‍👩‍👧"
    assert numbers.short("ab" + family * 4, 5) == "ab…"
    assert numbers.short(family * 4, 3) in (family[:1] + "…", family + "…")


@settings(max_examples=100)
@given(st.text(max_size=60), st.integers(2, 40))
def test_a_shortened_label_is_never_longer_than_asked(text, most):
    assert len(numbers.short(text, most)) <= max(most, 2)


# ---- theme ----------------------------------------------------------------------------------------------------------

HOSTILE = [
    "<b>x</b><img src=x onerror=alert(1)>",
    '<a href="javascript:alert(1)">x</a>',
    "$\\alpha$ costs $5",
    "&lt;",
    "</script>",
    "\u202egnp.exe",
    "a\nb",
    "%{x}",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_data_is_neither_markup_nor_formula(text):
    shown = theme.safe(text)
    assert not set("<>$\n") & set(shown)
    import html

    assert html.unescape(shown).strip("\u2068\u2069") == " ".join(text.split())


def test_text_that_turns_direction_is_isolated_and_quotes_stay_as_they_are():
    assert theme.safe("\u202eabc") == "\u2068\u202eabc\u2069"
    assert theme.safe("שלום").startswith("\u2068")
    assert theme.safe('say "it\'s"') == 'say "it\'s"'
    assert [theme.label(None), theme.label(pd.NA), theme.label("x" * 40)] == [
        "(not set)",
        "(not set)",
        "x" * 27 + "…",
    ]


WHITE, DARK = "#ffffff", "#14171c"
# Machado, Oliveira & Fernandes (2009), severity 1.0, on linear RGB.
EYES = {
    "all cones": np.eye(3),
    "no red cones": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no green cones": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no blue cones": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def oklab(colour, eye):
    rgb = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    cones = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    to_lab = np.array(
        [
            [0.2104542553, 0.793617785, -0.0040720468],
            [1.9779984951, -2.428592205, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.808675766],
        ]
    )
    return to_lab @ np.cbrt(cones @ np.clip(np.array(eye) @ linear, 0, 1))


def test_every_colour_stands_out_on_white_and_on_near_black():
    for colour in (*theme.COLOURS, theme.MUTED):
        assert theme.contrast(colour, WHITE) >= 3
        assert theme.contrast(colour, DARK) >= 3
    assert theme.contrast(theme.MUTED, WHITE) >= 4.5
    assert theme.contrast(theme.COLOURS[0], WHITE) >= 4.5


@pytest.mark.parametrize("eye", EYES)
def test_colours_can_be_told_apart_by_every_eye(eye):
    for one, other in combinations((*theme.COLOURS, theme.MUTED), 2):
        assert np.linalg.norm(oklab(one, EYES[eye]) - oklab(other, EYES[eye])) > 0.07, (one, other)


def test_text_on_every_step_of_a_colour_scale_can_be_read():
    for _, colour in (*theme.SEQUENTIAL, *theme.DIVERGING):
        assert theme.contrast(colour, theme.on(colour)) >= 4.5


def test_a_figure_carries_caption_words_for_a_screen_reader_and_plain_numbers():
    figure = theme.figure(
        [],
        caption="a < b",
        alt="words",
        columns=["n", "x", "at", "day", "y"],
        rows=[
            [
                np.int64(3),
                np.nan,
                pd.Timestamp("2025-01-02 10:00"),
                pd.Timestamp("2025-01-02"),
                pd.NA,
            ]
        ],
        height=100,
    )
    assert figure.layout.meta == {
        "caption": "a < b",
        "alt": "words",
        "columns": ["n", "x", "at", "day", "y"],
        "rows": [[3, None, "2025-01-02 10:00", "2025-01-02", None]],
    }
    assert figure.layout.title.text is None
    with pytest.raises(
        ValueError, match=r"rows: each must have 2 cells, one for each column\. Got 1\."
    ):
        theme.figure([], caption="", alt="", columns=["a", "b"], rows=[[1]], height=100)


def test_a_figure_leaves_its_data_in_the_notebook_and_never_plotly_itself(plain):
    bundle = cj.plot(plain)._repr_mimebundle_()
    assert sorted(bundle) == ["application/vnd.plotly.v1+json", "text/plain"]
    assert len(json.dumps(bundle)) < 12_000
    assert bundle["text/plain"].startswith(cj.plot(plain).layout.meta["caption"])


def test_time_axes_speak_in_words():
    assert theme.duration_axis(5 * 3600)["ticktext"] == [
        "0",
        "1 hour",
        "2 hours",
        "3 hours",
        "4 hours",
        "5 hours",
    ]
    assert theme.duration_axis(14 * 86400)["ticktext"] == [
        "0",
        "3 days",
        "6 days",
        "9 days",
        "12 days",
    ]
    assert theme.duration_axis(0)["ticktext"] == ["0"]
    assert theme.duration_axis(30 * 86400, shortest=30)["ticktext"] == [
        "1 min",
        "10 min",
        "6 hours",
        "7 days",
    ]
    assert theme.duration_axis(12 * 31536000)["ticktext"][-1].endswith("years")


@settings(max_examples=100)
@given(st.floats(0.01, 1e10), st.floats(1e-3, 1))
def test_time_axes_have_one_to_eight_ticks_within_their_range(longest, part):
    for axis in (
        theme.duration_axis(longest),
        theme.duration_axis(longest, shortest=longest * part),
    ):
        assert 1 <= len(axis["tickvals"]) <= 8
        assert len(set(axis["ticktext"])) == len(axis["ticktext"])
        assert max(axis["tickvals"]) <= longest * 1.001


def test_whiskers_stand_at_the_interval_and_nowhere_where_it_is_missing():
    error = theme.whiskers([0.5, 1.0], [0.4, np.nan], [0.7, np.nan])
    assert error["array"] == pytest.approx([0.2, 0])
    assert error["arrayminus"] == pytest.approx([0.1, 0])


def test_what_rests_on_fewer_than_30_is_grey():
    assert theme.faded([29, 30]) == [theme.MUTED, theme.COLOURS[0]]


def test_labels_that_would_meet_on_a_phone_take_two_lines():
    short, lines = theme.row_labels(["visit"], ["200 customers"], [True])
    assert (lines, len(short)) == (1, 2)
    long, lines = theme.row_labels(
        ["a rather long name of an event"], ["1,200 · 42.7% of first"], [False]
    )
    assert (lines, len(long)) == (2, 1)
    assert "a rather long name of an ev…" in long[0]["text"]


# ---- which figure ---------------------------------------------------------------------------------------------------


def test_what_cannot_be_drawn_is_answered_with_what_can(plain):
    with pytest.raises(
        cj.CjlibError,
        match=r"result: there is no figure for 'int'; give what an analysis returned, such as cj\.plot\(cj\.funnel",
    ):
        cj.plot(3)
    with pytest.raises(
        cj.CjlibError,
        match=r"view: must be one of 'funnel', 'steps', 'segments', 'segment_steps', 'time'\. Got 'tme'\. Did you mean 'time'\?",
    ):
        cj.plot(plain, "tme")
    with pytest.raises(
        cj.CjlibError,
        match=r"options: the view 'time' takes step\. Got 'stp'\. Did you mean 'step'\?",
    ):
        cj.plot(plain, "time", stp=2)
    with pytest.raises(
        cj.CjlibError, match=r"options: the view 'steps' takes none\. Got 'colour'\."
    ):
        cj.plot(plain, "steps", colour="red")


def test_the_usual_figure_of_a_funnel_is_its_steps_and_with_groups_its_segments(plain, grouped):
    assert cj.plot(plain) == cj.plot(plain, "steps")
    assert cj.plot(grouped) == cj.plot(grouped, "segments")
    assert next(iter(views_of(plain))) == "funnel"


# ---- steps ----------------------------------------------------------------------------------------------------------


def test_a_funnel_says_where_most_are_lost_and_how_many_get_through(plain):
    low, high = wilson(120, 200)
    through_low, through_high = wilson(60, 200)
    assert cj.plot(plain).layout.meta["caption"] == (
        f"Most are lost between “visit” and “signup”: 120 of 200 (60.0%, {numbers.interval(float(low), float(high))}) do not go on; "
        f"30.0% ({numbers.interval(float(through_low), float(through_high))}) of 200 customers reach “buy”."
    )


def test_bars_are_shares_of_the_first_step_and_the_biggest_loss_is_marked_in_words(plain):
    figure = cj.plot(plain)
    track, bar, *intervals = figure.data
    assert (track.x, bar.x) == ((1, 1, 1), (1.0, 0.4, 0.3))
    assert [list(line.x) for line in intervals] == [[0.4, 0.3], [0.4, 0.3]]
    notes = said(figure)
    assert "200 customers" in notes
    assert "80 · 40.0% of first" in notes
    assert "<b>↓ 120 did not go on (60.0%)</b><br><b>biggest drop-off</b>" in notes
    assert "↓ 20 did not go on (25.0%)" in notes
    assert notes.count("biggest drop-off") == 1


def test_the_table_under_the_steps_holds_every_number_shown(plain):
    meta = cj.plot(plain).layout.meta
    assert [row[:4] for row in meta["rows"]] == [
        [1, "visit", 200, "100.0%"],
        [2, "signup", 80, "40.0%"],
        [3, "buy", 60, "30.0%"],
    ]
    assert [row[7] for row in meta["rows"]] == [120, 20, None]
    assert meta["rows"][1][9] == "1 h"
    assert "step 2, signup: 80 customers, 40.0% of step 1" in meta["alt"]


def test_losses_that_chance_could_order_either_way_are_not_ranked():
    figure = cj.plot(funnel_of({"web": [200, 130, 65]}))
    assert figure.layout.meta["caption"].startswith(
        "The biggest drop-offs, after “visit” (70 of 200) and “signup” (65 of 130), are too alike to rank;"
    )
    assert said(figure).count("one of the 2 biggest drop-offs") == 2


def test_two_losses_differ_when_their_difference_exceeds_what_halving_their_sum_by_chance_gives():
    def top(*reached):
        return list(funnel_of({"web": list(reached)}).biggest_losses)

    # 60 against 40: |a − b| = 20 > 1.96·√100 = 19.6; 59 against 41: 18 < 19.6.
    assert top(200, 140, 100) == [1]
    assert top(200, 141, 100) == [1, 2]


def test_those_who_still_have_time_are_named_beside_the_loss():
    log = cj.read_events(
        events_of({"web": [200, 80, 60]}), timezone="UTC", observed_until="2025-01-08"
    )
    figure = cj.plot(cj.funnel(log, STEPS, window="7D"))
    assert "all of them still in progress" in said(figure)
    assert "do not go on, all of them still in progress;" in figure.layout.meta["caption"]


def test_few_customers_are_grey_and_no_finding():
    figure = cj.plot(funnel_of({"web": [20, 8, 6]}))
    assert set(figure.data[1].marker.color) == {theme.MUTED}
    assert (
        figure.layout.meta["caption"]
        == "Too few to read a share: 20 customers did “visit”, 6 reached “buy”."
    )
    assert "biggest" not in said(figure)
    assert "too few to read" in said(figure)


def test_funnels_without_loss_without_a_second_step_or_without_anybody_say_so():
    assert (
        cj.plot(funnel_of({"web": [40, 40, 40]})).layout.meta["caption"]
        == "Nobody is lost: all 40 customers reach “buy”."
    )
    assert (
        cj.plot(funnel_of({"web": [40]}, ["visit"])).layout.meta["caption"]
        == "40 customers did “visit”."
    )
    log = cj.read_events(events_of({"web": [40, 20, 10]}), timezone="UTC")
    nobody = cj.plot(cj.funnel(log, ["nothing", "visit"], window="7D"))
    assert nobody.layout.meta["caption"] == "Nobody entered this funnel."
    assert nobody.layout.annotations[0].text == "Nothing to show"


def test_event_names_are_shown_letter_by_letter_and_raw_in_the_table():
    steps = ["<b>visit</b>", "2024", "a & b $x$"]
    figure = cj.plot(funnel_of({"web": [200, 80, 60]}, steps))
    assert "&lt;b&gt;visit&lt;/b&gt;" in said(figure)
    assert "a &amp; b &#36;x&#36;" in said(figure)
    assert [row[1] for row in figure.layout.meta["rows"]] == steps
    assert all(isinstance(y, float) for y in figure.data[1].y)
    assert "<b>visit" not in said(figure) + str(figure.data[1].hovertext)


# ---- segments -------------------------------------------------------------------------------------------------------


def test_groups_significant_are_said_in_words_and_the_others_not_ranked(grouped):
    figure = cj.plot(grouped)
    table = figure.layout.meta["table"]
    assert [(row["name"], row["n"], row["said"], row["strong"]) for row in table["marks"]] == [
        ("web", 400, "20.0%, no significant difference", False),
        ("mail", 200, "45.0%, above the others", True),
        ("shop", 100, "26.0%, no significant difference", False),
        ("(not set)", 12, "25.0%, too few to read", False),
    ]
    assert table["scale"]["middle"] == pytest.approx(199 / 712)
    assert figure.layout.meta["caption"].startswith(
        "mail stands out: 45.0% of its 200 customers reach “buy”, +"
    )
    assert figure.layout.meta["caption"].endswith("; no other group differs significantly.")


def test_groups_that_do_not_differ_are_said_not_to():
    figure = cj.plot(funnel_of({"web": [200, 80, 40], "mail": [100, 40, 21]}, by="channel"))
    assert (
        figure.layout.meta["caption"]
        == "No significant difference between the 2 groups of channel: from 20.0% to 21.0% reach “buy”."
    )


def test_small_groups_are_hollow_and_their_wide_interval_does_not_set_the_scale(grouped):
    table = cj.plot(grouped).layout.meta["table"]
    assert [row["faint"] for row in table["marks"]] == [False, False, False, True]
    assert table["scale"]["high"] < 0.6


def test_the_table_under_the_segments_holds_every_group_and_its_comparison(grouped):
    meta = cj.plot(grouped).layout.meta
    assert meta["columns"][:4] == ["channel", "customers", "reached the last step", "share"]
    assert [row[:4] for row in meta["rows"]] == [
        ["web", 400, 80, "20.0%"],
        ["mail", 200, 90, "45.0%"],
        ["shop", 100, 26, "26.0%"],
        ["(not set)", 12, 3, "25.0%"],
    ]
    assert [row[-1] for row in meta["rows"]] == [
        "no significant difference",
        "above the others",
        "no significant difference",
        "too few to read",
    ]
    assert meta["rows"][1][6] == "+23.8 points"
    # 45% of 200 against (80 + 26) of 500; who has no channel is compared with nobody.
    assert meta["rows"][1][5] == "21.2%"
    # 20% of 400 against 26 of 100, without mail, which differs more.
    assert meta["rows"][0][5] == "26.0%"


def test_the_table_under_the_steps_by_group_holds_every_step_of_every_group(grouped):
    rows = cj.plot(grouped, "segment_steps").layout.meta["rows"]
    assert [row[:4] for row in rows][:3] == [
        ["web", 1, "visit", 400],
        ["web", 2, "signup", 160],
        ["web", 3, "buy", 80],
    ]
    assert (len(rows), rows[-1][0]) == (12, "(not set)")


def test_groups_a_customer_may_be_in_twice_are_not_compared():
    figure = cj.plot(
        funnel_of({"web": [100, 60, 20], "mail": [60, 40, 30]}, by="channel", by_value="all")
    )
    assert (
        figure.layout.meta["caption"]
        == "By channel, from 20.0% to 50.0% reach “buy”; groups are not compared: a customer may be in several."
    )
    assert figure.layout.meta["table"]["scale"]["middle"] is None


def test_groups_too_small_to_compare_are_said_to_be():
    assert cj.plot(funnel_of({"web": [100, 60, 20], "mail": [6, 4, 3]}, by="channel")).layout.meta[
        "caption"
    ] == ("Fewer than two groups of channel have 30 customers or more: too few to compare.")


def test_more_groups_than_can_be_drawn_stay_in_the_table():
    many = funnel_of({f"c{k:02}": [40 + k, 20, 10] for k in range(15)}, by="channel")
    meta = cj.plot(many).layout.meta
    assert meta["caption"].endswith("3 smaller groups are in the table only.")
    assert len(meta["rows"]) == 15


def test_step_by_step_the_groups_that_lie_furthest_apart_are_named_if_significant(grouped):
    figure = cj.plot(grouped, "segment_steps")
    assert (
        figure.layout.meta["caption"]
        == "On the way to “buy”, mail differs from the others: 75.0% continue, +23.3 points (+12.5 to +33.0 points)."
    )
    assert [trace.name for trace in figure.data] == ["web", "mail", "shop", "(not set)"]
    assert list(figure.data[3].marker.symbol) == ["triangle-up-open", "triangle-up-open"]
    alike = funnel_of({"web": [200, 80, 40], "mail": [100, 40, 21]}, by="channel")
    assert (
        cj.plot(alike, "segment_steps").layout.meta["caption"]
        == "At no step do the groups of channel differ significantly."
    )


def test_a_funnel_without_groups_has_no_segments_and_says_why(plain):
    for view in ("segments", "segment_steps"):
        assert (
            cj.plot(plain, view).layout.meta["caption"].startswith("There are no groups to compare")
        )


# ---- time -----------------------------------------------------------------------------------------------------------


def test_time_to_convert_is_that_of_those_who_got_there(plain):
    figure = cj.plot(plain, "time")
    assert figure.layout.meta["caption"] == (
        "Half of the 60 who reached “buy” were there within 3 h of “visit”, nine in ten within 3 h; counted from their last visit, "
        "half within 3 h. Those who did not get there are not in these times."
    )
    assert [row for row in figure.layout.meta["rows"] if row[0] == "50.0%"] == [
        ["50.0%", 30, "3 h"]
    ]
    assert figure.data[0].y[-1] == 1.0
    assert (
        cj.plot(plain, "time", step=2)
        .layout.meta["caption"]
        .startswith("Half of the 80 who reached “signup” were there within 1 h of “visit”")
    )


def test_the_curve_is_the_share_that_was_there_by_each_time():
    events = pd.DataFrame(
        [
            row
            for k in range(40)
            for row in (
                (f"c{k}", "visit", START),
                (f"c{k}", "buy", START + pd.Timedelta(minutes=4 ** (k % 4))),
            )
        ],
        columns=["customer_id", "event", "timestamp"],
    )
    figure = cj.plot(
        cj.funnel(cj.read_events(events, timezone="UTC"), ["visit", "buy"], window="7D"), "time"
    )
    at = dict(zip(np.round(figure.data[0].x, 3).tolist(), figure.data[0].y, strict=True))
    assert at == {60.0: 0.25, 240.0: 0.5, 960.0: 0.75, 3840.0: 1.0}
    assert "half within" in said(figure)


def test_time_says_when_nobody_or_too_few_got_there_and_which_steps_there_are(plain):
    assert (
        cj.plot(funnel_of({"web": [40, 20, 0]}), "time").layout.meta["caption"]
        == "Nobody reached “buy”."
    )
    few = cj.plot(funnel_of({"web": [40, 20, 5]}), "time")
    assert (
        few.layout.meta["caption"]
        == "Only 5 customers reached “buy”: too few to read a typical time."
    )
    assert few.data[0].line.color == theme.MUTED
    with pytest.raises(cj.CjlibError, match=r"step: must be one of 2, 3\. Got 4\."):
        cj.plot(plain, "time", step=4)


# ---- what follows a funnel ------------------------------------------------------------------------------------------


def entries_by_week(converted: list[int], entered: list[int]) -> cj.EventLog:
    """Customers who visit on a Monday and buy the day after, week by week."""
    rows = [
        (f"w{week}-{k}", event, START + pd.Timedelta(days=7 * week + day))
        for week, (count, size) in enumerate(zip(converted, entered, strict=True))
        for k in range(size)
        for event, day in (("visit", 0), ("buy", 1))
        if day == 0 or k < count
    ]
    events = pd.DataFrame(rows, columns=["customer_id", "event", "timestamp"])
    return cj.read_events(
        events, timezone="UTC", observed_until=START + pd.Timedelta(days=7 * len(entered) + 1)
    )


@pytest.fixture(scope="module")
def weeks() -> cj.EventLog:
    return entries_by_week([20, 24, 2, 22, 5, 10], [100, 100, 100, 100, 20, 60])


def test_a_trend_is_hollow_where_it_may_still_rise_and_marked_where_it_rests_on_few(weeks):
    figure = cj.plot(cj.funnel(weeks, ["visit", "buy"], window="7D").trend("week"))
    by_name = {trace.name: trace for trace in figure.data if trace.name}
    assert list(by_name["complete"].y) == [0.2, 0.24, 0.02, 0.22]
    assert (list(by_name["not complete"].y), by_name["not complete"].marker.symbol) == (
        [pytest.approx(1 / 6)],
        "circle-open",
    )
    assert (
        list(by_name["fewer than 30 customers"].y),
        by_name["fewer than 30 customers"].marker.color,
    ) == ([0.25], theme.MUTED)
    assert list(by_name["complete"].x) == ["2025-01-06", "2025-01-13", "2025-01-20", "2025-01-27"]


def test_a_period_that_differs_from_all_others_significant_is_named(weeks):
    trend = cj.funnel(weeks, ["visit", "buy"], window="7D").trend("week")
    meta = cj.plot(trend).layout.meta
    assert meta["caption"] == trend.headline
    assert "The week of 2025-01-20 (2.0% of 100, below the others) stands out." in trend.headline
    assert [row[6] for row in meta["rows"]][-2:] == ["yes", "no"]
    assert [note.text for note in cj.plot(trend).layout.annotations] == ["<b>low</b>"]


def test_periods_that_chance_explains_are_not_named_and_many_are_counted():
    calm = cj.funnel(
        entries_by_week([20, 24, 18, 22], [100] * 4), ["visit", "buy"], window="3D"
    ).trend("week")
    assert cj.plot(calm).layout.meta["caption"] == calm.headline
    wild = cj.funnel(entries_by_week([5, 95] * 4, [100] * 8), ["visit", "buy"], window="3D").trend(
        "week"
    )
    assert (
        cj.plot(wild)
        .layout.meta["caption"]
        .endswith(
            "2025-01-20 (5.0% of 100, below the others) and 4 more stand out. 1 week is not complete."
        )
    )


def test_a_change_shows_both_spans_and_says_the_verdict(weeks):
    change = cj.funnel(
        weeks, ["visit", "buy"], window="7D", start="2025-01-20", end="2025-01-26"
    ).compare_previous_period()
    figure = cj.plot(change)
    _, now, before = figure.data
    assert (now.name, list(now.x), before.name, list(before.x)) == ("now", [0.02], "before", [0.24])
    assert "24.0% → 2.0%, worse" in said(figure)
    assert figure.layout.meta["caption"] == change.headline
    assert [row[9] for row in figure.layout.meta["rows"]] == [None, "worse"]
    single = cj.funnel(
        weeks, ["visit"], window="7D", start="2025-01-20", end="2025-01-26"
    ).compare_previous_period()
    assert cj.plot(single).layout.meta["caption"] == "There is no second step to compare."


def test_what_the_lost_did_next_stands_beside_what_the_others_did():
    rows = []
    for k in range(100):
        after = [("signup", 1), ("buy", 2)] if k < 40 else [("help <page>", 1)] if k < 80 else []
        rows += [
            (f"c{k}", event, START + pd.Timedelta(hours=hour))
            for event, hour in [("visit", 0), *after]
        ]
    log = cj.read_events(
        pd.DataFrame(rows, columns=["customer_id", "event", "timestamp"]),
        timezone="UTC",
        observed_until="2025-03-01",
    )
    lost = cj.funnel(log, ["visit", "signup", "buy"], window="7D").next_after_drop_off()
    figure = cj.plot(lost)
    _, left, went = figure.data
    assert (left.name, went.name) == ("lost", "went on")
    assert [round(x, 3) for x in left.x] == [0.667, 0.333, 0.0]
    assert list(went.x) == [0.0, 0.0, 1.0]
    assert "<b>help &lt;page&gt;</b>" in said(figure)
    assert "66.7% lost, 0.0% went on" in said(figure)
    meta = figure.layout.meta
    assert meta["caption"] == lost.headline
    assert [(row[0], row[1], row[4], row[9]) for row in meta["rows"]] == [
        ("help <page>", 40, 0, "yes"),
        ("(nothing)", 20, 0, "not compared"),
        ("signup", 0, 40, "not compared"),
    ]


def test_a_trend_of_one_period_says_that_there_is_nothing_to_compare():
    log = cj.read_events(events_of({"web": [40, 20, 10]}), timezone="UTC")
    trend = cj.funnel(log, ["visit", "signup"], window="7D").trend("year")
    assert (
        cj.plot(trend).layout.meta["caption"]
        == "All 40 customers entered in one period: there is nothing to compare with yet."
    )


def test_a_trend_of_nobody_says_so():
    log = cj.read_events(events_of({"web": [40, 20, 10]}), timezone="UTC")
    assert (
        cj.plot(cj.funnel(log, ["nothing", "visit"], window="7D").trend()).layout.meta["caption"]
        == "Nobody entered this funnel."
    )


def test_the_steps_of_a_funnel_with_groups_are_those_of_all_customers_together(grouped):
    figure = cj.plot(grouped, "steps")
    assert [row[2] for row in figure.layout.meta["rows"]] == [712, 329, 199]


def test_a_funnel_of_one_step_has_no_time_to_show():
    log = cj.read_events(
        pd.DataFrame({"customer_id": ["a"], "event": "buy", "timestamp": ["2024-01-01"]}),
        timezone="UTC",
    )
    figure = cj.plot(cj.funnel(log, ["buy"], window="7D"), "time")
    assert "one step" in str(figure.layout)
