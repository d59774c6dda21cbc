"""What `cj init` writes: guesses from content, a valid file that can be used at once, and complete templates."""

import json
import random
from pathlib import Path

import pandas as pd
import pytest

import cjlib as cj
from cjlib.sources.journey import journey_from_text
from cjlib.sources.journey.check import check_journey
from cjlib.sources.journey.scaffold import (
    feedback_alone,
    first_journey,
    quoted,
    template,
    template_names,
)
from cjlib.sources.journey.scaffold.profile import time_kind
from cjlib.sources.journey.scaffold.stage_inference import rounded_up

WALK = ["visit", "search", "product_view", "add_to_cart", "checkout", "purchase"]
GERMAN = dict(
    zip(WALK, ["Startseite", "Suche", "Produktansicht", "Warenkorb", "Kasse", "Kauf"], strict=True)
)


def made_rows(customers: int = 150, seed: int = 7) -> pd.DataFrame:
    """Customers who come in bursts and go a part of the way; a session, a channel and a price beside it."""
    draw, rows, session = random.Random(seed), [], 0
    for customer in range(customers):
        at = pd.Timestamp("2024-03-01") + pd.Timedelta(seconds=draw.randrange(80 * 86_400))
        for _ in range(draw.randint(1, 3)):
            session += 1
            channel = draw.choice(["email", "web", "social"])
            depth = 1 + next((step for step in range(5) if draw.random() > 0.75), 5)
            for name in WALK[:depth]:
                price = f"{draw.randrange(500, 9000) / 100:.2f}" if name == "purchase" else ""
                rows.append((f"C{customer:05d}", f"s-{session:06d}", name, at, channel, price))
                at += pd.Timedelta(seconds=draw.randrange(20, 400))
            at += pd.Timedelta(days=draw.randrange(1, 15))
    return pd.DataFrame(
        rows, columns=["who", "session", "what", "at", "channel", "price"]
    ).sort_values("at", ignore_index=True)


def proposed(frame: pd.DataFrame, file: Path, **options) -> tuple[str, cj.Journey]:
    """The first journey file of a frame written to this file, with `sep` and `date` for how; read back as a check."""
    sep = options.pop("sep", ",")
    frame.to_csv(file, index=False, sep=sep)
    text = first_journey(file, **options)
    return text, journey_from_text(text, folder=file.parent)


def columns(journey: cj.Journey) -> dict[str, str]:
    return {ours: theirs for theirs, ours in journey.sources.events.columns.items()}


# ---- feedback ----------------------------------------------------------------------------------------------------


def with_feedback(folder: Path, said: pd.DataFrame) -> tuple[str, cj.Journey]:
    made_rows().to_csv(folder / "events.csv", index=False)
    said.to_csv(folder / "comments.csv", index=False)
    text = first_journey(folder / "events.csv", feedback=folder / "comments.csv")
    return text, journey_from_text(text, folder=folder)


def made_comments(n: int = 60, seed: int = 3) -> pd.DataFrame:
    draw = random.Random(seed)
    days = pd.date_range("2024-03-02 08:00", periods=n, freq="7h").strftime("%d.%m.%Y %H:%M")
    words = [
        "the delivery took too long",
        "I love how quick it is",
        "nobody answered my question",
        "fine and easy to use for me",
    ]
    return pd.DataFrame(
        {
            "Response No": [f"r{k:03d}" for k in range(n)],
            "Date received": days,
            "Member": [f"C{draw.randrange(150):05d}" for _ in range(n)],
            "How likely (0-10)": [draw.choice(["n/a", *range(11)]) for _ in range(n)],
            "Satisfied? 1-7": [draw.randint(1, 7) for _ in range(n)],
            "What they wrote": [f"{draw.choice(words)} {k}" for k in range(n)],
            "Age": [draw.randint(18, 80) for _ in range(n)],
            "Kids": [draw.randint(0, 3) for _ in range(n)],
        }
    )


def test_columns_of_feedback_are_guessed_and_can_be_read_at_once(tmp_path):
    text, journey = with_feedback(tmp_path, made_comments())
    feedback = journey.read_feedback()
    assert feedback is not None
    assert len(feedback) == 60
    assert set(feedback.frame.columns) >= {
        "feedback_id",
        "customer_id",
        "timestamp",
        "text",
        "nps",
        "csat",
        "Age",
        "Kids",
    }
    assert feedback.scales["csat"] == (1, 7)
    assert feedback.frame["customer_id"].isin(made_rows()["who"]).all()
    assert '"How likely (0-10)": nps  # DECIDE: 0 to 10, 10 is best' in text
    assert 'csat: ["Satisfied? 1-7", 1 to 7]  # DECIDE: which end is best?' in text


def test_feedback_that_has_our_names_already_needs_none_and_slips_of_the_key_do_not_hide_a_score(
    tmp_path,
):
    said = made_comments(400).set_axis(
        ["feedback_id", "timestamp", "customer_id", "nps", "csat", "text", "age", "kids"], axis=1
    )
    said["csat"] = said["csat"].clip(1, 5)
    said.loc[0, "nps"] = 11
    text, journey = with_feedback(tmp_path, said)
    assert journey.sources.feedback is not None
    assert journey.sources.feedback.columns == {"csat": "csat"}
    assert "source_nps" not in text
    assert len(journey.read_feedback()) == 399


