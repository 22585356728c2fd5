//! The verdict as one page for someone who is no cryptographer, in Korean or English. It only words a [`Report`].

use std::fmt::Write as _;

use super::report::{Agency, Finding, Report};
use crate::event::{Text, Time};

/// Findings told in full on the page.
const TOLD: usize = 12;

/// Which language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tongue {
    /// 한국어.
    Ko,
    /// English.
    En,
}

impl Tongue {
    fn pick(self, ko: impl Into<String>, en: impl Into<String>) -> String {
        match self {
            Tongue::Ko => ko.into(),
            Tongue::En => en.into(),
        }
    }

    fn of(self, text: &Text) -> &str {
        match self {
            Tongue::Ko => &text.ko,
            Tongue::En => &text.en,
        }
    }
}

/// Digits in threes.
fn count(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or_default()).collect();
    groups.join(",")
}

fn days(span: Option<(Time, Time)>) -> String {
    span.map_or_else(|| "–".to_owned(), |(first, last)| format!("{} – {}", first.day(), last.day()))
}

/// What a report puts between control characters would move the reader's cursor.
fn plain(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            if c.is_control() { c.escape_debug().to_string() } else { c.to_string() }.chars().collect::<Vec<_>>()
        })
        .collect()
}

/// The page.
#[must_use]
pub fn page(report: &Report, tongue: Tongue) -> String {
    let mut out = String::new();
    verdict(&mut out, report, tongue);
    checked(&mut out, report, tongue);
    wrong(&mut out, report, tongue);
    limits(&mut out, report, tongue);
    agencies(&mut out, report, tongue);
    keys(&mut out, report, tongue);
    sample(&mut out, report, tongue);
    out
}

fn head(out: &mut String, text: &str) {
    let _ = writeln!(out, "\n{text}");
}

fn line(out: &mut String, text: &str) {
    let _ = writeln!(out, "  {text}");
}

fn verdict(out: &mut String, report: &Report, tongue: Tongue) {
    let total: u64 = report.found.values().sum();
    let said = match (report.holds(), report.first_wrong()) {
        (true, _) => tongue.pick(
            "이상 없음: 확인한 모든 것이 서로 맞습니다",
            "Nothing wrong was found: everything that was checked agrees",
        ),
        (false, Some(index)) => tongue.pick(
            format!("문제 {}건 발견. 처음 잘못된 기록: {index}번", count(total)),
            format!("{} things are wrong. First entry concerned: {index}", count(total)),
        ),
        (false, None) => {
            tongue.pick(format!("문제 {}건 발견", count(total)), format!("{} things are wrong", count(total)))
        }
    };
    let _ = writeln!(out, "{} {}", tongue.pick("감사 결과", "Audit of"), plain(&report.origin));
    let _ = writeln!(out, "{said}");
    if report.simulated {
        line(
            out,
            &tongue
                .pick("모의 원장입니다: 실제 보고가 아닙니다.", "This ledger is simulated: its reports are not real."),
        );
    }
    if !report.withheld.is_empty() {
        let number = count(report.withheld.len() as u64);
        line(
            out,
            &tongue.pick(
                format!("법에 따라 본문을 가린 기록: {number}건 ({:?})", report.withheld),
                format!("Entries whose body is withheld by law: {number} ({:?})", report.withheld),
            ),
        );
    }
}

