//! Splits of an indicator: one figure per region, class or agency, and where a succession of regions breaks them.

use super::view::{SplitValue, SplitView, SuccessionView};
use super::{Builder, same};
use crate::event::{Day, Text};
use crate::fold::rows::Doubt;
use crate::limits::SPLIT_VALUES_MAX;

impl Builder<'_> {
    pub(super) fn splits(&self) -> Result<Vec<SplitView>, Doubt> {
        let mut splits = Vec::new();
        for split in &self.definition.splits {
            let prefix = self.path(&format!("{}/", split.id));
            let mut values = Vec::new();
            for path in self.source.paths(&prefix).into_iter().take(SPLIT_VALUES_MAX) {
                let value = path[prefix.len()..].to_owned();
                let figure = self.figure(&self.source.figures(&path)?);
                if figure.value.is_some() {
                    let (label, succession) = (self.label(&split.id, &value), self.succession(&split.id, &value));
                    values.push(SplitValue { label, value, figure, succession });
                }
            }
            splits.push(SplitView { id: split.id.clone(), title: split.title.clone(), values });
        }
        Ok(splits)
    }

    /// Whether the region ended or began by succession; shown from its first day on.
    fn succession(&self, split: &str, value: &str) -> Option<SuccessionView> {
        let region = self.registry.regions.get(value).filter(|_| matches!(split, "region" | "bloc"))?;
        let begun = |day: Day| day <= self.moment.as_of;
        let until =
            region.info.valid_to.filter(|last| begun(last.last_day().plus(1)) && region.info.successor.is_some());
        let predecessors: Vec<_> = region.predecessors.iter().filter(|(_, first)| begun(*first)).cloned().collect();
        let successor = region.info.successor.clone().filter(|_| until.is_some());
        (until.is_some() || !predecessors.is_empty()).then_some(SuccessionView { until, successor, predecessors })
    }

    fn label(&self, split: &str, value: &str) -> Text {
        let region = || self.registry.regions.get(value).map(|region| region.info.name.clone());
        match split {
            "agency" => self.agency(value).name,
            "region" | "bloc" => region().unwrap_or_else(|| same(value)),
            _ => same(value),
        }
    }
}
