# ruff: noqa: E501 - lists of tokens are easier to read in full lines
"""Fuzz the loader: `python tests/slow/fuzz_rdl.py --count 1000000 --seed 1`.

Inputs are documents that people might write, cut, spliced, bent and repeated. For each: no
exception but `DocumentError`, no more than two seconds, and what loads must come back from its own
canonical text. Ends 1 with the input in a file where one of these fails, or where the process has
ever held more than a gibibyte.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "unit" / "rdl")]

from rdl_bad_files import BAD  # noqa: E402

from rdl.errors import MAX_PROBLEMS, DocumentError  # noqa: E402
from rdl.language.dump import dump  # noqa: E402
from rdl.language.load import load  # noqa: E402

SECONDS = 2.0
KIBIBYTES = 1024 * 1024
TOKENS = [
    "rdl: 1\n", "graph: g\n", "layer: underlay\n", "layer: mapping\n", "underlay: u\n", "mapping: {}\n",
    "nodes:\n", "links:\n", "elements:\n", "connections:\n", "constraints:\n", "{", "}", "[", "]", ", ",
    ": ", "- ", "? ", "\n", "  ", "\t", "a", "a.b", "_a", "web", "cpu", "memory", "2GiB", "50Mbps", "10ms",
    "ends", "id", "type", "/node/host/generic", "/link/transit", "same", "different", "apart", "on", "of",
    "not", "min", "max", "amount", "pool", "vlan", "addresses", "10.0.0.1/24", "elsewhere", "chosen",
    "pip:berlin", "'", '"', "&a ", "*a", "!!int ", "! ", "|\n", ">\n", "#", "null", "true", "~", "=", "<<",
    "1", "-1", "0", "010", "1e999", ".nan", "9" * 500, "1.5", "12:34:56:12:34:56", "\0", "\x85",
    "\u2028", "\ufeff", "é", "\ud800", "%TAG ! x\n", "---\n", "...\n", "x" * 64, "\\", "\x7f",
]  # fmt: skip


def corpus() -> tuple[list[str], list[str]]:
    """Where inputs begin: the examples, in both spellings, and the bad files."""
    good = [p.read_text() for p in sorted((ROOT / "examples").glob("*.rdl.yaml"))]
    return [*good, *(dump(load(text)) for text in good)], [bad.clean for bad in BAD]


def mutated(rng: random.Random, texts: tuple[list[str], list[str]]) -> str | bytes:
    """One input."""
    good, bad = texts
    text = rng.choice(good if rng.random() < 0.7 else bad)
    for _ in range(rng.choice([1, 1, 1, 2, 3, 6])):
        here = rng.randint(0, len(text))
        there = min(len(text), here + int(rng.expovariate(0.1)))
        kind = rng.randrange(8)
        if kind == 0:
            text = text[:here] + text[there:]
        elif kind == 1:
            text = text[:here] + rng.choice(TOKENS) + text[here:]
        elif kind == 2:
            text = text[:here] + rng.choice(TOKENS) + text[there:]
        elif kind == 3:
            text = text[:here] + text[here:there] * rng.randint(2, 50) + text[there:]
        elif kind == 4:
            other = rng.choice(rng.choice(texts))
            text = text[:here] + other[rng.randint(0, len(other)) :]
        elif kind == 5:
            text = (
                text[:here]
                + chr(rng.choice([rng.randrange(128), rng.randrange(0x3000)]))
                + text[there:]
            )
        elif kind == 6:
            text = text[:here] + rng.choice(TOKENS) * rng.choice([2, 70, 1000]) + text[there:]
        else:
            lines = text.split("\n")
            rng.shuffle(lines)
            text = "\n".join(lines)
    if rng.random() < 0.05:
        return bytes(
            rng.randrange(256) if rng.random() < 0.02 else b
            for b in text.encode("utf-8", "replace")
        )
    return text


def check(text: str | bytes) -> bool:
    """Whether the input is a document; raises where a promise is broken."""
    begin = time.process_time()
    try:
        graph = load(text)
    except DocumentError as exc:
        graph = None
        if not 0 < len(exc.problems) <= MAX_PROBLEMS:
            raise AssertionError(f"{len(exc.problems)} problems") from exc
    taken = time.process_time() - begin
    if taken > SECONDS:
        raise AssertionError(f"{taken:.1f} s")
    if graph is not None and load(dump(graph)) != graph:
        raise AssertionError("the canonical text reads back as something else")
    return graph is not None


def fuzz(count: int, seed: int, *, tell: bool = True) -> tuple[int, int]:
    """How many inputs were documents, and the most memory ever held, in KiB."""
    rng = random.Random(seed)
    texts = corpus()
    good = 0
    begin = time.monotonic()
    for number in range(1, count + 1):
        text = mutated(rng, texts)
        try:
            good += check(text)
        except Exception:
            found = Path(f"fuzz-{seed}-{number}.rdl")
            found.write_bytes(
                text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
            )
            print(f"input {number}, in {found}:", file=sys.stderr)
            raise
        if tell and number % 50_000 == 0:
            rate = number / (time.monotonic() - begin)
            print(f"{number} inputs, {good} documents, {rate:.0f}/s", flush=True)
    return good, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> int:
    """Fuzz, and say what ran."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    begin = time.monotonic()
    good, held = fuzz(args.count, args.seed)
    taken = time.monotonic() - begin
    print(f"{args.count} inputs of seed {args.seed} in {taken:.0f} s: {good} were documents,")
    print(
        f"the others refused with places; none took {SECONDS:.0f} s; {held / 1024:.0f} MiB at most"
    )
    return 0 if held < KIBIBYTES else 1


if __name__ == "__main__":
    sys.exit(main())
