"""Run the command blocks of a document as a reader would, top to bottom, in one shell.

A fenced block whose info string starts with `sh` or `python` is run. What follows says how:
    sh                  run, must exit 0
    sh background       start and leave running until the end; waited for until it says how to stop it
    sh skip=REASON      not run (the real account, another check that runs it already)
Usage: python -m scripts.check_docs README.md
"""

import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
READY = "Ctrl-C"
READY_SECONDS = 180.0
FENCE = re.compile(r"^```(sh|python)([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    line: int
    language: str
    how: str
    text: str


def blocks(document: str) -> list[Block]:
    return [
        Block(document.count("\n", 0, match.start()) + 1, match[1], match[2].strip(), match[3])
        for match in FENCE.finditer(document)
    ]


def wait_until_ready(process: subprocess.Popen[str]) -> None:
    """Its output goes on being read, so that it never waits for a reader."""
    ready = threading.Event()

    def read() -> None:
        for line in process.stdout or ():
            if READY in line:
                ready.set()

    threading.Thread(target=read, daemon=True).start()
    if not ready.wait(READY_SECONDS):
        raise SystemExit(f"the background command ({process.poll()}) did not say {READY!r} within {READY_SECONDS} s")


def shell_text(block: Block, exports: Path) -> str:
    """Variables that one block sets are there in the next, as in a reader's terminal."""
    body = block.text
    if block.language == "python":
        body = f".venv/bin/python - <<'END_OF_BLOCK'\n{body}END_OF_BLOCK\n"
    return f"set -eu\n[ ! -f {exports} ] || . {exports}\nset -a\n{body}\nset +a\nexport -p > {exports}\n"


def main(arguments: list[str]) -> int:
    ran = failed = 0
    background: list[subprocess.Popen[str]] = []
    exports = ROOT / ".serai" / "check-docs.env"
    exports.parent.mkdir(exist_ok=True)
    exports.unlink(missing_ok=True)
    try:
        for name in arguments:
            for block in blocks((ROOT / name).read_text(encoding="utf-8")):
                where = f"{name}:{block.line}"
                if block.how.startswith("skip="):
                    print(f"  skipped  {where}  {block.how.removeprefix('skip=')}")
                    continue
                if block.how == "background":
                    process = subprocess.Popen(
                        ["bash", "-c", block.text], cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
                    )
                    background.append(process)
                    wait_until_ready(process)
                    print(f"  started  {where}")
                    continue
                ran += 1
                done = subprocess.run(
                    ["bash", "-c", shell_text(block, exports)],
                    cwd=ROOT,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    timeout=300,
                    check=False,
                )
                if done.returncode:
                    failed += 1
                    print(f"  FAILED   {where}  exit {done.returncode}\n{done.stdout}{done.stderr}")
                else:
                    print(f"  ok       {where}")
    finally:
        for process in background:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(30)
        exports.unlink(missing_ok=True)
    print(f"{ran - failed} passed, {failed} failed")
    return 1 if failed or not ran else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
