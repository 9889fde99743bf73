"""What a user writes for `kind: ble`; imported by `check` and the forms only, never by a running node."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator

from adapters.ble.codec import KEYED, device_address, full_uuid
from adapters.ble.outbox import RING
from adapters.ble.points import bound_problem
from adapters.ble.scanner import MAX_DEVICES
from rt_edge.sdk import ConfigError, Duration
from rt_edge.sdk.settings import (
    DurationField,
    Field,
    Name,
    SecretField,
    SettingError,
    SettingErrors,
    Settings,
    model_validator,
)

Format = Literal["bthome", "eddystone", "ibeacon", "ruuvi", "atc", "mibeacon", "raw"]
Type = Literal[
    "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64", "string", "bytes"
]
FieldName = Annotated[str, Field(min_length=1, max_length=64)]


def _address(text: str) -> str:
    try:
        return device_address(text)
    except ConfigError as error:
        raise SettingError(error.message, error.hint) from None


def _uuid(text: str) -> str:
    try:
        return full_uuid(text) if text else ""
    except ConfigError as error:
        raise SettingError(error.message, error.hint) from None


def _quoted(value: object) -> object:
    if isinstance(value, int):
        raise SettingError(f"{value} is a number, not a UUID", 'write it in quotes: "2902" without them is a number')
    return value


DeviceAddress = Annotated[str, AfterValidator(_address)]
Uuid = Annotated[str, BeforeValidator(_quoted), AfterValidator(_uuid)]


class Rule(Settings):
    """Which advertisements are taken, and what is read in them; the first rule that fits counts."""

    formats: list[Format] = Field(min_length=1)
    """What is read: bthome, eddystone, ibeacon, ruuvi, mibeacon (Xiaomi's own), atc (ATC1441's or pvvx's firmware), raw."""
    addresses: list[DeviceAddress] = []
    """Only of these devices; of all if empty."""
    name: str = Field(default="", max_length=64)
    """Only of devices with this name; `*` and `?` stand for anything."""
    service: Uuid = ""
    """Only with this service listed, or with data of it."""
    company: int | None = Field(default=None, ge=0, le=0xFFFF)
    """Only with manufacturer data of this company number."""
    rssi_min_dbm: int | None = Field(default=None, ge=-127, le=20)
    """Only as strong as this, or stronger."""
    tags: dict[str, str] = {}
    """Tags of the readings of this rule."""


class Scan(Settings):
    """Listening to advertisements."""

    mode: Literal["active", "passive", "auto"] = "active"
    """`active` asks devices for their scan response, `passive` only listens (if BlueZ offers it), `auto`: passive if offered."""
    accept: list[Rule] = Field(min_length=1)
    """What is read; anything else is counted and passed over."""
    names: dict[DeviceAddress, Name] = {}
    """Address -> name of its readings; others are called by their address. The absence of named devices is recorded."""
    keys: dict[DeviceAddress, SecretField] = {}
    """Address -> bind key (32 hex digits) of encrypted BTHome, atc and mibeacon."""
    every: DurationField = Field(default=Duration(0.0), ge=0, le=86_400)
    """Least time between two readings of one device and format; advertisements between are counted and left out."""
    repeat_every: DurationField = Field(default=Duration(10.0), ge=0, le=86_400)
    """An advertisement with the same bytes as the last is a reading again only after this time."""
    away_after: DurationField = Field(default=Duration(300.0), gt=0, le=604_800)
    """A device that was not heard for this time is away: a gap record says so."""
    max_devices: int = Field(default=MAX_DEVICES, ge=1, le=100_000)
    """Most devices that are kept in mind; further ones are passed over and counted while these are heard."""
    restart_after: DurationField = Field(default=Duration(90.0), ge=5, le=86_400)
    """The scan is started anew when nothing at all was heard for this time; controllers fall silent sometimes."""

    @model_validator(mode="after")
    def _works(self) -> Scan:
        errors = []
        seen: dict[str, str] = {}
        for address, name in self.names.items():
            if name in seen:
                errors.append(
                    SettingError(f"{name!r} is {seen[name]} already", "give each device its own name", ("names", address))
                )
            seen.setdefault(name, address)
        if self.mode != "active":
            for index, rule in enumerate(self.accept):
                open_ended = "raw" in rule.formats and not rule.service and rule.company is None
                if open_ended or (rule.service and not rule.service.endswith("-0000-1000-8000-00805f9b34fb")):
                    hint = "name a company or a 16-bit service, or write `mode: active`"
                    message = "passive scanning needs to know with what the data begins"
                    errors.append(SettingError(message, hint, ("accept", index)))
        if self.keys and not any(set(KEYED) & set(rule.formats) for rule in self.accept):
            hint = "add one of them to formats, or remove keys"
            errors.append(SettingError(f"keys are of {', '.join(KEYED)}, and no rule reads one of them", hint, ("keys",)))
        if errors:
            raise SettingErrors(errors)
        return self


class Point(Settings):
    """One value of a characteristic."""

    characteristic: Uuid = Field(min_length=4)
    """UUID of the characteristic: four hex digits in quotes, or all 36 characters."""
    type: Type
    """What its bytes are; numbers are least significant byte first."""
    skip_bytes: int = Field(default=0, ge=0, le=511)
    """Bytes before the value, where a characteristic holds several."""
    scale: int | float = 1
    """value = raw * scale + offset; for writes the other way round."""
    offset: int | float = 0
    """Added after scaling."""
    notify: bool = False
    """Readings come when the device says something (notifications or indications), not when they are asked for."""
    readable: bool = True
    """Whether the device gives its value when it is asked; false for those that are only written, or only notified."""
    unit: str = Field(default="", max_length=32)
    """Unit of measure, for people; not sent with the readings."""
    writable: bool = False
    """Whether `rt-edge write` and commands may set it."""
    min: float | None = None
    """Least value that a command may write; the range of the type bounds it anyway."""
    max: float | None = None
    """Greatest value that a command may write."""
    allowed: tuple[bool | int | float | str, ...] = ()
    """The only values that a command may write, if any are given."""
    response: bool = True
    """Write with the device's confirmation; false for characteristics that only know writes without response."""
    verify: bool = False
    """Read back after a write and compare."""

    @model_validator(mode="after")
    def _works(self) -> Point:
        if self.scale == 0:
            raise SettingError("a scale of 0 makes every value the same", "leave scale out for the raw value", ("scale",))
        if self.type in {"bool", "string", "bytes"} and (self.scale, self.offset) != (1, 0):
            raise SettingError(f"{self.type} is no number", "remove scale and offset", ("type",))
        if self.skip_bytes and self.writable:
            raise SettingError("a part of a characteristic cannot be written", "remove skip_bytes or writable", ("skip_bytes",))
        problem = bound_problem(self)
        if problem is not None:
            raise SettingError(problem[0], problem[1], (problem[2],))
        return self


class Device(Settings):
    """One device that is connected to."""

    address: DeviceAddress
    """Its address; one that changes it (a phone) cannot be named."""
    every: DurationField | None = Field(default=None, ge=0.05, le=604_800)
    """How often its points are read; not at all if not given."""
    hold: bool = False
    """Stay connected between reads; costs a slot and the device's battery. Notifications hold the connection anyway."""
    tags: dict[str, str] = {}
    """Tags of every reading of this device."""
    points: dict[FieldName, Point] = Field(min_length=1)
    """Name of the field -> where it is."""

    @model_validator(mode="after")
    def _works(self) -> Device:
        points = self.points.values()
        dumb = [name for name, point in self.points.items() if not (point.readable or point.notify or point.writable)]
        if dumb:
            hint = "say `notify: true` or `writable: true`, or remove `readable: false`"
            raise SettingErrors(SettingError(f"{name} has no use", hint, ("points", name)) for name in dumb)
        idle = [name for name, point in self.points.items() if not point.notify and not point.writable]
        if self.every is None and idle:
            hint = "say `every` at the device, or `notify: true` at the point"
            raise SettingErrors(SettingError(f"{name} is never read", hint, ("points", name)) for name in idle)
        if self.every is not None and all(point.notify for point in points):
            raise SettingError("every point notifies, there is nothing to read", "remove every", ("every",))
        if self.every is not None and not any(point.readable for point in points if not point.notify):
            raise SettingError("no point can be read, there is nothing to read", "remove every", ("every",))
        return self


class BleSettings(Settings):
    """One Bluetooth controller, what it listens to, and the devices it connects to."""

    controller: str = Field(default="hci0", pattern=r"^hci[0-9]{1,3}$")
    """The controller, as `bluetoothctl list` and `hciconfig` number them."""
    scan: Scan | None = None
    """Advertisements; not listened to if not given."""
    devices: dict[Name, Device] = {}
    """Name -> device; its readings are called ADAPTER/NAME."""
    connections: int = Field(default=3, ge=1, le=32)
    """Most connections at a time; controllers have about 5 to 7, those on a board fewer. Devices take turns."""
    connect_timeout: DurationField = Field(default=Duration(15.0), ge=0.5, le=120)
    """Longest time to hear a device, and longest time to connect to it then."""
    retry_min: DurationField = Field(default=Duration(1.0), gt=0, le=3600)
    """Upper bound of the wait after a first failure of a device; it doubles with each, and the wait is random below it."""
    retry_max: DurationField = Field(default=Duration(60.0), gt=0, le=86_400)
    """Upper bound of every such wait."""
    idle_after: DurationField = Field(default=Duration(10.0), ge=0, le=3600)
    """Without demand for this time, scanning and notifications stop; they begin again with demand."""
    ring_notifications: int = Field(default=RING, ge=1, le=65_536)
    """Notifications of a device kept while there is no demand; then the oldest are dropped, counted, and recorded as a gap."""
    write_expiry: DurationField = Field(default=Duration(30.0), gt=0, le=3600)
    """A command that could not be sent for this long fails, and so does `rt-edge read`."""

    @model_validator(mode="after")
    def _work_together(self) -> BleSettings:
        errors: list[SettingError] = []
        if self.scan is None and not self.devices:
            errors.append(SettingError("the adapter has nothing to do", "write `scan:` or `devices:`"))
        seen: dict[str, str] = {}
        for name, device in self.devices.items():
            if device.address in seen:
                message = f"{device.address} is {seen[device.address]!r} already"
                errors.append(SettingError(message, "put all points of one device under one name", ("devices", name, "address")))
            seen.setdefault(device.address, name)
            if self.scan is not None and name in self.scan.names.values():
                hint = "readings of the two would look alike; choose another name"
                errors.append(SettingError(f"{name!r} is a name in scan, too", hint, ("devices", name)))
        if self.retry_max < self.retry_min:
            errors.append(SettingError("retry_max is shorter than retry_min", "raise retry_max", ("retry_max",)))
        errors += self._slots()
        if errors:
            raise SettingErrors(errors)
        return self

    def _slots(self) -> list[SettingError]:
        held = [name for name, device in self.devices.items() if _holds(device)]
        turns = len(self.devices) > len(held)
        if len(held) + turns <= self.connections:
            return []
        others = " and others want one now and then" if turns else ""
        message = f"{len(held)} devices hold a connection{others}, and there are {self.connections}"
        return [SettingError(message, "raise connections if the controller can, or use a second one", ("connections",))]


def _holds(device: Device) -> bool:
    return device.hold or any(point.notify for point in device.points.values())
