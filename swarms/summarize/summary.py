"""Chooses the sentences that are most like the others: LexRank (Erkan and Radev, 2004), without near repetitions."""
import collections
import math
import operator
import os
import re

from waggle import register_bee

SENTENCES = int(os.environ.get("SENTENCES", "3"))
MOST_ALIKE = 0.6
DAMPING = 0.85
ROUNDS = 30
STOP_WORDS = frozenset(
    "a about after all also an and are as at be been but by can could did do does for from had has have he her his how if in into is it its "
    "more most no not of on one only or other our out she so some such than that the their them then there these they this those to up was we "
    "were what when which while who will with would you your".split()
)


@register_bee(name="summary")
def summary(sentences):
    vectors = weighted(sentences)
    likeness = [[cosine(one, other) for other in vectors] for one in vectors]
    scores = rank(likeness)
    chosen = []
    for at in sorted(range(len(sentences)), key=lambda at: (-scores[at], at)):
        if len(chosen) < SENTENCES and all(likeness[at][other] < MOST_ALIKE for other in chosen):
            chosen.append(at)
    chosen.sort()
    return {"summary": " ".join(sentences[at] for at in chosen), "chosen": [at + 1 for at in chosen], "sentences": len(sentences)}


def weighted(sentences):
    """For each sentence the weight of its words (TF-IDF), as a vector of the length 1."""
    counts = [collections.Counter(word for word in re.findall(r"\w+", sentence.lower()) if word not in STOP_WORDS) for sentence in sentences]
    within = collections.Counter(word for count in counts for word in count)
    vectors = []
    for count in counts:
        vector = {word: times * (1 + math.log(len(sentences) / within[word])) for word, times in count.items()}
        length = math.sqrt(sum(weight * weight for weight in vector.values())) or 1.0
        vectors.append({word: weight / length for word, weight in vector.items()})
    return vectors


def cosine(one, other):
    return sum(weight * other.get(word, 0.0) for word, weight in one.items())


def rank(likeness):
    """The part of the time that a walk from sentence to similar sentence spends at each."""
    count = len(likeness)
    # Likeness is symmetric, so a row is a column too. The likeness of a sentence to itself does not count.
    rows = [[0.0 if at == other else value for other, value in enumerate(row)] for at, row in enumerate(likeness)]
    totals = [sum(row) or 1.0 for row in rows]
    scores = [1 / count] * count
    for _ in range(ROUNDS):
        parts = [score / total for score, total in zip(scores, totals)]
        scores = [(1 - DAMPING) / count + DAMPING * sum(map(operator.mul, parts, row)) for row in rows]
    return scores
