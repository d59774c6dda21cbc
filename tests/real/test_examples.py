"""The journey files of data/examples on the real data: published and recomputed counts come out."""

from pathlib import Path

import pandas as pd
import pytest

import cjlib as cj
from cjlib.sources.journey import journey_from_text
from cjlib.sources.journey.check import check_journey
from cjlib.sources.journey.scaffold import first_journey

EXAMPLES = Path(__file__).parents[2] / "data" / "examples"
FEEDBACK = ["airline_tweets", "clothing_reviews", "nps_verbatims"]
TABLES = ["telco"]
NAMES = sorted(
    path.stem for path in EXAMPLES.glob("*.yml") if path.stem not in [*FEEDBACK, *TABLES]
)


@pytest.fixture
def example(shared_data, monkeypatch):
    """The path of an example, its data found below CJ_DATA."""
    monkeypatch.setenv("CJ_DATA", str(shared_data))
    return lambda name: EXAMPLES / f"{name}.yml"


def customers(log: cj.EventLog, journey: cj.Journey, funnel: str, **options) -> list[int]:
    return cj.funnel(log, **journey.funnel(funnel, **options)).table["customers"].tolist()


def test_the_examples_are_valid_without_their_data():
    assert NAMES == [
        "cdnow",
        "ecom_synthetic",
        "helpdesk_tickets",
        "loan_applications",
        "rees46_clickstream",
    ]
    for name in [*NAMES, *FEEDBACK, *TABLES]:
        assert cj.read_journey(EXAMPLES / f"{name}.yml").stages


@pytest.mark.parametrize("name", NAMES)
def test_an_example_fits_its_data(example, name):
    check = check_journey(example(name))
    assert check.exit_code == 0
    assert check.silent.empty
    assert check.unknown_events.empty
    assert check.warnings == ()
    assert check.unmapped["stage"].notna().all(), "a whole event name belongs to no stage"


@pytest.mark.parametrize(
    ("name", "answers"),
    [("airline_tweets", 14485), ("clothing_reviews", 23486), ("nps_verbatims", 2385)],
)
def test_an_example_of_feedback_alone_fits_its_data(example, name, answers):
    check = check_journey(example(name))
    assert (check.exit_code, check.warnings, len(check.feedback)) == (0, (), answers)
    assert check.headline == f"{answers:,} answers read; the journey file names no events."
    with pytest.raises(
        cj.JourneyError,
        match=r"^sources\.events: the journey file names no events, only feedback\.",
    ):
        check.journey.read_events()


def test_the_example_of_a_table_of_customers_fits_its_data(example):
    check = check_journey(example("telco"))
    assert (check.exit_code, check.warnings) == (0, ())
    assert check.headline == "7,043 customers read; the journey file names no events."
    source = check.journey.read_churn_source()
    data = cj.churn_data(source, **check.journey.churn_options(source))
    assert data.population["churned"].tolist() == [1_869]
    assert data.columns.set_index("column").loc["TotalCharges", ["kind", "missing"]].tolist() == [
        "number",
        11,
    ]
    assert data.leaks[data.leaks["level"] == "FAIL"].empty


def test_loan_applications(example):
    journey = cj.read_journey(example("loan_applications"))
    log = journey.read_events()
    assert (log.n_events, log.n_customers, len(log.event_names)) == (262_200, 13_087, 24)
    assert log.span == (
        pd.Timestamp("2011-10-01 00:38:44.546+02:00"),
        pd.Timestamp("2012-03-14 16:04:54.681+01:00"),
    )
    assert customers(log, journey, "approval") == [13_087, 7_367, 5_113, 5_015, 3_254, 2_246]
    ends = log.table().set_index("event")["customers"]
    assert ends[["A_APPROVED", "A_DECLINED", "A_CANCELLED"]].tolist() == [2_246, 7_635, 2_807]
    undecided = (
        log.n_customers - log.where(event=["A_APPROVED", "A_DECLINED", "A_CANCELLED"]).n_customers
    )
    assert undecided == 399
    ties = log.quality.set_index("check").loc["tied events (same customer, same instant)"]
    assert ties["rows"] == 25_369
    assert ties["example"].startswith("11,374 instants of 5,006 customers")


def test_helpdesk_tickets(example):
    journey = cj.read_journey(example("helpdesk_tickets"))
    log = journey.read_events()
    assert (log.n_events, log.n_customers, len(log.event_names)) == (21_348 - 127, 4_580, 14)
    assert (log.quarantine["reason"] == "exact duplicate").sum() == 127
    first, last = log.engine.rows(
        f"SELECT count(*) FILTER (first = 'Assign seriousness'), count(*) FILTER (last = 'Closed') FROM "
        f"(SELECT arg_min(n.value, t) AS first, arg_max(n.value, t) AS last FROM {log.prepared} p JOIN e_names n ON n.code = p.e GROUP BY c)"
    )[0]
    assert (first, last) == (4_384, 4_557)
    steps = customers(log, journey, "resolution")
    assert steps == sorted(steps, reverse=True)
    assert steps[0] == 4_495


