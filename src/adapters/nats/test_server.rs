//! The NATS server that tests run against: the one `EARCON_TEST_NATS_URL` names.

use async_nats::Client;

/// A client of the test server, or `None`, saying so, where there is none. In CI that is a failure.
pub(crate) async fn client(test: &str) -> Option<Client> {
    match std::env::var("EARCON_TEST_NATS_URL") {
        Ok(url) => Some(async_nats::connect(&url).await.unwrap_or_else(|error| panic!("{url}: {error}"))),
        Err(_) if std::env::var_os("CI").is_some() => panic!("{test}: EARCON_TEST_NATS_URL is not set"),
        Err(_) => {
            eprintln!("skipped: {test}: no NATS server; `make test` starts one");
            None
        }
    }
}
