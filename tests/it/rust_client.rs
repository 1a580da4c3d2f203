//! The Rust client against the real server, and the first example of its README.

use std::time::Duration;

use earcon_client::{Client, Sample, Update};
use tokio::time::timeout;

use crate::support::Server;

const PATIENCE: Duration = Duration::from_secs(60);
/// Both contain the example.
const READMES: [&str; 2] = [include_str!("../../README.md"), include_str!("../../clients/rust/README.md")];
const THIS: &str = include_str!("rust_client.rs");

#[test]
fn the_example_of_the_readme_is_the_one_that_is_run() {
    let squeeze = |text: &str| text.split_whitespace().collect::<String>();
    let run = squeeze(THIS);
    for readme in READMES {
        let (_, block) = readme.split_once("```rust").expect("an example in Rust");
        let (block, _) = block.split_once("```").expect("its end");
        let mut lines = 0;
        for line in block.lines().skip(1).filter(|line| !line.starts_with('#')) {
            let line = squeeze(line).replace("\"http://127.0.0.1:7070\"", "&url");
            let line = line.trim_end_matches('}');
            assert!(run.contains(line), "the README's {line:?} is not run");
            lines += usize::from(!line.is_empty());
        }
        assert!(lines >= 4, "{block}");
    }
}

#[expect(clippy::print_stdout, reason = "the example prints")]
#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_the_readme_works() {
    let server = Server::start().await;
    let url = server.url("/");
    let example = async {
        let earcon = Client::new(&url)?.workspace("local");
        earcon.ingest(&[Sample::new("checkout.revenue", 12.5).label("region", "eu")]).await?;
        let mut updates = earcon.follow().since(earcon_client::Since::Snapshot).kpis(["checkout.*"]).start();
        while let Some(update) = updates.next().await {
            if let Update::Event(event) = update? {
                println!("{event:?}")
            } else {
                break;
            }
        }
        Ok::<_, earcon_client::Error>(updates)
    };
    let mut updates = timeout(PATIENCE, example).await.expect("it connects in time").expect("it works");
    let Some(Ok(Update::Snapshot(snapshot))) = timeout(PATIENCE, updates.next()).await.unwrap() else {
        panic!("no snapshot")
    };
    assert_eq!(snapshot.kpis[0].kpi, "checkout.revenue");
    assert_eq!(snapshot.kpis[0].series[0].value, Some(12.5));
}
