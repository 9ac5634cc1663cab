"""Loading RDL against PyYAML's own C loader on the same text, in one run.

`yaml.CSafeLoader` only builds dicts and lists; ours checks every rule of the language, keeps
every place for the errors and builds the graph. The target is at most three times its time.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import yaml

from rdl.language.dump import dump
from rdl.language.load import load

TARGET = 3.0


def document(elements: int) -> str:
    """A canonical document of that many elements: a ring of VNodes, with features and addresses."""
    half = elements // 2
    lines = ["rdl: 1", "graph: ring", "elements:"]
    for i in range(half):
        own, before = f"{{id: n{i}.l{i}, features: {{address: 10.0.0.1/24}}}}", (i - 1) % half
        lines += [
            f"  - id: n{i}",
            "    type: /node/host/generic",
            "    resources: {cpu: 2, memory: 2147483648}",
            "    features: {arch: [x86_64, aarch64]}",
            f"    interfaces: [{own}, n{i}.l{before}]",
        ]
    for i in range(elements - half):
        lines += [
            f"  - id: l{i}",
            "    type: /link/generic",
            "    resources: {bandwidth: 50000000}",
            "    features: {latency: {max: 0.01}}",
            f"    interfaces: [l{i}.0, l{i}.1]",
        ]
    lines.append("connections:")
    for i in range(half):
        lines += [f"  - [n{i}.l{i}, l{i}.0]", f"  - [n{(i + 1) % half}.l{i}, l{i}.1]"]
    return "\n".join(lines) + "\n"


def seconds(work: Callable[[], object], rounds: int) -> float:
    """The median time of some rounds."""
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def main() -> int:
    """Print the ratio; 1 where it is beyond the target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--elements", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    text = document(args.elements)
    graph = load(text)
    theirs = seconds(lambda: yaml.load(text, Loader=yaml.CSafeLoader), args.rounds)
    ours = seconds(lambda: load(text), args.rounds)
    written = seconds(lambda: dump(graph), args.rounds)
    print(f"{args.elements} elements, {len(text) / 1e6:.2f} MB, canonical")
    print(f"yaml.CSafeLoader {theirs:.2f} s, rdl.load {ours:.2f} s, rdl.dump {written:.2f} s")
    print(f"ratio rdl.load / yaml.CSafeLoader: {ours / theirs:.2f} (target: at most {TARGET})")
    return 0 if ours <= TARGET * theirs else 1


if __name__ == "__main__":
    sys.exit(main())
