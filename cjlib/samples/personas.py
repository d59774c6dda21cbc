"""Three kinds of customers and their habits; without the effect everybody has the average of them.

Personas differ in where, with what and how much they use the product; whether they buy, stay or are satisfied does not depend on them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cjlib.samples.draws import Floats

SHARES = (0.35, 0.40, 0.25)
"""Planners, On the go, Guided."""

HABITS: Mapping[str, tuple[tuple[float, ...], ...]] = {
    # Relative frequencies of: desktop, mobile, tablet.
    "device": ((0.88, 0.09, 0.03), (0.06, 0.90, 0.04), (0.70, 0.18, 0.12)),
    # … of the channel of the first visit: web, ad, social, email, store.
    "arrival": (
        (0.62, 0.20, 0.03, 0.15, 0.00),
        (0.14, 0.34, 0.45, 0.07, 0.00),
        (0.26, 0.18, 0.04, 0.28, 0.24),
    ),
    # … of the channel in which one signs up, pays and logs in: ad, app, email, phone, social, store, web.
    "home": (
        (0, 0.04, 0, 0, 0, 0, 0.96),
        (0, 0.96, 0, 0, 0, 0, 0.04),
        (0, 0.02, 0.06, 0.62, 0, 0.26, 0.04),
    ),
    # … of 0, 1, 2 articles read before the first visit.
    "articles": ((0.40, 0.40, 0.20), (0.90, 0.09, 0.01), (0.60, 0.30, 0.10)),
    # Probability of looking at the prices, at the video, in one visit.
    "looks": ((0.75, 0.05), (0.20, 0.05), (0.25, 0.50)),
    # Relative frequencies of: basic, pro, business.
    "plan": ((0.08, 0.84, 0.08), (0.94, 0.05, 0.01), (0.08, 0.12, 0.80)),
    # … of 1, 2, 3, 4 sessions in an active week.
    "sessions": ((0.18, 0.34, 0.30, 0.18), (0.10, 0.28, 0.32, 0.30), (0.45, 0.35, 0.15, 0.05)),
    # … of 0, 1, 2, 3 features used in a session.
    "used": ((0.02, 0.18, 0.34, 0.46), (0.15, 0.43, 0.30, 0.12), (0.08, 0.36, 0.34, 0.22)),
    # … of automation, board, capture, coaching, reminder, report, template.
    "features": (
        (0.31, 0.34, 0.01, 0.01, 0.01, 0.31, 0.01),
        (0.01, 0.01, 0.48, 0.01, 0.47, 0.01, 0.01),
        (0.02, 0.02, 0.01, 0.55, 0.01, 0.02, 0.37),
    ),
    # Tickets per month of a contract.
    "tickets": ((0.14,), (0.14,), (0.34,)),
    # Relative frequencies of tickets by: ad, app, email, phone, social, store, web.
    "ticket_channel": (
        (0, 0.03, 0.27, 0.05, 0, 0, 0.65),
        (0, 0.80, 0.10, 0.03, 0, 0, 0.07),
        (0, 0.02, 0.10, 0.70, 0, 0.13, 0.05),
    ),
    # … of company sizes: 1, 2-10, 11-50, 51-200.
    "company_size": ((0.03, 0.17, 0.70, 0.10), (0.82, 0.14, 0.03, 0.01), (0.02, 0.08, 0.15, 0.75)),
    # First and last year of birth.
    "born": ((1972, 1992), (1988, 2007), (1952, 1974)),
}


def habit(name: str, effects: frozenset[str]) -> Floats:
    """A habit's numbers, a row a persona; all rows are the average where there are no personas."""
    table = np.asarray(HABITS[name], dtype=float)
    return table if "personas" in effects else np.tile(np.asarray(SHARES) @ table, (len(SHARES), 1))
