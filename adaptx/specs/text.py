"""Framing through text: how a row becomes a prompt for a language model, and how the model's answer is read."""

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
    """The length by which a candidate's log-likelihood is divided before candidates are compared."""

    NONE = "nothing"
    TOKENS = "its tokens"
    CHARACTERS = "its characters"


@spec
class Rank:
    """Decision by ranking: the answer is the candidate with the highest log-likelihood after the prompt.

    Attributes:
        normalisation: the length by which log-likelihoods are divided. `NONE` and `CHARACTERS` give `acc` and
            `acc_norm` of the lm-evaluation-harness, if `end` is False.
        end: whether the end-of-text token counts as part of a candidate. None is True for models that were trained with
            a `Text` framing, and so have learned to end their answers, and False for all others.
    """

    normalisation: Normalisation = Normalisation.NONE
    end: bool | None = None


@spec
class Generate:
    """Decision by greedy generation: the most probable next token is written until the answer ends."""


Decision = Rank | Generate


@spec
class Prompt:
    """The text that a row becomes, and the words that stand for its labels.

    Attributes:
        template: text with roles of the format in braces, such as `{text}`. Literal braces are doubled.
        answers: pairs (label, words that stand for it). Leave it empty if labels are their own words, or if the rows
            hold the answers.
        separator: text between prompt and answer, for decoders.
        no_answer: answer to a question that has none.
        by_language: pairs (language, prompt) for languages in which another prompt replaces this one.
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
            raise UserError(f"{name}: {error}; close each brace, and double a brace that is text: {{{{") from error
        for _, role, form, conversion in parts:
            if role is not None and (not role.isidentifier() or form or conversion):
                raise UserError(
                    f"{name}: {{{role}}} is not the name of a role; write the name alone in the braces, without a "
                    "format, such as {text}"
                )
        if not self.roles:
            raise UserError(f"{name}: it shows no part of a row; write a role in braces: {{text}}")
        words = [words for _, words in self.answers]
        if len(set(words)) != len(words) or len(dict(self.answers)) != len(words) or not all(words):
            raise UserError(
                f"Prompt(answers={self.answers}): a label is given twice, has no words, or has the same words as "
                "another label; give each label once, with words of its own"
            )
        languages = [language for language, _ in self.by_language]
        if len(set(languages)) != len(languages) or any(prompt.by_language for _, prompt in self.by_language):
            raise UserError(
                f"Prompt(by_language=...) names {', '.join(languages)}: a language is named twice, or its prompt has a "
                "by_language too; give each language one prompt, without by_language"
            )

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles in the template, in order."""
        return tuple(role for _, role, _, _ in string.Formatter().parse(self.template) if role is not None)

    @property
    def tail(self) -> str:
        """The text after the last role of the template."""
        literal, role, _, _ = list(string.Formatter().parse(self.template))[-1]
        return literal if role is None else ""

    def words(self, label: str) -> str:
        """Return the words that stand for a label."""
        return dict(self.answers).get(label, label)

    def in_language(self, language: str) -> "Prompt":
        """Return the prompt that replaces this one for a language, or else this one. `""` is an unknown language."""
        return dict(self.by_language).get(language) or replace(self, by_language=())


@spec
class Text:
    """Framing through text: an encoder-decoder or decoder reads a prompt, and writes the answer or ranks candidates.

    Attributes:
        prompt: how a row is written.
        decision: `Rank` or `Generate`.
        chat: whether the prompt becomes the user's turn in the checkpoint's chat template. The answer is then the
            model's turn, and the prompt's separator is not written.
        answer_tokens: maximum number of tokens of an answer in training and generation, with its end-of-text token.
    """

    prompt: Prompt
    decision: Decision = Rank()
    chat: bool = False
    answer_tokens: Annotated[int, Within(least=2)] = 32

    def with_end(self, taught: bool) -> "Text":
        """Return the framing with `taught` in place of a `Rank`'s `end=None`.

        `taught` says whether the model was trained with a `Text` framing, and so has learned to end its answers.
        """
        if not isinstance(self.decision, Rank) or self.decision.end is not None:
            return self
        return replace(self, decision=replace(self.decision, end=taught))

    def read_in(self, languages: Iterable[str]) -> "Text":
        """Return the framing without its prompts for languages that are not in `languages`.

        If only one language is given and it has a prompt of its own, this becomes the prompt of the framing.
        """
        prompt, wanted = self.prompt, sorted(set(languages))
        if len(wanted) == 1:
            return replace(self, prompt=prompt.in_language(wanted[0]))
        kept = tuple(pair for pair in prompt.by_language if pair[0] in wanted)
        return replace(self, prompt=replace(prompt, by_language=kept))


Framing = Hidden | Text
