"""Reading JavaScript and TypeScript trees: names, objects, text. Needs the extra `scan`."""

from __future__ import annotations

from tree_sitter import Node

from headgate.scanner.text import Hole, Text, joined

DEPTH_MAX = 32
_WRAPPERS = frozenset({
    "parenthesized_expression", "as_expression", "satisfies_expression", "await_expression", "non_null_expression",
    "type_assertion",
})  # fmt: skip
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "`": "`", '"': '"', "'": "'", "\\": "\\", "$": "$", "\n": ""}
_KEPT = frozenset({"trim", "trimStart", "trimEnd", "dedent", "String", "stripIndent", "stripIndents"})


def code(node: Node | None) -> str:
    """The source of a node."""
    return "" if node is None or node.text is None else node.text.decode(errors="replace")


def bare(node: Node) -> Node:
    """The expression without parentheses, `await` and type assertions."""
    for _ in range(DEPTH_MAX):
        if node.type not in _WRAPPERS or not node.named_children:
            break
        node = node.named_children[-1] if node.type == "type_assertion" else node.named_children[0]
    return node


def chain(node: Node | None, depth: int = 0) -> str:
    """`client.chat.create` of a member expression; `?` for what is no name."""
    if node is None or depth > DEPTH_MAX:
        return "?"
    node = bare(node)
    if node.type in ("identifier", "property_identifier", "this", "super", "type_identifier"):
        return code(node)
    if node.type == "member_expression":
        own = code(node.child_by_field_name("property"))
        return f"{chain(node.child_by_field_name('object'), depth + 1)}.{own}"
    if node.type == "call_expression":
        return f"{chain(node.child_by_field_name('function'), depth + 1)}()"
    if node.type == "new_expression":
        return f"{chain(node.child_by_field_name('constructor'), depth + 1)}()"
    return "?"


def fields(node: Node) -> dict[str, Node]:
    """The named properties of an object literal; a shorthand property is its own value, `...rest` is named `...`."""
    out: dict[str, Node] = {}
    for child in node.named_children:
        if child.type == "pair":
            key, value = child.child_by_field_name("key"), child.child_by_field_name("value")
            if key is not None and value is not None:
                out[code(key).strip("\"'`")] = value
        elif child.type == "shorthand_property_identifier":
            out[code(child)] = child
        elif child.type == "spread_element":
            out["..."] = child
    return out


def arguments(node: Node) -> list[Node]:
    """The arguments of a call."""
    found = node.child_by_field_name("arguments")
    if found is None:
        return []
    if found.type == "template_string":
        return [found]
    return [child for child in found.named_children if child.type != "comment"]


def read_text(node: Node, depth: int = 0) -> Text | None:
    """The text that an expression spells out, at least in part; None where no literal is in it."""
    node = bare(node)
    if depth > DEPTH_MAX:
        return None
    if node.type == "string":
        return Text((_literal(node),), True)
    if node.type == "template_string":
        return _template(node)
    if node.type == "binary_expression" and code(node.child_by_field_name("operator")) == "+":
        return _sum(node, depth)
    if node.type == "call_expression":
        return _call(node, depth)
    return None


def hole(node: Node) -> Hole:
    """The variable that stands for an expression."""
    word = chain(node).removesuffix("()").rpartition(".")[2]
    name = "".join(sign if sign.isalnum() else "_" for sign in word).strip("_")
    return Hole(name if name.isidentifier() else "value")


def _literal(node: Node) -> str:
    out = ""
    for child in node.named_children:
        out += _escape(child) if child.type == "escape_sequence" else code(child)
    return out


def _escape(node: Node) -> str:
    body = code(node)[1:]
    if body in _ESCAPES:
        return _ESCAPES[body]
    digits = body[1:].strip("{}")
    if body[:1] in ("x", "u") and digits:
        number = int(digits, 16) if all(sign in "0123456789abcdefABCDEF" for sign in digits) else 0xFFFD
        return chr(number) if number < 0x110000 else "�"
    return body


def _template(node: Node) -> Text:
    parts: list[Text] = []
    for child in node.named_children:
        if child.type == "template_substitution":
            inner = child.named_children[0] if child.named_children else None
            parts.append(Text((hole(inner),), True) if inner is not None else Text())
        else:
            parts.append(Text((_escape(child) if child.type == "escape_sequence" else code(child),), True))
    return joined(parts) if parts else Text(("",), True)


def _sum(node: Node, depth: int) -> Text | None:
    """A chain of `+`, however long: it nests to the left."""
    chain_of: list[Node] = []
    at = node
    while at.type == "binary_expression" and code(at.child_by_field_name("operator")) == "+":
        left, right = at.child_by_field_name("left"), at.child_by_field_name("right")
        if left is None or right is None:
            return None
        chain_of.append(right)
        at = bare(left)
    chain_of.append(at)
    texts = [(item, read_text(item, depth + 1)) for item in reversed(chain_of)]
    if all(text is None for _, text in texts):
        return None
    return joined([text if text is not None else Text((hole(item),), True) for item, text in texts])


def _call(node: Node, depth: int) -> Text | None:
    function = node.child_by_field_name("function")
    word = chain(function).rpartition(".")[2]
    if function is None or (word not in _KEPT and word != "join"):
        return None
    given = arguments(node)
    subject = bare(function).child_by_field_name("object")
    if word == "join":
        return _join(subject, given, depth)
    if subject is None:
        return read_text(given[0], depth + 1) if given else None
    return read_text(subject, depth + 1)


def _join(subject: Node | None, given: list[Node], depth: int) -> Text | None:
    if subject is None or bare(subject).type != "array":
        return None
    glue = (read_text(given[0]) if given else None) or Text((",",), True)
    items = bare(subject).named_children
    texts = [read_text(item, depth + 1) for item in items]
    if all(text is None for text in texts):
        return None
    pieces: list[Text] = []
    for item, text in zip(items, texts, strict=True):
        pieces += [glue, text if text is not None else Text((hole(item),), True)]
    return joined(pieces[1:])
