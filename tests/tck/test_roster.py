"""Every stage of the DSL passes the compatibility kit: as processor, as publisher, as subscriber (see `roster`)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from rt_edge.protocol.roles import Processor, Publisher, Subscriber
from rt_edge.streams.dsl import SinkSubscriber
from rt_edge.streams.host import AsyncioHost
from rt_edge.streams.stage import Stage
from rt_edge.testkit.tck import (
    Environment,
    IdentityProcessorAsSubscriberVerification,
    IdentityProcessorVerification,
    OnLoop,
    PublisherVerification,
    SubscriberBlackboxVerification,
    Verification,
    run,
)
from rt_edge.testkit.virtual_clock import VirtualClock, VirtualHost
from tests.tck import roster

LAZY = "test_optional_spec105_empty_stream_completes_without_a_request"
"""Who drops or expands has to be asked before it knows that nothing is left."""


class OnVirtualClock:
    """Everything under one virtual clock, turns cut at random places."""

    roles: roster.Roles
    stochastic_runs = 5
    max_supported_subscribers = 2**63 - 1
    __test__ = False

    def setup_method(self) -> None:
        self.clock = VirtualClock()

    def host(self) -> VirtualHost:
        return VirtualHost(self.clock, seed=7)

    def settle(self) -> None:
        VirtualHost(self.clock).advance(self.roles.settle_s)

    def step(self) -> bool:
        return self.clock.step()

    def check_idle(self) -> None:
        assert not self.clock.step(), "a timer is left"

    def create_element(self, index: int) -> Any:
        return self.roles.element(index)


class AsIdentity(OnVirtualClock, IdentityProcessorVerification):
    max_supported_subscribers = 1  # a run of an island has one outlet: it refuses others

    def create_identity_processor(self, buffer_size: int) -> Processor[Any, Any]:
        assert self.roles.identity is not None
        return self.roles.identity().as_processor(self.host(), buffer_size)


class AsIdentitySubscriber(OnVirtualClock, IdentityProcessorAsSubscriberVerification):
    def create_identity_processor(self, buffer_size: int) -> Processor[Any, Any]:
        assert self.roles.identity is not None
        return self.roles.identity().as_processor(self.host(), buffer_size)


class AsPublisher(OnVirtualClock, PublisherVerification):
    def create_publisher(self, elements: int) -> Publisher[Any]:
        assert self.roles.publisher is not None
        return self.roles.publisher(elements).as_publisher(self.host)

    def create_failed_publisher(self) -> Publisher[Any]:
        assert self.roles.failed is not None
        return self.roles.failed().as_publisher(self.host)


class AsSubscriber(OnVirtualClock, SubscriberBlackboxVerification):
    def create_subscriber(self) -> Subscriber[Any]:
        assert self.roles.subscriber is not None
        return self.roles.subscriber().as_subscriber(self.host())

    def stop(self, subscriber: Subscriber[Any]) -> None:
        assert isinstance(subscriber, SinkSubscriber)
        subscriber.stop()


class OnRealLoop:
    """For what works with tasks and threads of its own: an asyncio loop, run while a test waits."""

    stochastic_runs = 2

    def setup_method(self) -> None:
        self.loop = asyncio.new_event_loop()

    def teardown_method(self) -> None:
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()

    def host(self) -> AsyncioHost:
        return AsyncioHost(loop=self.loop)

    def create_environment(self) -> Environment:
        return OnLoop(self.loop, 2.0, 0.005)

    def step(self) -> bool:
        return False

    def check_idle(self) -> None:
        """Its loop is closed behind each test."""


@cache
def roles_of(stage: type[Stage]) -> roster.Roles:
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)  # wrong guesses fail
    try:
        return roster.roles_of(stage)
    finally:
        logging.disable(before)


def verifications(stage: type[Stage]) -> Iterator[type[Verification]]:
    """What a stage has to pass."""
    roles = roles_of(stage)
    knobs: dict[str, Any] = {"roles": roles, "max_elements_from_publisher": roles.most}
    if roles.failed is None:
        knobs["create_failed_publisher"] = None
    bases: list[Any] = [AsIdentity, AsIdentitySubscriber] if roles.identity else []
    bases += [AsPublisher] if roles.publisher else []
    bases += [AsSubscriber] if roles.subscriber else []
    for base in bases:
        own = {key: value for key, value in knobs.items() if base is AsPublisher or key == "roles"}
        if base is AsIdentity:
            own["declined"] = roles.left_out
        parents = (OnRealLoop, base) if roles.real else (base,)
        yield type(f"{stage.__name__}{base.__name__}", parents, own)


STAGES = roster.stages()


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
def test_stage_passes_the_kit_when_it_is_handed_out(stage: type[Stage]) -> None:
    """A stage as processor, publisher and subscriber fails none of the kit's tests, nor an optional one."""
    roles = roles_of(stage)
    assert roles.is_whole, f"{stage.__name__} is not tested on both sides: give it a line in tests/tck/roster.py (SPECIAL)"
    failed = []
    for verification in verifications(stage):
        failed += [
            f"{verification.__name__}: {outcome.test}: {outcome.error!r}"
            for outcome in run(verification)
            if outcome.status == "failed" or (outcome.status == "not held" and outcome.test not in {LAZY, *roles.tolerated})
        ]
    assert not failed, f"{len(failed)} tests: " + "\n".join(failed[:10])


def test_roster_has_no_line_too_many_when_stages_are_gone() -> None:
    """Every line of the roster is of a stage that the DSL has, and has something to test or a reason."""
    assert set(roster.SPECIAL) <= {stage.__name__ for stage in STAGES}
    for name, roles in roster.SPECIAL.items():
        assert roles.identity or roles.publisher or roles.subscriber or roles.reason, name
        assert not roles.tolerated or roles.publisher, name


def test_broken_stage_is_found_when_it_is_in_the_roster() -> None:
    """The roster's verifications see what a stage does wrong: one that doubles elements is no identity, and no publisher of n."""
    from rt_edge.streams.dsl import Flow

    doubling = roster.Roles(identity=lambda: Flow().map_concat(lambda x: [x, x]))
    found = {o.test for o in run(type("Doubling", (AsIdentity,), {"roles": doubling})) if o.status == "failed"}
    assert "test_required_spec401_processor_keeps_both_contracts" in found
    assert "test_required_create_publisher3_must_produce_a_stream_of_exactly3_elements" in found
