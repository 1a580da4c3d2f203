//! Where requests go.

use earcon_ports::{HttpError, HttpErrorKind};
use http::Method;

use super::support::{Memory, answer, get, once};

/// Plain HTTP to public addresses that begin with 8, so that these tests need no certificates.
const EIGHT: &[&str] = &["http://8.0.0.0/8"];

fn refused(result: Result<impl std::fmt::Debug, HttpError>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::Refused, "{error}");
    error.to_string()
}

#[tokio::test]
async fn a_name_is_looked_up_once_and_that_address_is_connected_to() {
    let network = Memory::new(|_, _| answer(200, &[], b"yes")).name("a.example", &[&["8.8.8.8"]]);
    let answer = network.client(EIGHT).send(get("http://a.example/x?y=1#z")).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.body.as_ref()), (200, &b"yes"[..]));
    assert_eq!((network.lookups().len(), network.connections()), (1, vec!["8.8.8.8:80".to_owned()]));
    let request = &network.requests()[0].1;
    assert_eq!(
        (request.uri().to_string().as_str(), &request.headers()["host"]),
        ("/x?y=1", &"a.example".parse().unwrap())
    );
}

#[tokio::test]
async fn a_name_that_gets_a_local_address_between_two_lookups_is_refused() {
    let network = Memory::new(|_, _| answer(200, &[("connection", "close")], b""))
        .name("a.example", &[&["8.8.8.8"], &["127.0.0.1"]]);
    let client = network.client(EIGHT);
    client.send(get("http://a.example/")).await.unwrap();
    let text = refused(client.send(get("http://a.example/")).await);
    assert!(text.contains("127.0.0.1 is a loopback address") && text.contains("outbound.allow"), "{text}");
    assert_eq!(network.connections(), ["8.8.8.8:80"]);
}

#[tokio::test]
async fn one_local_address_among_those_of_a_name_refuses_it() {
    let network = Memory::new(|_, _| answer(200, &[], b"")).name("a.example", &[&["8.8.8.8", "::ffff:10.0.0.1"]]);
    refused(network.client(EIGHT).send(get("http://a.example/")).await);
    assert!(network.connections().is_empty());
}

#[tokio::test]
async fn redirects_are_checked_again() {
    for to in [
        "http://127.0.0.1/",
        "http://[::ffff:169.254.169.254]/",
        "http://local.example/",
        "http://user@a.example/",
        "http://0x7f000001/",
        "ftp://a.example/",
        "http://a.example:22/",
    ] {
        let network = Memory::new(move |_, _| answer(302, &[("location", to)], b""))
            .name("a.example", &[&["8.8.8.8"]])
            .name("local.example", &[&["192.168.0.1"]]);
        let allow = ["http://8.0.0.0/8:80"];
        refused(network.client(&allow).send(get("http://a.example/")).await);
        assert_eq!(network.connections(), ["8.8.8.8:80"], "{to}");
    }
}

#[tokio::test]
async fn urls_that_cannot_be_allowed_are_not_looked_up() {
    let network = Memory::new(|_, _| answer(200, &[], b"")).name("a.example", &[&["8.8.8.8"]]);
    let client = network.client(&[]);
    for url in ["http://a.example/", "https://a.example:22/", "https://u:hunter2@a.example/", "https://10.0.0.1/"] {
        let text = refused(client.send(get(url)).await);
        assert!(!text.contains("hunter2"), "{text}");
    }
    assert!(network.lookups().is_empty() && network.connections().is_empty());
}

#[tokio::test]
async fn errors_show_neither_path_nor_query_nor_headers() {
    let network = Memory::new(|_, _| None).name("a.example", &[&["8.8.8.8"]]);
    let mut request = once(Method::POST, "http://a.example/s3cret?token=s3cret");
    request.headers.insert("authorization", "s3cret".parse().unwrap());
    let client = network.client(EIGHT);
    let broken = client.send(request.clone()).await.unwrap_err();
    request.headers.insert("host", "s3cret".parse().unwrap());
    let invalid = client.send(request).await.unwrap_err();
    assert_eq!((broken.kind, invalid.kind), (HttpErrorKind::Broken, HttpErrorKind::Invalid));
    for text in [broken.to_string(), invalid.to_string(), format!("{broken:?}{invalid:?}")] {
        assert!(!text.contains("s3cret") && text.contains("http://a.example"), "{text}");
    }
}

#[tokio::test]
async fn a_redirect_to_another_server_loses_the_keys() {
    let network = Memory::new(|number, _| match number {
        0 => answer(302, &[("location", "http://b.example/"), ("set-cookie", "id=1")], b""),
        _ => answer(200, &[], b""),
    });
    let network = network.name("a.example", &[&["8.8.8.8"]]).name("b.example", &[&["8.8.4.4"]]);
    let mut request = get("http://a.example/");
    request.headers.insert("x-api-key", "s3cret".parse().unwrap());
    let answer = network.client(EIGHT).send(request).await.unwrap();
    assert_eq!(answer.url.as_str(), "http://b.example/");
    let requests = network.requests();
    assert!(requests[0].1.headers().contains_key("x-api-key"));
    let names: Vec<_> = requests[1].1.headers().keys().map(ToString::to_string).collect();
    assert!(!names.contains(&"x-api-key".to_owned()) && !names.contains(&"cookie".to_owned()), "{names:?}");
}

#[tokio::test]
async fn redirects_are_counted_and_zero_hands_them_to_the_caller() {
    let network = Memory::new(|_, _| answer(302, &[("location", "/next")], b"")).name("a.example", &[&["8.8.8.8"]]);
    let client = network.client(EIGHT);
    let mut request = get("http://a.example/");
    assert_eq!(client.send(request.clone()).await.unwrap_err().kind, HttpErrorKind::Redirect);
    assert_eq!(network.requests().len(), 4, "three redirects are followed");
    request.limits.redirects = 0;
    assert_eq!(client.send(request).await.unwrap().status.as_u16(), 302);
}
