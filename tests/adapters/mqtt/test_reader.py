"""The reader hands on all that was cut out of one read, whatever it is and however much."""

from __future__ import annotations

import asyncio
import socket

from adapters.mqtt.framing import Framer
from adapters.mqtt.reader import BATCH, Reader


class Taker:
    """Takes everything."""

    def __init__(self):
        self.packets = []
        self.messages = []

    def take_packet(self, packet):
        self.packets.append(packet)

    def take_messages(self, batch):
        self.messages += batch
        return True

    def take_end(self, *why):
        raise AssertionError(why)


def test_all_packets_go_on_when_more_than_a_batch_of_them_came_in_one_read():
    """Acknowledgements of a sink with many messages in flight come in one piece: none may lie there until the next read."""

    async def run():
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        taker = Taker()
        reader = Reader(ours, Framer(False, 1_000_000), taker, "broker")
        reader.start()
        n = 3 * BATCH
        theirs.sendall(b"".join(bytes((0x40, 2, mid >> 8, mid & 255)) for mid in range(1, n + 1)))
        for _ in range(200):
            if len(taker.packets) == n:
                break
            await asyncio.sleep(0)
        reader.close()
        ours.close()
        theirs.close()
        assert len(taker.packets) == n

    asyncio.run(run())
