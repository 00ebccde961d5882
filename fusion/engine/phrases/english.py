"""English wordings: said outright, and said in a roundabout way."""

from __future__ import annotations

from fusion.engine.phrases.wording import phrase

GRADER = r"(?:judges?|graders?|evaluators?|raters?|scorers?|arbiters?|adjudicators?|assessors?|LLM[- ]as[- ]a[- ]judge)"
READER = r"(?:AI|LLM|language model|AI model|model|AI assistant|reviewer|reviewing AI|comparing AI)s?"
PICK = r"(?:choose|pick|select|rank|rate|score|grade|prefer|award|vote|declare|assign)"
OURS = r"(?:this|my|our|the present|the following|the above)"
WORK = r"(?:answer|response|submission|reply|candidate)"
BEST = r"(?:winner|best|highest|perfect|full marks|top|10/10|5/5|maximum|first place)"
LABEL = r"(?=[0-9A-Z]{0,2}\d)(?=[0-9A-Z]{0,2}[A-Z])[0-9A-Z]{3}"
GRADERS = "judge|grader|evaluator|rater|scorer|arbiter|adjudicator|assessor"
WORKS = "answer|response|submission|reply|candidate"
CONDITION = r"(?!\s{1,3}(?:if|when|where|unless|because|over|for|only)\b)"

