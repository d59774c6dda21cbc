"""Counts how often sentences claim what is not so, and how often they tell what is, and writes `docs/how_often_wrong.md`.

    python tests/null/harness.py --seeds 20

A seed is one business of each of the ten kinds, so 20 seeds are 200 worlds for each sentence.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
from intervals import INTERVALS, covered
from notebook_claims import NOTEBOOKS
from scipy.stats import beta, binom
from sentences import DRAWN, FITTED, QUICK, SENTENCES, Sentence
from worlds import WORLDS, World

from cjlib.shared.comparison import CLAIM

PAGE = Path(__file__).parents[2] / "docs" / "how_often_wrong.md"
COLUMNS = ["sentence", "world", "worlds", "told", "p"]
EFFECTS = {
    "channel converts": "a channel whose visits lead to a sign-up in 75 of 100 cases instead of 54",
    "conversion rises": "activation rises from 70% to 85% in the middle of the year",
    "cohorts return less": "who subscribes in the second half of the year is half as active",
    "plan churns": "one plan leaves twice as fast, 1.2% a day instead of .6%",
    "demo converts": "who sees a demo (30%) goes on to activate in 95 of 100 cases instead of 70",
    "stage disappoints": "answers at one of four stages .6 standard deviations lower",
    "mood falls": "answers .6 standard deviations lower from the middle of the year on",
    "a word complains": "a phrase stands in 25% of unhappy comments in addition",
    "complaints leave": "of those who complain 15% leave within 30 days of it in addition",
    "plan is worth more": "payments on one plan 60% higher",
    "two kinds": "two groups of customers whose habits differ ninefold",
}


def upper_bound(wrong: int, worlds: int, level: float = 0.95) -> float:
    """Clopper and Pearson's upper bound of a share."""
    return 1.0 if wrong >= worlds else float(beta.ppf(level, wrong + 1, worlds - wrong))


def counted(
    sentences: Sequence[Sentence], worlds: Sequence[World], seeds: Sequence[int]
) -> pd.DataFrame:
    """A row a sentence and business: whether it claimed something, and the smallest adjusted p."""
    rows = []
    for seed in seeds:
        for world in worlds:
            business = world.business(seed)
            for sentence in sentences:
                if world.name in sentence.not_in:
                    continue
                claim = sentence.claim(business)
                if claim is not None:
                    rows.append((sentence.name, world.name, 1, claim.told, claim.p))
    return pd.DataFrame(rows, columns=COLUMNS)


def held(folder: Path) -> pd.DataFrame:
    """A row an interval: in how many of the samples it holds the truth."""
    file = folder / "intervals.csv"
    if not file.is_file():
        rows = [(each.name, each.samples, covered(each)) for each in INTERVALS]
        columns = ["interval", "samples", "held"]
        pd.DataFrame(rows, columns=columns).to_csv(file, index=False)
    return pd.read_csv(file)


def power(sentences: Sequence[Sentence], seeds: Sequence[int]) -> pd.DataFrame:
    """As `counted`, each sentence in the business with its own effect."""
    by_world: dict[World, list[Sentence]] = {}
    for sentence in sentences:
        if sentence.planted is not None:
            by_world.setdefault(sentence.planted, []).append(sentence)
    parts = [counted(asked, [world], seeds) for world, asked in by_world.items()]
    return pd.concat(parts, ignore_index=True)


