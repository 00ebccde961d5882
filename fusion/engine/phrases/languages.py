"""Other languages: to forget what was said, to address a judge, to ask for the choice."""

from __future__ import annotations

from fusion.engine.phrases.wording import phrase

G3 = r"(?:\S{1,15}\s{1,3}){0,3}"
DE_JUDGE = r"(?:richter(?:in)?|gutachter(?:in)?|bewerter(?:in)?|prüfer(?:in)?|juror(?:in)?|jury|schiedsrichter(?:in)?)"
FR_JUDGE = r"(?:juge|évaluateur|évaluatrice|correcteur|correctrice|examinateur|jury|arbitre)s?"
ES_JUDGE = r"(?:juez|jueces|evaluador(?:a|es)?|calificador(?:a|es)?|jurado|árbitro)s?"
PT_JUDGE = r"(?:juiz|juízes|avaliador(?:a|es)?|jurado)s?"
IT_JUDGE = r"(?:giudice|giudici|valutatore|valutatrice|esaminatore|giuria)"
NL_JUDGE = r"(?:rechter|beoordelaar|jury|jurylid|scheidsrechter)s?"

LATIN = (
    phrase(
        "overrides_instructions",
        r"\b(?:ignorier\w{0,4}|missacht\w{0,4}|vergiss|vergessen sie|vergesst)\s{1,3}"
        + G3
        + r"(?:vorherig|bisherig|obig|früher|vorangehend|vorig|vorangegangen)\w{0,3}\s{1,3}(?:\w{1,15}\s{1,3})?"
        r"(?:anweisung|instruktion|regel|vorgabe|kriterien|antwort)\w{0,3}\b",
        "vorig|herig|obig|früher|vorangeh|vorangeg",
    ),
    phrase(
        "addresses_judge",
        rf"\b(?:liebe[rs]?|sehr geehrte[rsn]?|an (?:den|die|alle)|hinweis (?:an|für) (?:den|die|alle)|achtung|als)\W{{1,3}}"
        rf"{DE_JUDGE}\b[^\n]{{0,80}}?\b(?:wähl|bewert|kür|beste|gewinn|sieg|höchst|volle punkt)",
        "richter|gutachter|bewerter|prüfer|juror|jury",
    ),
    phrase(
        "asks_for_choice",
        r"\b(?:wähl\w{0,3}|bewert\w{0,3}|nimm|nehmt|nehmen|bevorzug\w{0,3}|kür\w{0,3})\s{1,3}(?:sie\s|bitte\s|nur\s){0,3}"
        r"(?:diese|meine|unsere)\s{1,3}(?:antwort|lösung|einreichung)\b"
        r"|\b(?:diese|meine|unsere) antwort (?:ist|verdient|muss|soll\w{0,2}) (?:\w{1,12}\s){0,3}?(?:beste|sieger|gewinn|höchst|volle)",
        "antwort|lösung|einreichung",
    ),
    phrase(
        "overrides_instructions",
        r"\b(?:ignor|oubli|néglig)(?:e|ez|er|eons|eez)\s{1,3}"
        + G3
        + r"(?:instructions?|consignes?|règles?|directives?|critères|réponses)\s{1,3}(?:\S{1,12}\s{1,3})?"
        r"(?:précédent|antérieur|ci-dessus|système)",
        "précédent|antérieur|ci-dessus|système",
    ),
    phrase(
        "addresses_judge",
        rf"\b(?:chère?s?|cher|à l'attention (?:du|des|de la)|note (?:au|aux|pour le|pour les)|attention|en tant que?)\W{{1,3}}"
        rf"{FR_JUDGE}\b[^\n]{{0,80}}?\b(?:chois|sélectionn|meilleur|gagnant|not[ez]|maximal|premier)",
        "juge|évaluat|correct|examinateur|jury|arbitre",
    ),
    phrase(
        "asks_for_choice",
        r"\b(?:choisi(?:s|ssez|r)|sélectionne[zr]?|note[zr]?|préfére[zr]|classe[zr]?)\s{1,3}(?:cette|ma|notre)\s{1,3}"
        r"(?:réponse|solution)\b|\b(?:cette|ma|notre) réponse (?:est|mérite|doit) (?:\S{1,12}\s){0,3}?"
        r"(?:meilleure|gagnante|gagner|note maximale)",
        "réponse|solution",
    ),
    phrase(
        "overrides_instructions",
        r"\b(?:ignor(?:a|e|ad|en|ar|em)|olvid(?:a|e|en|ar)|descart(?:a|e|en|ar)|esqueç(?:a|am)|desconsider(?:e|em|a))\s{1,3}"
        + G3
        + r"(?:instrucciones|instruções|reglas|regras|indicaciones|criterios|critérios|respuestas|respostas)\s{1,3}"
        r"(?:\S{1,12}\s{1,3})?(?:anteriores|previ[ao]s|prévi[ao]s|de arriba|acima)",
        "anteriores|previ|prévi|arriba|acima",
    ),
    phrase(
        "addresses_judge",
        rf"\b(?:estimad[oa]s?|querid[oa]s?|prezad[oa]s?|car[oa]s?|nota (?:para|al?|ao)(?: el| la| los| o| os)?|atención|atenção|como)"
        rf"\W{{1,3}}(?:{ES_JUDGE}|{PT_JUDGE})\b[^\n]{{0,80}}?\b(?:elig|elij|escog|escolh|seleccion|selecion|mejor|melhor|ganador|"
        r"vencedor|máxim|puntu|pontu)",
        "juez|jueces|evaluador|calificador|jurado|árbitro|juiz|juíz|avaliador",
    ),
    phrase(
        "asks_for_choice",
        r"\b(?:elig(?:e|en|ir)|elij(?:a|an)|escog(?:e|er)|escoj(?:a|an)|escolh(?:a|am|er)|selecc?ion(?:a|e|en|ar)|prefier(?:a|e)|prefir(?:a|am)"
        r"|califi(?:ca|que|car)|avali(?:e|em|ar))\s{1,3}(?:por favor\s)?(?:esta|mi|nuestra|a minha|minha|nossa)\s{1,3}"
        r"(?:respuesta|resposta|solución|solução)\b",
        "respuesta|resposta|soluci|soluç",
    ),
    phrase(
        "overrides_instructions",
        r"\b(?:ignora(?:te|re)?|dimentica(?:te|re)?)\s{1,3}"
        + G3
        + r"(?:istruzioni|regole|criteri|risposte)\s{1,3}(?:\S{1,12}\s{1,3})?(?:precedenti|di cui sopra)",
        "precedenti|di cui sopra",
    ),
    phrase(
        "addresses_judge",
        rf"\b(?:car[oaie]|gentile|gentili|nota (?:per|al|alla|ai)(?: il| la| i)?|attenzione|come)\W{{1,3}}{IT_JUDGE}\b[^\n]{{0,80}}?"
        r"\b(?:scegli|selezion|miglior|vincit|massim)",
        "giudic|valutat|esaminatore|giuria",
    ),
    phrase(
        "asks_for_choice",
        r"\b(?:scegli(?:ete|ere)?|seleziona(?:te|re)?|preferi(?:sci|te|re)|valuta(?:te|re)?)\s{1,3}(?:questa|la mia|la nostra|mia)"
        r"\s{1,3}risposta\b",
        "risposta",
    ),
    phrase(
        "overrides_instructions",
        r"\b(?:negeer|vergeet)\s{1,3}"
        + G3
        + r"(?:vorige|eerdere|voorgaande|bovenstaande)\s{1,3}(?:\S{1,12}\s{1,3})?(?:instructies|regels|criteria|antwoorden)\b",
        "negeer|vergeet",
    ),
    phrase(
        "addresses_judge",
        rf"\b(?:beste|geachte|aan de|let op|als)\W{{1,3}}{NL_JUDGE}\b[^\n]{{0,80}}?\b(?:kies|kiezen|selecteer|beste antwoord|winnaar|hoogste)\b",
        "rechter|beoordelaar|jury|scheidsrechter",
    ),
    phrase(
        "asks_for_choice",
        r"\b(?:kies|selecteer|beoordeel)\s{1,3}(?:alstublieft\s|a\.?u\.?b\.?\s)?(?:dit|mijn|ons)\s{1,3}(?:antwoord)\b",
        "antwoord",
    ),
    phrase(
        "asks_for_choice",
        r"\bwybierz(?:cie)?\s{1,3}(?:proszę\s)?(?:tę|moją|naszą)\s{1,3}odpowiedź"
        r"|\b(?:zignoruj|pomiń|zapomnij)(?:cie)?\s{1,3}"
        + G3
        + r"(?:poprzedni|wcześniejsz|powyższ)\w{1,3}\s{1,3}(?:instrukcj|polece|zasad)",
        "odpowiedź|instrukcj|polece|zasad",
    ),
    phrase(
        "asks_for_choice",
        r"\b(?:bu|benim)\s{1,3}(?:cevabı|cevabımı|yanıtı|yanıtımı)\s{1,3}(?:\S{1,12}\s{1,3}){0,2}seç"
        r"|\bönceki\s{1,3}(?:\S{1,12}\s{1,3}){0,2}(?:talimat|kural)\w{0,6}\s{1,3}(?:\S{1,12}\s{1,3}){0,2}(?:yok say|unut|görmezden)",
        "cevab|yanıt|talimat|kural",
    ),
)

