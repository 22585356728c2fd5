//! How large the packed things of a store are. Tests make them tiny so that every edge is crossed.

use serde::{Deserialize, Serialize};

use crate::limits;

/// Sizes of one store; the defaults are those of [`crate::limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// What rows are addressed by: must be the same whenever a store is opened.
    pub fixed: Fixed,
    /// Bytes after which a block of history closes, at least.
    pub block_bytes_min: u32,
    /// And at most.
    pub block_bytes_max: u32,
    /// Bytes of moves after which a day table is cut, at least.
    pub table_bytes_min: u32,
    /// Statements in memory.
    pub memory_statements: usize,
    /// Bytes of a row of a run of statements.
    pub statement_row_bytes: usize,
    /// Winners in memory.
    pub memory_winners: usize,
    /// Lookup keys in memory.
    pub memory_keys: usize,
    /// Runs merged into one.
    pub fanout: usize,
    /// Rows in one batch of a merge.
    pub merge_rows: usize,
    /// Bytes written before the database is closed and opened again.
    pub reopen_bytes: u64,
    /// Free bytes on its disk without which it is not closed.
    pub reopen_room_bytes: u64,
    /// Bytes written after which they are flushed beside the commits.
    pub flush_bytes: u64,
    /// How long opening may take.
    pub open_ms: u64,
    /// sled's page cache.
    pub cache_bytes: usize,
    /// Handles on the database, at least two.
    pub handles: usize,
    /// Milliseconds between background flushes; `None`: never, for tests.
    pub flush_ms: Option<u64>,
}

/// The part of a layout that rows are addressed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fixed {
    /// Raised whenever the meaning of a row changes: an older store is then rebuilt.
    pub version: u32,
    /// Records in one row.
    pub records_per_row: u16,
    /// Things in one row.
    pub things_per_row: u16,
    /// Lookup keys in one row of a run.
    pub row_keys: u32,
}

impl Default for Layout {
    fn default() -> Self {
        Layout {
            fixed: Fixed {
                version: 6,
                records_per_row: limits::STORE_RECORDS_PER_ROW,
                things_per_row: limits::STORE_THINGS_PER_ROW,
                row_keys: limits::STORE_INDEX_ROW_KEYS,
            },
            block_bytes_min: limits::STORE_BLOCK_BYTES_MIN,
            block_bytes_max: limits::STORE_BLOCK_BYTES_MAX,
            table_bytes_min: limits::STORE_TABLE_BYTES_MIN,
            memory_statements: limits::STORE_STATEMENTS_MEMORY,
            statement_row_bytes: limits::STORE_STATEMENT_ROW_BYTES,
            memory_winners: limits::STORE_WINNERS_MEMORY,
            memory_keys: limits::STORE_INDEX_MEMORY_KEYS,
            fanout: limits::STORE_INDEX_FANOUT,
            merge_rows: limits::STORE_MERGE_BATCH_ROWS,
            reopen_bytes: limits::STORE_REOPEN_BYTES,
            reopen_room_bytes: limits::STORE_REOPEN_ROOM_BYTES,
            flush_bytes: limits::STORE_FLUSH_BYTES,
            open_ms: limits::STORE_OPEN_MS,
            cache_bytes: limits::STORE_CACHE_BYTES,
            handles: limits::STORE_HANDLES,
            flush_ms: Some(limits::STORE_FLUSH_MS),
        }
    }
}

impl Layout {
    /// Everything as small as it goes.
    #[cfg(test)]
    pub(super) fn tiny() -> Self {
        Layout {
            fixed: Fixed { version: 6, records_per_row: 3, things_per_row: 2, row_keys: 4 },
            block_bytes_min: 12,
            block_bytes_max: 40,
            table_bytes_min: 30,
            memory_statements: 7,
            statement_row_bytes: 20,
            memory_winners: 3,
            memory_keys: 10,
            fanout: 2,
            merge_rows: 2,
            reopen_bytes: 20_000,
            reopen_room_bytes: 0,
            flush_bytes: 5_000,
            open_ms: 20_000,
            cache_bytes: 1 << 20,
            handles: 3,
            flush_ms: None,
        }
    }
}
