"""Which words go with unhappy answers and which with happy ones."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from cjlib.analyses.feedback.answer_ends import USUAL, Ends, ends_of
from cjlib.analyses.feedback.text_features import languages, says_something, term_presence
from cjlib.analyses.findings import Finding
from cjlib.analyses.result import Result, metric
from cjlib.errors import not_one_of
from cjlib.shared.clustered_comparison import compare_presence
from cjlib.shared.comparison import CLAIM, MIN_N, Family, known_at_once
from cjlib.shared.repeated_answers import customer_codes
from cjlib.show.numbers import count_of, percent
from cjlib.sources.feedback.table import Feedback
from cjlib.sources.feedback.texts import scrub

CUTS = {**USUAL, "rating": (3, 5)}
"""Outcome → highest unhappy and lowest happy answer, on its usual scale; what lies between is left out."""
LEAST_TEXTS = 5
PRIOR_TOKENS = 500
FALSE_DISCOVERY = 0.05
QUOTE_LENGTH = (20, 300)


@dataclass(frozen=True, kw_only=True, eq=False)
class Drivers(Result):
    """Terms that go significantly with one side; `.tested` holds every term that was compared."""

    tested: pd.DataFrame = field(default_factory=pd.DataFrame)


def drivers(
    feedback: Feedback, *, outcome: str = "", least_texts: int = LEAST_TEXTS, quotes: bool = True
) -> Drivers:
    """Words and pairs of words that separate detractors from promoters.

    A comment counts once per term, however often the term stands in it. Compared are comments with
    an unhappy answer (nps 0–6, rating 1–3, csat 1–2, ces 1–3) and a happy one (9–10, 5, 4–5, 5–7),
    or in the same parts of another scale; the middle is left out. For each content term in at least `least_texts` comments: the difference
    of the log-odds with a Dirichlet prior (all comments' counts scaled to 500 tokens) and its z, by
    which the terms are ordered. The test compares the shares of comments with the term: pooled z or
    Fisher's exact where each comment is of another customer, else a score test with the variance by
    customers. Adjusted by Benjamini–Hochberg over all terms; kept at 5%. Association, not
    causation.

    Parameters
    ----------
    feedback
        What `cj.read_feedback` gives.
    outcome
        "nps", "rating", "csat" or "ces": who is unhappy; empty: NPS if anybody gave one, else the
        score with most answers.
    least_texts
        A term is compared if it stands in so many comments.
    quotes
        Whether to look for a comment that shows each term.

    Returns
    -------
    Drivers
        `.table`: `term`, `side` (detractor, promoter), `n_detractor`, `n_promoter`,
        `share_of_detractors`, `share_of_promoters`, `difference` of the shares with
        `difference_low` and `difference_high`, `log_odds` (above 0 = detractors), `z`, `p_value`,
        `q_value`, `quote` (personal data removed); by |z|, strongest first. Not answered where
        the English comments on a side are of fewer than 30 customers.

    Raises
    ------
    CjlibError
        If `outcome` is none of the four scores.

    References
    ----------
    Monroe, B., Colaresi, M. & Quinn, K. (2008). Fightin' words. Political Analysis 16, section 3.5.
    """
    outcome = outcome or feedback.main_score
    if not outcome:
        return Drivers.unanswered("Words cannot be compared: nobody gave a score.")
    if outcome not in CUTS:
        raise not_one_of("outcome", outcome, CUTS)
    rows, foreign = _sides(feedback, outcome)
    ends = ends_of(outcome, feedback.scales, CUTS)
    unhappy = (rows[outcome] <= ends[0]).to_numpy()
    texts, customer = rows["text"].tolist(), customer_codes(rows["customer_id"])
    sides = Sides.of(outcome, ends, unhappy, customer)
    if min(sides.unhappy_customers, sides.happy_customers) < MIN_N:
        return Drivers.unanswered(_reason(sides, foreign))
    presence, terms = term_presence(texts, least_texts)
    tested, terms_family = _compared(presence, terms, unhappy, customer)
    found = tested[tested["q_value"] < FALSE_DISCOVERY].reset_index(drop=True)
    said = _quotes(found, texts, unhappy, presence, terms) if quotes else None
    table = found.assign(quote=pd.Series(said, index=found.index, dtype="str"))
    return Drivers(
        table=table,
        headline=_headline(table[table["q_value"] < CLAIM], len(tested), sides),
        definition=_definition(sides, foreign, terms_family, len(tested), least_texts),
        metrics={
            "terms_found": metric(
                len(table), n=len(tested), label="Words that go with answers", unit="number"
            ),
            "n_detractor": metric(sides.unhappy, label="Unhappy comments", unit="number"),
            "n_promoter": metric(sides.happy, label="Happy comments", unit="number"),
        },
        findings=_findings(table, terms_family, sides),
        families={terms_family.name: terms_family.tests} if terms_family.tests else {},
        tested=tested,
    )


@dataclass(frozen=True)
class Sides:
    """How many comments stand on each side of an outcome, of how many customers."""

    outcome: str
    ends: Ends
    unhappy: int
    happy: int
    unhappy_customers: int
    happy_customers: int
    customers: int

    @staticmethod
    def of(
        outcome: str, ends: Ends, unhappy: NDArray[np.bool_], customer: NDArray[np.int64]
    ) -> Sides:
        """The sides of these comments."""
        mine, theirs = (np.unique(customer[rows]).size for rows in (unhappy, ~unhappy))
        n = int(np.count_nonzero(unhappy))
        return Sides(outcome, ends, n, unhappy.size - n, mine, theirs, np.unique(customer).size)

    @property
    def base(self) -> str:
        """Both numbers of comments, and of customers where some wrote several."""
        several = (
            ""
            if self.customers == self.unhappy + self.happy
            else f", of {self.unhappy_customers:,} and {self.happy_customers:,} customers"
        )
        return f"n = {self.unhappy:,} unhappy and {self.happy:,} happy comments by {self.outcome}{several}"


def _sides(feedback: Feedback, outcome: str) -> tuple[pd.DataFrame, int]:
    """The comments in English on both sides, and how many others were not in English."""
    frame = feedback.frame.sort_values("feedback_id", ignore_index=True)
    bad_to, good_from = ends_of(outcome, feedback.scales, CUTS)
    rows = frame[
        frame["text"].notna() & ((frame[outcome] <= bad_to) | (frame[outcome] >= good_from))
    ]
    rows = rows[rows["text"].map(says_something).astype(bool)]
    english = np.array(
        [language == "en" for language in languages(rows["text"].tolist())], dtype=bool
    )
    return rows[english], int((~english).sum())


def _reason(sides: Sides, foreign: int) -> str:
    bad_to, good_from = sides.ends
    other = f"; {count_of(foreign, 'comment')} more in other languages" if foreign else ""
    return (
        f"Words cannot be compared: that needs comments in English of at least {MIN_N} customers on each side of {sides.outcome}. "
        f"There are {_comments(sides.unhappy, sides.unhappy_customers)} with {bad_to} or less "
        f"and {_comments(sides.happy, sides.happy_customers)} with {good_from} or more{other}."
    )


def _comments(n: int, customers: int) -> str:
    return f"{n:,} by {count_of(customers, 'customer')}" if n else "none"


def _compared(
    presence: csr_matrix,
    terms: list[str],
    unhappy: NDArray[np.bool_],
    customer: NDArray[np.int64] | None = None,
) -> tuple[pd.DataFrame, Family]:
    """Every term: its share on both sides, log-odds, p; and their family. Without `customer` every comment is of another one."""
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
    who = np.arange(unhappy.size) if customer is None else customer
    compared = compare_presence(
        "words by answer", presence, unhappy, who, follow_up=known_at_once("the answer")
    )
    tested = pd.DataFrame(
        {
            "term": pd.Series(terms, dtype="str"),
            "side": pd.Series(np.where(log_odds > 0, "detractor", "promoter"), dtype="str"),
            "n_detractor": one.astype(np.int64),
            "n_promoter": other.astype(np.int64),
            "share_of_detractors": compared.share,
            "share_of_promoters": compared.other_share,
            "difference": compared.difference,
            "difference_low": compared.low,
            "difference_high": compared.high,
            "log_odds": log_odds,
            "z": z,
            "p_value": compared.p_value,
            "q_value": compared.p_adjusted,
        }
    )
    ordered = tested.assign(strength=-tested["z"].abs()).sort_values(
        ["strength", "term"], ignore_index=True
    )
    return ordered.drop(columns="strength"), compared


def _findings(table: pd.DataFrame, terms: Family, sides: Sides) -> list[Finding]:
    """The strongest word of unhappy answers."""
    first = table[(table["q_value"] < CLAIM) & (table["side"] == "detractor")].head(1)
    return [
        Finding(
            topic=f"words of unhappy answers by {sides.outcome}",
            claim=f"Unhappy comments speak of “{row['term']}”: {percent(row['share_of_detractors'])} of {sides.unhappy:,} unhappy ones do, "
            f"{percent(row['share_of_promoters'])} of {sides.happy:,} happy ones.",
            direction="bad",
            family=terms.name,
            p_adjusted=row["q_value"],
            value=row["difference"],
            low=row["difference_low"],
            high=row["difference_high"],
            n=sides.unhappy + sides.happy,
            unit="share",
            customers=sides.unhappy_customers,
            figure="drivers",
        )
        for row in first.to_dict("records")
    ]


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


def _headline(claimed: pd.DataFrame, tested: int, sides: Sides) -> str:
    base = sides.base
    if not tested:
        return f"Words cannot be compared: too few stand in enough comments, {base}."
    if claimed.empty:
        return f"No word goes significantly more with unhappy or with happy answers: {count_of(tested, 'term')} compared, {base}."
    parts = [
        f"{words} answers go with “{'”, “'.join(claimed.loc[claimed['side'] == side, 'term'].head(3))}”"
        for side, words in (("detractor", "unhappy"), ("promoter", "happy"))
        if (claimed["side"] == side).any()
    ]
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]} ({len(claimed):,} of {count_of(tested, 'term')} statistically significant, {base}). Association, not causation."


def _definition(
    sides: Sides, foreign: int, terms: Family, tested: int, least: int
) -> dict[str, str]:
    bad_to, good_from = sides.ends
    return {
        "outcome": f"{sides.outcome}: unhappy {bad_to} or less, happy {good_from} or more, what lies between left out",
        "base": f"{sides.unhappy:,} unhappy and {sides.happy:,} happy comments in English, of {count_of(sides.customers, 'customer')}; presence per comment; "
        f"{foreign:,} in other languages left out",
        "terms": f"{tested:,} content words and pairs in at least {least} comments",
        "order": "z of the log-odds with a Dirichlet prior (Monroe et al. 2008)",
        "test": f"{terms.words}; shares of comments with the term, the variance by customers; listed below 5%, told in the headline below {CLAIM:g}",
        "means": "association, not causation",
    }
