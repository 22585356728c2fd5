//! Every limit and default, each with its why. Nothing else in the crate invents a number.

mod http;

pub use http::*;

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
/// Messages read from the stream and folded in one commit while catching up. Each commit costs an fdatasync and rewrites the
/// state of every series that moved, a few hundred under a broad load: small reports need large commits. Memory is bounded by
/// [`COMMIT_BYTES_MAX`].
pub const COMMIT_MESSAGES_MAX: usize = 4_096;
/// Commits whose changes are remembered, for rows that were read ahead: one is under way, one waits, one is being screened.
pub const AHEAD_COMMITS_KEPT: usize = 4;
/// So few entries are screened by one thread: waking others takes longer.
pub const SCREEN_ALONE_ENTRIES: usize = 4;
/// Bytes of message bodies in one commit.
pub const COMMIT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Accepted events in one commit of a replay or an audit: bounds the pending changes in memory. Live commits are bounded by
/// [`COMMIT_BYTES_MAX`].
pub const COMMIT_EVENTS_MAX: u64 = 20_000;
/// Messages in one atomic publish batch: as many as the server allows, for each batch waits for one sync.
pub const PUBLISH_BATCH_MAX: usize = 1_000;
/// How long a publisher waits for an acknowledgement before it asks what became of the report.
pub const PUBLISH_TIMEOUT_MS: u64 = 5_000;
/// How much longer a publisher waits for an acknowledgement once the connection was lost and is back.
pub const RECONNECT_GRACE_MS: u64 = 500;
/// Bytes in one atomic publish batch: the server stages a batch in memory until its commit.
pub const PUBLISH_BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Single messages in flight while batches are exhausted: under `sync_interval: always` more buys nothing.
pub const PUBLISH_IN_FLIGHT_MAX: usize = 256;
/// Bytes of reports in an outbox that are not yet recorded: they are held in memory. Deliver, then go on.
pub const OUTBOX_PENDING_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of reports that an outbox signs and writes at once: while they go to disk the next are signed.
pub const OUTBOX_PART_BYTES: usize = 4 * 1024 * 1024;
/// A journal with more bytes than this is written anew without its recorded reports.
pub const OUTBOX_JOURNAL_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// How long a second process waits for the outbox of a key before it says so.
pub const OUTBOX_LOCK_WAIT_MS: u64 = 10_000;
/// Reports asked about in one `jindo.status` request: 70 bytes each.
pub const STATUS_ASK_MAX: usize = 500;
/// First and longest pause between two `jindo.status` requests about the same reports.
pub const STATUS_PAUSE_MS: (u64, u64) = (10, 500);
/// A report in doubt is sent again only after it was unknown twice, this far apart: what a reconnecting client still had
/// in its buffer is stored by then.
pub const DOUBT_PAUSE_MS: u64 = 1_000;
/// Times a report in doubt is sent again in one delivery.
pub const RESEND_MAX: u32 = 5;
/// Permission violations kept for callers that have not read them yet.
pub const VIOLATIONS_KEPT_MAX: usize = 1_024;
/// Oldest `nats-server` with atomic batches: (major, minor).
pub const NATS_VERSION_MIN: (i64, i64) = (2, 12);
/// Oldest `nats-server` that `up` starts by itself: earlier ones carry published vulnerabilities.
pub const NATS_VERSION_OWN_MIN: (i64, i64) = (2, 14);
/// How long a freshly started `nats-server` may take until it listens: recovery of a large stream reads its index.
pub const NATS_START_MS_MAX: u64 = 30_000;
/// How long `nats-server` may take to stop before it is killed: it flushes its store first.
pub const NATS_STOP_MS_MAX: u64 = 10_000;
/// Restarts of a `nats-server` that keeps dying before `up` gives up, counted until it lived for a minute.
pub const NATS_RESTARTS_MAX: u32 = 10;
/// A `nats-server` that lived this long has recovered: its restarts are counted from zero again.
pub const NATS_HEALTHY_MS: u64 = 60_000;
/// Longest pause between two restarts of `nats-server`.
pub const NATS_RESTART_PAUSE_MS_MAX: u64 = 5_000;
/// Bytes of the child's log file before it rotates.
pub const NATS_LOG_BYTES_MAX: u64 = 10 * 1024 * 1024;
/// Messages asked for in one pull: large enough that the wire never idles.
pub const PULL_MESSAGES_MAX: usize = 4_096;
/// Bytes asked for in one pull; two pulls may be outstanding, so this bounds the reader's memory.
pub const PULL_BYTES_MAX: usize = 8 * 1024 * 1024;
/// A pull asks anew after this.
pub const PULL_EXPIRES_MS: u64 = 30_000;
/// A pull with nothing to deliver says so this often; twice this without a word and the reader resumes.
pub const PULL_HEARTBEAT_MS: u64 = 1_000;
/// While nothing arrives the reader compares the stream's state with its position this often.
pub const READ_CHECK_EVERY_MS: u64 = 2_000;
/// A batch that is not full waits this long for messages known to be in the stream: each commit costs an fdatasync.
pub const READ_LINGER_MS: u64 = 10;
/// Messages read one by one as JSON after the fast road failed at one of them: doubles while it keeps failing.
pub const RAW_RUN_MAX: usize = 1_024;
/// Messages read one by one in flight.
pub const RAW_IN_FLIGHT_MAX: usize = 64;
/// Entries that a rebuild beside the live store leaves for the committing thread to fold between two commits: a few hundredths
/// of a second of intake.
pub const REBUILD_REST_MAX: u64 = 1_000;
/// Streams of a ledger that a server configuration denies by name to everyone but the operator: a ninth recovery needs a new
/// one. Nobody is allowed any of them in the first place.
pub const STREAMS_DENIED: u32 = 9;
/// Newest messages of a stream that are held against the log on start and on every other server: what a server loses is
/// lost from the end.
pub const COMPARE_NEWEST: u64 = 64;
/// Older messages drawn at random and held against the log beside them.
pub const COMPARE_OLDER: u64 = 16;
/// Bytes that a recovery adds to a message: its header and those of an atomic batch, about 250.
pub const RECOVERED_BYTES_MAX: usize = 1_024;
/// Bytes of a subject that a recovery publishes anew, prefix included: the server takes 4,096 in one control line, with an
/// inbox of 60 and two lengths. A longer subject is refused by admission; it is cut.
pub const RECOVERED_SUBJECT_BYTES_MAX: usize = 3_900;
/// How long the reader waits for an answer of a cluster before it asks again: a question that reached a server while no one led the
/// stream is dropped, not kept.
pub const CLUSTER_ASK_MS: u64 = 1_000;
/// Between two questions of a connection to a cluster whether its server still belongs to it.
pub const ROAM_EVERY_MS: u64 = 2_000;
/// How long each of them may take.
pub const ROAM_WAIT_MS: u64 = 2_000;
/// A server that answered none for this long is left for another one: a cluster that elects a leader answers nowhere meanwhile,
/// for 4 to 9 seconds (nats-server 2.15).
pub const ROAM_AFTER_MS: u64 = 10_000;
/// A leader that has not heard from another server for this long has lost it: they speak every second.
pub const ROAM_SILENT_MS: u64 = 4_000;
/// How often it is left again where the client library came back to it, a third of the time with three servers.
pub const ROAM_TRIES_MAX: usize = 8;
/// How long a start waits for a cluster that elects a leader, and answers nothing until it has one.
pub const CLUSTER_START_MS: u64 = 30_000;
/// What is missing from a stream of several replicas must be missing for this long before intake halts: a leader that is cut off
/// stays one for up to 20 seconds (nats-server 2.15) and tells what it held, and a new one may still be reading its own files.
pub const FINDING_STANDS_MS: u64 = 30_000;
/// Wait for an answer of the JetStream API.
pub const API_TIMEOUT_MS: u64 = 5_000;
/// Fraction digits of an [`crate::event::amount::Amount`].
pub const AMOUNT_SCALE: u32 = 6;
/// Digits before the decimal point of an amount: 10^24 won is a million times the world's output.
pub const AMOUNT_INTEGER_DIGITS_MAX: usize = 24;
/// One event gives or states at most 10^18 units: more than the world's yearly output in won, and a millionth of what a figure
/// holds, so that no single report can fill a figure and have everybody else's refused.
pub const EVENT_MILLIONTHS_MAX: i128 = 10_i128.pow(24);
/// Distinct split values (regions, classes, agencies, items…) of one dimension of an indicator.
pub const SPLIT_VALUES_MAX: usize = 1_000;
/// Things (factories, charger ids) one event may list.
pub const THINGS_MAX: usize = 1_000;
/// Rows an HTTP table answers in one page.
pub const PAGE_ROWS_MAX: usize = 1_000;
/// Characters of a page's query string that are looked at: the longest of ours has some hundred.
pub const PAGE_QUERY_CHARS_MAX: usize = 4 * 1024;
/// Points of one series in an answer: ten years of daily changes.
pub const SERIES_POINTS_MAX: usize = 4_000;
/// Entries looked at for the marks of one series (corrections, disputes, remarks): the newest ones, as many as a chart can carry.
pub const SERIES_MARKS_MAX: usize = 200;
/// Bytes of those entries: their events are parsed.
pub const SERIES_MARKS_BYTES: usize = 2 * 1024 * 1024;
/// Entries looked at for one page of the events behind a figure, and things claimed in them: some tenths of a second.
pub const BEHIND_ENTRIES_MAX: usize = 1_000;
/// Things looked at for one page of the events behind a figure; the entry at hand is always finished.
pub const BEHIND_THINGS_MAX: usize = 5_000;
/// Things shown of one event behind a figure; all are counted.
pub const BEHIND_THINGS_SHOWN: usize = 20;
/// Verifications and disputes shown of one event behind a figure.
pub const BEHIND_MENTIONS_SHOWN: usize = 20;
/// Claims on one thing that are followed to tell how it stood at a past moment: honest ones are a handful.
pub const BEHIND_CLAIMS_MAX: usize = 10_000;
/// Entries searched for verifications and disputes that were withdrawn after the moment asked for.
pub const BEHIND_MARKS_MAX: usize = 10_000;
/// Entries of the log looked at for one page of a filtered list: the cursor goes on behind them.
pub const ENTRIES_SCAN_MAX: u64 = 5_000;
/// Bytes of entries read for such a page; one that is shown counts [`ENTRIES_SHOWN_WEIGHT`] times, for its events are read too.
pub const ENTRIES_SCAN_BYTES: u64 = 32 * 1024 * 1024;
/// How much more an entry costs that is shown than one that is passed over.
pub const ENTRIES_SHOWN_WEIGHT: u64 = 8;
/// Entries that one request counts at most for the table of agencies; what is left, the next one counts.
pub const AGENCIES_COUNT_MAX: u64 = 20_000;
/// Keys of an agency shown in that table: the newest. An agency registers as many as it likes.
pub const AGENCY_KEYS_SHOWN: usize = 64;
/// How long one request counts at most for that table.
pub const AGENCIES_COUNT_MS: u64 = 500;
/// Days of a chart that its table shows: more are in its CSV.
pub const PAGE_POINTS_SHOWN: usize = 120;
/// Events on a page that explains a figure: with 32 things each still a page that a phone opens.
pub const PAGE_EVENTS_SHOWN: usize = 100;
/// Newest events on the page of a commitment.
pub const PAGE_NEWEST_SHOWN: usize = 8;
/// Entries on a page of the log.
pub const PAGE_ENTRIES_SHOWN: usize = 50;
/// Characters of an entry that its page shows: any entry whole, see [`ENTRY_BYTES_MAX`].
pub const PAGE_ENTRY_CHARS_MAX: usize = 64 * 1024;
/// Bytes of an event type: with the longest agency code a subject stays well under [`SUBJECT_BYTES_MAX`].
pub const KIND_BYTES_MAX: usize = 96;
/// Bytes of one JSON number. The widest amount has 32; a longer text is meant to exhaust whoever computes with it.
pub const JSON_NUMBER_BYTES_MAX: usize = 64;
/// Digits of a JSON number's exponent: `1e999999999` is eleven bytes and gigabytes once written out.
pub const JSON_EXPONENT_DIGITS_MAX: usize = 3;
/// Bytes of a CloudEvents `subject`: it names a thing and is shown in tables.
pub const EVENT_SUBJECT_BYTES_MAX: usize = 256;
/// Bytes of a CloudEvents attribute name: the limit the specification recommends.
pub const ATTRIBUTE_NAME_BYTES_MAX: usize = 20;
/// Bytes of a content type with its parameters: a longer one names nothing this ledger takes.
pub const CONTENT_TYPE_BYTES_MAX: usize = 128;
/// Faults told per refused report: enough to mend a batch in one go, bounded whatever was sent.
pub const FAULTS_MAX: usize = 16;
/// Every figure stays below 10^24 units, so that it has [`AMOUNT_INTEGER_DIGITS_MAX`] digits and can be read back: far past any
/// economy, and far inside an `i128` of millionths, so that sums of sums (successor regions, snapshots) cannot overflow either.
pub const FIGURE_MILLIONTHS_MAX: i128 = 10_i128.pow(30) - 1;
/// Bytes of one identity field of a thing, and of a split value.
pub const IDENTITY_BYTES_MAX: usize = 200;
/// Records read for one commit that are kept until its end, about 300 bytes each: a correction asks for its own several times.
pub const RECORDS_READ_MAX: usize = 8_192;
/// Winning statements per series and day kept in memory by the fold: as many as a hash table of 2^16 places holds, 14 MB.
pub const WINNERS_CACHED_MAX: usize = 57_344;
/// Bytes of a stream's name: longer or stranger ones (never ours) enter an entry as their hash.
pub const STREAM_NAME_BYTES_MAX: usize = 128;
/// Texts masked in one withheld body: as many as a batch has events. Somebody who must mask more masks the whole of a report.
pub const MASKS_MAX: usize = 256;
/// Statements of one agency about withholding one entry: a slip is mended in the second, and the registry keeps them all.
pub const WITHHELD_SAID_MAX: usize = 8;
/// Indexes of withheld entries named on an audit's page; the JSON has all.
pub const WITHHELD_TOLD_MAX: usize = 12;
/// Bytes of a reason code in an entry.
pub const REASON_CODE_BYTES_MAX: usize = 64;
/// Bytes of one event schema: it travels as text inside `schema.registered.v1`, whose body is [`BODY_BYTES_MAX`].
pub const SCHEMA_BYTES_MAX: usize = 32 * 1024;
/// Depth of a schema with its references followed: the embedded ones stay under 20, a reference cycle runs into it.
pub const SCHEMA_DEPTH_MAX: usize = 64;
/// Nodes of a schema with its references followed: the largest embedded one has about 3,000; a chain of doubling
/// references runs into it.
pub const SCHEMA_NODES_MAX: usize = 20_000;
/// Bytes of one compiled pattern of a schema.
pub const SCHEMA_PATTERN_BYTES_MAX: usize = 256 * 1024;
/// Faults told per event: enough to repair it, few enough to keep.
pub const DATA_FAULTS_MAX: usize = 8;
/// Characters of one fault's text.
pub const FAULT_CHARS_MAX: usize = 240;
/// Messages that may wait while figures still count as current: under steady load some always do, a fraction of a second's work.
pub const READY_WAITING_MAX: u64 = 1_000;
/// How long the reader waits for messages before it tells how it is doing.
pub const READ_WAIT_MS: u64 = 250;
/// Registries of the past kept for as-of questions; each is some hundred kilobytes.
pub const REGISTRIES_CACHED_MAX: usize = 8;
/// Bytes that one read of the tail asks for while going through it: few calls, little memory.
pub const TAIL_READ_BYTES: usize = 1024 * 1024;
/// Rows at the end of `tail.index` that are checked against their frames on opening.
pub const TAIL_INDEX_CHECK_ROWS: u64 = 16;
/// Rows that opening steps back over where a crash left the end of `tail.index` unwritten, before it rebuilds it: more than
/// any commit's.
pub const TAIL_INDEX_STEP_BACK_MAX: u64 = 8_192;
/// Holes kept per key. A hostile key holder can make one with every report; the last one then swallows those after it.
pub const CHAIN_HOLES_MAX: usize = 64;
/// Forks kept per key: one is already proof enough.
pub const CHAIN_FORKS_MAX: usize = 64;
/// Greatest `seq` and `size` in claims: JSON numbers are exact up to here in every language (2^53 - 1).
pub const CLAIM_NUMBER_MAX: u64 = 9_007_199_254_740_991;
/// Bytes read of a key file: a seed has 58 and a line end.
pub const KEY_FILE_BYTES_MAX: u64 = 128;

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
pub const STORE_RECORDS_PER_ROW: u16 = 32;
/// Things in one packed row.
pub const STORE_THINGS_PER_ROW: u16 = 32;
/// Bytes after which a row of changed states closes.
pub const STORE_AMENDED_ROW_BYTES: usize = 4_096;
/// Statements kept in memory before they become a sorted run.
pub const STORE_STATEMENTS_MEMORY: usize = 32_768;
/// Bytes after which a row of a run of statements closes.
pub const STORE_STATEMENT_ROW_BYTES: usize = 2_048;
/// Winners of a series and day kept in memory, 100 bytes each: 180 stated series over a year. Others are read from history.
pub const STORE_WINNERS_MEMORY: usize = 65_536;
/// Lookup keys kept in memory before they become a sorted run: the more, the fewer runs there are to ask. So many fill a hash
/// table of 2^18 places; one more doubles it.
pub const STORE_INDEX_MEMORY_KEYS: usize = 229_376;
/// Runs of one size merged into one of the next.
pub const STORE_INDEX_FANOUT: usize = 4;
/// Keys in one row of a run, 24 bytes each: a cold lookup reads a leaf of some five such rows, 20 kB.
pub const STORE_INDEX_ROW_KEYS: u32 = 168;
/// Rows written by one batch of a merge: readers and commits wait no longer than for one such batch.
pub const STORE_MERGE_BATCH_ROWS: usize = 128;
/// Runs of one size that may wait for a merge before commits wait for it too: each costs every lookup a probe.
pub const STORE_INDEX_RUNS_MAX: usize = 32;
/// How long a commit waits for such a merge; then it goes on, and the next one waits again.
pub const STORE_MERGE_WAIT_MS: u64 = 10_000;
/// sled never evicts a page written since it was opened: after this many bytes written it is closed and opened again.
pub const STORE_REOPEN_BYTES: u64 = 32 * 1024 * 1024;
/// Free bytes on its disk without which it is not: opening writes a snapshot of where everything is, and sled aborts the process
/// where closing cannot write. What is then not evicted is bounded by the room there is for entries.
pub const STORE_REOPEN_ROOM_BYTES: u64 = 2 * STORE_REOPEN_BYTES;
/// Bytes written after which they are flushed beside the commits: flushing holds them in memory once more.
pub const STORE_FLUSH_BYTES: u64 = 8 * 1024 * 1024;
/// Series of a past moment that are read at once on all cores: after each lot the threads turn to reports. Hardly an indicator
/// has more.
pub const READ_AHEAD_SERIES: usize = 256;
/// How long sled may take to open its files; it takes well under a second for ten million events, but runs `sync` first.
pub const STORE_OPEN_MS: u64 = 120_000;
/// Page cache of sled for what is read.
pub const STORE_CACHE_BYTES: usize = 32 * 1024 * 1024;
/// Between two background flushes, in milliseconds: what is rewritten within it is written to disk once. What a crash loses
/// of it is replayed from the log.
pub const STORE_FLUSH_MS: u64 = 2_000;
/// Handles on the database (a handle serves one thread at a time): commit, flush, merge, and readers.
pub const STORE_HANDLES: usize = 8;
/// Versions of one record: nobody mends a figure a thousand times, and each lengthens the way through all of them.
pub const RECORD_VERSIONS_MAX: usize = 1_000;
/// Versions of a record that are shown from either end: each is read from the log and carries a report of up to [`BODY_BYTES_MAX`].
pub const RECORD_VERSIONS_SHOWN: usize = 50;
/// Stores set aside that are kept: they are there to be looked into, and the newest say as much as all.
pub const STORES_ASIDE_KEPT: usize = 3;
/// Bytes of a log file read at a time while it is sent: what one client who reads nothing costs.
pub const LOG_PIECE_BYTES: u64 = 32 * 1024;
/// How long a request that goes through many entries waits for others like it before it is refused for now.
pub const SCAN_WAIT_MS: u64 = 2_000;
/// Seconds that a replica may go on serving after a signal: load balancers look every few seconds.
pub const DRAIN_S_MAX: u64 = 300;
/// How long `report` and `import` wait for their reports to be recorded before they say "unknown".
pub const RECORDED_WAIT_MS: u64 = 60_000;
/// How often they ask while they wait.
pub const RECORDED_POLL_MS: u64 = 50;
/// Bytes of one line of NDJSON or one record of CSV: an event fits a report body.
pub const ROW_BYTES_MAX: usize = BODY_BYTES_MAX;
/// Columns of an imported table: far beyond any event type, far below what a damaged file claims.
pub const COLUMNS_MAX: usize = 256;
/// Rows of an imported sheet: as many as spreadsheets have.
pub const SHEET_ROWS_MAX: usize = 1_048_576;
/// Bytes of memory that the cells of an imported sheet take, 24 for each and its text: a million rows of twenty columns.
pub const SHEET_BYTES_MAX: usize = 1024 * 1024 * 1024;
/// Events per signed report of an import: one signature and one fsync for many, and one fault refuses few.
pub const IMPORT_BATCH_EVENTS: usize = 200;
/// Faulty rows an import remembers for its report; beyond it only counts.
pub const IMPORT_FAULTS_MAX: usize = 10_000;
/// Bytes of an imported file: it is held in memory so that what was checked is what is sent.
pub const IMPORT_FILE_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Keys of one agency that the nats-server of `jindo up` knows, the newest: one for each program that reports. Without an end, an
/// agency could make the configuration too large to load.
pub const NATS_KEYS_PER_AGENCY_MAX: usize = 64;
/// Least time between two times that nats-server is told of keys, added and revoked: those who connect while it is told are turned away.
pub const NATS_RELOAD_MS: (u64, u64) = (3_000, 100);
/// Least time between two events of `/v1/stream`: twenty a second is live for people, and a thousand followers of a flood of
/// reports cost no more. The first change after a pause is told at once.
pub const FOLLOW_EVERY_MS: u64 = 50;
/// Bytes of past events kept for followers who come back or are slow: a quarter of an hour of a busy day.
pub const FOLLOW_KEPT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How often followers are told that the stream is alive: proxies cut connections that are silent for half a minute.
pub const FOLLOW_BEAT_MS: u64 = 15_000;
/// How often it is looked whether the ledger's own state changed, for followers.
pub const FOLLOW_LOOK_MS: u64 = 200;
/// After how long a follower should ask again, and the ledger is read again where that failed.
pub const FOLLOW_RETRY_MS: u64 = 1_000;
/// Least time between two looks for what is to be reminded of.
pub const REMIND_EVERY_MS: u64 = 2_000;
/// Looked for also where nothing is reported: what is due changes with the day.
pub const REMIND_LOOK_MS: u64 = 60_000;
/// Reminders listed: the newest, years of them.
pub const REMINDERS_SHOWN_MAX: usize = 10_000;
/// How long a webhook may take to answer.
pub const WEBHOOK_CALL_MS: u64 = 10_000;
/// How often a webhook may refuse one reminder (4xx) before that one is given up.
pub const WEBHOOK_REFUSALS_MAX: u32 = 5;
/// Pause after a webhook failed for the first time, doubled with each failure, and the longest one.
pub const WEBHOOK_PAUSE_MS: (u64, u64) = (1_000, 15 * 60_000);
/// Least time between two rounds of announcements: five a second is live for people, and a flood of reports costs no more.
pub const ANNOUNCE_EVERY_MS: u64 = 200;
/// Pause after a round that failed.
pub const ANNOUNCE_RETRY_MS: u64 = 1_000;
/// How long founding a ledger waits for its own reports to be recorded.
pub const BOOTSTRAP_WAIT_MS: u64 = 60_000;
/// Bytes of a catalogue file: the work plan of a ministry needs 50 KiB.
pub const CATALOGUE_BYTES_MAX: usize = 1024 * 1024;
/// Mistakes told about a catalogue file: more than anyone reads at once.
pub const CATALOGUE_MISTAKES_MAX: usize = 500;
/// Bytes of `running.json`.
pub const RUNNING_BYTES_MAX: u64 = 64 * 1024;
/// Batches an import signs before it waits for them to be recorded: 10,000 events, under 3 MiB, two or three seconds.
pub const IMPORT_ROUND_BATCHES: usize = 50;
/// Rows of a table in the terminal, where no limit is given: more scrolls away unread, and NDJSON has no limit.
pub const TABLE_ROWS_MAX: usize = 1_000;
/// Bytes of a file of facts.
pub const FACTS_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Pause between two simulated reports of `--demo`: lively, and readable.
pub const DEMO_EVERY_MS: u64 = 2_000;
/// How often catching up is told in the operator's log.
pub const CATCH_UP_TOLD_MS: u64 = 2_000;
/// Between two rebuilds that a reader's doubt asks for: questions still open on the store set aside ask once more, and a
/// disk that keeps failing must not keep the ledger folding.
pub const MEND_EVERY_MS_MIN: u64 = 60_000;

