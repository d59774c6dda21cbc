"""Which words go with unhappy answers and which with happy ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.special import ndtr

from cjlib.analyses.feedback.texts.language import languages, says_something
from cjlib.analyses.feedback.texts.tokens import term_presence
from cjlib.analyses.result import Result, metric
from cjlib.errors import DataError, not_one_of
from cjlib.shared.two_samples import benjamini_hochberg
from cjlib.show.numbers import count_of
from cjlib.sources.feedback.pii import scrub
from cjlib.sources.feedback.table import Feedback

CUTS: dict[str, tuple[int, int]] = {"nps": (6, 9), "rating": (3, 5), "csat": (2, 4), "ces": (3, 5)}
"""Outcome → highest unhappy and lowest happy answer; what lies between is left out."""
LEAST_TEXTS = 5
PRIOR_TOKENS = 500
FALSE_DISCOVERY = 0.05
QUOTE_LENGTH = (20, 300)


@dataclass(frozen=True, kw_only=True, eq=False)
class Drivers(Result):
    """Terms that go with one side beyond chance; `.tested` holds every term that was compared."""

    tested: pd.DataFrame


def drivers(
    feedback: Feedback, *, outcome: str = "nps", least_texts: int = LEAST_TEXTS, quotes: bool = True
) -> Drivers:
    """Words and pairs of words that separate detractors from promoters, beyond chance.

    A comment counts once per term, however often the term stands in it. Compared are comments with an unhappy answer (nps 0–6, rating 1–3, csat
    1–2, ces 1–3) and a happy one (9–10, 5, 4–5, 5–7); the middle is left out. For each content term in at least `least_texts` comments: the difference
    of the log-odds with a Dirichlet prior (all comments' counts scaled to 500 tokens), its z, two-sided p, adjusted by Benjamini–Hochberg; kept at 5%.
    It says what goes with what, never what causes what.

    Returns
    -------
    Drivers
        `.table`: `term`, `side` (detractor, promoter), `n_detractor`, `n_promoter`, `share_of_detractors`, `share_of_promoters`, `log_odds` (above 0 =
        detractors), `z`, `q_value`, `quote` (personal data removed); by |z|, strongest first.

    Raises
    ------
    DataError
        When fewer than ten comments stand on a side.

    References
    ----------
    Monroe, B., Colaresi, M. & Quinn, K. (2008). Fightin' words. Political Analysis 16, section 3.5.
    """
    if outcome not in CUTS:
        raise not_one_of("outcome", outcome, CUTS)
    texts, unhappy = _sides(feedback, outcome)
    presence, terms = term_presence(texts, least_texts)
    tested = _compared(presence, terms, unhappy)
    found = tested[tested["q_value"] < FALSE_DISCOVERY].reset_index(drop=True)
    said = _quotes(found, texts, unhappy, presence, terms) if quotes else None
    table = found.assign(quote=pd.Series(said, index=found.index, dtype="str"))
    n_unhappy, n_happy = int(unhappy.sum()), int((~unhappy).sum())
    return Drivers(
        table=table,
        headline=_headline(table, len(tested), n_unhappy, n_happy, outcome),
        definition=_definition(outcome, n_unhappy, n_happy, len(tested), least_texts),
        metrics={
            "terms_found": metric(len(table), n=len(tested)),
            "n_detractor": metric(n_unhappy),
            "n_promoter": metric(n_happy),
        },
        tested=tested,
    )


def _sides(feedback: Feedback, outcome: str) -> tuple[list[str], NDArray[np.bool_]]:
    frame = feedback.frame.sort_values("feedback_id", ignore_index=True)
    bad_to, good_from = CUTS[outcome]
    rows = frame[
        frame["text"].notna() & ((frame[outcome] <= bad_to) | (frame[outcome] >= good_from))
    ]
    rows = rows[rows["text"].map(says_something)]
    rows = (
        rows[np.array(languages(rows["text"].tolist()), dtype=object) == "en"]
        if len(rows)
        else rows
    )
    unhappy = (rows[outcome] <= bad_to).to_numpy()
    if min(unhappy.sum(), (~unhappy).sum()) < 10:
        raise DataError(
            f"drivers: needs at least 10 comments on each side of {outcome}. There are {int(unhappy.sum())} with {bad_to} or less and {int((~unhappy).sum())} with {good_from} or more."
        )
    return rows["text"].tolist(), unhappy


def _compared(presence: csr_matrix, terms: list[str], unhappy: NDArray[np.bool_]) -> pd.DataFrame:
    if len(terms) < 2:  # log-odds compare a term with the others
        presence, terms = csr_matrix((unhappy.size, 0), dtype=np.int64), []
    one, other = (
        np.asarray(presence[side].sum(axis=0)).ravel().astype(float) for side in (unhappy, ~unhappy)
    )
    prior = PRIOR_TOKENS * (one + other) / max((one + other).sum(), 1)
    mine, theirs = one + prior, other + prior
    log_odds = np.log(mine / (one.sum() + PRIOR_TOKENS - mine)) - np.log(
        theirs / (other.sum() + PRIOR_TOKENS - theirs)
    )
    z = log_odds / np.sqrt(1 / mine + 1 / theirs)
    tested = pd.DataFrame(
        {
            "term": pd.Series(terms, dtype="str"),
            "side": pd.Series(np.where(z > 0, "detractor", "promoter"), dtype="str"),
            "n_detractor": one.astype(np.int64),
            "n_promoter": other.astype(np.int64),
            "share_of_detractors": one / unhappy.sum(),
            "share_of_promoters": other / (~unhappy).sum(),
            "log_odds": log_odds,
            "z": z,
            "q_value": benjamini_hochberg(2 * ndtr(-np.abs(z))),
        }
    )
    return (
        tested.assign(strength=-tested["z"].abs())
        .sort_values(["strength", "term"], ignore_index=True)
        .drop(columns="strength")
    )


def _quotes(
    found: pd.DataFrame,
    texts: list[str],
    unhappy: NDArray[np.bool_],
    presence: csr_matrix,
    terms: list[str],
) -> list[str | None]:
    """For each term the comment of its side and of readable length that holds it and is nearest to the middle length; ties by id, which is their order."""
    lengths = np.array([len(text) for text in texts])
    readable = (lengths >= QUOTE_LENGTH[0]) & (lengths <= QUOTE_LENGTH[1])
    column_of, by_term = {term: column for column, term in enumerate(terms)}, presence.tocsc()
    said: list[str | None] = []
    for row in found.itertuples():
        column = column_of[str(row.term)]
        holds = np.sort(by_term.indices[by_term.indptr[column] : by_term.indptr[column + 1]])
        fitting = holds[readable[holds] & (unhappy[holds] == (row.side == "detractor"))]
        away = np.abs(lengths[fitting] - np.median(lengths[fitting])) if fitting.size else fitting
        said.append(scrub(texts[fitting[int(np.argmin(away))]])[0] if fitting.size else None)
    return said


def _headline(table: pd.DataFrame, tested: int, n_unhappy: int, n_happy: int, outcome: str) -> str:
    base = f"n = {n_unhappy:,} unhappy and {n_happy:,} happy comments by {outcome}"
    if table.empty:
        return f"No word goes with unhappy or happy answers beyond chance: {count_of(tested, 'term')} compared, {base}."
    parts = [
        f"{words} answers go with “{'”, “'.join(table.loc[table['side'] == side, 'term'].head(3))}”"
        for side, words in (("detractor", "unhappy"), ("promoter", "happy"))
        if (table["side"] == side).any()
    ]
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]} ({len(table):,} of {count_of(tested, 'term')} beyond chance, {base}). This goes with the answer; it need not cause it."


def _definition(
    outcome: str, n_unhappy: int, n_happy: int, tested: int, least: int
) -> dict[str, str]:
    bad_to, good_from = CUTS[outcome]
    return {
        "outcome": f"{outcome}: unhappy {bad_to} or less, happy {good_from} or more, what lies between left out",
        "base": f"{n_unhappy:,} unhappy and {n_happy:,} happy comments in English; presence per comment",
        "terms": f"{tested:,} content words and pairs in at least {least} comments",
        "test": "log-odds with a Dirichlet prior (Monroe et al. 2008), Benjamini–Hochberg at 5%",
        "means": "goes with, never causes",
    }
