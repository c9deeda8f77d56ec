"""Encoders: sequences side by side in a row give what each gives alone, which is what transformers gives."""

import pytest
import torch
from support import tiny

from adaptx.backbones import batching
from adaptx.backbones.backbone import TransferModel, to_precision, trainable
from adaptx.backbones.batching import collate, encode_texts
from adaptx.backbones.encoder import Encoder
from adaptx.backbones.loading import load_tokenizer
from adaptx.errors import UserError
from adaptx.execution.building import model_to_train
from adaptx.specs import Full, Hidden, Pooling

CPU = torch.device("cpu")
each_architecture = pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
each_layer = pytest.mark.parametrize("layer", [None, 0, 1, tiny.LAYERS])
each_pooling = pytest.mark.parametrize("pooling", [Pooling.FIRST, Pooling.MEAN, Pooling.LAST])


def pooled(network, batch, framing) -> torch.Tensor:
    with torch.no_grad():
        return Encoder(network).pooled(batch, framing)


def plain_pooled(network, encoded, framing) -> torch.Tensor:
    """One padded sequence a row through transformers itself: it makes positions and types as it likes."""
    width = max(encoded.lengths)
    ids = torch.tensor([row + [encoded.pad] * (width - len(row)) for row in encoded.ids])
    mask = torch.tensor([[1] * length + [0] * (width - length) for length in encoded.lengths])
    types = {}
    if encoded.types is not None:
        types = {"token_type_ids": torch.tensor([row + [0] * (width - len(row)) for row in encoded.types])}
    with torch.no_grad():
        output = network(input_ids=ids, attention_mask=mask, output_hidden_states=True, **types)
    hidden = output.hidden_states[-1 if framing.layer is None else framing.layer]
    if framing.pooling is Pooling.FIRST:
        return hidden[:, 0]
    if framing.pooling is Pooling.LAST:
        return hidden[torch.arange(len(hidden)), mask.sum(dim=1) - 1]
    return (hidden * mask.unsqueeze(-1)).sum(dim=1) / mask.sum(dim=1, keepdim=True)


@each_architecture
@each_layer
@each_pooling
def test_a_row_gives_what_transformers_gives_each_sequence(monkeypatch, world, architecture, layer, pooling):
    network, encoded = tiny.bare(world, architecture), tiny.encoded(world, architecture)
    framing = Hidden(layer=layer, pooling=pooling)
    expected = plain_pooled(network, encoded, framing)
    for group_tokens in (0, 1_000):
        monkeypatch.setitem(batching.GROUP_TOKENS, "cpu", group_tokens)
        batch = collate(encoded, range(len(encoded)), CPU)
        assert (len(batch.groups) == 1) is (group_tokens > 0)
        torch.testing.assert_close(pooled(network, batch, framing), expected, atol=1e-5, rtol=1e-5)
    # (Of the embeddings, the first token's vector is the same in every text.)
    assert (layer, pooling) == (0, Pooling.FIRST) or expected.std(dim=0).mean() > 0.05, "too alike to tell anything"