def test_a_column_in_the_way_of_one_of_our_names_gets_another(tmp_path):
    said = made_comments().rename(columns={"Age": "rating"})
    _, journey = with_feedback(tmp_path, said)
    assert journey.sources.feedback is not None
    assert journey.sources.feedback.columns["rating"] == "source_rating"
    assert journey.read_feedback().frame["rating"].isna().all()


def test_feedback_without_dates_or_known_customers_says_so(tmp_path):
    said = made_comments().drop(columns=["Date received"])
    said["Member"] = said["Member"].str.replace("C", "X")
    text, journey = with_feedback(tmp_path, said)
    assert "dates: none  # DECIDE: no column holds dates" in text
    assert "Member: customer_id  # DECIDE: none of its values is a customer of the events" in text
    assert len(journey.read_feedback()) == 60
    text, _ = with_feedback(tmp_path, said.drop(columns=["Member"]))
    assert "# DECIDE: no column says who answered (customer_id)" in text


def test_feedback_alone_makes_a_file_that_can_be_read_at_once(tmp_path):
    made_comments().assign(stage=lambda rows: ["Buying", "buying ", "Use"] * 20).to_csv(
        tmp_path / "reviews_2024.csv", index=False
    )
    text = feedback_alone(tmp_path / "reviews_2024.csv")
    journey = journey_from_text(text, folder=tmp_path)
    assert (journey.name, journey.stage_names, journey.sources.events) == (
        "reviews 2024",
        ["Buying", "Use"],
        None,
    )
    assert len(journey.read_feedback()) == 60
    assert "# events: events.csv" in text
    assert "Member: customer_id" in text
    made_comments().to_csv(tmp_path / "reviews_2024.csv", index=False)
    assert journey_from_text(
        feedback_alone(tmp_path / "reviews_2024.csv"), folder=tmp_path
    ).stage_names == ["Customers"]


def test_a_file_without_texts_or_scores_is_no_feedback(tmp_path):
    with pytest.raises(
        cj.DataError,
        match=r"init --feedback: .*comments\.csv' has no column of texts and none of scores\. Columns: .*'Age'",
    ):
        with_feedback(tmp_path, made_comments()[["Date received", "Age"]])


# ---- guesses -----------------------------------------------------------------------------------------------------


def test_content_alone_tells_customer_event_and_time(tmp_path):
    frame = made_rows().rename(
        columns={
            "who": "c1",
            "session": "c2",
            "what": "c3",
            "at": "c4",
            "channel": "c5",
            "price": "c6",
        }
    )
    _, journey = proposed(frame, tmp_path / "export.csv")
    assert columns(journey) == {
        "customer_id": "c1",
        "event": "c3",
        "timestamp": "c4",
        "channel": "c5",
    }
    log = journey.read_events()
    assert (log.n_events, log.n_customers) == (len(frame), frame["c1"].nunique())
    assert journey.funnel()["steps"][0] == "visit"
    assert journey.funnel()["steps"][-1] == "purchase"
    assert cj.funnel(log, **journey.funnel()).table["customers"].is_monotonic_decreasing


def test_german_columns_semicolons_and_dates_with_dots(tmp_path):
    frame = (
        made_rows()
        .replace({"what": GERMAN})
        .assign(at=lambda rows: rows["at"].dt.strftime("%d.%m.%Y %H:%M:%S"))
    )
    frame = frame.rename(
        columns={
            "who": "Kundennummer",
            "session": "Sitzung",
            "what": "Ereignis",
            "at": "Zeitpunkt",
            "channel": "Kanal",
            "price": "Betrag",
        }
    )
    text, journey = proposed(frame, tmp_path / "bestellungen_2024.csv", sep=";")
    assert columns(journey) == {
        "customer_id": "Kundennummer",
        "event": "Ereignis",
        "timestamp": "Zeitpunkt",
        "channel": "Kanal",
        "value": "Betrag",
    }
    assert journey.sources.events.dates == "day_first"
    assert "DECIDE: nothing in the file proves" not in text
    assert journey.name == "bestellungen 2024"
    assert (str(journey.value.event), journey.value.amount) == ("Kauf", "value")
    assert journey.read_events().n_events == len(frame)


@pytest.mark.parametrize(
    ("names", "form"),
    [
        ({"who": "usuario", "what": "acción", "at": "fecha"}, "%Y-%m-%dT%H:%M:%SZ"),
        ({"who": "utilisateur", "what": "événement", "at": "date"}, "%d/%m/%Y %H:%M"),
        ({"who": "Client ID", "what": "Action Type", "at": "When"}, "%m/%d/%Y %I:%M %p"),
        ({"who": "userId", "what": "eventName", "at": "eventTimestamp"}, "%Y-%m-%d %H:%M:%S+02:00"),
        ({"who": "id", "what": "type", "at": "ts"}, "%s"),
        ({"who": "Klant", "what": "Gebeurtenis", "at": "Datum"}, "%d-%m-%y %H:%M"),
        ({"who": "member", "what": "activity", "at": "occurred"}, "%b %d, %Y %I:%M %p"),
        ({"who": "account", "what": "step", "at": "created"}, "%Y/%m/%d %H:%M:%S"),
    ],
)
def test_other_languages_and_other_ways_to_write_times(tmp_path, names, form):
    frame = made_rows().rename(columns=names)
    times = frame[names["at"]]
    frame[names["at"]] = (
        times.astype("datetime64[s]").astype("int64") if form == "%s" else times.dt.strftime(form)
    )
    text, journey = proposed(frame, tmp_path / "x.csv")
    assert columns(journey) == {
        "customer_id": names["who"],
        "event": names["what"],
        "timestamp": names["at"],
        "value": "price",
    }
    log = journey.read_events()
    assert (log.n_events, log.n_customers) == (len(frame), 150)
    zoned = form.endswith(("Z", "00")) or form == "%s"
    assert ("The times carry an offset" in text) == zoned
    assert ("The times have no zone" in text) == (not zoned)


