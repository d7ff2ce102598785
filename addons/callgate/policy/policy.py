"""A policy file, parsed and compiled: which rule decides a call.

The policies whose selectors fit the call are asked from the most specific to the least, then
in file order; within one, actions in file order; the first action that applies decides. An
action that would let the call through but for a constraint denies it, unless a later action
of the same policy and tool, with constraints of its own, lets it through: several such
actions are alternatives, as in SafeClaw. Actions that deny keep their say until then.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from callgate.canonical import Json
from callgate.detectors.secrets.rulefile import Rules
from callgate.errors import Fault, PolicyError
from callgate.model import Effect, Reason, ToolCall
from callgate.policy.fields import Fields
from callgate.policy.meanings import Meanings
from callgate.policy.names import fold
from callgate.policy.reader import Content, read
from callgate.policy.rules import Answer, Rule, Ruling, Section, Subject

_REASONS: Mapping[Effect, tuple[str, ...]] = {
    Effect.ALLOW: (),
    Effect.REQUIRE_APPROVAL: (str(Reason.POLICY_APPROVAL),),
    Effect.DENY: (str(Reason.POLICY_DENIED),),
}
_UNMATCHED: Mapping[Effect, tuple[str, ...]] = {
    **_REASONS,
    Effect.DENY: (str(Reason.NO_MATCHING_POLICY),),
}
_NO_RULES = Rules()
_WORDS = {
    Effect.ALLOW: "allows",
    Effect.REQUIRE_APPROVAL: "asks for approval of",
    Effect.DENY: "denies",
}


@dataclass(frozen=True, slots=True)
class Policy:
    """One version of a policy file; immutable, safe to share between threads."""

    content: Content
    digest: str
    """SHA-256 of the file's bytes, hex; with a file of rules, of its SHA-256 behind them too."""
    file: str

    @classmethod
    def parse(cls, text: str, file: str) -> Policy:
        """Read a policy from text; raises PolicyError with every fault."""
        return cls._of(text.encode("utf-8", "surrogatepass"), text, file)

    @classmethod
    def load(cls, path: Path | str) -> Policy:
        """Read a policy file; raises PolicyError with every fault, also when it cannot be read."""
        file = str(path)
        try:
            raw = Path(path).read_bytes()
        except OSError as error:
            message = f"cannot be read: {error.strerror or error}"
            raise PolicyError([Fault(file, 1, 1, message)]) from error
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            before = raw[: error.start]
            line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
            message = "not UTF-8 here: save the file as UTF-8"
            raise PolicyError([Fault(file, line, column, message)]) from error
        return cls._of(raw, text, file)

    @classmethod
    def permissive(cls) -> Policy:
        """Return what stands where there is no file: no objection, the detectors decide."""
        return cls(Content(), hashlib.sha256(b"").hexdigest(), "")

    @classmethod
    def _of(cls, raw: bytes, text: str, file: str) -> Policy:
        content = read(text, file)
        rules = content.rule_file.digest.encode() if content.rule_file else b""
        return cls(content, hashlib.sha256(raw + rules).hexdigest(), file)

    @property
    def settings(self) -> dict[str, Json]:
        """The raw `settings:` mapping; nobody has checked it."""
        return dict(self.content.settings)

    @property
    def detectors(self) -> dict[str, Meanings]:
        """The `detectors:` mapping: family of findings → what they mean for a call."""
        return dict(self.content.detectors)

    @property
    def own_domains(self) -> tuple[str, ...]:
        """What is inside, as `HOST` or `*.HOST`; empty where the file does not say."""
        return self.content.own_domains

    @property
    def secret_rules(self) -> Rules:
        """The rules of the file that `detectors: {secrets: {rules: PATH}}` names; else none."""
        return self.content.rule_file.rules if self.content.rule_file else _NO_RULES

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule, in the order asked."""
        return tuple(rule for section in self.content.sections for rule in section.rules)

    @property
    def governs_hosted(self) -> bool:
        """False only when no tool that runs at the API could get a ruling other than ALLOW."""
        return self.content.default is not Effect.ALLOW or any(
            rule.effect is not Effect.ALLOW or rule.constraints for rule in self.rules
        )

    def judge(self, call: ToolCall, arguments: Json) -> Ruling:
        """Rule on a call, given its parsed arguments of whatever JSON type."""
        caller = {
            "surface": str(call.surface),
            "agent": call.agent,
            "assistant": call.assistant,
            "model": call.model,
        }
        return self._rule(call.name, caller, Fields(arguments))

    def judge_hosted(
        self, name: str, *, surface: str, agent: str, assistant: str, model: str
    ) -> Ruling:
        """Rule on enabling a tool that the API itself runs (`code_interpreter`, …).

        Nobody here sees its arguments. So constraints, and a `when` about `args`, count as
        fulfilled in rules that deny or ask for approval, and as not fulfilled in rules that
        allow: an allowance with constraints denies the tool.
        """
        caller = {
            "surface": str(surface),
            "agent": agent,
            "assistant": assistant,
            "model": model,
        }
        ruling = self._rule(name, caller, None)
        if ruling.rule == "default" and "." in name:
            # `mcp.SERVER`: rules for one server first, then those for all
            return self._rule(name.partition(".")[0], caller, None)
        return ruling

    def _rule(self, tool: str, caller: Mapping[str, str], fields: Fields | None) -> Ruling:
        arguments = {} if fields is None else fields.arguments
        subject = Subject({**caller, "tool": tool, "args": arguments}, fields)
        folded = fold(tool)
        tried: list[str] = []
        for section in self.content.sections:
            if section.fits(caller):
                ruling = _ask_section(section, tool, folded, subject, tried)
                if ruling is not None:
                    return ruling
        return self._unmatched(tried)

    def _unmatched(self, tried: list[str]) -> Ruling:
        default = self.content.default
        why = f"no rule applies; the default {_WORDS[default]} the call"
        return Ruling(default, _UNMATCHED[default], "default", why, tuple(tried))


def _ask_section(
    section: Section, tool: str, folded: str, subject: Subject, tried: list[str]
) -> Ruling | None:
    refusing: Rule | None = None
    whys: list[str] = []
    for rule in section.rules:
        if not rule.tool.matches(tool, folded):
            continue
        if refusing and rule.effect is not Effect.DENY and not rule.is_alternative_to(refusing):
            continue
        opinion = rule.ask(subject)
        tried.append(_line(rule, opinion.answer, opinion.why))
        if opinion.answer is Answer.APPLIES:
            if refusing and rule.effect is Effect.DENY:
                break
            return _ruling(rule, rule.effect, opinion.why, tried)
        if opinion.answer is Answer.REFUSES:
            refusing = refusing or rule
            whys.append(opinion.why)
    return _ruling(refusing, Effect.DENY, "; ".join(whys), tried) if refusing else None


def _line(rule: Rule, answer: Answer, why: str) -> str:
    return f"{rule.name} ({rule.place}, {rule.effect.lower()}): {answer}{why and ': ' + why}"


def _ruling(rule: Rule, effect: Effect, why: str, tried: list[str]) -> Ruling:
    explanation = f"{rule.place}: {rule.name} {_WORDS[effect]} the call{why and ': ' + why}"
    return Ruling(effect, _REASONS[effect], rule.name, explanation, tuple(tried), rule.place)
