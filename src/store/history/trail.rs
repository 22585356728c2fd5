//! The moves of a series as a trail: day by day, and entry by entry in either direction from any index.

use std::ops::{ControlFlow, Range};
use std::sync::PoisonError;

use super::super::asof;
use super::super::disk::Disk;
use super::super::moves::moves;
use super::{Head, read_chunk};
use crate::event::Day;
use crate::fold::rows::{Doubt, Move, SeriesNumber, Step};

impl Head {
    /// What stood on each day up to `day` after the entries below `size`, ascending.
    pub(in crate::store) fn line(
        &self,
        number: SeriesNumber,
        disk: &Disk,
        day: Day,
        size: u64,
    ) -> Result<Vec<(Day, Step)>, Doubt> {
        let (table, days) = self.days(number, disk, day, size)?;
        let mut line = Vec::new();
        asof::each_day(&table, &days, day, &mut |on, step| {
            line.push((on, *step));
            Ok(())
        })?;
        Ok(line)
    }

    /// Moves by the entries in `span`, oldest first or newest first, until `take` breaks.
    pub(in crate::store) fn each_move(
        &self,
        number: SeriesNumber,
        disk: &Disk,
        span: Range<u64>,
        newest_first: bool,
        take: &mut dyn FnMut(&Move) -> ControlFlow<()>,
    ) -> Result<(), Doubt> {
        let mut blocks = self.blocks_in(&span);
        if newest_first {
            blocks.reverse();
        }
        for block in blocks {
            let bytes = block.map(|block| read_chunk(disk, number, block)).transpose()?;
            let steps = moves(bytes.as_deref().unwrap_or(self.open.bytes()))?;
            let mut steps = steps.collect::<Result<Vec<_>, _>>()?;
            if newest_first {
                steps.reverse();
            }
            for step in steps.iter().filter(|step| span.contains(&step.index)) {
                if take(step).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Index of the entry that moved the series last before `size`. Reads one block at most.
    pub(in crate::store) fn index_before(
        &self,
        number: SeriesNumber,
        disk: &Disk,
        size: u64,
    ) -> Result<Option<u64>, Doubt> {
        let (before, block) = {
            let directory = self.directory.read().unwrap_or_else(PoisonError::into_inner);
            let known = directory.get(..self.extent.chunks as usize).unwrap_or(&directory);
            let whole = known.partition_point(|chunk| chunk.index_last < size);
            // A table ends with the block it stands behind, so the first chunk that reaches `size` is no table.
            (whole.checked_sub(1).map(|last| known[last].index_last), known.get(whole).map(|chunk| chunk.number))
        };
        let bytes = block.map(|block| read_chunk(disk, number, block)).transpose()?;
        let mut newest = before;
        for step in moves(bytes.as_deref().unwrap_or(self.open.bytes()))? {
            let index = step?.index;
            if index >= size {
                break;
            }
            newest = Some(index);
        }
        Ok(newest)
    }

    /// Closed blocks that may hold moves of the entries in `span`, oldest first, and (`None`) the open one.
    fn blocks_in(&self, span: &Range<u64>) -> Vec<Option<u64>> {
        let directory = self.directory.read().unwrap_or_else(PoisonError::into_inner);
        let known = directory.get(..self.extent.chunks as usize).unwrap_or(&directory);
        let first = known.partition_point(|chunk| chunk.index_last < span.start);
        let mut blocks = Vec::new();
        for (at, chunk) in known.iter().enumerate().skip(first) {
            // A table stands behind the blocks it sums up, and holds no moves of its own.
            if chunk.table as usize == at {
                continue;
            }
            blocks.push(Some(chunk.number));
            if chunk.index_last >= span.end {
                return blocks;
            }
        }
        blocks.push(None);
        blocks
    }
}