@pytest.mark.parametrize("offset", ["-0800", " -0800", "-08:00", " -08:00", " UTC", "Z"])
def test_times_with_any_offset_are_read_for_judging(tmp_path, offset):
    frame = made_rows()
    text, journey = proposed(
        frame.assign(at=frame["at"].dt.strftime("%Y-%m-%d %H:%M:%S") + offset), tmp_path / "x.csv"
    )
    assert columns(journey) | {"timestamp": "at"} == columns(journey)
    assert "instants are certain" in text
    assert journey.funnel()["steps"][-1] == "purchase"


def test_a_column_that_holds_no_times_is_refused_as_the_time(tmp_path):
    with pytest.raises(
        cj.DataError,
        match=r"no value of 'channel' can be read as a time, such as 'email'\. A time is a date.* Name another column",
    ):
        proposed(made_rows(), tmp_path / "x.csv", time="channel")


def test_a_date_order_that_nothing_proves_is_left_to_a_person(tmp_path):
    frame = made_rows(40)
    frame["at"] = [f"{1 + n % 12:02d}/{1 + n % 11:02d}/2024" for n in range(len(frame))]
    text, journey = proposed(frame, tmp_path / "x.csv")
    assert (
        "dates: day_first  # DECIDE: nothing in the file proves whether the day or the month comes first (else month_first)"
        in text
    )
    assert journey.read_events().n_events > 0


def test_a_person_travels_not_their_session_nor_the_product(tmp_path):
    draw = random.Random(3)
    frame = made_rows().assign(
        item=lambda rows: [f"P{draw.randrange(60):04d}" for _ in range(len(rows))]
    )
    frame = frame.rename(columns={"who": "a", "session": "b", "item": "c", "what": "d", "at": "e"})[
        ["c", "b", "a", "d", "e"]
    ]
    _, journey = proposed(frame, tmp_path / "x.csv")
    assert columns(journey)["customer_id"] == "a"


def test_a_birthday_is_not_the_time_of_the_event(tmp_path):
    frame = made_rows().assign(
        geburtstag=lambda rows: [f"19{50 + int(who[-2:]) % 50}-05-17" for who in rows["who"]]
    )
    _, journey = proposed(frame[["geburtstag", "who", "what", "at"]], tmp_path / "x.csv")
    assert columns(journey)["timestamp"] == "at"


def test_orders_without_a_column_of_events_get_a_named_one(tmp_path):
    frame = made_rows().query("what == 'purchase'")
    more = pd.concat([frame, frame.assign(at=frame["at"] + pd.Timedelta(days=20)), frame.iloc[[0]]])
    orders = pd.DataFrame(
        {
            "kunde": more["who"],
            "datum": more["at"].dt.strftime("%Y%m%d"),
            "umsatz": more["price"],
            "stueck": 1,
        }
    )
    text, journey = proposed(orders, tmp_path / "orders.csv")
    assert columns(journey) == {"customer_id": "kunde", "timestamp": "datum", "value": "umsatz"}
    assert (
        journey.sources.events.event,
        journey.sources.events.dates,
        journey.sources.events.duplicates,
    ) == ("purchase", None, "keep")
    assert "DECIDE: no column names an event" in text
    log = journey.read_events()
    assert log.event_names == ["purchase"]
    assert log.n_events == len(orders)


def test_parquet_and_json_lines_are_guessed_like_csv(tmp_path):
    frame = made_rows().assign(price=lambda rows: pd.to_numeric(rows["price"]))
    frame.to_parquet(tmp_path / "x.parquet")
    with (tmp_path / "x.jsonl").open("w", encoding="utf-8") as lines:
        lines.writelines(
            json.dumps(row | {"at": row["at"].isoformat()}) + "\n"
            for row in frame.to_dict("records")
        )
    frame.to_csv(tmp_path / "x.csv", index=False)
    told = [
        journey_from_text(first_journey(tmp_path / name), folder=tmp_path)
        for name in ("x.parquet", "x.jsonl", "x.csv")
    ]
    assert len({tuple(sorted(columns(one).items())) for one in told}) == 1
    assert {one.read_events().n_events for one in told} == {len(frame)}


def test_the_same_rows_in_any_order_get_the_same_proposal(tmp_path):
    frame = made_rows()
    frame.to_csv(tmp_path / "x.csv", index=False)
    one = first_journey(tmp_path / "x.csv")
    frame.sample(frac=1, random_state=1).to_csv(tmp_path / "x.csv", index=False)
    assert first_journey(tmp_path / "x.csv") == one


