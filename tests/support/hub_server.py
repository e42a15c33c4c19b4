"""A Hugging Face hub on this machine: what ``huggingface_hub`` asks, answered from memory."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_of_the_tests"


@dataclass
class Repo:
    """A model: its files at each commit, and the commits that have names."""

    private: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def commit(self, files: dict[str, bytes], branch: str = "main") -> str:
        """Add files to a branch."""
        before = self.commits.get(self.names.get(branch, ""), {})
        sha = hashlib.sha1(f"{branch}{len(self.commits)}".encode()).hexdigest()
        self.commits[sha], self.names[branch] = {**before, **files}, sha
        return sha


class Hub:
    """What a test knows of the server.

    Args:
        url: of it.
        repos: by their names.
        asked: the method and path of each request, in order.
        gated: repos that want an agreement first.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.repos: dict[str, Repo] = {}
        self.asked: list[str] = []
        self.gated: set[str] = set()
        self.large: dict[str, bytes] = {}  # uploaded, by sha256
        self.broken = False

    def add(self, name: str, files: dict[str, bytes], *, private: bool = False) -> str:
        """Make a model; its commit."""
        self.repos[name] = Repo(private=private)
        return self.repos[name].commit(files)

    def files(self, name: str, branch: str = "main") -> dict[str, bytes]:
        """What a branch holds."""
        repo = self.repos[name]
        return repo.commits[repo.names[branch]]


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def _answer(self, status: int, value: Any = None, **headers: str) -> None:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        headers.setdefault("Content_Type", "application/json")
        for name, each in {**headers, "Content_Length": str(len(body))}.items():
            self.send_header(name.replace("_", "-"), each)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refuse(self, status: int, code: str) -> None:
        self._answer(status, {"error": code}, X_Error_Code=code, X_Error_Message=code)

    @property
    def _known(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _repo(self, name: str, revision: str) -> tuple[Repo, str] | None:
        """A model and one of its commits; None after a refusal."""
        repo = self.hub.repos.get(name)
        if repo is None or (repo.private and not self._known):
            self._refuse(404 if self._known else 401, "RepoNotFound")
        elif name in self.hub.gated:
            self._refuse(403, "GatedRepo")
        elif (sha := repo.names.get(revision, revision)) not in repo.commits:
            self._refuse(404, "RevisionNotFound")
        else:
            return repo, sha
        return None

    def _handle(self) -> None:
        path = unquote(urlsplit(self.path).path).strip("/")
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        self.hub.asked.append(f"{self.command} /{path}")
        if self.hub.broken:
            self._refuse(500, "Broken")
            return
        parts = path.split("/")
        name = "/".join(parts[2:4] if parts[0] == "api" else parts[:2]).removesuffix(".git")
        rest = parts[4:] if parts[0] == "api" else parts[2:]
        if self.command in ("GET", "HEAD"):
            self._read(name, rest, parts[0] == "api")
        elif not self._known and parts[0] != "upload":
            self._refuse(401, "Unauthorized")
        elif parts == ["api", "repos", "create"]:
            self._create(json.loads(body))
        else:
            self._write(parts, name, rest, body)

    do_GET = do_HEAD = do_POST = do_PUT = _handle  # noqa: N815

    def _read(self, name: str, rest: list[str], is_api: bool) -> None:
        revision = rest[1] if len(rest) > 1 else "main"
        found = self._repo(name, revision)
        if found is None:
            return
        repo, sha = found
        files = repo.commits[sha]
        if is_api and rest[:1] == ["tree"]:
            self._answer(200, [_entry(path, files[path]) for path in sorted(files)])
        elif is_api:
            siblings = [{"rfilename": path} for path in sorted(files)]
            about = {"id": name, "sha": sha, "private": repo.private, "siblings": siblings}
            self._answer(200, about)
        elif (path := "/".join(rest[2:])) in files:
            tag = hashlib.sha256(files[path]).hexdigest()
            self._answer(200, files[path], ETag=f'"{tag}"', X_Repo_Commit=sha)
        else:
            self._answer(
                404, {}, X_Error_Code="EntryNotFound", X_Repo_Commit=sha, X_Error_Message="none"
            )

    def _create(self, asked: dict[str, Any]) -> None:
        name = "/".join(filter(None, [asked.get("organization"), asked["name"]]))
        private = asked.get("private") or asked.get("visibility") == "private"
        self.hub.add(name, {".gitattributes": b""}, private=bool(private))
        self._answer(200, {"url": f"{self.hub.url}/{name}", "id": name})

    def _write(self, parts: list[str], name: str, rest: list[str], body: bytes) -> None:
        if parts[0] == "upload":
            self.hub.large[parts[1]] = body
            self._answer(200, {})
        elif parts == ["api", "validate-yaml"]:
            bad = "licence-of-nobody" in body.decode()
            errors = [{"message": '"license" must be one of apache-2.0, mit'}] if bad else []
            self._answer(400 if bad else 200, {"errors": errors, "warnings": []})
        elif rest[:1] == ["preupload"]:
            self._answer(200, {"files": [_mode(each) for each in json.loads(body)["files"]]})
        elif rest[-2:] == ["objects", "batch"]:
            objects = json.loads(body)["objects"]
            self._answer(200, {"transfer": "basic", "objects": list(map(self._place, objects))})
        elif rest[:1] == ["branch"]:
            repo = self.hub.repos[name]
            repo.names.setdefault(rest[1], repo.names["main"])
            self._answer(200, {})
        elif rest[:1] == ["commit"]:
            sha = self.hub.repos[name].commit(self._committed(body), rest[1])
            url = f"{self.hub.url}/{name}/commit/{sha}"
            self._answer(200, {"success": True, "commitOid": sha, "commitUrl": url})
        else:
            self._refuse(404, "Unknown")

    def _place(self, wanted: dict[str, Any]) -> dict[str, Any]:
        upload = {"href": f"{self.hub.url}/upload/{wanted['oid']}", "header": {}}
        return {**wanted, "actions": {"upload": upload}}

    def _committed(self, body: bytes) -> dict[str, bytes]:
        files = {}
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.hub.large[value["oid"]]
        return files


def _entry(path: str, content: bytes) -> dict[str, Any]:
    oid = hashlib.sha1(content).hexdigest()
    return {"type": "file", "path": path, "size": len(content), "oid": oid}


def _mode(file: dict[str, Any]) -> dict[str, Any]:
    mode = "regular" if file["path"].endswith((".md", ".xml")) else "lfs"
    return {"path": file["path"], "uploadMode": mode, "shouldIgnore": False}


@contextmanager
def running_hub() -> Iterator[Hub]:
    """A hub at 127.0.0.1 until the end of the block."""
    handler = type("Handler", (_Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    handler.hub = Hub(f"http://127.0.0.1:{server.server_port}")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield handler.hub  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
