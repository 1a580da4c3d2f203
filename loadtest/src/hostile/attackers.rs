//! Clients that hold things, each kind in a few tasks. All of them go on until they are dropped.

use std::net::SocketAddr;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::net::http;
use crate::net::websocket::KEY;

/// Connections that send half of a head and no more.
const HALF_OPEN: usize = 500;
/// Connections that send a body byte by byte.
const SLOW: usize = 200;
/// Connections that send most of a large body, and no more.
const LARGE: usize = 40;
/// Connections that ask for large answers and read nothing.
const UNREAD: usize = 100;
/// WebSockets that ask for snapshots again and again; half of them read nothing.
const SNAPSHOTS: usize = 40;
/// Senders of ever new names.
const BOMBS: usize = 2;
/// Connections of one sender that sends large batches without a pause.
const FLOODS: usize = 8;
/// Samples of one of its batches.
const FLOOD: usize = 5_000;

const EVENTS: &str = "/api/v1/workspaces/local/events";
/// The body of a large request, which the default limit still allows.
const LARGE_BODY: usize = 15 * 1024 * 1024;
/// Pause before a connection that ended is made again.
const AGAIN: Duration = Duration::from_millis(500);
/// Pause between two requests of one attacker.
const PAUSE: Duration = Duration::from_millis(200);

/// Attackers at work, on a thread of their own. Dropping it ends them.
pub(super) struct Attack {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Attack {
    /// Starts the senders that flood.
    pub(super) fn flood(address: SocketAddr) -> anyhow::Result<Self> {
        Self::start(address, floods)
    }

    /// Starts all of them.
    pub(super) fn all(address: SocketAddr) -> anyhow::Result<Self> {
        Self::start(address, |address, tasks| {
            floods(address, tasks);
            others(address, tasks);
        })
    }

    /// The sender that behaves is measured on another thread, so that it waits for no attacker.
    fn start(address: SocketAddr, spawn: fn(SocketAddr, &mut JoinSet<()>)) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("a runtime")?;
        let (stop, stopped) = oneshot::channel::<()>();
        let work = async move {
            let mut tasks = JoinSet::new();
            spawn(address, &mut tasks);
            let _dropped = stopped.await.is_err();
        };
        let thread = thread::spawn(move || runtime.block_on(work));
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Attack {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _panicked = self.thread.take().is_some_and(|thread| thread.join().is_err());
    }
}

fn floods(address: SocketAddr, tasks: &mut JoinSet<()>) {
    for number in 0..FLOODS {
        tasks.spawn(again(address, move |stream| flood(stream, number)));
    }
}

fn others(address: SocketAddr, tasks: &mut JoinSet<()>) {
    for _ in 0..HALF_OPEN {
        tasks.spawn(again(address, half_open));
    }
    for _ in 0..SLOW {
        tasks.spawn(again(address, slow));
    }
    for _ in 0..LARGE {
        tasks.spawn(again(address, large));
    }
    for _ in 0..UNREAD {
        tasks.spawn(again(address, unread));
    }
    for number in 0..SNAPSHOTS {
        tasks.spawn(again(address, move |stream| snapshots(stream, number % 2 == 0)));
    }
    for number in 0..BOMBS {
        tasks.spawn(again(address, move |stream| bomb(stream, number)));
    }
}

/// Attacks with one connection after another. Their errors are the server's defence.
async fn again<F: Future<Output = std::io::Result<()>>>(address: SocketAddr, attack: impl Fn(TcpStream) -> F) {
    loop {
        if let Ok(stream) = TcpStream::connect(address).await {
            let _ended = attack(stream).await.is_err();
        }
        sleep(AGAIN).await;
    }
}

async fn until_closed(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut bytes = [0; 4_096];
    while stream.read(&mut bytes).await? > 0 {}
    Ok(())
}

async fn half_open(mut stream: TcpStream) -> std::io::Result<()> {
    stream.write_all(b"POST /write HTTP/1.1\r\nhost: localhost\r\nx-wait: ").await?;
    until_closed(&mut stream).await
}

async fn slow(mut stream: TcpStream) -> std::io::Result<()> {
    stream.write_all(b"POST /write HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000\r\n\r\n").await?;
    loop {
        stream.write_all(b"a").await?;
        let mut answer = [0; 1_024];
        // An answer before the end of the body is the end.
        if let Ok(read) = timeout(Duration::from_secs(1), stream.read(&mut answer)).await
            && read? == 0
        {
            return Ok(());
        }
    }
}

async fn large(mut stream: TcpStream) -> std::io::Result<()> {
    let head = format!("POST /write HTTP/1.1\r\nhost: localhost\r\ncontent-length: {LARGE_BODY}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let piece = vec![b'#'; 256 * 1024];
    for _ in 0..LARGE_BODY / piece.len() - 1 {
        stream.write_all(&piece).await?;
        sleep(Duration::from_millis(20)).await;
    }
    until_closed(&mut stream).await
}

async fn unread(mut stream: TcpStream) -> std::io::Result<()> {
    let request = http::get("/api/v1/workspaces/local/kpis");
    loop {
        stream.write_all(&request).await?;
        sleep(PAUSE).await;
    }
}

async fn snapshots(mut stream: TcpStream, reads: bool) -> std::io::Result<()> {
    let upgrade = format!(
        "GET {EVENTS} HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: {KEY}\r\n\r\n"
    );
    stream.write_all(upgrade.as_bytes()).await?;
    let subscribe = br#"{"type":"subscribe","since":"snapshot"}"#;
    // A mask of zeros changes nothing.
    let frame = [&[0x81, 0x80 | subscribe.len() as u8, 0, 0, 0, 0][..], subscribe].concat();
    let mut bytes = vec![0; 64 * 1024];
    loop {
        stream.write_all(&frame).await?;
        if !reads {
            sleep(PAUSE).await;
            continue;
        }
        while let Ok(read) = timeout(PAUSE, stream.read(&mut bytes)).await {
            if read? == 0 {
                return Ok(());
            }
        }
    }
}

async fn bomb(mut stream: TcpStream, number: usize) -> std::io::Result<()> {
    let mut answer = vec![0; 64 * 1024];
    for round in 0.. {
        let lines: Vec<String> =
            (0..200).map(|line| format!("bomb{number}_{round},host=h{round}_{line} value={line}")).collect();
        stream.write_all(&http::post("/write", &[], lines.join("\n").as_bytes())).await?;
        if stream.read(&mut answer).await? == 0 {
            return Ok(());
        }
        sleep(PAUSE).await;
    }
    Ok(())
}

/// Sends the next batch as soon as the last one is answered; so does each connection.
async fn flood(mut stream: TcpStream, number: usize) -> std::io::Result<()> {
    let line = |sample: usize| format!("flood,of={number},series={} value={}", sample % 50, sample % 7);
    let lines: Vec<String> = (0..FLOOD).map(line).collect();
    let request = http::post("/write", &[], lines.join("\n").as_bytes());
    let mut answer = vec![0; 64 * 1024];
    loop {
        stream.write_all(&request).await?;
        if stream.read(&mut answer).await? == 0 {
            return Ok(());
        }
    }
}
