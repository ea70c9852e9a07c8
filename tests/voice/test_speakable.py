import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from voice.speakable import speakable


def check(written: str, spoken: str) -> None:
    assert speakable(written) == spoken
    assert speakable(spoken) == spoken


@pytest.mark.parametrize(
    "sentence",
    [
        "It's a fine day, isn't it?",
        "Well, that depends: do you want tea, or coffee?",
        "The mother-in-law of the king — a tall woman — said “no”.",
        "No. I think not.",
        "NASA and the BBC agree.",
        "He sat down in the sun (as always).",
        "I may march in May, and Jan will come.",
        "You are right!",
        "Ça va, José?",
    ],
)
def test_a_plain_sentence_stays_as_it_is(sentence: str) -> None:
    assert speakable(sentence) == sentence


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        (
            "This is **very** *important*, __really__ and ***truly*** ~~not~~ `so`.",
            "This is very important, really and truly not so.",
        ),
        ("# Weather\nIt rains today.", "Weather. It rains today."),
        ("You need:\n- milk\n- two *eggs*\n* bread", "You need: milk. two eggs. bread."),
        ("1. Heat the oven.\n2) Wait", "one: Heat the oven. two: Wait."),
        ("- [x] Call mum\n- [ ] Buy milk", "Call mum. Buy milk."),
        ("See [the manual](https://example.com/a_(b)?c=1) and [this][2].", "See the manual and this."),
        ("Look: ![a cat](cat.png)", "Look: a cat"),
        ("It is so [1], they say[^2].", "It is so, they say."),
        ("Run this:\n```python\nprint(1)\n```\nThat is all.", "Run this: That is all."),
        ("Use `pip install my_package` now.", "Use pip install my package now."),
        ("> He said so.\n> Twice.", "He said so. Twice."),
        ("| Day | Weather |\n|---|:-:|\n| Monday | rain |", "Day, Weather. Monday, rain."),
        ("One.\n\n---\n\nTwo.", "One. Two."),
        ("A first thought\n\nA second one", "A first thought. A second one"),
        ("<p>Fish &amp; chips<br/>are <b>good</b>.</p>", "Fish and chips are good."),
        ("Tom &amp; Jerry &lt;3", "Tom and Jerry"),
        ("a **bold start of a clause", "a bold start of a clause"),
    ],
)
def test_markup_is_not_spoken(written: str, spoken: str) -> None:
    check(written, spoken)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Visit https://www.example.com/path?x=1.", "Visit example dot com."),
        ("Visit <https://docs.python.org/3/>, please.", "Visit docs dot python dot org, please."),
        ("Go to www.my-house.org or example.co.uk!", "Go to my house dot org or example dot co dot uk!"),
        ("Open http://localhost:7860/ first.", "Open localhost first."),
        ("Write to bob.smith@example.com.", "Write to bob dot smith at example dot com."),
        ("Edit main.py and config.toml.", "Edit main dot py and config dot toml."),
    ],
)
def test_an_address_becomes_short_and_sayable(written: str, spoken: str) -> None:
    check(written, spoken)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Done! 🎉", "Done!"),
        ("Hello 👋🏽, it is ☀️ and 🇩🇪 won 1️⃣ game 👨‍👩‍👧.", "Hello, it is and won one game."),
        ("Great :) thanks", "Great thanks"),
        ("✅ **Lights on**", "Lights on"),
        ("🎉🎉", ""),
        ("...", ""),
        ("", ""),
        (" \n", ""),
        ("!! That is great", "That is great"),
        ("❤️ ♫ ★ → home", "to home"),
        ("Acme™ and Bolt®", "Acme and Bolt"),
    ],
)
def test_pictures_are_not_spoken(written: str, spoken: str) -> None:
    check(written, spoken)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        (
            "There are 1,234,567 people.",
            "There are one million two hundred thirty-four thousand five hundred sixty-seven people.",
        ),
        ("Pi is 3.14159.", "Pi is three point one four one five nine."),
        ("It fell by .5 to 0.50.", "It fell by zero point five to zero point five zero."),
        ("From -5 to +3 (-2 on average).", "From minus five to plus three (minus two on average)."),
        ("The 1st, 2nd, 23rd and 100th.", "The first, second, twenty-third and one hundredth."),
        ("Add 1/2 cup, 3/4 cup and 2 1/2 cups.", "Add one half cup, three quarters cup and two and a half cups."),
        ("½ cup or 1¼ cups", "one half cup or one and one quarter cups"),
        ("It takes 3-5 days, or 10 – 12.", "It takes three to five days, or ten to twelve."),
        (
            "In 1984, 1905, 2005 and 2026.",
            "In nineteen eighty-four, nineteen oh five, two thousand five and twenty twenty-six.",
        ),
        (
            "It has 1984 seats and 2050 people.",
            "It has one thousand nine hundred eighty-four seats and two thousand fifty people.",
        ),
        ("In 1984 things changed.", "In nineteen eighty-four things changed."),
        ("The 1990s, the '80s and the early 70s.", "The nineteen nineties, the eighties and the early seventies."),
        ("It was 2010–2015.", "It was twenty ten to twenty fifteen."),
        (
            "Call 555-1234 or (555) 123-4567.",
            "Call five five five, one two three four or five five five, one two three, four five six seven.",
        ),
        ("Call +44 20 7946 0958.", "Call plus four four, two zero, seven nine four six, zero nine five eight."),
        (
            "The code is 007, or 12345678901.",
            "The code is zero zero seven, or one two three four five six seven eight nine zero one.",
        ),
        ("Your 5-year-old has COVID-19.", "Your five-year-old has COVID-nineteen."),
        ("Take B12 and play the MP3 in 4K.", "Take B twelve and play the MP three in four K."),
        ("It runs Python 3.11.4.", "It runs Python three dot eleven dot four."),
        ("We are here 24/7.", "We are here twenty-four seven."),
        ("I give it 8/10.", "I give it eight out of ten."),
        ("My pressure is 120/80.", "My pressure is one hundred twenty over eighty."),
        ("World War II, Henry VIII and Chapter IV.", "World War two, Henry the eighth and Chapter four."),
        ("I am 5'10\" tall.", "I am five foot ten tall."),
        ("We won 3–2.", "We won three to two."),
        ("٣ and ①", "three and one"),
    ],
)
def test_numbers_become_words(written: str, spoken: str) -> None:
    check(written, spoken)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("At 7:30 pm.", "At seven thirty PM."),
        ("At 7:05, 19:05 and 07:00.", "At seven oh five, seven oh five PM and seven AM."),
        ("From 10:30-11:00.", "From ten thirty to eleven o'clock."),
        (
            "We open 7-9 pm, 9am–5pm and 10:30 a.m. - 1 p.m. daily.",
            "We open seven to nine PM, nine AM to five PM and ten thirty AM to one PM daily.",
        ),
        ("Come at 7 p.m. Then eat.", "Come at seven PM. Then eat."),
        ("Come at 7 P.M.", "Come at seven PM."),
        ("At 00:00 or 12:00.", "At midnight or twelve o'clock."),
        ("The time is 12:34:56.", "The time is twelve thirty-four and fifty-six seconds."),
        ("A 16:9 screen, I am sure.", "A sixteen to nine screen, I am sure."),
        ("It is due 2026-11-23.", "It is due November twenty-third, twenty twenty-six."),
        (
            "It is due 11/23/2026, not 24/12/26.",
            "It is due November twenty-third, twenty twenty-six, not December twenty-fourth, twenty twenty-six.",
        ),
        ("It is due 24.12.2026.", "It is due December twenty-fourth, twenty twenty-six."),
        ("On Nov 23: or Dec. 3rd, 2024.", "On November twenty-third: or December third, twenty twenty-four."),
        (
            "On 23 Nov 2026 and the 5th of May.",
            "On the twenty-third of November, twenty twenty-six and the fifth of May.",
        ),
        ("May 5-7 or Sept 2026.", "May fifth to seventh or September twenty twenty-six."),
        ("On 11/23 at noon.", "On November twenty-third at noon."),
        ("Seen 2026-11-23T19:05:00Z.", "Seen November twenty-third, twenty twenty-six at seven oh five PM."),
        ("Open Mon–Fri, and on Sat. from 9 am.", "Open Monday to Friday, and on Saturday from nine AM."),
        ("It is Tue, in Feb.", "It is Tuesday, in February."),
    ],
)
def test_times_and_dates_become_words(written: str, spoken: str) -> None:
    check(written, spoken)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("It costs $3.50.", "It costs three dollars and fifty cents."),
        ("It costs $1, €20 or £0.01.", "It costs one dollar, twenty euros or one penny."),
        ("It costs £1.2 million.", "It costs one point two million pounds."),
        ("It costs 20 USD or CHF 1,000.", "It costs twenty US dollars or one thousand Swiss francs."),
        (
            "It costs $5k, -$5, 3.50€ and ¥500.",
            "It costs five thousand dollars, minus five dollars, three euros and fifty cents and five hundred yen.",
        ),
        ("It costs $3-5 or $10–$20.", "It costs three to five dollars or ten to twenty dollars."),
        ("It costs $9.99/month.", "It costs nine dollars and ninety-nine cents per month."),
        ("50% off, or 3-5 %, or 3.5%.", "fifty percent off, or three to five percent, or three point five percent."),
        (
            "It is 20°C, -3 °F, 1° and 72F.",
            "It is twenty degrees Celsius, minus three degrees Fahrenheit, one degree and seventy-two degrees Fahrenheit.",
        ),
        ("20–25°C or 20°C–25°C", "twenty to twenty-five degrees Celsius or twenty to twenty-five degrees Celsius"),
        (
            "Go 1 km, 5 km, 5.5km or 100 m.",
            "Go one kilometer, five kilometers, five point five kilometers or one hundred meters.",
        ),
        (
            "At 60 km/h, 30 mph or 5 m/s.",
            "At sixty kilometers per hour, thirty miles per hour or five meters per second.",
        ),
        (
            "2 kg, 500 g, 250 ml and 3 cm",
            "two kilograms, five hundred grams, two hundred fifty milliliters and three centimeters",
        ),
        ("30 m², 5 kWh and 60 W", "thirty square meters, five kilowatt hours and sixty watts"),
        (
            "16GB, 50 Hz, 1013 hPa and 990 mbar",
            "sixteen gigabytes, fifty hertz, one thousand thirteen hectopascals and nine hundred ninety millibars",
        ),
        ("A 5-km run in 15 min. or so", "A five kilometer run in fifteen minutes or so"),
        ("I have 5 in the box.", "I have five in the box."),
        ("You have seat 14C.", "You have seat fourteen C."),
    ],
)
def test_money_and_quantities_become_words(written: str, spoken: str) -> None:
    check(written, spoken)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Dr. Smith met Mrs. Jones and Prof. Lee.", "Doctor Smith met Missus Jones and Professor Lee."),
        (
            "He lives on Main St. near St. Mary, at 12th Ave.",
            "He lives on Main Street near Saint Mary, at twelfth Avenue.",
        ),
        ("I live at 5 Elm Dr. The end.", "I live at five Elm Drive. The end."),
        ("Mount St. Helens erupted.", "Mount Saint Helens erupted."),
        (
            "Fruit, e.g., apples, i.e. round ones, etc. are good.",
            "Fruit, for example, apples, that is round ones, et cetera are good.",
        ),
        ("We sell tea, etc. Come in.", "We sell tea, et cetera. Come in."),
        ("Cats vs. dogs: approx. 5 vs 6.", "Cats versus dogs: approximately five versus six."),
        ("It is No. 5, see fig. 3.", "It is number five, see figure three."),
        ("The U.S. and the U.K. agree.", "The US and the UK agree."),
        ("I came from the U.S.", "I came from the US."),
        ("Ask me in the a.m. please.", "Ask me in the AM please."),
        ("R&B, Q & A, #5 and #home", "R and B, Q and A, number five and hashtag home"),
        (
            "2 + 2 = 4, 5 - 3 = 2, 3 × 4, 3x4 and 8 ÷ 2",
            "two plus two equals four, five minus three equals two, three times four, three by four and eight divided by two",
        ),
        ("~5 or ≈ 6, ±1, 18+", "about five or about six, plus or minus one, eighteen plus"),
        (
            "A → B, his/her, on/off, and/or, TCP/IP, 3/week",
            "A to B, his or her, on or off, and or, TCP IP, three per week",
        ),
        ("C++ and C# with x²", "C plus plus and C sharp with x squared"),
        ("5 < 6 and > 4, <10%", "five is less than six and more than four, less than ten percent"),
        ("Wait… what... Yes…", "Wait, what. Yes."),
        ("a  b\tc\u00a0d", "a b c d"),
    ],
)
def test_abbreviations_and_symbols_become_words(written: str, spoken: str) -> None:
    check(written, spoken)