def test_columns_may_be_named_by_the_caller(tmp_path):
    _, journey = proposed(
        made_rows(), tmp_path / "x.csv", customer="session", event="channel", time="at"
    )
    assert columns(journey)["customer_id"] == "session"
    assert columns(journey)["event"] == "channel"
    with pytest.raises(
        cj.CjlibError, match=r"init customer: there is no column 'sesion'\. Did you mean 'session'"
    ):
        first_journey(tmp_path / "x.csv", customer="sesion")
    with pytest.raises(
        cj.CjlibError,
        match=r"init: 'who' cannot be the event and the customer or the time at once\. Name another column",
    ):
        first_journey(tmp_path / "x.csv", customer="who", event="who")


def test_a_file_with_many_broken_rows_is_usable_and_a_person_is_asked(tmp_path):
    frame = made_rows()
    frame.loc[frame.index % 8 == 0, "who"] = None
    frame = pd.concat([frame, frame.iloc[1:30]])
    text, journey = proposed(frame, tmp_path / "x.csv")
    assert (
        "quarantine_limit: 0.2  # DECIDE: 15% of the rows are broken, lack a customer, event or readable time, or repeat another one"
        in text
    )
    assert journey.read_events().n_events < len(frame)


def test_times_of_day_in_a_column_of_their_own_are_pointed_out(tmp_path):
    frame = (
        made_rows()
        .assign(
            date=lambda rows: rows["at"].dt.date,
            uhrzeit=lambda rows: rows["at"].dt.strftime("%H:%M:%S"),
        )
        .drop(columns="at")
    )
    text, journey = proposed(frame, tmp_path / "x.csv")
    assert columns(journey)["timestamp"] == "date"
    assert "DECIDE: uhrzeit holds times of day. Only one column can be the timestamp" in text


def test_ids_that_missing_values_made_floats_are_ids(tmp_path):
    frame = made_rows().assign(who=lambda rows: rows["who"].str[1:].astype(float))
    frame.to_parquet(tmp_path / "x.parquet")
    journey = journey_from_text(first_journey(tmp_path / "x.parquet"), folder=tmp_path)
    assert columns(journey)["customer_id"] == "who"
    assert journey.read_events().customer_ids()[:2].tolist() == [0, 1]


def test_where_all_rows_are_one_event_the_column_that_says_so_is_taken(tmp_path):
    _, journey = proposed(
        made_rows().assign(what="page_view").rename(columns={"what": "event_name"}),
        tmp_path / "x.csv",
    )
    assert columns(journey)["event"] == "event_name"
    assert journey.funnel()["steps"] == ["page_view"]


def test_a_file_of_customers_who_came_once_is_refused_rather_than_misread(tmp_path):
    with pytest.raises(
        cj.DataError,
        match=r"nor one that is called so\. Columns: .*--customer COLUMN .* cj init --feedback FILE",
    ):
        proposed(made_rows().drop_duplicates("who"), tmp_path / "x.csv")


@pytest.mark.parametrize(
    "name",
    ["customer_id", "User ID", "Kundennummer", "userId", "uid", "user_pseudo_id", "N° client"],
)
def test_a_column_that_is_called_so_is_the_customer_though_nobody_comes_twice(tmp_path, name):
    frame = made_rows().drop_duplicates("who").drop(columns="session").rename(columns={"who": name})
    text, journey = proposed(
        frame.assign(shirt=[f"S{n % 20}" for n in range(len(frame))]), tmp_path / "x.csv"
    )
    assert columns(journey).get("customer_id", "customer_id") == name
    assert (
        f"    # DECIDE: 150 rows, 150 different values of {quoted(name)}: is that the customer, or the row?"
        in text
    )
    assert journey.read_events().n_customers == 150


def test_ids_of_browsers_that_look_like_amounts_are_told_by_their_name(tmp_path):
    frame = (
        made_rows()
        .assign(who=lambda rows: "1234." + rows["who"].str[1:])
        .rename(columns={"who": "user_pseudo_id"})
        .drop(columns="session")
    )
    _, journey = proposed(frame, tmp_path / "x.csv")
    assert columns(journey)["customer_id"] == "user_pseudo_id"
    assert journey.read_events().n_customers == 150


def test_a_column_called_event_is_the_event_however_many_there_are(tmp_path):
    frame = made_rows(500).rename(columns={"what": "event"})
    frame["event"] = [f"/page/{n % 1_200}" for n in range(len(frame))]
    _, journey = proposed(frame.drop(columns=["channel", "session"]), tmp_path / "x.csv")
    assert journey.sources.events.event is None
    assert len(journey.read_events().event_names) == 1_200


def test_where_a_customer_lives_or_what_a_row_is_about_is_no_event(tmp_path):
    draw = random.Random(5)
    orders = made_rows().query("what == 'purchase'").drop(columns=["what", "channel", "session"])
    orders = pd.concat([orders, orders.assign(at=orders["at"] + pd.Timedelta(days=9))])
    orders["Country"], orders["Order Status"] = (
        [draw.choice(kinds) for _ in range(len(orders))]
        for kinds in (["US", "MX", "CA"], ["paid", "open"])
    )
    text, journey = proposed(orders, tmp_path / "orders.csv")
    assert journey.sources.events.event == "purchase"
    assert "if one does: cj init --event COLUMN" in text
    _, named = proposed(orders, tmp_path / "orders.csv", event="Order Status")
    assert columns(named)["event"] == "Order Status"


