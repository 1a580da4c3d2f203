//! TLS over a TCP socket that several tasks write to and one reads from.
//!
//! `tokio_rustls` has a stream that one task owns. Here frames are written straight to the socket
//! by whichever task has them, so the session is behind a lock that is held for one call.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::HeaderValue;
use rustls::{ServerConfig, ServerConnection};
use tokio::io::ReadBuf;
use tokio::net::TcpStream;

/// Most encrypted bytes that wait for the socket, of one connection.
const MOST_WAITING: usize = 32 * 1024;

/// TLS over a socket.
#[derive(Debug)]
pub(crate) struct Encrypted {
    tcp: TcpStream,
    session: Mutex<ServerConnection>,
    hsts: Option<HeaderValue>,
}

impl Encrypted {
    /// Shakes hands with the client. Dropping the future ends the connection.
    ///
    /// # Errors
    /// When the client has gone, or speaks no TLS that is allowed. It got an alert.
    pub(crate) async fn accept(
        tcp: TcpStream,
        config: Arc<ServerConfig>,
        hsts: Option<HeaderValue>,
    ) -> io::Result<Self> {
        let mut session = ServerConnection::new(config).map_err(io::Error::other)?;
        session.set_buffer_limit(Some(MOST_WAITING));
        loop {
            match step(&mut session, &tcp) {
                Ok(true) => return Ok(Self { tcp, session: Mutex::new(session), hsts }),
                Ok(false) => {}
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                Err(_) if session.wants_write() => tcp.writable().await?,
                Err(_) => tcp.readable().await?,
            }
        }
    }

    /// The socket.
    pub(super) fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// What answers say about later connections.
    pub(super) fn hsts(&self) -> Option<&HeaderValue> {
        self.hsts.as_ref()
    }

    /// As [`Line::try_write`](super::line::Line::try_write).
    pub(super) fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut session = self.session();
        push(&mut session, &self.tcp)?;
        let written = session.writer().write_vectored(slices)?;
        match push(&mut session, &self.tcp) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(written),
        }
    }

    /// As [`Line::try_flush`](super::line::Line::try_flush).
    pub(super) fn try_flush(&self) -> io::Result<()> {
        push(&mut self.session(), &self.tcp)
    }

    /// Whether encrypted bytes wait for the socket.
    pub(super) fn is_waiting(&self) -> bool {
        self.session().wants_write()
    }

    /// Reads the bytes that have arrived. None at the end.
    ///
    /// # Errors
    /// `WouldBlock` when there is nothing yet. The socket may have more: records without content
    /// must not keep a task busy, so one call reads the socket once. Others when the connection has
    /// ended otherwise.
    pub(super) fn try_read(&self, buffer: &mut ReadBuf<'_>) -> io::Result<()> {
        let mut session = self.session();
        match take(&mut session, buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            taken => return taken,
        }
        // Many clients end without saying so. HTTP knows by itself where a message ends.
        if pull(&mut session, &self.tcp)? { take(&mut session, buffer) } else { Ok(()) }
    }

    fn session(&self) -> MutexGuard<'_, ServerConnection> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says that nothing more comes. An answer that ends with its connection is whole only so.
impl Drop for Encrypted {
    fn drop(&mut self) {
        let session = self.session.get_mut().unwrap_or_else(PoisonError::into_inner);
        session.send_close_notify();
        let _gone = push(session, &self.tcp).is_err();
    }
}

/// Goes on with the handshake; true when it is complete.
fn step(session: &mut ServerConnection, tcp: &TcpStream) -> io::Result<bool> {
    push(session, tcp)?;
    if !session.is_handshaking() {
        return Ok(true);
    }
    if !pull(session, tcp)? {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(false)
}

/// Takes decrypted bytes. None at the end.
fn take(session: &mut ServerConnection, buffer: &mut ReadBuf<'_>) -> io::Result<()> {
    match session.reader().read(buffer.initialize_unfilled()) {
        Ok(read) => buffer.advance(read),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Writes the encrypted bytes that wait.
fn push(session: &mut ServerConnection, tcp: &TcpStream) -> io::Result<()> {
    while session.wants_write() {
        if session.write_tls(&mut Socket(tcp))? == 0 {
            return Err(ErrorKind::WriteZero.into());
        }
    }
    Ok(())
}

/// Reads encrypted bytes; false at their end.
fn pull(session: &mut ServerConnection, tcp: &TcpStream) -> io::Result<bool> {
    if session.read_tls(&mut Socket(tcp))? == 0 {
        return Ok(false);
    }
    if let Err(error) = session.process_new_packets() {
        // The alert names the broken rule, if the socket takes it now.
        let _gone = push(session, tcp).is_err();
        return Err(io::Error::new(ErrorKind::InvalidData, error));
    }
    Ok(true)
}

/// A socket as rustls uses it.
struct Socket<'a>(&'a TcpStream);

impl Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    use rustls::pki_types::{PrivateKeyDer, ServerName};
    use rustls::{ClientConfig, RootCertStore};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsConnector;
    use tokio_rustls::client::TlsStream;

    /// A server's side and its client, over a socket.
    pub(crate) async fn pair() -> (Encrypted, TlsStream<TcpStream>) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
        let server = server.unwrap().with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key);
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let client = TlsConnector::from(Arc::new(client.with_root_certificates(roots).with_no_client_auth()));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let connecting = client.connect(ServerName::try_from("localhost").unwrap(), stream);
        let accepting = Encrypted::accept(accepted, Arc::new(server.unwrap()), None);
        let (client, server) = tokio::join!(connecting, accepting);
        (server.unwrap(), client.unwrap())
    }

    async fn read(line: &Encrypted) -> io::Result<Vec<u8>> {
        let mut bytes = [0; 100];
        let mut buffer = ReadBuf::new(&mut bytes);
        loop {
            match line.try_read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => line.tcp.readable().await?,
                read => return read.map(|()| buffer.filled().to_vec()),
            }
        }
    }

    #[tokio::test]
    async fn both_ends_read_the_end_of_a_connection() {
        let (line, mut client) = pair().await;
        client.write_all(b"question").await.unwrap();
        assert_eq!(read(&line).await.unwrap(), b"question");
        assert_eq!(line.try_write(&[IoSlice::new(b"ans"), IoSlice::new(b"wer")]).unwrap(), 6);
        client.shutdown().await.unwrap();
        assert_eq!(read(&line).await.unwrap(), b"");
        drop(line);
        let mut answer = Vec::new();
        // A client that reads no close_notify reports an answer that was cut.
        client.read_to_end(&mut answer).await.expect("the end was announced");
        assert_eq!(answer, b"answer");
    }

    #[tokio::test]
    async fn a_client_that_ends_without_a_word_is_at_its_end() {
        let (line, client) = pair().await;
        // Without the close_notify of TLS.
        client.into_inner().0.shutdown().await.unwrap();
        assert_eq!((read(&line).await.unwrap(), read(&line).await.unwrap()), (vec![], vec![]));
    }

    #[tokio::test]
    async fn bytes_that_were_changed_on_the_way_are_refused() {
        let (line, client) = pair().await;
        let (mut tcp, _) = client.into_inner();
        tcp.write_all(&[0x17, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20])
            .await
            .unwrap();
        assert_eq!(read(&line).await.unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
