"""Prompts: how rows are written for a language model, and in which words they are answered.

Those called T5 and MT5 are what these checkpoints were fine-tuned with in their papers: Raffel et al. 2020
(arXiv:1910.10683, appendix D), and Xue et al. 2021 (arXiv:2010.11934) by their released code
(google-research/multilingual-t5, preprocessors.py and tasks.py). The others are plain English for decoders: they end in
a cue behind which the answer begins.
"""

from adaptx.errors import UserError
from adaptx.specs import Prompt
from adaptx.specs.near import near

T5_MNLI = Prompt("mnli hypothesis: {pair} premise: {text}")
"""NLI; labels stand for themselves."""

T5_RTE = Prompt("rte sentence1: {text} sentence2: {pair}")
"""Two-way entailment."""

T5_QQP = Prompt("qqp question1: {text} question2: {pair}")
"""Duplicate questions."""

T5_MRPC = Prompt("mrpc sentence1: {text} sentence2: {pair}")
"""Equivalent sentences."""

T5_SQUAD = Prompt("question: {question} context: {context}")
"""Question answering, without the spaces that T5 puts around punctuation; mT5's is the same."""

MT5_XNLI = Prompt(
    "xnli: premise: {text} hypothesis: {pair}", (("entailment", "0"), ("neutral", "1"), ("contradiction", "2"))
)
"""NLI, answered by the label's number (`process_mnli`)."""

MT5_PAWSX = Prompt(
    "paws sentence1: {text} sentence2: {pair}", (("not_paraphrase", "different_meaning"), ("paraphrase", "paraphrase"))
)
"""PAWS and PAWS-X (`paws`)."""

NLI_YES_NO = Prompt(
    "{text}\nQuestion: {pair} Yes, no, or maybe?\nAnswer:",
    (("entailment", "yes"), ("neutral", "maybe"), ("contradiction", "no")),
)
"""NLI in the way of GPT-3 (Brown et al. 2020, arXiv:2005.14165, appendix G), with a neutral answer."""

ENTAILMENT_YES_NO = Prompt(
    "{text}\nQuestion: {pair} Yes or no?\nAnswer:", (("entailment", "yes"), ("not_entailment", "no"))
)
"""Two-way entailment in the same way."""

PARAPHRASE_YES_NO = Prompt(
    "Sentence 1: {text}\nSentence 2: {pair}\nQuestion: Do both sentences mean the same? Yes or no?\nAnswer:",
    (("paraphrase", "yes"), ("not_paraphrase", "no")),
)
"""PAWS and PAWS-X; for QQP and MRPC give `replace(PARAPHRASE_YES_NO, answers=...)` their labels."""

TOPIC = Prompt("Text: {text}\nQuestion: What is the topic of the text?\nAnswer:")
"""The topic of a text; labels stand for themselves."""

CONTINUATION = Prompt("{text} {question}\nAnswer:")
"""Multiple choice with a question: each choice is ranked as its answer."""

ENDING = Prompt("Continue the text.\nText: {text}\nContinuation:")
"""Multiple choice without a question: each choice is ranked as what follows."""

ANSWER_FROM_CONTEXT = Prompt("Context: {context}\nQuestion: {question}\nAnswer:")
"""Question answering; write `unanswerable` where the context has no answer."""

TAGS = Prompt("Tag each word.\nSentence: {tokens}\nTags:")
"""Tagging: the words are repeated, each with its tag behind it."""

PROMPTS: dict[str, Prompt] = {
    "t5-mnli": T5_MNLI,
    "t5-rte": T5_RTE,
    "t5-qqp": T5_QQP,
    "t5-mrpc": T5_MRPC,
    "t5-squad": T5_SQUAD,
    "mt5-xnli": MT5_XNLI,
    "mt5-pawsx": MT5_PAWSX,
    "nli-yes-no": NLI_YES_NO,
    "entailment-yes-no": ENTAILMENT_YES_NO,
    "paraphrase-yes-no": PARAPHRASE_YES_NO,
    "topic": TOPIC,
    "continuation": CONTINUATION,
    "ending": ENDING,
    "answer-from-context": ANSWER_FROM_CONTEXT,
    "tags": TAGS,
}


def find_prompt(name: str) -> Prompt:
    """Raises:
    UserError: there is none of that name.
    """
    if name not in PROMPTS:
        raise UserError(f"no prompt {name!r} in the catalog; near: {near(name, PROMPTS)}")
    return PROMPTS[name]
