"""Partials: text that several prompts share, put in place before the template language is checked.

`{% include "legal" %}` names a partial that the file pins under `partials`. Its text stands in the tag's place as if it
had been written there: no template is looked up while rendering, and the language stays without anything that grows
text. A partial is balanced in itself, for it is parsed alone first, so it cannot change what surrounds it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from headgate.core.artifact import Artifact
from headgate.core.decode import read
from headgate.core.errors import ConfigError
from headgate.core.types import ArtifactRef
from headgate.prompts.inputs import Check, asked_by, check_needs, partial_inputs, undeclared
from headgate.prompts.source import PartialSource
from headgate.prompts.template import TEMPLATE_CHARS_MAX, Block, LanguageError, Template, blocks, check_own, line_of

PARTIALS_MAX = 50  # that one file pins
DEPTH_MAX = 8  # partials within partials
_SIGNS = ("-", "+")


class Partial(msgspec.Struct, frozen=True):
    """A partial with its own partials in place. `uses` are it and those; `checks` what variables have to fulfil."""

    ref: ArtifactRef
    text: str
    checks: tuple[Check, ...]
    uses: tuple[ArtifactRef, ...]
    depth: int = 1


Find = Callable[[str], Artifact | None]
Look = Callable[[str], Partial | None]


class Partials:
    """The partials of one workspace, each compiled once."""

    def __init__(self, find: Find) -> None:
        """`find` gives the artifact that `name@1.4.2` pins; None where there is none."""
        self._find = find
        self._done: dict[str, Partial | ConfigError] = {}
        self._open: dict[str, Artifact] = {}  # being compiled, outermost first

    def look(self, pinned: str) -> Partial | None:
        """The partial that is pinned; None where there is none. Raises ConfigError: a mistake in its own file."""
        artifact = self._find(pinned)
        return None if artifact is None else self.compile(artifact)

    def compile(self, artifact: Artifact) -> Partial:
        """A partial, its own put in. Raises ConfigError naming file and line: the same one, however often asked."""
        address = str(artifact.ref)
        done = self._done.get(address)
        if done is None:
            self._open[address] = artifact
            try:
                done = self._done[address] = self._compile(artifact)
            except ConfigError as error:
                done = error
                if not isinstance(error, _TooDeep) or len(self._open) == 1:  # what lies within is not at fault
                    self._done[address] = error
            finally:
                del self._open[address]
        if isinstance(done, ConfigError):
            raise done
        return done

    def _compile(self, artifact: Artifact) -> Partial:
        source = read(artifact, PartialSource)
        properties = partial_inputs(artifact, source.inputs)
        pinned = pinned_by(artifact, source.partials, self._look_within(artifact))
        template = placed(artifact, "content", source.content, pinned)
        check_included(artifact, pinned, [source.content])
        checks = needs(pinned, template.variables)
        check_needs(artifact, source.inputs, checks)
        missing = undeclared(template.variables, properties)
        if missing is not None:
            raise artifact.fault("content", *missing)
        return Partial(
            ref=artifact.ref,
            text=template.source.removesuffix("\n"),
            checks=(asked_by(artifact, source.inputs, template.variables), *checks),
            uses=(artifact.ref, *uses_of(pinned)),
            depth=1 + max((partial.depth for partial in pinned.values()), default=0),
        )

    def _look_within(self, artifact: Artifact) -> Look:
        """Refuses what leads back to where it came from, or on and on."""

        def look(pinned: str) -> Partial | None:
            found = self._find(pinned)
            if found is None:
                return None
            address, way = str(found.ref), list(self._open)
            if address in self._open:
                told = " includes ".join([*way[way.index(address) :], address])
                raise artifact.fault("partials", f"partials in a circle: {told}", "leave one of these out")
            known = self._done.get(address)
            if len(way) + (known.depth if isinstance(known, Partial) else 1) > DEPTH_MAX:
                fault = self._open[way[0]].fault(
                    "partials", f"partials within partials, more than {DEPTH_MAX} deep", "write some of them out"
                )
                raise _TooDeep(fault.where, fault.wrong, fault.right)
            return self.compile(found)

        return look


class _TooDeep(ConfigError):
    """At fault is the partial that was asked for, not the one within it where that was seen."""


def pinned_by(artifact: Artifact, pins: Mapping[str, str], look: Look) -> dict[str, Partial]:
    """The partials that a file pins, by the names its templates include. Raises ConfigError naming file and line."""
    if len(pins) > PARTIALS_MAX:
        raise artifact.fault("partials", f"more than {PARTIALS_MAX} partials", "merge some of them")
    found: dict[str, Partial] = {}
    for name, wanted in pins.items():
        path = f"partials.{name}"
        if wanted.count("@") != 1 or wanted.count(".") < 2:
            right = "name@MAJOR.MINOR.PATCH, such as legal@1.0.0"
            raise artifact.fault(path, f"`{wanted}` does not pin a version", right)
        partial = look(wanted)
        if partial is None:
            raise artifact.fault(path, f"there is no partial `{wanted}`", "the version of a document of kind `partial`")
        found[name] = partial
    return found


def placed(artifact: Artifact, path: str, source: str, pinned: Mapping[str, Partial]) -> Template:
    """The template at a dotted path of the file, with its partials in place. Raises ConfigError."""
    try:
        text = expanded(source, pinned)
        if text is not source:
            check_own(source)  # first by itself: its lines are counted without those of partials
        return Template(text)
    except LanguageError as error:
        wrong = f"line {error.line} of the template: {error.wrong}"
        raise artifact.fault(path, wrong, error.right) from error


def needs(pinned: Mapping[str, Partial], free: frozenset[str]) -> tuple[Check, ...]:
    """What partials ask of the variables that are free in the templates that include them."""
    return tuple(check.within(free) for partial in pinned.values() for check in partial.checks)


def uses_of(pinned: Mapping[str, Partial]) -> tuple[ArtifactRef, ...]:
    """Every partial that decides what a template says, each once."""
    return tuple(dict.fromkeys(ref for partial in pinned.values() for ref in partial.uses))


def expanded(source: str, pinned: Mapping[str, Partial]) -> str:
    """The template with partials in place of `include` tags. Raises LanguageError."""
    out: list[str] = []
    at = size = 0
    for block in blocks(source):
        if not (block.tag and block.word == "include"):
            continue
        name = _name(source, block)
        if name not in pinned:
            known = ", ".join(pinned) or "none yet"
            right = f"add `{name}: {name}@1.0.0` to `partials` ({known})"
            raise LanguageError(f"no partial `{name}` is pinned", right, line_of(source, block.start))
        before, text = source[at : block.start], pinned[name].text
        at = block.end
        if block.tokens[0] == "-":
            before = before.rstrip()
        if block.tokens[-1] == "-":
            at += len(source) - at - len(source[at:].lstrip())
        size += len(before) + len(text)
        if size > TEMPLATE_CHARS_MAX:
            wrong = f"longer than {TEMPLATE_CHARS_MAX} characters with its partials"
            raise LanguageError(wrong, "pass long text as a variable", line_of(source, block.start))
        _append(out, before, source, block)
        _append(out, text, source, block)
        if _meets(text, source[at : at + 1]):
            raise _joined(source, block)
    return source if not out else "".join([*out, source[at:]])


def check_included(artifact: Artifact, pinned: Mapping[str, Partial], sources: list[str]) -> None:
    """Raises ConfigError for a pinned partial that no template includes."""
    names = {
        _name(source, block) for source in sources for block in blocks(source) if block.tag and block.word == "include"
    }
    for name in pinned:
        if name not in names:
            right = f'write {{% include "{name}" %}}, or remove the line'
            raise artifact.fault(f"partials.{name}", f"the partial `{name}` is pinned and never included", right)


def _name(source: str, block: Block) -> str:
    """What an `include` tag names. Raises LanguageError where it is more than a plain name."""
    words = [token for token in block.tokens if token not in _SIGNS]
    inner = source[block.start + 2 : block.end - 2]
    quote = min((at for at in (inner.find('"'), inner.find("'")) if at >= 0), default=-1)
    if words != ["include", '"'] or quote < 0:
        right = '{% include "name" %}, with the name pinned under `partials`'
        raise LanguageError("an include takes one name in quotes", right, line_of(source, block.start))
    return inner[quote + 1 : inner.rindex(inner[quote])]


def _append(out: list[str], text: str, source: str, block: Block) -> None:
    if not text:
        return
    if out and _meets(out[-1], text):
        raise _joined(source, block)
    out.append(text)


def _meets(before: str, after: str) -> bool:
    """Two texts that would open a block only by being put together."""
    return before.endswith("{") and after[:1] in ("{", "%", "#") and after != ""


def _joined(source: str, block: Block) -> LanguageError:
    wrong = "the partial and the text beside it would make a block together"
    return LanguageError(wrong, "put a space between them", line_of(source, block.start))
