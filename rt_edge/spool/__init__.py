"""Store-and-forward on disk: records of one uplink in one SQLite file, kept until the upstream cluster has confirmed them.

`spool.Spool` is the core (synchronous, sans asyncio), `worker.SpoolWorker` its thread, `sink.SpoolSink` its end of a graph.
"""
