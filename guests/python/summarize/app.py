"""summarize: the sentences of a text that carry most of its words, and the text's checksum from the function `checksum`.

Input: {"text": "…", "sentences": 2}.
"""

import re
from collections import Counter

import org_ai
from org_ai import actions, context, events, worker

STOP_WORDS = {"a", "an", "and", "are", "as", "at", "be", "by", "for", "in", "is", "it", "of", "on", "or", "that", "the", "to", "was", "with"}


@org_ai.code
def WitWorld(input):
    text, count = input.get("text", ""), input.get("sentences", 2)
    if not text.strip():
        raise org_ai.invalid("text is empty")
    summary = " ".join(best_sentences(text, count))
    checksum = actions.try_("checksum", {"text": text})
    me = context.get()
    print(f"{len(text)} characters became {len(summary)} for {me.actor}")
    events.emit("Text.summarized", {"characters": len(text), "crc32": checksum["crc32"]})
    return {"summary": summary, "crc32": checksum["crc32"], "title": title(summary)}


def best_sentences(text, count):
    sentences = re.split(r"(?<=[.!?])\s+", text.strip())
    weights = Counter(words(text))

    def weight(sentence):
        found = words(sentence)
        return sum(weights[word] for word in found) / (len(found) or 1)

    best = sorted(range(len(sentences)), key=lambda i: -weight(sentences[i]))[:count]
    return [sentences[i] for i in sorted(best)]


def words(text):
    return [word for word in re.findall(r"\w+", text.lower()) if word not in STOP_WORDS]


def title(summary):
    """By somebody, where there is somebody; else the beginning."""
    try:
        return worker.ask("A title of at most six words for: " + summary)["text"]
    except org_ai.Fault as fault:
        if not fault.is_unavailable:
            raise
        context.log("warn", f"nobody to ask: {fault.message}")
        return " ".join(summary.split()[:6])
