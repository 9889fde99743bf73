"""The way back: one resource read or set at once, beside the polls of its host."""

from __future__ import annotations

from typing import Any

from adapters.coap.host import Host
from adapters.coap.points import info_of, written
from adapters.coap.resource import Resource
from adapters.coap.seam import Answer, BadAnswer, Channel, Unanswered
from rt_edge.sdk import AdapterContext, CodecError, RefusedError, TransientError, Value, WriteResult


class Points:
    """Reads and commands of one adapter.

    Args:
        settings: a `CoapSettings`, or an object with its attributes.
        hosts: by name.
        context: the runtime.
    """

    def __init__(self, settings: Any, hosts: dict[str, Host], context: AdapterContext) -> None:
        self._settings, self._hosts, self._context = settings, hosts, context

    async def read(self, point: str) -> Value:
        """See `DeviceAdapter`."""
        found = self._find(point)
        if found is None:
            raise RefusedError(f"there is no point {point!r}", "a point is read as HOST/RESOURCE")
        host, resource, settings = found
        if host.channel is None:
            raise TransientError(f"{host.address} is not connected")
        try:
            return await self._value(host.channel, resource, settings)
        except (Unanswered, BadAnswer, CodecError) as problem:
            raise TransientError(f"{point}: {problem}") from None

    async def write(self, point: str, value: Value) -> WriteResult:
        """See `DeviceAdapter`; the key is looked at by the caller."""
        found = self._find(point)
        if found is None:
            return WriteResult("refused", f"there is no point {point!r}; a point is written HOST/RESOURCE")
        host, resource, settings = found
        why = info_of(settings).refusal(value)
        if why:
            return WriteResult("refused", f"{point} {why}")
        channel = host.channel
        if channel is None:
            return WriteResult("failed", "not connected")
        payload, form = written(settings, value)
        try:
            answer = await channel.put(resource.target._replace(accept=None), settings.write_method, payload, form)
        except Unanswered as problem:
            return WriteResult("sent", f"the host did not say what became of it: {problem}")
        except BadAnswer as problem:
            return WriteResult("sent", f"it cannot be read what the host said: {problem}")
        if not answer.ok:
            return WriteResult("failed", f"the host refused it: {_words(answer)}")
        if not settings.verify:
            return WriteResult("sent", f"the host said {answer.code}; it was not read back")
        try:
            read = await self._value(channel, resource, settings)
        except (Unanswered, BadAnswer, CodecError) as problem:
            return WriteResult("sent", f"the host said {answer.code}; it could not be read back: {problem}")
        if info_of(settings).same(read, value):
            return WriteResult("confirmed", f"the host said {answer.code}, and has it")
        return WriteResult("failed", f"the host said {answer.code}, and has {read!r}")

    def _find(self, point: str) -> tuple[Host, Resource, Any] | None:
        name, _, resource_name = point.partition("/")
        host = self._hosts.get(name)
        resource = None if host is None else next((one for one in host.resources if one.name == resource_name), None)
        if host is None or resource is None:
            return None
        return host, resource, self._settings.hosts[name].resources[resource_name]

    async def _value(self, channel: Channel, resource: Resource, settings: Any) -> Value:
        answer = await channel.get(resource.target)
        if not answer.ok:
            raise BadAnswer(_words(answer))
        readings = resource.read(answer, self._context.clock.wall_ns())
        fields = readings[-1].fields if readings else {}
        for name in (settings.write_field, settings.field):
            if name in fields:
                return fields[name]
        if len(fields) == 1:
            return next(iter(fields.values()))
        raise BadAnswer(f"it has {', '.join(sorted(fields)) or 'no value'}; name one with `field` or `write_field`")


def _words(answer: Answer) -> str:
    return f"{answer.code} {answer.payload[:60].decode(errors='replace')}".strip()
