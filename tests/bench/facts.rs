//! What the events say: `data` for each of the 34 indicators, from a seed and a revision. A correction states the same
//! fact with the next revision. Never depends on anything else.

use std::fmt::Write as _;

use crate::random::Random;

/// The 34 indicators and the event types that move them, first the usual one.
pub const LINES: [(&str, &[&str]); 34] = [
    ("growth-engines", &["growth-engine.selected.v1"]),
    ("mega-region-clusters", &["cluster.launched.v1"]),
    ("re100-sites", &["site.stage-reached.v1"]),
    ("alliance-members", &["alliance.counted.v1"]),
    ("ai-factories-2026", &["factory.deployed.v1"]),
    ("ai-factories-2030", &["factory.deployed.v1"]),
    ("npu-industries", &["chip.stage-reached.v1"]),
    ("shared-foundry", &["foundry.stage-reached.v1"]),
    ("fabless-growth", &["fabless.measured.v1"]),
    ("battery-rnd", &["rnd.disbursed.v1", "rnd.committed.v1"]),
    ("ess-bid-rule", &["rule.adopted.v1"]),
    ("car-capacity", &["capacity.reported.v1"]),
    ("future-car-rnd", &["rnd.disbursed.v1"]),
    ("ev-chargers", &["charger.installed.v1"]),
    ("ev-switch-grant", &["grant.paid.v1"]),
    ("kc2-plan", &["plan.published.v1"]),
    ("ammonia-propulsion", &["technology.stage-reached.v1"]),
    ("defence-zones", &["zone.designated.v1"]),
    ("canada-submarines", &["bid.decided.v1"]),
    ("aero-engine", &["rnd.disbursed.v1", "rnd.committed.v1"]),
    ("us-investment-fund", &["fund.project-selected.v1", "fund.drawn.v1"]),
    ("fdi", &["fdi.notified.v1", "fdi.arrived.v1", "fdi.signed.v1"]),
    ("exports", &["export.reported.v1"]),
    ("us-investor-cases", &["case.resolved.v1"]),
    ("china-services-fta", &["agreement.stage-reached.v1"]),
    ("cptpp-review", &["accession.decided.v1"]),
    ("nuclear-contracts", &["contract.signed.v1"]),
    ("export-mix", &["export.reported.v1"]),
    ("us-trade-issues", &["narrative.filed.v1"]),
    ("ministry-culture", &["survey.published.v1"]),
    ("public-bodies-trust", &["survey.published.v1"]),
    ("resource-security-office", &["unit.established.v1"]),
    ("industrial-ai-bureau", &["unit.established.v1"]),
    ("us-trade-division", &["unit.established.v1"]),
];

const REGIONS: [&str; 17] =
    ["11", "26", "27", "28", "29", "30", "31", "41", "42", "43", "44", "45", "46", "47", "48", "49", "50"];
const COUNTRIES: [&str; 12] = ["US", "JP", "CN", "DE", "NL", "SG", "GB", "FR", "CA", "AU", "CZ", "PL"];
const INDUSTRIES: [&str; 8] =
    ["chips", "displays", "batteries", "bio", "robots", "hydrogen", "defence", "shipbuilding"];
const FIELDS: [&str; 5] = ["all-solid-state", "lithium-metal", "lithium-sulphur", "materials", "other"];
const CAR_FIELDS: [&str; 3] = ["self-driving-ai", "car-chips", "software-defined-car"];

