"""The ground floor: readings, chunks, receipts, records, clocks, ids, units and errors. Imports nothing of ours."""
