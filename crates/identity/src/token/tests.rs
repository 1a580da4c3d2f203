use std::sync::LazyLock;

use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

use super::*;

const NOW_MS: i64 = 1_800_000_000_000;
const NOW: i64 = NOW_MS / 1_000;

fn key(number: u8) -> SigningKey {
    SigningKey::from_random([number; 8], [number; 32], NOW_MS)
}

fn keys() -> &'static SigningKeys {
    static KEYS: LazyLock<SigningKeys> = LazyLock::new(|| SigningKeys::new(key(1)));
    &KEYS
}

fn tokens() -> Tokens<'static> {
    Tokens::new("earcon:test", keys())
}

fn user() -> (UserId, SessionId) {
    (UserId::from_random([2; 10]), SessionId::from_random([3; 8]))
}

fn shop() -> WorkspaceId {
    WorkspaceId::new("acme.shop").unwrap()
}

fn ticket(tokens: &Tokens<'_>) -> String {
    let (user, session) = user();
    let holder = Holder::Session(user, session);
    tokens.ticket(TicketId::from_random([4; 10]), holder, (shop(), Purpose::Events), NOW_MS).0
}

/// A token with these claims, signed as this server does but for the changes.
fn forged(header: Header, claims: &Value, secret: [u8; 32]) -> String {
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(&secret).unwrap()).unwrap()
}

fn header() -> Header {
    Header { kid: Some(key(1).id.to_string()), ..Header::new(Algorithm::HS256) }
}

fn claims() -> Value {
    let (user, session) = user();
    json!({"iss": "earcon:test", "aud": "earcon:access", "sub": user, "sid": session, "nbf": NOW, "exp": NOW + 300})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn refused(token: &str) -> TokenRefused {
    tokens().read_access(token, NOW_MS).unwrap_err()
}

/// Base64 for addresses, without padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let chunk = |chunk: &[u8]| -> String {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        (0..=chunk.len()).map(|at| char::from(ALPHABET[(bits >> (18 - 6 * at) & 63) as usize])).collect()
    };
    bytes.chunks(3).map(chunk).collect()
}

#[test]
fn access_token_names_user_and_session_for_five_minutes() {
    let (user, session) = user();
    let (text, token) = tokens().access(user, session, NOW_MS);
    assert_eq!(tokens().read_access(&text, NOW_MS), Ok(token));
    assert_eq!((token.user, token.session, token.expires_ms), (user, session, NOW_MS + ACCESS_LIFE_MS));
    assert_eq!(tokens().read_access(&text, NOW_MS + ACCESS_LIFE_MS - 1), Ok(token));
    assert_eq!(tokens().read_access(&text, NOW_MS + ACCESS_LIFE_MS), Err(TokenRefused::Expired));
    assert_eq!(forged(header(), &claims(), [1; 32]).len(), text.len(), "the forgeries below are otherwise right");
    assert!(tokens().read_access(&forged(header(), &claims(), [1; 32]), NOW_MS).is_ok());
}

#[test]
fn token_without_signature_or_with_another_algorithm_is_refused() {
    let payload = base64(claims().to_string().as_bytes());
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let header = base64(json!({"alg": alg, "typ": "JWT", "kid": key(1).id}).to_string().as_bytes());
        for signature in ["", "AAAA"] {
            let token = format!("{header}.{payload}.{signature}");
            assert_eq!(refused(&token), TokenRefused::Algorithm, "{alg} {signature}");
        }
        assert_eq!(refused(&format!("{header}.{payload}")), TokenRefused::Form);
    }
    for alg in [Algorithm::HS384, Algorithm::HS512] {
        let token = forged(Header { kid: header().kid, ..Header::new(alg) }, &claims(), [1; 32]);
        assert_eq!(refused(&token), TokenRefused::Algorithm);
    }
    for alg in ["RS256", "ES256", "EdDSA"] {
        let header = base64(json!({"alg": alg, "typ": "JWT", "kid": key(1).id}).to_string().as_bytes());
        assert_eq!(refused(&format!("{header}.{payload}.AAAA")), TokenRefused::Algorithm, "{alg}");
    }
}

