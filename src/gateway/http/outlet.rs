//! The write side of a connection that several tasks write to.
//!
//! Pieces go straight into the socket. Pieces that the socket does not take at once wait here, so
//! that no piece is cut by another one. A writer that must not queue more asks for
//! [`Sent::Waiting`] and lets the connection's own task [`flush`](Outlet::flush).

use std::io::{self, ErrorKind, IoSlice};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Buf, Bytes};

use super::frames::Frames;
use super::line::Line;
use super::room::Seat;

/// Most pieces of one system call.
const SLICES: usize = 64;

/// The client closed the connection, or takes nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

/// The state of a connection after a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The socket took all bytes.
    All,
    /// Bytes wait for the socket.
    Waiting,
}

/// Bytes to write.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Piece<'a> {
    /// Shared with other connections. If it has to wait, it is not copied.
    Shared(&'a Bytes),
    /// Copied if it has to wait.
    Own(&'a [u8]),
}

impl Piece<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Piece::Shared(bytes) => bytes,
            Piece::Own(bytes) => bytes,
        }
    }

    fn behind(&self, written: usize) -> Bytes {
        match self {
            Piece::Shared(bytes) => bytes.slice(written..),
            Piece::Own(bytes) => Bytes::copy_from_slice(bytes.get(written..).unwrap_or_default()),
        }
    }
}

/// A connection and the bytes that wait for its socket.
#[derive(Debug)]
pub(crate) struct Outlet {
    line: Line,
    waiting: Mutex<Frames>,
    /// The connection's place, which is free again when its socket is closed.
    _seat: Option<Seat>,
}

impl Outlet {
    /// The write side of this connection. Nothing waits.
    #[cfg(test)]
    pub(crate) fn new(tcp: tokio::net::TcpStream) -> Self {
        Self { line: Line::Plain(tcp), waiting: Mutex::default(), _seat: None }
    }

    /// The same for a connection that has a place.
    pub(crate) fn seated(line: Line, seat: Seat) -> Self {
        Self { line, waiting: Mutex::default(), _seat: Some(seat) }
    }

    /// The connection, for reading.
    pub(crate) fn line(&self) -> &Line {
        &self.line
    }

