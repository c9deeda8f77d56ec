"""Answers that repeat a sentence's words, each followed by its tag, as token ids.

While the model writes such an answer, the words are given, and only the tags are chosen. A tag is chosen token by token
among the token sequences of all tags, so every word gets exactly one tag (constrained decoding, as in De Cao et al.
2021, arXiv:2010.00904, section 3.2).
"""

from collections.abc import Sequence
from dataclasses import dataclass

Tokens = tuple[int, ...]


@dataclass(frozen=True)
class Tags:
    """For each label, the token ids of its words in an answer, such as those of "person" for `PER`."""

    ids: tuple[Tokens, ...]

    def __post_init__(self) -> None:
        assert all(self.ids) and len(set(self.ids)) == len(self.ids)

    @property
    def longest(self) -> int:
        """The number of tokens of the longest tag."""
        return max(map(len, self.ids))

    def following(self, begun: Tokens) -> list[int]:
        """Return the tokens that may continue a tag whose written part is `begun`."""
        going_on = (each for each in self.ids if len(each) > len(begun) and each[: len(begun)] == begun)
        return list(dict.fromkeys(each[len(begun)] for each in going_on))

    def is_whole(self, begun: Tokens) -> bool:
        return begun in self.ids


@dataclass(frozen=True)
class TaggedAnswer:
    """An answer to train on, as token ids. learned: the positions of the tokens that count in the loss."""

    ids: list[int]
    learned: list[int]


def tagged_answer(words: Sequence[Tokens], chosen: Sequence[int], tags: Tags, end: int) -> TaggedAnswer:
    """Return the answer in which each word is followed by its tag.

    words: token ids of each word. chosen: the index of each word's tag. end: the end token. The token after a tag is
    learned only if a longer tag, such as `B-PER-X` for `B-PER`, begins with this tag. The model then has to choose it.
    """
    ids: list[int] = []
    learned: list[int] = []
    for word, tag in zip(words, chosen, strict=True):
        ids += word
        learned += range(len(ids), len(ids) + len(tags.ids[tag]))
        ids += tags.ids[tag]
        if tags.following(tags.ids[tag]):
            learned.append(len(ids))
    return TaggedAnswer([*ids, end], learned)


class TaggingRule:
    """The state of one answer while it is written: which tokens may follow, and which tags have been chosen.

    chosen: the tags that are complete, as indices into the labels, in the order of the words.
    """

    def __init__(self, words: Sequence[Tokens], tags: Tags, end: int) -> None:
        self.chosen: list[int] = []
        self._words, self._tags, self._end = words, tags, end
        self._given: list[int] = []
        self._begun: Tokens = ()
        self._next_word()

    def allowed(self) -> Sequence[int]:
        """Return the tokens that may come next. The sequence is empty once every word has its tag."""
        if self._given:
            return self._given[:1]
        if len(self.chosen) == len(self._words):
            return ()
        further = self._tags.following(self._begun)
        if not self._tags.is_whole(self._begun):
            return further
        return further if self._token_after_tag in further else [*further, self._token_after_tag]

    def follow(self, token: int) -> None:
        """Record that `token`, which must be allowed, was written next."""
        if self._given:
            self._given.pop(0)
            return
        if token not in self._tags.following(self._begun):
            # The token does not continue the tag, so the tag has ended, and this is the first token of the next word or
            # the end token.
            self._finish_tag()
            self._given = self._given[1:]
            return
        self._begun = (*self._begun, token)
        if self._tags.is_whole(self._begun) and not self._tags.following(self._begun):
            self._finish_tag()

    @property
    def _token_after_tag(self) -> int:
        place = len(self.chosen) + 1
        if place == len(self._words):
            return self._end
        return self._words[place][0]

    def _finish_tag(self) -> None:
        self.chosen.append(self._tags.ids.index(self._begun))
        self._begun = ()
        self._next_word()

    def _next_word(self) -> None:
        if len(self.chosen) < len(self._words):
            self._given = list(self._words[len(self.chosen)])