fn checked(out: &mut String, report: &Report, tongue: Tongue) {
    head(out, &tongue.pick("확인한 것", "What was checked"));
    let size = count(report.size);
    line(
        out,
        &tongue.pick(
            format!("기록 {size}건 전부를 처음부터 다시 계산해 서명된 체크포인트의 루트와 비교"),
            format!("all {size} entries, hashed anew into the root of the signed checkpoint"),
        ),
    );
    let genesis = if report.genesis_confirmed {
        tongue.pick("첫 기록이 받은 해시와 일치", "entry 0 is the one the auditor was given the hash of")
    } else {
        tongue.pick(
            format!("첫 기록의 해시(따로 받은 것과 대조하십시오): {}", report.genesis),
            format!("hash of entry 0 (compare it with one given to you elsewhere): {}", report.genesis),
        )
    };
    line(out, &genesis);
    line(
        out,
        &if report.signatures_asked {
            tongue.pick(
                format!("기관 서명 {}건을 로그에 등록된 키로 검증", count(report.signatures)),
                format!("{} agency signatures, against the keys as the log registers them", count(report.signatures)),
            )
        } else {
            tongue.pick("서명은 검증하지 않음(--no-signatures)", "signatures were not verified (--no-signatures)")
        },
    );
    line(
        out,
        &tongue.pick(
            format!(
                "모든 판정과 인정된 사건 {}건을 규칙대로 다시 판정, 집계 상태 해시 {}개 재계산",
                count(report.events),
                count(report.states)
            ),
            format!(
                "every verdict, made anew by the rules ({} accepted events), and {} digests of the figures",
                count(report.events),
                count(report.states)
            ),
        ),
    );
    line(
        out,
        &tongue.pick(
            format!(
                "공개된 체크포인트 {}개, 기관이 보았다고 서명한 루트 {}건",
                count(report.checkpoints),
                count(report.seen)
            ),
            format!(
                "{} published checkpoints, and {} roots that agencies signed as seen",
                count(report.checkpoints),
                count(report.seen)
            ),
        ),
    );
    if let Some(evidence) = &report.evidence {
        line(
            out,
            &tongue.pick(
                format!(
                    "증빙 {}건 가운데 {}건의 파일이 해시와 일치 (이름 없는 파일 {}개)",
                    count(evidence.named),
                    count(evidence.found),
                    count(evidence.unnamed)
                ),
                format!(
                    "{} pieces of evidence named, {} of them in the folder with that hash ({} files nobody names)",
                    count(evidence.named),
                    count(evidence.found),
                    count(evidence.unnamed)
                ),
            ),
        );
    }
}

fn wrong(out: &mut String, report: &Report, tongue: Tongue) {
    if report.holds() {
        return;
    }
    head(out, &tongue.pick("잘못된 것", "What is wrong"));
    for finding in report.findings.iter().take(TOLD) {
        told(out, finding, tongue);
    }
    for (code, number) in &report.found {
        line(out, &format!("{code}: {}", count(*number)));
    }
}

fn told(out: &mut String, finding: &Finding, tongue: Tongue) {
    let mut place = Vec::new();
    place.extend(finding.index.map(|index| tongue.pick(format!("기록 {index}"), format!("entry {index}"))));
    place.extend(finding.file.clone());
    place.extend(finding.agency.clone());
    place.extend(finding.event.clone());
    line(out, &plain(&format!("{} — {}", place.join(", "), tongue.of(&finding.what))));
    if let (Some(found), Some(expected)) = (&finding.found, &finding.expected) {
        let (is, should) = (tongue.pick("있는 것", "found"), tongue.pick("맞는 것", "expected"));
        line(out, &plain(&format!("    {is}: {found}")));
        line(out, &plain(&format!("    {should}: {expected}")));
    }
}

