"""Work in processes of its own: a pool that streams ask (`rt_edge.streams.stages.ask`), and what runs in each process.

frames   what parent and process say to each other
worker   the process: calls a function for one element after the other
pool     the parent: starts processes, gives them work, starts dead ones again
"""