OTHER_SCRIPTS = (
    phrase(
        "overrides_instructions",
        r"(?:игнорир\w{1,5}|забуд\w{1,3}|не обращай\w{0,2} внимания на)\s{1,3}"
        + G3
        + r"(?:предыдущ|прежн|вышеуказанн|выше)\w{0,4}\s{1,3}(?:\S{1,15}\s{1,3})?(?:инструкци|указани|правил|критери|ответ)",
        "игнорир|забуд|обращай",
    ),
    phrase(
        "addresses_judge",
        r"(?:уважаем\w{2}|дорог\w{2}|вниманию|обращение к|как)\s{1,3}(?:судь\w{1,2}|оценщик\w{0,2}|эксперт\w{0,2}|жюри|проверяющ\w{2,3})"
        r"[^\n]{0,80}?(?:выбер|выбир|оцен|лучш|победи|высш|максимальн)",
        "судь|оценщик|эксперт|жюри|проверяющ",
    ),
    phrase(
        "asks_for_choice",
        r"(?:выбер\w{1,4}|выбирай\w{0,2}|предпочт\w{1,4}|оцени\w{0,2})\s{1,3}(?:пожалуйста,?\s)?(?:именно\s)?(?:этот|мой|наш)\s{1,3}ответ",
        "выбер|выбирай|предпоч|оцени",
    ),
    phrase(
        "overrides_instructions",
        r"(?:忽略|无视|無視|忘记|忘記|不要理会)[^\n。]{0,12}?(?:之前|以前|先前|上述|以上|前面|其他|其它|所有)[^\n。]{0,8}?"
        r"(?:指令|指示|说明|規則|规则|提示|答案|回答|标准)",
        "忽略|无视|無視|忘记|忘記|不要理会",
    ),
    phrase(
        "addresses_judge",
        r"(?:致|各位|尊敬的|亲爱的|作为|作為)[^\n]{0,6}?(?:评委|裁判|评审|评判者|评分者|评估者|評審|評委)[^\n]{0,40}?"
        r"(?:选择|選擇|选|最高分|满分|滿分|最佳|最好|获胜|胜出|第一)"
        r"|(?:评委|裁判|评审|评分者|评估者|評審|評委)[,，:：]?\s?(?:请|請|必须|应该|务必)[^\n]{0,20}?(?:选|選|最高分|满分|滿分)",
        "评委|裁判|评审|评判者|评分者|评估者|評審|評委",
    ),
    phrase(
        "asks_for_choice",
        r"(?:选择|選擇|请选|請選|选|评选|給予|给予|给)(?:这个|這個|这份|本|我的|此)(?:答案|回答|回复|回覆)"
        r"|(?:这个|這個|本|我的|此)(?:答案|回答)(?:是|应该|应当|必须|应)[^\n。]{0,10}?(?:最佳|最好|获胜|胜出|满分|最高分|第一)",
        "答案|回答|回复|回覆",
    ),
    phrase(
        "overrides_instructions",
        r"(?:以前|前|上記|これまで|先)の[^\n。]{0,8}?(?:指示|命令|ルール|プロンプト|回答|基準)[^\n。]{0,6}?(?:無視|忘れ)",
        "無視|忘れ",
    ),
    phrase(
        "addresses_judge",
        r"(?:審査員|評価者|採点者|審判|ジャッジ)(?:の皆|へ|様|さん|として|は必ず|、)[^\n]{0,40}?(?:選|最高|満点|勝|一位|1位)",
        "審査員|評価者|採点者|審判|ジャッジ",
    ),
    phrase(
        "asks_for_choice",
        r"(?:この|私の|本)(?:回答|答え|解答)を[^\n。]{0,10}?(?:選|最高|勝者|一位|1位)",
        "回答を|答えを|解答を",
    ),
    phrase(
        "overrides_instructions",
        r"(?:이전|앞의|위의|기존)[^\n.]{0,8}?(?:지시|명령|규칙|지침|답변)[^\n.]{0,8}?(?:무시|잊)",
        "무시|잊",
    ),
    phrase(
        "addresses_judge",
        r"(?:심사위원|평가자|심판|채점자)(?:님|께|에게|로서|는|,)[^\n]{0,40}?(?:선택|최고|만점|우승|승자)",
        "심사위원|평가자|심판|채점자",
    ),
    phrase(
        "asks_for_choice",
        r"(?:이|제|내|본)\s?(?:답변|응답|답)[을를]\s?[^\n]{0,10}?(?:선택|최고|우승|고르)",
        "답변|응답|답을",
    ),
    phrase(
        "overrides_instructions",
        r"(?:تجاهل|انس|تجاهلوا)\s{1,3}[^\n.]{0,20}?(?:التعليمات|الأوامر|القواعد|الإجابات)\s{1,3}[^\n.]{0,12}?(?:السابقة|أعلاه|الأخرى)",
        "تجاهل|انس",
    ),
    phrase(
        "addresses_judge",
        r"(?:أيها|عزيزي|إلى|بصفتك)\s{1,3}(?:القاضي|الحكم|المقيّم|المقيم|لجنة التحكيم)[^\n]{0,60}?(?:اختر|اختيار|أفضل|الأفضل|أعلى|الفائز)",
        "القاضي|الحكم|المقيّم|المقيم|التحكيم",
    ),
    phrase("asks_for_choice", r"(?:اختر|اختاروا|اختاري)\s{1,3}(?:هذه|هذا)\s{1,3}(?:الإجابة|الجواب|الرد)", "اختر|اختار"),
    phrase(
        "overrides_instructions",
        r"(?:पिछले|पिछली|पूर्व|उपरोक्त)[^\n।]{0,20}?(?:निर्देश|नियम|उत्तर)[^\n।]{0,20}?(?:अनदेखा|नज़रअंदाज़|भूल)",
        "निर्देश|नियम|उत्तर",
    ),
    phrase(
        "asks_for_choice",
        r"(?:इस|मेरे|इसी)\s{1,3}उत्तर\s{1,3}को[^\n।]{0,20}?(?:चुन|सर्वश्रेष्ठ|विजेता|पूरे अंक)"
        r"|(?:निर्णायक|मूल्यांकनकर्ता|जज)[^\n।]{0,10}?(?:महोदय|कृपया|के रूप में)[^\n।]{0,40}?(?:चुन|सर्वश्रेष्ठ|विजेता)",
        "उत्तर को|निर्णायक|मूल्यांकनकर्ता|जज",
    ),
)

