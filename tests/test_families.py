"""Every architecture read through hidden states: as transformers reads each text, whatever else is in its batch."""

import functools
import random

import pytest
import torch
from support import checkpoints, small_world, tiny

from adaptx.backbones import batching, rows
from adaptx.backbones.batching import collate, encode_texts
from adaptx.backbones.dropout import head_dropout
from adaptx.backbones.families import backbone_over
from adaptx.backbones.loading import load_network, load_tokenizer
from adaptx.backbones.pairs import separator
from adaptx.backbones.rows import alike
from adaptx.catalog.reading import PAIR_SEPARATOR, framing_refusal
from adaptx.errors import UserError
from adaptx.methods import attach
from adaptx.sources.sources import Sources
from adaptx.specs import Hidden, Lora, ModelFamily, Pooling
from adaptx.specs.architectures import architecture_of
from adaptx.specs.sites import sites_of

CPU = torch.device("cpu")
RIGHT_ALONE = ("distilbert", "mbart")
"""They count positions over padding, and take no others."""
TAKE_POSITIONS = ("bert", "rembert")
ALL = [*tiny.ARCHITECTURES, *checkpoints.KINDS]
OF = {family: [each for each in ALL if architecture_of(each).family is family] for family in ModelFamily}
each_architecture = pytest.mark.parametrize("architecture", ALL)
each_decoder = pytest.mark.parametrize("architecture", OF[ModelFamily.DECODER])
each_encoder_decoder = pytest.mark.parametrize("architecture", OF[ModelFamily.ENCODER_DECODER])


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return small_world.make_models(tmp_path_factory.mktemp("models"), tuple(checkpoints.KINDS))


@pytest.fixture(scope="module")
def opened_of(models):
    """A checkpoint, opened once for all tests that leave it as it is."""
    return functools.cache(lambda architecture: Opened(models, architecture))


class Opened:
    """A checkpoint's network, backbone and tokenizer, and texts of many lengths, singly or in pairs."""

    def __init__(self, models, architecture: str, dropout: float | None = None) -> None:
        spec, sources = models.specs[architecture], Sources(models.folder)
        self.architecture, self.family = architecture, architecture_of(architecture).family
        self.network = load_network(spec, sources, dropout)
        self.backbone = backbone_over(self.network)
        self.tokenizer = load_tokenizer(spec, sources)
        draw = random.Random("texts")
        self.texts = [small_world.sentence(draw, length, length) for length in (1, 14, 2, 5, 3, 8, 2, 4)]

    def encoded(self, pairs: bool):
        return encode_texts(self.tokenizer, self.texts, self.texts[::-1] if pairs else None, "", 120)

    def plain(self, encoded, layer: int | None, left: bool) -> list[torch.Tensor]:
        """Hidden states of each sequence as the library makes them of rows padded on one side, with its mask."""
        width = max(encoded.lengths)
        pad = [[encoded.pad] * (width - length) for length in encoded.lengths]
        ids = [[*p, *row] if left else [*row, *p] for row, p in zip(encoded.ids, pad, strict=True)]
        ones = [[0] * len(p) + [1] * (width - len(p)) if left else [1] * (width - len(p)) + [0] * len(p) for p in pad]
        mask = torch.tensor(ones)
        inputs = {"input_ids": torch.tensor(ids), "attention_mask": mask}
        if encoded.types is not None:
            types = [
                [*([0] * len(p)), *t] if left else [*t, *([0] * len(p))]
                for t, p in zip(encoded.types, pad, strict=True)
            ]
            inputs["token_type_ids"] = torch.tensor(types)
        # Left to themselves, most networks count positions over padding too; generation hands them these.
        counts = self.family is ModelFamily.DECODER and self.architecture != "bloom"
        if left and (counts or self.architecture in TAKE_POSITIONS):
            inputs["position_ids"] = (mask.cumsum(dim=1) - 1).clamp(min=0)
        network = self.network.get_encoder() if self.family is ModelFamily.ENCODER_DECODER else self.network.base_model
        network = getattr(network, "model", network)
        with torch.no_grad():
            output = network(**inputs, output_hidden_states=True)
        # Not `hidden_states[-1]`: ModernBERT's is taken before the last norm.
        states = output.last_hidden_state if layer in (None, tiny.LAYERS) else output.hidden_states[layer]
        return [each[kept.bool()] for each, kept in zip(states, mask, strict=True)]


def of_each(backbone, encoded, sequences, **reading) -> list[torch.Tensor]:
    """Hidden states of each of these sequences, read as one batch."""
    batch = collate(encoded, sequences, CPU)
    with torch.no_grad():
        hidden_TD = backbone.hidden(batch, **reading)
    places = zip(batch.first_N.tolist(), batch.lengths_N.tolist(), strict=True)
    return [hidden_TD[first : first + length] for first, length in places]


