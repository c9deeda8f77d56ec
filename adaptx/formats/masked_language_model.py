"""Masked language modelling with the checkpoint's own head, tied to its token embeddings. Loss unit: the masked token.

Devlin et al. 2019, arXiv:1810.04805, section 3.1: of the chosen tokens 80 % become the mask token, 10 % a random token
and 10 % stay as they are. The tokens are chosen anew at each step, from the training's seed, the step and the text's
own tokens, so the choice does not depend on the other texts of the batch.

Suffixes of tensor and array names, one letter per dimension: E size of an embedding, M masked tokens, V vocabulary, D
hidden size.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from adaptx.backbones.backbone import Backbone
from adaptx.backbones.batching import Encoding, TokenBatch, encode_texts
from adaptx.backbones.vocabulary_loss import OutputMatrix, likeliest, summed_cross_entropy
from adaptx.data.examples import Examples
from adaptx.errors import UserError
from adaptx.formats.interface import (
    Answers,
    Format,
    FormatTraining,
    HeadBase,
    Inputs,
    Items,
    Model,
    Pass,
    Piece,
    Predictions,
    Reading,
    SummedLoss,
    one_sequence_each,
)
from adaptx.formats.row_random import row_random
from adaptx.specs import Hidden, MaskedLanguageModel

MASKED, REPLACED = 0.8, 0.1
EVALUATION_SEED = 0


class LanguageModelHead(nn.Module):
    """A dense layer, GELU and a norm, which turn states [M, D] into vectors [M, E] of the size of token embeddings.

    The scores over the vocabulary are the products of these vectors with the embeddings [V, E], plus a bias per token.
    If the checkpoint has such a head, its weights are used. Otherwise the dense layer begins as the identity (cut to
    the first E numbers of a state if embeddings are smaller than states).
    """

    def __init__(self, base: HeadBase) -> None:
        super().__init__()
        # The embeddings belong to the backbone and are trained and saved with it. Keeping the method that returns them,
        # not the tensor, stops torch from registering them as parameters of this head, too.
        self._embeddings = base.network.get_input_embeddings
        config, size = base.network.config, self._embeddings().weight.shape[1]
        self.dense = nn.Linear(base.hidden_size, size)
        epsilons = (getattr(config, name) for name in ("layer_norm_eps", "norm_eps") if hasattr(config, name))
        self.norm = nn.LayerNorm(size, eps=next(epsilons, 1e-12))
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))
        pretrained = base.pretrained()
        with torch.no_grad():
            nn.init.eye_(self.dense.weight)
            self.dense.bias.zero_()
            if pretrained is not None:
                # ModernBERT's dense layer and norm have no bias, so the zeros of this head's biases stay.
                self.load_state_dict({**self.state_dict(), **pretrained})

    @property
    def output(self) -> OutputMatrix:
        """The current token embeddings and the head's bias, which turn transformed states into scores."""
        return OutputMatrix(self._embeddings().weight, self.bias)

    def forward(self, states_MD: Tensor) -> Tensor:
        return self.norm(nn.functional.gelu(self.dense(states_MD)))


def items(examples: Examples, _format: MaskedLanguageModel, reading: Reading) -> Items:
    """Return one item per text, without masks. `draw` masks some of its tokens later."""
    encoded = _encode(examples, reading)
    return one_sequence_each(encoded, [None] * len(encoded))


def draw(items: Items, indices: Sequence[int], task_format: MaskedLanguageModel, reading: Reading, seed: int) -> Items:
    """Return the drawn texts with masks.

    The target of an item is (positions of the masked tokens, original tokens at these positions).
    """
    sequences = [items.members[index][0] for index in indices]
    rows = [items.encoded.ids[sequence] for sequence in sequences]
    masked = [_mask(ids, task_format.share, reading.tokenizer, row_random(seed, ids)) for ids in rows]
    types = items.encoded.types
    encoded = Encoding(
        [ids for ids, _, _ in masked],
        [types[s] for s in sequences] if types is not None else None,
        items.encoded.pad,
        0,
    )
    targets = [(places, tokens) for _, places, tokens in masked]
    return Items(
        encoded=encoded,
        members=[[i] for i in range(len(indices))],
        targets=targets,
        units=[len(places) for places, _ in targets],
    )


