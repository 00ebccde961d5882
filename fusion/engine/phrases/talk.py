"""Talk to a judge about this very answer, in whatever words and order."""

from __future__ import annotations

from fusion.engine.phrases.english import GRADER, GRADERS
from fusion.engine.phrases.languages import DE_JUDGE, ES_JUDGE, FR_JUDGE, IT_JUDGE, PT_JUDGE
from fusion.engine.phrases.wording import talk

TALK = (
    talk(
        rf"\b(?:{GRADER}|referees?|(?:AI|model|LLM)\s{{1,2}}(?:reading|comparing|judging|grading|reviewing|evaluating)|AI reviewers?|dear (?:LLM|AI|model))\b",
        r"\b(?:choose|pick|select|rank(?:ing)?|rate|score|prefer|award|vote|declare|verdict|winner|wins?|best|highest|top|max(?:imum)?|perfect"
        r"|flawless|full marks|10/10|5/5|first place|favou?r|superior|number one|trust|return|output)\b|\b(?:10/10|5/5)",
        r"\b(?:this|my|the present|the above)\s{1,3}(?:\w{1,12}\s{1,3})?(?:answer|response|submission|text|reply|candidate)\b|\b(?:answer|response|text)\s{1,3}above\b"
        r"|\bother (?:answer|response|candidate|submission)s?\b|\b(?:the last|the one (?:above|you))\b|\bmine\b|\bmodel reading this\b"
        rf"|(?:^|[^\w\s])\s{{0,2}}{GRADER}\s{{0,2}}:",
        GRADERS + "|referee|ai reviewer|dear |model read|model compar|model judg|model grad|model review|model evaluat",
    ),
    talk(
        rf"\b{DE_JUDGE}\b",
        r"wähl|kür|beste|gewinn|sieg|höchst|volle punkt|bestnote",
        r"\b(?:diese|meine|dieser|meiner)\s{1,3}(?:antwort|text|lösung)|\b(?:diesen|meinen) text\b",
        "richter|gutachter|bewerter|prüfer|juror|jury",
    ),
    talk(
        rf"\b{FR_JUDGE}\b",
        r"chois|meilleur|gagnant|maximal|premi|parfait|note",
        r"\b(?:cette|ma)\s{1,3}(?:réponse|version)|\bce texte\b",
        "juge|évaluat|correcteur|examinateur|jury|arbitre",
    ),
    talk(
        rf"\b(?:{ES_JUDGE}|{PT_JUDGE}|{IT_JUDGE})\b",
        r"elig|elij|escog|escolh|scegl|mejor|melhor|miglior|ganador|vencedor|vincit|máxim|massim|perfect|perfeit|perfett",
        r"\b(?:esta|mi|minha|questa|mia)\s{1,3}(?:respuesta|resposta|risposta)",
        "juez|evaluador|jurado|juiz|avaliador|giudic|valutat|giuria",
    ),
    talk(
        r"(?:судь|оценщик|жюри|эксперт)",
        r"выбер|выбир|лучш|победи|высш|максимальн",
        r"(?:этот|мой|этому|моему)\s{1,3}(?:ответ|текст)",
        "судь|оценщик|жюри|эксперт",
    ),
    talk(
        r"评委|裁判|评审|评分者|评估者|評審|評委",
        r"选|選|最高分|满分|滿分|最佳|最好|获胜|胜出|第一",
        r"(?:这个|這個|这份|本|我的|此)(?:答案|回答)|给我|給我",
        "评委|裁判|评审|评分者|评估者|評審|評委",
    ),
)
