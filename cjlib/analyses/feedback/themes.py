"""What customers write about: themes of an editable taxonomy, what it misses, and which go with unhappy answers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from cjlib.analyses.feedback.quotes import QUOTES, Said, text_vectors
from cjlib.analyses.feedback.score_texts import ratings_as_labels, scored_feedback
from cjlib.analyses.feedback.text_features import LONGEST, effort_kinds, term_presence
from cjlib.analyses.findings import Finding
from cjlib.analyses.result import MIME, Metric, Result, metric
from cjlib.errors import CjlibError, DataError, shown
from cjlib.shared.clustered_comparison import compare_flags
from cjlib.shared.comparison import CLAIM, MIN_N, ShareComparison, known_at_once
from cjlib.shared.repeated_answers import Ints, customer_codes
from cjlib.shared.repeated_rows import share_interval
from cjlib.show.numbers import about, confidence, count_of, points, points_interval
from cjlib.sources.feedback.table import Feedback
from cjlib.sources.feedback.texts import removed_from

MOST_CANDIDATES = 10
FEWEST_UNCOVERED = 80
"""Below so many uncovered comments no candidate themes are proposed."""
TOP_WORDS = 5
KINDS = ["taxonomy", "candidate", "uncovered"]
DIGITS = 6
"""Of the weights of candidate themes: further ones differ from processor to processor, and would decide ties."""
WordsOf: TypeAlias = "Callable[[NDArray[np.bool_]], list[str]]"


@dataclass(frozen=True, kw_only=True, eq=False)
class Themes(Result):
    """Themes with share, score and quotes.

    `.trend`: theme by month. `.with_detractors`: which themes go with unhappy answers. `.by_stage`: theme by stage.
    `.flags`: comments that tell of effort or of leaving. `.members`: `feedback_id`, `theme`.
    """

    trend: pd.DataFrame = field(default_factory=pd.DataFrame)
    with_detractors: pd.DataFrame = field(default_factory=pd.DataFrame)
    by_stage: pd.DataFrame = field(default_factory=pd.DataFrame)
    flags: pd.DataFrame = field(default_factory=pd.DataFrame)
    members: pd.DataFrame = field(default_factory=pd.DataFrame)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """What a reader needs of each theme; the whole table stays in `.table`."""
        if not self.answered:
            return super()._repr_mimebundle_(include, exclude)
        shown = self.table[self.table["n"] > 0]
        short = shown[
            [
                "theme",
                "kind",
                "n",
                "share_of_comments",
                "mean_score",
                *(name for name in QUOTES[:2] if shown[name].notna().any()),
            ]
        ]
        brief = Result(
            table=short, headline=self.headline, definition=self.definition, metrics=self.metrics
        )
        return brief._repr_mimebundle_() | {MIME: super()._repr_mimebundle_()[MIME]}


def themes(
    feedback: Feedback,
    *,
    taxonomy: Taxonomy | str | Path | None = None,
    quotes: bool = True,
    candidates: bool = True,
    min_n: int = MIN_N,
) -> Themes:
    """What the comments are about, by an editable list of words, with what the list misses.

    Every comment that says something in English counts once in each theme of which a word or phrase
    stands in it: a comment may carry several themes, so shares do not sum to one. The base of
    `share_of_comments` is all these comments. `uncovered` are those in no theme; from them
    non-negative matrix factorisation proposes `candidate` themes, named by their words and never
    merged into the taxonomy: such clusters agree only weakly with what people would say.

    Parameters
    ----------
    feedback
        What `cj.read_feedback` gives.
    taxonomy
        Theme → words or phrases (`*` at the end of a word: any ending), or a YAML file of that;
        None: the starter list.
    quotes
        Whether to look for three typical comments of each theme.
    candidates
        Whether to propose themes from the comments in none.
    min_n
        A theme that fewer customers wrote of is marked `small_n` and not tested.

    Returns
    -------
    Themes
        `.table`: `theme`, `kind` (taxonomy, candidate, uncovered), `n`, `share_of_comments`, `low`,
        `high` (by customers), `mean_score` (text score, −1…1), `nps`, `n_nps`, `n_scored`, `quote_1` …
        `quote_3` (typical, personal data removed), `top_words`, `small_n`, `customers` (who wrote
        of it), `nps_customers`. By kind, then n. Not
        answered where no comment says anything in English.

    Raises
    ------
    CjlibError
        If the taxonomy does not map each theme to a list of words.
    DataError
        If there is no such file, or it is not YAML.

    References
    ----------
    Lee, D. D. & Seung, H. S. (1999). Learning the parts of objects by non-negative matrix
    factorization. Nature 401.
    """
    words = read_taxonomy(taxonomy)
    rows, left_out = _comments(feedback)
    if rows.empty:
        return Themes.unanswered(
            f"Themes cannot be found: no comment says anything in English ({count_of(left_out, 'row')} without words or in other languages)."
        )
    covered = tells_of(rows["text"].tolist(), words)
    groups = {(theme, "taxonomy"): covered[:, column] for column, theme in enumerate(words)}
    uncovered: NDArray[np.bool_] = np.asarray(~covered.any(axis=1), dtype=bool)
    vectors = text_vectors(rows["text"].tolist())
    if candidates:
        groups |= {
            (theme, "candidate"): member
            for theme, member in _candidates(rows["text"].tolist(), uncovered).items()
        }
    groups[("uncovered", "uncovered")] = uncovered
    words_of = _words_of(rows["text"].tolist())
    table = pd.DataFrame(
        [
            _row(rows, member, kind, theme, words_of, min_n)
            for (theme, kind), member in groups.items()
        ]
    )
    quoted = Said.of(rows, vectors) if quotes else None
    table = table.assign(**_quotes(quoted, list(groups.values())))
    order = table.assign(kind_order=table["kind"].map(KINDS.index), size=-table["n"])
    order = order.sort_values(["kind_order", "size", "theme"], ignore_index=True)
    table = order.drop(columns=["kind_order", "size"])
    own = {theme: member for (theme, kind), member in groups.items() if kind == "taxonomy"}
    removed = removed_from(rows["text"])
    detractors, tested = _with_detractors(rows, feedback.scales, own, min_n)
    claimed = detractors[detractors["p_adjusted"].to_numpy(dtype=float) < CLAIM].sort_values(
        ["difference", "theme"], ascending=[False, True]
    )
    return Themes(
        table=table,
        headline=_headline(table, claimed, len(rows), rows["customer"].nunique()),
        definition=_definition(rows, left_out, taxonomy, removed, uncovered)
        | {"tests": tested.words if tested.tests else "none: too few rated comments"},
        metrics=_metrics(rows, uncovered, removed),
        findings=[_finding(row, tested.name) for row in claimed.to_dict("records")],
        families={tested.name: tested.tests} if tested.tests else {},
        trend=_trend(rows, own, feedback.timezone),
        with_detractors=detractors,
        by_stage=_by_group(
            rows["stage"].where(rows["stage"].notna(), "(not set)").astype("str"),
            own,
            rows["customer"].to_numpy(),
        ),
        flags=_flags(rows),
        members=pd.concat(
            [
                pd.DataFrame({"feedback_id": rows.loc[member, "feedback_id"], "theme": theme})
                for theme, member in own.items()
            ],
            ignore_index=True,
        ),
    )


def _comments(feedback: Feedback) -> tuple[pd.DataFrame, int]:
    frame = feedback.frame.sort_values("feedback_id", ignore_index=True)
    scored = scored_feedback(feedback).table
    own = [name for name in frame.columns if name not in ("status", "label", "score")]
    rows = frame[own].merge(
        scored[["feedback_id", "status", "label", "score"]], on="feedback_id", how="left"
    )
    rows = rows[rows["status"] == "scored"].reset_index(drop=True)
    customer = customer_codes(rows["customer_id"])
    return rows.assign(position=np.arange(len(rows)), customer=customer), len(scored) - len(rows)


def _interval(member: NDArray[np.bool_], customer: Ints) -> tuple[float, float]:
    """Of the share of comments that a mask holds."""
    low, high = share_interval(member, customer, np.zeros(member.size, dtype=np.int64), 1)
    return float(low[0]), float(high[0])


def _row(
    rows: pd.DataFrame, member: NDArray[np.bool_], kind: str, theme: str, words_of: WordsOf, min_n: int
) -> dict[str, object]:  # fmt: skip
    group = rows[member]
    n = len(group)
    low, high = _interval(member, rows["customer"].to_numpy())
    nps = group["nps"].dropna()
    scores = np.sort(group["score"].to_numpy(dtype=float))
    return {
        "theme": theme,
        "kind": kind,
        "n": n,
        "share_of_comments": n / len(rows),
        "low": low,
        "high": high,
        "mean_score": float(scores.mean()) if n else np.nan,
        "nps": 100 * float((nps >= 9).mean() - (nps <= 6).mean()) if len(nps) else np.nan,
        "n_nps": len(nps),
        "n_scored": n,
        "top_words": ", ".join(words_of(member)),
        "small_n": group["customer"].nunique() < min_n,
        "customers": group["customer"].nunique(),
        "nps_customers": group.loc[nps.index, "customer"].nunique(),
    }


def _words_of(texts: list[str]) -> WordsOf:
    """What gives a group of comments the words that are most common in it relative to all."""
    presence, terms = term_presence(texts, 2)
    everywhere = np.asarray(presence.sum(axis=0)).ravel()
    of_terms = csr_matrix(presence.T)

    def top_words(member: NDArray[np.bool_]) -> list[str]:
        if not member.any() or not terms:
            return []
        inside = of_terms @ member.astype(np.int64)
        share = inside / member.sum()
        weight = share * np.log((share + 1e-9) / (everywhere / len(member) + 1e-9))
        order = np.argsort(
            -np.round(weight, 12), kind="stable"
        )  # ties by the alphabet, as the terms are
        return [
            terms[column]
            for column in order[:TOP_WORDS]
            if weight[column] > 0 and inside[column] > 1
        ]

    return top_words


def _quotes(comments: Said | None, members: list[NDArray[np.bool_]]) -> dict[str, pd.Series | None]:
    """The columns of quotes, a row a theme; empty where none are wanted."""
    if comments is None:
        return dict.fromkeys(QUOTES)
    quotes = [comments.typical(np.flatnonzero(member)) for member in members]
    return {
        name: pd.Series(
            [typical[place][2] if place < len(typical) else None for typical in quotes], dtype="str"
        )
        for place, name in enumerate(QUOTES)
    }


def _candidates(texts: list[str], uncovered: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
    """Themes proposed for uncovered comments: each goes to its strongest component."""
    from sklearn.decomposition import NMF
    from sklearn.feature_extraction.text import TfidfVectorizer

    rows = np.flatnonzero(uncovered)
    if rows.size < FEWEST_UNCOVERED:
        return {}
    counter = TfidfVectorizer(min_df=8, max_df=0.3, stop_words="english", sublinear_tf=True)
    try:
        matrix = counter.fit_transform([texts[row] for row in rows])
    except ValueError:  # no word stands in eight comments
        return {}
    k = min(MOST_CANDIDATES, len(counter.vocabulary_) // 3, rows.size // 40)
    if k < 2:
        return {}
    model = NMF(n_components=k, init="nndsvda", random_state=0, max_iter=400, tol=1e-3)  # pyright: ignore[reportArgumentType]
    # The error that NMF reports is the root of a difference: of a perfect fit its last digits may lie below 0.
    with np.errstate(invalid="ignore"):
        weights = np.round(model.fit_transform(matrix), DIGITS)
    names = counter.get_feature_names_out()
    strongest = np.where(weights.max(axis=1) > 0, weights.argmax(axis=1), -1)
    found: dict[str, NDArray[np.bool_]] = {}
    for component in range(k):
        member = np.zeros(len(texts), dtype=bool)
        member[rows[strongest == component]] = True
        words = [
            str(names[column])
            for column in np.argsort(
                -np.round(model.components_[component], DIGITS), kind="stable"
            )[:3]
        ]
        found[" · ".join(words)] = member
    return found


def _with_detractors(
    rows: pd.DataFrame,
    scales: Mapping[str, tuple[int, int]],
    own: Mapping[str, NDArray[np.bool_]],
    min_n: int,
) -> tuple[pd.DataFrame, ShareComparison]:
    """Share of unhappy comments with a theme against without it, and their family; customers who wrote several are one."""
    labels = ratings_as_labels(rows, scales)
    rated, unhappy = labels >= 0, labels[labels >= 0] == 0
    customer = rows["customer"].to_numpy()[rated]
    members = {theme: member[rated] for theme, member in own.items()}
    members = {theme: member for theme, member in members.items() if 0 < member.sum() < member.size}
    tested = compare_flags(
        "share unhappy by theme",
        [(member, unhappy) for member in members.values()],
        customer,
        follow_up=known_at_once("the comment"),
        min_n=min_n,
    )
    counts = [
        (theme, *(int(n) for side in (member, ~member) for n in (unhappy[side].sum(), side.sum())))
        for theme, member in members.items()
    ]
    table = pd.DataFrame(counts, columns=["theme", "n_unhappy", "n", "other_unhappy", "other_n"])
    odds = [
        (table[part] + 0.5) / (table[size] - table[part] + 0.5)
        for part, size in (("n_unhappy", "n"), ("other_unhappy", "other_n"))
    ]
    table = table.assign(
        customers=np.array(
            [np.unique(customer[member]).size for member in members.values()], dtype=int
        ),
        share_unhappy=tested.share,
        other_share_unhappy=tested.other_share,
        difference=tested.difference,
        difference_low=tested.low,
        difference_high=tested.high,
        log_odds=np.log(odds[0] / odds[1]),
        p_value=tested.p_value,
        p_adjusted=tested.p_adjusted,
        beyond_chance=tested.claims,
    )
    return table.sort_values(
        ["log_odds", "theme"], ascending=[False, True], ignore_index=True
    ), tested


def _finding(row: Mapping[Any, Any], name: str) -> Finding:
    """A theme whose comments are significantly more, or less, often unhappy than the others."""
    return Finding(
        topic=f"theme {row['theme']}",
        claim=f"Comments about “{row['theme']}” are {'unhappier' if row['difference'] > 0 else 'happier'} than the others: "
        f"{about(row['share_unhappy'])} are of unhappy customers, {about(row['other_share_unhappy'])} of the others "
        f"({points(row['difference'], row['difference_low'], row['difference_high'])}, 95% CI {points_interval(row['difference_low'], row['difference_high'])}, n = {row['n']:,} comments of {count_of(row['customers'], 'customer')}).",
        direction="bad" if row["difference"] > 0 else "good",
        family=name,
        p_adjusted=row["p_adjusted"],
        value=row["difference"],
        low=row["difference_low"],
        high=row["difference_high"],
        n=row["n"],
        unit="share",
        customers=row["customers"],
        figure="detractors",
        next_step=f"Read what customers write about “{row['theme']}”.",
    )


def _trend(rows: pd.DataFrame, own: Mapping[str, NDArray[np.bool_]], timezone: str) -> pd.DataFrame:
    if not rows["timestamp"].notna().all():
        nobody = np.zeros(0, dtype=np.int64)
        return _by_group(pd.Series([], dtype="datetime64[us]", name="period"), {}, nobody)
    months = (
        rows["timestamp"]
        .dt.tz_convert(timezone)
        .dt.tz_localize(None)
        .dt.to_period("M")
        .dt.start_time.astype("datetime64[us]")
    )
    return _by_group(months.rename("period"), own, rows["customer"].to_numpy())


def _by_group(
    groups: pd.Series, own: Mapping[str, NDArray[np.bool_]], customer: Ints
) -> pd.DataFrame:
    """Each theme's share of the comments of each group, groups in order; `customers` wrote the comments of the group."""
    comments = groups.value_counts().sort_index()
    parts = [
        pd.DataFrame(
            columns=[
                "theme",
                groups.name,
                "n",
                "comments",
                "share_of_comments",
                "low",
                "high",
                "customers",
            ]
        )
    ]
    place = comments.index.get_indexer(pd.Index(groups))
    wrote = pd.Series(customer).groupby(place).nunique().reindex(range(len(comments))).to_numpy()
    for theme, member in own.items():
        counts = groups[member].value_counts().reindex(comments.index, fill_value=0)
        n, of = counts.to_numpy(), comments.to_numpy()
        low, high = share_interval(member, customer, place, len(comments))
        named = {"theme": theme, groups.name: comments.index, "n": n, "comments": of}
        shares = {"share_of_comments": n / of, "low": low, "high": high, "customers": wrote}
        parts.append(pd.DataFrame(named | shares))
    return pd.concat(parts[1:] or parts, ignore_index=True)


