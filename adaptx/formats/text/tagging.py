"""Tagging as text to text: the answer repeats the words, each followed by its tag (`tagged_words.py`).

A sentence that does not fit together with its answer is cut between words into pieces. The pieces are tagged separately
and joined again. Tags are chosen greedily from the first word to the last, so the chosen sequence of tags need not be
the likeliest sequence.
"""

from dataclasses import dataclass, replace

from adaptx.backbones.choosing import greedy
from adaptx.data.examples import Examples
from adaptx.errors import UserError
from adaptx.formats.interface import (
    Answers,
    Format,
    FormatTraining,
    Inputs,
    Items,
    Model,
    Pass,
    Piece,
    Predictions,
    Reading,
    one_sequence_each,
)
from adaptx.formats.text.answering import LOSS, answered
from adaptx.formats.text.prompting import EncodedPrompts, encode_prompts, prompts_of, room_for_prompts, tokens_between
from adaptx.formats.text.tagged_words import TaggedAnswer, TaggingRule, Tags, Tokens, tagged_answer
from adaptx.specs import Prompt, Tagging


@dataclass(frozen=True)
class _WordPiece:
    """Neighbouring words of one sentence, with the tags that they can get.

    sentence: the index of the sentence. first: the position of the piece's first word in the sentence. words: token ids
    of each word.
    """

    sentence: int
    first: int
    words: list[Tokens]
    tags: Tags

    @property
    def most_tokens(self) -> int:
        """The maximum number of tokens of the answer, including the end token."""
        return sum(map(len, self.words)) + len(self.words) * self.tags.longest + 1


def items(examples: Examples, task_format: Tagging, reading: Reading) -> Items:
    """Return one item per piece. Only the tags of its answer are learned, because the words are given."""
    pieces, prompts = _encode(examples, task_format, reading)
    place = {label: index for index, label in enumerate(task_format.labels)}
    answers: list[TaggedAnswer] = []
    for piece in pieces:
        tags = examples.columns["tags"][piece.sentence][piece.first : piece.first + len(piece.words)]
        chosen = [place[tag] for tag in tags]
        answers.append(tagged_answer(piece.words, chosen, piece.tags, reading.tokenizer.eos_token_id))
    return answered(prompts.encoded, [answer.ids for answer in answers], [answer.learned for answer in answers])


def encode(examples: Examples, task_format: Tagging, reading: Reading) -> Inputs:
    """Encode a prompt for each piece, whose words are then tagged."""
    pieces, prompts = _encode(examples, task_format, reading)
    one = Pass(one_sequence_each(prompts.encoded, list(pieces)), chosen_tags, [piece.most_tokens for piece in pieces])
    return Inputs((one,), [prompts.encoded], prompts.texts)


def chosen_tags(model: Model, piece: Piece) -> list[list[int]]:
    """Choose tags, and return for each piece the tag of each word, as an index into the labels."""
    pieces: list[_WordPiece] = piece.targets
    end = model.reading.tokenizer.eos_token_id
    rules = [TaggingRule(each.words, each.tags, end) for each in pieces]
    most = max(each.most_tokens for each in pieces)
    greedy(model.backbone.network, piece.ids, most, end, piece.device, rules)
    return [rule.chosen for rule in rules]


def decode(answers: Answers) -> Predictions:
    """Predict the tag of each word, as a list of tag names per sentence."""
    labels, examples, (tags_of,) = answers.model.format.labels, answers.examples, answers.values
    predictions: list[list[str]] = [[] for _ in range(len(examples))]
    # The pieces of a sentence are in order, so appending their tags joins them again.
    for piece, chosen in zip(answers.inputs.passes[0].items.targets, tags_of, strict=True):
        predictions[piece.sentence] += [labels[tag] for tag in chosen]
    sentences: list[list[str]] = examples.columns["tokens"]
    records = [{"tokens": words, "tags": tags} for words, tags in zip(sentences, predictions, strict=True)]
    return Predictions(
        predictions=predictions,
        golds=examples.columns.get("tags"),
        rows=examples.rows,
        inputs=answers.inputs,
        records=records,
    )


