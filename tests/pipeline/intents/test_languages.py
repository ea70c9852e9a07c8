"""Commands and answers in German, French, Spanish, and in languages that only Home Assistant's templates cover."""

from collections.abc import Mapping
from typing import Any

import pytest

from pipeline.intents.matching import LocalIntents
from tools.outcomes import Outcome, Status

LANGUAGES = {language: LocalIntents(language) for language in ("de", "fr", "es", "nl")}

TOOLS: Mapping[str, list[tuple[str, str, dict[str, Any]]]] = {
    "de": [
        ("Wie spät ist es?", "get_time", {}), ("Wie viel Uhr ist es?", "get_time", {}), ("Kannst du mir bitte sagen, wie spät es ist?", "get_time", {}),
        ("Wie wird das Wetter morgen?", "get_weather", {"when": "tomorrow"}), ("Regnet es?", "get_weather", {"about": "rain"}), ("Wie ist das Wetter in Berlin?", "get_weather", {"place": "Berlin"}),
        ("Welcher Tag ist heute?", "get_date", {"day": "today"}), ("Welcher Tag ist morgen?", "get_date", {"day": "tomorrow"}), ("Der Wievielte ist heute?", "get_date", {"day": "today"}),
        ("Stelle einen Timer auf 10 Minuten.", "set_timer", {"minutes": 10}), ("Stell bitte einen Timer auf zehn Minuten", "set_timer", {"minutes": 10}),
        ("Kannst du einen Timer auf 5 Minuten stellen?", "set_timer", {"minutes": 5}), ("Weck mich in zwanzig Minuten", "set_timer", {"minutes": 20}),
        ("Stoppe den Timer", "cancel_timer", {}), ("Lösche alle Timer", "cancel_timer", {"all_of_them": True}), ("Schalte den Wecker aus.", "cancel_timer", {"kind": "alarm"}),
        ("Wie lange läuft der Timer noch?", "timer_status", {}), ("Wie lange noch?", "timer_status", {}), ("Noch fünf Minuten!", "change_timer", {"minutes": 5}),
        ("Verlängere den Timer um 5 Minuten", "change_timer", {"minutes": 5}), ("Verkürze den Timer um 2 Minuten", "change_timer", {"minutes": -2}),
        ("Weck mich um halb sieben", "set_alarm", {"time": "6:30"}), ("Weck mich um 7 Uhr morgens, bitte.", "set_alarm", {"time": "7 am"}),
        ("Stell den Wecker auf 6 Uhr 30", "set_alarm", {"time": "6:30"}), ("Stell einen Wecker für Viertel nach acht", "set_alarm", {"time": "8:15"}),
        ("Erinnere mich um 18 Uhr an die Wäsche", "set_reminder", {"text": "die Wäsche", "time": "18"}),
        ("Erinnere mich morgen um neun an den Termin", "set_reminder", {"text": "den Termin", "time": "9", "day": "tomorrow"}), ("Weck mich werktags um 6 Uhr 45", "set_alarm", {"time": "6:45", "repeat": "weekdays"}),
        ("Weck mich jeden Montag um sieben", "set_alarm", {"time": "7", "day": "monday", "repeat": "weekly"}), ("Weck mich morgen früh um halb sieben", "set_alarm", {"time": "6:30 am", "day": "tomorrow"}),
        ("Erinnere mich heute Abend um acht, den Müll rauszubringen", "set_reminder", {"text": "den Müll rauszubringen", "time": "8 pm", "day": "today"}), ("Erinner mich in einer Viertelstunde an den Ofen", "set_reminder", {"text": "den Ofen", "minutes": 15}),
        ("Stell bitte einen Timer auf eineinhalb Stunden", "set_timer", {"hours": 1, "minutes": 30}), ("Stopp den Nudeltimer", "cancel_timer", {"name": "Nudel"}), ("Lösche alle Wecker", "cancel_timer", {"kind": "alarm", "all_of_them": True}),
        ("Welche Erinnerungen habe ich?", "timer_status", {"kind": "reminder"}), ("Ähm, stell mal äh einen Timer auf fünf Minuten", "set_timer", {"minutes": 5}), ("Wie spät ist es in Tokio?", "get_time", {"place": "Tokyo"}),
        ("Steht Milch auf der Einkaufsliste?", "find_on_list", {"item": "Milch"}),
        ("Setze Milch auf die Einkaufsliste", "add_to_list", {"item": "Milch"}), ("Füge bitte Brot zur Einkaufsliste hinzu.", "add_to_list", {"item": "Brot"}),
        ("Streiche Milch von der Einkaufsliste", "remove_from_list", {"item": "Milch"}), ("Was steht auf der Einkaufsliste?", "read_list", {}),
        ("Lösche die Einkaufsliste", "clear_list", {}), ("Was ist 12 mal 9?", "calculate", {"expression": "12 * 9"}),
        ("Wie viel ist zwölf mal neun?", "calculate", {"expression": "12 * 9"}), ("Was sind 15 Prozent von 80?", "calculate", {"expression": "15 % of 80"}),
        ("Rechne 3,5 plus 2", "calculate", {"expression": "3.5 + 2"}),
        ("Was steht morgen in meinem Kalender?", "list_events", {"when": "tomorrow"}), ("Was steht heute an?", "list_events", {"when": "today"}), ("Wann ist mein nächster Termin?", "list_events", {"when": "next"}),
        ("Habe ich am Freitag Zeit?", "free_time", {"when": "friday"}), ("Trag den Zahnarzt für Freitag um halb zehn in den Kalender ein", "add_event", {"title": "den Zahnarzt", "when": "friday", "time": "9:30"}),
        ("Was gibt es Neues?", "get_news", {}), ("Lies mir die Nachrichten vor", "get_news", {}), ("Was kostet ein Bitcoin?", "get_price", {"what": "bitcoin"}),
        ("Wie viel sind hundert Dollar in Euro?", "convert_currency", {"amount": 100, "from_currency": "USD", "to_currency": "EUR"}),
        ("Ruf Anna an.", "call_person", {"who": "Anna"}), ("Kannst du bitte Tante Maria anrufen?", "call_person", {"who": "Tante Maria"}),
        ("Ruf Anna an und sag ihr, dass das Essen fertig ist.", "call_person", {"who": "Anna", "message": "das Essen fertig ist"}),
        ("Verbinde mich mit Anna.", "put_through", {"who": "Anna"}), ("Kannst du mich mit Ben verbinden?", "put_through", {"who": "Ben"}), ("Stell mich zu Tante Maria durch", "put_through", {"who": "Tante Maria"}),
        ("Bitte nicht stören.", "do_not_disturb", {}), ("Stör mich zwei Stunden lang nicht", "do_not_disturb", {"hours": 2}), ("Stör mich bis 18 Uhr nicht", "do_not_disturb", {"until": "18"}), ("Du darfst mich wieder stören", "disturb_again", {}),
    ],
    "fr": [
        ("Mets un minuteur d'une heure et demie", "set_timer", {"hours": 1, "minutes": 30}), ("Arrête le minuteur des pâtes", "cancel_timer", {"name": "pâtes"}), ("Réveille-moi demain à six heures et demie", "set_alarm", {"time": "6:30", "day": "tomorrow"}),
        ("Réveille-moi tous les lundis à sept heures", "set_alarm", {"time": "7", "day": "monday", "repeat": "weekly"}), ("Réveille-moi en semaine à 6h45", "set_alarm", {"time": "6:45", "repeat": "weekdays"}),
        ("Rappelle-moi demain à neuf heures d'appeler le plombier", "set_reminder", {"text": "appeler le plombier", "time": "9", "day": "tomorrow"}), ("Rappelle-moi dans un quart d'heure de vérifier le four", "set_reminder", {"text": "vérifier le four", "minutes": 15}),
        ("Supprime toutes les alarmes", "cancel_timer", {"kind": "alarm", "all_of_them": True}), ("Combien font quinze pour cent de quatre-vingts ?", "calculate", {"expression": "15 % of 80"}), ("Quels sont mes rappels ?", "timer_status", {"kind": "reminder"}),
        ("Quelle heure est-il ?", "get_time", {}), ("Il est quelle heure ?", "get_time", {}), ("Tu peux me dire l'heure, s'il te plaît ?", "get_time", {}),
        ("Quel temps fait-il ?", "get_weather", {}), ("Est-ce qu'il va pleuvoir demain ?", "get_weather", {"when": "tomorrow", "about": "rain"}),
        ("Quel jour sommes-nous ?", "get_date", {"day": "today"}), ("On est quel jour aujourd'hui ?", "get_date", {"day": "today"}), ("Quel jour est-ce demain ?", "get_date", {"day": "tomorrow"}),
        ("Mets un minuteur de 10 minutes", "set_timer", {"minutes": 10}), ("Lance un minuteur de dix minutes, s'il te plaît.", "set_timer", {"minutes": 10}),
        ("Minuteur 5 minutes", "set_timer", {"minutes": 5}), ("Mets un minuteur pâtes de 8 minutes", "set_timer", {"name": "pâtes", "minutes": 8}),
        ("Annule le minuteur", "cancel_timer", {}), ("Arrête le réveil", "cancel_timer", {"kind": "alarm"}), ("Combien de temps reste-t-il ?", "timer_status", {}),
        ("Il reste combien de temps sur le minuteur ?", "timer_status", {}), ("Ajoute 5 minutes au minuteur", "change_timer", {"minutes": 5}),
        ("Réveille-moi à 7 heures", "set_alarm", {"time": "7"}), ("Réveille-moi à sept heures et demie", "set_alarm", {"time": "7:30"}), ("Mets un réveil à 6h30", "set_alarm", {"time": "6:30"}),
        ("Rappelle-moi dans 10 minutes de sortir le gâteau", "set_reminder", {"text": "sortir le gâteau", "minutes": 10}),
        ("Ajoute du lait à la liste de courses", "add_to_list", {"item": "lait"}), ("Retire le lait de la liste de courses", "remove_from_list", {"item": "lait"}),
        ("Qu'est-ce qu'il y a sur la liste de courses ?", "read_list", {}), ("Vide la liste de courses", "clear_list", {}),
        ("Combien font 12 fois 9 ?", "calculate", {"expression": "12 * 9"}), ("Combien font douze fois neuf ?", "calculate", {"expression": "12 * 9"}),
        ("Qu'est-ce qu'il y a dans mon agenda demain ?", "list_events", {"when": "tomorrow"}), ("Quel est mon prochain rendez-vous ?", "list_events", {"when": "next"}), ("Est-ce que je suis libre vendredi ?", "free_time", {"when": "friday"}),
        ("Ajoute dentiste à mon agenda vendredi à 15 heures", "add_event", {"title": "dentiste", "when": "friday", "time": "15"}), ("Quelles sont les nouvelles ?", "get_news", {}), ("Combien vaut le bitcoin ?", "get_price", {"what": "bitcoin"}),
        ("Combien font cent dollars en euros ?", "convert_currency", {"amount": 100, "from_currency": "USD", "to_currency": "EUR"}),
        ("Appelle Anna.", "call_person", {"who": "Anna"}), ("Tu peux appeler tante Marie ?", "call_person", {"who": "tante Marie"}),
        ("Appelle Anna et dis-lui que le dîner est prêt.", "call_person", {"who": "Anna", "message": "le dîner est prêt"}),
        ("Passe-moi Anna, s'il te plaît.", "put_through", {"who": "Anna"}), ("Mets-moi en communication avec Ben", "put_through", {"who": "Ben"}),
        ("Ne me dérange pas pendant deux heures", "do_not_disturb", {"hours": 2}), ("Ne me dérangez pas jusqu'à 18 heures", "do_not_disturb", {"until": "18"}), ("Tu peux me déranger à nouveau.", "disturb_again", {}),
    ],
    "es": [
        ("Pon un temporizador de una hora y media", "set_timer", {"hours": 1, "minutes": 30}), ("Despiértame mañana a las seis y media", "set_alarm", {"time": "6:30", "day": "tomorrow"}), ("Despiértame todos los lunes a las siete", "set_alarm", {"time": "7", "day": "monday", "repeat": "weekly"}),
        ("Despiértame entre semana a las 6:45", "set_alarm", {"time": "6:45", "repeat": "weekdays"}), ("Recuérdame esta noche a las ocho sacar la basura", "set_reminder", {"text": "sacar la basura", "time": "8 pm", "day": "today"}),
        ("Recuérdame mañana a las nueve llamar al fontanero", "set_reminder", {"text": "llamar al fontanero", "time": "9", "day": "tomorrow"}), ("Borra todas las alarmas", "cancel_timer", {"kind": "alarm", "all_of_them": True}), ("Quita la leche de la lista de la compra", "remove_from_list", {"item": "leche"}),
        ("¿Qué recordatorios tengo?", "timer_status", {"kind": "reminder"}), ("¿Cuánto le falta a la pasta?", "timer_status", {"name": "pasta"}),
        ("¿Qué hora es?", "get_time", {}), ("Dime la hora, por favor.", "get_time", {}), ("¿Me puedes decir la hora?", "get_time", {}),
        ("¿Qué tiempo hace?", "get_weather", {}), ("¿Va a llover mañana?", "get_weather", {"when": "tomorrow", "about": "rain"}),
        ("¿Qué día es hoy?", "get_date", {"day": "today"}), ("¿A qué fecha estamos?", "get_date", {"day": "today"}), ("¿Qué día es mañana?", "get_date", {"day": "tomorrow"}),
        ("Pon un temporizador de 10 minutos", "set_timer", {"minutes": 10}), ("Pon un temporizador de diez minutos, por favor.", "set_timer", {"minutes": 10}),
        ("Temporizador de 5 minutos", "set_timer", {"minutes": 5}), ("Avísame en veinte minutos", "set_timer", {"minutes": 20}),
        ("Cancela el temporizador", "cancel_timer", {}), ("Apaga la alarma", "cancel_timer", {"kind": "alarm"}), ("¿Cuánto tiempo queda?", "timer_status", {}),
        ("¿Cuánto falta para el temporizador?", "timer_status", {}), ("Añade 5 minutos al temporizador", "change_timer", {"minutes": 5}),
        ("Despiértame a las 7", "set_alarm", {"time": "7"}), ("Pon una alarma a las siete y media", "set_alarm", {"time": "7:30"}), ("Pon una alarma para las 6:15 de la mañana", "set_alarm", {"time": "6:15 am"}),
        ("Recuérdame en 10 minutos sacar la basura", "set_reminder", {"text": "sacar la basura", "minutes": 10}),
        ("Añade leche a la lista de la compra", "add_to_list", {"item": "leche"}), ("Quita leche de la lista de la compra", "remove_from_list", {"item": "leche"}),
        ("¿Qué hay en la lista de la compra?", "read_list", {}), ("Vacía la lista de la compra", "clear_list", {}),
        ("¿Cuánto es 12 por 9?", "calculate", {"expression": "12 * 9"}), ("¿Cuánto es doce por nueve?", "calculate", {"expression": "12 * 9"}),
        ("¿Qué tengo mañana en el calendario?", "list_events", {"when": "tomorrow"}), ("¿Cuál es mi próxima cita?", "list_events", {"when": "next"}), ("¿Estoy libre el viernes?", "free_time", {"when": "friday"}),
        ("Apunta dentista en mi calendario para el viernes a las 9", "add_event", {"title": "dentista", "when": "friday", "time": "9"}), ("Dime las noticias", "get_news", {}), ("¿Cuánto vale el bitcoin?", "get_price", {"what": "bitcoin"}),
        ("¿Cuánto son cien dólares en euros?", "convert_currency", {"amount": 100, "from_currency": "USD", "to_currency": "EUR"}),
        ("Llama a Anna.", "call_person", {"who": "Anna"}), ("¿Puedes llamar a tía María?", "call_person", {"who": "tía María"}),
        ("Llama a Anna y dile que la cena está lista.", "call_person", {"who": "Anna", "message": "la cena está lista"}),
        ("Ponme con Anna.", "put_through", {"who": "Anna"}), ("Pásame con Ben, por favor", "put_through", {"who": "Ben"}),
        ("No me molestes durante dos horas", "do_not_disturb", {"hours": 2}), ("No me molestes hasta las seis", "do_not_disturb", {"until": "6"}), ("Ya puedes hablar otra vez", "disturb_again", {}),
    ],
    "nl": [("Hoe laat is het?", "get_time", {}), ("Zet een timer voor 10 minuten", "set_timer", {"minutes": 10})],
}  # fmt: skip
CONVERSATION = {
    "de": {
        "Repeat": ["Wie bitte?", "Wiederhole das bitte.", "Noch einmal."], "StopTalking": ["Stopp!", "Sei still.", "Vergiss es."], "Louder": ["Lauter bitte.", "Sprich etwas lauter"],
        "Quieter": ["Leiser.", "Du bist zu laut."], "SetVolume": ["Stell die Lautstärke auf 30 Prozent."], "NoMusic": ["Spiel Musik.", "Nächstes Lied"],
        "NoHome": ["Mach das Licht an.", "Schalte das Licht im Wohnzimmer aus", "Stell die Heizung auf 21 Grad", "Licht aus!", "Öffne die Haustür", "Kannst du bitte das Licht in der Küche anmachen?"],
    },
    "fr": {
        "Repeat": ["Répète, s'il te plaît.", "Pardon ?"], "StopTalking": ["Stop !", "Tais-toi.", "Laisse tomber."], "Louder": ["Plus fort.", "Monte le son"], "Quieter": ["Moins fort, s'il te plaît", "Baisse le volume"],
        "SetVolume": ["Mets le volume à 30 %"], "NoMusic": ["Mets de la musique"],
        "NoHome": ["Allume la lumière.", "Éteins la lumière dans la cuisine", "Mets le chauffage à 20 degrés", "Ferme les volets"],
    },
    "es": {
        "Repeat": ["Repite, por favor.", "¿Qué has dicho?"], "StopTalking": ["¡Para!", "Cállate.", "Olvídalo."], "Louder": ["Más alto.", "Sube el volumen"], "Quieter": ["Más bajo, por favor", "Baja el volumen"],
        "SetVolume": ["Pon el volumen al 30 por ciento"], "NoMusic": ["Pon música"],
        "NoHome": ["Enciende la luz.", "Apaga las luces del salón", "Pon la calefacción a 20 grados", "Cierra las persianas"],
    },
}  # fmt: skip
FOR_THE_MODEL = {
    "de": [
        "Warum ist der Himmel blau?", "Erzähl mir eine Geschichte über einen Timer", "Mach das Licht an, wenn der Held im Roman nach Hause kommt", "Das Licht ist schön", "Wie spät ist es auf dem Mars?",
        "Was ist Liebe?", "Wie funktioniert eine Einkaufsliste?", "Ich habe gestern einen Timer gestellt", "Wer hat das Licht erfunden?", "Wie wird das Wetter, wenn ich zum Mars fliege?",
        "Ruf mir ein Taxi.", "Warum ruft Anna nicht an?", "Was ist die Hauptstadt von Frankreich?", "Stell dir vor, du wärst ein Timer", "Weck nicht die schlafenden Hunde", "Halt mal die Luft an", "Weiter.", "Die Lampe.", "5.",
    ],
    "fr": [
        "Pourquoi le ciel est-il bleu ?", "Raconte-moi une histoire", "Quelle heure est-il dans le roman ?", "La lumière est belle", "Quel temps fait-il si je vais sur Mars ?",
        "Comment s'appelle Anna ?", "Qui a inventé la lumière ?", "Combien coûte une lampe ?", "Quelle est la capitale de l'Italie ?", "J'ai mis un minuteur hier", "Réveille en moi le poète", "Ajoute un peu d'humour au poème",
        "Arrête de te plaindre et écris un poème", "Qui est l'auteur de ce livre ?", "Que veut dire minuteur ?", "Parle-moi de la météo au Moyen Âge",
    ],
    "es": [
        "¿Por qué el cielo es azul?", "Cuéntame un cuento", "¿Qué hora es en la novela?", "La luz es bonita", "¿Qué tiempo hace si voy a Marte?", "¿Quién inventó la luz?", "¿Cuánto cuesta una lámpara?",
        "¿Cómo se llama Anna?", "¿Cuál es la capital de Italia?", "Ayer puse un temporizador", "Pon un ejemplo", "Añade un poco de humor al poema", "¿Para qué sirve un temporizador?", "Para mí es difícil", "¿Qué significa compra?", "Repite conmigo el poema",
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("language", "text", "tool", "arguments"),
    [(language, *case) for language, cases in TOOLS.items() for case in cases],
)
def test_a_plain_command_becomes_a_call(language: str, text: str, tool: str, arguments: dict[str, Any]) -> None:
    calls = [(match.tool, dict(match.arguments)) for match in LANGUAGES[language].match_all(text)]
    assert calls == [(tool, arguments)]


@pytest.mark.parametrize(
    ("language", "text", "intent"),
    [
        (language, text, intent)
        for language, intents in CONVERSATION.items()
        for intent, texts in intents.items()
        for text in texts
    ],
)
def test_what_needs_no_tool_is_recognized(language: str, text: str, intent: str) -> None:
    matches = LANGUAGES[language].match_all(text)
    assert [(match.intent, match.tool) for match in matches] == [(intent, None)]
    said = LANGUAGES[language].say(matches[0], None)
    assert said is not None
    assert bool(said) is (intent != "StopTalking"), "a stop is answered by silence"


@pytest.mark.parametrize(
    ("language", "text"), [(language, text) for language, texts in FOR_THE_MODEL.items() for text in texts]
)
def test_everything_else_is_for_the_model(language: str, text: str) -> None:
    assert LANGUAGES[language].match_all(text) == []


EVENTS = [
    {"title": "Zahnarzt", "starts": "2026-11-24T09:30+00:00", "ends": "2026-11-24T10:30+00:00", "all_day": False},
    {"title": "Chor", "starts": "2026-11-24T19:00+00:00", "ends": "2026-11-24T21:00+00:00", "all_day": False},
]
TOLD: list[tuple[str, str, dict[str, Any], str]] = [
    ("de", "Was steht morgen in meinem Kalender?", {"events": EVENTS}, "Morgen: Zahnarzt um 09:30 Uhr und Chor um 19:00 Uhr."),
    ("de", "Was steht diese Woche in meinem Kalender?", {"events": EVENTS[:1]}, "Diese Woche: Zahnarzt Dienstag um 09:30 Uhr."),
    ("de", "Wann ist mein nächster Termin?", {"events": EVENTS[:1]}, "Dein nächster Termin: Zahnarzt Dienstag um 09:30 Uhr."),
    ("de", "Was steht morgen in meinem Kalender?", {"events": []}, "Da steht nichts im Kalender."),
    ("de", "Habe ich am Freitag Zeit?", {"free": [["2026-11-27 08:00:00+00:00", "2026-11-27 12:00:00+00:00"]]}, "Frei ist von 08:00 bis 12:00 Uhr."),
    ("de", "Was gibt es Neues?", {"stories": [{"title": "Wale kehren zurück"}]}, "In den Nachrichten: Wale kehren zurück."),
    ("de", "Was kostet ein Bitcoin?", {"name": "Bitcoin", "price": 61234.5, "currency": "EUR", "change": -1.25}, "Bitcoin steht bei 61234,50 EUR, 1,2 Prozent weniger als gestern."),
    ("de", "Wie viel sind hundert Dollar in Euro?", {"amount": 86.4213, "currency": "EUR", "rate": 0.864}, "hundert Dollar sind 86,42 Euro."),
    ("fr", "Quel est mon prochain rendez-vous ?", {"events": EVENTS[:1]}, "Ton prochain rendez-vous : Zahnarzt mardi à 09:30."),
    ("fr", "Qu'est-ce qu'il y a dans mon agenda demain ?", {"events": EVENTS}, "Demain : Zahnarzt à 09:30 et Chor à 19:00."),
    ("fr", "Combien font cent dollars en euros ?", {"amount": 86.4213, "currency": "EUR"}, "cent dollars font 86,42 euros."),
    ("es", "¿Qué tengo mañana en el calendario?", {"events": EVENTS}, "Mañana: Zahnarzt a las 09:30 y Chor a las 19:00."),
    ("es", "¿Cuánto vale el bitcoin?", {"name": "Bitcoin", "price": 61234.5, "currency": "EUR", "change": 2.0}, "Bitcoin está a 61234,50 EUR, un 2,0 por ciento más que ayer."),
]  # fmt: skip


@pytest.mark.parametrize(("language", "text", "data", "said"), TOLD)
def test_what_the_world_answers_is_told_in_the_language(
    language: str, text: str, data: dict[str, Any], said: str
) -> None:
    (match,) = LANGUAGES[language].match_all(text)
    outcome = Outcome("key", match.tool or "", dict(match.arguments), Status.DONE, "in English", data)
    assert LANGUAGES[language].say(match, outcome) == said


@pytest.mark.parametrize(
    ("language", "text", "status", "data", "said"),
    [
        ("de", "Ruf Anna an.", Status.UNCONFIRMED, {}, "Soll ich Anna anrufen?"),
        ("de", "Ruf Anna an und sag ihr, dass das Essen fertig ist.", Status.UNCONFIRMED, {}, "Soll ich Anna anrufen und sagen: das Essen fertig ist?"),
        ("de", "Ruf Anna an.", Status.FAILED, {"why": "unknown"}, "Ich kenne die Nummer von Anna nicht."),
        ("de", "Ruf Anna an.", Status.FAILED, {}, "Das ging leider nicht."),
        ("de", "Verbinde mich mit Anna.", Status.DONE, {}, "Ich verbinde mit Anna."),
        ("de", "Nicht stören.", Status.DONE, {"seconds": 3600.0}, "Gut, ich störe dich für 1 Stunde nicht."),
        ("de", "Stör mich bis 18 Uhr nicht", Status.DONE, {"seconds": 1234.0}, "Gut, ich störe dich bis 18 Uhr nicht."),
        ("fr", "Appelle Anna et dis-lui que le dîner est prêt.", Status.UNCONFIRMED, {}, "Dois-je appeler Anna et dire : le dîner est prêt ?"),
        ("fr", "Passe-moi Anna.", Status.UNCONFIRMED, {}, "Dois-je vous passer Anna ?"),
        ("fr", "Passe-moi Anna.", Status.FAILED, {"why": "elsewhere"}, "Je ne peux passer quelqu'un qu'à la personne qui m'appelle."),
        ("fr", "Ne me dérange pas pendant 30 minutes", Status.DONE, {"seconds": 1800.0}, "D'accord, je ne dérange plus pendant 30 minutes."),
        ("es", "Llama a Anna.", Status.DONE, {}, "Llamo a Anna."),
        ("es", "Llama a Anna.", Status.FAILED, {"why": "enough"}, "Lo siento, hoy ya he hecho tantas llamadas como puedo."),
        ("es", "Ponme con Anna.", Status.FAILED, {"why": "undisturbed"}, "Anna no quiere que le molesten ahora. Puede dejar un mensaje."),
        ("es", "No me molestes durante dos horas", Status.DONE, {"seconds": 7200.0}, "De acuerdo, no molestaré durante 2 horas."),
    ],
)  # fmt: skip
def test_the_telephone_speaks_the_language(
    language: str, text: str, status: Status, data: dict[str, Any], said: str
) -> None:
    (match,) = LANGUAGES[language].match_all(text)
    outcome = Outcome("key", match.tool or "", dict(match.arguments), status, "in English", data)
    assert LANGUAGES[language].say(match, outcome) == said


@pytest.mark.parametrize(
    ("language", "said"), [("de", "Ich rufe Anna an."), ("fr", "J'appelle Anna."), ("es", "Llamo a Anna.")]
)
def test_what_was_confirmed_is_told_in_the_language(language: str, said: str) -> None:
    outcome = Outcome("key", "call_person", {"who": "Anna", "message": None}, Status.DONE, "in English")
    assert LANGUAGES[language].confirmed(outcome) == said


@pytest.mark.parametrize(
    ("language", "heard", "said"),
    [
        ("de", "Stopp wie spät ist es?", "Wie spät ist es?"),
        ("de", "Warte, stelle einen Timer auf 10 Minuten.", "Stelle einen Timer auf 10 Minuten."),
        ("fr", "Arrête quelle heure est-il ?", "Quelle heure est-il ?"),
        ("es", "Para, ¿qué hora es?", "¿Qué hora es?"),
    ],
)
def test_who_stops_the_answer_and_asks_in_one_breath_is_understood(language: str, heard: str, said: str) -> None:
    assert LANGUAGES[language].match_all(said)
    assert LANGUAGES[language].match_all(heard) == LANGUAGES[language].match_all(said)