def _flags(rows: pd.DataFrame) -> pd.DataFrame:
    """Effort and intent to leave, as phrases tell: a flag with its count, not a score."""
    told = Counter(kind for text in rows["text"].tolist() for kind in effort_kinds(text))
    counted = pd.DataFrame(
        [{"flag": kind, "n": n} for kind, n in sorted(told.items())], columns=["flag", "n"]
    )
    return counted.assign(share_of_comments=counted["n"] / len(rows)).sort_values(
        ["n", "flag"], ascending=[False, True], ignore_index=True
    )


def _headline(table: pd.DataFrame, claimed: pd.DataFrame, n: int, customers: int) -> str:
    comments = count_of(n, "comment") + (
        "" if customers == n else f" of {count_of(customers, 'customer')}"
    )
    if customers < MIN_N:
        return f"{comments}: fewer than {MIN_N} customers wrote, too few to say what is written about most."
    own = table[(table["kind"] == "taxonomy") & (table["n"] > 0)]
    covered = 1 - float(table.loc[table["kind"] == "uncovered", "share_of_comments"].iloc[0])
    if own.empty:
        proposed = (table["kind"] == "candidate").any()
        look = ", the candidates show what people write about" if proposed else ""
        return f"The taxonomy covers none of {comments}: edit it{look}."
    first = own.iloc[0]
    alike = " (others as much)" if (own["n"] == own["n"].max()).sum() > 1 else ""
    worst = claimed[claimed["difference"] > 0]
    goes = ""
    if len(worst):
        top = worst.iloc[0]
        goes = (
            f" “{top['theme']}” goes most with unhappy answers ({about(top['share_unhappy'])} of {top['n']:,} rated comments with it, "
            f"{about(top['other_share_unhappy'])} of the others). Association, not causation."
        )
    return (
        f"Most written about is “{first['theme']}”{alike}, in {about(first['share_of_comments'])} of {comments} ({confidence(first['low'], first['high'])}); "
        f"the taxonomy covers {about(covered)}.{goes}"
    )


