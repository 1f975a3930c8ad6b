"""Figures of a feed for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

if TYPE_CHECKING:
    from streams.feed.api import Feed


def exposition(feed: Feed) -> bytes:
    registry = CollectorRegistry()

    class Collector:
        def collect(self) -> list[CounterMetricFamily | GaugeMetricFamily]:
            return [
                GaugeMetricFamily("vigie_feed_clients", "Browsers on the event stream", value=feed.hub.clients),
                CounterMetricFamily("vigie_feed_records", "Records absorbed", value=feed.absorber.absorbed),
                CounterMetricFamily("vigie_feed_refused", "Records no store takes", value=feed.absorber.refused),
                CounterMetricFamily("vigie_feed_forgotten", "Records of erased calls", value=feed.absorber.dropped),
            ]

    registry.register(Collector())
    return generate_latest(registry)
