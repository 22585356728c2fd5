//! Entries that stand without texts they were recorded with: each is what an authority and its agency signed, or a finding.
//!
//! The tree has the hash of the entry as it was, which what is left does not give. The two statements have the hash of what is
//! left, all header lines included, so nobody but those two together can put other words there; and the agency's own signature
//! covers the SHA-256 of the body, which the line `withheld:` names.

use std::collections::BTreeSet;

use super::report::{Finding, Report};
use crate::catalogue::registry::Registry;
use crate::event::mask::is_masked;
use crate::limits::STATE_DIGEST_EVERY;
use crate::log::entry::Entry;
use crate::log::tile::WIDTH;
use crate::log::withhold::{agency, governs, stands};
use crate::sign::hex;

/// What is left of an entry, as far as it must be remembered until everything said of it is known.
pub struct Left {
    index: u64,
    agency: Option<String>,
    sha256: [u8; 32],
    stands: [u8; 32],
    /// The registry is made of it.
    governs: bool,
}

impl Left {
    /// Of an entry that stands without texts; `None` of a whole one.
    #[must_use]
    pub fn of(entry: &Entry) -> Option<Self> {
        let left = || Left {
            index: entry.index,
            agency: agency(entry),
            sha256: entry.body.sha256(),
            stands: stands(entry),
            governs: governs(entry),
        };
        entry.body.is_withheld().then(left)
    }
}

/// Judges them by the registry after the whole log. `read` has the entries: bodies are not kept until then.
pub fn judge(registry: &Registry, all: &[Left], read: &dyn Fn(u64) -> Option<Entry>, report: &mut Report) {
    for left in all {
        let said = match wrong(registry, left, read, report.size) {
            Ok(said) => said,
            Err(finding) => {
                report.find(finding.at(left.index).of(left.agency.as_deref(), None));
                continue;
            }
        };
        report.withheld.push(left.index);
        // A digest recorded before both had spoken was made of the whole entry; this audit made it of what is left.
        let digest = said - said % STATE_DIGEST_EVERY;
        report.withheld_confirmed += u64::from(left.index < digest && !report.found.contains_key("state-differs"));
    }
    let gone: BTreeSet<u64> = all.iter().map(|left| left.index).collect();
    let agreed = registry.withheld.keys().copied().filter(|index| !registry.withholding(*index).is_empty());
    report.withheld_agreed = agreed.filter(|index| !gone.contains(index)).collect();
}

/// Where the later of the two statements stands that what is left rests on.
fn wrong(registry: &Registry, left: &Left, read: &dyn Fn(u64) -> Option<Entry>, size: u64) -> Result<u64, Finding> {
    if left.governs {
        return Err(Finding::new(
            "withheld-governance",
            "등록부가 의존하는 관리 사건은 제거할 수 없는데 본문이 바뀌었습니다",
            "it is governance that the registry is made of, which cannot be withheld: the entry was altered",
        ));
    }
    let mut agreed = registry.withholding(left.index);
    agreed.retain(|agreed| Some(&agreed.body.agency) == left.agency.as_ref());
    let Some(newest) = agreed.first() else {
        return Err(Finding::new(
            "withheld-unagreed",
            "본문 일부가 제거되었지만, 주무 부처와 해당 기관이 함께 서명한 제거 결정이 로그에 없습니다: 기록이 바뀌었습니다",
            "texts of it are gone, but no authority and agency signed for that in the log: the entry was altered",
        ));
    };
    let (sha256, stands) = (hex::encode(&left.sha256), hex::encode(&left.stands));
    let Some(held) = agreed.iter().find(|agreed| agreed.body.stands == stands && agreed.body.sha256 == sha256) else {
        let finding = Finding::new(
            "withheld-differs",
            "제거하고 남은 기록이 주무 부처와 해당 기관이 서명한 것과 다릅니다: 제거하면서, 또는 그 뒤에 바뀌었습니다",
            "what is left of it is not what authority and agency signed: it was altered when texts were removed, or since",
        );
        let of = |body: &str, stands: &str| format!("entry {stands}, body {body}");
        return Err(finding.versions(of(&sha256, &stands), of(&newest.body.sha256, &newest.body.stands)));
    };
    let masked = |entry: Entry| entry.body.bytes().is_some_and(|body| is_masked(body, &held.body.mask));
    if !read(left.index).is_some_and(masked) {
        return Err(Finding::new(
            "withheld-words",
            "제거하기로 한 자리에 다른 글이 있습니다: 서명한 두 기관이 가리지 않고 바꾸었습니다",
            "other words stand where texts were to be masked: the two who signed replaced them",
        ));
    }
    // Only a bundle that can never grow again may differ from its leaves.
    if left.index / WIDTH >= size / WIDTH {
        return Err(Finding::new(
            "withheld-early",
            "체크포인트로 덮인 꽉 찬 묶음에 있지 않은 기록에서 본문이 제거되었습니다",
            "texts of it are gone although it lies in no full bundle that a checkpoint covers",
        ));
    }
    Ok(held.said)
}

#[cfg(test)]
#[path = "withheld_tests.rs"]
mod tests;