def test_decimals_with_a_comma_are_money(tmp_path):
    frame = (
        made_rows()
        .rename(columns={"price": "Betrag"})
        .assign(Betrag=lambda rows: rows["Betrag"].str.replace(".", ","))
    )
    _, journey = proposed(frame, tmp_path / "x.csv", sep=";")
    assert journey.value.amount == "value"
    commas = pd.to_numeric(frame["Betrag"].str.replace(",", "."))
    log = journey.read_events()
    (total,) = log.engine.rows("SELECT sum(value) FROM events")[0]
    assert total == pytest.approx(commas.sum())


def test_of_a_row_a_ticket_the_first_time_counts_and_the_others_are_pointed_out(tmp_path):
    rows = made_rows().drop(columns=["what", "session"]).rename(columns={"at": "Created at"})
    rows["Solved at"] = rows["Created at"] + pd.Timedelta(hours=5)
    text, journey = proposed(rows, tmp_path / "x.csv")
    assert columns(journey)["timestamp"] == "Created at"
    assert (
        "    # DECIDE: Solved at: times too. Where they are events of their own, write a row for each into the file"
        in text
    )


@pytest.mark.parametrize("spoil", ["\ufeff{}", "{}x,y\na,b,c,d,e,f,g,h,i\n"])
def test_marks_and_broken_lines_do_not_hide_the_rest(tmp_path, spoil):
    (tmp_path / "x.csv").write_text(spoil.format(made_rows().to_csv(index=False)), encoding="utf-8")
    journey = journey_from_text(first_journey(tmp_path / "x.csv"), folder=tmp_path)
    assert columns(journey)["customer_id"] == "who"
    assert journey.read_events().n_customers == 150


def test_a_column_that_already_has_one_of_our_names_gives_way(tmp_path):
    frame = (
        made_rows()
        .assign(timestamp=lambda rows: rows["what"].str.len(), event="x")
        .drop(columns="channel")
    )
    _, journey = proposed(frame, tmp_path / "x.csv")
    assert columns(journey)["event"] == "what"
    assert columns(journey)["source_event"] == "event"
    assert journey.read_events().n_customers == 150


# ---- proposals ---------------------------------------------------------------------------------------------------


def test_stages_follow_the_names_and_the_order_of_first_occurrence(tmp_path):
    _, journey = proposed(made_rows(), tmp_path / "x.csv")
    assert [
        (stage.name, [point.name for point in stage.touchpoints]) for stage in journey.stages
    ] == [
        ("Awareness", ["visit"]),
        ("Consideration", ["search", "product_view"]),
        ("Purchase", ["add_to_cart", "checkout", "purchase"]),
    ]


def test_names_that_say_nothing_are_ordered_by_when_they_come(tmp_path):
    coded = dict(zip(WALK, ["zz1", "xq", "kk", "ab", "qq9", "aa"], strict=True))
    _, journey = proposed(made_rows().replace({"what": coded}), tmp_path / "x.csv")
    assert journey.stage_names == ["Beginning", "Early", "Late", "End"]
    assert [point.name for stage in journey.stages for point in stage.touchpoints] == [
        "zz1",
        "xq",
        "kk",
        "ab",
        "qq9",
        "aa",
    ]
    assert journey.funnel()["steps"][0] == "zz1"


def test_events_are_listed_commonest_first_with_rows_and_customers(tmp_path):
    frame = made_rows()
    text, _ = proposed(frame, tmp_path / "x.csv")
    listed = [line for line in text.splitlines() if line.startswith("#   ")]
    counts = (
        frame.groupby("what")["who"].agg(["size", "nunique"]).sort_values("size", ascending=False)
    )
    assert listed == [
        f"#   {name}: {rows:,} rows, {people:,} customers"
        for name, rows, people in counts.itertuples()
    ]


def test_an_event_of_leaving_is_taken_as_churn_else_a_silence(tmp_path):
    frame = made_rows()
    _, quiet = proposed(frame, tmp_path / "x.csv")
    assert quiet.churn.inactive is not None
    last = frame.groupby("who", as_index=False).last().assign(what="subscription_cancelled")
    _, said = proposed(
        pd.concat([frame, last.assign(at=last["at"] + pd.Timedelta(days=9))]), tmp_path / "x.csv"
    )
    assert str(said.churn.event) == "subscription_cancelled"


def test_hostile_event_names_and_columns_stay_what_they_are(tmp_path):
    evil = [
        'buy" }\n]: *x',
        "<script>alert(1)</script>",
        "null",
        "a: b # c",
        "'; DROP TABLE looked; --",
        "\u202eevil",
    ]
    frame = (
        made_rows(60)
        .replace({"what": dict(zip(WALK, evil, strict=True))})
        .rename(columns={"what": 'e"v\ne: {n', "who": "{who}"})
    )
    text, journey = proposed(frame, tmp_path / "it's [a] *file*.csv")
    assert columns(journey)["event"] == 'e"v\ne: {n'
    assert sorted(point.name for stage in journey.stages for point in stage.touchpoints) == sorted(
        evil
    )
    assert "\u202e" not in text
    assert journey.read_events().n_events == len(frame)