fn limits(out: &mut String, report: &Report, tongue: Tongue) {
    head(out, &tongue.pick("어디까지 증명되는가", "How far it is proven"));
    let seen = count(report.seen_size);
    line(
        out,
        &if report.seen_size > 0 {
            tongue.pick(
                format!("기록 {seen}번 미만은 바뀌면 운영자가 아닌 기관의 서명과 어긋나 드러납니다."),
                format!("A change below entry {seen} contradicts what an agency other than the operator has signed."),
            )
        } else {
            tongue.pick(
            "운영자가 아닌 기관이 본 것으로 서명한 체크포인트가 아직 없습니다: 로그의 키를 가진 사람은 아무도 모르게 다시 쓸 수 있습니다.",
            "No agency other than the operator has yet signed a checkpoint as seen: whoever holds the log's key could have written it anew.",
        )
        },
    );
    if let Some(since) = report.held_since {
        line(
            out,
            &tongue.pick(
                format!("감사인이 보관한 체크포인트({}건)와 일치합니다.", count(since)),
                format!("It agrees with the checkpoint the auditor kept, of {} entries.", count(since)),
            ),
        );
    }
    line(
        out,
        &tongue.pick(
            "그보다 뒤의 기록은 기관의 접수증이나 더 새로운 체크포인트와 대조해야 증명됩니다.",
            "What lies above needs an agency's receipt, or a checkpoint kept from earlier, to be proven.",
        ),
    );
    if report.unproven > 0 {
        line(
            out,
            &tongue.pick(
                format!("아직 체크포인트에 들지 않은 기록 {}건은 판정만 확인했습니다.", count(report.unproven)),
                format!(
                    "{} entries are in no checkpoint yet: only their verdicts were checked.",
                    count(report.unproven)
                ),
            ),
        );
    }
    if report.early > 0 {
        line(out, &tongue.pick(
            format!("기관이 서명했다는 시각보다 5분 넘게 이르게 기록된 것이 {}건: 시계가 틀렸거나 시각이 당겨졌습니다.", count(report.early)),
            format!("{} entries were recorded more than 5 minutes before their agency says it signed: a clock is wrong, or a time was put back.", count(report.early)),
        ));
    }
}

fn agencies(out: &mut String, report: &Report, tongue: Tongue) {
    head(out, &tongue.pick("누가 언제 보고했는가 (서울 날짜)", "Who reported when (dates in Seoul)"));
    for (code, row) in &report.agencies {
        line(out, &agency(code, row, tongue));
    }
}

fn agency(code: &str, row: &Agency, tongue: Tongue) -> String {
    let name = row.name.as_ref().map_or("", |name| tongue.of(name));
    let (all, events, refused) = (count(row.entries), count(row.events), count(row.refused));
    let (days, seen) = (days(row.recorded), count(row.seen));
    plain(&tongue.pick(
        format!("{code} {name}: 보고 {all}건, 인정된 사건 {events}건, 반려 {refused}건, {days}, {seen}번까지 보았다고 서명"),
        format!("{code} {name}: {all} reports, {events} accepted events, {refused} refused, {days}, signed as seen up to {seen}"),
    ))
}

fn keys(out: &mut String, report: &Report, tongue: Tongue) {
    head(out, &tongue.pick("키", "Keys"));
    for key in &report.keys {
        let short: String = key.key.chars().take(12).collect();
        let way = match (key.added, key.by_authority_alone) {
            (0, _) => tongue.pick("첫 기록에서", "named by entry 0"),
            (index, false) => tongue
                .pick(format!("기록 {index}에서 기관 스스로"), format!("added by the agency itself, entry {index}")),
            (index, true) => tongue.pick(
                format!("기록 {index}에서 {}만의 서명으로", key.added_by),
                format!("added by {} alone, entry {index}", key.added_by),
            ),
        };
        let mut said = format!("{} {short}… {way}", key.agency);
        if let Some(index) = key.revoked {
            said.push_str(&tongue.pick(format!(", 기록 {index}에서 폐지"), format!(", revoked by entry {index}")));
        }
        let missing = key.holes.iter().map(|(first, end)| format!("{first}–{end}")).collect::<Vec<_>>().join(", ");
        said.push_str(
            &tongue.pick(format!(", 보고 {}번까지", count(key.seq)), format!(", {} reports", count(key.seq))),
        );
        if !missing.is_empty() {
            said.push_str(&tongue.pick(format!(", 빠진 번호 {missing}"), format!(", missing: {missing}")));
        }
        line(out, &plain(&said));
    }
}

fn sample(out: &mut String, report: &Report, tongue: Tongue) {
    if report.sample.is_empty() {
        return;
    }
    head(out, &tongue.pick("현장 확인을 위한 표본", "Sample for closer inspection"));
    for one in &report.sample {
        line(out, &plain(&format!("{}  {}  {}  {}", one.index, one.agency, one.kind, one.event)));
    }
}
