//! How to check the ledger without trusting whoever runs it: the checkpoint, who cosigned it, and the commands.

use maud::{Markup, html};
use sha2::{Digest as _, Sha256};

use super::fault::Fault;
use super::visit::Visit;
use crate::event::lang::Lang;
use crate::log::folder::{CHECKPOINT, VKEY};
use crate::log::note::Note;
use crate::serve::log::Content;
use crate::serve::source::{Health, Source};
use crate::sign::hex;

/// What the page shows of the log.
#[derive(Debug, Default)]
pub struct Proof {
    checkpoint: Option<String>,
    vkey: Option<String>,
    genesis: Option<String>,
}

impl Proof {
    /// As it is now.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn read(source: &dyn Source) -> Result<Self, Fault> {
        // Both are short: what is not is none of them.
        let text = |content: Content| content.whole().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ok(Proof {
            checkpoint: source.log_file(CHECKPOINT)?.and_then(text),
            vkey: source.log_file(VKEY)?.and_then(text),
            genesis: source.entry(0)?.map(|entry| hex::encode(&Sha256::digest(entry))),
        })
    }
}

/// The content of the page.
#[must_use]
pub fn content(proof: &Proof, health: &Health, visit: &Visit) -> Markup {
    let lang = visit.lang;
    html! {
        h1 { (lang.pick("이 원장을 믿지 않고 확인하는 법", "How to check this ledger without trusting it")) }
        p.prose { (lang.pick(
            "보고는 기관이 서명하고, 기록은 순서대로 이어져 한 번 적히면 고치거나 끼워 넣을 수 없습니다. 로그 폴더만 있으면 누구나 오프라인으로 모든 서명, 판정, 수치를 다시 계산해 볼 수 있습니다.",
            "Agencies sign their reports, and entries are chained so that none can be altered or slipped in later. With the log folder alone anybody can recompute every signature, verdict and figure offline.",
        )) }
        (state(health, lang))
        (checkpoint(proof, lang))
        (commands(proof, lang))
    }
}

fn state(health: &Health, lang: Lang) -> Markup {
    html! {
        dl.facts {
            div { dt { (lang.pick("기록", "Entries")) } dd.num { (health.size) } }
            div { dt { (lang.pick("체크포인트로 증명됨", "Proven by a checkpoint")) } dd.num { (health.proven_size) } }
            div { dt { (lang.pick("상태", "State")) } dd { (lang.of(&health.why)) } }
            @if let Some(trouble) = &health.proof_trouble {
                div { dt { (lang.pick("증명이 밀리는 이유", "Why proof waits")) } dd { (trouble) } }
            }
        }
    }
}

fn checkpoint(proof: &Proof, lang: Lang) -> Markup {
    let Some(text) = &proof.checkpoint else {
        return html! { p { (lang.pick("아직 공개된 체크포인트가 없습니다.", "No checkpoint is published yet.")) } };
    };
    let own = text.lines().next().unwrap_or_default();
    html! {
        section {
            h2 { (lang.pick("체크포인트", "Checkpoint")) }
            p.prose { (lang.pick(
                "이 체크포인트가 그 앞의 모든 기록을 묶습니다. 볼 때마다 보관해 두면 나중에 바뀐 것이 드러납니다.",
                "This checkpoint binds everything before it. Keep one of each visit: what changes later shows.",
            )) }
            pre tabindex="0" aria-label=(lang.pick("체크포인트", "Checkpoint")) { (text) }
            p { a href="/log/checkpoint" { "log/checkpoint" } @if proof.vkey.is_some() { " · " a href="/log/vkey" { "log/vkey" } } }
            h3 { (lang.pick("누가 서명했는가", "Who signed it")) }
            @match Note::parse(text) {
                Ok(note) => { ul { @for line in &note.signatures {
                    li { code { (line.name) } " " span.quiet { @if line.name == own { (lang.pick("원장의 키", "the ledger’s own key")) } @else { (lang.pick("외부 증인", "an outside witness")) } } }
                } } }
                Err(_) => { p { (lang.pick("서명 줄을 읽을 수 없습니다.", "Its signature lines cannot be read.")) } }
            }
        }
    }
}

fn commands(proof: &Proof, lang: Lang) -> Markup {
    let genesis = proof.genesis.as_deref().unwrap_or("HASH");
    html! {
        section {
            h2 { (lang.pick("전부 확인하기", "Check everything")) }
            p.prose { (lang.pick(
                "기록 0의 SHA-256은 이 화면이 아니라 다른 곳(부처, 신문, 지난해에 적어 둔 것)에서 얻어 비교하세요.",
                "Compare the SHA-256 of entry 0 with one you have from elsewhere: the ministry, a newspaper, your own note of last year.",
            )) }
            pre tabindex="0" aria-label=(lang.pick("확인하는 명령", "Commands")) { "rsync -a … ./log\njindo audit --log ./log --genesis " (genesis) }
            @if let Some(vkey) = &proof.vkey {
                h3 { (lang.pick("원장의 공개 키", "The ledger’s public key")) }
                pre tabindex="0" aria-label=(lang.pick("원장의 공개 키", "The ledger’s public key")) { (vkey) }
            }
        }
    }
}
