"""A node's main process, to be killed: prints its processes and ports as JSON, ends the tree when admin or logger ends."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import cast_of_actors as cast

from rt_edge.actors.system import start_node


def main():
    with start_node() as node:
        parent = node.create(cast.Parent)
        node.ask(parent, cast.Where(), 5, cast.Where)
        node.ask(node.create(cast.Looper), cast.Bounce(1), 5, cast.Bounce)
        ingress = node.create(cast.Ingress)
        port = node.ask(ingress, cast.Listen(), 5, cast.Listen).port
        second = start_node()  # two systems of one main process must not keep each other's pipes
        members = [(member.role, member.name, member.pid) for member in node.tree.members.values()]
        members += [(f"other {member.role}", "other", member.pid) for member in second.tree.members.values()]
        print(json.dumps({"members": [["main", "main", os.getpid()], *members], "ports": [node.port, port]}), flush=True)
        ended = node.tree.wait_exit(60, lambda member: member.role in ("admin", "logger"))
        node.kill()
        second.kill()
        print(f"ended with {ended.role}", flush=True)


main()
