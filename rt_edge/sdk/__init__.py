"""All that an adapter's author imports; nothing behind it is promised to stay."""

from rt_edge.data.clock import Clock
from rt_edge.data.errors import CodecError, ConfigError, FatalAdapterError, RefusedError, RtEdgeError, TransientError
from rt_edge.data.ids import boot_id, new_incarnation
from rt_edge.data.reading import ClockState, Quality, Reading, Value
from rt_edge.data.units import Duration, Size, parse_duration, parse_size, show_duration
from rt_edge.sdk.adapter import AdapterContext, Advice, Capability, DeviceAdapter, ProbeResult, WriteResult
from rt_edge.sdk.discovery import Found, ScanReport, Tool
from rt_edge.sdk.points import PointInfo, writable

__all__ = [
    "AdapterContext",
    "Advice",
    "Capability",
    "Clock",
    "ClockState",
    "CodecError",
    "ConfigError",
    "DeviceAdapter",
    "Duration",
    "FatalAdapterError",
    "Found",
    "PointInfo",
    "ProbeResult",
    "Quality",
    "Reading",
    "RefusedError",
    "RtEdgeError",
    "ScanReport",
    "Size",
    "Tool",
    "TransientError",
    "Value",
    "WriteResult",
    "boot_id",
    "new_incarnation",
    "parse_duration",
    "parse_size",
    "show_duration",
    "writable",
]
