"""What a worker is told to do, and what it tells."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from callgate import __version__
from callgate.errors import SettingsError
from callgate.settings import Settings


class Order(BaseModel):
    """All that a worker needs to know; its environment is that of its parent."""

    model_config = ConfigDict(frozen=True)

    number: int
    """From 1 on."""
    settings: Settings
    policy: Path | None
    console_port: int | None
    """Of the parent's console, which is not served through the proxy."""
    console_links: str
    """What links to the console begin with; empty where there is none."""
    version: str = __version__
    """Of the parent."""

    @classmethod
    def to(
        cls,
        number: int,
        settings: Settings,
        policy: Path | None,
        console_port: int | None,
        console_links: str,
    ) -> Self:
        """An order without what the parent does itself: console, notifications, mirrors."""
        own = settings.model_copy(
            update={
                "console": "off",
                "console_token": (),
                "console_cert": None,
                "console_key": None,
                "webhook_url": "",
                "webhook_secret": "",
                "slack_url": "",
                "audit_file": None,
                "audit_syslog": "",
            }
        )
        return cls(
            number=number,
            settings=own,
            policy=policy,
            console_port=console_port,
            console_links=console_links,
        )

    @classmethod
    def read(cls, message: Mapping[str, Any]) -> Self:
        """Read an order; raises SettingsError for one that does not hold any more.

        Files that settings name may be gone when a worker begins again, and another release may
        stand in the place of the parent's.
        """
        if message.get("version") != __version__:
            raise SettingsError(
                f"Callgate {__version__} is installed, and {message.get('version')} runs: "
                "restart the gate"
            )
        try:
            return cls.model_validate(message)
        except ValidationError as error:
            faults = [f"{fault['loc'][-1]}: {fault['msg']}" for fault in error.errors()]
            raise SettingsError("; ".join(faults)) from error
