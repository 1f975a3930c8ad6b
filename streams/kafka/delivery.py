"""Whole fetches from Kafka to an agent, where Faust would carry record by record.

Faust's consumer wraps every record in four tasks, so that it may be given up when the flow stops, looks its channel up
under a lock and queues it alone; its stream then wakes up once for each. With ten chunks a second of each call that was
most of what a call cost beside the engine (`tests/bench/bench_live.py`). Here one event carries all that a fetch has
brought of a topic: Faust still fetches, queues, streams and calls the agent, once for some tens of records.

What the queue holds is bounded by bytes this way: a fetch brings at most `consumer_max_fetch_size` of a partition.
Nothing that was fetched is dropped because its partition is paused; what a stopping flow drops is missed by the books.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import faust
from aiokafka.errors import ConsumerStoppedError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one fetch brought of a topic: aiokafka's records by partition, in the order of their offsets."""

    topic: str
    generation: int
    records: dict[int, list[Any]]


class BatchConsumer(driver.Consumer):
    """Faust's consumer, delivering by the fetch: `event.value` is a `Delivery`."""

    async def _drain_messages(self, fetcher: Any) -> None:
        """Carry what is fetched to the agents until this or the fetcher is stopped, as the method of Faust's does."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                records, _ = await self._wait_next_records(1.0)
                if records and self.flow_active:
                    await self._deliver(records)
                elif not self.flow_active:
                    await self._go_back()
        except (ConsumerStoppedError, asyncio.CancelledError):
            if not self.app.should_stop:
                raise

    async def _deliver(self, records: Mapping[TP, list[Any]]) -> None:
        generation = self.app.consumer_generation_id
        by_topic: dict[str, dict[int, list[Any]]] = {}
        for tp, found in records.items():
            if found:
                by_topic.setdefault(tp.topic, {})[tp.partition] = found
        for topic, partitions in by_topic.items():
            partition, found = next(iter(partitions.items()))
            tp = TP(topic, partition)
            message = self._to_message(tp, found[0])
            event = self.app.create_event(None, Delivery(topic, generation, partitions), None, message)
            conductor: Any = self.app.topics
            for channel in conductor._tp_index[tp]:
                await self._put(channel.queue, event)

    async def _put(self, queue: Any, event: Any) -> None:
        """Wait for room, unless the flow stops: what comes then is of a generation that is over."""
        if not queue.full():
            queue.put_nowait(event)
            return
        # Faust cancels whoever waits at a queue that it clears: that is no cancellation of ours.
        waits = [asyncio.ensure_future(queue.put(event)), asyncio.ensure_future(self.suspend_flow.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _go_back(self) -> None:
        try:
            await self.perform_seek()
        except Exception as error:  # as Faust does: the next assignment says where to go on
            self.log.warning("a seek back failed while the flow was stopped: %s", type(error).__name__)


class BatchTransport(driver.Transport):
    """Faust's transport over aiokafka, with that consumer."""

    Consumer = BatchConsumer


class BatchApp(faust.App):
    """An app whose agents get a `Delivery` an event. Each topic has one agent."""

    def _new_transport(self) -> Any:
        return BatchTransport(self.conf.broker_consumer, self)
