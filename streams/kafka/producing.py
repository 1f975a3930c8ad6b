"""Records of calls onto calls.audio: idempotent, confirmed by all replicas, compressed, with bounded bytes in flight.

kafka-python keeps what it has not sent in memory without a bound, so the bound is here: `send` waits while too much is
unconfirmed, and the media clock is late by that instead of the memory growing.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from kafka import KafkaProducer
from kafka.errors import KafkaError

from audio.errors import VigieError
from streams.kafka.connection import Connection, kafka_errors
from streams.kafka.records import AudioRecord
from streams.kafka.serde import encode_audio, headers_of, key_of
from streams.kafka.topics import MESSAGE_BYTES_MAX

COMPRESSION = "zstd"
"""On G.711 of a real call, blocks of 32 kB: 0.47 of the bytes at 300 MB a CPU second. kafka-python's gzip (level 9)
gets 0.44 at 2.6 MB a CPU second, which would be a core for 160 calls."""
UNCONFIRMED_BYTES_MAX = 32 * 1024 * 1024
LINGER_MS = 20
"""How long a record waits for others of its partition: few and large requests, and little beside a chunk of 100 ms."""
BATCH_BYTES = 128 * 1024
REQUEST_BYTES_MAX = MESSAGE_BYTES_MAX
REQUEST_MS_MAX = 15_000
BLOCK_MS_MAX = 60_000
"""How long a topic's partitions may stay unknown."""
DELIVERY_MS_MAX = 120_000
"""A record that the cluster has not confirmed by then, over all retries, counts as undelivered."""
RENEW_S = 5.0
"""Between two attempts to find the cluster again after a failure; records that are due in between are undelivered."""


@dataclass(slots=True)
class Delivered:
    """What the cluster has said so far."""

    records: int = 0
    bytes: int = 0
    undelivered: int = 0
    reason: str | None = None
    """Why the first undelivered record was not delivered."""


class CallsProducer:
    """Sends records of calls.

    Args:
        connection: the brokers.
        topic: the name of calls.audio, with its prefix.
        patience_ms: how long a record may wait for its confirmation, over all retries.

    Raises:
        VigieError: no broker answers, or it lets nobody in who says this.
    """

    def __init__(self, connection: Connection, topic: str, patience_ms: int = DELIVERY_MS_MAX) -> None:
        self._connection, self._topic, self._patience_ms = connection, topic, patience_ms
        self._state = threading.Condition()
        self._unconfirmed_bytes = 0
        self._unconfirmed_records = 0
        self._spoiled = False
        self._renew_at_s = 0.0
        self.delivered = Delivered()
        self._producer = self._connected()

    def _connected(self) -> KafkaProducer:
        with kafka_errors(self._connection):
            return KafkaProducer(
                **self._connection.for_kafka_python(),
                client_id="vigie-replay",
                enable_idempotence=True,
                acks="all",
                compression_type=COMPRESSION,
                linger_ms=LINGER_MS,
                batch_size=BATCH_BYTES,
                max_request_size=REQUEST_BYTES_MAX,
                delivery_timeout_ms=self._patience_ms,
                request_timeout_ms=min(REQUEST_MS_MAX, self._patience_ms - LINGER_MS - 1),
                max_block_ms=min(BLOCK_MS_MAX, self._patience_ms),
            )

    @property
    def unconfirmed_bytes(self) -> int:
        return self._unconfirmed_bytes

    @property
    def undelivered(self) -> int:
        """Records that were given up, and those of which nothing is known (yet)."""
        return self.delivered.undelivered + self._unconfirmed_records

    def send(self, record: AudioRecord, captured_ms: int) -> None:
        """Hand a record over; waits while too many bytes are unconfirmed. A failure is counted, not raised.

        Args:
            captured_ms: wall clock at which the audio had been spoken; travels in the header.

        Raises:
            VigieError: the record is none that a topic takes, such as one with an id that is too long.
        """
        value, key = encode_audio(record), key_of(record.call_id)
        size = len(value) + len(key)
        usable = not self._spoiled or self._renewed()
        with self._state:
            self._state.wait_for(lambda: self._unconfirmed_bytes < UNCONFIRMED_BYTES_MAX)
            self._unconfirmed_bytes += size
            self._unconfirmed_records += 1
        if not usable:
            self._failed(size, ConnectionError("no broker answers"))
            return
        try:
            future = self._producer.send(self._topic, value, key, headers_of(captured_ms))
        except (KafkaError, OSError) as error:
            self._failed(size, error)
            return
        future.add_callback(lambda _: self._confirmed(size))
        future.add_errback(lambda error: self._failed(size, error))

    def flush(self, timeout_s: float = DELIVERY_MS_MAX / 1000 + 10) -> bool:
        """Wait until all that was sent is confirmed or given up; False where `timeout_s` was not enough."""
        with self._state:
            return self._state.wait_for(lambda: self._unconfirmed_bytes == 0, timeout_s)

    def close(self) -> None:
        self._producer.close(timeout=5)

    def _renewed(self) -> bool:
        """A new producer in the place of one that failed to deliver.

        An idempotent producer of kafka-python takes most failures for the end of it, and refuses all later records
        (`Aborting producer batches due to fatal error`). Everything is settled before the new one starts, so the order
        of what is delivered stays.
        """
        self.flush()
        now_s = time.monotonic()
        if now_s < self._renew_at_s:
            return False
        try:
            fresh = self._connected()
        except VigieError:
            self._renew_at_s = time.monotonic() + RENEW_S
            return False
        self._producer.close(timeout=0)
        self._producer, self._spoiled = fresh, False
        return True

    def _confirmed(self, size: int) -> None:
        with self._state:
            self.delivered.records += 1
            self.delivered.bytes += size
            self._release(size)

    def _failed(self, size: int, error: BaseException) -> None:
        with self._state:
            self._spoiled = True
            self.delivered.undelivered += 1
            self.delivered.reason = self.delivered.reason or f"{type(error).__name__}: {error}"
            self._release(size)

    def _release(self, size: int) -> None:
        self._unconfirmed_bytes -= size
        self._unconfirmed_records -= 1
        self._state.notify_all()
