"""Reads the exchanges with GitHub that other projects have recorded for their own tests.

PyGithub keeps them in tests/ReplayData/*.txt: ten lines and an empty one for each exchange. @octokit/fixtures keeps them in
scenarios/*/*/*.json: a list of exchanges as they were recorded, and one with normalized ids and times.
"""

import ast
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"}
# Headers about the bytes of the connection. The recorded bodies are decoded, and are sent over another connection.
CONNECTION_HEADERS = {"connection", "content-encoding", "content-length", "keep-alive", "status", "transfer-encoding"}
# PyGithub's tests of base URLs.
PREFIX = re.compile(r"^(/api/v3|/path/to/github|/some/prefix|/my/prefix)(?=/)")


@dataclass
class Exchange:
    """A request, and the response that GitHub sent."""

    source: str
    method: str
    path: str
    query: str
    status: int
    headers: dict
    body: str
    # The exchanges that were recorded in the same file.
    neighbors: list = field(default_factory=list, repr=False)

    def json(self):
        """The body, or None if it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def number(self, header):
        """The value of a header, or None if it is not a number."""
        value = self.headers.get(header, "")
        return int(value) if value.isascii() and value.isdigit() else None

    @property
    def target(self):
        return self.path + ("?" + self.query if self.query else "")


def exchange(source, method, url, status, headers, body):
    url = re.sub(r"^https?://[^/]+", "", url)
    path, _, query = PREFIX.sub("", url).partition("?")
    kept = {}
    for name, value in headers:
        name, value = name.lower(), str(value)
        if name not in CONNECTION_HEADERS:
            kept[name] = f"{kept[name]}, {value}" if name in kept else value
    return Exchange(source, method.upper(), path, query, int(status), kept, body)


def read_pygithub(folder):
    """Returns all exchanges, and the number of places that are not exchanges, such as the lines of a downloaded file."""
    exchanges, unreadable = [], 0
    for file in sorted(Path(folder).glob("tests/ReplayData/*.txt")):
        lines = file.read_bytes().decode("utf-8").split("\n")
        at, skipping, of_file = 0, False, []
        while at < len(lines):
            if lines[at : at + 1] == [""]:
                at += 1
                continue
            protocol, method = (lines[at : at + 2] + ["", ""])[:2]
            record = lines[at : at + 10]
            try:
                if protocol not in ("http", "https") or method not in METHODS:
                    raise ValueError("not the first line of an exchange")
                _, method, _, _, url, _, _, status, headers, body = record
                source = f"PyGithub {file.name}, exchange {len(of_file) + 1}"
                of_file.append(exchange(source, method, url, status, ast.literal_eval(headers), body))
                at, skipping = at + 10, False
            except (SyntaxError, TypeError, ValueError):
                unreadable += not skipping
                at, skipping = at + 1, True
        for read in of_file:
            read.neighbors = of_file
        exchanges += of_file
    return exchanges, unreadable


def read_octokit(folder):
    """Returns all exchanges of the raw and of the normalized recordings."""
    exchanges = []
    for file in sorted(Path(folder).glob("scenarios/*/*/*-fixture.json")):
        of_file = []
        for recorded in json.loads(file.read_text(encoding="utf-8")):
            raw, body = recorded.get("rawHeaders", []), recorded["response"]
            headers = list(zip(raw[::2], raw[1::2])) or list(recorded.get("headers", {}).items())
            text = body if isinstance(body, str) else json.dumps(body)
            source = f"@octokit/fixtures {file.parent.name}/{file.name}, exchange {len(of_file) + 1}"
            path = recorded["path"]
            of_file.append(exchange(source, recorded["method"], path, recorded["status"], headers, text))
        for read in of_file:
            read.neighbors = of_file
        exchanges += of_file
    return exchanges