def assert_close(ours, theirs) -> None:
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@each_architecture
@pytest.mark.parametrize("pairs", [False, True], ids=["singly", "in pairs"])
def test_a_batch_gives_what_transformers_gives_padded_rows(monkeypatch, opened_of, architecture, pairs):
    opened = opened_of(architecture)
    encoded = opened.encoded(pairs)
    sides = (False,) if architecture in RIGHT_ALONE else (False, True)
    for layer in (None, 0, 1, tiny.LAYERS):
        for group_tokens in (0, 1_000):
            monkeypatch.setitem(batching.GROUP_TOKENS, "cpu", group_tokens)
            monkeypatch.setitem(rows.LEAST_PADDING, "cpu", group_tokens)
            ours = of_each(opened.backbone, encoded, range(len(encoded)), layer=layer)
            for left in sides:
                assert_close(ours, opened.plain(encoded, layer, left))
    assert torch.cat([each[-1:] for each in ours]).std(dim=0).mean() > 0.1, "too alike to tell anything"


@each_architecture
@pytest.mark.parametrize("pooling", Pooling)
def test_a_batch_gives_what_each_sequence_gives_alone(opened_of, architecture, pooling):
    opened = opened_of(architecture)
    if pooling is Pooling.START and opened.family is not ModelFamily.ENCODER_DECODER:
        with pytest.raises(UserError, match="is not an encoder-decoder"):
            opened.backbone.pooled(collate(opened.encoded(False), [0], CPU), Hidden(pooling=pooling))
        return
    encoded = opened.encoded(True)
    framing = Hidden(pooling=pooling)
    with torch.no_grad():
        whole = opened.backbone.pooled(collate(encoded, range(len(encoded)), CPU), framing)
        alone = [opened.backbone.pooled(collate(encoded, [index], CPU), framing)[0] for index in range(len(encoded))]
    assert_close(whole, alone)
    blind = pooling is Pooling.FIRST and opened.family is ModelFamily.DECODER
    assert blind or whole.std(dim=0).mean() > 0.01, "too alike to tell anything"


@each_architecture
def test_a_new_module_leaves_hidden_states_as_they_are(models, architecture):
    opened = Opened(models, architecture)
    encoded = opened.encoded(True)
    bare = of_each(opened.backbone, encoded, range(len(encoded)))
    own = attach(opened.network, sites_of(opened.network), Lora(4, 8, 0.0, ("query", "value", "up", "down")), "own")
    # The library may add two products in another order once a branch is there.
    assert_close(of_each(opened.backbone, encoded, range(len(encoded))), bare)
    tiny.shake(own.values())
    changed = of_each(opened.backbone, encoded, range(len(encoded)))
    assert all((one - other).abs().max() > 1e-2 for one, other in zip(changed, bare, strict=True))


@each_decoder
def test_a_decoders_token_sees_what_is_before_it_unless_it_may_see_all(opened_of, architecture):
    opened = opened_of(architecture)
    encoded = opened.encoded(False)
    longest = encoded.lengths.index(max(encoded.lengths))
    ids = encoded.ids[longest]
    turned = batching.Encoding([ids, [*ids[:-1], ids[-1] - 1]], None, encoded.pad, 0)

    def differences(bidirectional: bool) -> torch.Tensor:
        one, other = of_each(opened.backbone, turned, [0, 1], bidirectional=bidirectional)
        return (one - other).abs().amax(dim=1)

    causal = differences(False)
    assert causal[:-1].max() < 1e-5 < 1e-2 < causal[-1]
    if framing_refusal(opened.family, architecture_of(architecture), Hidden(bidirectional=True)) is None:
        assert differences(True).min() > 1e-4


@each_encoder_decoder
def test_the_decoders_first_state_is_that_of_the_whole_network(opened_of, architecture):
    opened = opened_of(architecture)
    encoded = opened.encoded(True)
    start = opened.network.config.decoder_start_token_id
    with torch.no_grad():
        vectors = opened.backbone.pooled(collate(encoded, range(len(encoded)), CPU), Hidden(pooling=Pooling.START))
        for vector, ids in zip(vectors, encoded.ids, strict=True):
            output = opened.network(
                input_ids=torch.tensor([ids]), decoder_input_ids=torch.tensor([[start]]), output_hidden_states=True
            )
            torch.testing.assert_close(vector, output.decoder_hidden_states[-1][0, 0], atol=1e-4, rtol=1e-4)


