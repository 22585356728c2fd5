//! The verdict as one page for someone who is no cryptographer, in Korean or English. It only words a [`Report`].

use crate::audit::report::{Finding, Key, Report};
use crate::catalogue::units;
use crate::cli::Context;
use crate::cli::table::{Style, Table, cell, harmless};
use crate::event::lang::Lang;
use crate::event::{Amount, Time};
use crate::limits::WITHHELD_TOLD_MAX;

/// Findings told in full on the page.
const TOLD: usize = 12;

fn count(number: u64) -> String {
    units::english(Amount::from_int(i64::try_from(number).unwrap_or(i64::MAX)))
}

fn days(span: Option<(Time, Time)>) -> String {
    span.map_or_else(|| "–".to_owned(), |(first, last)| format!("{} – {}", first.day(), last.day()))
}

/// The first of them.
fn indexes(all: &[u64]) -> String {
    let told: Vec<String> = all.iter().take(WITHHELD_TOLD_MAX).map(ToString::to_string).collect();
    format!("{}{}", told.join(", "), if all.len() > WITHHELD_TOLD_MAX { ", …" } else { "" })
}

/// The page.
#[must_use]
pub fn page(report: &Report, context: &Context) -> String {
    let mut page = Page { out: String::new(), report, lang: context.lang, context };
    page.verdict();
    page.checked();
    page.wrong();
    page.reach();
    page.agencies();
    page.keys();
    page.sample();
    page.out
}

struct Page<'a> {
    out: String,
    report: &'a Report,
    lang: Lang,
    context: &'a Context,
}

