"""Shuffled batches of float16 log-mels from the store, against TFRecords of the same arrays."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.compare import Comparison, compare
from benchmarks.corpora import noise_store
from deephits_keras.features.store import FeatureStore
from deephits_keras.pipeline.batches import Batches, as_tf_dataset

TRACKS = 1024
BATCH = 64
RECORD = {"mel": tf.io.FixedLenFeature([], tf.string)}


def write_records(store: FeatureStore, path: Path) -> None:
    """The store's arrays as `tf.train.Example`s, a record a track."""
    with tf.io.TFRecordWriter(str(path)) as writer:
        for row in range(TRACKS):
            mel = store.gather([row])[0]["log_mel"].tobytes()
            feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[mel]))
            example = tf.train.Example(features=tf.train.Features(feature={"mel": feature}))
            writer.write(example.SerializeToString())


def run() -> Iterator[Comparison]:
    """Measure."""
    with tempfile.TemporaryDirectory() as name:
        store = noise_store(Path(name) / "corpus", TRACKS)
        records = Path(name) / "tracks.tfrecord"
        write_records(store, records)
        targets = np.zeros(TRACKS, np.int64)
        shape = store.specs[0].shape

        def ours() -> None:
            batches = Batches({"mel": store}, np.arange(TRACKS), targets, batch_size=BATCH, seed=0)
            for _ in as_tf_dataset(batches):
                pass

        def parse(batch: Any) -> Any:
            read = tf.io.parse_example(batch, RECORD)
            mel = tf.reshape(tf.io.decode_raw(read["mel"], tf.float16), (-1, *shape))
            return tf.cast(mel, tf.float32)

        def tfrecords() -> None:
            # A buffer of a quarter of the corpus, which isn't a global shuffle yet.
            data = tf.data.TFRecordDataset(str(records)).shuffle(TRACKS // 4, seed=0).batch(BATCH)
            for _ in data.map(parse, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2):
                pass

        yield compare(
            "reading the store, globally shuffled, batches of 64",
            ours,
            "TFRecords, shuffle buffer of a quarter",
            tfrecords,
            amount=TRACKS,
            unit="tracks/s",
            target=2.0,
        )