def _definition(
    rows: pd.DataFrame,
    left_out: int,
    taxonomy: object,
    removed: Mapping[str, int],
    uncovered: NDArray[np.bool_],
) -> dict[str, str]:
    return {
        "taxonomy": "starter list" if taxonomy is None else "given by you",
        "base": f"{count_of(len(rows), 'comment')} in English; {left_out:,} without words or in other languages left out",
        "themes": "a comment may carry several, so shares do not sum to one",
        "interval": "Wilson 95% of as many independent comments as have the variance from customer to customer",
        "coverage": f"{about(1 - uncovered.mean())} of the comments are in at least one theme",
        "candidates": "proposed from the uncovered comments by matrix factorisation; they agree only weakly with what people would say",
        "quotes": f"typical, not extreme; removed from all comments: {', '.join(f'{n} {kind}' for kind, n in sorted(removed.items())) or 'nothing'}",
        "share of unhappy": "of the comments with a rating; the share of a theme has all comments as its base",
    }


def _metrics(
    rows: pd.DataFrame, uncovered: NDArray[np.bool_], removed: Mapping[str, int]
) -> dict[str, Metric]:
    n = len(rows)
    low, high = _interval(~uncovered, rows["customer"].to_numpy())
    coverage = metric(
        1 - float(uncovered.mean()), low, high, n,
        label="Comments in at least one theme", unit="share",
    )  # fmt: skip
    return {"coverage": coverage} | {
        f"removed_{kind}": metric(count, label=f"Removed from quotes: {kind}", unit="number")
        for kind, count in sorted(removed.items())
    }


