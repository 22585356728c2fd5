//! Keys as the log registered them: how each came in, and what its chain of reports lacks.

use std::collections::BTreeMap;

use super::report::{Finding, Key, Report};
use crate::catalogue::registry::Registry;
use crate::fold::rows::ChainRow;
use crate::limits::CHAIN_HOLE_ALARM_NS;

/// Keys, chains and names into the report.
pub fn keys(registry: &Registry, chains: &BTreeMap<String, ChainRow>, report: &mut Report) {
    let last = report.recorded.map(|(_, last)| last);
    for (key, state) in &registry.keys {
        let chain = chains.get(&**key).cloned().unwrap_or_default();
        // A hole may still be filled: messages overtake each other.
        let old = chain
            .holes
            .iter()
            .filter(|(_, _, noticed)| last.is_some_and(|last| noticed.plus_ns(CHAIN_HOLE_ALARM_NS) < last));
        for (first, end, _) in old {
            let finding = Finding::new(
                "reports-missing",
                format!("키 {key}의 보고 {first}–{end}번이 로그에 없습니다: 전달되지 않았거나 누락되었습니다"),
                format!("reports {first} to {end} of key {key} are not in the log: never delivered, or withheld"),
            );
            report.find(finding.of(Some(&state.agency), None));
        }
        for index in &chain.forks {
            let finding = Finding::new(
                "chain-fork",
                format!(
                    "키 {key}이(가) 이미 쓴 번호로 다른 보고에 서명했거나 이전 보고를 잘못 가리킵니다: 키가 두 곳에서 쓰이고 있습니다"
                ),
                format!(
                    "key {key} signed another report under a number it had used, or names another report before it: the key is used twice"
                ),
            );
            report.find(finding.at(*index).of(Some(&state.agency), None));
        }
        report.keys.push(Key {
            key: key.to_string(),
            agency: state.agency.to_string(),
            added: state.added,
            added_by: state.added_by.to_string(),
            by_authority_alone: state.added_by != state.agency && state.added > 0,
            revoked: state.revoked,
            seq: chain.seq,
            holes: chain.holes.iter().map(|(first, end, _)| (*first, *end)).collect(),
            forks: chain.forks,
        });
    }
    report.keys.sort_by(|left, right| (left.added, &left.key).cmp(&(right.added, &right.key)));
    for (code, row) in &mut report.agencies {
        row.name = registry.agencies.get(code.as_str()).map(|state| state.info.name.clone());
    }
    report.simulated = registry.simulated;
}
