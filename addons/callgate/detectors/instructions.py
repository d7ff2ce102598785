"""Text in a tool's result that talks to the model as if it were its user.

A result is data. Orders to forget earlier ones, markup of a chat, pleas not to tell the user have
no business in it. The forms are those of published attacks (AgentDojo, InjecAgent, BIPIA,
OWASP LLM01); whoever avoids them is not found, so findings join the record and make the flow
rules stricter, and nothing is refused for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from callgate.detectors.base import Text
from callgate.detectors.pattern import Pattern, pattern
from callgate.model import Finding, Reason


@dataclass(frozen=True, slots=True)
class _Form:
    kind: str
    pattern: Pattern
    confidence: float
    explanation: str


_EARLIER = r"(?:previous|prior|above|earlier|preceding|past|former|original|initial|existing|other)"
_ORDERS = (
    r"(?:\w{1,4}structions?|prompts?|rules|directions?|guidelines|directives|commands?|orders)"
)
_MODEL = (
    r"(?:AI|A\.I\.|LLM|GPT(?:-?\w+)?|ChatGPT|Claude|Gemini|Llama|Copilot|(?:AI |virtual )?assistant"
    r"|(?:language |AI )model|chat ?bot|(?:AI )?agent|bot)"
)
_TOOLS = r"(?:tools?|functions?|APIs?|commands?)"

_FORMS: Sequence[_Form] = tuple(
    _Form(kind, pattern(r"(?i)" + expression), confidence, explanation)
    for kind, expression, confidence, explanation in (
        (
            "OVERRIDE",
            r"\b(?:ignore|disregard|forget|override|overrule|bypass|skip|neglect|do not follow"
            r"|don'?t follow|stop following)\W+(?:\w+\W+){0,4}?(?:"
            + _EARLIER
            + r"\W+(?:\w+\W+)?"
            + _ORDERS
            + r"|your\W+(?:\w+\W+){0,2}"
            + _ORDERS
            + r")\b",
            0.9,
            "tells the model to forget its orders",
        ),
        (
            "OVERRIDE",
            r"\b(?:ignore|disregard|forget)\W+(?:everything|anything|all)\W+(?:\w+\W+){0,3}?"
            r"(?:above|before|said|told|previously|so far|until now)\b",
            0.9,
            "tells the model to forget its orders",
        ),
        (
            "OVERRIDE",
            r"(?:ignoriere?n? (?:Sie )?(?:alle |die )*(?:vorherigen|bisherigen|obigen) "
            r"(?:Anweisungen|Befehle)|ignore[zr]? (?:toutes )?(?:les )?(?:instructions|consignes) "
            r"(?:précédentes|ci-dessus)|ignor[ae] (?:todas )?(?:las )?instrucciones "
            r"(?:anteriores|previas)|(?:忽略|无视|無視)(?:以上|之前|先前|前面|所有)\S{0,6}(?:指令|指示|提示)"
            r"|игнорируй\w* (?:все )?(?:предыдущие|прежние) (?:инструкции|указания)"
            r"|(?:以前|これまで|上記)の(?:指示|命令)\S{0,4}無視)",
            0.9,
            "tells the model to forget its orders",
        ),
        (
            "NEW_ORDERS",
            r"\byour (?:new|real|actual|true|only|next|primary) (?:task|goal|job|objective|mission"
            r"|instructions?|orders?) (?:is|are|:)"
            r"|\b(?:new|updated|revised|additional|special|urgent) (?:system )?" + _ORDERS + r"\s?:"
            r"|\bfrom now on,? you (?:are|must|will|should|shall)\b"
            r"|\byou are now (?:an?|the|in|DAN)\b",
            0.7,
            "gives the model other orders",
        ),
        (
            "NEW_ORDERS",
            r"\b(?:before|after) (?:you |that you )?(?:can |could |may )?(?:\w+ ){0,2}?(?:solv"
            r"|answer|respond|reply|continu|proceed|complet|finish|do|perform|summari[sz])(?:e|es|ing|ed)?\b"
            r"[^.!?\n]{0,80}\b(?:please|you (?:must|should|need to|have to))\b[^.!?\n]{0,40}"
            r"\b(?:first|do|send|call|make|invite|post|add|delete|forward|share|transfer|visit)\b",
            0.8,
            "gives the model other orders",
        ),
        (
            "CHAT_MARKUP",
            r"<\|(?:im_start|im_end|system|user|assistant|endoftext|start_header_id|eot_id)\|>"
            r"|\[/?INST\]|<</?SYS>>|</?(?:system|assistant)(?:[_ -](?:prompt|message|note))?>"
            r"|</(?:tool|function)_(?:result|response|output|call)s?>"
            r"|<INFORMATION>|</?(?:important|admin)[_ ](?:message|instructions?)>"
            r"|(?:^|\n)\s*(?:#{2,}|\*\*)\s*\(?(?:system|assistant|instruction)s?"
            r"(?:[ _](?:prompt|message))?\s*[:)]",
            0.8,
            "is written in the markup of a chat",
        ),
        (
            "CHAT_MARKUP",
            r"(?:^|\n)\s*\[?(?:system|admin(?:istrator)?|developer)\]?"
            r" (?:message|prompt|note|notice|override|instructions?)\s*:\s*\S",
            0.5,
            "poses as the system's own message",
        ),
        (
            "TO_THE_MODEL",
            r"\b(?:important|urgent|attention|note|message|notice|instructions?)\b[^.\n]{0,40}"
            r"\b(?:to|for)\b (?:you,? )?(?:the |any |all |every |whichever |my )*"
            + _MODEL
            + r"s?(?:[^'’\w]|$)"
            r"|\b(?:dear|hey|hello|hi|attention),? (?:the )?" + _MODEL + r"\b"
            r"|\b(?:if|since|as|when) you (?:are|'re) (?:an?|the) (?:\w+ )?" + _MODEL + r"\b"
            r"|\bmessage from me,? [^.\n]{1,60}\bto you\b",
            0.6,
            "speaks to a model",
        ),
        (
            "SECRECY",
            r"\b(?:do not|don'?t|never|without|avoid|no need to)\W+(?:\w+\W+){0,2}?(?:tell(?:ing)?"
            r"|mention(?:ing)?|inform(?:ing)?|notify(?:ing)?|alert(?:ing)?|reveal(?:ing)?"
            r"|disclos(?:e|ing)|ask(?:ing)?|warn(?:ing)?|show(?:ing)?|let(?:ting)?)\W+"
            r"(?:\w+\W+){0,4}?(?:user|human|operator|owner)s?\b",
            0.7,
            "wants something kept from the user",
        ),
        (
            "TOOL_USE",
            r"\b(?:call|use|invoke|run|execute|trigger)\W+(?:the |your |this |that |its )?"
            r"[`\"']?\w+[`\"']?\W+" + _TOOLS + r"\b[^.\n]{0,80}\b(?:with|to|and|now|immediately"
            r"|before|first)\b"
            r"|\b(?:you must|you should|you need to|please) (?:\w+ )?(?:immediately |now |first )?"
            r"(?:call|invoke|execute|use) (?:the |your )?[`\"']?\w+[`\"']?(?:\(| " + _TOOLS + r")",
            0.3,
            "asks for the use of a tool",
        ),
    )
)

_HINT = pattern(
    r"(?i)ignor|disregard|forget|overr|bypass|follow|instruc|orders?\b|prompt|system|assist|model"
    r"|\byour?\b|user|human|<\||\[/?INST|指|命令|Anweisung|Befehl|consigne|инструкц|указани|INFORMATION"
)
_TAGS = re.compile("[\U000e0020-\U000e007e]{4,}")
"""Unicode's tag characters: seen by models, by nobody else."""

