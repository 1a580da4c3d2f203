//! `[tls]`: encryption of connections to this server.

use std::path::PathBuf;

use super::reader::Reader;

/// Certificate and key of this server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// File with the certificate and those that lead to its authority, PEM.
    pub certificate: PathBuf,
    /// File with its key, PEM.
    pub key: PathBuf,
    /// For how many days browsers use only HTTPS afterwards. 0: no header asks them to.
    pub hsts_days: u64,
}

pub(super) fn tls(read: &mut Reader) -> Option<Tls> {
    let certificate = read.optional("tls.certificate").map(PathBuf::from);
    let key = read.optional("tls.key").map(PathBuf::from);
    let hsts_days = read.number("tls.hsts_days", 0, 3_650);
    if certificate.is_some() != key.is_some() {
        read.problem("tls.key", "set tls.certificate and tls.key together".to_owned());
    }
    let (certificate, key) = certificate.zip(key)?;
    Some(Tls { certificate, key, hsts_days })
}
