//! Every limit and default, each with its why. Nothing else in the crate invents a number.

/// Bytes of an event body. JetStream stores 60 KiB per message (see [`MESSAGE_BYTES_MAX`]); the rest is left to
/// subject and headers, and an entry made of it still fits 65,535 bytes, what a tile's entry bundle can carry.
pub const BODY_BYTES_MAX: usize = 56 * 1024;
/// `max_message_size` of the stream: body, headers and subject together.
pub const MESSAGE_BYTES_MAX: usize = 60 * 1024;
/// Bytes of one entry: C2SP tlog-tiles bundles carry a 16-bit length before each.
pub const ENTRY_BYTES_MAX: usize = 65_535;
/// Longer subjects enter the log as their hash: JetStream stores up to about 4,000 bytes.
pub const SUBJECT_BYTES_MAX: usize = 256;
/// Longer header values enter the log as their hash: JetStream stores 61,300 bytes.
pub const HEADER_BYTES_MAX: usize = 2_048;
/// Events in one batch: one signature and one fsync for many, yet one fault refuses few.
pub const BATCH_EVENTS_MAX: usize = 256;
/// Depth of nested JSON: no schema here nests deeper than 8; parsers elsewhere stop at 128.
pub const JSON_DEPTH_MAX: usize = 32;
/// How far ahead of `recorded` an event's `time` may lie: a day covers every UTC offset.
pub const TIME_AHEAD_NS_MAX: i64 = 86_400_000_000_000;
/// Events before 2000-01-01T00:00:00Z are typing errors.
pub const TIME_MIN_NS: i64 = 946_684_800_000_000_000;
/// JetStream's clock more than this ahead of ours halts intake.
pub const CLOCK_AHEAD_NS_MAX: i64 = 300_000_000_000;
/// A gap in a key's `seq` is an alarm only after this much recorded time: messages may overtake each other.
pub const CHAIN_HOLE_ALARM_NS: i64 = 600_000_000_000;
/// Silence longer than this many days is `no_report`, where the catalogue says nothing else (one quarter).
pub const REPORT_EVERY_DAYS: u16 = 92;
/// The entry at every index divisible by this carries the digest of the read models before it.
pub const STATE_DIGEST_EVERY: u64 = 4_096;
/// Messages read from the stream and folded in one commit while catching up: large enough that one fdatasync
/// is no cost, small enough that memory stays flat (56 KiB bodies make 28 MiB).
pub const COMMIT_MESSAGES_MAX: usize = 512;
/// Bytes of message bodies in one commit.
pub const COMMIT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Events in one commit: bounds the pending changes in memory.
pub const COMMIT_EVENTS_MAX: usize = 20_000;
/// Messages in one atomic publish batch (the server allows 1,000).
pub const PUBLISH_BATCH_MAX: usize = 500;
/// How long a publisher waits for an acknowledgement before it asks what became of the report.
pub const PUBLISH_TIMEOUT_MS: u64 = 5_000;
/// Fraction digits of an [`crate::event::amount::Amount`].
pub const AMOUNT_SCALE: u32 = 6;
/// Digits before the decimal point of an amount: 10^24 won is a million times the world's output.
pub const AMOUNT_INTEGER_DIGITS_MAX: usize = 24;
/// Distinct split values (regions, classes, agencies, items…) of one dimension of an indicator.
pub const SPLIT_VALUES_MAX: usize = 1_000;
/// Things (factories, charger ids) one event may list.
pub const THINGS_MAX: usize = 1_000;
/// Rows an HTTP table answers in one page.
pub const PAGE_ROWS_MAX: usize = 1_000;

// Store: how rows are packed. Each figure was measured with `cargo bench --bench store`.

/// Bytes of packed moves after which a block of history closes: small, because the open block is written with every commit.
pub const STORE_BLOCK_BYTES_MIN: u32 = 1_024;
/// Long histories close larger blocks, up to this: fewer rows to read for one as-of figure.
pub const STORE_BLOCK_BYTES_MAX: u32 = 8_192;
/// A block closes at this fraction of all bytes of its series, between the two limits above.
pub const STORE_BLOCK_SHARE: u64 = 64;
/// Bytes of moves after which a day table is cut, or the length of the last table if that is more: an as-of read scans at
/// most about as much as it reads of the table, and tables cost at most as much space as the moves.
pub const STORE_TABLE_BYTES_MIN: u32 = 4_096;
/// Day tables of recently moved series kept in memory, in bytes: the next table is made from the last.
pub const STORE_TABLE_CACHE_BYTES: usize = 16 * 1024 * 1024;
/// Records in one packed row: a row of its own costs sled about a microsecond and 50 bytes of memory.
pub const STORE_RECORDS_PER_ROW: u16 = 8;
/// Things in one packed row.
pub const STORE_THINGS_PER_ROW: u16 = 8;
/// Statements kept in memory before they become a sorted run.
pub const STORE_STATEMENTS_MEMORY: usize = 32_768;
/// Bytes after which a row of a run of statements closes.
pub const STORE_STATEMENT_ROW_BYTES: usize = 2_048;
/// Winners of a series and day kept in memory, 100 bytes each: 180 stated series over a year. Others are read from history.
pub const STORE_WINNERS_MEMORY: usize = 65_536;
/// Lookup keys kept in memory before they become a sorted run.
pub const STORE_INDEX_MEMORY_KEYS: usize = 65_536;
/// Runs of one size merged into one of the next.
pub const STORE_INDEX_FANOUT: usize = 8;
/// Keys in one row of a run: 24 bytes each, a 4 KiB row.
pub const STORE_INDEX_ROW_KEYS: u32 = 170;
/// Rows written by one batch of a merge: readers and commits wait no longer than for one such batch.
pub const STORE_MERGE_BATCH_ROWS: usize = 128;
/// Runs of one size that may wait for a merge before commits wait for it too: each costs every lookup a probe.
pub const STORE_INDEX_RUNS_MAX: usize = 32;
/// How long a commit waits for such a merge; then it goes on, and the next one waits again.
pub const STORE_MERGE_WAIT_MS: u64 = 10_000;
/// sled never evicts a page written since it was opened: after this many bytes written it is closed and opened again.
pub const STORE_REOPEN_BYTES: u64 = 192 * 1024 * 1024;
/// How long sled may take to open its files; it takes well under a second for ten million events, but runs `sync` first.
pub const STORE_OPEN_MS: u64 = 120_000;
/// Page cache of sled for what is read.
pub const STORE_CACHE_BYTES: usize = 64 * 1024 * 1024;
/// Between two background flushes, in milliseconds: what is rewritten within it is written to disk once. What a crash loses
/// of it is replayed from the log.
pub const STORE_FLUSH_MS: u64 = 2_000;
/// Handles on the database (a handle serves one thread at a time): commit, flush, merge, and readers.
pub const STORE_HANDLES: usize = 8;
/// Versions of one record that are followed: corrections of corrections.
pub const RECORD_VERSIONS_MAX: usize = 10_000;
