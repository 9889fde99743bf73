"""The stages, one verb a file. `_common` has what several of them share; the SPI is `rt_edge.streams.stage`."""
