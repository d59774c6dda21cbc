"""What a text looks like: VADER's scores, signs and negations, phrases of effort, emoji."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from cjlib.sources.feedback.texts import KEPT, polarity

FEATURES = (
    "vader_negative", "vader_neutral", "vader_positive", "vader_compound", "vader_strength",
    "negations", "exclamations", "questions", "capitals", "length", "thanks", "positive_emoji", "negative_emoji", "effort",
)  # fmt: skip
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|neither|nor|cannot|without|\w+n[’']t)\b"
)
_THANKS = re.compile(r"\bthank(?:s|you|ful)?\b|\bthx\b|\bcheers\b")
_CAPITALS = re.compile(r"\b[A-Z]{3,}\b")


@dataclass(frozen=True, eq=False)
class Looks:
    """What each text looks like: `lexicon`, one column a name in `FEATURES`, each roughly within −1…1; kinds of effort; emoji balance."""

    lexicon: NDArray[np.float64]
    effort: list[tuple[str, ...]]
    emoji: NDArray[np.int64]


def looks(texts: Sequence[str]) -> Looks:
    """Every text read once."""
    short = [text[:LONGEST] for text in texts]
    effort = [effort_kinds(text) for text in short]
    emoji = np.array([emoji_balance(text) for text in short], dtype=np.int64)
    rows = [
        _row(text, kinds, int(balance))
        for text, kinds, balance in zip(short, effort, emoji, strict=True)
    ]
    return Looks(np.array(rows, dtype=float).reshape(-1, len(FEATURES)), effort, emoji)


def _row(text: str, effort: tuple[str, ...], balance: int) -> list[float]:
    scores = polarity(text)
    words = max(text.count(" ") + 1, 1)
    small = text.lower()
    return [
        scores["neg"], scores["neu"], scores["pos"], scores["compound"], abs(scores["compound"]),
        min(len(_NEGATION.findall(small)), 4) / 4, min(text.count("!"), 4) / 4, min(text.count("?"), 4) / 4, min(len(_CAPITALS.findall(text)), 4) / 4,
        min(math.log1p(words) / 5, 1), float(bool(_THANKS.search(small))), float(balance > 0), float(balance < 0), min(len(effort), 2) / 2,
    ]  # fmt: skip


LONGEST = 5_000
"""Characters of a text that are looked at: a pasted mail thread may take a regular expression seconds."""

_NUMBER = r"(?:\d+|two|three|four|five|six|seven|eight|nine|ten|several|many|multiple|countless)"
_UNIT = r"(?:min(?:ute)?s?|hrs?|hours?|days?|weeks?|months?)"
_NOT = r"(?:not|never|n[’']?t|no)"

EFFORT = {
    "waiting": rf"\b(?:still|been|keep|kept|have been) (?:waiting|on hold)|\bwait(?:ing|ed)? (?:for )?(?:over |more than |almost |nearly |about |an? )?{_NUMBER}? ?{_UNIT}\b|\bon hold\b|\bhold for\b",
    "no answer": rf"\b(?:no|without|never (?:got|had|received)(?: an?)?|no one|nobody|{_NOT} (?:get|got|had|received?|heard?)(?: an?| any)?) (?:answer|repl(?:y|ies|ied)|response|call ?back|answers?|answered|responds?|responded|show(?:ed)?|came|called|turned up|reply)\b|\b(?:nobody|no one) (?:answers?|picks?|came|called|knows|can|could|would|seems|helps?)\b|\bno (?:word|news|update|refund|confirmation|explanation|help|email|e-mail)\b|\bun(?:answered|reachable)\b|\b{_NOT} (?:been )?(?:able|possible) to (?:reach|get|speak|contact)",
    "again and again": rf"\b{_NUMBER} (?:times|calls?|emails?|e-mails?|attempts?|phone calls|visits|people|departments)\b|\b(?:second|third|fourth|fifth|2nd|3rd|4th|5th) (?:time|call|attempt|email|visit|week|day)\b|\b(?:over and over|again and again|yet again|once again|same (?:problem|issue|question)s? (?:again|twice)|keeps? (?:happening|failing|crashing|freezing|asking|cutting|dropping|telling|saying|getting))\b|\bhad to (?:call|phone|ring|chase|contact|write|email|ask|explain|repeat|wait|go|send|return|pay|buy|reset|restart|re-?enter|do)\b|\bchas(?:e|ed|ing)\b|\b(?:passed|transferred|sent|bounced) (?:around|from|back and forth|between)\b|\bto no avail\b",
    "not delivered": rf"\b(?:did|has|have|was|were|is|are|does)(?: {_NOT}|n[’']t) (?:yet )?(?:been )?(?:arrived?|delivered|come|came|shipped|received?|turn(?:ed)? up|show(?:n|ed)? up|installed|connected|activated|refunded|processed|credited)\b|\bnever (?:arrived?|came|delivered|received|turned up|showed up|got|heard)\b|\b(?:missing|lost|delayed|late|cancelled|canceled|postponed|rescheduled)\b.{{0,25}}\b(?:item|parcel|package|order|delivery|bag|bags|luggage|flight|flights|appointment|part|parts|refund|connection)\b|\b(?:flight|order|delivery|appointment|parcel|package|train|engineer|booking)\b.{{0,25}}\b(?:delayed|cancel+ed|late|missing|lost|overdue|postponed)\b|\bdays? late\b|\bmissed (?:my|our|the) (?:connection|flight|appointment|delivery)\b|\bout of stock\b",
    "does not work": rf"\b(?:does|do|did|is|was|still|has|have|would|will|can|could)(?: {_NOT}|n[’']t|not) (?:even )?(?:work(?:ing)?|load(?:ing)?|open(?:ing)?|log ?in|sign in|connect|start|respond|accept|let me|turn on|charge|fit|access|find|get|change|book|update|use|pay|check ?in|cancel|download|print|reach|hear|see)\b|\b(?:errors?|crash(?:es|ed|ing)?|fro(?:ze|zen)|freez(?:es|ing)|glitch(?:es|y)?|bug(?:s|gy)?|fault(?:y|s)?|broken?|broke|defective|stopped working|stopped|dead on arrival|failed|fails|failing|failure|outage|down again|is down|are down|offline|locked out|timed? out|blank (?:page|screen)|error message)\b",
    "wrong charge": r"\b(?:charged|billed|debited|paid|invoiced)\b.{0,20}\b(?:twice|double|again|extra|wrong|more than|too much|even though|without|after)\b|\b(?:double|over)[- ]?charged?\b|\bcharged (?:me|us|my)\b|\b(?:hidden|extra|unexpected|additional|wrong|incorrect) (?:fees?|charges?|costs?|bill|invoice|amount|price)\b|\bstill (?:no|waiting for (?:my|a|the)) refund\b|\brefund(?:ed)?\b.{0,20}\b(?:not|never|still|yet)\b|\bprice (?:went|has gone|gone|was put) up\b",
    "cut off": r"\b(?:cut|cuts|cutting|hung|hang|hangs|dropped|drops|disconnected|kicked)\b.{0,10}\b(?:off|up|out|on me|the call|my call|calls)\b|\bdisconnect(?:s|ed|ing)\b|\bwent dead\b",
    "not as ordered": r"\bnot (?:as|what) (?:ordered|described|advertised|promised|expected|pictured|agreed|shown|i ordered|we ordered|i was (?:told|promised|sold)|was (?:promised|advertised))\b|\b(?:wrong|different|incorrect) (?:item|product|size|colou?r|order|address|part|model|one|name|date|info(?:rmation)?|plan)\b|\bwas told\b|\bpromised\b.{0,30}\bbut\b|\bfell apart\b|\bcame apart\b|\bhole in\b|\breturn(?:ed|ing) (?:it|this|them|both)\b|\bgoing back\b|\bsent (?:it|them) back\b",
    "leaving": r"\b(?:cancel(?:l?ed|l?ing)? my (?:account|subscription|order|contract|membership)|switch(?:ed|ing)? (?:to|provider)|clos(?:ed|ing) my account|last time i|never (?:again|fly(?:ing)?|buy(?:ing)?|use|using|book(?:ing)?|order(?:ing)?)|look(?:ing)? elsewhere|moving to another|taking my business|won[’']?t be (?:back|using|buying|renewing)|unsubscrib)",
}
"""Kind of effort → how it is written, in small letters: a pattern that minds capitals is found in a third of the time."""

_EFFORT = {kind: re.compile(pattern) for kind, pattern in EFFORT.items()}

POSITIVE_EMOJI = frozenset(
    "😀😃😄😁😆😅😂🤣😊😇🙂😉😍🥰😘😗😙😚😋😛😜🤪😝🤗🤩🥳😎👍👏🙌🙏💪👌🤝❤🧡💛💚💙💜🖤🤍💖💗💓💕💞💘💝🎉🎊✨🌟⭐💯✅😻😸🤞✌👊🏆🔥😌☺♥💐🌹"
)
NEGATIVE_EMOJI = frozenset(
    "😞😔😟😕🙁☹😣😖😫😩🥺😢😭😤😠😡🤬😱😨😰😥😓🤦🙄😒😑😐🤢🤮🤧😷👎💔🖕😾😿🤯😬🤨🧐😪🥱⛔❌🚫💩⚠"
)
_SMILE = re.compile(r"(?<!\w)(?:[:;=8][-o^]?[)\]D*pP]|<3|\^_\^|[xX]D)(?!\w)")
_FACE = re.compile(r"[:;=8<>^_]|[xX]D|D:")
"""What a smile or a frown cannot do without."""
_FROWN = re.compile(r"(?<!\w)(?:[:=][-o^']?[(\[/\\|cC]|>:\(|D:|-_-)(?!\w)")


@lru_cache(maxsize=KEPT)
def effort_kinds(text: str) -> tuple[str, ...]:
    """The kinds of effort the text tells of; of the texts last asked for they are kept."""
    small = text[:LONGEST].lower()
    return tuple(kind for kind, pattern in _EFFORT.items() if pattern.search(small))


def emoji_balance(text: str) -> int:
    """Positive minus negative emoji and emoticons."""
    balance = len(_SMILE.findall(text)) - len(_FROWN.findall(text)) if _FACE.search(text) else 0
    if text.isascii():
        return balance
    return balance + sum(
        (character in POSITIVE_EMOJI) - (character in NEGATIVE_EMOJI) for character in text
    )


SHORTEST = 25
"""Characters below which a language is not decided: short texts are taken to be in the feedback's main language."""
LOOKED_AT = 400
_ENGLISH = frozenset(
    ["the", "and", "with", "have", "has", "had", "this", "that", "you", "your", "my", "they", "were", "from", "would", "been", "which", "there",
     "their", "what", "when", "because", "very", "is", "it", "its", "not", "just", "but", "about", "could", "of", "to", "are", "can", "how", "out",
     "now", "our", "us", "don't", "i'm", "get", "after", "who", "why", "if", "i've"]
)  # fmt: skip
"""Small words that only English texts are full of."""
FEWEST_ENGLISH = 5
"""Five of them, and every fifth word one of them: English, and no model need be asked."""
_TAKEN_FOR = {"pcm": "en"}  # English with a typing error is told as Nigerian Pidgin
_NOT_LANGUAGE = re.compile(r"@\w+|https?://\S+|www\.\S+|#\w+|&\w+;|\S+@\S+\.\w+|\[[\w ]+\]")
_NOTHING_SAID = re.compile(
    r"[\W\d_]*(?:stop|unsubscribe|opt ?out|n/?a|none|nil|no comments?|nothing|no)?[\W\d_]*",
    re.IGNORECASE,
)
_SPACE = re.compile(r"\s+")


