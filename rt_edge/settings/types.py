"""Field types of settings; they live in `rt_edge.sdk.settings`, where adapters may import them."""

from rt_edge.sdk.settings import (
    DurationField,
    HostPort,
    Name,
    Secret,
    SecretField,
    SettingError,
    SettingErrors,
    Settings,
    SizeField,
)

__all__ = [
    "DurationField",
    "HostPort",
    "Name",
    "Secret",
    "SecretField",
    "SettingError",
    "SettingErrors",
    "Settings",
    "SizeField",
]
