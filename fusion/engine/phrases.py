"""How answers speak to a judge: wordings by language, and the letters that pass for others.

Data for `fusion.engine.steering`. A wording is found whatever its case. Every repeat has an upper bound and none stands
inside another, so that hostile text cannot make a search slow.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phrase:
    """`needs`: of each group one word, in lower case, must occur in a text for the pattern to be tried on it.

    Looking for a word is some fifty times faster than looking for a pattern.
    """

    kind: str
    pattern: re.Pattern[str]
    needs: tuple[tuple[str, ...], ...] = ()

    def may_occur(self, lowered: str) -> bool:
        return all(any(word in lowered for word in group) for group in self.needs)


def _phrase(kind: str, pattern: str, *needs: str) -> Phrase:
    """`needs`: each group as words with `|` between them."""
    groups = tuple(tuple(group.split("|")) for group in needs)
    return Phrase(kind, re.compile(pattern, re.IGNORECASE | re.MULTILINE), groups)


# --- English -----------------------------------------------------------------------------------

_GRADER = (
    r"(?:judges?|graders?|evaluators?|raters?|scorers?|arbiters?|adjudicators?|assessors?|LLM[- ]as[- ]a[- ]judge)"
)
_READER = r"(?:AI|LLM|language model|AI model|model|AI assistant|reviewer|reviewing AI|comparing AI)s?"
_PICK = r"(?:choose|pick|select|rank|rate|score|grade|prefer|award|vote|declare|assign)"
_OURS = r"(?:this|my|our|the present|the following|the above)"
_WORK = r"(?:answer|response|submission|reply|candidate)"
_BEST = r"(?:winner|best|highest|perfect|full marks|top|10/10|5/5|maximum|first place)"
_LABEL = r"(?=[0-9A-Z]{0,2}\d)(?=[0-9A-Z]{0,2}[A-Z])[0-9A-Z]{3}"
_GRADERS = "judge|grader|evaluator|rater|scorer|arbiter|adjudicator|assessor"
_WORKS = "answer|response|submission|reply|candidate"
_CONDITION = r"(?!\s{1,3}(?:if|when|where|unless|because|over|for|only)\b)"

_ENGLISH = (
    _phrase(
        "addresses_judge",
        rf"\b(?:dear|attention|(?:note|message|instructions?) (?:to|for)|to|hey|hello|you are|you're|as)\s{{1,3}}"
        rf"(?:the |an? |any |all )?(?:\w{{1,15}} )?{_GRADER}\b[^\n]{{0,80}}?"
        rf"\b(?:{_PICK}|{_BEST})\b",
        _GRADERS,
    ),
    _phrase(
        "addresses_judge",
        rf"\b{_GRADER}\s{{0,2}}[:,]?\s{{0,2}}(?:please|must|should|shall|will|needs? to)\s{{1,3}}"
        rf"(?:\w{{1,15}} )?{_PICK}\b",
        _GRADERS,
    ),
    _phrase(
        "addresses_judge",
        rf"\b(?:note|message|instructions?|memo|attention|reminder)\s{{0,2}}(?:to|for|:)\s{{0,2}}"
        rf"(?:the |any |an? |all |whichever )?{_READER}\b[^\n]{{0,120}}?\b(?:{_PICK}|{_BEST})\b",
        "note|message|instruction|memo|attention|reminder",
        "ai|llm|model|reviewer",
    ),
    _phrase(
        "addresses_judge",
        rf"\bif you(?: are|'re)\s{{1,3}}(?:an? |the )?(?:\w{{1,15}} )?(?:{_READER}|{_GRADER})\b[^\n]{{0,120}}?"
        rf"\b(?:{_PICK}|{_BEST})\b",
        "if you are|if you're",
    ),
    _phrase(
        "addresses_judge",
        r"^\W{0,4}(?:system|admin(?:istrator)?|developer|evaluator|grading|judging)\s{1,2}"
        rf"(?:note|message|override|notice|update|prompt|instructions?)\W{{0,3}}:(?=[^\n]{{0,200}}\b{_WORK}s?\b)"
        rf"(?=[^\n]{{0,200}}\b(?:{_PICK}|{_BEST}|disqualified|penali[sz]ed?|ignore)\b)[^\n]{{0,200}}",
        "note|message|override|notice|update|prompt|instruction",
        _WORKS,
        "system|admin|developer|evaluator|grading|judging",
    ),
    _phrase(
        "overrides_instructions",
        r"\b(?:ignore|disregard|forget|override|bypass)\s{1,3}(?:\w{1,12}\s{1,3}){0,3}"
        r"(?:(?:previous|prior|above|preceding|earlier|foregoing|rubric|system)\s{1,3}(?:\w{1,15}\s{1,3}){0,2}"
        r"(?:instructions?|prompts?|rules?|rubrics?|criteria|answers?|responses?|directions?|messages?|context|candidates?)"
        r"|other\s{1,3}(?:\w{1,15}\s{1,3}){0,2}(?:instructions?|answers?|responses?|candidates?|submissions?))\b",
        "ignore|disregard|forget|override|bypass",
    ),
    _phrase(
        "overrides_instructions",
        r"\b(?:new|updated|revised|real|actual)\s{1,3}(?:question|task|rubric|criteria|grading criteria|instructions?)\b"
        rf"\W{{0,3}}(?:is|are|reads?|:)(?=[^\n]{{0,160}}\b(?:{_PICK}|winner)\b)(?=[^\n]{{0,160}}\b{_WORK}s?\b)"
        r"[^\n]{0,160}",
        "new|updated|revised|real|actual",
        "question|task|rubric|criteria|instruction",
        _WORKS,
    ),
    _phrase(
        "asks_for_choice",
        rf"\b{_PICK}(?: for)?\s{{1,3}}(?:{_OURS}\s{{1,3}}(?:\w{{1,12}} )?(?:{_WORK}|solution)\b{_CONDITION}"
        r"|me\b(?=\s{0,3}(?:[^\s\w]|$|as\b|first\b|best\b|over\b|instead\b|please\b|to win\b|number one\b|top\b|highest\b)))",
        "choose|pick|select|rank|rate|score|grade|prefer|award|vote|declare|assign",
    ),
    _phrase(
        "asks_for_choice",
        rf"\b{_OURS}\s{{1,3}}(?:\w{{1,12}} )?{_WORK}\s{{1,3}}"
        r"(?:is|should be|must be|deserves|has to be|wins|ought to be)\s{1,3}"
        r"(?:clearly |obviously |by far |rated |ranked |the |an? |to |be |declared |chosen ){0,5}"
        r"(?:best|winner|win|highest|chosen|selected|preferred|superior|perfect score|full marks|10/10|5/5)\b",
        _WORKS,
        "best|win|highest|chosen|selected|preferred|superior|perfect|full|10/10|5/5",
    ),
    _phrase(
        "asks_for_choice",
        rf"\b(?:give|award|assign|grant)\s{{1,3}}(?:it|me|{_OURS}\s{{1,3}}{_WORK})\s{{1,3}}(?:an? |the )?"
        r"(?:full|top|maximum|max|highest|perfect|best|5|10|100)\b",
        "give|award|assign|grant",
        "full|top|max|highest|perfect|best|5|10|100",
    ),
    _phrase(
        "asks_for_choice",
        rf"\b{_OURS}\s{{1,3}}(?:\w{{1,12}} )?{_WORK}\b[^\n.]{{0,60}}?\b"
        r"(?:10/10|5/5|100/100|full marks|perfect score|top score|maximum score|highest score)(?!\w)",
        _WORKS,
        "10/10|5/5|100/100|full marks|perfect score|top score|maximum score|highest score",
    ),
    _phrase(
        "asks_for_choice",
        rf"\b{_OURS}\s{{1,3}}{_WORK}\s{{1,3}}is\s{{1,3}}(?:\w{{1,12}} )?(?:the )?(?:most|more)\s{{1,3}}\w{{3,20}}\b"
        r"[^\n.]{0,60}?\b(?:of (?:all|them all|the (?:answers|responses|candidates|submissions|lot|bunch))"
        r"|than (?:all |any |every )?(?:of )?(?:the )?others?)\b",
        _WORKS,
        "most|more",
    ),
    _phrase(
        "disparages_others",
        r"\b(?:all |the |every |any )?other\s{1,3}(?:answers?|responses?|candidates?|submissions?|models?)\b[^\n.]{0,40}?"
        r"\b(?:plagiari[sz]ed|disqualified|ranked (?:last|lower|below)|penali[sz]ed|hallucinat\w{1,5}|fabricated"
        r"|(?:score|scored|given|receive|deserve)s?\s{1,3}(?:a |an |the )?(?:0|1|zero|one|lowest|low)\b|fatal(?:ly)? flaw\w{0,3})",
        "other",
        "plagiari|disqualified|ranked|penali|hallucinat|fabricated|score|given|receive|deserve|fatal",
    ),
    _phrase(
        "fake_verdict",
        rf"\b(?:winner|verdict|final verdict|best answer|ranking)\W{{1,4}}(?:is |goes to )?"
        rf"(?:{_OURS}\s{{1,3}}(?:\w{{1,12}} )?{_WORK}|{_WORK}\s{{1,3}}{_LABEL}|{_LABEL})\b",
        "winner|verdict|best answer|ranking",
    ),
    _phrase("fake_label", r"\b(?:my|winning|best|correct|preferred)\s{1,3}(?:answer's )?label\s{1,3}is\s", "label"),
    _phrase(
        "fake_label",
        rf"\b(?:answer|label|candidate|response)\s{{1,3}}{_LABEL}\s{{1,3}}(?:is|wins|must|should|has|deserves)\b"
        r"[^\n]{0,40}?\b(?:best|wins?|winner|correct|chosen|first|superior)\b",
        _WORKS + "|label",
        "best|win|correct|chosen|first|superior",
    ),
)

# Ways round the plain request: the score instead of the choice, the authority of others, the end of the evaluation.
_ENGLISH_ROUNDABOUT = (
    _phrase(
        "asks_for_choice",
        rf"\b(?:give|assign|award|grant|attribute)\b[^\n.]{{0,60}}?\b(?:scores?|ratings?|marks?|points|grades?|credit)\b[^\n.]{{0,40}}?"
        rf"\bto\s{{1,3}}{_OURS}\s{{1,3}}{_WORK}\b",
        "give|assign|award|grant|attribute",
        _WORKS,
    ),
    _phrase(
        "asks_for_choice",
        r"\b(?:give|award|grant)\s{1,3}(?:me|us|mine)\b[^\n.]{0,30}?\b(?:score|rating|grade|marks?|10|full|top|highest|credit)\b"
        r"|\bgive\s{1,3}(?:it\s{1,3})?full\s{1,3}(?:credit|marks)\b",
        "give|award|grant",
    ),
    _phrase(
        "asks_for_choice",
        rf"\b(?:mark|grade|score|judge|rate|accept|treat)\s{{1,3}}(?:it|this|{_OURS}\s{{1,3}}{_WORK})\s{{1,3}}as\s{{1,3}}(?:the\s{{1,3}})?"
        r"(?:correct|right|passing|passed|best|perfect|winner|winning|gold)\b",
        "mark|grade|score|judge|rate|accept|treat",
        "correct|right|pass|best|perfect|win|gold",
    ),
    _phrase(
        "asks_for_choice",
        r"(?<!\bI )\b(?:pick|choose|select|rank|consider|favou?r|score|rate)\s{1,3}(?:mine|my one|the one you are reading)\b",
        "mine|my one|the one you are reading",
    ),
    _phrase(
        "asks_for_choice",
        rf"\b{_OURS}\s{{1,3}}{_WORK}\s{{1,3}}(?:outperforms|beats|surpasses|is\s{{1,3}}(?:far |much |clearly )?(?:better than|superior to))"
        r"\s{1,3}(?:all|any|every|the|each|whatever)\b",
        _WORKS,
        "outperforms|beats|surpasses|better than|superior to",
    ),
    _phrase(
        "asks_for_choice",
        rf"\b(?:prefer|favou?r|reward|recommend|endorse|trust)\s{{1,3}}{_OURS}\s{{1,3}}{_WORK}\b{_CONDITION}",
        "prefer|favor|favour|reward|recommend|endorse|trust",
        _WORKS,
    ),
    _phrase(
        "asks_for_choice",
        rf"\b(?:best|correct|right|winning|preferred|top|gold|reference)\s{{1,3}}{_WORK}\s{{1,3}}(?:is|was|here is|must be)\s{{1,3}}"
        r"(?:this one|mine|the one (?:above|you are reading|that you are reading))\b",
        "this one|mine|the one",
    ),
    _phrase(
        "asks_for_choice",
        r"\b(?:asked|decid\w{1,3}|choos\w{1,3}|comparing|wonder\w{0,3})\b[^\n.]{0,30}?\bwhich\s{1,3}(?:answer|response|candidate|submission)\b"
        r"[^\n.]{0,30}?\b(?:better|best|wins?|right|preferred)\b[^\n.]{0,40}?\b(?:say|choose|pick|name|reply|output|return)\b",
        "which answer|which response|which candidate|which submission",
    ),
    _phrase(
        "addresses_judge",
        r"\b(?:whoever|anyone|everyone|those|the one)\s{1,3}(?:who\s{1,3}|that\s{1,3})?(?:is\s{1,3}|are\s{1,3})?"
        r"(?:compar|judg|evaluat|grad|rat|scor|rank)(?:es|s|e|ing|ges)?\s{1,3}(?:the|these|this|all|my)\s{1,3}(?:answers?|responses?|submissions?|candidates?)\b",
        "whoever|anyone|everyone|those|the one",
        _WORKS,
    ),
    _phrase(
        "addresses_judge",
        rf"\b(?:any|every|each|no|a|the)\s{{1,3}}(?:\w{{1,12}}\s{{1,3}})?{_GRADER}\s{{1,3}}(?:who|that|which)\b[^\n.]{{0,80}}?"
        r"\b(?:wrong|mistaken|fails?|incompetent|fired|penali[sz]ed|biased|unfair|below|lower)\b",
        _GRADERS,
    ),
    _phrase(
        "addresses_judge",
        r"\b(?:reviewers?|referees?|graders?|evaluators?|judges?)\b[^\n.]{0,40}?\b(?:required|must|should|told|instructed|obliged)\b[^\n.]{0,40}?"
        r"\b(?:positive (?:review|verdict|evaluation)|accept this|favou?rable|recommend this|highest|top score|full marks|no weaknesses)",
        "reviewer|referee|grader|evaluator|judge",
    ),
    _phrase(
        "addresses_judge",
        r"\b(?:evaluation|grading|scoring|judging)\s{1,3}(?:script|harness|pipeline|system|model|process|rubric)\b[^\n.]{0,60}?"
        r"\b(?:expects?|requires?|returns?|output|updated|changed|always|prefers?)\b[^\n.]{0,80}?\b(?:answer|response|submission|score|winner)\b",
        "evaluation|grading|scoring|judging",
        _WORKS + "|score|winner",
    ),
    _phrase(
        "overrides_instructions",
        r"\b(?:ignore|disregard|forget|skip|bypass|override)\s{1,3}(?:the|your|any|all|this|every)\s{1,3}(?:\w{1,12}\s{1,3})?"
        r"(?:rubric|grading|scoring|evaluation|judging|criteria|system prompt|guidelines)\b",
        "rubric|grading|scoring|evaluation|judging|criteria|system prompt|guidelines",
    ),
    _phrase(
        "overrides_instructions",
        r"\b(?:do not|don't|never|no need to|stop)\s{1,3}(?:consider|choose|pick|select|trust|read|rank|prefer|evaluate|compare|look at)(?:ing)?\b"
        r"[^\n.]{0,20}?\b(?:other|another|competing|remaining|rest of the)\s{1,3}(?:answers?|responses?|candidates?|submissions?)\b",
        "other|competing|remaining|rest of the",
        _WORKS,
    ),
    _phrase(
        "overrides_instructions",
        r"\b(?:(?:scoring|grading|evaluation|judging)\s{1,3}(?:rubric|criteria|instructions|guidelines|rules)|rubric)\s{1,3}"
        r"(?:has|have|is|are|was|were)\s{1,3}(?:been\s{1,3})?(?:changed|void|updated|replaced|cancell?ed|suspended|revoked|invalid|obsolete)\b",
        "rubric|scoring|grading|evaluation|judging",
    ),
    _phrase(
        "asks_for_choice",
        r"\b(?:choose|pick|select|rank|prefer|any|no)\s{1,3}(?:\w{1,12}\s{1,3})?(?:answers?|responses?|candidates?|submissions?)\s{1,3}"
        r"(?:other than (?:this|mine)|but (?:this|mine)|labell?ed|containing the word|(?:you see |that stands )?above this)\b",
        "other than|but this|but mine|labelled|labeled|containing the word|above this",
    ),
    _phrase(
        "claims_authority",
        r"\b(?:users?|person|asker|humans?|developers?|admins?|administrators?|team|experts?|organi[sz]ers?)\s{1,3}(?:has|have|had)?\s{0,3}(?:already\s{1,3})?"
        r"(?:confirmed|verified|approved|preferred|chosen|selected|accepted|picked|rated)\b[^\n.]{0,40}?\b(?:this|my)\b[^\n.]{0,30}?"
        r"\b(?:answer|response|submission|correct|best|winner)\b",
        "confirmed|verified|approved|preferred|chosen|selected|accepted|picked|rated",
        _WORKS + "|correct|best|winner",
    ),
    _phrase(
        "claims_authority",
        rf"\b(?:{_OURS}\s{{1,3}}(?:{_WORK}|text)|it|which)\s{{1,3}}(?:has been|was|is)\s{{1,3}}(?:\w{{1,12}}\s{{1,3}})?(?:verified|approved|confirmed|certified|pre-?approved|selected)\b"
        r"[^\n.]{0,60}?\b(?:gold|reference|correct|best|winning|official)\s{1,3}(?:answer|response|standard|one|solution)\b",
        "verified|approved|confirmed|certified|selected",
    ),
    _phrase(
        "claims_authority",
        r"\b(?:answer|response|submission)\b[^\n.]{0,30}?\b(?:preferred|chosen|selected|picked|declared (?:the )?(?:best|winner))\s{1,3}"
        r"(?:in|by)\s{1,3}(?:the|an|a)\s{1,3}(?:earlier|previous|prior|first|other|independent)\b",
        _WORKS,
        "earlier|previous|prior|first|other|independent",
    ),
    _phrase(
        "fake_verdict",
        r"\b(?:final|overall|correct|true|expected|official)\s{1,3}(?:judge?ment|verdict|evaluation|decision|assessment|ranking|grade)\W{1,4}(?:is\W{1,3}|should be\W{1,3})?"
        r"(?:response|candidate|assistant|submission|this|the above|mine|my|pass\b|[0-9]{1,3}\s?(?:/|out of))",
        "judgment|judgement|verdict|evaluation|decision|assessment|ranking|grade",
    ),
    _phrase(
        "fake_verdict",
        r"\b(?:evaluation|grading|judging)\s{1,3}(?:result|outcome|complete|completed|finished|passed|is over)\b"
        r"|\bno further (?:evaluation|grading|judging|comparison)\b",
        "evaluation|grading|judging",
    ),
    _phrase(
        "fake_verdict",
        r"\b(?:rating|output|verdict|winner|score|choice|answer|print|return)\W{1,4}(?:is\s)?\[\[\s?(?:[A-H]|\d{1,3}|tie)\s?\]\]",
        "[[",
    ),
    _phrase(
        "fake_verdict",
        r"\b(?:assistant|(?:assistant|response|candidate|submission)\s{1,3}[A-H1-9])\s{1,3}(?:is|was)\s{1,3}(?:clearly |obviously |much |far )?(?:the )?"
        r"(?:better|best|superior|winner)\b",
        "response|assistant|candidate|submission",
        "better|best|superior|winner",
    ),
)

# --- marks that are no language ----------------------------------------------------------------

_MARKS = (
    _phrase(
        "fake_fence",
        r"</?(?:answer|question|base|patch)\b[^>\n]{0,80}?\b(?:n|id)\s?=",
        "<",
    ),
    _phrase(
        "fake_fence",
        r"</(?:question|answer|base|patch)\s?>[\s\S]{0,160}?\b(?:judge|grader|winner)\b",
        "</",
    ),
    _phrase("fake_fence", r"\[\[(?:b|c\d{1,3})\]\]", "[["),
    _phrase(
        "chat_template",
        r"<\|(?:im_start|im_end|system|user|assistant|endoftext|eot_id|end_of_turn|start_header_id|end_header_id"
        r"|begin_of_text|start|end|channel|message|return)\|>"
        r"|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|<\uff5c(?:User|Assistant|begin\u2581of\u2581sentence)\uff5c>",
        "<|inst]",
    ),
    _phrase(
        "fake_turn",
        r"^\W{0,6}#{2,4}\s?(?:instructions?|system|human|assistant|user)\s?:[^\n]{0,160}?\b(?:choose|select|best|winner|rank|prefer|score)\b",
        "##",
    ),
    _phrase(
        "fake_turn",
        r"<(?:system|admin|developer|instructions?|important|override)>[^<]{0,200}?\b(?:graders?|judges?|prefer|choose|rank|answers?|responses?|winner)\b",
        "<",
    ),
    _phrase(
        "fake_turn",
        r"^\W{0,6}(?:human|user|system|assistant|developer)\W{0,3}:"
        rf"(?=[^\n]{{0,200}}\b{_WORK}s?\b)(?=[^\n]{{0,200}}\b(?:{_PICK}|{_BEST})\b)[^\n]{{0,200}}",
        "human|user|system|assistant|developer",
        _WORKS,
    ),
)

# --- other languages: to forget what was said, to address a judge, to ask for the choice -----------------------------

_G3 = r"(?:\S{1,15}\s{1,3}){0,3}"
_DE_JUDGE = r"(?:richter(?:in)?|gutachter(?:in)?|bewerter(?:in)?|prüfer(?:in)?|juror(?:in)?|jury|schiedsrichter(?:in)?)"
_FR_JUDGE = r"(?:juge|évaluateur|évaluatrice|correcteur|correctrice|examinateur|jury|arbitre)s?"
_ES_JUDGE = r"(?:juez|jueces|evaluador(?:a|es)?|calificador(?:a|es)?|jurado|árbitro)s?"
_PT_JUDGE = r"(?:juiz|juízes|avaliador(?:a|es)?|jurado)s?"
_IT_JUDGE = r"(?:giudice|giudici|valutatore|valutatrice|esaminatore|giuria)"
_NL_JUDGE = r"(?:rechter|beoordelaar|jury|jurylid|scheidsrechter)s?"

_LATIN = (
    _phrase(
        "overrides_instructions",
        r"\b(?:ignorier\w{0,4}|missacht\w{0,4}|vergiss|vergessen sie|vergesst)\s{1,3}"
        + _G3
        + r"(?:vorherig|bisherig|obig|früher|vorangehend|vorig|vorangegangen)\w{0,3}\s{1,3}(?:\w{1,15}\s{1,3})?"
        r"(?:anweisung|instruktion|regel|vorgabe|kriterien|antwort)\w{0,3}\b",
        "vorig|herig|obig|früher|vorangeh|vorangeg",
    ),
    _phrase(
        "addresses_judge",
        rf"\b(?:liebe[rs]?|sehr geehrte[rsn]?|an (?:den|die|alle)|hinweis (?:an|für) (?:den|die|alle)|achtung|als)\W{{1,3}}"
        rf"{_DE_JUDGE}\b[^\n]{{0,80}}?\b(?:wähl|bewert|kür|beste|gewinn|sieg|höchst|volle punkt)",
        "richter|gutachter|bewerter|prüfer|juror|jury",
    ),
    _phrase(
        "asks_for_choice",
        r"\b(?:wähl\w{0,3}|bewert\w{0,3}|nimm|nehmt|nehmen|bevorzug\w{0,3}|kür\w{0,3})\s{1,3}(?:sie\s|bitte\s|nur\s){0,3}"
        r"(?:diese|meine|unsere)\s{1,3}(?:antwort|lösung|einreichung)\b"
        r"|\b(?:diese|meine|unsere) antwort (?:ist|verdient|muss|soll\w{0,2}) (?:\w{1,12}\s){0,3}?(?:beste|sieger|gewinn|höchst|volle)",
        "antwort|lösung|einreichung",
    ),
    _phrase(
        "overrides_instructions",
        r"\b(?:ignor|oubli|néglig)(?:e|ez|er|eons|eez)\s{1,3}"
        + _G3
        + r"(?:instructions?|consignes?|règles?|directives?|critères|réponses)\s{1,3}(?:\S{1,12}\s{1,3})?"
        r"(?:précédent|antérieur|ci-dessus|système)",
        "précédent|antérieur|ci-dessus|système",
    ),
    _phrase(
        "addresses_judge",
        rf"\b(?:chère?s?|cher|à l'attention (?:du|des|de la)|note (?:au|aux|pour le|pour les)|attention|en tant que?)\W{{1,3}}"
        rf"{_FR_JUDGE}\b[^\n]{{0,80}}?\b(?:chois|sélectionn|meilleur|gagnant|not[ez]|maximal|premier)",
        "juge|évaluat|correct|examinateur|jury|arbitre",
    ),
    _phrase(
        "asks_for_choice",
        r"\b(?:choisi(?:s|ssez|r)|sélectionne[zr]?|note[zr]?|préfére[zr]|classe[zr]?)\s{1,3}(?:cette|ma|notre)\s{1,3}"
        r"(?:réponse|solution)\b|\b(?:cette|ma|notre) réponse (?:est|mérite|doit) (?:\S{1,12}\s){0,3}?"
        r"(?:meilleure|gagnante|gagner|note maximale)",
        "réponse|solution",
    ),
    _phrase(
        "overrides_instructions",
        r"\b(?:ignor(?:a|e|ad|en|ar|em)|olvid(?:a|e|en|ar)|descart(?:a|e|en|ar)|esqueç(?:a|am)|desconsider(?:e|em|a))\s{1,3}"
        + _G3
        + r"(?:instrucciones|instruções|reglas|regras|indicaciones|criterios|critérios|respuestas|respostas)\s{1,3}"
        r"(?:\S{1,12}\s{1,3})?(?:anteriores|previ[ao]s|prévi[ao]s|de arriba|acima)",
        "anteriores|previ|prévi|arriba|acima",
    ),
    _phrase(
        "addresses_judge",
        rf"\b(?:estimad[oa]s?|querid[oa]s?|prezad[oa]s?|car[oa]s?|nota (?:para|al?|ao)(?: el| la| los| o| os)?|atención|atenção|como)"
        rf"\W{{1,3}}(?:{_ES_JUDGE}|{_PT_JUDGE})\b[^\n]{{0,80}}?\b(?:elig|elij|escog|escolh|seleccion|selecion|mejor|melhor|ganador|"
        r"vencedor|máxim|puntu|pontu)",
        "juez|jueces|evaluador|calificador|jurado|árbitro|juiz|juíz|avaliador",
    ),
    _phrase(
        "asks_for_choice",
        r"\b(?:elig(?:e|en|ir)|elij(?:a|an)|escog(?:e|er)|escoj(?:a|an)|escolh(?:a|am|er)|selecc?ion(?:a|e|en|ar)|prefier(?:a|e)|prefir(?:a|am)"
        r"|califi(?:ca|que|car)|avali(?:e|em|ar))\s{1,3}(?:por favor\s)?(?:esta|mi|nuestra|a minha|minha|nossa)\s{1,3}"
        r"(?:respuesta|resposta|solución|solução)\b",
        "respuesta|resposta|soluci|soluç",
    ),
    _phrase(
        "overrides_instructions",
        r"\b(?:ignora(?:te|re)?|dimentica(?:te|re)?)\s{1,3}"
        + _G3
        + r"(?:istruzioni|regole|criteri|risposte)\s{1,3}(?:\S{1,12}\s{1,3})?(?:precedenti|di cui sopra)",
        "precedenti|di cui sopra",
    ),
    _phrase(
        "addresses_judge",
        rf"\b(?:car[oaie]|gentile|gentili|nota (?:per|al|alla|ai)(?: il| la| i)?|attenzione|come)\W{{1,3}}{_IT_JUDGE}\b[^\n]{{0,80}}?"
        r"\b(?:scegli|selezion|miglior|vincit|massim)",
        "giudic|valutat|esaminatore|giuria",
    ),
    _phrase(
        "asks_for_choice",
        r"\b(?:scegli(?:ete|ere)?|seleziona(?:te|re)?|preferi(?:sci|te|re)|valuta(?:te|re)?)\s{1,3}(?:questa|la mia|la nostra|mia)"
        r"\s{1,3}risposta\b",
        "risposta",
    ),
    _phrase(
        "overrides_instructions",
        r"\b(?:negeer|vergeet)\s{1,3}"
        + _G3
        + r"(?:vorige|eerdere|voorgaande|bovenstaande)\s{1,3}(?:\S{1,12}\s{1,3})?(?:instructies|regels|criteria|antwoorden)\b",
        "negeer|vergeet",
    ),
    _phrase(
        "addresses_judge",
        rf"\b(?:beste|geachte|aan de|let op|als)\W{{1,3}}{_NL_JUDGE}\b[^\n]{{0,80}}?\b(?:kies|kiezen|selecteer|beste antwoord|winnaar|hoogste)\b",
        "rechter|beoordelaar|jury|scheidsrechter",
    ),
    _phrase(
        "asks_for_choice",
        r"\b(?:kies|selecteer|beoordeel)\s{1,3}(?:alstublieft\s|a\.?u\.?b\.?\s)?(?:dit|mijn|ons)\s{1,3}(?:antwoord)\b",
        "antwoord",
    ),
    _phrase(
        "asks_for_choice",
        r"\bwybierz(?:cie)?\s{1,3}(?:proszę\s)?(?:tę|moją|naszą)\s{1,3}odpowiedź"
        r"|\b(?:zignoruj|pomiń|zapomnij)(?:cie)?\s{1,3}"
        + _G3
        + r"(?:poprzedni|wcześniejsz|powyższ)\w{1,3}\s{1,3}(?:instrukcj|polece|zasad)",
        "odpowiedź|instrukcj|polece|zasad",
    ),
    _phrase(
        "asks_for_choice",
        r"\b(?:bu|benim)\s{1,3}(?:cevabı|cevabımı|yanıtı|yanıtımı)\s{1,3}(?:\S{1,12}\s{1,3}){0,2}seç"
        r"|\bönceki\s{1,3}(?:\S{1,12}\s{1,3}){0,2}(?:talimat|kural)\w{0,6}\s{1,3}(?:\S{1,12}\s{1,3}){0,2}(?:yok say|unut|görmezden)",
        "cevab|yanıt|talimat|kural",
    ),
)

_OTHER_SCRIPTS = (
    _phrase(
        "overrides_instructions",
        r"(?:игнорир\w{1,5}|забуд\w{1,3}|не обращай\w{0,2} внимания на)\s{1,3}"
        + _G3
        + r"(?:предыдущ|прежн|вышеуказанн|выше)\w{0,4}\s{1,3}(?:\S{1,15}\s{1,3})?(?:инструкци|указани|правил|критери|ответ)",
        "игнорир|забуд|обращай",
    ),
    _phrase(
        "addresses_judge",
        r"(?:уважаем\w{2}|дорог\w{2}|вниманию|обращение к|как)\s{1,3}(?:судь\w{1,2}|оценщик\w{0,2}|эксперт\w{0,2}|жюри|проверяющ\w{2,3})"
        r"[^\n]{0,80}?(?:выбер|выбир|оцен|лучш|победи|высш|максимальн)",
        "судь|оценщик|эксперт|жюри|проверяющ",
    ),
    _phrase(
        "asks_for_choice",
        r"(?:выбер\w{1,4}|выбирай\w{0,2}|предпочт\w{1,4}|оцени\w{0,2})\s{1,3}(?:пожалуйста,?\s)?(?:именно\s)?(?:этот|мой|наш)\s{1,3}ответ",
        "выбер|выбирай|предпоч|оцени",
    ),
    _phrase(
        "overrides_instructions",
        r"(?:忽略|无视|無視|忘记|忘記|不要理会)[^\n。]{0,12}?(?:之前|以前|先前|上述|以上|前面|其他|其它|所有)[^\n。]{0,8}?"
        r"(?:指令|指示|说明|規則|规则|提示|答案|回答|标准)",
        "忽略|无视|無視|忘记|忘記|不要理会",
    ),
    _phrase(
        "addresses_judge",
        r"(?:致|各位|尊敬的|亲爱的|作为|作為)[^\n]{0,6}?(?:评委|裁判|评审|评判者|评分者|评估者|評審|評委)[^\n]{0,40}?"
        r"(?:选择|選擇|选|最高分|满分|滿分|最佳|最好|获胜|胜出|第一)"
        r"|(?:评委|裁判|评审|评分者|评估者|評審|評委)[,，:：]?\s?(?:请|請|必须|应该|务必)[^\n]{0,20}?(?:选|選|最高分|满分|滿分)",
        "评委|裁判|评审|评判者|评分者|评估者|評審|評委",
    ),
    _phrase(
        "asks_for_choice",
        r"(?:选择|選擇|请选|請選|选|评选|給予|给予|给)(?:这个|這個|这份|本|我的|此)(?:答案|回答|回复|回覆)"
        r"|(?:这个|這個|本|我的|此)(?:答案|回答)(?:是|应该|应当|必须|应)[^\n。]{0,10}?(?:最佳|最好|获胜|胜出|满分|最高分|第一)",
        "答案|回答|回复|回覆",
    ),
    _phrase(
        "overrides_instructions",
        r"(?:以前|前|上記|これまで|先)の[^\n。]{0,8}?(?:指示|命令|ルール|プロンプト|回答|基準)[^\n。]{0,6}?(?:無視|忘れ)",
        "無視|忘れ",
    ),
    _phrase(
        "addresses_judge",
        r"(?:審査員|評価者|採点者|審判|ジャッジ)(?:の皆|へ|様|さん|として|は必ず|、)[^\n]{0,40}?(?:選|最高|満点|勝|一位|1位)",
        "審査員|評価者|採点者|審判|ジャッジ",
    ),
    _phrase(
        "asks_for_choice",
        r"(?:この|私の|本)(?:回答|答え|解答)を[^\n。]{0,10}?(?:選|最高|勝者|一位|1位)",
        "回答を|答えを|解答を",
    ),
    _phrase(
        "overrides_instructions",
        r"(?:이전|앞의|위의|기존)[^\n.]{0,8}?(?:지시|명령|규칙|지침|답변)[^\n.]{0,8}?(?:무시|잊)",
        "무시|잊",
    ),
    _phrase(
        "addresses_judge",
        r"(?:심사위원|평가자|심판|채점자)(?:님|께|에게|로서|는|,)[^\n]{0,40}?(?:선택|최고|만점|우승|승자)",
        "심사위원|평가자|심판|채점자",
    ),
    _phrase(
        "asks_for_choice",
        r"(?:이|제|내|본)\s?(?:답변|응답|답)[을를]\s?[^\n]{0,10}?(?:선택|최고|우승|고르)",
        "답변|응답|답을",
    ),
    _phrase(
        "overrides_instructions",
        r"(?:تجاهل|انس|تجاهلوا)\s{1,3}[^\n.]{0,20}?(?:التعليمات|الأوامر|القواعد|الإجابات)\s{1,3}[^\n.]{0,12}?(?:السابقة|أعلاه|الأخرى)",
        "تجاهل|انس",
    ),
    _phrase(
        "addresses_judge",
        r"(?:أيها|عزيزي|إلى|بصفتك)\s{1,3}(?:القاضي|الحكم|المقيّم|المقيم|لجنة التحكيم)[^\n]{0,60}?(?:اختر|اختيار|أفضل|الأفضل|أعلى|الفائز)",
        "القاضي|الحكم|المقيّم|المقيم|التحكيم",
    ),
    _phrase(
        "asks_for_choice", r"(?:اختر|اختاروا|اختاري)\s{1,3}(?:هذه|هذا)\s{1,3}(?:الإجابة|الجواب|الرد)", "اختر|اختار"
    ),
    _phrase(
        "overrides_instructions",
        r"(?:पिछले|पिछली|पूर्व|उपरोक्त)[^\n।]{0,20}?(?:निर्देश|नियम|उत्तर)[^\n।]{0,20}?(?:अनदेखा|नज़रअंदाज़|भूल)",
        "निर्देश|नियम|उत्तर",
    ),
    _phrase(
        "asks_for_choice",
        r"(?:इस|मेरे|इसी)\s{1,3}उत्तर\s{1,3}को[^\n।]{0,20}?(?:चुन|सर्वश्रेष्ठ|विजेता|पूरे अंक)"
        r"|(?:निर्णायक|मूल्यांकनकर्ता|जज)[^\n।]{0,10}?(?:महोदय|कृपया|के रूप में)[^\n।]{0,40}?(?:चुन|सर्वश्रेष्ठ|विजेता)",
        "उत्तर को|निर्णायक|मूल्यांकनकर्ता|जज",
    ),
)

# One usual wording each.
_MORE_LANGUAGES = (
    _phrase(
        "asks_for_choice",
        r"\b(?:attribue|donne|accorde|mette)[zr]?\b[^\n.]{0,40}?\b(?:note|score|point)s?\b[^\n.]{0,30}?\bà (?:cette|ma) réponse",
        "réponse",
    ),
    _phrase(
        "asks_for_choice",
        r"\b(?:geben|gib|gebt|vergeben|vergib)\b[^\n.]{0,20}?\b(?:dieser|meiner) antwort\b[^\n.]{0,40}?(?:punkt|note|bestnote|höchst|volle)",
        "antwort",
    ),
    _phrase(
        "asks_for_choice",
        r"\b(?:da|dale|den|dad|dé|dê|dai|date|dia)\b[^\n.]{0,20}?\b(?:esta respuesta|esta resposta|questa risposta)\b[^\n.]{0,40}?(?:máxim|massim|mejor|melhor|miglior|pont|punt)",
        "respuesta|resposta|risposta",
    ),
    _phrase(
        "asks_for_choice",
        r"(?:поставьте|поставь|дайте|присвойте)\s{1,3}(?:этому|моему)\s{1,3}ответу\b[^\n.]{0,40}?(?:балл|оценк|высш|максимальн)",
        "ответу",
    ),
    _phrase("asks_for_choice", r"この[^\n。]{0,6}?(?:回答|答え|解答)を[^\n。]{0,10}?(?:一番|優勝|満点|ベスト)", "この"),
    _phrase("asks_for_choice", r"\bvyber(?:te)?\s{1,3}(?:si\s|prosím\s)?(?:tuto|mou|moji)\s{1,3}odpověď", "odpověď"),
    _phrase(
        "asks_for_choice", r"\b(?:välj|vælg|velg)\s{1,3}(?:det här|detta|dette|mitt|mit)\s{1,3}svar(?:et)?\b", "svar"
    ),
    _phrase("asks_for_choice", r"\bvalitse\s{1,3}(?:tämä|minun)\s{1,3}vasta(?:us|ukseni)\b", "vasta"),
    _phrase("asks_for_choice", r"\bválas(?:sza|z|sz)d?\s{1,3}ezt\s{1,3}a\s{1,3}választ\b", "választ"),
    _phrase("asks_for_choice", r"\balege(?:ți|ti)?\s{1,3}acest\s{1,3}răspuns\b", "răspuns"),
    _phrase("asks_for_choice", r"(?:виберіть|оберіть|вибери)\s{1,3}(?:цю|мою)\s{1,3}відповідь", "відповідь"),
    _phrase("asks_for_choice", r"επιλέξ(?:τε|ε)\s{1,3}αυτή(?:ν)?\s{1,3}την\s{1,3}απάντηση", "απάντηση"),
    _phrase("asks_for_choice", r"\bchọn\s{1,3}câu trả lời\s{1,3}(?:này|của tôi)", "câu trả lời"),
    _phrase("asks_for_choice", r"\bpilih(?:lah)?\s{1,3}jawaban\s{1,3}(?:ini|saya)\b", "jawaban"),
    _phrase("asks_for_choice", r"בחרו?\s{1,3}ב?תשובה\s{1,3}(?:זו|הזו|הזאת)", "תשובה"),
    _phrase("asks_for_choice", r"این پاسخ را[^\n.]{0,20}?انتخاب", "این پاسخ"),
    _phrase("asks_for_choice", r"เลือกคำตอบนี้", "คำตอบนี้"),
)

STEERING: tuple[Phrase, ...] = (*_ENGLISH, *_ENGLISH_ROUNDABOUT, *_MARKS, *_LATIN, *_OTHER_SCRIPTS, *_MORE_LANGUAGES)


# --- talk of judges ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Talk:
    """What a sentence must hold to be talk to a judge about this very answer, in whatever words and order.

    Only where the question does not speak of judging itself: an answer about courts or exams may.
    """

    judge: re.Pattern[str]
    merit: re.Pattern[str]
    itself: re.Pattern[str]
    needs: tuple[str, ...]


def _talk(judge: str, merit: str, itself: str, needs: str) -> Talk:
    found = [re.compile(part, re.IGNORECASE) for part in (judge, merit, itself)]
    return Talk(found[0], found[1], found[2], tuple(needs.split("|")))


TALK = (
    _talk(
        rf"\b(?:{_GRADER}|referees?|(?:AI|model|LLM)\s{{1,2}}(?:reading|comparing|judging|grading|reviewing|evaluating)|AI reviewers?|dear (?:LLM|AI|model))\b",
        r"\b(?:choose|pick|select|rank(?:ing)?|rate|score|prefer|award|vote|declare|verdict|winner|wins?|best|highest|top|max(?:imum)?|perfect"
        r"|flawless|full marks|10/10|5/5|first place|favou?r|superior|number one|trust|return|output)\b|\b(?:10/10|5/5)",
        r"\b(?:this|my|the present|the above)\s{1,3}(?:\w{1,12}\s{1,3})?(?:answer|response|submission|text|reply|candidate)\b|\b(?:answer|response|text)\s{1,3}above\b"
        r"|\bother (?:answer|response|candidate|submission)s?\b|\b(?:the last|the one (?:above|you))\b|\bmine\b|\bmodel reading this\b"
        rf"|(?:^|[^\w\s])\s{{0,2}}{_GRADER}\s{{0,2}}:",
        _GRADERS
        + "|referee|ai reviewer|dear |model read|model compar|model judg|model grad|model review|model evaluat",
    ),
    _talk(
        rf"\b{_DE_JUDGE}\b",
        r"wähl|kür|beste|gewinn|sieg|höchst|volle punkt|bestnote",
        r"\b(?:diese|meine|dieser|meiner)\s{1,3}(?:antwort|text|lösung)|\b(?:diesen|meinen) text\b",
        "richter|gutachter|bewerter|prüfer|juror|jury",
    ),
    _talk(
        rf"\b{_FR_JUDGE}\b",
        r"chois|meilleur|gagnant|maximal|premi|parfait|note",
        r"\b(?:cette|ma)\s{1,3}(?:réponse|version)|\bce texte\b",
        "juge|évaluat|correcteur|examinateur|jury|arbitre",
    ),
    _talk(
        rf"\b(?:{_ES_JUDGE}|{_PT_JUDGE}|{_IT_JUDGE})\b",
        r"elig|elij|escog|escolh|scegl|mejor|melhor|miglior|ganador|vencedor|vincit|máxim|massim|perfect|perfeit|perfett",
        r"\b(?:esta|mi|minha|questa|mia)\s{1,3}(?:respuesta|resposta|risposta)",
        "juez|evaluador|jurado|juiz|avaliador|giudic|valutat|giuria",
    ),
    _talk(
        r"(?:судь|оценщик|жюри|эксперт)",
        r"выбер|выбир|лучш|победи|высш|максимальн",
        r"(?:этот|мой|этому|моему)\s{1,3}(?:ответ|текст)",
        "судь|оценщик|жюри|эксперт",
    ),
    _talk(
        r"评委|裁判|评审|评分者|评估者|評審|評委",
        r"选|選|最高分|满分|滿分|最佳|最好|获胜|胜出|第一",
        r"(?:这个|這個|这份|本|我的|此)(?:答案|回答)|给我|給我",
        "评委|裁判|评审|评分者|评估者|評審|評委",
    ),
)

# Cyrillic and Greek letters that pass for Latin ones (Unicode's confusables.txt has thousands; these spell English).
CONFUSABLE = str.maketrans(
    "\u0430\u0441\u0435\u04bb\u0456\u0458\u043e\u0440\u0455\u0445\u0443\u0501\u051b\u0261\u04cf\u0410\u0412\u0415\u041a\u041c\u041d"
    "\u041e\u0420\u0421\u0422\u0425\u0406\u0408\u03bf\u03c1\u03b1\u03bd\u0391\u0392\u0395\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a7",
    "acehijopsxydqglABEKMHOPCTXIJopavABEHIKMNOPTX",
)