// The verifiable log.

/// Entries a log may have: 2^40 is thirty thousand years of a report every second, and far below where tile sums overflow.
pub const LOG_SIZE_MAX: u64 = 1 << 40;
/// Level of the highest tile of a log of [`LOG_SIZE_MAX`] entries: 256^5 is 2^40.
pub const TILE_LEVEL_MAX: u8 = 5;
/// Bytes of a signed note: three lines and [`NOTE_SIGNATURES_MAX`] signatures, post-quantum ones of 4 KB among them.
pub const NOTE_BYTES_MAX: usize = 256 * 1024;
/// Signatures in a note: the specification asks for at least 16, and for some limit.
pub const NOTE_SIGNATURES_MAX: usize = 64;
/// Bytes of a key's name, and so of a log's origin: it must stand in one signature line.
pub const NOTE_NAME_BYTES_MAX: usize = 256;
/// Between two checkpoints at least: five a second is live, and each costs some fsyncs and a swap at NATS.
pub const BEAT_EVERY_MS: u64 = 200;
/// Pause after a beat that failed: disk and NATS get time to recover.
pub const BEAT_RETRY_MS: u64 = 1_000;
/// Entries covered by one checkpoint at most, a multiple of 256: a log that existed before its tiles is tiled in such steps.
pub const BEAT_ENTRIES_MAX: u64 = 32 * 1024;
/// Bytes of tiles and bundles gathered before they are written: bounds the beat's memory.
pub const BEAT_WRITE_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of the tail that checkpoints cover before they are cut off: what is left is copied, so this keeps cutting rare.
pub const TAIL_TRIM_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes of a receipt: an entry in base64, a proof of 40 hashes and a note.
pub const RECEIPT_BYTES_MAX: usize = 512 * 1024;
/// Receipts pulled in one go: some hundred bytes and a few milliseconds each.
pub const RECEIPTS_PULL_MAX: usize = 256;
/// How long one receipt is waited for: the report is recorded, so nobody should have to wait for its proof.
pub const RECEIPT_ANSWER_MS: u64 = 1_000;
/// How long `report --pending` waits for the checkpoint that covers what was recorded last.
pub const RECEIPTS_WAIT_MS: u64 = 2_000;
/// Bytes of a policy file, and lines in it: the specification asks for 32 logs, witnesses and groups.
pub const POLICY_BYTES_MAX: usize = 256 * 1024;
/// Witnesses asked for cosignatures at most: with the log's own line they fit [`NOTE_SIGNATURES_MAX`] twice over.
pub const WITNESSES_MAX: usize = 32;
/// How long a connection to a witness may take.
pub const WITNESS_CONNECT_MS: u64 = 3_000;
/// How long one witness may take in all for one checkpoint, whatever it makes us ask: it must keep the checkpoint on its disk first.
pub const WITNESS_CALL_MS: u64 = 5_000;
/// Once enough witnesses cosigned, how long the others are waited for: a checkpoint with all cosignatures is worth more, and
/// `proven_size` follows at the pace of [`BEAT_EVERY_MS`].
pub const WITNESS_GRACE_MS: u64 = 200;
/// First and longest pause before a witness that failed is asked again; it doubles between them.
pub const WITNESS_PAUSE_MS: (u64, u64) = (1_000, 30_000);
/// Times one witness is asked for one checkpoint: once to learn the size it knows, once from there, and again where another
/// process of this ledger was faster.
pub const WITNESS_TRIES: usize = 4;
/// Bytes read of a witness's answer: a checkpoint with its signatures, as in [`CHECKPOINT_BYTES_MAX`].
pub const WITNESS_ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// How far a cosignature's time may lie from our clock, in seconds: as far as JetStream's may, see [`CLOCK_AHEAD_NS_MAX`].
pub const WITNESS_CLOCK_S_MAX: u64 = 300;
/// Characters told of what a witness says instead of an answer.
pub const WITNESS_SAID_CHARS_MAX: usize = 120;
/// Files of conflicting checkpoints kept in a log folder: one is proof enough, and whoever holds a copy of the key can make any number.
pub const CONFLICTS_KEPT_MAX: usize = 64;
/// Bytes of such a file: two checkpoints of [`CHECKPOINT_BYTES_MAX`] and a proof of 80 hashes.
pub const FORK_BYTES_MAX: usize = 192 * 1024;
/// Bundles of 256 entries that an audit reads and checks at once, on all cores.
pub const AUDIT_BATCH_BUNDLES: usize = 8;
/// Bytes of entries after which such a batch closes: three are in flight.
pub const AUDIT_BATCH_BYTES: usize = 2 * 1024 * 1024;
/// As [`STORE_REOPEN_BYTES`], for the store that an audit judges by: nobody waits for it, and an auditor's computer may be small.
pub const AUDIT_STORE_REOPEN_BYTES: u64 = 16 * 1024 * 1024;
/// As [`STORE_CACHE_BYTES`], for that store.
pub const AUDIT_STORE_CACHE_BYTES: usize = 8 * 1024 * 1024;
/// Findings of one kind that an audit keeps with their details; further ones are counted.
pub const AUDIT_FINDINGS_KEPT: u64 = 100;
/// Receipts that one audit takes: some hundred bytes of memory each.
pub const AUDIT_RECEIPTS_MAX: usize = 250_000;
/// Findings of one kind that an auditor may ask for in full: some hundred bytes of memory each.
pub const AUDIT_FINDINGS_MAX: u64 = 100_000;
/// Bytes of a checkpoint file: three lines and a signature for each of a few dozen witnesses.
pub const CHECKPOINT_BYTES_MAX: u64 = 64 * 1024;
/// Bytes of a verifier key line: a name of [`NOTE_NAME_BYTES_MAX`] and a key, a post-quantum one among them.
pub const VKEY_BYTES_MAX: u64 = 4 * 1024;
/// Bytes of a file with all keys a log has had, one a line: a replacement a year for centuries.
pub const VKEYS_BYTES_MAX: u64 = 64 * 1024;
/// Bytes of a day's checkpoints: the 432,000 of a day that publishes five a second, with eight cosignatures each.
pub const HISTORY_BYTES_MAX: u64 = 512 * 1024 * 1024;