impl Page<'_> {
    fn head(&mut self, ko: &str, en: &str) {
        let head = Style::Bold.paint(self.lang.pick(ko, en), self.context.colour);
        self.out.push_str(&format!("\n{head}\n"));
    }

    fn line(&mut self, ko: &str, en: &str) {
        let text = harmless(self.lang.pick(ko, en));
        self.out.push_str(&format!("  {text}\n"));
    }

    fn verdict(&mut self) {
        let report = self.report;
        let total = count(report.found.values().sum());
        let title = format!("{} {}\n", self.lang.pick("감사 결과:", "Audit of"), harmless(&report.origin));
        let (style, ko, en) = match (report.holds(), report.first_wrong()) {
            (true, _) => (
                Style::Green,
                "이상 없음: 확인한 모든 것이 서로 맞습니다".to_owned(),
                "Nothing wrong was found: everything that was checked agrees".to_owned(),
            ),
            (false, Some(index)) => (
                Style::Red,
                format!("문제 {total}건. 처음 잘못된 기록: {index}번"),
                format!("Found wrong: {total}. First entry concerned: {index}"),
            ),
            (false, None) => (Style::Red, format!("문제 {total}건"), format!("Found wrong: {total}")),
        };
        let said = style.paint(self.lang.pick(&ko, &en), self.context.colour);
        self.out.push_str(&format!("{title}{said}\n"));
        if report.simulated {
            self.line("모의 원장입니다: 실제 보고가 아닙니다.", "This ledger is simulated: its reports are not real.");
        }
        if !report.withheld.is_empty() {
            let (number, which) = (count(report.withheld.len() as u64), indexes(&report.withheld));
            let confirmed = count(report.withheld_confirmed);
            let ko = format!(
                "법에 따라 본문 일부를 제거한 기록: {number}건 ({which}). 주무 부처와 기관이 서명한 것과 일치합니다. 이 {number}건의 판정은 로그에 적힌 대로 받아들였고, 그 가운데 {confirmed}건의 집계는 제거 전에 기록된 해시로 확인됩니다."
            );
            let en = format!(
                "Entries with texts withheld by law: {number} ({which}). Each is what authority and agency signed. The verdicts of these {number} are taken from the log; the figures of {confirmed} are confirmed by a digest recorded before."
            );
            self.line(&ko, &en);
        }
        if !report.withheld_agreed.is_empty() {
            let (number, which) = (count(report.withheld_agreed.len() as u64), indexes(&report.withheld_agreed));
            let ko = format!("제거하기로 결정되었으나 아직 그대로 있는 기록: {number}건 ({which})");
            self.line(&ko, &format!("Entries agreed to be withheld that still stand whole: {number} ({which})"));
        }
    }

    fn checked(&mut self) {
        let report = self.report;
        self.head("확인한 것", "What was checked");
        let size = count(report.size);
        let ko = format!("기록 {size}건 전부를 다시 계산해 서명된 체크포인트와 비교");
        self.line(&ko, &format!("all {size} entries, hashed anew into the root of the signed checkpoint"));
        if report.genesis_confirmed {
            self.line("첫 기록이 따로 받은 해시와 일치", "entry 0 is the one the auditor was given the hash of");
        } else {
            let genesis = &report.genesis;
            let ko = format!("첫 기록의 해시는 {genesis} (따로 받은 것과 대조하십시오)");
            self.line(&ko, &format!("hash of entry 0: {genesis} (compare it with one given to you elsewhere)"));
        }
        if report.signatures_asked {
            let number = count(report.signatures);
            let ko = format!("기관 서명 {number}건을 로그에 등록된 키로 검증");
            self.line(&ko, &format!("{number} agency signatures, against the keys as the log registers them"));
        } else {
            self.line("서명은 검증하지 않음 (--no-signatures)", "signatures NOT verified (--no-signatures)");
        }
        let (events, states) = (count(report.events), count(report.states));
        let ko = format!("모든 판정을 규칙대로 다시 내림 (인정된 사건 {events}건), 집계 해시 {states}개 재계산");
        self.line(
            &ko,
            &format!("every verdict, made anew ({events} accepted events), and {states} digests of figures"),
        );
        let (published, seen) = (count(report.checkpoints), count(report.seen));
        let ko = format!("공개된 체크포인트 {published}개, 기관이 보았다고 서명한 루트 {seen}건");
        self.line(&ko, &format!("{published} published checkpoints, and {seen} roots that agencies signed as seen"));
        if report.recovered > 0 {
            let number = count(report.recovered);
            let ko = format!("NATS가 잃은 뒤 복구로 옮겨 온 기록 {number}건 (옛 스트림과 순번이 적혀 있음)");
            self.line(
                &ko,
                &format!(
                    "{number} entries were brought by a recovery after NATS lost reports; each names its old place"
                ),
            );
        }
        if let Some(evidence) = &report.evidence {
            let [named, found, rest] = [evidence.named, evidence.found, evidence.unnamed].map(count);
            let ko = format!("증빙 해시 {named}건 가운데 {found}건의 파일 확인 (아무도 언급하지 않은 파일 {rest}개)");
            self.line(&ko, &format!("{named} hashes of evidence, {found} of them on file ({rest} files nobody names)"));
        }
    }

    fn witnesses(&mut self) {
        let Some(witnesses) = &self.report.witnesses else { return };
        let [covered, size] = [witnesses.covered, self.report.size].map(count);
        let each = witnesses.each.iter().map(|one| {
            let day = one.time.map_or_else(|| "–".to_owned(), |time| time.day().to_string());
            format!("{} {} ({day})", one.name, count(one.size))
        });
        let each = each.collect::<Vec<_>>().join(", ");
        let ko = format!("외부 증인이 서명한 기록: {size}건 중 {covered}건까지 – {each}");
        self.line(&ko, &format!("Outside witnesses have cosigned {covered} of {size} entries: {each}"));
        if let Some(late) = witnesses.latest_s.map(count) {
            let ko = format!(
                "기록된 뒤 첫 증인이 서명하기까지 가장 오래 걸린 것은 {late}초이며, 그동안은 운영자의 말뿐입니다."
            );
            let en = format!(
                "The longest an entry waited for its first witness is {late} s; until then it was the operator's word alone."
            );
            self.line(&ko, &en);
        }
    }

    fn forks(&mut self) {
        for fork in &self.report.forks {
            let name = &fork.name;
            let ko =
                format!("로그의 키가 두 로그에 서명했다는 증거 {name} (--conflicts DIR로 저장, `jindo verify`로 확인)");
            let en = format!(
                "{name} proves that the log's key signed two logs (--conflicts DIR keeps it, `jindo verify` checks it)"
            );
            self.line(&ko, &en);
        }
    }

    fn wrong(&mut self) {
        if self.report.holds() {
            return;
        }
        self.head("잘못된 것", "What is wrong");
        for finding in self.report.findings.iter().take(TOLD) {
            self.told(finding);
        }
        for (code, number) in &self.report.found {
            let told = format!("{code}: {}", count(*number));
            self.line(&told, &told);
        }
        self.forks();
    }

    fn told(&mut self, finding: &Finding) {
        let entry = finding.index.map(|index| format!("{} {index}", self.lang.pick("기록", "entry")));
        let place = [entry, finding.file.clone(), finding.agency.clone(), finding.event.clone()];
        let place = place.into_iter().flatten().collect::<Vec<_>>().join(", ");
        let what = format!("{place}: {}", self.lang.of(&finding.what));
        self.line(&what, &what);
        if let (Some(found), Some(expected)) = (&finding.found, &finding.expected) {
            self.line(&format!("    있는 것: {found}"), &format!("    found:    {found}"));
            self.line(&format!("    맞는 것: {expected}"), &format!("    expected: {expected}"));
        }
    }

    fn reach(&mut self) {
        let report = self.report;
        self.head("어디까지 증명되는가", "How far it is proven");
        let seen = count(report.seen_size);
        if report.seen_size > 0 {
            let ko = format!("기록 {seen}번 미만을 바꾸면 운영자가 아닌 기관의 서명과 어긋나 드러납니다.");
            self.line(&ko, &format!("Any change below entry {seen} contradicts what agencies have signed as seen."));
        } else {
            self.line(
                "아직 어느 기관도 체크포인트를 보았다고 서명하지 않았습니다: 로그의 키를 가진 사람은 다시 쓸 수 있습니다.",
                "No agency has signed a checkpoint as seen yet: whoever holds the log's key could have written it anew.",
            );
        }
        if let Some(since) = report.held_since.map(count) {
            let ko = format!("감사인이 보관한 체크포인트({since}건까지)와 일치합니다.");
            self.line(&ko, &format!("It agrees with the checkpoint the auditor kept, of {since} entries."));
        }
        self.witnesses();
        if let Some(held) = report.held_receipts.map(count) {
            let receipts = count(report.receipts);
            let ko = format!("받은 접수증 {receipts}건 가운데 체크포인트 {held}건까지의 것이 로그와 일치합니다.");
            let en = "of them the newest that holds rests on a checkpoint of";
            self.line(&ko, &format!("{receipts} receipts were given: {en} {held} entries."));
        }
        self.above();
        let unproven = count(report.unproven);
        if report.unproven > 0 {
            let ko = format!("체크포인트에 아직 들지 않은 기록 {unproven}건은 판정만 확인했습니다.");
            self.line(&ko, &format!("{unproven} entries are in no checkpoint yet: only their verdicts were checked."));
        }
        let early = count(report.early);
        if report.early > 0 {
            let ko =
                format!("서명했다는 시각보다 5분 넘게 이르게 기록된 것 {early}건: 시계가 틀렸거나 소급되었습니다.");
            let en = "recorded over 5 minutes before they were signed: a clock is wrong, or a time was put back.";
            self.line(&ko, &format!("{early} entries were {en}"));
        }
    }

    /// What nobody outside can vouch for, said plainly.
    fn above(&mut self) {
        let (size, held) = (self.report.size, self.report.held_outside);
        let told = count(held);
        if held >= size {
            let ko = format!("공개된 기록 {told}건 전부가 운영자 밖에서 확인됩니다.");
            return self.line(&ko, &format!("All {told} published entries are held from outside the operator."));
        }
        let above = count(size - held);
        let ko = format!(
            "{told}번부터의 기록 {above}건은 운영자의 말뿐입니다: 기관의 접수증이나 전에 보관한 체크포인트와 대조해야 증명됩니다."
        );
        let en = format!(
            "The {above} entries from {told} on rest on the operator's word: what lies above it needs an agency's receipt or an older checkpoint."
        );
        self.line(&ko, &en);
    }

    fn agencies(&mut self) {
        let lang = self.lang;
        self.head("누가 언제 보고했는가", "Who reported when");
        let mut table = Table::new()
            .left(lang.pick("기관", "agency"))
            .wide(lang.pick("이름", "name"))
            .right(lang.pick("보고", "reports"))
            .right(lang.pick("인정 사건", "events"))
            .right(lang.pick("반려", "refused"))
            .left(lang.pick("기간 (서울)", "between (Seoul)"))
            .right(lang.pick("보았다고 서명", "seen up to"));
        for (code, row) in &self.report.agencies {
            table.row(vec![
                cell(code.clone()),
                cell(row.name.as_ref().map_or("", |name| lang.of(name))),
                cell(count(row.entries)),
                cell(count(row.events)),
                cell(count(row.refused)),
                cell(days(row.recorded)),
                cell(count(row.seen)),
            ]);
        }
        self.out.push_str(&table.render(self.context.width, self.context.colour));
    }

    fn keys(&mut self) {
        let lang = self.lang;
        self.head("키와 그 키가 들어온 길", "Keys, and how they came in");
        let mut table = Table::new()
            .left(lang.pick("기관", "agency"))
            .left(lang.pick("키", "key"))
            .wide(lang.pick("들어온 길", "came in"))
            .right(lang.pick("보고", "reports"))
            .left(lang.pick("빠진 번호", "missing"));
        let (used, idle): (Vec<&Key>, Vec<&Key>) =
            self.report.keys.iter().partition(|key| key.seq > 0 || key.revoked.is_some());
        for key in used {
            let missing = key.holes.iter().map(|(first, end)| format!("{first}–{end}")).collect::<Vec<_>>();
            let short: String = key.key.chars().take(12).collect();
            table.row(vec![
                cell(key.agency.clone()),
                cell(format!("{short}…")),
                cell(self.way(key)),
                cell(count(key.seq)),
                cell(missing.join(", ")).style(Style::Red),
            ]);
        }
        self.out.push_str(&table.render(self.context.width, self.context.colour));
        if !idle.is_empty() {
            let number = idle.len();
            self.line(
                &format!("그 밖에 아직 쓰이지 않은 키 {number}개 (--json에 모두 있음)"),
                &format!("and {number} keys that nobody has used yet (--json lists them)"),
            );
        }
    }

    fn way(&self, key: &Key) -> String {
        let (by, at) = (&key.added_by, key.added);
        let came = match (at, key.by_authority_alone) {
            (0, _) => self.lang.pick("첫 기록", "entry 0").to_owned(),
            (_, false) => {
                self.lang.pick("기관 스스로, 기록 #", "by the agency itself, entry #").replace('#', &at.to_string())
            }
            (_, true) => {
                let said = self.lang.pick("@만의 서명, 기록 #", "by @ alone, entry #");
                said.replace('@', by).replace('#', &at.to_string())
            }
        };
        match key.revoked {
            Some(index) => format!("{came}{}{index}", self.lang.pick(", 폐지 ", ", revoked by entry ")),
            None => came,
        }
    }

    fn sample(&mut self) {
        if self.report.sample.is_empty() {
            return;
        }
        self.head("현장 확인을 위한 표본", "Sample for closer inspection");
        let mut table = Table::new().right("#").left("agency").left("type").wide("event");
        for one in &self.report.sample {
            let cells = [one.index.to_string(), one.agency.clone(), one.kind.clone(), one.event.clone()];
            table.row(cells.into_iter().map(cell).collect());
        }
        self.out.push_str(&table.render(self.context.width, self.context.colour));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped_and_hostile_text_is_plain() {
        for (number, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (71_450_000, "71,450,000")] {
            assert_eq!(count(number), expected);
        }
        let mut report = Report { origin: "a\u{1b}[2Jb".to_owned(), ..Report::default() };
        report.find(Finding::new("x", "", "c\u{202e}d").file("e\rf"));
        let context =
            Context { lang: Lang::En, json: false, data: "data".into(), ledger: None, colour: false, width: None };
        let page = page(&report, &context);
        assert!(page.contains("a\\u{1b}[2Jb") && page.contains("c\\u{202e}d") && page.contains("e\\u{d}f"), "{page}");
    }
}