@pytest.mark.parametrize(
    ("language", "written", "spoken"),
    [
        (
            "de",
            "**Es** sind 21 Grad 🎉, 1.234 Leute und 3,5 km.",
            "Es sind einundzwanzig Grad, eintausendzweihundertvierunddreißig Leute und drei Komma fünf km.",
        ),
        ("de-DE", "Siehe [hier](https://a.de) oder https://beispiel.de/x.", "Siehe hier oder beispiel Punkt de."),
        ("fr", "Il est 7:30 et il fait 20 °C !", "Il est 7:30 et il fait 20 °C!"),
        ("es", "Hay 3 gatos & perros.", "Hay tres gatos & perros."),
        ("am", "99 🎉", "99"),
        ("xx", "**99** 🎉", "99"),
        ("nb", "Det er 2 hus.", "Det er to hus."),
        ("vi", "3.5 và 0,5", "3.5 và 0,5"),
        ("ja", "今日は3度です。", "今日は3度です。"),
    ],
)
def test_other_languages_lose_markup_and_keep_their_own_ways(language: str, written: str, spoken: str) -> None:
    assert speakable(written, language) == spoken


LIKELY = st.text(
    alphabet="0123456789.,:/-–—+ $€£%°'\"()#*_`[]<>|~@&=×\n\tamphkMTZNovJanStDrIVX²½①٣👋\u200d🇩\ud800", max_size=60
)


