"""Kill at random moments, start again, and prove that nothing was lost, orphaned or charged twice (docs/faults.md).

python tests/faults/kill.py --provisioning 6 --traffic 6      the short form
python tests/faults/kill.py --provisioning 100 --traffic 100 --seed 7
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from failures import FailureError
from processes import preload
from provisioning import Provisioning
from traffic import Stage

SHORT = 20
"""Up to this many rounds only those kinds that take seconds."""


def main() -> int:
    options = _options()
    chance = random.Random(options.seed)  # noqa: S311 - moments, not secrets
    folder = Path(tempfile.mkdtemp(prefix="serai-faults-"))
    say = _silent if options.json else _print
    say(f"seed {options.seed}, in {folder}")
    preload()
    report: dict[str, Any] = {"seed": options.seed, "folder": str(folder), "failures": []}
    if options.provisioning:
        report["provisioning"] = _provisioning(options, folder, chance, say, report["failures"])
    if options.traffic:
        report["traffic"] = _traffic(options, folder, chance, say, report["failures"])
    if options.json:
        _print(json.dumps(report))
    for failure in report["failures"]:
        sys.stderr.write(f"\nFAILED  {failure}\n")
    if report["failures"]:
        sys.stderr.write(f"\n{len(report['failures'])} rounds failed; what they left is in {folder}\n")
        return 1
    shutil.rmtree(folder)
    return 0


def _provisioning(options: Any, folder: Path, chance: random.Random, say: Any, failures: list[str]) -> dict[str, Any]:
    rounds = Provisioning(folder / "provisioning", chance, say, short=options.provisioning <= SHORT)
    started = time.monotonic()
    while rounds.kills < options.provisioning:
        try:
            rounds.round()
        except FailureError as failure:
            say(f"  FAILED {failure}")
            failures.append(str(failure))
            rounds.abandon()
            if len(failures) >= options.most_failures:
                break
    seconds = time.monotonic() - started
    figures = {
        "kills": rounds.kills,
        "rounds": rounds.rounds,
        "over_before_the_kill": rounds.early,
        "seconds": round(seconds, 1),
        "failures": len(failures),
    }
    say(f"provisioning: {figures}")
    return figures


def _traffic(options: Any, folder: Path, chance: random.Random, say: Any, failures: list[str]) -> list[dict[str, Any]]:
    """Half of the kills over one cell, whose process owns the port, half over two with a front before them."""
    figures: list[dict[str, Any]] = []
    for cells, kills in ((1, options.traffic - options.traffic // 2), (2, options.traffic // 2)):
        if not kills:
            continue
        stage = Stage(folder / f"traffic-{cells}", cells, chance, say)
        started = time.monotonic()
        try:
            stage.run(kills)
        except FailureError as failure:
            failures.append(str(failure))
        figures.append({**stage.figures(), "seconds": round(time.monotonic() - started, 1)})
        say(f"traffic: {figures[-1]}")
    return figures


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--provisioning", type=int, default=6, metavar="N", help="kills while provisioning")
    parser.add_argument("--traffic", type=int, default=6, metavar="M", help="kills under traffic")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the random choices; moments still vary")
    parser.add_argument("--most-failures", type=int, default=5, metavar="K", help="give up after so many")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    return parser.parse_args()


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _silent(text: str) -> None:
    pass


if __name__ == "__main__":
    sys.exit(main())
