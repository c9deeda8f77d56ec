"""BERT (Devlin et al. 2019, arXiv:1810.04805), multilingual E5 and MiniLM."""

from adaptx.specs.architectures.architecture import (
    SIZES,
    Architecture,
    Configuration,
    HeadPlace,
    InsideNorm,
    LayerStack,
    LibraryHeads,
    MaskedHead,
    ModelFamily,
    ScaledScores,
)

BERT_HEAD = MaskedHead(
    {
        "cls.predictions.transform.dense.": "dense.",
        "cls.predictions.transform.LayerNorm.": "norm.",
        "cls.predictions.bias": "bias",
    }
)


def pooled(name: str) -> HeadPlace:
    """Return the place of a head that reads the pooler of a model class whose backbone is the attribute `name`
    (`bert`).
    """
    return HeadPlace("classifier", f"{name}.pooler.dense", tanh=True)


BERT = Architecture(
    model_type="bert",
    family=ModelFamily.ENCODER,
    config=Configuration(sizes=SIZES, settings={"type_vocab_size": 2, "pad_token_id": 0, "layer_norm_eps": 1e-12}),
    stacks=(
        LayerStack(
            "encoder.layer.{}",
            {
                "query": "attention.self.query",
                "key": "attention.self.key",
                "value": "attention.self.value",
                "output": "attention.output.dense",
                "up": "intermediate.dense",
                "down": "output.dense",
            },
        ),
    ),
    embedding_norm=True,
    position_table=True,
    type_rows=2,
    padded=None,
    eager=False,
    pooler=True,
    positions_after_padding=False,
    scaled_scores=ScaledScores.NEVER,
    text_refused=None,
    byte_vocabulary=None,
    bottleneck=InsideNorm("output.LayerNorm"),
    whole_sites=(),
    adapters_refused=None,
    masked_head=BERT_HEAD,
    library_heads=LibraryHeads(
        tags=HeadPlace("classifier"),
        spans=HeadPlace("qa_outputs"),
        classification=pooled("bert"),
        choice=pooled("bert"),
        masked=True,
    ),
    step_memory="bert",
    slow_import=False,
)