/// The event's `time`: a second of one of the 365 days of 2025.
pub fn time(seed: u64) -> String {
    let mut random = Random(seed);
    let (mut month, mut day) = (0, random.below(365) as u32);
    for length in [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    let second = random.below(86_400);
    let (month, day) = (month + 1, day + 1);
    format!("2025-{month:02}-{day:02}T{:02}:{:02}:{:02}+09:00", second / 3_600, second / 60 % 60, second % 60)
}

/// `data` as JSON text.
pub fn data(line: usize, kind: &str, seed: u64, revision: u64) -> String {
    let mut r = Random(seed ^ 0xda7a);
    let mut out = format!("{{{}", fields(LINES[line].0, kind, &mut r, revision));
    let _ = write!(
        out,
        ",\"approval\":{{\"document\":\"IP-2025-{:05}\",\"role\":\"director\"}},\
         \"evidence\":[{{\"url\":\"https://open.example.kr/doc/{:012x}\"}}]}}",
        r.below(100_000),
        r.below(1 << 48)
    );
    out
}

fn fields(id: &str, kind: &str, r: &mut Random, revision: u64) -> String {
    let region = r.of(&REGIONS);
    let stage = |r: &mut Random, stages: &[&str]| format!("\"stage\":\"{}\"", r.of(stages));
    let money = |r: &mut Random, unit: u64, currency: &str| {
        format!("\"amount\":{},\"currency\":\"{currency}\"", (1 + r.below(9_000) + revision) * unit)
    };
    match kind {
        "growth-engine.selected.v1" => format!("\"region\":\"{region}\",\"industry\":\"{}\"", r.of(&INDUSTRIES)),
        "cluster.launched.v1" => {
            format!(
                "\"cluster\":\"cl-{}\",\"region\":\"{region}\",\"industry\":\"{}\"",
                r.below(200_000),
                r.of(&INDUSTRIES)
            )
        }
        "site.stage-reached.v1" => format!(
            "\"site\":\"re-{}\",\"region\":\"{region}\",{}",
            r.below(200_000),
            stage(r, &["designated", "under-construction", "powered"])
        ),
        "alliance.counted.v1" => format!("\"count\":{},\"alliance\":\"m-ax\"", 1_000 + r.below(900) + revision),
        "factory.deployed.v1" => format!(
            "\"business_number\":\"{:010}\",\"site\":\"plant-{}\",\"region\":\"{region}\",{}",
            1_000_000_000 + r.below(100_000),
            1 + r.below(3),
            stage(r, &["selected", "operating"])
        ),
        "chip.stage-reached.v1" => {
            let industry = r.of(&["car", "appliance", "robot"]);
            format!(
                "\"industry\":\"{industry}\",{},\"chip\":\"npu-{}\"",
                stage(r, &["agreed", "prototype", "in-use"]),
                r.below(99)
            )
        }
        "foundry.stage-reached.v1" => {
            format!("{},\"region\":\"{region}\"", stage(r, &["approved", "under-construction", "operating"]))
        }
        "fabless.measured.v1" => format!(
            "\"measure\":\"{}\",\"ratio\":\"{}.{:02}\",\"base_year\":2025,\"period\":\"2025-Q{}\"",
            r.of(&["revenue", "firms"]),
            1 + r.below(9) + revision,
            r.below(100),
            1 + r.below(4)
        ),
        "rnd.disbursed.v1" | "rnd.committed.v1" => research(id, kind, r, region, revision),
        "rule.adopted.v1" => format!("\"rule\":\"ess-industrial-contribution\",\"document\":\"2025-{}\"", r.below(999)),
        "capacity.reported.v1" => {
            format!("\"sector\":\"cars\",\"count\":{},\"region\":\"{region}\"", 3_900_000 + r.below(400_000) + revision)
        }
        "charger.installed.v1" => chargers(r, region, revision),
        "grant.paid.v1" => format!("{},\"vehicles\":{},\"region\":\"{region}\"", money(r, 100, "KRW"), 1 + r.below(50)),
        "plan.published.v1" => format!("\"plan\":\"kc-2-demonstration\",\"name\":\"KC-2 {}\"", r.below(99)),
        "technology.stage-reached.v1" => format!(
            "\"technology\":\"ammonia-propulsion\",{}",
            stage(r, &["designed", "prototype", "demonstrated", "certified"])
        ),
        "zone.designated.v1" => {
            format!("\"sector\":\"defence\",\"zone\":\"dz-{}\",\"region\":\"{region}\"", r.below(200_000))
        }
        "bid.decided.v1" => format!(
            "\"bid\":\"canada-submarines\",{},\"outcome\":\"{}\",\"country\":\"CA\"",
            stage(r, &["shortlisted", "under-decision", "awarded"]),
            r.of(&["undecided", "won", "split", "lost"])
        ),
        "fund.project-selected.v1" | "fund.drawn.v1" => format!(
            "\"project\":\"us-{}\",\"basis\":\"{}\",{},\"sector\":\"{}\"",
            r.below(200),
            if kind == "fund.drawn.v1" { "drawn" } else { "selected" },
            money(r, 1_000, "USD"),
            r.of(&INDUSTRIES)
        ),
        "fdi.notified.v1" | "fdi.arrived.v1" | "fdi.signed.v1" => format!(
            "\"basis\":\"{}\",\"kind\":\"{}\",{},\"country\":\"{}\",\"region\":\"{region}\"",
            &kind[4..kind.len() - 3],
            r.of(&["greenfield", "merger", "project", "other"]),
            money(r, 1_000, "USD"),
            r.of(&COUNTRIES)
        ),
        "export.reported.v1" => exports(id, r, revision),
        "case.resolved.v1" => format!(
            "\"country\":\"US\",\"count\":{},\"category\":\"{}\"",
            1 + r.below(9) + revision,
            r.of(&["visa", "tariff", "permit", "tax", "labour", "other"])
        ),
        "agreement.stage-reached.v1" => format!(
            "\"agreement\":\"korea-china-services-investment\",{}",
            stage(r, &["negotiating", "concluded", "signed", "in-force"])
        ),
        "accession.decided.v1" => {
            format!("\"agreement\":\"cptpp\",\"decision\":\"{}\"", r.of(&["apply", "not-apply", "defer"]))
        }
        "contract.signed.v1" => format!(
            "\"sector\":\"nuclear\",\"contract\":\"nc-{}\",\"country\":\"{}\",{}",
            r.below(200_000),
            r.of(&COUNTRIES),
            money(r, 1_000_000, "KRW")
        ),
        "narrative.filed.v1" => format!("\"topic\":\"{id}\",\"text\":\"Round {} was held.\"", r.below(999)),
        "survey.published.v1" => format!(
            "\"topic\":\"{id}\",\"name\":\"Survey\",\"score\":\"{}.{}\",\"score_max\":100,\"respondents\":{}",
            r.below(100),
            r.below(10),
            100 + r.below(900) + revision
        ),
        "unit.established.v1" => format!("\"unit\":\"{id}\",\"name\":\"Unit {}\",\"rank\":\"division\"", r.below(99)),
        other => panic!("no facts for {other}"),
    }
}

fn research(id: &str, kind: &str, r: &mut Random, region: &str, revision: u64) -> String {
    let programme = id.trim_end_matches("-rnd");
    let field = match programme {
        "battery" => r.of(&FIELDS),
        "future-car" => r.of(&CAR_FIELDS),
        _ => r.of(&["engine-core", "materials", "other"]),
    };
    let basis = if kind == "rnd.committed.v1" { "committed" } else { "disbursed" };
    format!(
        "\"programme\":\"{programme}\",\"basis\":\"{basis}\",\"field\":\"{field}\",\"amount\":{},\"currency\":\"KRW\",\"region\":\"{region}\"",
        (1 + r.below(9_000) + revision) * 1_000
    )
}

/// A quarter of the reports list their chargers.
fn chargers(r: &mut Random, region: &str, revision: u64) -> String {
    let class = r.of(&["fast", "medium", "slow"]);
    let kind = if r.below(5) == 0 { "replacement" } else { "new" };
    let (listed, count) = (r.below(4) == 0, 1 + r.below(4) + revision);
    let mut out = format!("\"region\":\"{region}\",\"class\":\"{class}\",\"kind\":\"{kind}\",\"count\":{count}");
    if listed {
        let series = r.below(1 << 40);
        let ids: Vec<String> = (0..count).map(|number| format!("\"{region}-{series:x}-{number}\"")).collect();
        let _ = write!(out, ",\"chargers\":[{}]", ids.join(","));
    }
    out
}

fn exports(id: &str, r: &mut Random, revision: u64) -> String {
    let period = format!("2025-{:02}", 1 + r.below(12));
    let amount = 50_000_000_000 + r.below(20_000_000_000) + revision;
    let item = if id == "exports" { "total" } else { r.of(&["food", "defence", "grid-equipment"]) };
    let share = if id == "exports" {
        String::new()
    } else {
        format!(",\"share\":\"{}.{}\"", r.below(20) + revision, r.below(10))
    };
    format!(
        "\"period\":\"{period}\",\"item\":\"{item}\",\"amount\":{amount},\"currency\":\"USD\",\"basis\":\"customs\"{share}"
    )
}
