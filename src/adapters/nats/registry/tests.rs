use std::sync::Arc;

use super::NatsRegistry;
use crate::adapters::nats::test_server;
use crate::ports::{Registry, contract};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract() {
    let Some(client) = test_server::client("the registry's contract").await else { return };
    let bucket = format!("contract_{}", uuid::Uuid::new_v4().simple());
    contract::registry(async || {
        Arc::new(NatsRegistry::open(client.clone(), &bucket, 1).await.unwrap()) as Arc<dyn Registry>
    })
    .await;
    async_nats::jetstream::new(client).delete_key_value(&bucket).await.unwrap();
}
