"""The route table: which script answers a hostname and a path, by the rules of the Cloudflare API that holds it.

A pattern is `host/path`, a `*` at either end standing for anything; the most specific one wins
(developers.cloudflare.com/workers/configuration/routing/routes). Custom domains take a whole hostname. Local hostnames
stand for any `api.<zone>`.
"""

from collections.abc import Iterable

LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]", "0.0.0.0"})  # noqa: S104 - compared with, not bound to
REMEMBERED_HOSTS = 1024


class Routes:
    """Built once per change of the table, asked once per request.

    Patterns `host/segment/*` and `host/*` are dictionary look-ups. One of any other form makes all of them a search.
    """

    def __init__(self, patterns: Iterable[tuple[str, str]], domains: Iterable[tuple[str, str]]) -> None:
        self._domains = {host.lower(): script for host, script in domains}
        self._segments: dict[str, dict[str, str]] = {}
        self._wholes: dict[str, str] = {}
        self._local: dict[str, str] = {}
        self._names: dict[bytes, str] = {}
        self._patterns: list[tuple[str, str, str]] = []
        self._irregular = False
        for pattern, script in sorted(patterns):
            self._add(pattern, script)
        # longest host first, then longest path: the first match is the most specific one
        self._patterns.sort(key=lambda entry: (-len(entry[0]), -len(entry[1]), entry))

    def _add(self, pattern: str, script: str) -> None:
        host, _, path = pattern.partition("/")
        host = host.lower()
        self._patterns.append((host, f"/{path}", script))
        segment = path.removesuffix("/*")
        if "*" in host + segment.removesuffix("*") or (path != "*" and ("/" in segment or segment == path)):
            self._irregular = True
        elif path == "*":
            self._wholes[host] = script
        else:
            self._segments.setdefault(host, {})[segment] = script
            if host.startswith("api."):
                self._local.setdefault(segment, script)

    def find(self, host: bytes, path: str) -> str | None:
        """The script for a request, by its Host header and decoded path; None where no route matches."""
        name = self._names.get(host) or self._name(host)
        script = self._domains.get(name)
        if script is not None:
            return script
        if self._irregular:
            return self._search(name, path)
        segments = self._local if name in LOCAL_HOSTS else self._segments.get(name)
        if segments is not None:
            end = path.find("/", 1)
            if end > 0 and (script := segments.get(path[1:end])) is not None:
                return script
        return self._wholes.get(name)

    def _name(self, host: bytes) -> str:
        """The hostname without its port, in lower case."""
        name = host.decode("latin-1").lower()
        if ":" in name and not name.endswith("]"):
            name = name[: name.rindex(":")]
        if len(self._names) < REMEMBERED_HOSTS:
            self._names[host] = name
        return name

    def _search(self, name: str, path: str) -> str | None:
        for host, pattern, script in self._patterns:
            local = name in LOCAL_HOSTS and host.startswith("api.")
            host_fits = local or (name.endswith(host[1:]) if host.startswith("*") else name == host)
            path_fits = path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern
            if host_fits and path_fits:
                return script
        return None