def test_many_event_names_are_mapped_by_frequency_and_the_rest_is_said(tmp_path):
    frame = made_rows(400)
    frame["what"] = [f"screen {n % 300}" for n in range(len(frame))]
    text, journey = proposed(frame, tmp_path / "x.csv", event="what")
    assert len(journey.mapping) == 60
    assert "# 240 rarer events belong to no stage yet; `cj check` lists them." in text


@pytest.mark.parametrize("rows", [2, 3, 6])
def test_a_file_of_a_few_rows_is_enough(tmp_path, rows):
    frame = pd.DataFrame(
        {
            "user": ["a", "a", "b", "b", "a", "b"],
            "event": ["x", "y"] * 3,
            "time": pd.date_range("2024-01-01", periods=6, freq="h"),
        }
    ).head(rows)
    _, journey = proposed(frame, tmp_path / "x.csv", customer="user")
    assert journey.read_events().n_events == rows


def test_the_path_is_written_relative_to_where_the_journey_file_will_lie(tmp_path):
    made_rows(20).to_csv(tmp_path / "x.csv", index=False)
    (tmp_path / "journeys").mkdir()
    journey = journey_from_text(
        first_journey(tmp_path / "x.csv", folder=tmp_path / "journeys"),
        folder=tmp_path / "journeys",
    )
    assert journey.sources.events.path == "../x.csv"
    assert journey.read_events().n_customers == 20


# ---- a table of customers ------------------------------------------------------------------------------------------


def members(
    target: str = "Churn", values: tuple[object, object] = ("Yes", "No"), n: int = 120
) -> pd.DataFrame:
    """One row a customer, a quarter of whom left."""
    draw = random.Random(5)
    rows = [
        (
            f"{draw.randrange(9999):04d}-{k:04d}",
            draw.randrange(72),
            round(draw.uniform(20, 90), 2),
            values[k % 4 > 0],
        )
        for k in range(n)
    ]
    return pd.DataFrame(rows, columns=["customerID", "tenure", "MonthlyCharges", target])


def left(journey: cj.Journey) -> dict[str, object]:
    """Who left, counted by the analysis itself."""
    data = cj.churn_table(journey.read_customers(), **journey.churn_table_options())
    return {
        "rows": len(data.table),
        "left": int(data.table["churned"].sum()),
        "target": journey.churn.target,
        "positive": journey.churn.positive,
    }


def test_a_table_of_customers_names_who_left_and_what_each_brings_and_can_be_asked_at_once(
    tmp_path,
):
    text, journey = proposed(members(), tmp_path / "customers.csv")
    assert columns_of_customers(journey) == {"customer_id": "customerID"}
    assert journey.sources.events is None
    assert left(journey) == {"rows": 120, "left": 30, "target": "Churn", "positive": None}
    assert journey.value.amount == "MonthlyCharges"
    assert list(journey.stage_names) == ["Customers"]
    assert '  # DECIDE: the column that says who left: 30 of 120 rows have "Yes"\n' in text


def columns_of_customers(journey: cj.Journey) -> dict[str, str]:
    return {ours: theirs for theirs, ours in journey.sources.customers.columns.items()}


@pytest.mark.parametrize(
    ("target", "values", "positive"),
    [
        ("Exited", (1, 0), None),
        ("churned", (True, False), None),
        ("HasLeft", ("y", "n"), None),
        ("churn_1.0", (1.0, 0.0), None),
        ("Attrition_Flag", ("Attrited Customer", "Existing Customer"), "Attrited Customer"),
        ("Customer Status", ("Churned", "Stayed"), "Churned"),
        ("status", ("cancelled", "active"), "cancelled"),
        ("gekündigt", ("ja", "nein"), "ja"),
        ("Churn", ("red", "green"), "red"),
        ("IsActiveMember", (0, 1), "0"),
        ("is_active", (False, True), "False"),
        ("still active", ("no", "yes"), "no"),
    ],
)
def test_who_left_is_told_by_the_name_and_the_values_and_named_where_they_are_not_plain(
    tmp_path, target, values, positive
):
    text, journey = proposed(members(target, values), tmp_path / "customers.csv")
    assert left(journey) == {"rows": 120, "left": 30, "target": target, "positive": positive}
    assert ("the name says the opposite" in text) == ("ctive" in target)


def test_what_plainly_says_who_left_goes_before_what_says_the_opposite_and_reasons_are_none(
    tmp_path,
):
    frame = members("Exited", (1, 0)).assign(
        IsActiveMember=[k % 2 for k in range(120)], Attrited=lambda rows: rows["Exited"]
    )
    frame.insert(
        0,
        "Churn Category",
        [None if k % 4 else ("Price", "Service")[k % 8 == 0] for k in range(120)],
    )
    frame.insert(0, "Churn Score", [(80, 20)[k % 4 > 0] for k in range(120)])
    text, journey = proposed(frame, tmp_path / "customers.csv")
    assert journey.churn.target == "Exited"
    assert "'Attrited' may say it too" in text
    assert "IsActiveMember" not in text


