"""Exports in shapes that no preset knows: from `cj init` to a funnel without editing, every count right."""

import json

import pandas as pd
import pytest

import cjlib as cj
from cjlib.sources.journey.scaffold import first_journey

N = 60
MONTHS = ["janv.", "févr.", "mars", "avr.", "mai", "juin"]


def rows():
    """Sixty customers visit, forty sign up some hours later, twenty buy."""
    start = pd.Timestamp("2025-02-03 08:00")
    found = []
    for n in range(N):
        at = start + pd.Timedelta(hours=13 * n, minutes=7 * n)
        found.append((f"C{n:03d}", "visit", at, None))
        if n % 3:
            found.append((f"C{n:03d}", "signup", at + pd.Timedelta(hours=5, seconds=n), None))
        if n % 3 == 1:
            paid = at + pd.Timedelta(hours=30, seconds=n)
            found.append((f"C{n:03d}", "purchase", paid, 1000.5 + n))
    return pd.DataFrame(found, columns=["user", "action", "when", "amount"]).sort_values("when")


ROWS = rows()
WORTH = ROWS["amount"].sum()
ISO = ROWS.assign(when=ROWS["when"].dt.strftime("%Y-%m-%dT%H:%M:%S"))
CSV = ISO.to_csv(index=False)


def piped():
    """Pipes, everything quoted, and a separator at each line's end."""
    quoted = [[*ISO.columns], *ISO.astype(str).replace("nan", "").to_numpy().tolist()]
    return "".join("|".join(f'"{cell}"' for cell in row) + "|\n" for row in quoted)


def french():
    """Months by name, amounts with a narrow space, a comma and their sign."""
    when = [f"{at.day} {MONTHS[at.month - 1]} {at.year} {at:%H:%M:%S}" for at in ROWS["when"]]
    amount = [
        "" if pd.isna(value) else f"{value:,.2f} €".replace(",", "\u202f").replace(".", ",")
        for value in ROWS["amount"]
    ]
    return ROWS.assign(when=when, amount=amount).to_csv(index=False, sep=";")


def nested():
    """Objects with the id and the money inside others, times as milliseconds."""
    return "\n".join(
        json.dumps(
            {
                "event": row.action,
                "user": {"id": row.user, "traits": {"plan": "x"}},
                "ts": int(row.when.timestamp() * 1000),
                "props": {"amount": None if pd.isna(row.amount) else row.amount},
            }
        )
        for row in ROWS.itertuples()
    )


def with_lines_between(line):
    """A line of another kind after each thirtieth row."""
    head, *lines = CSV.splitlines()
    parts = [lines[n : n + 30] for n in range(0, len(lines), 30)]
    return "\n".join([head, *(row for part in parts for row in [*part, line])]) + "\n"


EXPORTS = {
    "a title above.csv": f"Report: Customer events\nPeriod: Q1 2025\n\n{CSV}",
    "comments.csv": f"# Export of Shop X\n# generated 2025-04-01\n\n{CSV}\n\n",
    "total at the end.csv": f"{CSV}Total,,,{WORTH:.2f}\n",
    "notes.csv": ISO.assign(note=['He said: "ok",\nthen left'] + [""] * (len(ISO) - 1)).to_csv(index=False, lineterminator="\r\n"),
    "pipes.csv": piped(),
    "unnamed columns.csv": ISO.reset_index().assign(**{" ": "", "  ": ""}).to_csv(index=False).replace("index,", ",", 1),
    "offsets.csv": ISO.assign(when=ROWS["when"].dt.tz_localize("UTC").dt.tz_convert("America/New_York").map(lambda at: at.isoformat())).to_csv(index=False),
    "seconds.csv": ISO.assign(when=ROWS["when"].astype("datetime64[us]").astype("int64") / 1e6).to_csv(index=False, float_format="%.3f"),
    "mois.csv": french(),
    "nested.jsonl": nested(),
    "subtotals.csv": with_lines_between("Subtotal,,,99.50") + f"Grand total,,,{WORTH:.2f}\n",
    "total as a customer.csv": f"{CSV}Total,purchase,2025-06-01T00:00:00,{WORTH:.2f}\n",
    "the names again.csv": with_lines_between(CSV.splitlines()[0]),
    "line ends of three kinds.csv": "".join(line + ("\r\n", "\n", "\r")[n % 3] for n, line in enumerate(CSV.splitlines())),
    "line ends of old.csv": CSV.replace("\n", "\r"),
    "all in quotes.csv": ISO.to_csv(index=False, quoting=1),
    "nulls of a database.csv": ISO.to_csv(index=False, na_rep="\\N"),
    "compact.csv": ISO.assign(when=ROWS["when"].dt.strftime("%Y%m%d%H%M%S")).to_csv(index=False),
    "milliseconds.csv": ISO.assign(when=ROWS["when"].astype("datetime64[ms]").astype("int64")).to_csv(index=False),
    "tage.csv": ROWS.assign(when=ROWS["when"].dt.strftime("%d.%m.%y %H:%M:%S")).to_csv(index=False, sep=";", decimal=","),
    "db2.csv": ISO.assign(when=ROWS["when"].dt.strftime("%Y-%m-%d-%H.%M.%S.%f")).to_csv(index=False),
    "names of files.csv": ISO.assign(when=ROWS["when"].dt.strftime("%Y-%m-%d_%H-%M-%S")).to_csv(index=False),
    "net.jsonl": ISO.assign(when="/Date(" + ROWS["when"].astype("datetime64[ms]").astype("int64").astype(str) + ")/").to_json(orient="records", lines=True),
    "dollars.csv": ISO.assign(amount=[("" if pd.isna(one) else f"${one:,.2f}") for one in ROWS["amount"]]).to_csv(index=False),
    "francs.csv": ISO.assign(amount=[("" if pd.isna(one) else f"CHF {one:,.2f}".replace(",", "'")) for one in ROWS["amount"]]).to_csv(index=False),
    "one object.json": json.dumps({"meta": {"n": len(ISO)}, "data": [{"user": {"id": row.user, "seen": n}, "action": row.action, "when": row.when, "amount": None if pd.isna(row.amount) else row.amount} for n, row in enumerate(ISO.itertuples())]}),
}  # fmt: skip


