"""The process that serves one uploaded version. Started by path as `python -I -S runner.py SCRIPT VERSION`.

`-I -S` leaves `sys.path` with the standard library alone: no working tree, no `.pth` file of an editable install. The
first place then belongs to the version's folder, so that `handlers` and `shared` are what was uploaded; third-party
packages come from the host's environment. What is served, its bindings included, arrives on standard input: arguments
and environment of a process are for everyone to read.
"""

import json
import os
import sys
import types
from typing import Any

EDGE = "infra.twin.edge"


def prepare_imports(payload: dict[str, Any]) -> None:
    """`sys.path`, and this folder as the package `infra.twin.edge` without what lies beside it."""
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib costs a cold start 10 ms
    sys.path[:] = [*payload["first_path"], *sys.path, *payload["packages"]]
    for name in ("infra", "infra.twin", EDGE):
        package = types.ModuleType(name)
        package.__path__ = [here] if name == EDGE else []
        sys.modules[name] = package


def main() -> None:
    payload = json.loads(sys.stdin.buffer.read())
    prepare_imports(payload)
    from infra.twin.edge.child import serve  # noqa: PLC0415 - found only now

    serve(payload)


if __name__ == "__main__":
    main()
