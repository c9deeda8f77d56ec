"""Answers that repeat a sentence's words, each with its tag behind it, as token ids.

While such an answer is written, words are given and a tag is chosen token by token among the labels' words, so there is
always one tag a word (as constrained decoding in De Cao et al. 2021, arXiv:2010.00904, section 3.2).
"""

from collections.abc import Sequence
from dataclasses import dataclass

Tokens = tuple[int, ...]


@dataclass(frozen=True)
class Tags:
    """Token ids of each label's words, in the labels' order."""

    ids: tuple[Tokens, ...]

    def __post_init__(self) -> None:
        assert all(self.ids) and len(set(self.ids)) == len(self.ids)

    @property
    def longest(self) -> int:
        return max(map(len, self.ids))

    def following(self, begun: Tokens) -> list[int]:
        """Tokens that go on a tag that was begun so."""
        going_on = (each for each in self.ids if len(each) > len(begun) and each[: len(begun)] == begun)
        return list(dict.fromkeys(each[len(begun)] for each in going_on))

    def ends(self, begun: Tokens) -> bool:
        """Whether it is a tag already."""
        return begun in self.ids


@dataclass(frozen=True)
class TaggedAnswer:
    """An answer that is trained on. learned: places of its tokens that are chosen, not given."""

    ids: list[int]
    learned: list[int]


def tagged_answer(words: Sequence[Tokens], chosen: Sequence[int], tags: Tags, end: int) -> TaggedAnswer:
    """The words with their tags. The token behind a tag is learned where another tag goes on from this one."""
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
    """Which tokens may follow while a sentence's words are tagged one after the other."""

    def __init__(self, words: Sequence[Tokens], tags: Tags, end: int) -> None:
        self.chosen: list[int] = []
        self._words, self._tags, self._end = words, tags, end
        self._given: list[int] = []
        self._begun: Tokens = ()
        self._next_word()

    def allowed(self) -> Sequence[int]:
        """None once every word has its tag."""
        if self._given:
            return self._given[:1]
        if len(self.chosen) == len(self._words):
            return ()
        further = self._tags.following(self._begun)
        if not self._tags.ends(self._begun):
            return further
        return further if self._behind in further else [*further, self._behind]

    def follow(self, token: int) -> None:
        if self._given:
            self._given.pop(0)
            return
        if token not in self._tags.following(self._begun):
            # The tag had ended: this is the first token of the next word, or the end.
            self._close()
            self._given = self._given[1:]
            return
        self._begun = (*self._begun, token)
        if self._tags.ends(self._begun) and not self._tags.following(self._begun):
            self._close()

    @property
    def _behind(self) -> int:
        """What follows if the tag ends here: the next word, or the end."""
        place = len(self.chosen) + 1
        if place == len(self._words):
            return self._end
        return self._words[place][0]

    def _close(self) -> None:
        self.chosen.append(self._tags.ids.index(self._begun))
        self._begun = ()
        self._next_word()

    def _next_word(self) -> None:
        if len(self.chosen) < len(self._words):
            self._given = list(self._words[len(self.chosen)])
