//! Instead of every channel, a file: each message a line of JSON (spec T-4).

use std::path::PathBuf;
use tokio::fs::OpenOptions;
use tokio::io::AsyncWriteExt;
use tokio::sync::Mutex;
use types::Fault;
use types::exec::Dispatch;

pub(crate) struct File {
    path: PathBuf,
    /// Lines are whole.
    writing: Mutex<()>,
}

impl File {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, writing: Mutex::new(()) }
    }

    pub(crate) async fn append(&self, message: &Dispatch) -> Result<(), Fault> {
        let mut line = serde_json::to_string(message).map_err(|_| Fault::internal())?;
        line.push('\n');
        let _writing = self.writing.lock().await;
        let written = async {
            let mut file = OpenOptions::new().create(true).append(true).open(&self.path).await?;
            file.write_all(line.as_bytes()).await?;
            file.flush().await
        };
        written.await.map_err(|error| {
            tracing::warn!(%error, "the file of captured messages cannot be written");
            Fault::internal()
        })
    }
}
