"""Cuts a text into its sentences."""
import re

from waggle import Refused, register_bee

MOST_SENTENCES = 300
MOST_CHARACTERS = 200_000
# A sentence ends with . ! or ?, perhaps quotes behind it, white space, and something that may begin a sentence.
END = re.compile(r"(?<=[.!?])([\"'”’)\]]*)\s+(?=[\"'“‘(\[]*[A-Z0-9À-ÖØ-Þ])")
ABBREVIATION = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|No|Fig|vs|etc|approx|ca|cf|e\.g|i\.e)|\b[A-Z])\.$")


@register_bee(name="sentences")
def sentences(payload):
    text = text_of(payload)
    if len(text) > MOST_CHARACTERS:
        raise Refused(f"The text has {len(text)} characters; at most {MOST_CHARACTERS} are summarized")
    found = [sentence for paragraph in re.split(r"\n\s*\n", text) for sentence in cut(" ".join(paragraph.split()))]
    if not found:
        raise Refused("The text has no word")
    if len(found) > MOST_SENTENCES:
        raise Refused(f"The text has {len(found)} sentences; at most {MOST_SENTENCES} are summarized")
    return found


def text_of(payload):
    if isinstance(payload, bytes):
        try:
            return payload.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise Refused(f"The text is not UTF-8: {error}") from None
    if isinstance(payload, dict) and isinstance(payload.get("text"), str):
        return payload["text"]
    raise Refused('Send a text with the content type text/plain, or {"text": "…"}')


def cut(paragraph):
    """The sentences of a paragraph without line breaks."""
    begin = 0
    for end in END.finditer(paragraph):
        # The longest abbreviation has six characters, and a word may end before it.
        if ABBREVIATION.search(paragraph[max(begin, end.start() - 7) : end.start()]):
            continue
        yield paragraph[begin : end.end(1)]
        begin = end.end()
    if re.search(r"\w", paragraph[begin:]):
        yield paragraph[begin:]