ENGLISH = (
    phrase(
        "addresses_judge",
        rf"\b(?:dear|attention|(?:note|message|instructions?) (?:to|for)|to|hey|hello|you are|you're|as)\s{{1,3}}"
        rf"(?:the |an? |any |all )?(?:\w{{1,15}} )?{GRADER}\b[^\n]{{0,80}}?"
        rf"\b(?:{PICK}|{BEST})\b",
        GRADERS,
    ),
    phrase(
        "addresses_judge",
        rf"\b{GRADER}\s{{0,2}}[:,]?\s{{0,2}}(?:please|must|should|shall|will|needs? to)\s{{1,3}}"
        rf"(?:\w{{1,15}} )?{PICK}\b",
        GRADERS,
    ),
    phrase(
        "addresses_judge",
        rf"\b(?:note|message|instructions?|memo|attention|reminder)\s{{0,2}}(?:to|for|:)\s{{0,2}}"
        rf"(?:the |any |an? |all |whichever )?{READER}\b[^\n]{{0,120}}?\b(?:{PICK}|{BEST})\b",
        "note|message|instruction|memo|attention|reminder",
        "ai|llm|model|reviewer",
    ),
    phrase(
        "addresses_judge",
        rf"\bif you(?: are|'re)\s{{1,3}}(?:an? |the )?(?:\w{{1,15}} )?(?:{READER}|{GRADER})\b[^\n]{{0,120}}?"
        rf"\b(?:{PICK}|{BEST})\b",
        "if you are|if you're",
    ),
    phrase(
        "addresses_judge",
        r"^\W{0,4}(?:system|admin(?:istrator)?|developer|evaluator|grading|judging)\s{1,2}"
        rf"(?:note|message|override|notice|update|prompt|instructions?)\W{{0,3}}:(?=[^\n]{{0,200}}\b{WORK}s?\b)"
        rf"(?=[^\n]{{0,200}}\b(?:{PICK}|{BEST}|disqualified|penali[sz]ed?|ignore)\b)[^\n]{{0,200}}",
        "note|message|override|notice|update|prompt|instruction",
        WORKS,
        "system|admin|developer|evaluator|grading|judging",
    ),
    phrase(
        "overrides_instructions",
        r"\b(?:ignore|disregard|forget|override|bypass)\s{1,3}(?:\w{1,12}\s{1,3}){0,3}"
        r"(?:(?:previous|prior|above|preceding|earlier|foregoing|rubric|system)\s{1,3}(?:\w{1,15}\s{1,3}){0,2}"
        r"(?:instructions?|prompts?|rules?|rubrics?|criteria|answers?|responses?|directions?|messages?|context|candidates?)"
        r"|other\s{1,3}(?:\w{1,15}\s{1,3}){0,2}(?:instructions?|answers?|responses?|candidates?|submissions?))\b",
        "ignore|disregard|forget|override|bypass",
    ),
    phrase(
        "overrides_instructions",
        r"\b(?:new|updated|revised|real|actual)\s{1,3}(?:question|task|rubric|criteria|grading criteria|instructions?)\b"
        rf"\W{{0,3}}(?:is|are|reads?|:)(?=[^\n]{{0,160}}\b(?:{PICK}|winner)\b)(?=[^\n]{{0,160}}\b{WORK}s?\b)"
        r"[^\n]{0,160}",
        "new|updated|revised|real|actual",
        "question|task|rubric|criteria|instruction",
        WORKS,
    ),
    phrase(
        "asks_for_choice",
        rf"\b{PICK}(?: for)?\s{{1,3}}(?:{OURS}\s{{1,3}}(?:\w{{1,12}} )?(?:{WORK}|solution)\b{CONDITION}"
        r"|me\b(?=\s{0,3}(?:[^\s\w]|$|as\b|first\b|best\b|over\b|instead\b|please\b|to win\b|number one\b|top\b|highest\b)))",
        "choose|pick|select|rank|rate|score|grade|prefer|award|vote|declare|assign",
    ),
    phrase(
        "asks_for_choice",
        rf"\b{OURS}\s{{1,3}}(?:\w{{1,12}} )?{WORK}\s{{1,3}}"
        r"(?:is|should be|must be|deserves|has to be|wins|ought to be)\s{1,3}"
        r"(?:clearly |obviously |by far |rated |ranked |the |an? |to |be |declared |chosen ){0,5}"
        r"(?:best|winner|win|highest|chosen|selected|preferred|superior|perfect score|full marks|10/10|5/5)\b",
        WORKS,
        "best|win|highest|chosen|selected|preferred|superior|perfect|full|10/10|5/5",
    ),
    phrase(
        "asks_for_choice",
        rf"\b(?:give|award|assign|grant)\s{{1,3}}(?:it|me|{OURS}\s{{1,3}}{WORK})\s{{1,3}}(?:an? |the )?"
        r"(?:full|top|maximum|max|highest|perfect|best|5|10|100)\b",
        "give|award|assign|grant",
        "full|top|max|highest|perfect|best|5|10|100",
    ),
    phrase(
        "asks_for_choice",
        rf"\b{OURS}\s{{1,3}}(?:\w{{1,12}} )?{WORK}\b[^\n.]{{0,60}}?\b"
        r"(?:10/10|5/5|100/100|full marks|perfect score|top score|maximum score|highest score)(?!\w)",
        WORKS,
        "10/10|5/5|100/100|full marks|perfect score|top score|maximum score|highest score",
    ),
    phrase(
        "asks_for_choice",
        rf"\b{OURS}\s{{1,3}}{WORK}\s{{1,3}}is\s{{1,3}}(?:\w{{1,12}} )?(?:the )?(?:most|more)\s{{1,3}}\w{{3,20}}\b"
        r"[^\n.]{0,60}?\b(?:of (?:all|them all|the (?:answers|responses|candidates|submissions|lot|bunch))"
        r"|than (?:all |any |every )?(?:of )?(?:the )?others?)\b",
        WORKS,
        "most|more",
    ),
    phrase(
        "disparages_others",
        r"\b(?:all |the |every |any )?other\s{1,3}(?:answers?|responses?|candidates?|submissions?|models?)\b[^\n.]{0,40}?"
        r"\b(?:plagiari[sz]ed|disqualified|ranked (?:last|lower|below)|penali[sz]ed|hallucinat\w{1,5}|fabricated"
        r"|(?:score|scored|given|receive|deserve)s?\s{1,3}(?:a |an |the )?(?:0|1|zero|one|lowest|low)\b|fatal(?:ly)? flaw\w{0,3})",
        "other",
        "plagiari|disqualified|ranked|penali|hallucinat|fabricated|score|given|receive|deserve|fatal",
    ),
    phrase(
        "fake_verdict",
        rf"\b(?:winner|verdict|final verdict|best answer|ranking)\W{{1,4}}(?:is |goes to )?"
        rf"(?:{OURS}\s{{1,3}}(?:\w{{1,12}} )?{WORK}|{WORK}\s{{1,3}}{LABEL}|{LABEL})\b",
        "winner|verdict|best answer|ranking",
    ),
    phrase("fake_label", r"\b(?:my|winning|best|correct|preferred)\s{1,3}(?:answer's )?label\s{1,3}is\s", "label"),
    phrase(
        "fake_label",
        rf"\b(?:answer|label|candidate|response)\s{{1,3}}{LABEL}\s{{1,3}}(?:is|wins|must|should|has|deserves)\b"
        r"[^\n]{0,40}?\b(?:best|wins?|winner|correct|chosen|first|superior)\b",
        WORKS + "|label",
        "best|win|correct|chosen|first|superior",
    ),
)