def _encode(examples: Examples, task_format: Tagging, reading: Reading) -> tuple[list[_WordPiece], EncodedPrompts]:
    """Cut the sentences into pieces, and encode a prompt with the words of each piece."""
    variants, sentences = prompts_of(examples, reading.text), examples.columns["tokens"]
    tags = {prompt: _tags_of(prompt, task_format, reading) for prompt in dict.fromkeys(variants)}
    room = {prompt: _room_for_words(prompt, reading) for prompt in tags}
    distinct = list(dict.fromkeys(word for sentence in sentences for word in sentence))
    # A word that the tokenizer drops becomes the unknown token or, if there is none, the end token.
    tokenizer = reading.tokenizer
    none = tokenizer.eos_token_id if tokenizer.unk_token_id is None else tokenizer.unk_token_id
    ids = {word: tuple(each or [none]) for word, each in zip(distinct, tokens_between(distinct, reading), strict=True)}
    pieces: list[_WordPiece] = []
    for number, (prompt, sentence) in enumerate(zip(variants, sentences, strict=True)):
        words = [ids[word] for word in sentence]
        pieces += _pieces(number, words, tags[prompt], room[prompt], reading)
    prompts = [variants[piece.sentence] for piece in pieces]
    fields = [
        {"tokens": " ".join(sentences[piece.sentence][piece.first : piece.first + len(piece.words)])}
        for piece in pieces
    ]
    rooms = room_for_prompts([piece.most_tokens for piece in pieces], reading)
    prompted = encode_prompts(prompts, fields, rooms, reading)
    cut = sum(piece.first > 0 for piece in pieces)
    encoded = replace(prompted.encoded, truncated=prompted.encoded.truncated + cut)
    return pieces, replace(prompted, encoded=encoded)


def _pieces(sentence: int, words: list[Tokens], tags: Tags, room: int, reading: Reading) -> list[_WordPiece]:
    """Cut a sentence into pieces of as many words as fit into `room` tokens.

    A word takes its own tokens in the answer, plus those of the longest tag. A decoder's prompt is in the same sequence
    as the answer and also holds the word, so the word's own tokens count twice.
    """
    shown = 1 if reading.writes else 2
    longest = max(1, (room - tags.longest) // shown)
    pieces: list[_WordPiece] = []
    taken = room + 1
    for place, word in enumerate(words):
        # A word that is longer than a piece is cut at its end.
        kept = word[:longest]
        tokens = shown * len(kept) + tags.longest
        if taken + tokens > room:
            pieces.append(_WordPiece(sentence, place, [], tags))
            taken = 0
        pieces[-1].words.append(kept)
        taken += tokens
    return pieces


def _room_for_words(prompt: Prompt, reading: Reading) -> int:
    """Return how many tokens are left for words and tags after the template's own tokens and the end token.

    Raises:
        UserError: less than a quarter of `max_length` is left.
    """
    empty = encode_prompts([prompt], [dict.fromkeys(prompt.roles, "")], [reading.max_length], reading)
    room = reading.max_length - empty.encoded.lengths[0] - 1
    if room < reading.max_length // 4:
        raise UserError(
            f"the template {prompt.template!r} without a sentence already takes {empty.encoded.lengths[0]} of at most "
            f"{reading.max_length} tokens; raise TrainConfig(max_length=...), or shorten the template"
        )
    return room


def _tags_of(prompt: Prompt, task_format: Tagging, reading: Reading) -> Tags:
    """Return the token ids of the words that a prompt uses for the tags.

    Raises:
        UserError: the words of a tag have no tokens, or the same tokens as those of another tag.
    """
    words = [prompt.words(label) for label in task_format.labels]
    ids = [tuple(each) for each in tokens_between(words, reading)]
    twice = [word for word, each in zip(words, ids, strict=True) if not each or ids.count(each) > 1]
    if twice:
        raise UserError(
            f"the tags {', '.join(twice)} cannot be told apart, because the tokenizer gives them the same tokens or no "
            "tokens; use other words for them in Prompt(answers=...)"
        )
    return Tags(tuple(ids))


TEXT_TAGGING = Format(encode, decode, FormatTraining(items, LOSS))