def page(wrong: pd.DataFrame, found: pd.DataFrame, intervals: pd.DataFrame, notebooks: str) -> str:
    """The page as Markdown: `page.md` with what was counted in its braces."""
    wrong, found = (
        part.assign(below_5=part["p"] < 0.05, below_1=part["p"] < 0.01) for part in (wrong, found)
    )
    counts = wrong.groupby("sentence", sort=False)[["worlds", "told", "below_5"]].sum()
    bounds = [
        upper_bound(int(k), int(n)) for k, n in zip(counts["told"], counts["worlds"], strict=True)
    ]
    worlds = int(counts["worlds"].max())
    low, high = binom.ppf([0.025, 0.975], 1_000, 0.95).astype(int)
    at = {level: (found["p"] < level).sum() for level in (0.05, 0.01, CLAIM)}
    claims = (wrong["p"] < 0.01).groupby(wrong["sentence"]).mean().sum()
    return (
        (Path(__file__).parent / "page.md")
        .read_text(encoding="utf-8")
        .format(
            asked=f"{counts['worlds'].sum():,}",
            told=counts["told"].sum(),
            worst=_percent(max(bounds)),
            seeds=worlds // len(WORLDS),
            businesses=worlds,
            worlds=worlds,
            bound=_percent(upper_bound(0, worlds)),
            level=f"{CLAIM:g}".lstrip("0"),
            wrong=_markdown(_wrong(counts, bounds)),
            kinds=_markdown(_kinds(wrong, counts)),
            notebooks=notebooks,
            found=_markdown(_found(found)),
            levels=_rows(_levels(wrong, found)),
            lost_of_one=_percent(1 - at[CLAIM] / at[0.01]),
            lost_of_five=_percent(1 - at[CLAIM] / at[0.05]),
            every=f"{1 / claims:.0f}th",
            low=low,
            high=high,
            intervals=_markdown(_held(intervals, counts)),
        )
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def _wrong(counts: pd.DataFrame, bounds: Sequence[float]) -> pd.DataFrame:
    """Each kind of sentence: asked, wrong, and no more often than."""
    return pd.DataFrame(
        {
            "sentence": counts.index,
            "businesses": counts["worlds"],
            "wrong": counts["told"],
            "upper bound": [_percent(bound) for bound in bounds],
            "p < .05": counts["below_5"],
        }
    )


def _kinds(wrong: pd.DataFrame, counts: pd.DataFrame) -> pd.DataFrame:
    """Each kind of sentence in each kind of business."""
    cells = wrong.groupby(["sentence", "world"], sort=False)[["worlds", "told"]].sum()
    said = (cells["told"].astype(int).astype(str) + "/" + cells["worlds"].astype(str)).unstack()
    return said.reindex(index=counts.index, columns=list(WORLDS)).fillna("–").reset_index()


def _found(found: pd.DataFrame) -> pd.DataFrame:
    """Each kind of sentence with its planted effect."""
    groups = found.assign(tested=found["p"].notna()).groupby(["sentence", "world"], sort=False)
    hits = groups[["worlds", "told", "below_1"]].sum().reset_index()
    hits["below_1"] = hits["below_1"].where(groups["tested"].any().to_numpy(), "–")
    hits["world"] = hits["world"].str.removeprefix("plain, ").map(EFFECTS)
    names = {"world": "effect", "worlds": "businesses", "told": "found", "below_1": "p < .01"}
    return hits.rename(columns=names)


def _held(intervals: pd.DataFrame, counts: pd.DataFrame) -> pd.DataFrame:
    """Each interval, and that of the forecast of churners in the businesses of the sentences."""
    forecast = counts.loc["churn model, expected churners"]
    worlds = int(forecast["worlds"])
    row = ["forecast of churners, the businesses above", worlds, worlds - int(forecast["told"])]
    coverage = pd.concat([intervals, pd.DataFrame([row], columns=intervals.columns)])
    share = coverage["held"] / coverage["samples"]
    return coverage.assign(share=[_percent(each) for each in share])


def _notebooks(folder: Path) -> str:
    """How many samples claim nothing, of those that `notebook_claims.py` counted in the folder."""
    file = folder / NOTEBOOKS
    if not file.is_file():
        return "It was not run for this page."
    runs = pd.read_csv(file).fillna("")
    n, quiet = len(runs), int((runs["claims"] == "").sum())
    pages = int((runs["first_page"] == "").sum())
    low, high = proportion(quiet, n)
    told = "; ".join(f"seed {row.seed}: {row.claims}" for row in runs[runs["claims"] != ""].itertuples())  # fmt: skip
    return (
        f"In {quiet} of {n} samples the notebooks claim nothing: {_percent(quiet / n)}, with 95% confidence {_percent(low)} to {_percent(high)}. "
        f"The first page, which is corrected over all families of the run, tells nothing in {pages}.{f' The others: {told}.' if told else ''}"
    )


def proportion(k: int, n: int) -> tuple[float, float]:
    """Clopper and Pearson's 95% interval of a share."""
    low = 0.0 if k == 0 else float(beta.ppf(0.025, k, n - k + 1))
    return low, upper_bound(k, n, 0.975)


def _levels(wrong: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """What each level would give."""
    rows = []
    for level in (0.05, 0.01, 0.005, CLAIM):
        a_kind = (wrong["p"] < level).groupby(wrong["sentence"]).mean()
        share = (found["p"].dropna() < level).mean()
        written = f"{level:g}".lstrip("0")
        rows.append((written, f"{a_kind.sum():.2f} of {a_kind.size}", f"{100 * share:.0f}%"))
    return pd.DataFrame(rows)


def _markdown(table: pd.DataFrame) -> str:
    head = pd.DataFrame([table.columns, ["---"] * len(table.columns)])
    return f"{_rows(head)}\n{_rows(table)}"


def _rows(table: pd.DataFrame) -> str:
    cells = table.to_numpy().tolist()
    return "\n".join(f"| {' | '.join(str(cell) for cell in row)} |" for row in cells)


PARTS: dict[str, Callable[[int], pd.DataFrame]] = {
    "wrong_quick": lambda seed: counted(QUICK, list(WORLDS.values()), [seed]),
    "found": lambda seed: power(SENTENCES, [seed]),
    "wrong_drawn": lambda seed: counted(DRAWN, list(WORLDS.values()), [seed]),
    "wrong_fitted": lambda seed: counted(FITTED, list(WORLDS.values()), [seed]),
}
"""What is counted of a seed; quick sentences of all seeds first."""


def read(folder: Path, parts: str) -> pd.DataFrame:
    """What was counted so far, in the order of the sentences."""
    rows = [pd.read_csv(file) for file in sorted(folder.glob(f"*_{parts}.csv"))]
    told = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=COLUMNS)
    place = {sentence.name: number for number, sentence in enumerate(SENTENCES)}
    return told.sort_values("sentence", key=lambda name: name.map(place), kind="stable")


def main() -> None:
    """Count seed after seed, each in a file of its own, and write the page after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="the seed to begin with")
    parser.add_argument("--kept", type=Path, help="a folder of counts of seeds run before")
    parser.add_argument("--page", type=Path, default=PAGE)
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    folder = chosen.kept or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    intervals = held(folder)
    for name, count in PARTS.items():
        for seed in range(chosen.first, chosen.first + chosen.seeds):
            file = folder / f"{seed}_{name}.csv"
            if not file.is_file():
                count(seed).to_csv(file, index=False)
            if all(list(folder.glob(f"*_{part}.csv")) for part in PARTS):
                text = page(
                    read(folder, "wrong_*"), read(folder, "found"), intervals, _notebooks(folder)
                )
                chosen.page.write_text(text, encoding="utf-8")
            print(f"{name} of seed {seed}", flush=True)


if __name__ == "__main__":
    main()
