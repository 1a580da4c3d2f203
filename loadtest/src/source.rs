//! The source of Icecast: an endless Ogg Opus stream of arbitrary packets in real time.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use ogg::writing::{PacketWriteEndInfo, PacketWriter};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use crate::net::http::Head;
use crate::server::{MOUNT, SOURCE_BASIC};

/// Two packets of 20 ms per page, as in Earcon.
const PAGE: Duration = Duration::from_millis(40);
/// Samples of a packet at 48 kHz.
const PACKET_SAMPLES: u64 = 960;
const SERIAL: u32 = 1;

/// A running source.
pub(crate) struct Source(JoinHandle<anyhow::Result<()>>);

impl Source {
    /// Logs in and starts the stream.
    pub(crate) async fn start(address: SocketAddr, packet_bytes: usize) -> anyhow::Result<Self> {
        let mut stream = crate::net::connect(address).await?;
        let request = format!(
            "PUT {MOUNT} HTTP/1.1\r\nhost: localhost\r\nauthorization: Basic {SOURCE_BASIC}\r\n\
             content-type: application/ogg\r\nice-public: 0\r\nexpect: 100-continue\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.context("asking Icecast for a mount")?;
        let mut answer = Vec::new();
        loop {
            tokio::time::timeout(crate::net::PATIENCE, tokio::io::AsyncReadExt::read_buf(&mut stream, &mut answer))
                .await
                .context("Icecast does not answer its source")??;
            match Head::parse(&answer)?.map(|head| head.status) {
                Some(100 | 200) => break,
                Some(status) => bail!("Icecast answered its source with {status}"),
                None if answer.len() > 64 * 1024 => bail!("Icecast does not answer its source with HTTP"),
                None => {}
            }
        }
        Ok(Self(tokio::spawn(play(stream, packet_bytes))))
    }

    /// Ends the stream. Returns the error if it failed before.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        if self.0.is_finished() {
            return self.0.await.context("the source")?;
        }
        self.0.abort();
        Ok(())
    }
}

async fn play(mut stream: TcpStream, packet_bytes: usize) -> anyhow::Result<()> {
    let mut writer = PacketWriter::new(Vec::new());
    let mut head = b"OpusHead\x01\x02\x38\x01".to_vec();
    head.extend(48_000_u32.to_le_bytes());
    head.extend([0; 3]);
    writer.write_packet(head, SERIAL, PacketWriteEndInfo::EndPage, 0)?;
    let tags = b"OpusTags\x08\0\0\0loadtest\0\0\0\0".to_vec();
    writer.write_packet(tags, SERIAL, PacketWriteEndInfo::EndPage, 0)?;
    // A configuration byte of full-band CELT, 20 ms, stereo, one frame. The rest is never decoded.
    let packet: Vec<u8> = std::iter::once(0xfc).chain((1..packet_bytes).map(|i| (i * 31) as u8)).collect();
    let mut ticks = tokio::time::interval_at(Instant::now(), PAGE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut position = 0;
    loop {
        ticks.tick().await;
        for end in [PacketWriteEndInfo::NormalPacket, PacketWriteEndInfo::EndPage] {
            position += PACKET_SAMPLES;
            writer.write_packet(packet.clone(), SERIAL, end, position)?;
        }
        stream.write_all(&std::mem::take(writer.inner_mut())).await.context("Icecast accepts no data")?;
    }
}