#[test]
fn tampered_token_is_refused() {
    let (user, session) = user();
    let (text, _) = tokens().access(user, session, NOW_MS);
    let parts: Vec<&str> = text.split('.').collect();
    let other = tokens().access(UserId::from_random([9; 10]), session, NOW_MS).0;
    let other: Vec<&str> = other.split('.').collect();
    let mixed = format!("{}.{}.{}", parts[0], other[1], parts[2]);
    assert_eq!(refused(&mixed), TokenRefused::Signature);
    assert_eq!(refused(&format!("{}.{}.", parts[0], parts[1])), TokenRefused::Signature);
    assert_eq!(refused(&forged(header(), &claims(), [2; 32])), TokenRefused::Signature, "another secret");
    for (at, _) in text.char_indices() {
        let mut changed = text.clone();
        let to = if &text[at..=at] == "A" { "B" } else { "A" };
        changed.replace_range(at..=at, to);
        let read = tokens().read_access(&changed, NOW_MS);
        // The last character of a part has bits that mean nothing; a strict reader refuses them.
        assert!(read.is_err(), "{at}: {read:?}");
    }
    for odd in ["", ".", "..", "a.b.c", &text[1..], &"a".repeat(10_000), &format!("{text}.x"), &format!(" {text}")] {
        assert!(tokens().read_access(odd, NOW_MS).is_err(), "{odd}");
    }
}

#[test]
fn claims_that_this_server_does_not_make_are_refused() {
    let refused = |claims: Value| refused(&forged(header(), &claims, [1; 32]));
    assert_eq!(refused(with("iss", json!("earcon:other"))), TokenRefused::Issuer);
    assert_eq!(refused(with("aud", json!("earcon:ticket"))), TokenRefused::Audience);
    assert_eq!(refused(with("aud", json!(["earcon:access", "x"]))), TokenRefused::Form, "one audience");
    assert_eq!(refused(with("exp", json!(NOW))), TokenRefused::LivesTooLong, "no life at all");
    assert_eq!(refused(with("exp", json!(NOW + 3_600))), TokenRefused::LivesTooLong);
    assert_eq!(refused(with("exp", json!(i64::MAX))), TokenRefused::Form);
    let mut future = with("nbf", json!(NOW + 6));
    assert_eq!(refused(future.clone()), TokenRefused::NotYet);
    future["nbf"] = json!(NOW + 5);
    assert!(tokens().read_access(&forged(header(), &future, [1; 32]), NOW_MS).is_ok(), "within the leeway");
    let mut past = with("nbf", json!(NOW - 300));
    past["exp"] = json!(NOW - 1);
    assert_eq!(refused(past), TokenRefused::Expired);
    for name in ["iss", "aud", "sub", "sid", "nbf", "exp"] {
        let mut without = claims();
        without.as_object_mut().unwrap().remove(name);
        assert_eq!(refused(without), TokenRefused::Form, "{name}");
    }
    assert_eq!(refused(with("admin", json!(true))), TokenRefused::Form, "an unknown claim");
    assert_eq!(refused(with("sub", json!("root"))), TokenRefused::Form);
}

#[test]
fn header_that_asks_for_more_is_refused() {
    let crit = Header { crit: Some(vec!["exp".to_owned()]), ..header() };
    let jku = Header { jku: Some("https://evil.example/keys".to_owned()), ..header() };
    for odd in [crit, jku] {
        assert_eq!(refused(&forged(odd, &claims(), [1; 32])), TokenRefused::Form);
    }
    for kid in [None, Some(String::new()), Some("../../dev/null".to_owned()), Some(key(2).id.to_string())] {
        assert_eq!(refused(&forged(Header { kid, ..header() }, &claims(), [1; 32])), TokenRefused::Key);
    }
}

