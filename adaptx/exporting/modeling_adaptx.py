"""Models of a transformers backbone and the head of one task, as adaptx computes them, in torch and transformers alone.

This file is copied into an exported folder if no class of transformers computes the same. Such a folder loads only
with `trust_remote_code=True`, which allows this code to run.

Suffixes of tensor names, one letter per dimension: B rows of the batch, L tokens of a row, D hidden size, C labels,
E size of the head's hidden layer, V vocabulary.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import (
    MaskedLMOutput,
    MultipleChoiceModelOutput,
    QuestionAnsweringModelOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
)


class AdaptxConfig(PretrainedConfig):
    """The configuration of an `AdaptxModel`: how its backbone is built, and which hidden states the head reads.

    backbone: the backbone's own configuration, with `model_type`.
    attention: the only attention implementation that the backbone supports (None: it supports any).
    pooler: whether the backbone's class has a pooler, which must then be left out.
    takes_types: whether the backbone takes token types.
    layer: the layer whose hidden states are read (None: the last; 0: the embeddings).
    pooling: how a row's states become one vector: `first` or `last` token, or the `mean` of all.
    head_size, norm_epsilon: for `AdaptxForMaskedLM`.
    """

    model_type = "adaptx"

    def __init__(
        self,
        backbone: dict[str, Any] | None = None,
        attention: str | None = None,
        pooler: bool = False,
        takes_types: bool = False,
        layer: int | None = None,
        pooling: str = "mean",
        head_size: int = 0,
        norm_epsilon: float = 1e-12,
        **more: Any,
    ) -> None:
        self.backbone = backbone or {}
        self.attention = attention
        self.pooler = pooler
        self.takes_types = takes_types
        self.layer = layer
        self.pooling = pooling
        self.head_size = head_size
        self.norm_epsilon = norm_epsilon
        super().__init__(**more)


class AdaptxModel(PreTrainedModel):
    """The backbone. Each subclass adds its own head in `_set_head`."""

    config_class = AdaptxConfig
    base_model_prefix = "backbone"

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        settings = {key: value for key, value in config.backbone.items() if key not in ("dtype", "torch_dtype")}
        inner = AutoConfig.for_model(**settings)
        options: dict[str, Any] = {"add_pooling_layer": False} if config.pooler else {}
        if config.attention is not None:
            options["attn_implementation"] = config.attention
        network: Any = AutoModel.from_config(inner, trust_remote_code=False, **options)
        # An encoder-decoder contributes its encoder alone.
        self.backbone = network.get_encoder() if inner.is_encoder_decoder else network
        self._set_head(inner)
        self.post_init()

    def _set_head(self, inner: Any) -> None:
        raise NotImplementedError

    def _hidden_states(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None) -> Tensor:
        """Return the chosen layer's hidden states, [B, L, D]."""
        given: dict[str, Any] = {"input_ids": input_ids, "attention_mask": attention_mask}
        if self.config.takes_types and token_type_ids is not None:
            given["token_type_ids"] = token_type_ids
        inner = self.config.layer is not None
        output: Any = self.backbone(**given, output_hidden_states=inner, return_dict=True)
        return output.hidden_states[self.config.layer] if inner else output.last_hidden_state

    def _pooled_states(self, input_ids: Tensor, attention_mask: Tensor | None, token_type_ids: Tensor | None) -> Tensor:
        """Return one vector per row, [B, D]. Padding may be on either side."""
        mask_BL = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        states_BLD = self._hidden_states(input_ids, mask_BL, token_type_ids)
        if self.config.pooling == "mean":
            weights_BL1 = mask_BL.unsqueeze(-1).float()
            mean_BD = (states_BLD.float() * weights_BL1).sum(dim=1) / weights_BL1.sum(dim=1)
            return mean_BD.to(states_BLD.dtype)
        ones_BL = mask_BL.long()
        first_B = ones_BL.argmax(dim=1)
        at_B = first_B if self.config.pooling == "first" else ones_BL.shape[1] - 1 - ones_BL.flip(1).argmax(dim=1)
        return states_BLD[torch.arange(len(at_B), device=at_B.device), at_B]

    def _token_states(self, input_ids: Tensor, attention_mask: Tensor | None, token_type_ids: Tensor | None) -> Tensor:
        """Return the chosen layer's hidden states, [B, L, D]. Without `attention_mask`, no token is padding."""
        return self._hidden_states(
            input_ids, torch.ones_like(input_ids) if attention_mask is None else attention_mask, token_type_ids
        )