@each_decoder
def test_pairs_of_decoders_are_divided_and_end_behind_both(opened_of, architecture):
    opened = opened_of(architecture)
    tokenizer = opened.tokenizer
    single, pair = tokenizer("tree sea"), tokenizer("tree sea", "wolf night", return_offsets_mapping=True)
    between = separator(tokenizer)
    assert tokenizer.decode(between) == (PAIR_SEPARATOR if architecture != "xglm" else tokenizer.eos_token)
    second = tokenizer("wolf night", add_special_tokens=False)["input_ids"]
    assert pair["input_ids"] == [*single["input_ids"], *between, *second, *between]
    sides = pair.sequence_ids(0)
    assert [side for side in sides if side is not None] == [0] * sides.count(0) + [1] * len(second)
    assert sides[-1] is None
    cut = tokenizer("tree sea " * 30, "wolf night", truncation="longest_first", max_length=24)["input_ids"]
    assert (len(cut), cut[-1]) == (24, between[-1])


@pytest.mark.parametrize("architecture", [*OF[ModelFamily.ENCODER], *OF[ModelFamily.ENCODER_DECODER]])
def test_pairs_of_all_others_are_divided_by_a_special_token(opened_of, architecture):
    tokenizer = opened_of(architecture).tokenizer
    sides = tokenizer("tree sea", "wolf night").sequence_ids(0)
    assert None in sides[sides.index(0) : sides.index(1)]
    single = tokenizer("tree sea")
    assert [side for side in tokenizer("tree sea").sequence_ids(0) if side is not None] == [0] * sides.count(0)
    last = tokenizer.convert_ids_to_tokens(single["input_ids"][-1])
    assert last == ("en_XX" if architecture == "mbart" else tokenizer.sep_token or tokenizer.eos_token)


@each_architecture
def test_dropout_of_a_training_reaches_every_layer_and_the_head(models, architecture):
    for probability in (0.0, 0.25):
        opened = Opened(models, architecture, dropout=probability)
        found = {module.p for module in opened.network.modules() if isinstance(module, torch.nn.Dropout)}
        assert found <= {probability}
        assert head_dropout(opened.network.config) == probability
        encoded = opened.encoded(False)
        opened.network.train()
        torch.manual_seed(1)
        one, other = (torch.cat(of_each(opened.backbone, encoded, range(len(encoded)))) for _ in range(2))
        assert torch.equal(one, other) is (probability == 0.0)


@each_architecture
def test_a_layer_that_is_not_there_is_refused(opened_of, architecture):
    opened = opened_of(architecture)
    with pytest.raises(UserError, match=rf"layer=7.*{tiny.LAYERS} layers"):
        opened.backbone.hidden(collate(opened.encoded(False), [0], CPU), 7)


def test_sequences_of_like_lengths_go_together():
    assert alike([8, 8, 7, 100, 90, 8], least_padding=0) == [[3, 4], [0, 1, 5, 2]]
    # A few tokens of padding cost less than one more call.
    assert alike([8, 100, 8], least_padding=200) == [[1, 0, 2]]
    assert alike([5], least_padding=0) == [[0]]
    groups = alike(list(range(1, 200)), least_padding=16)
    assert sorted(number for group in groups for number in group) == list(range(199))
    for group in groups:
        lengths = [number + 1 for number in group]
        assert len(group) * lengths[0] - sum(lengths) <= max(16, len(group) * lengths[0] / 4)


@pytest.mark.parametrize(
    ("family", "model_type", "framing", "reason"),
    [
        (ModelFamily.ENCODER, "bert", Hidden(pooling=Pooling.START), "second stack"),
        (ModelFamily.DECODER, "llama", Hidden(pooling=Pooling.START), "second stack"),
        (ModelFamily.ENCODER_DECODER, "mt5", Hidden(1, Pooling.START), "layer=None"),
        (ModelFamily.ENCODER, "bert", Hidden(bidirectional=True), "already see the whole text"),
        (ModelFamily.ENCODER_DECODER, "mt5", Hidden(bidirectional=True), "already see the whole text"),
        (ModelFamily.DECODER, "llama", Hidden(pooling=Pooling.FIRST), "does not see the text"),
        (ModelFamily.DECODER, "llama", Hidden(pooling=Pooling.FIRST, bidirectional=True), None),
        (ModelFamily.ENCODER_DECODER, "mt5", Hidden(pooling=Pooling.START), None),
        (ModelFamily.ENCODER, "bert", Hidden(pooling=Pooling.LAST), None),
        (ModelFamily.DECODER, None, Hidden(pooling=Pooling.MEAN), None),
    ],
)
def test_readings_without_a_meaning_are_refused(family, model_type, framing, reason):
    found = framing_refusal(family, model_type and architecture_of(model_type), framing)
    assert (found is None) if reason is None else (reason in found)
