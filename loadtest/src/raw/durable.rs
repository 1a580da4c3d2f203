//! Appends bodies to a file. All waiting bodies share one fsync, then they are acknowledged.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::mpsc;

use anyhow::Context;
use tokio::sync::oneshot;

/// Most requests between arrival and disk.
const QUEUE: usize = 1_024;

type Job = (Vec<u8>, oneshot::Sender<()>);

/// One file and the thread that writes it.
pub(super) struct Journal(mpsc::SyncSender<Job>);

impl Journal {
    pub(super) fn create(directory: &Path) -> anyhow::Result<Self> {
        let path = directory.join("journal");
        let file = File::create(&path).with_context(|| format!("making {}", path.display()))?;
        let (sender, jobs) = mpsc::sync_channel(QUEUE);
        std::thread::Builder::new().name("journal".into()).spawn(move || write(file, &jobs)).context("a thread")?;
        Ok(Self(sender))
    }

    /// Returns when the bytes are on disk.
    pub(super) async fn append(&self, body: Vec<u8>) -> anyhow::Result<()> {
        let (done, waiting) = oneshot::channel();
        self.0.try_send((body, done)).context("the disk is too slow")?;
        waiting.await.context("the journal could not be written")
    }
}

/// Writes the jobs. If the disk fails, it ends, and all waiting requests fail.
fn write(mut file: File, jobs: &mpsc::Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        let together: Vec<Job> = std::iter::once(first).chain(jobs.try_iter()).collect();
        let written = together.iter().try_for_each(|(body, _)| file.write_all(body)).and_then(|()| file.sync_data());
        if written.is_err() {
            return;
        }
        for (_, done) in together {
            let _left = done.send(()).is_err();
        }
    }
}
