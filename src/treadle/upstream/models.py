"""The model map: which upstream, and which model there, stands behind a model name in a request (MD-3)."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Literal

import yarl
from msgspec import Struct, field

LOCAL = "local:"


class UpstreamSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model server: a section `[upstreams.NAME]` of `treadle.toml`, or what `--upstream` says.

    `base_url` is what an OpenAI client would be given (it usually ends in `/v1`), or "local:" for the embedded model.
    `headers` are sent with each request.
    """

    name: str
    base_url: str
    api_key: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    connect_timeout_seconds: float = 5.0
    # A large prompt on a small machine is minutes of work before the first token.
    first_token_timeout_seconds: float = 120.0
    silence_timeout_seconds: float = 120.0
    tries: int = 4
    wait_initial_seconds: float = 0.5
    wait_max_seconds: float = 8.0
    # A server that asks for more patience than this is told to the user instead.
    retry_after_max_seconds: float = 60.0

    def __post_init__(self) -> None:
        if self.is_local:
            return
        try:
            url = yarl.URL(self.base_url)
        except ValueError:
            url = yarl.URL()
        # A password in the URL would reach logs and messages.
        if url.scheme not in ("http", "https") or not url.host or url.user is not None or url.password is not None:
            raise ValueError(
                f"The base URL of the upstream '{self.name}' must look like http://127.0.0.1:8080/v1, without a user; "
                "a key goes into api_key."
            )

    @property
    def is_local(self) -> bool:
        """The embedded model stands behind it, not an address."""
        return self.base_url == LOCAL

    @property
    def secrets(self) -> list[str]:
        """What nobody may be shown of what the server answers. Short values are none: they would be found anywhere."""
        return [value for value in (self.api_key, *self.headers.values()) if value and len(value) >= 8]

    def __repr__(self) -> str:
        # The generated one would put the key into logs and tracebacks.
        return f"UpstreamSettings(name={self.name!r}, base_url={self.base_url!r})"


class ModelSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One served name: a section `[models."NAME"]` of `treadle.toml`.

    `upstream` None is the default upstream; `model` None is the same name there. `extra_body` is added to each chat
    request and wins over it; `omit` names request fields this server refuses.
    """

    upstream: str | None = None
    model: str | None = None
    context_tokens: int | None = None
    max_tokens_parameter: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    extra_body: dict[str, Any] = field(default_factory=dict)  # Any: whatever JSON the operator's server takes
    omit: frozenset[str] = frozenset()


class Route(Struct, frozen=True, kw_only=True):
    """Where requests for one model name go: `model` at `upstream`, called the way `settings` says."""

    upstream: UpstreamSettings
    model: str
    settings: ModelSettings = ModelSettings()


class ModelMap:
    """The routing policy over the configured upstreams and names. Immutable.

    `default_upstream` None means the only upstream, when there is exactly one. Raises ValueError when a model or a
    default leads to no upstream.
    """

    def __init__(
        self,
        upstreams: Iterable[UpstreamSettings] = (),
        models: Mapping[str, ModelSettings] = MappingProxyType({}),
        *,
        default_upstream: str | None = None,
        default_model: str | None = None,
        mapped_only: bool = False,
    ) -> None:
        self.upstreams = MappingProxyType({upstream.name: upstream for upstream in upstreams})
        self.default_model = default_model
        self._mapped_only = mapped_only
        if default_upstream is None and len(self.upstreams) == 1:
            default_upstream = next(iter(self.upstreams))
        self._default_upstream = self._upstream("default_upstream", default_upstream)
        self._routes = {name: self._mapped(name, settings) for name, settings in models.items()}
        self._default_route: Route | None = None
        if default_model and self.upstreams:
            self._default_route = self._routes.get(default_model) or _same_name(default_model, self._default_upstream)
            if self._default_route is None:
                raise ValueError(f"The default model '{default_model}' is not mapped and there is no default upstream.")

    @property
    def is_empty(self) -> bool:
        """Nothing is configured: no name can be called known or unknown, and runs fail with NoUpstream."""
        return not self.upstreams

    @property
    def names(self) -> tuple[str, ...]:
        """The mapped names, in the order of the configuration, then the default model."""
        extra = (self.default_model,) if self.default_model and self.default_model not in self._routes else ()
        return (*self._routes, *extra)

    @property
    def open_upstream(self) -> UpstreamSettings | None:
        """The default upstream when names that are not mapped pass to it unchanged, else None."""
        return None if self._mapped_only or self.default_model else self._default_upstream

    def route(self, model: str) -> Route | None:
        """Exact name in the map, else the default model, else the same name at the default upstream, else None."""
        return self._routes.get(model) or self._default_route or _same_name(model, self.open_upstream)

    def _mapped(self, name: str, settings: ModelSettings) -> Route:
        upstream = self._upstream(f"models.{name}", settings.upstream) or self._default_upstream
        if upstream is None:
            raise ValueError(f"models.{name} names no upstream, and there is no default upstream.")
        return Route(upstream=upstream, model=settings.model or name, settings=settings)

    def _upstream(self, where: str, name: str | None) -> UpstreamSettings | None:
        if name is not None and name not in self.upstreams:
            raise ValueError(f"{where} names the upstream '{name}'. Configured: {', '.join(self.upstreams) or 'none'}.")
        return None if name is None else self.upstreams[name]


def _same_name(model: str, upstream: UpstreamSettings | None) -> Route | None:
    return None if upstream is None else Route(upstream=upstream, model=model)
