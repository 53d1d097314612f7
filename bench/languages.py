"""What bench/recall.py says and asks in other languages: (said, asked) pairs. Data only.

In each pair the question shares a word of meaning with what was said, in another form where the language has
forms; the other pairs of the language are what else was said.
"""

LANGUAGES: dict[str, tuple[tuple[str, str], ...]] = {
    "English": (
        ("My sister is studying marine biology in Lisbon.", "Where does my sister study?"),
        ("I am allergic to peanuts and walnuts.", "Which nuts give me an allergy?"),
        ("We painted the kitchen bright yellow last weekend.", "What colour did we paint the kitchen?"),
        ("The rent for my flat is 840 euros a month.", "How much rent do I pay?"),
        ("My grandmother baked cinnamon rolls every Sunday.", "What did my grandmother bake?"),
        ("I crashed my bicycle near the old bridge.", "Where did the bicycle crash happen?"),
    ),
    "Chinese": (
        ("我妹妹在里斯本学习海洋生物学。", "我妹妹在哪里学习？"),
        ("我对花生和核桃过敏。", "我对什么过敏？"),
        ("上周末我们把厨房刷成了黄色。", "厨房刷成了什么颜色？"),
        ("我的房租每个月八百四十欧元。", "我的房租是多少？"),
        ("外婆每个星期天都烤肉桂卷。", "外婆烤什么？"),
        ("我在老桥附近骑自行车摔倒了。", "我骑自行车在哪里摔倒的？"),
    ),
    "Japanese": (
        ("妹はリスボンで海洋生物学を勉強しています。", "妹はどこで勉強していますか？"),
        ("私はピーナッツとくるみのアレルギーがあります。", "何のアレルギーがありますか？"),
        ("先週末、台所を黄色に塗りました。", "台所を何色に塗りましたか？"),
        ("家賃は毎月八万円です。", "家賃はいくらですか？"),
        ("祖母は毎週日曜日にシナモンロールを焼いていました。", "祖母は何を焼いていましたか？"),
        ("古い橋の近くで自転車で転びました。", "自転車でどこで転びましたか？"),
    ),
    "Korean": (
        ("제 여동생은 리스본에서 해양 생물학을 공부해요.", "여동생이 어디에서 공부하나요?"),
        ("저는 땅콩과 호두 알레르기가 있어요.", "무슨 알레르기가 있나요?"),
        ("지난 주말에 부엌을 노란색으로 칠했어요.", "부엌은 무슨 색으로 칠했나요?"),
        ("월세는 한 달에 팔십만 원이에요.", "월세가 얼마인가요?"),
        ("할머니는 일요일마다 계피빵을 구우셨어요.", "할머니가 무엇을 구우셨나요?"),
        ("오래된 다리 근처에서 자전거를 타다가 넘어졌어요.", "자전거 타다가 어디서 넘어졌나요?"),
    ),
    "Arabic": (
        ("أختي تدرس علم الأحياء البحرية في لشبونة.", "أين تدرس أختي؟"),
        ("عندي حساسية من الفول السوداني والجوز.", "ما الحساسية التي عندي؟"),
        ("دهنّا المطبخ باللون الأصفر نهاية الأسبوع الماضي.", "ما لون المطبخ؟"),
        ("إيجار شقتي ثمانمئة يورو في الشهر.", "كم الإيجار؟"),
        ("كانت جدتي تخبز لفائف القرفة كل يوم أحد.", "ماذا كانت جدتي تخبز؟"),
        ("وقعت من الدراجة قرب الجسر القديم.", "أين وقعت من دراجتي؟"),
    ),
    "Russian": (
        ("Моя сестра изучает морскую биологию в Лиссабоне.", "Где учится сестра, которая изучает биологию?"),
        ("У меня аллергия на арахис и грецкие орехи.", "На какие орехи у меня аллергия?"),
        ("В прошлые выходные мы покрасили кухню в жёлтый цвет.", "В какой цвет покрашена кухня?"),
        ("Аренда моей квартиры стоит 840 евро в месяц.", "Сколько я плачу за аренду квартиры?"),
        ("Бабушка каждое воскресенье пекла булочки с корицей.", "Какие булочки пекла бабушка?"),
        ("Я упал с велосипеда возле старого моста.", "Где я упал с велосипедом?"),
    ),
    "German": (
        ("Meine Schwester studiert Meeresbiologie in Lissabon.", "Wo studieren meine Schwestern?"),
        ("Ich bin gegen Erdnüsse und Walnüsse allergisch.", "Gegen welche Nüsse bin ich allergisch?"),
        (
            "Wir haben am Wochenende die Küche gelb gestrichen.",
            "In welcher Farbe haben wir die Küche gestrichen?",
        ),
        ("Die Miete für meine Wohnung kostet 840 Euro.", "Wie hoch ist die Miete der Wohnung?"),
        ("Meine Großmutter backte sonntags Zimtschnecken.", "Was hat Großmutter gebacken?"),
        (
            "Ich bin bei der alten Brücke mit dem Fahrrad gestürzt.",
            "Wo bin ich mit dem Rad oder Fahrrad gestürzt?",
        ),
    ),
    "Spanish": (
        ("Mi hermana estudia biología marina en Lisboa.", "¿Dónde estudian mis hermanas?"),
        ("Soy alérgico a los cacahuetes y a las nueces.", "¿A qué soy alérgica?"),
        ("El fin de semana pintamos la cocina de amarillo.", "¿De qué color pintamos las cocinas?"),
        ("El alquiler de mi piso cuesta 840 euros al mes.", "¿Cuánto cuestan los alquileres?"),
        ("Mi abuela horneaba rollos de canela los domingos.", "¿Qué horneaban las abuelas?"),
        ("Me caí de la bicicleta cerca del puente viejo.", "¿Dónde me caí de las bicicletas?"),
    ),
    "French": (
        ("Ma sœur étudie la biologie marine à Lisbonne.", "Où étudient mes sœurs ?"),
        ("Je suis allergique aux cacahuètes et aux noix.", "À quoi suis-je allergique ?"),
        ("Nous avons peint la cuisine en jaune ce week-end.", "De quelle couleur est la cuisine ?"),
        ("Le loyer de mon appartement est de 840 euros.", "Combien coûtent les loyers ?"),
        ("Ma grand-mère préparait des brioches à la cannelle.", "Que préparaient les grands-mères ?"),
        ("Je suis tombé de vélo près du vieux pont.", "Où suis-je tombé avec mes vélos ?"),
    ),
    "Hindi": (
        ("मेरी बहन लिस्बन में समुद्री जीव विज्ञान पढ़ती है।", "मेरी बहन कहाँ पढ़ती है?"),
        ("मुझे मूंगफली और अखरोट से एलर्जी है।", "मुझे किस चीज़ से एलर्जी है?"),
        ("पिछले हफ़्ते हमने रसोई को पीला रंग दिया।", "रसोई का रंग क्या है?"),
        ("मेरे फ़्लैट का किराया आठ सौ यूरो है।", "किराया कितना है?"),
        ("दादी हर रविवार दालचीनी के रोल बनाती थीं।", "दादी क्या बनाती थीं?"),
        ("मैं पुराने पुल के पास साइकिल से गिर गया।", "मैं साइकिल से कहाँ गिरा?"),
    ),
    "Thai": (
        ("น้องสาวของฉันเรียนชีววิทยาทางทะเลที่ลิสบอน", "น้องสาวเรียนที่ไหน"),
        ("ฉันแพ้ถั่วลิสงและวอลนัท", "ฉันแพ้อะไร"),
        ("สุดสัปดาห์ที่แล้วเราทาสีห้องครัวเป็นสีเหลือง", "ห้องครัวทาสีอะไร"),
        ("ค่าเช่าห้องของฉันแปดพันบาทต่อเดือน", "ค่าเช่าเท่าไหร่"),
        ("คุณยายอบขนมปังอบเชยทุกวันอาทิตย์", "คุณยายอบอะไร"),
        ("ฉันล้มจากจักรยานใกล้สะพานเก่า", "ล้มจักรยานที่ไหน"),
    ),
    "code": (
        ("The helper parseUserConfig reads settings.toml at start.", "what does parse_user_config do?"),
        ("ERR_CONN_4711 shows up whenever the proxy restarts.", "when do we see ERR_CONN_4711?"),
        ("I renamed get_invoice_total to invoiceTotal in billing.py.", "where is getInvoiceTotal?"),
        ("The build runs on node v18.2.0 behind nginx.", "which version of node, 18.2.0?"),
        ("Deploy with make ship-it, never by hand.", "how do I ship it?"),
        ("SELECT count(*) FROM order_items took nine seconds.", "the slow query on orderItems"),
    ),
}