@each_architecture
def test_neighbours_in_a_row_do_not_change_a_sequence(world, architecture):
    """The same sequence first in its row, last in it, and alone."""
    network, encoded = tiny.bare(world, architecture), tiny.encoded(world, architecture)
    for framing in (Hidden(), Hidden(pooling=Pooling.FIRST)):
        (alone,) = pooled(network, collate(encoded, [3], CPU), framing)
        first = pooled(network, collate(encoded, [3, 0, 2], CPU), framing)[0]
        last = pooled(network, collate(encoded, [1, 0, 2, 3], CPU), framing)[3]
        torch.testing.assert_close(first, alone, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(last, alone, atol=1e-5, rtol=1e-5)


def test_positions_of_xlm_r_begin_after_its_padding_id(world):
    """The first position row that is read is the padding id + 1, at the start of each sequence of a row."""
    for architecture, first in (("bert", 0), ("xlm-roberta", 2)):
        network = tiny.bare(world, architecture)
        seen = []
        network.embeddings.position_embeddings.register_forward_pre_hook(
            lambda _, args, seen=seen: seen.append(args[0])
        )
        batch = collate(tiny.encoded(world, architecture), [0, 2], CPU)
        tiny.hidden_states(network, batch)
        for start, length in zip(batch.first_N.tolist(), batch.lengths_N.tolist(), strict=True):
            assert seen[0][0, start : start + length].tolist() == list(range(first, first + length))


@each_architecture
def test_the_longest_readable_sequence_is_read_and_a_longer_setting_refused(world, architecture, tmp_path):
    model = world.models[architecture]
    tokenizer = load_tokenizer(model, world.sources)
    longest = Encoder(tiny.bare(world, architecture)).most_tokens
    assert longest == tiny.POSITIONS
    text = " ".join(tiny.word("en", 1) for _ in range(2 * longest))
    encoded = encode_texts(tokenizer, [text], None, "", longest)
    assert (encoded.lengths, encoded.truncated) == ([longest], 1)
    vectors = pooled(tiny.bare(world, architecture), collate(encoded, [0], CPU), Hidden())
    assert torch.isfinite(vectors).all()
    long = tiny.train(model, tiny.NLI, Full(), setting=tiny.config(max_length=longest + 1))
    _, shop = tiny.workshop(world, tmp_path, tiny.everywhere(long))
    with pytest.raises(UserError, match=rf"max_length={longest + 1}.*at most {longest} tokens"):
        model_to_train(long, shop)


@each_architecture
def test_sentence_embeddings_of_long_texts_are_cut_to_what_the_checkpoint_reads(world, architecture):
    from adaptx.data.examples import Examples
    from adaptx.execution.building import finished_model
    from adaptx.execution.evaluate import make_evaluator
    from adaptx.execution.workshop import Workshop
    from adaptx.specs import Evaluate, Resources
    from adaptx.store.store import Store
    from adaptx.training.progress import Silent

    model = world.models[architecture]
    shop = Workshop(
        store=Store(world.folder / "unused"),
        sources=world.sources,
        fingerprint_of=lambda _: "",
        resources=Resources("cpu"),
        device=CPU,
    )
    finished = finished_model(model, shop, "fp32")
    evaluator = make_evaluator(Evaluate(model, tiny.TATOEBA, "xa"), finished, shop, Silent(), "long texts")
    long, short = " ".join(["bafo"] * 300), "bafo"
    examples = Examples(rows=(0, 1), columns={"query": [long, short], "candidate": [long, short]})
    found = evaluator.predict(examples, tiny.TATOEBA, None)
    assert found.predictions == [0, 1]
    sides = [one.items.encoded for one in found.inputs.passes]
    assert [side.lengths[0] for side in sides] == [tiny.POSITIONS] * 2
    assert [side.truncated for side in sides] == [1, 1]


@each_architecture
def test_a_layer_that_is_not_there_is_refused(world, architecture):
    batch = tiny.token_batch(world, architecture)
    with pytest.raises(UserError, match=rf"layer=7.*{tiny.LAYERS} layers"):
        Encoder(tiny.bare(world, architecture)).hidden(batch, 7)


def test_type_ids_follow_their_sequence(world):
    encoded = tiny.encoded(world, "bert")
    batch = collate(encoded, [0, 2, 1], CPU)
    for index, first, length in zip([0, 2, 1], batch.first_N.tolist(), batch.lengths_N.tolist(), strict=True):
        assert batch.types_T[first : first + length].tolist() == encoded.types[index]
        assert 1 in encoded.types[index]
    assert batch.types_T[~batch.members.any(dim=0)].sum() == 0
    assert tiny.encoded(world, "xlm-roberta").types is None


@pytest.mark.parametrize("bf16", [True, False])
def test_frozen_weights_take_the_precision_and_trained_ones_stay_fp32(world, bf16):
    network = tiny.bare(world, "bert")
    own, kept = network.encoder.layer[0].output.dense.weight, network.encoder.layer[1].output.dense.weight
    network.requires_grad_(False)
    own.requires_grad_(True)
    to_precision(network, [kept], bf16)
    for parameter in network.parameters():
        stays = parameter is own or parameter is kept or not bf16
        assert parameter.dtype == (torch.float32 if stays else torch.bfloat16)
    assert trainable(TransferModel(Encoder(network))) == [own]