def walked(path, text):
    """The log and the funnel of the file that `cj init` writes for these bytes."""
    path.write_bytes(text)
    file = path.parent / "journey.yml"
    file.write_text(first_journey(path, folder=path.parent), encoding="utf-8")
    journey = cj.read_journey(file)
    log = journey.read_events()
    return log, cj.funnel(log, **journey.funnel()).table["customers"].tolist()


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_is_read_as_it_is(name, tmp_path):
    log, steps = walked(tmp_path / name, EXPORTS[name].encode())
    assert log.n_customers == N
    assert steps == [60, 40, 20]
    assert log.run("SELECT sum(value) AS worth FROM events")["worth"][0] == pytest.approx(WORTH)
    assert log.n_events == len(ROWS)
    assert set(log.customer_ids()) == set(ROWS["user"])


def test_text_of_a_spreadsheet_in_utf_16(tmp_path):
    text = ("\ufeff" + ISO.to_csv(index=False, sep="\t")).encode("utf-16-le")
    assert walked(tmp_path / "unicode text.txt", text)[1] == [60, 40, 20]


NPS = "How likely are you to recommend us to a friend? (0-10)"


def answers(scores, **columns):
    """Eighty-eight answers, one a person."""
    at = pd.date_range("2025-03-01 09:00", periods=88, freq="3h7min")
    plain = {"Reviewer": [f"p{n}" for n in range(88)], "Submitted": at.strftime("%Y-%m-%d %H:%M")}
    return pd.DataFrame({**plain, **columns, **scores})


@pytest.mark.parametrize(
    ("table", "score", "value"),
    [
        # Of 0 to 10 in turn two of eleven promote, seven detract.
        (answers({NPS: [n % 11 for n in range(88)]}, Why="so, so"), "nps", -500 / 11),
        (
            answers(
                {
                    "Wie wahrscheinlich ist es, dass Sie uns weiterempfehlen?": [
                        {0: "0 - sehr unwahrscheinlich", 10: "10 - sehr wahrscheinlich"}.get(
                            n % 11, str(n % 11)
                        )
                        for n in range(88)
                    ]
                }
            ),
            "nps",
            -500 / 11,
        ),
        (
            answers({"Rating": [f"{n % 4 + 2} out of 5" for n in range(88)]}, Title="t"),
            "score",
            0.5,
        ),
    ],
)
def test_a_file_of_answers_alone_is_feedback_and_no_score_is_a_customer(
    table, score, value, tmp_path
):
    table.to_csv(tmp_path / "answers.csv", index=False)
    (tmp_path / "journey.yml").write_text(first_journey(tmp_path / "answers.csv"), "utf-8")
    journey = cj.read_journey(tmp_path / "journey.yml")
    assert journey.sources.events is None
    feedback = journey.read_feedback()
    assert len(feedback) == 88
    found = getattr(cj, score)(feedback).metrics
    assert next(iter(found.values()))["value"] == pytest.approx(value, abs=0.01)


SAID = [f"The {n % 7} lamps came late and nobody wrote to me for {n} days" for n in range(88)]


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("Rating", ["Not Good", "Okay", "Great"]), ("rating", ["😡", "😐", "😍"]), ("csat", ["👎", "👍"]),
        ("nps", ["-100", "0", "100"]), ("satisfaction_score", ["20", "60", "100"]), ("CSAT score", ["20%", "60%", "100%"]),
    ],
)  # fmt: skip
def test_answers_on_a_scale_that_nobody_named_are_feedback_and_the_scale_is_asked_for(
    asked, given, tmp_path
):
    scores = {asked: [given[n % len(given)] for n in range(88)]}
    table = answers(scores, Comment=SAID).rename(columns={"Reviewer": "user"})
    table["user"] = [f"p{n % 40}" for n in range(88)]
    table.to_csv(tmp_path / "answers.csv", index=False)
    text = first_journey(tmp_path / "answers.csv")
    (tmp_path / "journey.yml").write_text(text, "utf-8")
    journey = cj.read_journey(tmp_path / "journey.yml")
    assert journey.sources.events is None
    assert len(journey.read_feedback()) == 88
    assert f"DECIDE: {asked} is called as" in text