    /// Writes without waiting, behind what waits already. What the socket does not take waits.
    ///
    /// # Errors
    /// When the connection has ended.
    pub(crate) fn send(&self, pieces: &[Piece<'_>]) -> Result<Sent, Gone> {
        let mut waiting = self.waiting();
        let mut rest = pieces;
        let mut cut = 0;
        if self.write_waiting(&mut waiting)? == Sent::All {
            (rest, cut) = self.write(pieces)?;
        }
        for piece in rest {
            waiting.push(piece.behind(std::mem::take(&mut cut)));
        }
        Ok(self.state(&waiting))
    }

    /// Tries to write what waits.
    ///
    /// # Errors
    /// When the connection has ended.
    pub(crate) fn try_flush(&self) -> Result<Sent, Gone> {
        self.write_waiting(&mut self.waiting())
    }

    /// Writes what waits. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the connection has ended.
    pub(crate) async fn flush(&self) -> Result<(), Gone> {
        while self.try_flush()? == Sent::Waiting {
            self.line.tcp().writable().await.map_err(|_| Gone)?;
        }
        Ok(())
    }

    fn write_waiting(&self, waiting: &mut Frames) -> Result<Sent, Gone> {
        while waiting.has_remaining() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let filled = waiting.chunks_vectored(&mut slices);
            let written = self.try_write(slices.get(..filled).unwrap_or_default())?;
            if written == 0 {
                return Ok(Sent::Waiting);
            }
            waiting.advance(written);
        }
        match self.line.try_flush() {
            Ok(()) => Ok(Sent::All),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Sent::Waiting),
            Err(_) => Err(Gone),
        }
    }

    /// Writes what the socket takes at once. Returns the pieces that are left, and how many bytes
    /// of the first of them are written.
    fn write<'p, 'b>(&self, mut pieces: &'p [Piece<'b>]) -> Result<(&'p [Piece<'b>], usize), Gone> {
        let mut cut = 0;
        while !pieces.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let mut filled = 0;
            for (slice, piece) in slices.iter_mut().zip(pieces) {
                let skipped = if filled == 0 { cut } else { 0 };
                *slice = IoSlice::new(piece.bytes().get(skipped..).unwrap_or_default());
                filled += 1;
            }
            let mut written = self.try_write(slices.get(..filled).unwrap_or_default())?;
            if written == 0 {
                break;
            }
            written += cut;
            while let Some((first, others)) = pieces.split_first()
                && written >= first.bytes().len()
            {
                written -= first.bytes().len();
                pieces = others;
            }
            cut = written;
        }
        Ok((pieces, cut))
    }

    /// 0 if the socket takes nothing now.
    fn try_write(&self, slices: &[IoSlice<'_>]) -> Result<usize, Gone> {
        loop {
            return match self.line.try_write(slices) {
                Ok(0) => Err(Gone),
                Ok(written) => Ok(written),
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => Err(Gone),
            };
        }
    }

    fn state(&self, waiting: &Frames) -> Sent {
        if waiting.has_remaining() || self.line.is_waiting() { Sent::Waiting } else { Sent::All }
    }

    fn waiting(&self) -> MutexGuard<'_, Frames> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The connection as a stream of bytes to write: each write is taken whole, and waits if it must.
impl io::Write for &Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.send(&[Piece::Own(bytes)]) {
            Ok(_) => Ok(bytes.len()),
            Err(Gone) => Err(ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::encrypted;
    use super::*;
    use std::net::Ipv4Addr;
    use std::sync::Arc;
    use tokio::io::{AsyncRead, AsyncReadExt};
    use tokio::net::{TcpListener, TcpStream};

    async fn pair() -> (Arc<Outlet>, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        (Arc::new(Outlet::new(server)), client)
    }

    fn pattern(number: usize) -> Bytes {
        let length = 1 + number * 7_919 % 20_000;
        (0..length).map(|at| (number + at) as u8).collect::<Vec<_>>().into()
    }

    async fn pieces_that_wait_arrive(outlet: Arc<Outlet>, mut client: impl AsyncRead + Unpin) {
        let mut expected = Vec::new();
        let mut waited = 0;
        for number in 0..2_000 {
            let (shared, own) = (pattern(number), pattern(number + 1));
            expected.extend_from_slice(&shared);
            expected.extend_from_slice(&own);
            if outlet.send(&[Piece::Shared(&shared), Piece::Own(&own)]) == Ok(Sent::Waiting) {
                waited += 1;
            }
        }
        assert!(waited > 0, "the socket takes 40 MB at once");
        let flushing = tokio::spawn(async move { outlet.flush().await });
        let mut read = Vec::new();
        client.read_to_end(&mut read).await.unwrap();
        assert_eq!(flushing.await.unwrap(), Ok(()));
        assert!(read == expected, "{} of {} bytes, or another order", read.len(), expected.len());
    }

    #[tokio::test]
    async fn pieces_that_wait_arrive_whole_and_in_order() {
        let (outlet, client) = pair().await;
        pieces_that_wait_arrive(outlet, client).await;
    }

    #[tokio::test]
    async fn pieces_that_wait_arrive_whole_and_in_order_over_tls() {
        let (line, client) = encrypted::tests::pair().await;
        let line = Line::Encrypted(Box::new(line));
        pieces_that_wait_arrive(Arc::new(Outlet { line, waiting: Mutex::default(), _seat: None }), client).await;
    }

    /// The last record of a piece may wait inside of TLS although every byte was taken.
    #[tokio::test]
    async fn bytes_that_wait_inside_of_tls_are_reported_and_flushed() {
        let (line, mut client) = encrypted::tests::pair().await;
        let outlet = Outlet { line: Line::Encrypted(Box::new(line)), waiting: Mutex::default(), _seat: None };
        let bytes = Bytes::from_static(&[7; 16_000]);
        let mut sent = 0;
        while !outlet.line.is_waiting() {
            sent += bytes.len();
            outlet.send(&[Piece::Shared(&bytes)]).unwrap();
        }
        assert_eq!((outlet.try_flush(), outlet.send(&[])), (Ok(Sent::Waiting), Ok(Sent::Waiting)));
        let mut read = vec![0; sent];
        let (flushed, all) = tokio::join!(outlet.flush(), client.read_exact(&mut read));
        assert_eq!((flushed, all.unwrap(), outlet.line.is_waiting()), (Ok(()), sent, false));
    }

    #[tokio::test]
    async fn a_closed_connection_is_gone() {
        let (outlet, client) = pair().await;
        drop(client);
        let bytes = Bytes::from_static(&[0; 1_000]);
        let gone = async {
            while outlet.send(&[Piece::Shared(&bytes)]).is_ok() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), gone).await.expect("the write fails at last");
    }
}