def test_a_total_or_an_income_is_not_what_a_customer_brings_a_period(tmp_path):
    frame = (
        members()
        .rename(columns={"MonthlyCharges": "TotalCharges"})
        .assign(annual_income=lambda rows: rows["TotalCharges"] * 900)
    )
    text, journey = proposed(frame, tmp_path / "customers.csv")
    assert journey.value is None
    assert "# value: {amount: COLUMN}  # DECIDE" in text


def test_customers_without_an_id_are_numbered_and_one_may_be_named(tmp_path):
    nameless = members().rename(columns={"customerID": "phone line"})
    text, journey = proposed(nameless, tmp_path / "customers.csv")
    assert columns_of_customers(journey) == {}
    assert "no column is called a customer's id" in text
    _, journey = proposed(nameless, tmp_path / "customers.csv", customer="phone line")
    assert columns_of_customers(journey) == {"customer_id": "phone line"}


def test_a_table_with_dates_is_a_table_where_its_customers_are_named_and_unique(tmp_path):
    dated = members().assign(signup=pd.date_range("2023-01-01", periods=120).strftime("%Y-%m-%d"))
    assert proposed(dated, tmp_path / "customers.csv")[1].churn.target == "Churn"
    logged = made_rows().assign(churned=lambda rows: (rows["who"].str[-1] == "1").astype(int))
    _, journey = proposed(logged, tmp_path / "events.csv")
    assert journey.sources.customers is None
    assert columns(journey)["event"] == "what"


def test_columns_of_the_table_that_have_our_names_get_others_and_repeated_ids_are_pointed_out(
    tmp_path,
):
    frame = (
        members()
        .assign(customer_id="shop 1", cutoff=1, churned=2)
        .rename(columns={"customerID": "Member No"})
    )
    frame.loc[1, "Member No"] = frame.loc[0, "Member No"]
    text, journey = proposed(frame, tmp_path / "customers.csv", customer="Member No")
    assert columns_of_customers(journey) == {
        "customer_id": "Member No",
        "source_customer_id": "customer_id",
        "source_cutoff": "cutoff",
        "source_churned": "churned",
    }
    assert "1 of 120 rows have no id, or one that another row has" in text
    assert left(journey)["left"] == 30


def test_hostile_names_and_values_of_a_table_stay_what_they_are(tmp_path):
    target, gone = 'churn "x": {y}\n# DECIDE\u2028', "left'; DROP TABLE looked; --"
    text, journey = proposed(members(target, (gone, "here")), tmp_path / "customers.csv")
    assert (journey.churn.target, journey.churn.positive) == (target, gone)
    assert all(not line.startswith("# DECIDE") for line in text.splitlines())


def test_rows_of_the_table_in_another_order_give_the_same_file(tmp_path):
    frame = members("status", ("closed", "open"))
    assert (
        proposed(frame, tmp_path / "x.csv")[0]
        == proposed(frame.sample(frac=1, random_state=1), tmp_path / "x.csv")[0]
    )


def test_feedback_of_the_customers_of_a_table_is_described_too(tmp_path):
    frame = members()
    frame.to_csv(tmp_path / "customers.csv", index=False)
    said = made_comments().assign(Member=frame["customerID"][:60])
    said.to_csv(tmp_path / "comments.csv", index=False)
    journey = journey_from_text(
        first_journey(tmp_path / "customers.csv", feedback=tmp_path / "comments.csv"),
        folder=tmp_path,
    )
    assert len(journey.read_feedback().frame) == 60
    assert left(journey)["left"] == 30


def test_a_table_that_says_neither_who_left_nor_what_happened_is_told_of_both(tmp_path):
    with pytest.raises(
        cj.DataError,
        match=r"no column whose values are dates or times.* A table of customers, one row each, needs .* one that says who left: .* churn: \{target: COLUMN\}",
    ):
        proposed(members().drop(columns="Churn"), tmp_path / "x.csv")
    with pytest.raises(cj.DataError, match="there is none, or customers repeat"):
        proposed(pd.concat([members(), members()]), tmp_path / "x.csv")


def test_the_table_of_a_telephone_company_is_ready_to_run(shared_data, tmp_path):
    text = first_journey(
        shared_data / "telco_churn" / "telco_customer_churn.csv.gz", folder=tmp_path
    )
    journey = journey_from_text(text, folder=tmp_path)
    assert left(journey) == {"rows": 7043, "left": 1869, "target": "Churn", "positive": None}
    assert journey.value.amount == "MonthlyCharges"
    (tmp_path / "journey.yml").write_text(text, encoding="utf-8")
    assert check_journey(tmp_path / "journey.yml").customers == 7043


# ---- files that are none -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (
            "x.csv",
            "a,b\n1,x\n2,y\n",
            r"has no column whose values are dates or times\. Columns: 'a', 'b'\. Name it: cj init FILE --time COLUMN",
        ),
        (
            "x.csv",
            "a,t\n1,2024-01-01\n2,2024-01-02\n",
            r"has no column whose values repeat, as the id of a customer does",
        ),
        ("x.csv", "a,t\n", r"holds no rows"),
        ("x.csv", "", r"is empty\. It must begin with a line of column names"),
        ("x.xls", "PK", r"cannot be read as it is\. What can be read is a Parquet, CSV"),
        ("x.parquet", "no parquet at all", r"cannot be read as"),
    ],
)
def test_a_file_without_events_says_what_is_missing(tmp_path, name, content, words):
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(cj.CjlibError, match=words):
        first_journey(tmp_path / name)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(cj.DataError, match="there is no file"):
        first_journey(tmp_path / "none.csv")