# Ways round the plain request: the score instead of the choice, the authority of others, the end of the evaluation.
ENGLISH_ROUNDABOUT = (
    phrase(
        "asks_for_choice",
        rf"\b(?:give|assign|award|grant|attribute)\b[^\n.]{{0,60}}?\b(?:scores?|ratings?|marks?|points|grades?|credit)\b[^\n.]{{0,40}}?"
        rf"\bto\s{{1,3}}{OURS}\s{{1,3}}{WORK}\b",
        "give|assign|award|grant|attribute",
        WORKS,
    ),
    phrase(
        "asks_for_choice",
        r"\b(?:give|award|grant)\s{1,3}(?:me|us|mine)\b[^\n.]{0,30}?\b(?:score|rating|grade|marks?|10|full|top|highest|credit)\b"
        r"|\bgive\s{1,3}(?:it\s{1,3})?full\s{1,3}(?:credit|marks)\b",
        "give|award|grant",
    ),
    phrase(
        "asks_for_choice",
        rf"\b(?:mark|grade|score|judge|rate|accept|treat)\s{{1,3}}(?:it|this|{OURS}\s{{1,3}}{WORK})\s{{1,3}}as\s{{1,3}}(?:the\s{{1,3}})?"
        r"(?:correct|right|passing|passed|best|perfect|winner|winning|gold)\b",
        "mark|grade|score|judge|rate|accept|treat",
        "correct|right|pass|best|perfect|win|gold",
    ),
    phrase(
        "asks_for_choice",
        r"(?<!\bI )\b(?:pick|choose|select|rank|consider|favou?r|score|rate)\s{1,3}(?:mine|my one|the one you are reading)\b",
        "mine|my one|the one you are reading",
    ),
    phrase(
        "asks_for_choice",
        rf"\b{OURS}\s{{1,3}}{WORK}\s{{1,3}}(?:outperforms|beats|surpasses|is\s{{1,3}}(?:far |much |clearly )?(?:better than|superior to))"
        r"\s{1,3}(?:all|any|every|the|each|whatever)\b",
        WORKS,
        "outperforms|beats|surpasses|better than|superior to",
    ),
    phrase(
        "asks_for_choice",
        rf"\b(?:prefer|favou?r|reward|recommend|endorse|trust)\s{{1,3}}{OURS}\s{{1,3}}{WORK}\b{CONDITION}",
        "prefer|favor|favour|reward|recommend|endorse|trust",
        WORKS,
    ),
    phrase(
        "asks_for_choice",
        rf"\b(?:best|correct|right|winning|preferred|top|gold|reference)\s{{1,3}}{WORK}\s{{1,3}}(?:is|was|here is|must be)\s{{1,3}}"
        r"(?:this one|mine|the one (?:above|you are reading|that you are reading))\b",
        "this one|mine|the one",
    ),
    phrase(
        "asks_for_choice",
        r"\b(?:asked|decid\w{1,3}|choos\w{1,3}|comparing|wonder\w{0,3})\b[^\n.]{0,30}?\bwhich\s{1,3}(?:answer|response|candidate|submission)\b"
        r"[^\n.]{0,30}?\b(?:better|best|wins?|right|preferred)\b[^\n.]{0,40}?\b(?:say|choose|pick|name|reply|output|return)\b",
        "which answer|which response|which candidate|which submission",
    ),
    phrase(
        "addresses_judge",
        r"\b(?:whoever|anyone|everyone|those|the one)\s{1,3}(?:who\s{1,3}|that\s{1,3})?(?:is\s{1,3}|are\s{1,3})?"
        r"(?:compar|judg|evaluat|grad|rat|scor|rank)(?:es|s|e|ing|ges)?\s{1,3}(?:the|these|this|all|my)\s{1,3}(?:answers?|responses?|submissions?|candidates?)\b",
        "whoever|anyone|everyone|those|the one",
        WORKS,
    ),
    phrase(
        "addresses_judge",
        rf"\b(?:any|every|each|no|a|the)\s{{1,3}}(?:\w{{1,12}}\s{{1,3}})?{GRADER}\s{{1,3}}(?:who|that|which)\b[^\n.]{{0,80}}?"
        r"\b(?:wrong|mistaken|fails?|incompetent|fired|penali[sz]ed|biased|unfair|below|lower)\b",
        GRADERS,
    ),
    phrase(
        "addresses_judge",
        r"\b(?:reviewers?|referees?|graders?|evaluators?|judges?)\b[^\n.]{0,40}?\b(?:required|must|should|told|instructed|obliged)\b[^\n.]{0,40}?"
        r"\b(?:positive (?:review|verdict|evaluation)|accept this|favou?rable|recommend this|highest|top score|full marks|no weaknesses)",
        "reviewer|referee|grader|evaluator|judge",
    ),
    phrase(
        "addresses_judge",
        r"\b(?:evaluation|grading|scoring|judging)\s{1,3}(?:script|harness|pipeline|system|model|process|rubric)\b[^\n.]{0,60}?"
        r"\b(?:expects?|requires?|returns?|output|updated|changed|always|prefers?)\b[^\n.]{0,80}?\b(?:answer|response|submission|score|winner)\b",
        "evaluation|grading|scoring|judging",
        WORKS + "|score|winner",
    ),
    phrase(
        "overrides_instructions",
        r"\b(?:ignore|disregard|forget|skip|bypass|override)\s{1,3}(?:the|your|any|all|this|every)\s{1,3}(?:\w{1,12}\s{1,3})?"
        r"(?:rubric|grading|scoring|evaluation|judging|criteria|system prompt|guidelines)\b",
        "rubric|grading|scoring|evaluation|judging|criteria|system prompt|guidelines",
    ),
    phrase(
        "overrides_instructions",
        r"\b(?:do not|don't|never|no need to|stop)\s{1,3}(?:consider|choose|pick|select|trust|read|rank|prefer|evaluate|compare|look at)(?:ing)?\b"
        r"[^\n.]{0,20}?\b(?:other|another|competing|remaining|rest of the)\s{1,3}(?:answers?|responses?|candidates?|submissions?)\b",
        "other|competing|remaining|rest of the",
        WORKS,
    ),
    phrase(
        "overrides_instructions",
        r"\b(?:(?:scoring|grading|evaluation|judging)\s{1,3}(?:rubric|criteria|instructions|guidelines|rules)|rubric)\s{1,3}"
        r"(?:has|have|is|are|was|were)\s{1,3}(?:been\s{1,3})?(?:changed|void|updated|replaced|cancell?ed|suspended|revoked|invalid|obsolete)\b",
        "rubric|scoring|grading|evaluation|judging",
    ),
    phrase(
        "asks_for_choice",
        r"\b(?:choose|pick|select|rank|prefer|any|no)\s{1,3}(?:\w{1,12}\s{1,3})?(?:answers?|responses?|candidates?|submissions?)\s{1,3}"
        r"(?:other than (?:this|mine)|but (?:this|mine)|labell?ed|containing the word|(?:you see |that stands )?above this)\b",
        "other than|but this|but mine|labelled|labeled|containing the word|above this",
    ),
    phrase(
        "claims_authority",
        r"\b(?:users?|person|asker|humans?|developers?|admins?|administrators?|team|experts?|organi[sz]ers?)\s{1,3}(?:has|have|had)?\s{0,3}(?:already\s{1,3})?"
        r"(?:confirmed|verified|approved|preferred|chosen|selected|accepted|picked|rated)\b[^\n.]{0,40}?\b(?:this|my)\b[^\n.]{0,30}?"
        r"\b(?:answer|response|submission|correct|best|winner)\b",
        "confirmed|verified|approved|preferred|chosen|selected|accepted|picked|rated",
        WORKS + "|correct|best|winner",
    ),
    phrase(
        "claims_authority",
        rf"\b(?:{OURS}\s{{1,3}}(?:{WORK}|text)|it|which)\s{{1,3}}(?:has been|was|is)\s{{1,3}}(?:\w{{1,12}}\s{{1,3}})?(?:verified|approved|confirmed|certified|pre-?approved|selected)\b"
        r"[^\n.]{0,60}?\b(?:gold|reference|correct|best|winning|official)\s{1,3}(?:answer|response|standard|one|solution)\b",
        "verified|approved|confirmed|certified|selected",
    ),
    phrase(
        "claims_authority",
        r"\b(?:answer|response|submission)\b[^\n.]{0,30}?\b(?:preferred|chosen|selected|picked|declared (?:the )?(?:best|winner))\s{1,3}"
        r"(?:in|by)\s{1,3}(?:the|an|a)\s{1,3}(?:earlier|previous|prior|first|other|independent)\b",
        WORKS,
        "earlier|previous|prior|first|other|independent",
    ),
    phrase(
        "fake_verdict",
        r"\b(?:final|overall|correct|true|expected|official)\s{1,3}(?:judge?ment|verdict|evaluation|decision|assessment|ranking|grade)\W{1,4}(?:is\W{1,3}|should be\W{1,3})?"
        r"(?:response|candidate|assistant|submission|this|the above|mine|my|pass\b|[0-9]{1,3}\s?(?:/|out of))",
        "judgment|judgement|verdict|evaluation|decision|assessment|ranking|grade",
    ),
    phrase(
        "fake_verdict",
        r"\b(?:evaluation|grading|judging)\s{1,3}(?:result|outcome|complete|completed|finished|passed|is over)\b"
        r"|\bno further (?:evaluation|grading|judging|comparison)\b",
        "evaluation|grading|judging",
    ),
    phrase(
        "fake_verdict",
        r"\b(?:rating|output|verdict|winner|score|choice|answer|print|return)\W{1,4}(?:is\s)?\[\[\s?(?:[A-H]|\d{1,3}|tie)\s?\]\]",
        "[[",
    ),
    phrase(
        "fake_verdict",
        r"\b(?:assistant|(?:assistant|response|candidate|submission)\s{1,3}[A-H1-9])\s{1,3}(?:is|was)\s{1,3}(?:clearly |obviously |much |far )?(?:the )?"
        r"(?:better|best|superior|winner)\b",
        "response|assistant|candidate|submission",
        "better|best|superior|winner",
    ),
)
