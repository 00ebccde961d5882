"""How answers speak to a judge: wordings by language, and the letters that pass for others.

Data for `fusion.engine.steering`. A wording is found whatever its case. Every repeat has an upper bound and none stands
inside another, so that hostile text cannot make a search slow.
"""

from __future__ import annotations

from fusion.engine.phrases.english import ENGLISH, ENGLISH_ROUNDABOUT
from fusion.engine.phrases.languages import LATIN, MORE_LANGUAGES, OTHER_SCRIPTS
from fusion.engine.phrases.letters import CONFUSABLE
from fusion.engine.phrases.marks import MARKS
from fusion.engine.phrases.talk import TALK
from fusion.engine.phrases.wording import Phrase

__all__ = ["CONFUSABLE", "STEERING", "TALK", "Phrase"]

STEERING: tuple[Phrase, ...] = (*ENGLISH, *ENGLISH_ROUNDABOUT, *MARKS, *LATIN, *OTHER_SCRIPTS, *MORE_LANGUAGES)
