use std::path::{Path, PathBuf};
use std::process::Command;

use nkeys::KeyPair;
use serde_json::{Value, json};

use super::connect;
use crate::NatsSettings;
use crate::test_server::PrivateServer;
use earcon_ports::ErrorKind;

/// Whether a client with these settings can talk to the server.
async fn works(settings: &NatsSettings) -> bool {
    match connect(settings, "test").await {
        Ok(client) => client.flush().await.is_ok(),
        Err(error) => {
            assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
            assert!(error.to_string().contains(&settings.servers[0]), "{error}");
            false
        }
    }
}

fn write(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs NATS"]
async fn nkey_admits_only_its_owner() {
    let (user, stranger) = (KeyPair::new_user(), KeyPair::new_user());
    let config = format!("authorization {{ users: [{{ nkey: {} }}] }}", user.public_key());
    let server = PrivateServer::start(&config).await;
    let directory = server.directory.path();
    let right = write(directory, "right.nk", &format!("{}\n", user.seed().unwrap()));
    let wrong = write(directory, "wrong.nk", &stranger.seed().unwrap());
    let with = |seed: &Path| NatsSettings { nkey_seed_file: Some(seed.to_owned()), ..server.settings() };
    assert!(works(&with(&right)).await);
    assert!(!works(&with(&wrong)).await);
    assert!(!works(&server.settings()).await);
    let error = connect(&with(Path::new("/nowhere/seed")), "test").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.to_string().contains("nats.nkey_seed_file"), "{error}");
    let error = connect(&with(&write(directory, "no.nk", "not a seed")), "test").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
}

/// A JWT in the format of NATS, about `subject`, signed by `issuer`.
fn token(issuer: &KeyPair, subject: &KeyPair, kind: &str, mut claims: Value) -> String {
    claims["type"] = json!(kind);
    claims["version"] = json!(2);
    let body = json!({
        "jti": "test", "iat": 1_767_225_600, "iss": issuer.public_key(), "sub": subject.public_key(), "name": kind,
        "nats": claims,
    });
    let head = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
    let text = format!("{}.{}", base64(head.to_string().as_bytes()), base64(body.to_string().as_bytes()));
    let signature = issuer.sign(text.as_bytes()).unwrap();
    format!("{text}.{}", base64(&signature))
}

/// Base 64 for URLs, without padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..=chunk.len() {
            text.push(char::from(DIGITS[(bits >> (18 - 6 * digit)) as usize & 63]));
        }
    }
    text
}

fn credentials(token: &str, user: &KeyPair) -> String {
    format!(
        "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n{}\n\
         ------END USER NKEY SEED------\n",
        user.seed().unwrap()
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs NATS"]
async fn credentials_file_admits_a_user_of_an_account() {
    let (operator, account, user) = (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_user());
    let system = KeyPair::new_account();
    let all = json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
        "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1,
    });
    let mut without_storage = all.clone();
    for limit in ["mem_storage", "disk_storage", "streams", "consumer"] {
        without_storage[limit] = json!(0);
    }
    let config = format!(
        "operator: {}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload: {{ {}: {}, {}: {} }}",
        token(&operator, &operator, "operator", json!({})),
        system.public_key(),
        system.public_key(),
        token(&operator, &system, "account", json!({ "limits": without_storage })),
        account.public_key(),
        token(&operator, &account, "account", json!({ "limits": all })),
    );
    let server = PrivateServer::start(&config).await;
    let directory = server.directory.path();
    let limits = || json!({ "subs": -1, "data": -1, "payload": -1 });
    let right = credentials(&token(&account, &user, "user", limits()), &user);
    // Signed by an account that the operator does not know.
    let wrong = credentials(&token(&KeyPair::new_account(), &user, "user", limits()), &user);
    let with = |file: PathBuf| NatsSettings { credentials_file: Some(file), ..server.settings() };
    let right = with(write(directory, "right.creds", &right));
    assert!(works(&right).await);
    let client = connect(&right, "test").await.unwrap();
    assert!(async_nats::jetstream::new(client).query_account().await.is_ok(), "the account has JetStream");
    assert!(!works(&with(write(directory, "wrong.creds", &wrong))).await);
    assert!(!works(&server.settings()).await);
    let error = connect(&with(write(directory, "no.creds", "nothing")), "test").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.to_string().contains("nats.credentials_file"), "{error}");
}

fn openssl(directory: &Path, arguments: &str) {
    let result = Command::new("openssl").args(arguments.split(' ')).current_dir(directory).output();
    let output = result.expect("openssl is installed");
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Creates an authority, and certificates for a server and a client, signed by it.
fn make_certificates(directory: &Path) {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    std::fs::write(directory.join("server.ext"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    std::fs::write(directory.join("client.ext"), "extendedKeyUsage=clientAuth\n").unwrap();
    openssl(directory, &format!("req -x509 {key} -days 2 -subj /CN=authority -keyout ca.key -out ca.pem"));
    for name in ["server", "client"] {
        openssl(directory, &format!("req {key} -subj /CN={name} -keyout {name}.key -out {name}.csr"));
        let signed_by = "-CA ca.pem -CAkey ca.key -CAcreateserial -days 2";
        openssl(directory, &format!("x509 -req -in {name}.csr {signed_by} -extfile {name}.ext -out {name}.pem"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs NATS and openssl"]
async fn tls_requires_the_authority_and_a_requested_certificate() {
    for verify in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        make_certificates(directory.path());
        let files = "cert_file: \"DIR/server.pem\", key_file: \"DIR/server.key\", ca_file: \"DIR/ca.pem\"";
        let config = format!("tls {{ {files}, verify: {verify} }}");
        let server = PrivateServer::start_in(directory, &config).await;
        let file = |name: &str| server.directory.path().join(name);
        let trusting = NatsSettings { tls: true, ca_file: Some(file("ca.pem")), ..server.settings() };
        let known =
            NatsSettings { client_certificate: Some((file("client.pem"), file("client.key"))), ..trusting.clone() };
        assert!(works(&known).await);
        assert_eq!(works(&trusting).await, !verify);
        assert!(!works(&NatsSettings { ca_file: None, ..known }).await, "an unknown authority");
        let missing = NatsSettings { ca_file: Some(file("missing.pem")), ..trusting };
        let error = connect(&missing, "test").await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
    }
}
