"""Answers of a language model: the log-likelihood of candidate answers, or an answer written by greedy decoding.

Suffixes of tensor and array names, one letter per dimension: N prompts, R candidates of all prompts, K tokens after the
prompt, M tokens of all candidates, not counting their first tokens, D hidden size, V vocabulary, C rows of a chunk.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from adaptx.backbones.decoding import begin
from adaptx.backbones.finite import check_finite
from adaptx.backbones.output_matrix import output_matrix
from adaptx.backbones.padding import padded
from adaptx.backbones.vocabulary_loss import OutputMatrix, likeliest, log_probabilities, scores

Tokens = Sequence[int]


class Rule(Protocol):
    """A constraint on one answer: which tokens may come next, given the tokens so far."""

    def allowed(self) -> Sequence[int]:
        """Return the tokens that may come next. An empty sequence means that the answer has ended."""
        ...

    def follow(self, token: int) -> None:
        """Record `token` as the answer's next token."""
        ...


def log_likelihoods(
    network: Any, prompts: Sequence[Tokens], candidates: Sequence[Sequence[Tokens]], device: torch.device
) -> list[Tensor]:
    """Return for each prompt the log-likelihoods of its candidates as continuations of the prompt, in fp32.

    Each prompt is read only once, however many candidates it has. Candidates have at least one token.
    """
    decoding = begin(network, prompts, device)
    counts = [len(each) for each in candidates]
    every = [candidate for each in candidates for candidate in each]
    row_R = torch.repeat_interleave(torch.arange(len(prompts)), torch.tensor(counts)).to(device)
    states = [decoding.states_ND[row_R]]
    further = [len(candidate) - 1 for candidate in every]
    if any(further):
        decoding.take(row_R)
        states_RKD = decoding.advance(padded([candidate[:-1] or [0] for candidate in every], device)[0])
        at_M = torch.repeat_interleave(torch.arange(len(every)), torch.tensor(further)).to(device)
        place_M = torch.tensor([place for count in further for place in range(count)], device=device)
        states.append(states_RKD[at_M, place_M])
    tokens = [candidate[0] for candidate in every] + [token for candidate in every for token in candidate[1:]]
    found = log_probabilities(torch.cat(states), output_matrix(network), torch.tensor(tokens, device=device))
    first_R, rest_M = found.split([len(every), sum(further)])
    # Sum candidate by candidate: scattered additions on a GPU run in no fixed order and are not reproducible.
    sums_R = first_R + torch.stack([part.sum() for part in rest_M.split(further)])
    return list(check_finite(sums_R, "log-likelihoods of candidates").split(counts))


def greedy(
    network: Any,
    prompts: Sequence[Tokens],
    most_tokens: int,
    end: int,
    device: torch.device,
    rules: Sequence[Rule] | None = None,
) -> list[list[int]]:
    """Return an answer to each prompt, choosing the likeliest token at every step.

    An answer has at most `most_tokens` tokens. Without `rules`, it ends before its first `end` token. With `rules`, one
    per prompt, the prompt's rule decides which tokens are allowed and where the answer ends, and `end` is not used.
    """
    written: list[list[int]] = [[] for _ in prompts]
    going = [row for row in range(len(prompts)) if rules is None or rules[row].allowed()]
    if not going:
        return written
    output, decoding = output_matrix(network), begin(network, [prompts[row] for row in going], device)
    for _ in range(most_tokens):
        chosen = _likeliest_allowed(
            output, decoding.states_ND, [rules[row] for row in going] if rules is not None else None
        )
        places: list[int] = []
        for place, (row, token) in enumerate(zip(going, chosen, strict=True)):
            if rules is None and token == end:
                continue
            written[row].append(token)
            if rules is not None:
                rules[row].follow(token)
                if not rules[row].allowed():
                    continue
            places.append(place)
        if not places:
            break
        if len(places) < len(going):
            decoding.take(torch.tensor(places, device=device))
        going = [going[place] for place in places]
        decoding.advance(torch.tensor([[written[row][-1]] for row in going], device=device))
    return written


def _likeliest_allowed(output: OutputMatrix, states_ND: Tensor, rules: Sequence[Rule] | None) -> list[int]:
    if rules is None:
        return likeliest(states_ND, output).tolist()
    choices = [rule.allowed() for rule in rules]
    # Rows with only one allowed token need no scores.
    open_rows = [row for row, allowed in enumerate(choices) if len(allowed) > 1]
    found = [allowed[0] for allowed in choices]
    at = torch.tensor(open_rows, device=states_ND.device, dtype=torch.long)
    logits = (row_V for chunk_CV in scores(states_ND[at], output) for row_V in chunk_CV)
    for row, logits_V in zip(open_rows, logits, strict=True):
        allowed = torch.tensor(choices[row], device=logits_V.device)
        found[row] = choices[row][int(check_finite(logits_V[allowed], "scores of tags' words").argmax())]
    return found