@pytest.mark.parametrize("repeats", [4, 88])
def test_what_people_wrote_is_no_event_and_german_stars_are_scores(repeats, tmp_path):
    table = answers({"Bewertung": [f"{n % 5 + 1} von 5 Sternen" for n in range(88)]})
    table["Bewertungstext"] = [SAID[n % repeats] for n in range(88)]
    table = table.rename(columns={"Reviewer": "Nutzername"})
    table.to_csv(tmp_path / "answers.csv", index=False, sep=";")
    (tmp_path / "journey.yml").write_text(first_journey(tmp_path / "answers.csv"), "utf-8")
    feedback = cj.read_journey(tmp_path / "journey.yml").read_feedback()
    assert feedback.frame["rating"].sum() == sum(n % 5 + 1 for n in range(88))
    assert "Bewertungstext: text" in (tmp_path / "journey.yml").read_text("utf-8")


@pytest.mark.parametrize("users", ["users", "Active users", "Besucher", "unique_visitors"])
@pytest.mark.parametrize("form", ["{}", "{:,}"])
def test_a_report_that_counts_people_by_day_is_no_log_of_events(users, form, tmp_path):
    days = pd.date_range("2024-01-01", periods=120).strftime("%Y-%m-%d")
    many = [form.format(1000 + 7 * n % 37) for n in range(120)]
    path = tmp_path / "report.csv"
    pd.DataFrame({"date": days, users: many, "revenue": 9.5}).to_csv(path, index=False)
    with pytest.raises(cj.DataError, match=r"is a report: .* says how many there were"):
        first_journey(path)
    assert f"{users}: customer_id" in first_journey(path, customer=users).replace('"', "")


def test_midnight_at_the_end_of_a_day_is_the_next_day(tmp_path):
    path = tmp_path / "events.csv"
    path.write_text(
        "customer_id,event,timestamp\na,visit,2024-01-31 24:00:00\na,buy,2024-01-31 24:00:01\n"
    )
    log = cj.read_events(path, quarantine_limit=1)
    assert log.engine.rows("SELECT CAST(timestamp AS VARCHAR) FROM events") == [
        ("2024-02-01 00:00:00",)
    ]
    assert list(log.quarantine["reason"]) == ["unreadable timestamp"]


@pytest.mark.parametrize("rows", [1, 3, 40])
def test_init_takes_a_log_of_one_customer_for_what_it_is(tmp_path, rows):
    path = tmp_path / "events.csv"
    lines = [
        f"C1,{'buy' if n % 3 else 'visit'},2024-01-01 {n // 60:02d}:{n % 60:02d},web"
        for n in range(rows)
    ]
    path.write_text("\n".join(["customer_id,event,timestamp,channel", *lines]))
    (tmp_path / "journey.yml").write_text(first_journey(path))
    assert "DECIDE: all rows are of one: 'C1'" in (tmp_path / "journey.yml").read_text()
    log = cj.read_journey(tmp_path / "journey.yml").read_events()
    assert (log.n_customers, log.n_events) == (1, rows)


def test_answers_without_a_customer_are_feedback_though_their_texts_repeat(tmp_path):
    path = tmp_path / "answers.csv"
    texts = ["good enough for me", "the lamp was broken", "would not buy it again"]
    lines = [f"2025-03-{n % 28 + 1:02d} 10:00,{n % 11},{texts[n % 3]}" for n in range(40)]
    asked = "How likely are you to recommend us?"
    path.write_text("\n".join([f"Timestamp,{asked},Anything else?", *lines]))
    (tmp_path / "journey.yml").write_text(first_journey(path))
    assert len(cj.read_journey(tmp_path / "journey.yml").read_feedback()) == 40


@pytest.mark.parametrize(
    "goal",
    ["Order Completed", "order confirmed", "checkout_completed", "Payment Succeeded", "order"],
)
def test_init_knows_the_goal_by_the_names_that_shops_give_it(tmp_path, goal):
    path = tmp_path / "events.csv"
    lines = [
        f"C{n},{event},2025-03-{n + 1:02d} 1{hour}:00"
        for n in range(12)
        for hour, event in enumerate(["page viewed", goal, "page viewed", "mail opened"])
    ]
    path.write_text("\n".join(["customer_id,event,timestamp", *lines]))
    assert f"DECIDE: {goal} is the end because its name says so" in first_journey(path)
