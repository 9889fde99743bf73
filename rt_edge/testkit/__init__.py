"""For tests, public: of rt_edge, of adapters, of stages, and of what others build on it. Nothing that a node runs imports it.

virtual_clock, simulated_time, waiting    time that a test winds; waiting for a condition with a deadline
probes                                    the ends of a stage, by hand
stage_contract, source_contract, sink_contract, adapter_contract, spool_contract, store_contract    test classes to derive from
tck/                                      the rules of Reactive Streams: `python -m rt_edge.testkit.tck` lists them
mosquitto, mqtt_broker/, mqtt_client, modbus_slave, serial_instrument, pki    peers: a real broker, one that misbehaves by
                                          script, slaves, an instrument on a pty, a CA
faulty_link, faulty_transport             a link and an actor transport that lose, repeat and reorder
delivery_*, island_world, spool_bench     whole worlds in one process
node_process                              whole nodes as processes
"""
