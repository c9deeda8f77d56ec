"""Encode prompts and answers as token ids.

Prompts that are too long are cut. A decoder's answers are encoded as they stand after the prompt, such as " yes".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from adaptx.backbones.batching import Encoding, empty_id
from adaptx.data.examples import Examples
from adaptx.errors import UserError
from adaptx.formats.interface import Reading
from adaptx.specs import Prompt, Text

CUTTINGS = 8
"""Maximum number of attempts to cut a prompt. A cut text may get other tokens, so one cut may not suffice."""
_MARK = "\uf8ff"
_ANCHOR = "a"

Fields = Mapping[str, str]


@dataclass(frozen=True)
class EncodedPrompts:
    """Prompts in two forms: as token ids, cut to the maximum number of tokens, and as uncut texts."""

    encoded: Encoding
    texts: list[str]


def prompts_of(examples: Examples, text: Text) -> list[Prompt]:
    """Return the prompt of each row, which depends on the row's language."""
    languages = examples.languages or ("",) * len(examples)
    chosen = {language: text.prompt.in_language(language) for language in set(languages)}
    return [chosen[language] for language in languages]


def encode_prompts(
    prompts: Sequence[Prompt], fields: Sequence[Fields], room: Sequence[int], reading: Reading
) -> EncodedPrompts:
    """Encode the prompt of each row. If a prompt is too long, the ends of the longest texts in it are cut off.

    fields: for each row, the texts that fill the prompt's template, by role, such as {"text": "A good film."}. room:
    the maximum number of tokens of each row's prompt.

    Raises:
        UserError: a template leaves no room for its texts, or the framing has `chat` and the tokenizer has no chat
            template.
    """
    tokenizer = reading.tokenizer
    texts = [prompt.template.format_map(each) for prompt, each in zip(prompts, fields, strict=True)]
    ids = _prompt_tokens(texts, reading)
    too_long = [row for row, each in enumerate(ids) if len(each) > room[row]]
    for row in too_long:
        ids[row] = _cut_prompt(prompts[row], fields[row], room[row], len(ids[row]), reading)
    padding = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    return EncodedPrompts(Encoding(ids, None, padding, len(too_long)), texts)


def with_cut(prompted: EncodedPrompts, answers: int) -> EncodedPrompts:
    """Return the prompts, with `answers` (the number of cut answers) added to their count of truncated rows."""
    encoded = replace(prompted.encoded, truncated=prompted.encoded.truncated + answers)
    return replace(prompted, encoded=encoded)


def answer_tokens(prompt: Prompt, answers: Sequence[str], reading: Reading, ended: bool = True) -> list[list[int]]:
    """Return the token ids that answers have when they follow the prompt.

    An encoder-decoder's answers are tokenised alone. A decoder's answers continue the prompt, and a word after a space
    has other tokens than the word alone, so they are tokenised together with the end of the prompt.

    ended: whether the end token is added to each answer.

    Raises:
        UserError: an answer has no tokens, or the tokenizer joins its beginning with the prompt's end into one token.
    """
    tokenizer = reading.tokenizer
    end = [tokenizer.eos_token_id] if ended else []
    if reading.writes:
        found = _bare_tokens(tokenizer, answers)
    else:
        # The end of a prompt is the same for all rows, so the boundary can be found without a row's texts.
        before = _chat_parts(tokenizer)[1] if reading.text.chat else prompt.tail
        separator = "" if reading.text.chat else prompt.separator
        first = _bare_tokens(tokenizer, [before])[0]
        found = []
        for answer, whole in zip(
            answers, _bare_tokens(tokenizer, [before + separator + a for a in answers]), strict=True
        ):
            if whole[: len(first)] != first:
                raise UserError(
                    f"the tokenizer joins the end of the prompt {before!r} with the beginning of the answer "
                    f"{separator + answer!r} into one token, so the answer has no tokens of its own; remove the space "
                    "at the end of the template, and begin the separator with a space"
                )
            found.append(whole[len(first) :])
    empty = next((answer for answer, ids in zip(answers, found, strict=True) if not ids), None)
    if empty is not None:
        raise UserError(f"the tokenizer has no tokens for the answer {empty!r}; use other words in Prompt(answers=...)")
    return [[*ids, *end] for ids in found]