def loss_sum(backbone: Backbone, head: nn.Module, piece: Piece, framing: Hidden) -> Tensor:
    """Return the cross-entropy, summed over masked tokens. Scores [M, V] are computed in chunks to save memory."""
    assert isinstance(head, LanguageModelHead)
    states_MD = _states_at(backbone, piece.batch, [places for places, _ in piece.targets], framing)
    gold = [token for _, tokens in piece.targets for token in tokens]
    gold_M = torch.tensor(gold, device=states_MD.device, dtype=torch.long)
    return summed_cross_entropy(head(states_MD), head.output, gold_M)


def encode(examples: Examples, task_format: MaskedLanguageModel, reading: Reading) -> Inputs:
    """Encode the texts with masks. All models with the same tokenizer get the same masks.

    Token statistics cover the texts without masks.
    """
    plain = items(examples, task_format, reading)
    drawn = draw(plain, range(len(plain)), task_format, reading, EVALUATION_SEED)
    return Inputs((Pass(drawn, right_tokens),), [plain.encoded], list(examples.columns["text"]))


def right_tokens(model: Model, piece: Piece) -> list[list[int]]:
    """Return two numbers per text: how many masked tokens are predicted correctly, and how many are masked."""
    decoder = model.head
    assert isinstance(decoder, LanguageModelHead)
    states_MD = _states_at(model.backbone, piece.batch, [places for places, _ in piece.targets], model.reading.hidden)
    chosen = likeliest(decoder(states_MD), decoder.output).tolist()
    right: list[list[int]] = []
    for _, tokens in piece.targets:
        mine, chosen = chosen[: len(tokens)], chosen[len(tokens) :]
        right.append([sum(a == b for a, b in zip(mine, tokens, strict=True)), len(tokens)])
    return right


def decode(answers: Answers) -> Predictions:
    """Return one prediction per text: the numbers of correctly predicted masked tokens and of all masked tokens."""
    (predictions,) = answers.values
    return Predictions(
        predictions=predictions, golds=[None] * len(predictions), rows=answers.examples.rows, inputs=answers.inputs
    )


def _encode(examples: Examples, reading: Reading) -> Encoding:
    """Encode each text without masks.

    Raises:
        UserError: the tokenizer has no mask token.
    """
    if reading.tokenizer.mask_token_id is None:
        raise UserError(
            "the checkpoint's tokenizer has no mask token, which masked language modelling needs; use a checkpoint "
            "that was pretrained with masks"
        )
    return encode_texts(reading.tokenizer, examples.columns["text"], None, reading.hidden.prefix, reading.max_length)


def _mask(
    ids: list[int], share: float, tokenizer: Any, random: np.random.Generator
) -> tuple[list[int], list[int], list[int]]:
    """Mask some tokens of a text. Return its new token ids, the masked positions, and the original tokens there.

    At least one token is masked, unless the text consists of special tokens, which are never masked.
    """
    special = set(tokenizer.all_special_ids)
    open_places = [place for place, token in enumerate(ids) if token not in special]
    count = min(len(open_places), max(1, round(share * len(open_places))))
    places = sorted(random.choice(open_places, size=count, replace=False).tolist()) if open_places else []
    masked = list(ids)
    for place, kind in zip(places, random.random(len(places)), strict=True):
        if kind < MASKED:
            masked[place] = tokenizer.mask_token_id
        elif kind < MASKED + REPLACED:
            masked[place] = int(random.integers(len(tokenizer)))
    return masked, places, [ids[place] for place in places]


def _states_at(backbone: Backbone, batch: TokenBatch, places: Sequence[Sequence[int]], framing: Hidden) -> Tensor:
    hidden_TD = backbone.hidden(batch, framing.layer, framing.bidirectional)
    counts = torch.tensor([len(each) for each in places], device=hidden_TD.device)
    within_M = torch.tensor([p for each in places for p in each], device=hidden_TD.device, dtype=torch.long)
    return hidden_TD[batch.first_N.repeat_interleave(counts) + within_M]


def new_head(_format: MaskedLanguageModel, base: HeadBase) -> nn.Module:
    return LanguageModelHead(base)


MASKED_LANGUAGE_MODEL = Format(encode, decode, FormatTraining(items, SummedLoss(loss_sum), new_head, draw))
