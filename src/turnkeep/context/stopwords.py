"""Words that tell nothing of what a text is about, by language. Plain data.

Left out of the index and of queries: they stand in half of all messages. The lists hold
function words only, so that a name or a thing is never dropped. Chatter is another matter:
those words are indexed and searched, but alone they are no reason to recall anything.
"""

_LISTS = {
    "english": """
        a about above after again against all also am an and any are as at be because been before being
        below between both but by can cannot could did do does doing done down during each few for from
        further had has have having he her here hers herself him himself his how i if in into is it its
        itself just me more most must my myself nor not now of off on once only or other our ours ourselves
        out over own same she should so some such than that the their theirs them themselves then there
        these they this those through to too under until up upon us very was we were what when where which
        while who whom whose why will with would you your yours yourself yourselves
        d ll m re s t ve don doesn didn isn wasn weren aren wouldn shouldn couldn hasn haven hadn ain
    """,
    "german": """
        aber alle als also am an auch auf aus bei bin bis bist da damit dann das dass dein deine dem den
        denn der des dich die dir doch du durch ein eine einem einen einer eines er es euch euer fuer für
        habe haben hast hat hatte hier ich ihm ihn ihr ihre im in ist ja jede kann kein keine können mein
        meine meinem meinen meiner mich mir mit nach nicht noch nun nur ob oder sein seine sich sie sind so
        um und uns unser vom von vor war was wann warum wenn wer werde werden wie wieder will wir wird wo zu
        zum zur über
    """,
    "french": """
        ai ainsi alors as au aussi aux avec avez avons c ce cela ces cet cette d dans de des donc du elle
        elles en es est et eu il ils j je l la le les leur leurs lui m ma mais me mes moi mon n ne nos
        notre nous on ont ou où par pas plus pour qu quand que quel quelle quels qui quoi s sa sans se ses
        si son sont sur t ta te tes toi ton tu un une vos votre vous y à été être
    """,
    "spanish": """
        a al algo como con cual cuando cuándo cuál cómo de del desde donde dónde el ella ellas ellos en
        entre era eres es esa ese eso esta este esto está están fue ha han has hay he la las le les lo los
        me mi mis mucho muy más nada ni no nos nosotros o os para pero por porque qué que quien quién se
        sea ser si sin sobre son soy su sus también te tengo ti tiene tu tus tú un una uno y ya yo él
    """,
    "italian": """
        a ad ai al alla alle anche che chi ci come con cosa cui da dal dalla dei del della delle di dove e
        ed era gli ha hai ho i il in io la le lei li lo loro lui ma me mi mia mie mio ne nei nel nella noi
        non o per perché più qual quale quando quello questa questo se sei si sia sono su sua sue suo ti tra
        tu tua tuo un una uno vi voi è
    """,
    "portuguese": """
        a ao aos as com como da das de dele dela do dos e ela elas ele eles em entre era essa esse esta este
        está eu foi há isso isto já la lhe mais mas me meu meus minha minhas muito na nas nem no nos nossa
        nosso não o onde os ou para pela pelo por porque qual quando que quem se sem ser seu seus sua são só
        também te tem tenho teu tu tua um uma você vocês à às é
    """,
    "dutch": """
        aan al als bij dan dat de deze die dit doch door een en er ge geen haar had heb hebben heeft hem
        het hij hoe hoeveel hun ik in is ja je jij jou jouw jullie kan maar me met mij mijn na naar niet nog
        nu of om omdat onder ons ook op over te tegen toch toen tot u uit uw van veel voor waar waarom wanneer
        want was wat we wel werd wie wij wil worden zal ze zich zij zijn zo zou
    """,
    "russian": """
        а без бы был была были было быть в вам вас ваш весь во вот все всё вы где да для до его ее её если
        есть еще ещё же за и из или им их к как какая какие какой какое ко когда который кто ли меня мне мной
        мои мой моя моё мое мы на над нам нас наш не нет ни но ну о об он она они оно от очень по под при с со
        сам свой себя так такой там тебе тебя то тоже только том ты у уже чем что чтобы это этот эта эти я
        твой твоя твои
    """,
    "arabic": """
        في من على إلى الى عن مع هذا هذه ذلك تلك التي الذي هو هي هم أنا انا أنت انت نحن كان كانت ما ماذا
        متى أين اين كيف لماذا هل لا لم لن قد كل أو او و ثم بعد قبل عند إن ان أن لي لك له لها يا
    """,
}
# Chinese and Japanese are written without spaces: these characters join the words around them.
_CHINESE = "的了是我你您他她它们在有和就不也都很这那什么吗呢吧啊哪怎谁几个要说到会着对与及而被把让给从向"
_JAPANESE = "のはがをにでともへやかねよっただですますしてるれなこそあいう"

