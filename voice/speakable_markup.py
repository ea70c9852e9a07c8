"""From what is written for the eye (markdown, HTML, addresses, emoji) to plain sentences."""

import html
import re
from typing import Final

_DECORATION = re.compile(r"[*_`~#>|\[\]<&+•‣◦▪●-]|^\s*\d+[.)]|\n", re.MULTILINE)
_FENCE = re.compile(r"```[\s\S]*?(?:```|\Z)")
_IMAGE_OR_LINK = re.compile(r"!?\[([^\[\]]*)\]\((?:[^()\s]|\([^()\s]*\))*(?:\s+\"[^\"]*\")?\)")
_REFERENCE_LINK = re.compile(r"\[([^\[\]]+)\]\[[^\[\]]*\]")
_CITATION = re.compile(r"\s?\[\^?\d{1,3}\]")
_AUTOLINK = re.compile(r"<((?:https?://|mailto:)[^<>\s]+|[^<>\s@]+@[^<>\s]+)>")
_BLOCK_TAG = re.compile(r"</?(?:br|p|li|ul|ol|div|h[1-6]|tr|table)\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"<!--[\s\S]*?-->|</?[A-Za-z][^<>]*>")

_RULE = re.compile(r"[\s|:]*(?:(?:-[\s|:]*){2,}|(?:\*\s*){3,}|(?:_\s*){3,}|={3,})")
_HEADING = re.compile(r"\s{0,3}#{1,6}\s+(.*?)[\s#]*")
_QUOTE = re.compile(r"\s*(?:>\s?)+")
_BULLET = re.compile(r"\s*[-*+•‣◦▪●]\s+(?:\[[ xX]\]\s+)?(?=\S)")
_LIST_NUMBER = re.compile(r"\s*(\d{1,3})[.)]\s+(?=\S)")
_ENDS_IN_PUNCTUATION = re.compile(r"[.!?:;,…。！？：；，—–-][\"'”’)*_`]*$")

_TIMES = re.compile(r"(?<=\d)\s?\*\s?(?=\d)")
_EMPHASIS = re.compile(r"[*`]+|~~+|(?<!\w)_+|_+(?!\w)")

_EMOJI = re.compile(
    "[\U0001f000-\U0001faff\U0001fb00-\U0001ffff\u2600-\u27bf\u2b00-\u2bff\u2300-\u23ff\u249c-\u24e9"
    "\u2500-\u25ff\u3030\u303d\u3297\u3299\ufe0e\ufe0f\u20e3\U000e0000-\U000e007f\ue000-\uf8ff\ud800-\udfff]+\u200d?"
)
_EMOTICON = re.compile(r"(?<!\S)(?:[:;=][-o']?[)(DPp|]|<3|\^_\^|¯\\_\(ツ\)_/¯)(?!\S)")

_DOT: Final = {
    "en": "dot", "de": "Punkt", "fr": "point", "es": "punto", "it": "punto", "pt": "ponto", "nl": "punt", "sv": "punkt",
    "da": "punktum", "no": "punktum", "pl": "kropka", "cs": "tečka", "fi": "piste",
}  # fmt: skip
_AT: Final = {
    "en": "at",
    "de": "ät",
    "fr": "arobase",
    "es": "arroba",
    "it": "chiocciola",
    "pt": "arroba",
    "nl": "apenstaartje",
}
_HOST = r"[^\W_](?:[\w-]*\w)?(?:\.[^\W_](?:[\w-]*\w)?)*"
_PATH = r"(?::\d+)?(?:[/?#](?:[^\s<>\"“”]*[^\s<>\"“”.,;:!?)'’\]*_])?)?"
_URL = re.compile(
    rf"(?<![\w.+-])(?:[a-z][a-z0-9+]{{1,9}}://)(?:[^\s/@]{{1,80}}@)?(?:www\.)?({_HOST}){_PATH}", re.IGNORECASE
)
_EMAIL = re.compile(rf"(?<![\w.+-])(?:mailto:)?([\w.+-]+)@({_HOST}\.[^\W\d_]{{2,}})")
_DOMAIN = re.compile(
    r"(?<![\w@./-])(?:www\.((?:[a-z0-9-]+\.)+[a-z]{2,10})"
    r"|((?:[a-z0-9-]+\.)+(?:com|org|net|edu|gov|io|dev|ai|app|info|co\.uk|de|uk|fr|eu|ch|nl|ca|au)))"
    rf"(?![\w-]|\.\w){_PATH}",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"(?:[A-Za-z][A-Za-z0-9+]{1,9})?://")


def without_markup(text: str) -> str:
    """Remove markdown and HTML; lines become sentences where they were headings, items or rows of a table.

    Blocks of code are left out: nobody wants to hear them. What an image or a link shows is kept, its address is not.
    """
    if not _DECORATION.search(text):
        return text
    text = _FENCE.sub("\n", text)
    text = _IMAGE_OR_LINK.sub(r"\1", text)
    text = _REFERENCE_LINK.sub(r"\1", text)
    text = _CITATION.sub("", text)
    if "<" in text:
        text = _AUTOLINK.sub(r"\1", text)
        text = _BLOCK_TAG.sub("\n", text)
        text = _TAG.sub("", text)
    text = html.unescape(text)
    text = _join_lines(text)
    text = _TIMES.sub(" × ", text)
    return _EMPHASIS.sub("", text)


def without_addresses(text: str, language: str) -> str:
    """Shorten web addresses to the name of their site and say them, and e-mail addresses, in words."""
    dot = f" {_DOT[language]} " if language in _DOT else "."
    at = f" {_AT[language]} " if language in _AT else " @ "
    if "@" in text:
        text = _EMAIL.sub(lambda m: _say(m[1], dot) + at + _say(m[2], dot), text)
    if "://" in text:
        text = _URL.sub(lambda m: _say(m[1], dot), text)
        text = _SCHEME.sub(" ", text)
    if "." in text:
        text = _DOMAIN.sub(lambda m: _say(m[1] or m[2], dot), text)
    return text


def without_emoji(text: str) -> str:
    """Remove emoji, pictographs, boxes, emoticons and characters that stand for nothing."""
    return _EMOTICON.sub("", _EMOJI.sub(" ", text))


def _say(address: str, dot: str) -> str:
    return address.replace("_", " ").replace("-", " ").replace("+", " plus ").replace(".", dot)


def _join_lines(text: str) -> str:
    spoken: list[str] = []
    previous_is_block = False
    for line in text.splitlines():
        if not line.strip() or _RULE.fullmatch(line):
            previous_is_block = True
            continue
        content, is_block = _read_line(line)
        if spoken and (is_block or previous_is_block):
            spoken[-1] = _as_sentence(spoken[-1])
        if content:
            spoken.append(content)
        previous_is_block = is_block
    if spoken and previous_is_block:
        spoken[-1] = _as_sentence(spoken[-1])
    return " ".join(spoken)


def _read_line(line: str) -> tuple[str, bool]:
    """Return what a line says, and whether it stands alone: a heading, an item, a row."""
    line = _QUOTE.sub("", line, count=1) if line.lstrip().startswith(">") else line
    if heading := _HEADING.fullmatch(line):
        return heading[1], True
    if bullet := _BULLET.match(line):
        line = line[bullet.end() :]
        return _LIST_NUMBER.sub(r"\1: ", line, count=1), True
    if number := _LIST_NUMBER.match(line):
        return f"{number[1]}: {line[number.end() :].strip()}", True
    if line.count("|") >= 2:
        return ", ".join(cell.strip() for cell in line.split("|") if cell.strip()), True
    return line.strip(), False


def _as_sentence(text: str) -> str:
    return text if _ENDS_IN_PUNCTUATION.search(text) else f"{text}."