def says_something(text: str) -> bool:
    """Whether there is anything to score: words other than an opt-out, or an emoji."""
    return _NOTHING_SAID.fullmatch(text) is None or emoji_balance(text) != 0


def languages(texts: Sequence[str]) -> list[str]:
    """The ISO code of each text's language; texts too short to tell take the most common of the others ("en" if there is none)."""
    known = {text: _decided(text) for text in dict.fromkeys(texts)}
    decided = [known[text] for text in texts]
    counted = Counter(language for language in decided if language)
    main = min(counted, key=lambda language: (-counted[language], language)) if counted else "en"
    return [language or main for language in decided]


def _decided(text: str) -> str:
    own = text[:LOOKED_AT].lower().split()
    if sum(word in _ENGLISH for word in own) >= max(FEWEST_ENGLISH, len(own) / 5):
        return "en"
    words = _SPACE.sub(" ", _NOT_LANGUAGE.sub(" ", text[: 4 * LOOKED_AT])).strip()[:LOOKED_AT]
    if sum(character.isalpha() for character in words) < SHORTEST or words.count(" ") < 2:
        return ""
    import py3langid

    language = str(py3langid.classify(words)[0])
    return _TAKEN_FOR.get(language, language)


@dataclass(frozen=True, eq=False)
class Counts:
    """A row a text, a column a term; `terms` in order of the alphabet."""

    terms: NDArray[np.str_]
    matrix: csr_matrix

    def of(self, rows: NDArray[np.intp]) -> Counts:
        """Some of the texts."""
        return Counts(self.terms, csr_matrix(self.matrix[rows]))

    def under(self, vocabulary: Mapping[str, int]) -> csr_matrix:
        """The columns of another vocabulary, itself in order of the alphabet; terms that it does not have are left out."""
        home = np.array([vocabulary.get(term, -1) for term in self.terms.tolist()], dtype=np.int64)
        own = np.flatnonzero(home >= 0)
        picked = csr_matrix(self.matrix[:, own])
        return csr_matrix(
            (picked.data, home[own][picked.indices], picked.indptr),
            shape=(picked.indptr.size - 1, len(vocabulary)),
        )