STARTER = Path(__file__).with_name("taxonomy.yml")
Taxonomy = Mapping[str, Sequence[str]]


def read_taxonomy(given: Taxonomy | str | Path | None) -> dict[str, list[str]]:
    """The taxonomy given as a mapping or a YAML file; the starter file without one."""
    if isinstance(given, Mapping):
        return _checked(dict(given), "taxonomy")
    path = STARTER if given is None else Path(given)
    if not path.is_file():
        raise DataError(f"taxonomy: there is no file {shown(str(path))}.")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as fault:
        raise DataError(f"taxonomy: {path.name} is not YAML: {shown(str(fault))}.") from None
    return _checked(content, path.name)


def _checked(content: object, where: str) -> dict[str, list[str]]:
    if not isinstance(content, Mapping) or not content:
        raise CjlibError(
            f"taxonomy: {where} must map each theme to a list of words or phrases. Got {shown(content)}."
        )
    themes: dict[str, list[str]] = {}
    for theme, words in content.items():
        if (
            isinstance(words, str)
            or not isinstance(words, Sequence)
            or not words
            or not all(str(word).strip(" *") for word in words)
        ):
            raise CjlibError(
                f"taxonomy: theme {shown(theme)} of {where} must be a list of words or phrases. Got {shown(words)}."
            )
        themes[str(theme)] = [str(word) for word in words]
    return themes


def tells_of(texts: Sequence[str], taxonomy: Mapping[str, Sequence[str]]) -> NDArray[np.bool_]:
    """A row a text, a column a theme: whether any of the theme's words stands in the text."""
    patterns = [_pattern(words) for words in taxonomy.values()]
    # Small letters on both sides: a pattern that minds capitals is found in a third of the time. Equal texts are read once.
    small = [text[:LONGEST].replace("’", "'").lower() for text in texts]
    found = {
        text: [pattern.search(text) is not None for pattern in patterns]
        for text in dict.fromkeys(small)
    }
    return np.array([found[text] for text in small], dtype=bool).reshape(len(texts), len(patterns))


def _pattern(words: Sequence[str]) -> re.Pattern[str]:
    written = "|".join(_word(word) for word in sorted(words, key=lambda word: (-len(word), word)))
    return re.compile(rf"(?<!\w)(?:{written})(?!\w)")


def _word(word: str) -> str:
    # A space in a phrase is any white space; * is any run of letters.
    return r"\s+".join(
        re.escape(part).replace(r"\*", r"\w*")
        for part in word.strip().replace("’", "'").lower().split()
    )
