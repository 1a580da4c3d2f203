"""An application that writes with influxdb-client, as in its documentation. Prints the time of each point."""

import os
import time

from influxdb_client import InfluxDBClient, Point, WriteOptions, WritePrecision

seconds = float(os.environ["OUTAGE"])
with InfluxDBClient(url=os.environ["URL"], token=os.environ["TOKEN"], org="shop") as client:
    assert client.ping(), "ping"
    health = client.health()
    assert health.status == "pass", health
    options = WriteOptions(batch_size=5, flush_interval=500, retry_interval=500, max_retries=20, exponential_base=1)
    with client.write_api(write_options=options) as write:
        for i in range(int(seconds + 8) * 4):
            at = time.time_ns() // 1_000_000
            write.write(bucket="b", record=Point("shop").field("queue", i % 5).time(at, WritePrecision.MS))
            print("written", at, flush=True)
            time.sleep(0.25)
