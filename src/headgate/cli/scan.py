"""`headgate scan`: prompts and direct calls to models in code, as text, JSON or SARIF."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import headgate
from headgate.cli.commands import Commands
from headgate.cli.scan_extract import prompts_of, tell, write_prompts
from headgate.cli.scan_rewrite import rewrite
from headgate.cli.tables import legible, print_json, say
from headgate.core.errors import ConfigError
from headgate.scanner import CONFIDENCES, KINDS, Finding, Scan, at_least, scan
from headgate.scanner.baseline import baseline_bytes, baseline_of, new_since, read_baseline
from headgate.scanner.sarif import sarif


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser("scan", help="find prompts and direct calls to models in code")
    parser.add_argument("path", type=Path, metavar="PATH", help="a folder or file of Python, JavaScript, TypeScript")
    parser.add_argument(
        "--format", choices=("text", "json", "sarif"), default="text", help="how to print what is found"
    )
    parser.add_argument("--json", dest="format", action="store_const", const="json", help="as --format json")
    parser.add_argument("--sarif", dest="format", action="store_const", const="sarif", help="as --format sarif")
    parser.add_argument("--min-confidence", choices=CONFIDENCES, default="low", help="leave out what is less sure")
    parser.add_argument(
        "--exclude", action="append", default=[], metavar="PATTERN", help="paths to leave out: 'tests/*'"
    )
    parser.add_argument("--baseline", type=Path, metavar="FILE", help="report only what this file does not hold")
    parser.add_argument("--write-baseline", type=Path, metavar="FILE", help="write what was found to this file; exit 0")
    parser.add_argument("--extract", type=Path, metavar="DIR", help="write the prompts found as prompt files")
    parser.add_argument("--owner", metavar="NAME", help="the owner of the prompt files")
    parser.add_argument("--rewrite", action="store_true", help="with --extract: show call sites that use the prompts")
    parser.add_argument("--write", action="store_true", help="with --rewrite: change the files")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0 where nothing (nothing new) is found, 1 where something is; raises ConfigError for what cannot be read."""
    if (options.rewrite and options.extract is None) or (options.write and not options.rewrite):
        raise ConfigError("headgate scan", "--write needs --rewrite, which needs --extract DIR", "all three together")
    result = scan(options.path, options.exclude)
    result.findings = at_least(result.findings, options.min_confidence)
    if options.write_baseline is not None:
        return _write_baseline(options.write_baseline, result)
    known = 0
    if options.baseline is not None:
        everything = len(result.findings)
        result.findings = new_since(result.findings, read_baseline(options.baseline))
        known = everything - len(result.findings)
    if options.extract is not None:
        return _extract(result, options)
    if options.format == "sarif":
        print_json(sarif(result.findings, result.skipped, headgate.__version__))
    elif options.format == "json":
        print_json(_document(result, known))
    else:
        _print(result, known, options)
    return 1 if result.findings else 0


def _extract(result: Scan, options: argparse.Namespace) -> int:
    """0 where the files are written; call sites are shown, or rewritten, as asked for."""
    files, left = prompts_of(result.findings, options.owner)
    write_prompts(options.extract, files)
    tell(options.extract, files, left)
    if options.rewrite:
        rewrite(options.path, [one for one, _ in files], options.write)
    return 0


def _write_baseline(file: Path, result: Scan) -> int:
    baseline = baseline_of(result.findings)
    try:
        file.write_bytes(baseline_bytes(baseline))
    except OSError as error:
        raise ConfigError(
            str(file), error.strerror or "cannot be written", "name a file in a folder that exists"
        ) from error
    say(f"{file}: {len(result.findings)} places; `headgate scan PATH --baseline {file}` tells only of others")
    return 0


def _document(result: Scan, known: int) -> dict[str, object]:
    return {
        "files": result.files, "lines": result.lines, "known": known, "scripts_unread": result.scripts_unread,
        "findings": [one.public() for one in result.findings],
        "skipped": [{"path": s.path, "line": s.line, "why": s.why} for s in result.skipped],
    }  # fmt: skip


def _print(result: Scan, known: int, options: argparse.Namespace) -> None:
    path = ""
    for one in result.findings:
        if one.path != path:
            path = one.path
            say(f"{path}")
        print(_line(one))
    if result.findings:
        print()
    for one in result.skipped:
        say(f"not read: {one.path}{f':{one.line}' if one.line else ''}: {one.why}")
    if result.scripts_unread:
        unread = f"{result.scripts_unread} JavaScript and TypeScript files"
        say(f"not read: {unread}; `pip install 'headgate[scan]'` brings what reads them")
    counts = Counter(one.kind for one in result.findings)
    told = ", ".join(f"{counts[kind]} {kind}" for kind in KINDS if counts[kind])
    what = "new places" if options.baseline is not None else "places"
    beside = f"; {known} known" if options.baseline is not None else ""
    where = f"{result.files} files, {result.lines:,} lines"
    say(f"{len(result.findings)} {what} in {where}{beside}{f': {told}' if told else ''}")


def _line(one: Finding) -> str:
    about = " ".join(word for word in (one.provider, one.model) if word)
    holes = f"  {{{', '.join(one.variables[:6])}{', …' if len(one.variables) > 6 else ''}}}" if one.variables else ""
    sure = "" if one.confidence == "high" else f" ({one.confidence})"
    told = f"{about}: {one.excerpt}" if about else one.excerpt
    return legible(f"  {one.line:>5}  {one.kind + sure:<23}  {told}{holes}")
