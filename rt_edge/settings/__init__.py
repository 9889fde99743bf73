"""The configuration of a node: YAML with positions -> typed settings -> NodePlan; every error at once, with its place.

yaml_text  bytes -> tree of values with line and column (ruamel.yaml's parser)
validate   a pydantic model over a piece of the tree -> problems in words
sections   the pydantic models of node, uplinks, ingress, stores, telemetry
graphs     short list and nodes/wires -> GraphModel, with the place of every node
load       all of it: file -> Checked (plan, errors, warnings, places)
child      `python -m rt_edge.settings.child CONFIG`: load in a process of its own, write MessagePack
launch     what long-lived processes call: run the child, get a NodePlan
plan, frozen, places    what comes back; free of pydantic and ruamel
schema     JSON Schema of the whole file, for editors
"""
