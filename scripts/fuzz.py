#!/usr/bin/env python3
"""Runs every fuzz target for some seconds, and says which of them failed."""

import argparse
import os
import subprocess
import sys


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("targets", nargs="*", help="all if none is named")
    arguments = parser.parse_args()
    # Sanitizers are not yet stable in rustc; this takes the stable compiler at its word.
    environment = os.environ | {"RUSTC_BOOTSTRAP": "1"}

    def fuzz(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["cargo", "fuzz", *words], env=environment, text=True, stdout=subprocess.PIPE, check=False)

    targets = arguments.targets or fuzz("list").stdout.split()
    failed = []
    for target in targets:
        print(f"== {target}", flush=True)
        done = fuzz("run", target, "--", f"-max_total_time={arguments.seconds}", "-max_len=65536", "-timeout=10")
        if done.returncode != 0:
            failed.append(target)
    print(f"{len(targets) - len(failed)} of {len(targets)} targets found nothing" + "".join(f"; failed: {name}" for name in failed))
    return 1 if failed or not targets else 0


if __name__ == "__main__":
    sys.exit(main())
