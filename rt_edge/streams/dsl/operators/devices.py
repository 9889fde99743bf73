"""Devices: operators for what devices say: readings, fields, frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Self

from rt_edge.data.units import Duration
from rt_edge.streams.dsl.operators.continuation import A, Continuation, builds
from rt_edge.streams.stages._common import OnError, Settle
from rt_edge.streams.stages._keys import MAX_KEYS, Per
from rt_edge.streams.stages.change_of_value import ChangeOfValue
from rt_edge.streams.stages.counter_delta import CounterDelta
from rt_edge.streams.stages.deadband import Deadband
from rt_edge.streams.stages.debounce import Debounce
from rt_edge.streams.stages.dedupe import Dedupe
from rt_edge.streams.stages.enrich import Enrich
from rt_edge.streams.stages.join import Join
from rt_edge.streams.stages.latest_per_key import LatestPerKey
from rt_edge.streams.stages.rate_of_change import RateOfChange
from rt_edge.streams.stages.sample import Sample
from rt_edge.streams.stages.schema_check import FieldRule, SchemaCheck
from rt_edge.streams.stages.select_fields import SelectFields
from rt_edge.streams.stages.set_tags import SetTags
from rt_edge.streams.stages.unit_conversion import UnitConversion

if TYPE_CHECKING:
    from rt_edge.streams.dsl.linear import Source


class Devices(Continuation[A]):
    """Operators for what devices say: readings, fields, frames."""

    @builds(Deadband)
    def deadband(
        self,
        field: str | list[str],
        absolute: float | None = None,
        percent: float | None = None,
        max_silence: Duration | float = 0.0,
        max_sources: int = 10_000,
        name: str = "",
    ) -> Self:
        """The readings whose `field` has moved."""
        stage = Deadband(field=field, absolute=absolute, percent=percent, max_silence=max_silence, max_sources=max_sources)
        return self.via(stage, name)

    @builds(ChangeOfValue)
    def change_of_value(
        self,
        fields: str | list[str] = "",
        max_silence: Duration | float = 0.0,
        per: Per = "source",
        max_keys: int = MAX_KEYS,
        on_error: OnError = "resume",
        name: str = "",
    ) -> Self:
        """The readings that say something new."""
        stage = ChangeOfValue(fields=fields, max_silence=max_silence, per=per, max_keys=max_keys, on_error=on_error)
        return self.via(stage, name)

    @builds(Debounce)
    def debounce(
        self,
        quiet: Duration | float,
        max_wait: Duration | float = 0.0,
        per: Per = "source",
        max_keys: int = MAX_KEYS,
        on_error: OnError = "resume",
        name: str = "",
    ) -> Self:
        """The latest element of a key once the key has been quiet."""
        stage = Debounce(quiet=quiet, max_wait=max_wait, per=per, max_keys=max_keys, on_error=on_error)
        return self.via(stage, name)

    @builds(Sample)
    def sample(
        self,
        every: Duration | float,
        per: Per = "source",
        max_keys: int = MAX_KEYS,
        on_error: OnError = "resume",
        name: str = "",
    ) -> Self:
        """The latest element of each key, at a period."""
        return self.via(Sample(every=every, per=per, max_keys=max_keys, on_error=on_error), name)

    @builds(LatestPerKey)
    def latest_per_key(
        self,
        *trigger: Source[Any],
        every: Duration | float = 0.0,
        emit: Literal["elements", "table"] = "elements",
        settle: Settle = "end",
        per: Per = "source",
        max_keys: int = MAX_KEYS,
        on_error: OnError = "resume",
    ) -> Continuation[Any]:
        """What each key said last, again and again: at a period, at each element of `trigger`, or as a table on demand."""
        stage = LatestPerKey(
            every=every,
            trigger=bool(trigger),
            emit=emit,
            settle=settle,
            per=per,
            max_keys=max_keys,
            on_error=on_error,
        )
        return self._joined(stage, trigger)

    @builds(RateOfChange)
    def rate_of_change(
        self,
        fields: str | list[str],
        unit: Duration | float = 1.0,
        suffix: str = "_rate",
        per: Per = "source",
        max_keys: int = MAX_KEYS,
        on_error: OnError = "resume",
        name: str = "",
    ) -> Self:
        """Each reading with how fast `fields` have changed."""
        stage = RateOfChange(fields=fields, unit=unit, suffix=suffix, per=per, max_keys=max_keys, on_error=on_error)
        return self.via(stage, name)

    @builds(CounterDelta)
    def counter_delta(
        self,
        fields: str | list[str],
        bits: int = 32,
        modulus: int = 0,
        max_step: float = 0.0,
        suffix: str = "_delta",
        per: Per = "source",
        max_keys: int = MAX_KEYS,
        on_error: OnError = "resume",
        name: str = "",
    ) -> Self:
        """Each reading with how much the counters `fields` have counted, over wraps and resets."""
        stage = CounterDelta(
            fields=fields,
            bits=bits,
            modulus=modulus,
            max_step=max_step,
            suffix=suffix,
            per=per,
            max_keys=max_keys,
            on_error=on_error,
        )
        return self.via(stage, name)

    @builds(SchemaCheck)
    def schema_check(
        self,
        fields: dict[str, FieldRule],
        extra: Literal["allow", "violation"] = "allow",
        on_violation: Literal["drop", "uncertain", "outlet"] = "drop",
        name: str = "",
    ) -> Self:
        """The readings whose fields are what they should be; with `outlet` the stage has two outlets: add it to a `Graph`."""
        return self.via(SchemaCheck(fields=fields, extra=extra, on_violation=on_violation), name)

    @builds(UnitConversion)
    def unit_conversion(self, fields: dict[str, str | dict[str, str]], name: str = "") -> Self:
        """Fields of each reading in other units, like `degF -> degC`."""
        return self.via(UnitConversion(fields=fields), name)

    @builds(Dedupe)
    def dedupe(
        self,
        per: Per,
        within: Duration | float = 0.0,
        max_keys: int = MAX_KEYS,
        on_error: OnError = "resume",
        name: str = "",
    ) -> Self:
        """The first element of each id."""
        return self.via(Dedupe(per=per, within=within, max_keys=max_keys, on_error=on_error), name)

    @builds(SelectFields)
    def select_fields(
        self,
        rename: dict[str, str] | None = None,
        drop: list[str] | None = None,
        keep: list[str] | None = None,
        name: str = "",
    ) -> Self:
        """Fields of each reading renamed, dropped, kept."""
        return self.via(SelectFields(rename=rename, drop=drop, keep=keep), name)

    @builds(SetTags)
    def set_tags(
        self,
        tags: dict[str, str] | None = None,
        from_fields: dict[str, str] | None = None,
        drop: list[str] | None = None,
        on_error: OnError = "resume",
        name: str = "",
    ) -> Self:
        """Tags of each reading, fixed or from expressions."""
        return self.via(SetTags(tags=tags, from_fields=from_fields, drop=drop, on_error=on_error), name)

    @builds(Enrich)
    def enrich(
        self,
        table: dict[str, dict[str, str | int | float | bool]] | None = None,
        file: str = "",
        column: str = "",
        columns: list[str] | None = None,
        into: Literal["tags", "fields"] = "tags",
        missing: Literal["pass", "drop"] = "pass",
        reload: Duration | float = 0.0,
        per: Per = "source",
        on_error: OnError = "resume",
        name: str = "",
    ) -> Self:
        """Each reading with what a table has for its key."""
        stage = Enrich(
            table=table,
            file=file,
            column=column,
            columns=columns,
            into=into,
            missing=missing,
            reload=reload,
            per=per,
            on_error=on_error,
        )
        return self.via(stage, name)

    @builds(Join)
    def join(
        self,
        right: Source[Any],
        within: Duration | float,
        wait: Duration | float = 0.0,
        unpaired: Literal["drop", "left", "right", "both"] = "drop",
        right_prefix: str = "",
        max_waiting: int = 1000,
        function: Callable[[Any, Any], Any] | None = None,
        settle: Settle = "end",
        per: Per = "source",
        on_error: OnError = "resume",
    ) -> Continuation[Any]:
        """Pairs of an element of this and one of `right` that have the same key and come together in time."""
        stage = Join(
            within=within,
            wait=wait,
            unpaired=unpaired,
            right_prefix=right_prefix,
            max_waiting=max_waiting,
            function=function,
            settle=settle,
            per=per,
            on_error=on_error,
        )
        return self._joined(stage, (right,))