@given(st.one_of(st.text(), LIKELY), st.sampled_from(["en", "en-GB", "de", "fr", "ja", "am", "fa", "cs", "xx", ""]))
@example("9" * 5000, "en")
@example("1" + ",000" * 200, "en")
@example("1" + ",000" * 200 + "th", "en")
@example("0000-01-01 0/0 0:0 -0 +0 $0", "en")
@example("12.34.5678 99:99 31 Feb 99 May $.5", "en")
def test_any_text_is_accepted(text: str, language: str) -> None:
    speakable(text, language)


@given(st.one_of(st.text(), LIKELY))
@example("https://[::1]:80/x?#é www. @ a@b mailto:")
@example("\U0001f600\ufe0f\u20e3\U0001f3fb")
def test_nothing_that_cannot_be_said_is_left(text: str) -> None:
    spoken = speakable(text)
    assert not re.search(r"[*_`#|~^<>\[\]{}\\=@$€£%°&+]|://|\s\s|[0-9]", spoken)
    assert not any(character.isdigit() or 0x1F000 <= ord(character) <= 0x1FFFF for character in spoken)
    assert spoken == spoken.strip()
    spoken.encode()


PLAIN_WORDS = st.sampled_from(
    "the a of it is rain sunny Paris window tomorrow kitchen don't I'll well-known NASA and but".split()
)
PLAIN_SENTENCES = st.builds(
    lambda words, commas, end: (
        " ".join(w + "," * c for w, c in zip(words, [*commas, *[False] * 20], strict=False)).rstrip(",") + end
    ),
    st.lists(PLAIN_WORDS, min_size=1, max_size=15),
    st.lists(st.booleans(), max_size=15),
    st.sampled_from(".?!"),
)


@given(st.lists(PLAIN_SENTENCES, min_size=1, max_size=3).map(" ".join))
def test_plain_prose_is_never_changed(text: str) -> None:
    assert speakable(text) == text


@given(st.integers(0, 10**9 - 1))
def test_every_number_is_words_alone(value: int) -> None:
    for written in (
        str(value),
        f"{value:,}",
        f"${value}",
        f"{value} km",
        f"-{value}",
        f"{value}%",
        f"{value}.5",
        f"{value}th",
    ):
        assert re.fullmatch(r"[a-z -]+", speakable(written))
