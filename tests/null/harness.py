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
from scipy.stats import beta, binom
from sentences import DRAWN, FITTED, QUICK, SENTENCES, Sentence
from worlds import WORLDS, World

from cjlib.shared.comparison import CLAIM

PAGE = Path(__file__).parents[2] / "docs" / "how_often_wrong.md"
COLUMNS = ["sentence", "world", "worlds", "told", "p"]
HEAD = """\
# How often a sentence is wrong

Made by `make nulls`: ten kinds of business in which nothing happens, and every kind of sentence that can claim something. A sentence is wrong when it claims a
difference, a change or a signal in such a business; the sentence about expected churners, when its interval misses what came. The upper bound is that of
Clopper and Pearson: with 95% confidence the sentence is wrong no more often. A table's smallest adjusted p below .05 is counted too, although a sentence
claims only below .0025: a run of all notebooks asks some twenty families of questions, and .05 / 20 for each is meant to keep the whole run from claiming anything in
95 of 100 businesses in which nothing happens. What that costs stands in the second part. The businesses: `tests/null/worlds.py`; the sentences: `tests/null/sentences.py`.
"""
POWER = """\
## How often they find what is there

The same sentences in a plain business of 1,200 customers with one effect planted. Beside what they find, in how many the table has an adjusted p below .01: what
a sentence would find that looked at its own family alone, and not at all twenty of a run.
"""
LEVELS = """\
## Why sentences claim below .0025

A run of all notebooks on the sample asks 27 families of questions; six are planned tests or ask what is true of every sample, so some twenty can tell what is not so. Each notebook is written alone, so none of its sentences can know the p of another notebook's:
a correction over the run is a level for each family. Other splits of the run's .05 were weighed. An eighth of it for each notebook and Holm within its two or three families asks the first claim of a notebook for the same .002 to .003, and helps only the second;
it would make a sentence depend on what else the notebook asks. Weights by use take from one family what they give another. A level of .0035, at which the counts above would add up to .05, would rest on these businesses alone. What does help is a better test: money compared on logarithms
finds a doubled value in a group of 60 in 74 of 100 samples at .0025, where Welch's test with the rank sum found it in 52, and in 77 at .01. So the price is paid, and it is this: of effects that a single question finds at .01, about every fourth is missed. Beneath, what other levels would give: how many of the
kinds of sentences above claim something in one business in which nothing happens, and how many of the planted effects are found. At .01 about every sixth run
would tell something that is not so; a first page alone may be stricter than its notebooks, but what a notebook says is read too. Tables keep every p, so that a
reader with one question in mind can take another level; a planned test (`cj.experiment`) claims at .05.
"""
COVERAGE = """\
## How often 95% intervals hold the truth

Of 1,000 intervals that hold with 95%, between {low} and {high} do, 19 times of 20 (`tests/null/intervals.py`). What rests on less than 30 customers says so. Means with a long
tail are compared on logarithms, each side with its own or the pooled spread, whichever is larger: Welch's interval held in 92 of 100 such samples, Hall's for skewness and the bootstrap t in 91 to 92.
"""
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


def page(wrong: pd.DataFrame, found: pd.DataFrame, intervals: pd.DataFrame) -> str:
    """The page as Markdown."""
    wrong, found = (
        part.assign(below_5=part["p"] < 0.05, below_1=part["p"] < 0.01) for part in (wrong, found)
    )
    counts = wrong.groupby("sentence", sort=False)[["worlds", "told", "below_5"]].sum()
    summary = pd.DataFrame(
        {
            "sentence": counts.index,
            "worlds": counts["worlds"],
            "wrong": counts["told"],
            "upper bound": [
                f"{100 * upper_bound(int(k), int(n)):.1f}%"
                for k, n in zip(counts["told"], counts["worlds"], strict=True)
            ],
            "p < .05": counts["below_5"],
        }
    )
    cells = wrong.groupby(["sentence", "world"], sort=False)[["worlds", "told"]].sum()
    said = (cells["told"].astype(int).astype(str) + "/" + cells["worlds"].astype(str)).unstack()
    said = said.reindex(index=counts.index, columns=list(WORLDS)).fillna("–").reset_index()
    columns = ["worlds", "told", "below_1"]
    hits = found.groupby(["sentence", "world"], sort=False)[columns].sum().reset_index()
    hits["world"] = hits["world"].str.removeprefix("plain, ").map(EFFECTS)
    hits = hits.rename(columns={"world": "effect", "told": "found", "below_1": "p < .01"})
    worlds = int(counts["worlds"].max())
    ground = f"This page stands on {worlds // len(WORLDS)} seeds, {worlds} worlds a sentence: with no wrong one the bound would be {100 * upper_bound(0, worlds):.1f}%."
    parts = [
        HEAD + ground + "\n",
        _markdown(summary),
        "\nWrong of the worlds of each kind:\n",
        _markdown(said),
    ]
    coverage = intervals.copy()
    forecast = counts.loc["churn model, expected churners"]
    coverage["share"] = [f"{100 * share:.1f}%" for share in coverage["held"] / coverage["samples"]]
    missed = forecast["told"] / forecast["worlds"]
    coverage.loc[len(coverage)] = [
        "forecast of churners, the worlds above",
        forecast["worlds"],
        forecast["worlds"] - forecast["told"],
        f"{100 * (1 - missed):.1f}%",
    ]
    low, high = binom.ppf([0.025, 0.975], 1_000, 0.95).astype(int)
    usual = COVERAGE.format(low=low, high=high)
    parts += ["", POWER, _markdown(hits), "", LEVELS, _markdown(_levels(wrong, found))]
    parts += ["", usual, _markdown(coverage)]
    return "\n".join(parts) + "\n"


def _levels(wrong: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """What each level would give."""
    rows = []
    for level in (0.05, 0.01, 0.005, CLAIM):
        a_kind = (wrong["p"] < level).groupby(wrong["sentence"]).mean()
        share = (found["p"] < level).mean()
        rows.append((f"{level:g}", f"{a_kind.sum():.2f} of {a_kind.size}", f"{100 * share:.0f}%"))
    return pd.DataFrame(rows, columns=["level", "claims in one business", "effects found"])


def _markdown(table: pd.DataFrame) -> str:
    rows = [list(table.columns), ["---"] * len(table.columns), *table.to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(str(cell) for cell in row)} |" for row in rows)


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
                text = page(read(folder, "wrong_*"), read(folder, "found"), intervals)
                chosen.page.write_text(text, encoding="utf-8")
            print(f"{name} of seed {seed}", flush=True)


if __name__ == "__main__":
    main()
