"""Sound in, records out: no clock, no network, no Kafka; imports nothing of `streams`."""
