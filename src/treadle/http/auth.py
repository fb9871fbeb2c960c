"""Who asks: an API key becomes a project id. Contract: docs/behaviour.md, H-1, H-5, E-10, E-11."""

import base64
from collections.abc import Callable, Mapping
from typing import Final

from treadle import store
from treadle.contract.errors import AuthenticationFailed
from treadle.store import Database

# A revoked key stops working within a second.
REMEMBERED_SECONDS: Final = 0.9
MAX_REMEMBERED: Final = 10_000
ORGANIZATION: Final = "treadle"


class Authenticator:
    """Looks keys up by their hash; remembers for less than a second whom a key belongs to.

    `fixed` are digests of keys that are accepted without being in the database. With `strict_projects`, a request that
    names an organization or project other than its key's is refused (H-5).
    """

    def __init__(
        self,
        database: Database,
        *,
        monotonic: Callable[[], float],
        fixed: Mapping[bytes, str],
        strict_projects: bool = False,
    ) -> None:
        self._database, self._monotonic, self._fixed = database, monotonic, dict(fixed)
        self._strict = strict_projects
        self._remembered: dict[bytes, tuple[str, float]] = {}

    async def project(self, headers: Mapping[bytes, bytes]) -> str:
        """The id of the project the request is for. Raises AuthenticationFailed."""
        key = _key(headers.get(b"authorization"))
        if key is None:
            raise AuthenticationFailed.no_key()
        digest = store.keys.digest(key)
        known = self._remembered.get(digest)
        now = self._monotonic()
        project_id = known[0] if known is not None and known[1] > now else await self._look_up(digest, now)
        if project_id is None:
            raise AuthenticationFailed.wrong_key(key)
        if self._strict and not await self._is_meant(headers, project_id):
            raise AuthenticationFailed.mismatched_project()
        return project_id

    async def _look_up(self, digest: bytes, now: float) -> str | None:
        project_id = self._fixed.get(digest) or await store.keys.find_project(self._database, digest)
        if project_id is not None:
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[digest] = (project_id, now + REMEMBERED_SECONDS)
        return project_id

    async def _is_meant(self, headers: Mapping[bytes, bytes], project_id: str) -> bool:
        """Whether the organization and project that the headers name, if they do, are the key's (H-5)."""
        organization, project = (
            headers.get(name, b"").decode("latin-1") for name in (b"openai-organization", b"openai-project")
        )
        if organization not in ("", ORGANIZATION):
            return False
        return not project or await store.keys.is_called(self._database, project_id, project)


def _key(authorization: bytes | None) -> str | None:
    """The key of a Bearer header, or the password of a Basic one (H-1)."""
    if not authorization:
        return None
    scheme, _, credentials = authorization.decode("latin-1").partition(" ")
    credentials = credentials.strip()
    match scheme.lower():
        case "bearer":
            return credentials or None
        case "basic":
            try:
                _user, _, password = base64.b64decode(credentials, validate=True).decode("latin-1").partition(":")
            except ValueError:  # not base64, or not even ASCII
                return None
            return password or None
    return None
