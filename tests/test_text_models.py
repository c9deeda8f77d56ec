"""Language models: likelihoods are those of the transformers model, and what is written is what it writes itself."""

import copy
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import transformers
from support import tiny
from support.text_bench import CPU, add_models, bench, plain_log_likelihood
from test_architectures import SHAPES, TINY
from torch.nn import functional

from adaptx.backbones.answers import answer_states
from adaptx.backbones.architectures import build_network
from adaptx.backbones.batching import Encoding, collate
from adaptx.backbones.choosing import greedy, log_likelihoods
from adaptx.backbones.decoding import begin
from adaptx.backbones.families import backbone_over
from adaptx.backbones.output_matrix import output_matrix
from adaptx.backbones.vocabulary_loss import log_probabilities
from adaptx.specs import ModelFamily

PROMPTS = [[9, 5, 7, 8, 30, 31, 9], [6], [12, 8, 3], [11, 4, 29, 6, 6, 14, 9, 10, 12, 13, 5, 5]]
CANDIDATES = [[[4], [5, 6, 7]], [[21, 22]], [[8], [9, 9, 9, 3], [8, 4]], [[13, 12], [4, 15]]]
TOLERANCE = 1e-4


NETWORKS = {
    name: shape
    for name in (*TINY, "t5-gated", "mt5-tied", "qwen3-untied")
    if (shape := SHAPES[name]).architecture.family is not ModelFamily.ENCODER
    and shape.architecture.text_refused is None
}


@dataclass(frozen=True)
class Model:
    network: Any
    backbone: Any


@pytest.fixture(scope="module", params=NETWORKS)
def model(request):
    """A random network of every architecture that writes, and of each of its variants."""
    torch.manual_seed(4)
    network = build_network(NETWORKS[request.param])
    # Drawn larger than by transformers: else every token is nearly as likely as any other.
    tiny.shake(network.parameters(), scale=0.3)
    return Model(network, backbone_over(network).eval())


def states_at(model, answers):
    rows = Encoding([[*prompt, *answer] for prompt, answer in zip(PROMPTS, answers, strict=True)], None, 0, 0)
    return answer_states(model.backbone, collate(rows, range(len(rows)), CPU), PROMPTS, answers)


def test_likelihoods_are_those_of_each_candidate_alone(model):
    """Prompts of other lengths and other candidates beside it change nothing."""
    with torch.no_grad():
        found = log_likelihoods(model.network, PROMPTS, CANDIDATES, CPU)
    for prompt, candidates, sums in zip(PROMPTS, CANDIDATES, found, strict=True):
        wanted = [plain_log_likelihood(model.network, prompt, candidate) for candidate in candidates]
        assert sums.tolist() == pytest.approx(wanted, abs=TOLERANCE, rel=2e-5)


def test_states_at_answers_give_the_same_likelihoods(model):
    answers = [candidates[-1] for candidates in CANDIDATES]
    with torch.no_grad():
        states = states_at(model, answers)
        tokens = torch.tensor([token for answer in answers for token in answer])
        found = log_probabilities(states, output_matrix(model.network), tokens)
    sums = [float(part.sum()) for part in found.split([len(answer) for answer in answers])]
    wanted = [plain_log_likelihood(model.network, p, a) for p, a in zip(PROMPTS, answers, strict=True)]
    assert sums == pytest.approx(wanted, abs=TOLERANCE, rel=2e-5)


def test_what_is_written_is_what_transformers_writes(model):
    end, length = 1, 12
    with torch.no_grad():
        found = greedy(model.network, PROMPTS, length, end, CPU)
        for prompt, written in zip(PROMPTS, found, strict=True):
            ids = torch.tensor([prompt])
            whole = model.network.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=length,
                do_sample=False,
                eos_token_id=end,
                pad_token_id=0,
            )[0].tolist()
            new = whole[1:] if model.network.config.is_encoder_decoder else whole[len(prompt) :]
            assert written == (new[: new.index(end)] if end in new else new)


def test_what_is_written_stops_at_its_end(model):
    """The token that one prompt's answer begins with is made the end: that answer is empty, others go on."""
    with torch.no_grad():
        plain = greedy(model.network, PROMPTS, 6, -1, CPU)
        end = plain[0][0]
        found = greedy(model.network, PROMPTS, 6, end, CPU)
    assert found[0] == []
    assert found == [answer[: answer.index(end)] if end in answer else answer for answer in plain]
    assert [len(answer) for answer in plain] == [6] * len(PROMPTS)


