//! Bytes of answers that wait for their clients: together no more than so many, whatever is asked for and by however many who
//! then read nothing.
//!
//! Small answers are not counted: the number of connections bounds them, and who asks whether the ledger is well is answered
//! also while others leave large ones unread.

use std::sync::Arc;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;
use crate::limits::HTTP_ANSWER_UNCOUNTED_MAX;

/// Room for the bytes of answers; cheap to clone.
#[derive(Debug, Clone)]
pub struct Waiting {
    room: Arc<Semaphore>,
    bytes_max: usize,
}

/// Bytes with the room they take: it is free again when the last piece of them was written or dropped.
struct Held {
    bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Waiting {
    /// Room for so many bytes.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        let bytes_max = bytes_max.min(Semaphore::MAX_PERMITS);
        Waiting { room: Arc::new(Semaphore::new(bytes_max)), bytes_max }
    }

    /// The same bytes, with room for them; `None` where there is none now.
    #[must_use]
    pub fn hold(&self, bytes: Bytes) -> Option<Bytes> {
        if bytes.len() <= HTTP_ANSWER_UNCOUNTED_MAX {
            return Some(bytes);
        }
        // What is larger than all the room has it alone.
        let takes = u32::try_from(bytes.len().min(self.bytes_max)).unwrap_or(u32::MAX);
        let room = self.room.clone().try_acquire_many_owned(takes).ok()?;
        Some(Bytes::from_owner(Held { bytes, _room: room }))
    }
}

/// Answers whose length is known are whole in memory: they wait with room, or not at all. Others come piece by piece.
pub(super) async fn bounded(State(waiting): State<Waiting>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let length = response.body().size_hint().exact();
    if length.is_none_or(|length| length <= HTTP_ANSWER_UNCOUNTED_MAX as u64) {
        return response;
    }
    let (head, body) = response.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, usize::MAX).await else { return Problem::busy().into_response() };
    match waiting.hold(bytes) {
        Some(bytes) => Response::from_parts(head, Body::from(bytes)),
        None => Problem::busy().into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_taken_until_the_last_piece_is_gone() {
        let large = HTTP_ANSWER_UNCOUNTED_MAX + 1;
        let waiting = Waiting::new(2 * large);
        let bytes = || Bytes::from(vec![7; large]);
        let (first, second) = (waiting.hold(bytes()).unwrap(), waiting.hold(bytes()).unwrap());
        assert_eq!(first, second);
        assert!(waiting.hold(bytes()).is_none());
        let piece = first.slice(1..2);
        drop(first);
        assert!(waiting.hold(bytes()).is_none());
        // Small ones are given all the same.
        assert!(waiting.hold(Bytes::from_static(b"well")).is_some());
        drop(piece);
        let third = waiting.hold(bytes()).unwrap();
        drop((second, third));
        // Larger than all the room: alone.
        let all = waiting.hold(Bytes::from(vec![7; 3 * large])).unwrap();
        assert!(waiting.hold(bytes()).is_none());
        drop(all);
        assert!(waiting.hold(bytes()).is_some());
    }
}