_MAX_FINDINGS = 50


class Instructions:
    """See `Detector`; yields reason INJECTED_INSTRUCTIONS. For results, not for arguments."""

    name = "instructions"

    def inspect(self, text: Text) -> Iterator[Finding]:
        """See `Detector.inspect`.

        Two kinds of signs in one text make each other surer: one may be talk about attacks.
        """
        value = text.value
        if "\U000e0020" < max(value, default="") < "\U000e007f":
            for match in _TAGS.finditer(value):
                yield _finding(text, "HIDDEN_TEXT", match.span(), 0.9, "is seen by a model only")
        if not _HINT.search(value):
            return
        found = list(_found(value))
        bonus = 0.2 if len({form.kind for form, _ in found}) > 1 else 0.0
        for form, span in found:
            sure = min(1.0, form.confidence + bonus)
            yield _finding(text, form.kind, span, sure, form.explanation)


def _found(value: str) -> Iterator[tuple[_Form, tuple[int, int]]]:
    for form in _FORMS:
        for count, match in enumerate(form.pattern.finditer(value)):
            if count == _MAX_FINDINGS:
                break
            yield form, match.span()


def _finding(
    text: Text, kind: str, span: tuple[int, int], confidence: float, explanation: str
) -> Finding:
    start, end = span
    return Finding(
        kind, Reason.INJECTED_INSTRUCTIONS, text.path, start, end, confidence, explanation
    )
