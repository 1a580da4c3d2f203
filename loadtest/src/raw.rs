//! The raw server: the minimum that a tokio program must do to move the same bytes. It has one
//! thread, parses only the head of a request, frames each message once, and writes it to each
//! connection with one write.
//!
//! It is a reference, not a usable server: it drops slow connections and validates no input.

mod audience;
mod durable;
mod request;

use std::io::Write;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::net::websocket::{ACCEPT, BINARY, TEXT, unmasked};
use audience::Audience;
use durable::Journal;
use request::Reader;

/// Length of an audio packet.
const PACKET: Duration = Duration::from_millis(20);
const UPGRADED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ";
const ENDLESS: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: audio/ogg\r\nconnection: close\r\n\r\n";
const DONE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const NOT_FOUND: &[u8] = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";

struct Raw {
    followers: Audience,
    packets: Audience,
    pages: Audience,
    journal: Journal,
}

/// Serves until the process ends. Prints its address on stdout.
pub(crate) fn serve(data: &Path, packet_bytes: usize) -> anyhow::Result<()> {
    let raw = Raw {
        followers: Audience::default(),
        packets: Audience::default(),
        pages: Audience::default(),
        journal: Journal::create(data)?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("a runtime")?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("listening")?;
        let mut stdout = std::io::stdout();
        writeln!(stdout, "raw server at http://{}", listener.local_addr()?)?;
        stdout.flush()?;
        let raw = Rc::new(raw);
        tokio::task::spawn_local(play(raw.clone(), packet_bytes));
        loop {
            let (stream, _) = listener.accept().await.context("accepting")?;
            tokio::task::spawn_local(connection(raw.clone(), stream));
        }
    })
}

async fn connection(raw: Rc<Raw>, stream: TcpStream) {
    // A client that left is not an error.
    let _left = answer(&raw, stream).await.is_err();
}

async fn answer(raw: &Raw, stream: TcpStream) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = Reader::new(stream);
    while let Some((path, body)) = reader.next().await? {
        match path.as_str() {
            "/events" | "/live" => {
                let hello = unmasked(TEXT, br#"{"type":"subscribed"}"#);
                let mut stream = reader.into_stream();
                stream.write_all(&[UPGRADED.as_bytes(), ACCEPT.as_bytes(), b"\r\n\r\n", &hello].concat()).await?;
                let audience = if path == "/events" { &raw.followers } else { &raw.packets };
                audience.join(stream);
                return Ok(());
            }
            "/live.ogg" => {
                let mut stream = reader.into_stream();
                stream.write_all(ENDLESS).await?;
                raw.pages.join(stream);
                return Ok(());
            }
            "/publish" => {
                raw.followers.send(&unmasked(TEXT, &body));
                reader.answer(DONE).await?;
            }
            "/ingest" => {
                raw.journal.append(body).await?;
                reader.answer(DONE).await?;
            }
            _ => reader.answer(NOT_FOUND).await?,
        }
    }
    Ok(())
}

/// Sends a packet every 20 ms to listeners of packets, and every second time a page of two to
/// listeners of pages.
async fn play(raw: Rc<Raw>, packet_bytes: usize) {
    let mut ticks = tokio::time::interval_at(Instant::now() + PACKET, PACKET);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let opus = vec![0xa5; packet_bytes];
    let lacing = [vec![u8::MAX; packet_bytes / 255], vec![(packet_bytes % 255) as u8]].concat().repeat(2);
    let page = [b"OggS".as_slice(), &[0; 22], &[lacing.len() as u8], &lacing, &opus, &opus].concat();
    let mut number: u64 = 0;
    loop {
        ticks.tick().await;
        if !raw.packets.is_empty() {
            raw.packets.send(&unmasked(BINARY, &[&number.to_be_bytes(), opus.as_slice()].concat()));
        }
        if number % 2 == 1 {
            raw.pages.send(&page);
        }
        number += 1;
    }
}
