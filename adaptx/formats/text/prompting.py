"""Rows to token ids: prompts cut where they are too long, and answers split off exactly where the prompt ends."""

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
"""Texts that were cut are seldom as many tokens as before in the whole prompt: so often it is tried again."""
_MARK = "\uf8ff"
_ANCHOR = "a"

Fields = Mapping[str, str]


@dataclass(frozen=True)
class EncodedPrompts:
    """Prompts as they are read, and as texts that were not cut."""

    encoded: Encoding
    texts: list[str]


def prompts_of(examples: Examples, text: Text) -> list[Prompt]:
    """The prompt of each row, by its language."""
    languages = examples.languages or ("",) * len(examples)
    chosen = {language: text.prompt.in_language(language) for language in set(languages)}
    return [chosen[language] for language in languages]


def encode_prompts(
    prompts: Sequence[Prompt], fields: Sequence[Fields], room: Sequence[int], reading: Reading
) -> EncodedPrompts:
    """Each row's prompt in at most so many tokens. Where it would be longer, the ends of its longest texts are cut off.

    Raises:
        UserError: a template that leaves no room for its texts; no template of a conversation where one is asked for.
    """
    tokenizer = reading.tokenizer
    texts = [prompt.template.format_map(each) for prompt, each in zip(prompts, fields, strict=True)]
    ids = _tokens(texts, reading)
    too_long = [row for row, each in enumerate(ids) if len(each) > room[row]]
    for row in too_long:
        ids[row] = _cut(prompts[row], fields[row], room[row], len(ids[row]), reading)
    padding = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    return EncodedPrompts(Encoding(ids, None, padding, len(too_long)), texts)


def with_cut(prompted: EncodedPrompts, answers: int) -> EncodedPrompts:
    """The same where so many answers were cut too."""
    encoded = replace(prompted.encoded, truncated=prompted.encoded.truncated + answers)
    return replace(prompted, encoded=encoded)


def answer_tokens(prompt: Prompt, answers: Sequence[str], reading: Reading, ended: bool = True) -> list[list[int]]:
    """Token ids of answers as they follow the prompt, with the end of the answer where it is `ended`.

    Raises:
        UserError: an answer without tokens, or one whose beginning the tokenizer joins with the prompt's end.
    """
    tokenizer = reading.tokenizer
    end = [tokenizer.eos_token_id] if ended else []
    if reading.writes:
        found = _plain(tokenizer, answers)
    else:
        # All prompts end alike, so the boundary can be looked at without the row.
        before = _chat_parts(tokenizer)[1] if reading.text.chat else prompt.tail
        separator = "" if reading.text.chat else prompt.separator
        first = _plain(tokenizer, [before])[0]
        found = []
        for answer, whole in zip(answers, _plain(tokenizer, [before + separator + a for a in answers]), strict=True):
            if whole[: len(first)] != first:
                raise UserError(
                    f"the tokenizer joins the end of the prompt {before!r} with the beginning of the answer "
                    f"{separator + answer!r}: let the template end without space, and the separator begin with it"
                )
            found.append(whole[len(first) :])
    empty = next((answer for answer, ids in zip(answers, found, strict=True) if not ids), None)
    if empty is not None:
        raise UserError(f"the tokenizer makes nothing of the answer {empty!r}; give Prompt(answers=...) other words")
    return [[*ids, *end] for ids in found]


def room_for_prompts(reserved: Sequence[int], reading: Reading) -> list[int]:
    """Most tokens of each prompt beside answers of so many; an encoder-decoder's answers stand apart."""
    return [reading.max_length - (0 if reading.writes else tokens) for tokens in reserved]


@cache
def _chat_parts(tokenizer: Any) -> tuple[str, str]:
    """What the checkpoint's template of a conversation writes before and behind what the user says."""
    if not getattr(tokenizer, "chat_template", None):
        raise UserError("Text(chat=True): the checkpoint's tokenizer has no template of a conversation; use chat=False")
    turns = [{"role": "user", "content": _MARK}]
    before, _, behind = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True).partition(
        _MARK
    )
    return before, behind


def _tokens(texts: Sequence[str], reading: Reading) -> list[list[int]]:
    """With the special tokens that the tokenizer puts around, or what a conversation has; a decoder goes on there."""
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
    # An answer is predicted behind some token of the prompt.
    return [ids or [empty_id(tokenizer)] for ids in found]


def tokens_between(texts: Sequence[str], reading: Reading) -> list[list[int]]:
    """Token ids of texts as they stand behind a word and a space.

    Raises:
        UserError: the tokenizer joins them with the word.
    """
    tokenizer = reading.tokenizer
    first = _plain(tokenizer, [_ANCHOR])[0]
    found: list[list[int]] = []
    for text, whole in zip(texts, _plain(tokenizer, [f"{_ANCHOR} {text}" for text in texts]), strict=True):
        if whole[: len(first)] != first:
            raise UserError(
                f"the tokenizer joins {text!r} with the word before it: such words cannot be tagged as text"
            )
        found.append(whole[len(first) :])
    return found


def _plain(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    if not texts:
        return []
    return tokenizer(list(texts), add_special_tokens=False, return_attention_mask=False, verbose=False)["input_ids"]


def _cut(prompt: Prompt, fields: Fields, room: int, length: int, reading: Reading) -> list[int]:
    """The longest texts lose their ends until the prompt fits."""
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
        kept = _shorter(kept, length - room)
        shown = {role: fields[role][: ends[role][count]] for role, count in kept.items()}
        ids = _tokens([prompt.template.format_map({**fields, **shown})], reading)[0]
        if len(ids) <= room:
            return ids
        length = len(ids)
    raise UserError(
        f"prompts of at most {room} tokens leave no room for a row's texts in {prompt.template!r}; raise "
        f"TrainConfig(max_length={reading.max_length}), or shorten the template or the answers"
    )


def _shorter(kept: Mapping[str, int], excess: int) -> dict[str, int]:
    """The counts less `excess` in all, taken from the largest, so that the larger ones become alike."""
    counts = dict(kept)
    for _ in range(excess):
        longest = max(counts, key=counts.__getitem__)
        if not counts[longest]:
            break
        counts[longest] -= 1
    return counts
