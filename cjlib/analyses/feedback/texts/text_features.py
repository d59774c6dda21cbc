"""What a text looks like: VADER's scores, signs and negations, phrases of effort, emoji."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

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