def test_rees46_clickstream(example):
    journey = cj.read_journey(example("rees46_clickstream"))
    log = journey.read_events()
    assert (log.n_events, log.n_customers) == (17_435 - 5, 4_505)
    assert log.table().set_index("event")["customers"].to_dict() == {
        "view": 4_505,
        "purchase": 193,
        "cart": 111,
    }
    buyers, with_cart = (
        set(
            log.where(event=name).engine.rows(
                f"SELECT DISTINCT c FROM {log.prepared} WHERE {log.match(name)}"
            )
        )
        for name in ("purchase", "cart")
    )
    assert len(buyers - with_cart) == 131
    assert customers(log, journey, "over_the_cart")[:2] == [4_505, 111]
    assert log.property("category_id", "by").type == "BIGINT", "larger than 2^53, exact"
    # 193 bought; one of them bought before the first view that was logged.
    assert customers(log, journey, "purchase") == [4_505, 192]


def test_cdnow(example):
    journey = cj.read_journey(example("cdnow"))
    log = journey.read_events()
    assert (log.n_events, log.n_customers, log.event_names) == (69_659, 23_570, ["purchase"])
    assert log.customer_ids()[0] == "00001"
    assert round(log.numbers("value").sum(), 2) == 2_500_315.63
    assert log.numbers("number_of_cds").sum() == 167_881
    assert log.observed_until.isoformat() == "1998-06-30T23:59:59.999999-04:00"
    kept = log.quality.set_index("check")["rows"]
    assert kept["exact duplicates kept"] == 255
    table = cj.retention(log, **journey.retention_options()).table
    early = table[table["period"] <= 3].pivot(index="cohort", columns="period", values="retained")
    assert early.to_numpy().tolist() == [
        [7_846, 1_157, 964, 810],
        [8_476, 1_312, 980, 783],
        [7_248, 1_032, 752, 756],
    ]


def test_ecom_synthetic(example):
    journey = cj.read_journey(example("ecom_synthetic"))
    log = journey.read_events()
    assert (log.n_events, log.n_customers, len(log.event_names)) == (31_106 - 30, 600, 19)
    purchases = log.table().set_index("event").loc["purchase"]
    assert (purchases["events"], purchases["customers"]) == (470, 328)
    assert str(log.span[0].date()) == "2024-01-04"
    assert str(log.span[1].date()) == "2024-06-29"
    bug = log.where(event="checkout_bug")
    assert set(bug.run(f"SELECT DISTINCT platform FROM {bug.events_sql}")["platform"]) == {"mobile"}
    by_platform = customers(log, journey, "purchase")
    assert len(by_platform) == 3 * 5


# ---- cj init on the same data ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "columns", "event", "first", "last"),
    [
        (
            "ecom_synthetic/ecom_events.csv.gz",
            {"customer_id": "user_id", "channel": "acquisition_channel"},
            None,
            "catalog",
            "purchase",
        ),
        (
            "loan_applications/bpi2012_events.csv.gz",
            {"customer_id": "case_id", "value": "amount_requested"},
            None,
            "A_SUBMITTED",
            "A_APPROVED",
        ),
        (
            "helpdesk_tickets/helpdesk_events.csv.gz",
            {"customer_id": "case_id"},
            None,
            "Assign seriousness",
            "Resolve ticket",
        ),
        (
            "rees46_clickstream/rees46_oct2019_sample.csv.gz",
            {
                "customer_id": "user_id",
                "event": "event_type",
                "timestamp": "event_time",
                "value": "price",
            },
            None,
            "view",
            "purchase",
        ),
        (
            "cdnow/cdnow_transactions.csv.gz",
            {"timestamp": "date", "value": "dollar_value"},
            "purchase",
            None,
            None,
        ),
        (
            "cdnow/cdnow_sample.csv.gz",
            {"timestamp": "date", "value": "dollar_value"},
            "purchase",
            None,
            None,
        ),
    ],
)
def test_init_understands_every_event_set(shared_data, file, columns, event, first, last):
    journey = journey_from_text(
        first_journey(shared_data / file), folder=(shared_data / file).parent
    )
    assert {ours: theirs for theirs, ours in journey.sources.events.columns.items()} == columns
    assert journey.sources.events.event == event
    log = journey.read_events()
    assert log.n_customers > 500
    if first is not None:
        counts = cj.funnel(log, **journey.funnel()).table
        assert (counts["event"].iloc[0], counts["event"].iloc[-1]) == (first, last)
        assert counts["customers"].iloc[-1] >= 30