def room_for_prompts(reserved: Sequence[int], reading: Reading) -> list[int]:
    """Return the maximum number of tokens of each prompt, if `reserved` tokens are kept free for its answers.

    An encoder-decoder needs no free tokens, because its answers are in a sequence of their own.
    """
    return [reading.max_length - (0 if reading.writes else tokens) for tokens in reserved]


@cache
def _chat_parts(tokenizer: Any) -> tuple[str, str]:
    """Return the texts that the checkpoint's chat template puts before and after the user's message."""
    if not getattr(tokenizer, "chat_template", None):
        raise UserError("Text(chat=True): the checkpoint's tokenizer has no chat template; use chat=False")
    turns = [{"role": "user", "content": _MARK}]
    before, _, behind = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True).partition(
        _MARK
    )
    return before, behind


def _prompt_tokens(texts: Sequence[str], reading: Reading) -> list[list[int]]:
    """Return the token ids of prompts, with the tokenizer's special tokens or inside the chat template.

    An end token is removed from a decoder's prompts, because the model has to continue them.
    """
    tokenizer = reading.tokenizer
    before, behind = _chat_parts(tokenizer) if reading.text.chat else ("", "")
    found: list[list[int]] = tokenizer(
        [before + text + behind for text in texts],
        add_special_tokens=not reading.text.chat,
        return_attention_mask=False,
        verbose=False,
    )["input_ids"]
    if not reading.writes:
        found = [ids[:-1] if ids[-1:] == [tokenizer.eos_token_id] else ids for ids in found]
    # The first token of an answer is predicted from the last token of the prompt, so a prompt needs at least one.
    return [ids or [empty_id(tokenizer)] for ids in found]


def tokens_between(texts: Sequence[str], reading: Reading) -> list[list[int]]:
    """Return the token ids that each text has inside a sentence, after a word and a space.

    Raises:
        UserError: the tokenizer joins a text with the word before it.
    """
    tokenizer = reading.tokenizer
    first = _bare_tokens(tokenizer, [_ANCHOR])[0]
    found: list[list[int]] = []
    for text, whole in zip(texts, _bare_tokens(tokenizer, [f"{_ANCHOR} {text}" for text in texts]), strict=True):
        if whole[: len(first)] != first:
            raise UserError(
                f"the tokenizer joins {text!r} with the word before it, so words and tags cannot be told apart; use "
                "the framing Hidden, or another checkpoint"
            )
        found.append(whole[len(first) :])
    return found


def _bare_tokens(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    if not texts:
        return []
    return tokenizer(list(texts), add_special_tokens=False, return_attention_mask=False, verbose=False)["input_ids"]


def _cut_prompt(prompt: Prompt, fields: Fields, room: int, length: int, reading: Reading) -> list[int]:
    """Cut the ends of a prompt's longest texts until the prompt has at most `room` tokens, and return its token ids.

    length: the number of tokens of the uncut prompt.

    Raises:
        UserError: the prompt does not fit after `CUTTINGS` attempts.
    """
    output: Any = reading.tokenizer(
        [fields[role] for role in prompt.roles],
        add_special_tokens=False,
        return_offsets_mapping=True,
        verbose=False,
    )
    ends = {
        role: [0, *(end for _, end in offsets)]
        for role, offsets in zip(prompt.roles, output["offset_mapping"], strict=True)
    }
    kept = {role: len(each) - 1 for role, each in ends.items()}
    for _ in range(CUTTINGS):
        kept = _largest_reduced(kept, length - room)
        shown = {role: fields[role][: ends[role][count]] for role, count in kept.items()}
        ids = _prompt_tokens([prompt.template.format_map({**fields, **shown})], reading)[0]
        if len(ids) <= room:
            return ids
        length = len(ids)
    raise UserError(
        f"prompts of at most {room} tokens leave no room for a row's texts in the template {prompt.template!r}; raise "
        f"max_length (now {reading.max_length}) in TrainConfig, or shorten the template or the answers"
    )


def _largest_reduced(kept: Mapping[str, int], excess: int) -> dict[str, int]:
    """Subtract `excess` from the counts in steps of 1, each time from the largest count. No count falls below 0."""
    counts = dict(kept)
    for _ in range(excess):
        longest = max(counts, key=counts.__getitem__)
        if not counts[longest]:
            break
        counts[longest] -= 1
    return counts
