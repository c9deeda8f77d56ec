"""Hidden states from which a language model predicts the tokens of known answers, computed in one forward pass.

This is teacher forcing: the whole answer is in the input, and each token is predicted from the tokens before it.

Suffixes of tensor and array names, one letter per dimension: T tokens of all sequences (laid end to end in one row), N
sequences, L tokens of the longest answer, M tokens of all answers, D hidden size.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from adaptx.backbones.backbone import Backbone
from adaptx.backbones.batching import TokenBatch
from adaptx.backbones.decoding import is_encoder_decoder
from adaptx.backbones.padding import padded

Tokens = Sequence[int]


def answer_states(
    backbone: Backbone, batch: TokenBatch, prompts: Sequence[Tokens], answers: Sequence[Tokens]
) -> Tensor:
    """Return the states [M, D] that predict the answers' tokens, in the order of the answers.

    A decoder reads `batch`, in which each sequence is a prompt followed by its answer. An encoder-decoder ignores
    `batch`: its encoder reads `prompts`, and its decoder reads `answers`.
    """
    counts = [len(answer) for answer in answers]
    within_M = np.concatenate([np.arange(count) for count in counts])
    row_M = torch.from_numpy(np.repeat(np.arange(len(answers)), counts)).to(batch.ids_T.device)
    if is_encoder_decoder(backbone.network):
        states_NLD = _decoder_states(backbone, prompts, answers)
        return states_NLD[row_M, torch.from_numpy(within_M).to(row_M.device)]
    # The state at a token predicts the next token, so the first answer token is predicted at the prompt's last token.
    before_M = torch.from_numpy(within_M + np.repeat([len(prompt) - 1 for prompt in prompts], counts))
    return backbone.hidden(batch)[batch.first_N[row_M] + before_M.to(row_M.device)]


def _decoder_states(backbone: Backbone, prompts: Sequence[Tokens], answers: Sequence[Tokens]) -> Tensor:
    # The input leaves out each answer's last token, because nothing is predicted after it.
    network = backbone.network
    device = next(network.parameters()).device
    read_NL, mask_NL = padded(prompts, device)
    encoded_NLD = network.get_encoder()(input_ids=read_NL, attention_mask=mask_NL).last_hidden_state
    # The decoder needs no mask: padding is at the end of rows, and causal attention never looks forward.
    written_NL, _ = padded([[network.config.decoder_start_token_id, *answer[:-1]] for answer in answers], device)
    output = network.get_decoder()(
        input_ids=written_NL,
        encoder_hidden_states=encoded_NLD,
        encoder_attention_mask=mask_NL,
        use_cache=False,
    )
    return output.last_hidden_state
