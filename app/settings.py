"""The environment, read once into one frozen object.

A name or a value that is not understood stops the start with one line; nothing is guessed.
"""

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

PREFIX = "PROFILES_"
ADMIN_KEY_CHARACTERS = 32
PORT_MAX = 65535
# More on one machine would wait for each other, and one scrape asks them all.
WORKERS_MAX = 64
HIDDEN = "********"

# Read by the build and by the tests; the service itself has no use for them.
_FOREIGN = frozenset({"PROFILES_SKIP_ASSETS"})
_FOREIGN_PREFIX = "PROFILES_TEST_"
_SWITCHES = {"crm_loopback": ("0", "1"), "graphiql": ("off", "on")}
_SECRET_OPTION = re.compile(r"\b(tlsCertificateKeyFilePassword|authMechanismProperties)=[^&]*", re.IGNORECASE)


class BadSettings(Exception):  # noqa: N818 - read as what it says: these settings are bad
    """One line that names the variable, what is wrong with it and what would be right."""


class Settings(BaseSettings):
    """Every setting of the service; `None` means not set."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    # The addresses may carry passwords, so they stay out of every repr.
    mongo_url: str | None = Field(default=None, repr=False)
    mongo_database: str = Field(default="profiles", min_length=1, max_length=63, pattern=r'^[^/\\. "$*<>:|?\x00]+$')
    embedded: Literal["auto", "mongod", "memory"] = "auto"
    data_dir: Path = Path(".profiles")
    mongod: str | None = None
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=PORT_MAX)  # 0: any free one
    admin_key: SecretStr | None = None
    secret: SecretStr | None = None
    driver: Literal["motor", "pymongo"] = "motor"
    crm_loopback: bool = False
    rate_limit: int = Field(default=1000, ge=0)
    allowed_origins: tuple[str, ...] = ()
    graphiql: bool = True
    introspection: Literal["keys", "off"] = "keys"
    broker_url: str | None = Field(default=None, repr=False)
    log: Literal["auto", "console", "json"] = "auto"
    slow_ms: int = Field(default=1000, ge=0)  # 0: no operation is called slow
    workers: int = Field(default=1, ge=1, le=WORKERS_MAX)

    @classmethod
    def load(cls, environ: Mapping[str, str] = os.environ, **overrides: Any) -> Self:
        """Return the settings of `environ`; `overrides` by field name win, except those that are None.

        An empty variable counts as not set. Raises BadSettings.
        """
        values: dict[str, Any] = {}
        for name, value in environ.items():
            if name.startswith(PREFIX) and name not in _FOREIGN and not name.startswith(_FOREIGN_PREFIX):
                field = _field(name)
                if value.strip():
                    values[field] = value.strip()
        values |= {field: value for field, value in overrides.items() if value is not None}
        try:
            return cls(**values)
        except ValidationError as error:
            raise BadSettings(_line(error, values)) from None

    def described(self) -> dict[str, str | int | None]:
        """Return each variable's effective value, as one would write it, with secrets hidden."""
        return {variable(field): _written(field, getattr(self, field)) for field in type(self).model_fields}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic's signature
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take only what `load` hands in: pydantic's own reader passes over unknown names in silence."""
        return (init_settings,)

    @field_validator("mongo_url", "broker_url")
    @classmethod
    def _scheme(cls, value: str | None, info: Any) -> str | None:
        schemes = ("mongodb://", "mongodb+srv://") if info.field_name == "mongo_url" else ("redis://", "rediss://")
        if value is not None and not value.startswith(schemes):
            raise ValueError(f"it must begin with {' or '.join(schemes)}")
        return value

    @field_validator("admin_key")
    @classmethod
    def _long(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value) < ADMIN_KEY_CHARACTERS:
            raise ValueError(f"it needs at least {ADMIN_KEY_CHARACTERS} characters, and has {len(value)}")
        return value

    @field_validator("crm_loopback", "graphiql", mode="before")
    @classmethod
    def _switch(cls, value: Any, info: Any) -> bool:
        off, on = _SWITCHES[info.field_name]
        if value not in (off, on, False, True):
            raise ValueError(f"it must be '{on}' or '{off}'")
        return value in (on, True)

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _origins(cls, value: Any) -> Any:
        parts = value.split(",") if isinstance(value, str) else value
        origins = tuple(part.strip().rstrip("/").lower() for part in parts if part.strip())
        for origin in origins:
            if origin != "*" and not re.fullmatch(r"https?://[^/\s?#@]+", origin):
                raise ValueError("each one is * or like https://shop.example.com, without a path")
        return origins

    @field_validator("data_dir", mode="after")
    @classmethod
    def _home(cls, value: Path) -> Path:
        return value.expanduser()

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.workers > 1 and self.embedded == "memory" and self.mongo_url is None:
            raise ValueError(
                "PROFILES_WORKERS: more than one process can't share PROFILES_EMBEDDED=memory; set PROFILES_MONGO_URL."
            )
        return self


def variable(field: str) -> str:
    """Return the name in the environment of a field."""
    return PREFIX + field.upper()


def _field(name: str) -> str:
    field = name.removeprefix(PREFIX).lower()
    if name == variable(field) and field in Settings.model_fields:
        return field
    near = difflib.get_close_matches(
        name.upper(), [variable(known) for known in Settings.model_fields], n=1, cutoff=0.75
    )
    raise BadSettings(
        f"{name} is not a setting" + (f"; did you mean {near[0]}?" if near else "; `profiles config` lists them.")
    )


def _line(error: ValidationError, values: Mapping[str, Any]) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    reason = first["msg"].removeprefix("Value error, ").replace("Input should be", "it must be").rstrip(".")
    if not first["loc"]:
        return reason + "."
    field = str(first["loc"][0])
    # Addresses and keys are never repeated: the line ends up in logs.
    secret = field in {"mongo_url", "broker_url", "admin_key", "secret"}
    given = "" if secret or field not in values else f", not {str(values[field])!r}"
    return f"{variable(field)}: {reason}{given}."


def _written(field: str, value: Any) -> str | int | None:
    if value is None or isinstance(value, str):
        return _bare(value) if value and field.endswith("_url") else value
    if isinstance(value, SecretStr):
        return HIDDEN
    if isinstance(value, bool):
        return _SWITCHES[field][value]
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value) if isinstance(value, Path) else int(value)


def _bare(url: str) -> str:
    """Hide credentials: all before the last `@`, so that an unescaped password does not leak either."""
    scheme, _, rest = url.partition("://")
    _, mark, place = rest.rpartition("@")
    bare = f"{scheme}://{HIDDEN}@{place}" if mark else url
    return _SECRET_OPTION.sub(rf"\1={HIDDEN}", bare)
