"""An application with OpenTelemetry metrics, written as in its documentation. The environment names the endpoint."""

import time

from opentelemetry import metrics
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

reader = PeriodicExportingMetricReader(OTLPMetricExporter(), export_interval_millis=500)
provider = MeterProvider(metric_readers=[reader])
metrics.set_meter_provider(provider)
meter = metrics.get_meter("shop")
orders = meter.create_counter("shop.orders")
queue = meter.create_up_down_counter("shop.queue")
latency = meter.create_histogram("shop.latency", unit="ms")
for i in range(12):
    orders.add(i, {"region": "eu"})
    queue.add(1 if i % 3 else -1)
    for value in (5, 20, 80):
        latency.record(value + i, {"region": "eu"})
    time.sleep(0.25)
provider.shutdown()