#[test]
fn ticket_opens_one_stream_of_one_workspace_once() {
    let (tokens, text) = (tokens(), ticket(&tokens()));
    let read = |workspace: &WorkspaceId, purpose| tokens.read_ticket(&text, (workspace, purpose), NOW_MS);
    let ticket = read(&shop(), Purpose::Events).unwrap();
    assert_eq!(ticket.expires_ms, NOW_MS + TICKET_LIFE_MS);
    assert_eq!(read(&shop(), Purpose::Audio), Err(TokenRefused::Audience));
    for other in ["shop", "acme.other", "other.shop"] {
        assert_eq!(read(&WorkspaceId::new(other).unwrap(), Purpose::Events), Err(TokenRefused::Audience));
    }
    let late = tokens.read_ticket(&text, (&shop(), Purpose::Events), NOW_MS + TICKET_LIFE_MS);
    assert_eq!(late, Err(TokenRefused::Expired));
    assert_eq!(tokens.read_access(&text, NOW_MS), Err(TokenRefused::Form), "a ticket is no access token");
    let (user, session) = user();
    let access = tokens.access(user, session, NOW_MS).0;
    assert_eq!(tokens.read_ticket(&access, (&shop(), Purpose::Events), NOW_MS), Err(TokenRefused::Form));

    assert_eq!(ticket.holder, Holder::Session(user, session));
    let of_key = Holder::Key(KeyId::from_random([6; 8]));
    for holder in [of_key, ticket.holder] {
        assert_eq!(Holder::try_from(String::from(holder)).unwrap(), holder);
    }
    let mut used = UsedTickets::new(2);
    assert_eq!(used.take(ticket.id, ticket.expires_ms, NOW_MS), Ok(()));
    assert_eq!(used.take(ticket.id, ticket.expires_ms, NOW_MS + 1), Err(TicketRefused::Used));
}

#[test]
fn memory_of_used_tickets_is_bounded_and_forgets_only_expired_ones() {
    let (mut used, id) = (UsedTickets::new(2), |number| TicketId::from_random([number; 10]));
    used.take(id(1), 100, 0).unwrap();
    used.take(id(2), 200, 0).unwrap();
    assert_eq!(used.take(id(3), 200, 99), Err(TicketRefused::Full));
    assert_eq!(used.take(id(2), 200, 99), Err(TicketRefused::Used));
    assert_eq!(used.take(id(3), 200, 100), Ok(()));
    assert_eq!((used.len(), used.is_empty()), (2, false));
}

#[test]
fn two_signing_keys_are_valid_at_once() {
    let (user, session) = user();
    let old = tokens().access(user, session, NOW_MS).0;
    let rotated_keys = keys().rotate(key(2));
    let rotated = Tokens::new("earcon:test", &rotated_keys);
    assert!(rotated.read_access(&old, NOW_MS).is_ok());
    let new = rotated.access(user, session, NOW_MS).0;
    assert!(rotated.read_access(&new, NOW_MS).is_ok());
    assert_eq!(refused(&new), TokenRefused::Key, "a node that has not read the new key yet");
    let keys_twice = rotated_keys.rotate(key(3));
    let twice = Tokens::new("earcon:test", &keys_twice);
    assert_eq!(twice.read_access(&old, NOW_MS), Err(TokenRefused::Key));
    assert!(keys().may_rotate(NOW_MS) && !rotated_keys.may_rotate(NOW_MS + 1_000));
    assert!(rotated_keys.may_rotate(NOW_MS + ACCESS_LIFE_MS + 2 * LEEWAY_MS));
    let text = serde_json::to_string(&rotated_keys).unwrap();
    let read: SigningKeys = serde_json::from_str(&text).unwrap();
    assert!(Tokens::new("earcon:test", &read).read_access(&old, NOW_MS).is_ok());
    assert!(!format!("{rotated_keys:?}").contains("secret"));
}
