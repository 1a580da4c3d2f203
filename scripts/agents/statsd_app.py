"""An application that counts with the clients `statsd` and `datadog`, as in their documentation, until it is ended."""

import os
import time

from datadog.dogstatsd import DogStatsd
from statsd import StatsClient

port = int(os.environ["STATSD_PORT"])
plain = StatsClient("127.0.0.1", port, prefix="plain")
dog = DogStatsd(host="127.0.0.1", port=port, namespace="dog", constant_tags=["region:eu"])
for i in range(10_000):
    plain.gauge("queue", i % 5)
    plain.incr("orders")
    plain.timing("wait", 20 + i % 7)
    dog.gauge("queue", i % 5)
    dog.increment("orders")
    dog.timing("wait", 20 + i % 7)
    time.sleep(0.1)