STOP_WORDS: dict[str, frozenset[str]] = {name: frozenset(words.split()) for name, words in _LISTS.items()}
LATIN = ("english", "german", "french", "spanish", "italian", "portuguese", "dutch")
STOP_CHARACTERS = frozenset(_CHINESE + _JAPANESE)

# Greetings, thanks and the like, as people write them: no evidence that an earlier turn matters. English
# by kinds, each as whole as it can be, and verbs with their irregular forms, which no stemmer undoes.
# The days of the week, numbers and whatever a message may be about are left out.
_CHATTER = {
    "english": """
        hi hello hey howdy bye goodbye cheers thanks thank thx please sorry pardon welcome pleasure ciao grazie
        bene vale congratulations congrats appreciate ok okay alright yes yeah yep yup no nope nah sure certainly
        definitely absolutely wow lol haha hmm oh ah aha ugh oops yay

        good great nice cool awesome amazing fine bad wrong fair poor terrible horrible awful wonderful perfect
        excellent fantastic lovely brilliant better best worse worst favorite favourite funny fun happy glad
        bored tired interesting interested clear simple brief easy hard short long new old true correct

        really actually maybe perhaps probably possibly surely obviously apparently basically honestly indeed
        exactly well right anyway else enough already yet almost nearly quite rather pretty somewhat somehow
        instead together away ahead around along apart aside soon later always never ever often sometimes
        usually still even finally eventually though although however since without within across among
        via behind besides despite except another every whatever whenever wherever might shall
        much many lot bit kind sort less least several

        thing things something anything nothing everything someone anyone everyone somebody anybody everybody
        nobody none somewhere anywhere everywhere nowhere one two way time today tomorrow tonight morning
        evening night day moment second minute

        think thought know knew known guess mean meant say said tell told ask talk see saw seen look hear heard
        feel felt want need like love let get got gotten go gone went going come came make made take took taken
        give gave given keep kept try tried help put use happen seem become became begin began begun start stop
        finish continue wait hold held find found show shown bring brought understand understood agree believe
        hope wish suppose wonder mind worry remember forget forgot forgotten mention mentioned gonna gotta wanna

        question answer idea sense word chat example explain write wrote written repeat describe define spell
        translate convert summarize summarise rephrase rewrite clarify elaborate
    """,
    # Their stems are chatter too; where one is a name elsewhere (Ciao: CIA, grazie: Graz), the word stands
    # with the English ones.
    "german": "gut danke bitte hallo tschüss nein genau okay",
    "french": "merci bonjour salut bonsoir oui non bien",
    "spanish": "hola gracias bien sí adiós buenos buenas",
    "italian": "prego sì buongiorno",
    "portuguese": "obrigado obrigada olá tchau",
    "dutch": "hoi dank bedankt graag nee goed doei",
    "russian": "привет здравствуй здравствуйте спасибо пожалуйста хорошо ладно пока",
    "arabic": "مرحبا شكرا نعم عفوا",
    "chinese": "你好 谢谢 好的 再见 请",
    "japanese": "こんにちは ありがとう おはよう さようなら いいえ",
    "korean": "안녕 안녕하세요 감사합니다 고마워 네 아니요",
    "thai": "สวัสดี ขอบคุณ",
}
CHATTER: dict[str, frozenset[str]] = {name: frozenset(words.split()) for name, words in _CHATTER.items()}