def counted(texts: Sequence[str]) -> Counts:
    """Words of two letters and more, and pairs of them, in small letters; equal texts are read once."""
    from sklearn.feature_extraction.text import CountVectorizer

    place = {text: row for row, text in enumerate(dict.fromkeys(text[:LONGEST] for text in texts))}
    counter = CountVectorizer(ngram_range=(1, 2), dtype=np.int32)  # pyright: ignore[reportArgumentType]
    try:
        matrix = csr_matrix(counter.fit_transform(list(place)))
    except ValueError:  # no text has a word
        return Counts(np.array([], dtype=str), csr_matrix((len(texts), 0), dtype=np.int32))
    rows = [place[text[:LONGEST]] for text in texts]
    return Counts(
        np.asarray(counter.get_feature_names_out(), dtype=object), csr_matrix(matrix[rows])
    )


WORDS_KEPT = 50_000
"""Words whose kind is remembered."""
_WORD = re.compile(r"\b\w[\w'’]*\w\b")
_ADDRESS = re.compile(r"@\w+|https?://\S+|www\.\S+")
_NEGATIONS = frozenset({"not", "no", "never", "cannot", "without", "don't", "can't"})
# Function words on sklearn's list that customers of a business use as content.
_CONTENT = frozenset(
    ["bill", "call", "computer", "cry", "describe", "detail", "empty", "fill", "find", "fire", "full", "mill", "move", "serious", "show", "system", "thick",
     "thin", "together"]
)  # fmt: skip
_EMPTY = frozenset(
    ["ve", "ll", "re", "don", "didn", "doesn", "wasn", "isn", "aren", "couldn", "wouldn", "won", "hasn", "haven", "hadn", "shouldn", "im", "ive", "id",
     "dont", "didnt", "just", "got", "get", "did", "does", "doing", "really", "also", "one", "would", "could", "like", "said", "say", "says", "going",
     "went", "go", "us", "thing", "things", "lot", "even", "still", "much", "bit"]
)  # fmt: skip


