//! The fence of the log's beat: one key of a replicated bucket, holding the size and root claimed last; beside it the checkpoint that
//! was published last, for read replicas.
//!
//! Two projectors on two copies of a ledger cannot both claim a size: the server compares the revision. Called from a thread
//! that may block, never from a task.

use std::time::Duration;

use async_nats::jetstream::{
    self,
    kv::{self, Operation, UpdateErrorKind},
};
use serde_json::Value;
use tokio::runtime::Handle;

use super::Link;
use crate::{
    limits::API_TIMEOUT_MS,
    log::{
        checkpoint::{Checkpoint, Head},
        publish::{Fence, FenceFault, Held},
    },
};

/// The bucket.
pub const LOG_BUCKET: &str = "LOG";
/// Its key that is the fence.
const KEY: &str = "head";
/// Its key that shows the newest checkpoint to read replicas.
const SHOWN: &str = "checkpoint";

/// The fence at NATS.
pub struct NatsFence {
    handle: Handle,
    link: Link,
    stream: String,
    origin: String,
    bucket: Option<kv::Store>,
    /// Whether the bucket is made where there is none.
    makes: bool,
}

impl NatsFence {
    /// Of a log, beside the stream it is fed by: the bucket gets as many replicas.
    #[must_use]
    pub fn new(handle: Handle, link: Link, stream: &str, origin: &str) -> Self {
        NatsFence { handle, link, stream: stream.to_owned(), origin: origin.to_owned(), bucket: None, makes: true }
    }

    /// Of a read replica: it looks at what is shown, and makes nothing.
    #[must_use]
    pub fn looking(self) -> Self {
        NatsFence { makes: false, ..self }
    }

    /// Runs a question with a time limit; after one that failed the bucket is looked up again.
    fn ask<T>(&mut self, question: impl AsyncFnOnce(&kv::Store) -> Result<T, FenceFault>) -> Result<T, FenceFault> {
        let held = self.bucket.take();
        let (link, stream, makes) = (&self.link, &self.stream, self.makes);
        let asked = async {
            let bucket = match held {
                Some(bucket) => bucket,
                None if makes => bucket(link, stream).await?,
                None => jetstream::new(link.client.clone()).get_key_value(LOG_BUCKET).await.map_err(away)?,
            };
            let answer = question(&bucket).await?;
            Ok((bucket, answer))
        };
        let limit = Duration::from_millis(API_TIMEOUT_MS);
        let answer = self.handle.block_on(async { tokio::time::timeout(limit, asked).await });
        let (bucket, answer) = answer.map_err(|_| FenceFault::Away("no answer in time".to_owned()))??;
        self.bucket = Some(bucket);
        Ok(answer)
    }
}

fn away(error: impl std::fmt::Display) -> FenceFault {
    FenceFault::Away(error.to_string())
}

async fn bucket(link: &Link, stream: &str) -> Result<kv::Store, FenceFault> {
    let context = jetstream::new(link.client.clone());
    if let Ok(bucket) = context.get_key_value(LOG_BUCKET).await {
        return Ok(bucket);
    }
    let info = link.api(&format!("STREAM.INFO.{stream}"), &Value::Null).await.map_err(away)?;
    let replicas = info.pointer("/config/num_replicas").and_then(Value::as_u64).unwrap_or(1);
    let config = kv::Config {
        bucket: LOG_BUCKET.to_owned(),
        description: "jindo: size and root of the log claimed last, before they are signed".to_owned(),
        history: 1,
        storage: jetstream::stream::StorageType::File,
        num_replicas: usize::try_from(replicas).unwrap_or(1),
        ..kv::Config::default()
    };
    context.create_key_value(config).await.map_err(away)
}

impl Fence for NatsFence {
    fn held(&mut self) -> Result<Option<Held>, FenceFault> {
        let entry = self.ask(async |bucket| bucket.entry(KEY).await.map_err(away))?;
        let Some(entry) = entry else { return Ok(None) };
        let foreign = |why: &str| FenceFault::Foreign(format!("{why}; it is key '{KEY}' of bucket '{LOG_BUCKET}'"));
        if entry.operation != Operation::Put {
            return Err(foreign("it was deleted by hand"));
        }
        let text = std::str::from_utf8(&entry.value).map_err(|_| foreign("it is not UTF-8"))?;
        let claimed = Checkpoint::parse(text).map_err(|fault| foreign(&fault.to_string()))?;
        if claimed.origin != self.origin {
            return Err(foreign(&format!("it is of log '{}', this is '{}'", claimed.origin, self.origin)));
        }
        Ok(Some(Held { head: claimed.head, revision: entry.revision }))
    }

    fn swap(&mut self, from: Option<u64>, to: &Head) -> Result<(), FenceFault> {
        let claim = Checkpoint::new(&self.origin, *to).map_err(|fault| FenceFault::Foreign(fault.to_string()))?;
        let value = bytes::Bytes::from(claim.text());
        // Revision 0 is "nothing there yet".
        self.ask(async |bucket| match bucket.update(KEY, value, from.unwrap_or(0)).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Err(FenceFault::Moved),
            Err(error) => Err(away(error)),
        })
    }

    fn show(&mut self, note: &str) -> Result<(), FenceFault> {
        let value = bytes::Bytes::copy_from_slice(note.as_bytes());
        self.ask(async |bucket| bucket.put(SHOWN, value).await.map(|_| ()).map_err(away))
    }

    fn shown(&mut self) -> Result<Option<String>, FenceFault> {
        let value = self.ask(async |bucket| bucket.get(SHOWN).await.map_err(away))?;
        let foreign = |_| FenceFault::Foreign(format!("key '{SHOWN}' of bucket '{LOG_BUCKET}' is not UTF-8"));
        value.map(|bytes| String::from_utf8(bytes.into()).map_err(foreign)).transpose()
    }
}