class AdaptxForSequenceClassification(AdaptxModel):
    """A model that labels a text or a pair of texts. The logits are a linear map of the pooled vector."""

    def _set_head(self, inner: Any) -> None:
        self.classifier = nn.Linear(inner.hidden_size, self.config.num_labels)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, token_type_ids: Tensor | None = None
    ) -> SequenceClassifierOutput:
        logits_BC: Any = self.classifier(self._pooled_states(input_ids, attention_mask, token_type_ids))
        return SequenceClassifierOutput(logits=logits_BC)


class AdaptxForMultipleChoice(AdaptxModel):
    """A model that gives each choice a score. Inputs have the shape [B, choices, L]."""

    def _set_head(self, inner: Any) -> None:
        self.classifier = nn.Linear(inner.hidden_size, 1)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, token_type_ids: Tensor | None = None
    ) -> MultipleChoiceModelOutput:
        length = input_ids.shape[-1]
        parts = (each if each is None else each.reshape(-1, length) for each in (attention_mask, token_type_ids))
        scores: Any = self.classifier(self._pooled_states(input_ids.reshape(-1, length), *parts))
        return MultipleChoiceModelOutput(logits=scores.reshape(input_ids.shape[:-1]))


class AdaptxForTokenClassification(AdaptxModel):
    """A model that labels each token. The label of a word is that of its first token."""

    def _set_head(self, inner: Any) -> None:
        self.classifier = nn.Linear(inner.hidden_size, self.config.num_labels)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, token_type_ids: Tensor | None = None
    ) -> TokenClassifierOutput:
        logits_BLC: Any = self.classifier(self._token_states(input_ids, attention_mask, token_type_ids))
        return TokenClassifierOutput(logits=logits_BLC)


class AdaptxForQuestionAnswering(AdaptxModel):
    """A model that gives each token two scores: one as the first, one as the last token of the answer."""

    def _set_head(self, inner: Any) -> None:
        self.qa_outputs = nn.Linear(inner.hidden_size, 2)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, token_type_ids: Tensor | None = None
    ) -> QuestionAnsweringModelOutput:
        scores: Any = self.qa_outputs(self._token_states(input_ids, attention_mask, token_type_ids))
        start_BL, end_BL = scores.unbind(dim=-1)
        return QuestionAnsweringModelOutput(start_logits=start_BL, end_logits=end_BL)


class AdaptxForMaskedLM(AdaptxModel):
    """A model that scores the whole vocabulary at each token: a token's state is multiplied by each embedding."""

    def _set_head(self, inner: Any) -> None:
        self.dense = nn.Linear(inner.hidden_size, self.config.head_size)
        self.norm = nn.LayerNorm(self.config.head_size, eps=self.config.norm_epsilon)
        self.bias = nn.Parameter(torch.zeros(inner.vocab_size))

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, token_type_ids: Tensor | None = None
    ) -> MaskedLMOutput:
        states_BLD = self._token_states(input_ids, attention_mask, token_type_ids)
        states_BLE = self.norm(nn.functional.gelu(self.dense(states_BLD)))
        embeddings: Any = self.backbone.get_input_embeddings().weight
        logits_BLV: Any = states_BLE @ embeddings.T + self.bias
        return MaskedLMOutput(logits=logits_BLV)
