"""The worked cases of other tools' tests: funnels and the time to convert."""

from __future__ import annotations

import math
from typing import Any

import conformance
import numpy as np
import pandas as pd
import pytest

import cjlib as cj


def asked(case: dict[str, Any], seed: int) -> cj.Funnel:
    return conformance.funnel_of(case, conformance.log_of(case, seed))


def agrees(table: pd.DataFrame, expected: dict[str, Any]) -> None:
    assert table["customers"].tolist() == expected["counts"]
    for theirs, ours in (
        ("average_seconds", "mean_seconds_from_previous"),
        ("median_seconds", "median_seconds_from_previous"),
    ):
        if theirs in expected:
            numbers = [math.nan if value is None else float(value) for value in expected[theirs]]
            np.testing.assert_allclose(table[ours], numbers, rtol=1e-6)


def is_as_the_source_has_it(funnel: cj.Funnel, case: dict[str, Any]) -> None:
    """Counts, times, groups and the depth of each customer are those of the case."""
    expected = case["expect"]
    if "counts" in expected:
        agrees(funnel.table, expected)
    else:
        by = case["query"]["breakdown"]
        names = [by] if isinstance(by, str) else by
        groups = {
            conformance.key_of(key): part
            for key, part in funnel.table.groupby(names, dropna=False, sort=False)
        }
        assert set(groups) == set(expected["by"])
        for key, part in groups.items():
            agrees(part, expected["by"][key])
    reached = dict(
        zip(funnel.customers()["customer_id"], funnel.customers()["steps_reached"], strict=True)
    )
    assert {who: reached.get(who, 0) for who in expected.get("levels", {})} == expected.get(
        "levels", {}
    )


@pytest.mark.parametrize("seed", [1])
@pytest.mark.parametrize("case", conformance.cases("funnel"), ids=lambda case: case["id"])
def test_a_funnel_gives_the_figures_of_the_source(case: dict[str, Any], seed: int) -> None:
    is_as_the_source_has_it(asked(case, seed), case)


@pytest.mark.parametrize("case", conformance.cases("time_to_convert"), ids=lambda case: case["id"])
def test_times_to_convert_fall_into_the_bins_of_the_source(case: dict[str, Any]) -> None:
    funnel, query = asked(case, 0), case["query"]
    start, end = (f"step_{query[bound] + 1}_at" for bound in ("from_step", "to_step"))
    waits = (funnel.customers()[end] - funnel.customers()[start]).dropna().dt.total_seconds()
    assert (
        funnel.table["mean_seconds_from_previous"].iloc[query["to_step"]]
        == case["expect"]["average_seconds"]
    )
    bins = query.get("bin_count") or math.ceil(len(waits) ** (1 / 3))
    width = math.ceil((waits.max() - waits.min()) / bins)
    edges = [waits.min() + width * number for number in range(bins + 1)]
    counted = [[edge, int(((waits >= edge) & (waits < edge + width)).sum())] for edge in edges]
    assert counted == case["expect"]["bins"]
