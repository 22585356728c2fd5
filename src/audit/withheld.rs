//! Entries that stand without texts they were recorded with: each is what an authority and its agency signed, or a finding.
//!
//! The tree has the hash of the entry as it was, which what is left does not give. The two statements have the hash of what is
//! left, all header lines included, so nobody but those two together can put other words there; and the agency's own signature
//! covers the SHA-256 of the body, which the line `withheld:` names.

use std::collections::BTreeSet;

use super::report::{Finding, Report};
use crate::catalogue::registry::Registry;
use crate::log::entry::Entry;
use crate::log::tile::WIDTH;
use crate::log::withhold::{agency, stands};
use crate::sign::hex;

/// What is left of an entry, as far as it must be remembered until everything said of it is known.
pub struct Left {
    index: u64,
    agency: Option<String>,
    sha256: [u8; 32],
    stands: [u8; 32],
}

impl Left {
    /// Of an entry that stands without texts; `None` of a whole one.
    #[must_use]
    pub fn of(entry: &Entry) -> Option<Self> {
        let left =
            || Left { index: entry.index, agency: agency(entry), sha256: entry.body.sha256(), stands: stands(entry) };
        entry.body.is_withheld().then(left)
    }
}

/// Judges them by the registry after the whole log.
pub fn judge(registry: &Registry, all: &[Left], report: &mut Report) {
    for left in all {
        match wrong(registry, left, report.size) {
            None => report.withheld.push(left.index),
            Some(finding) => report.find(finding.at(left.index).of(left.agency.as_deref(), None)),
        }
    }
    let gone: BTreeSet<u64> = all.iter().map(|left| left.index).collect();
    let agreed = registry.withheld.keys().copied().filter(|index| registry.withholding(*index).is_some());
    report.withheld_agreed = agreed.filter(|index| !gone.contains(index)).collect();
}

fn wrong(registry: &Registry, left: &Left, size: u64) -> Option<Finding> {
    let agreed = registry.withholding(left.index).filter(|agreed| Some(&agreed.body.agency) == left.agency.as_ref());
    let Some(agreed) = agreed else {
        return Some(Finding::new(
            "withheld-unagreed",
            "본문 일부가 제거되었지만, 주무 부처와 해당 기관이 함께 서명한 제거 결정이 로그에 없습니다: 기록이 바뀌었습니다",
            "texts of it are gone, but no authority and agency signed for that in the log: the entry was altered",
        ));
    };
    let sha256 = hex::encode(&left.sha256);
    if agreed.body.sha256 != sha256 {
        let finding = Finding::new(
            "withheld-differs",
            "남은 기록이 말하는 원래 본문의 해시가 제거 결정에 서명된 것과 다릅니다",
            "it names another hash of the body it had than authority and agency signed",
        );
        return Some(finding.versions(sha256, &agreed.body.sha256));
    }
    let stands = hex::encode(&left.stands);
    if agreed.body.stands != stands {
        let finding = Finding::new(
            "withheld-differs",
            "제거하고 남은 기록이 주무 부처와 해당 기관이 서명한 것과 다릅니다: 제거하면서, 또는 그 뒤에 바뀌었습니다",
            "what is left of it is not what authority and agency signed: it was altered when texts were removed, or since",
        );
        return Some(finding.versions(stands, &agreed.body.stands));
    }
    // Only a bundle that can never grow again may differ from its leaves.
    (left.index / WIDTH >= size / WIDTH).then(|| {
        Finding::new(
            "withheld-early",
            "체크포인트로 덮인 꽉 찬 묶음에 있지 않은 기록에서 본문이 제거되었습니다",
            "texts of it are gone although it lies in no full bundle that a checkpoint covers",
        )
    })
}
