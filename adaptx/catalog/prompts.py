"""Prompts: how rows are written for a language model, and which words stand for their labels.

T5's prompts are from its paper (Raffel et al. 2020, arXiv:1910.10683, appendix D). mT5's prompts are from its released
code (Xue et al. 2021, arXiv:2010.11934; google-research/multilingual-t5, preprocessors.py and tasks.py). All other
prompts are plain English for decoders, and end with a cue after which the answer begins.
"""

from adaptx.errors import UserError
from adaptx.specs import Prompt
from adaptx.specs.near import near

T5_MNLI = Prompt("mnli hypothesis: {pair} premise: {text}")
"""NLI, answered with the label names."""

T5_RTE = Prompt("rte sentence1: {text} sentence2: {pair}")
"""Two-way entailment."""

T5_QQP = Prompt("qqp question1: {text} question2: {pair}")
"""Duplicate questions."""

T5_MRPC = Prompt("mrpc sentence1: {text} sentence2: {pair}")
"""Equivalent sentences."""

T5_SQUAD = Prompt("question: {question} context: {context}")
"""Question answering, without the spaces that T5 puts around punctuation. mT5 uses the same prompt."""

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
"""NLI as GPT-3 was asked (Brown et al. 2020, arXiv:2005.14165, appendix G), with a neutral answer added."""

ENTAILMENT_YES_NO = Prompt(
    "{text}\nQuestion: {pair} Yes or no?\nAnswer:", (("entailment", "yes"), ("not_entailment", "no"))
)
"""Two-way entailment, in the style of `NLI_YES_NO`."""

PARAPHRASE_YES_NO = Prompt(
    "Sentence 1: {text}\nSentence 2: {pair}\nQuestion: Do both sentences mean the same? Yes or no?\nAnswer:",
    (("paraphrase", "yes"), ("not_paraphrase", "no")),
)
"""PAWS and PAWS-X. For QQP and MRPC, replace the labels: `replace(PARAPHRASE_YES_NO, answers=...)`."""

TOPIC = Prompt("Text: {text}\nQuestion: What is the topic of the text?\nAnswer:")
"""The topic of a text, answered with the label names."""

CONTINUATION = Prompt("{text} {question}\nAnswer:")
"""Multiple choice with a question. Each choice is ranked as an answer to it."""

ENDING = Prompt("Continue the text.\nText: {text}\nContinuation:")
"""Multiple choice without a question. Each choice is ranked as a continuation of the text."""

ANSWER_FROM_CONTEXT = Prompt("Context: {context}\nQuestion: {question}\nAnswer:")
"""Question answering for decoders. A question without an answer in its context is answered `unanswerable`."""

TAGS = Prompt("Tag each word.\nSentence: {tokens}\nTags:")
"""Tagging. The answer repeats the words, and each word is followed by its tag."""

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
    """Return the prompt of that name.

    Raises:
        UserError: there is no such prompt.
    """
    if name not in PROMPTS:
        raise UserError(f"the catalog has no prompt {name!r}; near: {near(name, PROMPTS)}")
    return PROMPTS[name]