def test_steps_one_by_one_give_the_states_of_one_pass(model):
    """And rows can be taken several times, or dropped."""
    further = torch.tensor([[7, 4, 9], [3, 5, 5], [8, 8, 6], [12, 6, 4]])
    rows = torch.tensor([3, 0, 0])
    with torch.no_grad():
        whole = begin(model.network, PROMPTS, CPU).advance(further)[rows]
        decoding = begin(model.network, PROMPTS, CPU)
        decoding.take(rows)
        single = torch.cat([decoding.advance(further[rows][:, place : place + 1]) for place in range(3)], dim=1)
    assert torch.allclose(single, whole, atol=TOLERANCE)


@pytest.mark.parametrize("tied", [True, False])
def test_scores_of_tied_and_untied_matrices(world, tied):
    """Tied T5 divides its states; without that likelihoods differ. mT5's are never divided under transformers 5."""
    found = bench(world, add_models(world)["mt5"])
    network = copy.deepcopy(found.network)
    network.config.tie_word_embeddings = tied
    with torch.no_grad():
        ours = log_likelihoods(network, PROMPTS, CANDIDATES, CPU)
    wanted = [plain_log_likelihood(network, PROMPTS[0], candidate) for candidate in CANDIDATES[0]]
    assert ours[0].tolist() == pytest.approx(wanted, abs=TOLERANCE, rel=2e-5)
    divides = tied and transformers.__version__.startswith("4.")
    assert output_matrix(network).scale == (network.config.d_model**-0.5 if divides else 1)


def test_a_soft_cap_and_a_bias_are_part_of_the_scores():
    from transformers import Gemma2Config, Gemma2ForCausalLM, MBartConfig, MBartForConditionalGeneration

    sizes = {"vocab_size": 40, "num_hidden_layers": 2, "num_attention_heads": 2}
    torch.manual_seed(1)
    gemma = Gemma2ForCausalLM(
        Gemma2Config(
            hidden_size=16, intermediate_size=32, head_dim=8, num_key_value_heads=1, final_logit_softcapping=2.0,
            sliding_window=4, **sizes,
        )
    ).eval()  # fmt: skip
    bart = MBartForConditionalGeneration(
        MBartConfig(d_model=16, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2,
                    decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, vocab_size=40,
                    max_position_embeddings=64, decoder_start_token_id=2)
    ).eval()  # fmt: skip
    bart.final_logits_bias.normal_()
    for network in (gemma, bart):
        tiny.shake(network.parameters())
        with torch.no_grad():
            found = log_likelihoods(network, PROMPTS, CANDIDATES, CPU)
        for prompt, candidates, sums in zip(PROMPTS, CANDIDATES, found, strict=True):
            wanted = [plain_log_likelihood(network, prompt, candidate) for candidate in candidates]
            assert sums.tolist() == pytest.approx(wanted, abs=TOLERANCE, rel=2e-5)


def test_gradients_are_those_of_the_plain_loss(model):
    answers = [candidates[-1] for candidates in CANDIDATES]
    tokens = torch.tensor([token for answer in answers for token in answer])
    network = model.network
    weights = [parameter for parameter in network.parameters() if parameter.requires_grad]
    states = states_at(model, answers)
    ours = torch.autograd.grad(
        -log_probabilities(states, output_matrix(network), tokens).sum(), weights, allow_unused=True
    )
    total = torch.zeros(())
    for prompt, answer in zip(PROMPTS, answers, strict=True):
        if network.config.is_encoder_decoder:
            start = [network.config.decoder_start_token_id, *answer[:-1]]
            logits = network(input_ids=torch.tensor([prompt]), decoder_input_ids=torch.tensor([start])).logits[0]
        else:
            logits = network(input_ids=torch.tensor([[*prompt, *answer[:-1]]])).logits[0, len(prompt) - 1 :]
        total = total + functional.cross_entropy(logits, torch.tensor(answer), reduction="sum")
    theirs = torch.autograd.grad(total, weights, allow_unused=True)
    for one, other in zip(ours, theirs, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            assert float((one - other).norm()) <= 1e-3 * float(other.norm()) + 1e-4