# One usual wording each.
MORE_LANGUAGES = (
    phrase(
        "asks_for_choice",
        r"\b(?:attribue|donne|accorde|mette)[zr]?\b[^\n.]{0,40}?\b(?:note|score|point)s?\b[^\n.]{0,30}?\bà (?:cette|ma) réponse",
        "réponse",
    ),
    phrase(
        "asks_for_choice",
        r"\b(?:geben|gib|gebt|vergeben|vergib)\b[^\n.]{0,20}?\b(?:dieser|meiner) antwort\b[^\n.]{0,40}?(?:punkt|note|bestnote|höchst|volle)",
        "antwort",
    ),
    phrase(
        "asks_for_choice",
        r"\b(?:da|dale|den|dad|dé|dê|dai|date|dia)\b[^\n.]{0,20}?\b(?:esta respuesta|esta resposta|questa risposta)\b[^\n.]{0,40}?(?:máxim|massim|mejor|melhor|miglior|pont|punt)",
        "respuesta|resposta|risposta",
    ),
    phrase(
        "asks_for_choice",
        r"(?:поставьте|поставь|дайте|присвойте)\s{1,3}(?:этому|моему)\s{1,3}ответу\b[^\n.]{0,40}?(?:балл|оценк|высш|максимальн)",
        "ответу",
    ),
    phrase("asks_for_choice", r"この[^\n。]{0,6}?(?:回答|答え|解答)を[^\n。]{0,10}?(?:一番|優勝|満点|ベスト)", "この"),
    phrase("asks_for_choice", r"\bvyber(?:te)?\s{1,3}(?:si\s|prosím\s)?(?:tuto|mou|moji)\s{1,3}odpověď", "odpověď"),
    phrase(
        "asks_for_choice", r"\b(?:välj|vælg|velg)\s{1,3}(?:det här|detta|dette|mitt|mit)\s{1,3}svar(?:et)?\b", "svar"
    ),
    phrase("asks_for_choice", r"\bvalitse\s{1,3}(?:tämä|minun)\s{1,3}vasta(?:us|ukseni)\b", "vasta"),
    phrase("asks_for_choice", r"\bválas(?:sza|z|sz)d?\s{1,3}ezt\s{1,3}a\s{1,3}választ\b", "választ"),
    phrase("asks_for_choice", r"\balege(?:ți|ti)?\s{1,3}acest\s{1,3}răspuns\b", "răspuns"),
    phrase("asks_for_choice", r"(?:виберіть|оберіть|вибери)\s{1,3}(?:цю|мою)\s{1,3}відповідь", "відповідь"),
    phrase("asks_for_choice", r"επιλέξ(?:τε|ε)\s{1,3}αυτή(?:ν)?\s{1,3}την\s{1,3}απάντηση", "απάντηση"),
    phrase("asks_for_choice", r"\bchọn\s{1,3}câu trả lời\s{1,3}(?:này|của tôi)", "câu trả lời"),
    phrase("asks_for_choice", r"\bpilih(?:lah)?\s{1,3}jawaban\s{1,3}(?:ini|saya)\b", "jawaban"),
    phrase("asks_for_choice", r"בחרו?\s{1,3}ב?תשובה\s{1,3}(?:זו|הזו|הזאת)", "תשובה"),
    phrase("asks_for_choice", r"این پاسخ را[^\n.]{0,20}?انتخاب", "این پاسخ"),
    phrase("asks_for_choice", r"เลือกคำตอบนี้", "คำตอบนี้"),
)