@cache
def function_words() -> frozenset[str]:
    """Words that carry no content: they come out on top of every comparison otherwise."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return (ENGLISH_STOP_WORDS - _CONTENT - _NEGATIONS) | _EMPTY


@lru_cache(maxsize=WORDS_KEPT)
def _places(word: str) -> tuple[bool, bool, bool]:
    """Whether a word can stand alone, begin a pair, or end one."""
    content, negates = word not in function_words(), word in _NEGATIONS
    ends = content and not negates and not word.isdigit()
    return ends, negates or content, ends


def _content_terms(text: str) -> set[str]:
    """The content words and pairs of a text; told apart here, before they are counted, so that a million texts fit in memory."""
    words = _WORD.findall(_ADDRESS.sub(" ", text[:LONGEST]).lower())
    places = [_places(word) for word in words]
    terms = {word for word, (alone, _, _) in zip(words, places, strict=True) if alone}
    for at in range(1, len(words)):
        if places[at][2] and places[at - 1][1]:
            terms.add(f"{words[at - 1]} {words[at]}")
    return terms


def term_presence(texts: Sequence[str], least: int) -> tuple[csr_matrix, list[str]]:
    """A row a text, a column a content term (words and pairs) that stands in at least `least` texts; 1 where it stands. Equal texts are read once."""
    from sklearn.feature_extraction.text import CountVectorizer

    place = {text: row for row, text in enumerate(dict.fromkeys(texts))}
    counter = CountVectorizer(analyzer=_content_terms, dtype=np.int64)  # pyright: ignore[reportArgumentType]
    try:
        matrix = csr_matrix(counter.fit_transform(list(place)))
    except ValueError:  # there is no term
        return csr_matrix((len(texts), 0), dtype=np.int64), []
    counts = csr_matrix(matrix[[place[text] for text in texts]])
    often = np.flatnonzero(np.bincount(counts.indices, minlength=len(counter.vocabulary_)) >= least)
    return csr_matrix(counts[:, often]), [
        str(term) for term in counter.get_feature_names_out()[often]
    ]