# ---- templates ---------------------------------------------------------------------------------------------------


def test_there_is_a_template_for_each_trade():
    assert template_names() == ["b2b", "ecommerce", "lifecycle", "saas", "support"]
    with pytest.raises(
        cj.CjlibError, match=r"template: must be one of .* Got 'sass'\. Did you mean 'saas'"
    ):
        template("sass")


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("ecommerce", "Awareness · Consideration · Purchase · Retention · Advocacy"),
        (
            "saas",
            "Awareness · Acquisition and onboarding · Adoption · Renewal · Expansion · Advocacy",
        ),
        (
            "b2b",
            "Out of market · Trigger · Initial consideration · Active evaluation · Purchase decision · Implementation · Loyalty",
        ),
        ("lifecycle", "Reach · Acquisition · Conversion · Retention · Loyalty"),
        ("support", "Ticket opened · First response · In work · Resolved · Follow-up"),
    ],
)
def test_a_template_is_a_complete_valid_file_with_comments(name, stages):
    text = template(name)
    journey = journey_from_text(text)
    assert " · ".join(journey.stage_names) == stages
    assert journey.funnels
    assert journey.retention is not None
    assert journey.churn is not None
    assert journey.targets
    assert text.count("#") >= 10


def test_every_event_a_template_asks_for_belongs_to_a_stage():
    from cjlib.sources.journey.check import events_used

    for name in template_names():
        journey = journey_from_text(template(name))
        mapped = {event for one in journey.mapping for event in one.event.names}
        unknown = {event for _, step in events_used(journey) for event in step.names} - mapped
        assert not unknown, f"{name}: {unknown}"


# ---- small things ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (["2024-01-31", "2024-02-01 10:00:00.123+01:00"], "iso"),
        (["2019-10-01 00:00:00 UTC"], "iso"),
        (["20240131", "19991231"], "ymd"),
        (["1704067200", "1704067201.5"], "epoch"),
        (["1704067200000"], "epoch"),
        (["13/02/2024 10:00"], "day_first"),
        (["02/13/2024 10:00 PM"], "month_first"),
        (["02/03/2024"], "either"),
        (["13/02/2024", "02/13/2024"], None),
        (["541312140", "554748717"], None),
        (["12345678"], None),
        (["2024/1/5 9:30", "2024.12.31"], "iso"),
        (["20240131T101500Z"], "iso"),
        (["31.01.24 10:15", "01.02.24 09:00"], "format"),
        (["03/02/24"], "either"),
        (["Jan 31, 2024", "Feb 1, 2024"], "iso"),
        (["hello"], None),
        ([], None),
    ],
)
def test_how_times_are_written(texts, kind):
    assert time_kind(texts) == kind


def test_lengths_are_rounded_up_to_what_people_use():
    assert [rounded_up(seconds) for seconds in (1, 1801, 86_400, 86_401 * 8, 1e12)] == [
        "30min",
        "1h",
        "1D",
        "14D",
        "730D",
    ]
    assert rounded_up(1e9, most=86_400 * 10) == "7D"


def test_names_are_quoted_only_where_yaml_needs_it():
    assert [quoted(name) for name in ("add_to_cart", "Resolve ticket", "no", "404", "a: b", 'say "x"', "x\ny", "")] == [
        "add_to_cart", "Resolve ticket", '"no"', '"404"', '"a: b"', '"say \\"x\\""', '"x\\x0ay"', '""',
    ]  # fmt: skip


_SAID = [
    "The checkout asked me twice for the same address before it let me pay",
    "Delivery came two days late and nobody told me about it in advance",
    "I liked that the return label was already in the box for me",
    "Your chat answered within a minute and solved it on the first try",
]


@pytest.mark.parametrize(
    ("head", "cells"),
    [
        ("date,answer", "2024-01-{day:02d},{said}"),
        ("Submitted,Region,What could we do better?", "2024-01-{day:02d} 10:00,{region},{said}"),
        ("when,department,remarks", "2024-01-{day:02d},{region},{said} and so on for this time"),
    ],
)
def test_answers_in_words_alone_are_feedback(head, cells, tmp_path):
    path = tmp_path / "answers.csv"
    rows = [
        cells.format(day=1 + n % 28, region="NSEW"[n % 4], said=f"{_SAID[n % 4]} ({n})")
        for n in range(80)
    ]
    path.write_text("\n".join([head, *rows]))
    text = first_journey(path)
    assert "  feedback:" in text
    assert "  events:\n" not in text
    (tmp_path / "journey.yml").write_text(text)
    assert len(cj.read_journey(tmp_path / "journey.yml").read_feedback().frame) == 80


def test_events_with_a_comment_beside_who_and_what_stay_events(tmp_path):
    path = tmp_path / "tickets.csv"
    rows = [
        f"u{n % 9},{kind},2024-01-{1 + n % 28:02d} 1{hour}:00,{_SAID[n % 4]} ({n} {hour})"
        for n in range(40)
        for hour, kind in enumerate(["opened", "answered", "closed"])
    ]
    path.write_text("\n".join(["user_id,event,time,comment", *rows]))
    assert "  events:" in first_journey(path)
