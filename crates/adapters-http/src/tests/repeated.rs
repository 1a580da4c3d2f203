//! Requests that are sent again, and when.

use std::time::Duration;

use bytes::Bytes;
use earcon_ports::{HttpErrorKind, Repeat};
use http::Method;

use super::support::{Memory, answer, repeated};

const ALLOW: &[&str] = &["http://a.example"];
const URL: &str = "http://a.example/";

fn failing(times: usize, headers: &'static [(&'static str, &'static str)]) -> Memory {
    let handler = move |number, _| if number < times { answer(503, headers, b"") } else { answer(200, &[], b"done") };
    Memory::new(handler).name("a.example", &[&["10.0.0.1"]])
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_the_server_asks_for_is_kept() {
    for headers in [&[("retry-after", "7")][..], &[("retry-after", "Thu, 01 Jan 1970 00:00:07 GMT")]] {
        // The tests' clock shows the epoch; hyper would write the date of the machine's.
        let headers: &'static [_] = [headers, &[("date", "Thu, 01 Jan 1970 00:00:00 GMT")]].concat().leak();
        let network = failing(2, headers);
        let answer = network.client(ALLOW).send(repeated(Method::GET, URL, Repeat::IfIdempotent, 3)).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.body.as_ref()), (200, &b"done"[..]));
        let requests = network.requests();
        let times: Vec<_> = requests.iter().map(|(at, _)| at.as_secs()).collect();
        assert_eq!(times, [0, 7, 14]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_longer_than_the_request_has_is_not_begun() {
    let network = failing(1, &[("retry-after", "3600")]);
    let answer = network.client(ALLOW).send(repeated(Method::GET, URL, Repeat::Always, 3)).await.unwrap();
    assert_eq!((answer.status.as_u16(), network.requests().len()), (503, 1), "the caller sees the refusal");
}

#[tokio::test(start_paused = true)]
async fn pauses_without_advice_are_short_and_the_last_answer_counts() {
    let network = failing(9, &[]);
    let answer = network.client(ALLOW).open(repeated(Method::GET, URL, Repeat::IfIdempotent, 3)).await.unwrap();
    let requests = network.requests();
    assert_eq!((answer.status.as_u16(), requests.len()), (503, 3));
    assert!(requests[2].0 >= Duration::from_millis(375) && requests[2].0 <= Duration::from_millis(800));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_may_have_been_executed_is_not_sent_twice() {
    let network = Memory::new(|_, _| None).name("a.example", &[&["10.0.0.1"]]);
    let client = network.client(ALLOW);
    let mut post = repeated(Method::POST, URL, Repeat::IfIdempotent, 3);
    post.body = Bytes::from_static(b"pay");
    assert_eq!(client.send(post.clone()).await.unwrap_err().kind, HttpErrorKind::Broken);
    assert_eq!(network.requests().len(), 1);
    post.repeat = Repeat::Always;
    client.send(post).await.unwrap_err();
    let requests = network.requests();
    assert_eq!(requests.len(), 4);
    assert!(requests.iter().all(|(_, request)| request.body() == "pay"), "with its body");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_unknown_at_first_is_tried_again() {
    let network = Memory::new(|_, _| answer(200, &[], b"")).name("a.example", &[&[], &["10.0.0.1"]]);
    network.client(ALLOW).send(repeated(Method::POST, URL, Repeat::IfIdempotent, 2)).await.unwrap();
    assert_eq!(network.lookups().len(), 2, "it was never sent");
    let client = network.client(&["http://b.example"]);
    let unknown = client.send(repeated(Method::GET, "http://b.example/", Repeat::Always, 1)).await;
    assert_eq!(unknown.unwrap_err().kind, HttpErrorKind::Unresolved);
}

#[tokio::test(start_paused = true)]
async fn a_refused_address_is_not_tried_again() {
    let network = Memory::new(|_, _| answer(200, &[], b"")).name("a.example", &[&["10.0.0.1"]]);
    let refused = network.client(&[]).send(repeated(Method::GET, "https://a.example/", Repeat::Always, 5)).await;
    assert_eq!((refused.unwrap_err().kind, network.lookups().len()), (HttpErrorKind::Refused, 1));
}
