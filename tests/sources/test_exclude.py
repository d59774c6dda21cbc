"""`cj.Exclude`: what must not happen between two steps."""

import pytest

import cjlib as cj


def test_an_exclusion_stands_between_step_one_and_two_and_drops_the_customer_unless_said_otherwise():
    one = cj.Exclude("refund")
    assert (one.after, one.before, one.effect) == (1, 2, "drop_customer")
    assert one.step == cj.Step("refund")


def test_an_exclusion_takes_whatever_names_events():
    assert cj.Exclude(["refund", "cancel"], after=2, before=4, effect="stop_here").step.names == (
        "refund",
        "cancel",
    )
    assert cj.Exclude(cj.Step("refund", where={"plan": "pro"})).step.where == {"plan": "pro"}


@pytest.mark.parametrize(
    ("after", "before"), [(2, 2), (3, 2), (0, 1), (True, 2), ("1", 2), (1, 2.0)]
)
def test_the_steps_of_an_exclusion_are_whole_positions_in_order(after, before):
    with pytest.raises(
        cj.CjlibError,
        match=r"Exclude: after and before must be positions .* after < before\. Got after=",
    ):
        cj.Exclude("refund", after=after, before=before)


def test_an_unknown_effect_is_refused_with_the_near_miss():
    with pytest.raises(
        cj.CjlibError,
        match=r"Exclude\(effect=\): must be one of 'drop_customer', 'stop_here'\. Got 'drop_customers'\. Did you mean 'drop_customer'",
    ):
        cj.Exclude("refund", effect="drop_customers")


def test_an_exclusion_without_readable_events_is_refused():
    with pytest.raises(cj.CjlibError, match=r"Exclude\(event=\): must be an event name"):
        cj.Exclude(3)
