use super::*;
use proptest::prelude::*;

fn policy(allow: &[&str]) -> Egress {
    Egress::new(vec![443], allow.iter().map(|text| text.parse().unwrap()).collect())
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The rule that refuses a URL whose name has this address. `None` if nothing does.
fn refusal(policy: &Egress, text: &str, address: &str) -> Option<Refusal> {
    let target = match policy.check_url(&url(text)) {
        Ok(target) => target,
        Err(refusal) => return Some(refusal),
    };
    policy.check_address(&target, address.parse().unwrap()).err()
}

fn rule(policy: &Egress, text: &str, address: &str) -> Option<Rule> {
    refusal(policy, text, address).map(|refusal| refusal.rule)
}

#[test]
fn only_https_to_public_addresses_on_known_ports_is_allowed() {
    let policy = policy(&[]);
    assert_eq!(rule(&policy, "https://a.example/x", "8.8.8.8"), None);
    assert_eq!(rule(&policy, "http://a.example/x", "8.8.8.8"), Some(Rule::PlainHttp));
    assert_eq!(rule(&policy, "https://a.example:8443/", "8.8.8.8"), Some(Rule::Port));
    assert_eq!(rule(&policy, "ftp://a.example/", "8.8.8.8"), Some(Rule::Scheme));
    assert_eq!(rule(&policy, "file:///etc/passwd", "8.8.8.8"), Some(Rule::Scheme));
    assert_eq!(rule(&policy, "https://u@a.example/", "8.8.8.8"), Some(Rule::UserInfo));
    assert_eq!(rule(&policy, "https://:p@a.example/", "8.8.8.8"), Some(Rule::UserInfo));
    assert_eq!(rule(&policy, "https://./", "8.8.8.8"), Some(Rule::NoHost));
    let private = "10.0.0.1".parse().unwrap();
    assert_eq!(rule(&policy, "https://a.example/", "10.0.0.1"), Some(Rule::Address(private, Special::Private)));
}

/// The `url` crate reads hosts as browsers do, so that no spelling of a number passes as a name.
#[test]
fn spellings_of_addresses_in_urls_are_refused() {
    let policy = policy(&[]);
    for text in [
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://0x7f.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://127.0.0.1./",
        "https://１２７.0.0.1/",
        "https://0/",
        "https://%31%32%37.0.0.1/",
        "https://[64:ff9b::7f00:1]/",
        "https://169.254.169.254/latest/meta-data",
        "https://[fd00:ec2::254]/",
        "https://①②⑦.0.0.1/",
    ] {
        let refused = policy.check_url(&url(text)).unwrap_err();
        assert!(matches!(refused.rule, Rule::Address(..)), "{text}: {refused}");
    }
}

#[test]
fn an_entry_allows_its_range_its_ports_and_its_scheme_only() {
    let entries = ["10.0.0.0/8", "192.168.1.7:9200", "http://qdrant.example:6333", "*.corp.example", "[fd00::1]:8443"];
    let policy = policy(&entries);
    for (text, address) in [
        ("https://10.1.2.3/", "10.1.2.3"),
        ("https://10.1.2.3:9999/", "10.1.2.3"),
        ("https://any.example:9999/", "10.1.2.3"),
        ("https://any.example/", "::ffff:10.1.2.3"),
        ("https://192.168.1.7:9200/", "192.168.1.7"),
        ("http://qdrant.example:6333/", "172.16.0.1"),
        ("https://qdrant.example:6333/", "172.16.0.1"),
        ("http://QDRANT.example.:6333/", "172.16.0.1"),
        ("https://idp.corp.example:8443/", "127.0.0.1"),
        ("https://[fd00::1]:8443/", "fd00::1"),
    ] {
        assert_eq!(refusal(&policy, text, address), None, "{text} at {address}");
    }
    for (text, address) in [
        ("http://10.1.2.3/", "10.1.2.3"),
        ("https://192.168.1.7/", "192.168.1.7"),
        ("https://192.168.1.8:9200/", "192.168.1.8"),
        ("http://qdrant.example/", "8.8.8.8"),
        ("http://qdrant.example:6334/", "8.8.8.8"),
        ("https://corp.example/", "127.0.0.1"),
        ("https://evilcorp.example/", "127.0.0.1"),
        ("https://any.example:9999/", "8.8.8.8"),
        ("https://any.example/", "64:ff9b::10.1.2.3"),
        ("https://[fd00::1]/", "fd00::1"),
    ] {
        assert!(refusal(&policy, text, address).is_some(), "{text} at {address}");
    }
}

#[test]
fn no_range_and_no_name_opens_a_metadata_service() {
    let wide = policy(&["0.0.0.0/0", "::/0", "http://169.254.0.0/16", "http://idp.example", "http://168.63.129.0/24"]);
    for (text, address) in [
        ("http://169.254.169.254/", "169.254.169.254"),
        ("http://idp.example/", "169.254.169.254"),
        ("https://a.example/", "fd00:ec2::254"),
        ("https://a.example/", "::ffff:169.254.169.254"),
        ("http://168.63.129.16/", "168.63.129.16"),
    ] {
        assert!(matches!(rule(&wide, text, address), Some(Rule::Address(_, Special::Metadata))), "{text}");
    }
    let own = policy(&["http://169.254.169.254"]);
    assert_eq!(rule(&own, "http://169.254.169.254/", "169.254.169.254"), None);
}

/// A lookup tells the author of a name that this server asked for it.
#[test]
fn a_name_that_cannot_be_allowed_is_refused_before_its_lookup() {
    assert!(policy(&["10.0.0.0/8"]).check_url(&url("http://a.example/")).is_err(), "no entry is for plain HTTP");
    assert!(policy(&["http://10.0.0.0/8"]).check_url(&url("http://a.example/")).is_ok(), "its address decides");
    assert!(policy(&["10.0.0.0/8:9200"]).check_url(&url("https://a.example:9201/")).is_err());
}

#[test]
fn a_refusal_says_what_by_which_rule_and_what_allows_it() {
    let none = policy(&[]);
    let text = |url: &str, address: &str| refusal(&none, url, address).unwrap().to_string();
    assert_eq!(
        text("https://idp.example/secret?token=1", "10.0.0.5"),
        "requests to https://idp.example are refused: 10.0.0.5 is a private address; \
         the entry \"idp.example\" in outbound.allow allows it"
    );
    assert_eq!(
        text("https://idp.example:8443/", "8.8.8.8"),
        "requests to https://idp.example:8443 are refused: the port is not in outbound.ports; \
         the entry \"idp.example:8443\" in outbound.allow allows it"
    );
    assert!(
        text("http://[fd00::1]:8080/", "fd00::1").ends_with("\"http://[fd00::1]:8080\" in outbound.allow allows it")
    );
    let secret = text("https://user:hunter2@a.example/", "8.8.8.8");
    assert!(!secret.contains("hunter2") && !secret.contains("outbound.allow"), "{secret}");
}

proptest! {
    /// The entry that a refusal names does allow the request.
    #[test]
    fn the_entry_of_a_refusal_allows_the_request(
        bits in any::<u128>(), v4 in any::<bool>(), https in any::<bool>(), port in 1_u16..,
        literal in any::<bool>(),
    ) {
        let address: IpAddr =
            if v4 { std::net::Ipv4Addr::from(bits as u32).into() } else { std::net::Ipv6Addr::from(bits).into() };
        let scheme = if https { "https" } else { "http" };
        let host = match (literal, address) {
            (false, _) => "a.example".to_owned(),
            (true, IpAddr::V4(address)) => address.to_string(),
            (true, IpAddr::V6(address)) => format!("[{address}]"),
        };
        let text = format!("{scheme}://{host}:{port}/");
        if let Some(refused) = refusal(&policy(&[]), &text, &address.to_string()) {
            let entry = refused.entry.unwrap();
            prop_assert_eq!(refusal(&policy(&[&entry]), &text, &address.to_string()), None, "{}", entry);
        }
    }
}
