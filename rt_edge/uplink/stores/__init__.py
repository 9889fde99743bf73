"""Durable ends of the delivery: where an upstream node keeps records. `sqlite` is the embedded default, `query` reads it back."""
