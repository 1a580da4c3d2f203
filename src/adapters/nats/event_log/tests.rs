use std::sync::Arc;

use futures_util::StreamExt;

use super::{JetStreamLog, JetStreamLogSettings};
use crate::adapters::nats::test_server;
use crate::ports::{EventLog, SharedLog, contract};

pub(super) const SETTINGS: JetStreamLogSettings = JetStreamLogSettings { replicas: 1, limit_bytes: 1 << 30 };

/// Removes what the contract suites leave behind on a server that others use too.
async fn clean(client: async_nats::Client) {
    let context = async_nats::jetstream::new(client);
    let names: Vec<_> = context.stream_names().collect().await;
    for name in names.into_iter().flatten().filter(|name| name.starts_with("earcon_log_contract-")) {
        context.delete_stream(name).await.unwrap();
    }
}

fn make(client: &async_nats::Client) -> Arc<JetStreamLog> {
    let (client, runtime) = (client.clone(), tokio::runtime::Handle::current());
    let log = tokio::task::block_in_place(|| runtime.block_on(JetStreamLog::connect(client, SETTINGS)));
    Arc::new(log.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contracts() {
    let Some(client) = test_server::client("the log's contracts").await else { return };
    contract::event_log(|| make(&client) as Arc<dyn EventLog>).await;
    contract::shared_log(|| make(&client) as Arc<dyn SharedLog>).await;
    clean(client).await;
}
