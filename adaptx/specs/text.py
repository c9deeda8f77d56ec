"""The framing through text: what a language model reads of a row, and how its answer is taken."""

import enum
import string
from collections.abc import Iterable
from dataclasses import KW_ONLY, replace
from typing import Annotated

from adaptx.errors import UserError
from adaptx.specs.checked import spec
from adaptx.specs.model import Hidden
from adaptx.specs.ranges import Within, Word


class Normalisation(enum.Enum):
    """What the log-likelihood of a candidate is divided by before candidates are compared."""

    NONE = "nothing"
    TOKENS = "its tokens"
    CHARACTERS = "its characters"


@spec
class Rank:
    """Choose among candidates by their log-likelihood behind the prompt.

    end: whether the token that ends an answer counts as one of its tokens. None: it does for a model that was trained
    as text, which taught it to end its answers, and does not for any other, such as a bare checkpoint. Without it,
    `NONE` and `CHARACTERS` are `acc` and `acc_norm` of the lm-evaluation-harness.
    """

    normalisation: Normalisation = Normalisation.NONE
    end: bool | None = None


@spec
class Generate:
    """Write the likeliest token again and again until the answer ends."""


Decision = Rank | Generate


@spec
class Prompt:
    """What a row is written as, and in which words it is answered.

    template: a text with roles of the format in braces, `{text}`; braces themselves are doubled. answers: pairs (label,
    words that stand for it); empty where labels stand for themselves, and where rows bring their answers. separator:
    what a decoder reads between prompt and answer. no_answer: what stands for the answer of a question without one.
    by_language: (language, the prompt used there instead).
    """

    template: Word
    answers: tuple[tuple[str, str], ...] = ()
    _: KW_ONLY
    separator: str = " "
    no_answer: str = "unanswerable"
    by_language: tuple[tuple[str, "Prompt"], ...] = ()

    def __post_init__(self) -> None:
        name = f"Prompt(template={self.template!r})"
        try:
            parts = list(string.Formatter().parse(self.template))
        except ValueError as error:
            raise UserError(f"{name}: {error}; close each brace, and double one that is meant as text: {{{{") from error
        for _, role, form, conversion in parts:
            if role is not None and (not role.isidentifier() or form or conversion):
                raise UserError(f"{name}: write a role's name alone in braces, not {{{role}}}")
        if not self.roles:
            raise UserError(f"{name}: it shows nothing of a row; write a role in braces: {{text}}")
        words = [words for _, words in self.answers]
        if len(set(words)) != len(words) or len(dict(self.answers)) != len(words) or not all(words):
            raise UserError(f"Prompt(answers={self.answers}): give each label once, with words of its own")
        languages = [language for language, _ in self.by_language]
        if len(set(languages)) != len(languages) or any(prompt.by_language for _, prompt in self.by_language):
            raise UserError(f"Prompt(by_language=...): give each of {', '.join(languages)} one prompt, without others")

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles of a row that it shows, in order."""
        return tuple(role for _, role, _, _ in string.Formatter().parse(self.template) if role is not None)

    @property
    def tail(self) -> str:
        """What it ends with behind the last role."""
        literal, role, _, _ = list(string.Formatter().parse(self.template))[-1]
        return literal if role is None else ""

    def words(self, label: str) -> str:
        """What stands for a label."""
        return dict(self.answers).get(label, label)

    def in_language(self, language: str) -> "Prompt":
        """The prompt for rows of a language; an unknown one (`""`) has the common prompt."""
        return dict(self.by_language).get(language) or replace(self, by_language=())


@spec
class Text:
    """Framing through text: an encoder-decoder or a decoder reads a prompt, and writes or ranks the answer.

    decision: how an answer is taken. chat: the prompt is put into the checkpoint's own template of a conversation, as
    what the user says; the answer is the model's turn, without separator. answer_tokens: the longest answer that is
    trained on or generated, its end included.
    """

    prompt: Prompt
    decision: Decision = Rank()
    chat: bool = False
    answer_tokens: Annotated[int, Within(least=2)] = 32

    def with_end(self, taught: bool) -> "Text":
        """Return the framing with `Rank(end=None)` decided: the end of an answer counts if `taught`."""
        if not isinstance(self.decision, Rank) or self.decision.end is not None:
            return self
        return replace(self, decision=replace(self.decision, end=taught))

    def read_in(self, languages: Iterable[str]) -> "Text":
        """The same as it reads rows of these languages: prompts of others are left out."""
        prompt, wanted = self.prompt, sorted(set(languages))
        if len(wanted) == 1:
            return replace(self, prompt=prompt.in_language(wanted[0]))
        kept = tuple(pair for pair in prompt.by_language if pair[0] in wanted)
        return replace(self, prompt=replace(prompt, by_language=kept))


Framing = Hidden | Text
