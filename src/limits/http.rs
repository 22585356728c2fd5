//! Limits of HTTP: what a client may send, hold and leave unread.

/// Bytes the CLI reads of an HTTP answer: 34 indicators with all splits are under 4 MiB.
pub const HTTP_ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How long the CLI waits for an HTTP answer; `at_least` waits are shorter.
pub const HTTP_ANSWER_TIMEOUT_MS: u64 = 30_000;
/// How long a client may take to send its request head: a slow client holds a connection, nothing else.
pub const HTTP_HEAD_TIMEOUT_MS: u64 = 10_000;
/// Bytes of a request body: today's routes take none; a report will be [`BODY_BYTES_MAX`](super::BODY_BYTES_MAX).
pub const HTTP_BODY_BYTES_MAX: usize = 64 * 1024;
/// How long a client may take to send a body of [`BODY_BYTES_MAX`](super::BODY_BYTES_MAX): 6 KB a second.
pub const HTTP_BODY_TIMEOUT_MS: u64 = 10_000;
/// Reports that a key may send over HTTP at once, each with up to [`BATCH_EVENTS_MAX`](super::BATCH_EVENTS_MAX) events.
pub const REPORTS_BURST: u32 = 120;
/// Reports that a key may send over HTTP per second in the long run; whoever has more publishes over NATS.
pub const REPORTS_PER_S: u32 = 4;
/// How far ahead of the ledger a size may lie that `at_least` waits for: more is not folded in that time.
pub const AT_LEAST_AHEAD_MAX: u64 = 100_000;
/// Bytes of a request's path and query: longer ones are no question that this API has.
pub const HTTP_TARGET_BYTES_MAX: usize = 8 * 1024;
/// Answers shorter than this fit one packet as they are.
pub const HTTP_COMPRESS_BYTES_MIN: u64 = 1_024;
/// Open connections: each costs a task and two buffers, some 30 kB; a few thousand who follow the stream fit.
pub const HTTP_CONNECTIONS_MAX: usize = 4_096;
/// Descriptors kept for log, store and the connections to NATS when connections are counted: the store's files, tiles being
/// written, and a few hundred to spare.
pub const DESCRIPTORS_KEPT: u64 = 256;
/// Bytes of answers that wait for clients to read them, all together; beyond, a large answer is refused for now.
pub const HTTP_WAITING_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Answers up to this are not counted there: one for each connection is no more than all the others together.
pub const HTTP_ANSWER_UNCOUNTED_MAX: usize = 64 * 1024;
/// How long a client may leave an answer unread: as long as for sending a request.
pub const HTTP_WRITE_STALL_MS: u64 = 10_000;
/// Bytes that the system keeps of answers a client has not taken, doubled by Linux: it would grow to megabytes, which is dozens
/// of answers made for a client who reads none. Enough for 2 MB a second over 50 ms.
pub const HTTP_SEND_BUFFER_BYTES: u32 = 64 * 1024;
/// Connections that wait in the kernel to be accepted, as many as Linux allows unless told otherwise (`somaxconn`): where the queue
/// is full a client's attempt is dropped and repeated after a second, then two, then four.
pub const HTTP_BACKLOG: u32 = 4_096;
/// How long a connection must have waited for its client before somebody else may have its seat: a second is long for a
/// program, and short for whoever asks whether the ledger is well.
pub const HTTP_SEAT_WAIT_MS: u64 = 1_000;
/// How long a connection may live: no answer takes an hour, but one read a byte at a time would.
pub const HTTP_CONNECTION_LIFE_MS: u64 = 3_600_000;
/// How long `at_least` waits for the ledger to fold that far before it answers 503.
pub const AT_LEAST_WAIT_MS: u64 = 10_000;
/// How long open requests may take to end at shutdown.
pub const HTTP_SHUTDOWN_MS: u64 = 5_000;
/// Bytes of a request head: long enough for any browser, short enough that connections are cheap.
pub const HTTP_HEAD_BYTES_MAX: usize = 16 * 1024;
/// Pause after a connection could not be accepted: without it a full descriptor table would spin.
pub const ACCEPT_PAUSE_MS: u64 = 50;
