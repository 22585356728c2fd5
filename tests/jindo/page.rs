//! The page in a real browser over a real ledger: it follows, it survives, it tells the past, it serves everybody.

use serde_json::{Value, json};

use crate::browser::{Browser, ENTER, TAB, axe};
use crate::e2e_house::{Folder, Ledger, until};

/// Every page there is, with what only some have.
const PAGES: [&str; 13] = [
    "/",
    "/?view=table",
    "/?status=met",
    "/indicators/ev-chargers",
    "/indicators/exports",
    "/indicators/aero-engine",
    "/indicators/resource-security-office",
    "/indicators/ev-chargers/events",
    "/reports",
    "/refused",
    "/entries/1",
    "/agencies",
    "/verify",
];

fn with(path: &str, query: &str) -> String {
    let sign = if path.contains('?') { '&' } else { '?' };
    format!("{path}{sign}{query}")
}

fn report(folder: &Folder, count: &str, region: &str, more: &[&str]) {
    let (count, region) = (format!("count={count}"), format!("region={region}"));
    let mut args = vec!["report", "charger.installed", "--agency", "keco", "class=fast", &count, &region];
    args.extend(more);
    let out = folder.run(&args);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

/// A report that is refused, one with markup in its remark, a forecast, a dispute: what pages must be able to show.
fn busy(folder: &Folder) {
    report(
        folder,
        "1200",
        "11",
        &["--time", "2026-03-02", "remark=<script>document.title='broken'</script><b>굵게</b>"],
    );
    report(
        folder,
        "340",
        "26",
        &["--time", "2026-05-04", "provisional=true", "--id", "018f7b1e-7c1a-7e3a-9b1e-2f6d1c0a4b5c"],
    );
    report(folder, "77", "49", &["--time", "2026-06-01"]);
    for args in [
        &[
            "report",
            "report.disputed",
            "--agency",
            "kepco",
            "agency=keco",
            "disputes=018f7b1e-7c1a-7e3a-9b1e-2f6d1c0a4b5c",
            "reason=같은 설비",
        ][..],
        &[
            "report",
            "forecast.stated",
            "--agency",
            "keco",
            "indicator=ev-chargers",
            "date=2026-12-31",
            "outlook=at-risk",
            "value=70000",
        ],
    ] {
        let out = folder.run(args);
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    }
    // Not theirs to report: recorded, and refused.
    let out = folder.run(&["report", "charger.installed", "--agency", "kita", "class=fast", "count=1", "region=11"]);
    assert!(!out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
}

#[test]
fn a_report_changes_the_card_without_reload_and_a_restart_is_told_and_caught_up() {
    let folder = Folder::new();
    let ledger = Ledger::up(&folder);
    let browser = Browser::start();
    browser.open(&format!("{}/?lang=en", ledger.http));
    browser.run("window.sameDocument = true");
    let card = "#card-ev-chargers .figure-value";
    assert_eq!(browser.text(card).unwrap(), "nothing reported");
    browser.until_text("#pill-text", |text| text == "live");
    // A second tab of the same browser holds no stream of its own, and follows all the same.
    let first = browser.new_tab();
    browser.open(&format!("{}/indicators/ev-chargers?lang=en", ledger.http));
    browser.until_text("#pill-text", |text| text == "live");
    let locks = "navigator.locks.query().then((all) => arguments[0]([all.held.length, all.pending.length]))";
    assert_eq!(browser.run_async(locks), json!([1, 1]));
    report(&folder, "3", "26", &["--time", "2026-02-02"]);
    browser.until_text(".headline .figure-value", |text| text == "3");
    browser.go_to(&first);
    browser.until_text(card, |text| text == "3");
    let silent: u64 = browser.text(".count.status-no_report strong").unwrap().parse().unwrap();

    report(&folder, "12", "11", &[]);
    browser.until_text(card, |text| text == "15");
    let fewer = (silent - 1).to_string();
    browser.until_text(".count.status-no_report strong", |text| text == fewer);
    browser.until_text("#stand", |text| text.contains(&format!("{} log entries", ledger.size())));
    assert!(
        browser.run("return document.getElementById('news').textContent").as_str().unwrap().contains("EV chargers: 15")
    );

    let address = ledger.http.trim_start_matches("http://").to_owned();
    ledger.kill();
    browser.until_text("#pill-text", |text| text.starts_with("reconnecting · figures of "));
    let ledger = Ledger::up_at(&folder, &address);
    report(&folder, "30", "26", &[]);
    browser.until_text(card, |text| text == "45");
    browser.until_text("#pill-text", |text| text == "live");
    assert_eq!(browser.run("return window.sameDocument"), json!(true));
    drop(ledger);
}

#[test]
fn past_moments_languages_and_themes_stand_in_the_address() {
    let folder = Folder::new();
    let ledger = Ledger::up(&folder);
    let before = ledger.settled();
    busy(&folder);
    let browser = Browser::start();

    browser.open(&format!("{}/?lang=en&as_of=2026-05-03&theme=dark", ledger.http));
    assert_eq!(browser.text("#card-ev-chargers .figure-value").unwrap(), "1,200");
    assert!(
        browser
            .text(".notice.past")
            .unwrap()
            .starts_with("You are looking at the past. What had happened by 3 May 2026")
    );
    assert_eq!(browser.text("#pill-text").unwrap(), "showing the past");
    // The moment is kept on the way through the pages, and so are language and theme.
    browser.click("#card-ev-chargers h3 a");
    browser.until_text("h1", |text| text == "EV chargers");
    assert!(browser.address().contains("as_of=2026-05-03"), "{}", browser.address());
    browser.click("nav a[href^='/agencies']");
    browser.until_text("h1", |text| text == "Agencies");
    assert!(["as_of=2026-05-03", "lang=en", "theme=dark"].iter().all(|kept| browser.address().contains(kept)));
    browser.click("a.choice[lang=ko]");
    browser.until_text("h1", |text| text == "보고 기관");
    assert_eq!(browser.run("return document.documentElement.lang + document.documentElement.dataset.theme"), "kodark");
    let paper = "return getComputedStyle(document.body).backgroundColor";
    let dark = browser.run(paper);
    browser.click("a.choice[href*='theme=light']");
    until("light", || (browser.run(paper) != dark).then_some(()));
    browser.click(".notice.past a");
    browser.until_text("h1", |text| text == "보고 기관");
    assert!(!browser.address().contains("as_of"));

    // Known by then: before any charger was reported, though they had been installed.
    browser.open(&format!("{}/indicators/ev-chargers?lang=ko&known_at={before}", ledger.http));
    assert_eq!(browser.text(".headline .figure-value").unwrap(), "보고된 값 없음");
    assert!(browser.text(".notice.past").unwrap().contains(&format!("{before}건")));
    // The permanent address of a page shows the same later.
    browser.open(&format!("{}/indicators/ev-chargers?lang=ko", ledger.http));
    let shown = browser.text(".headline").unwrap();
    browser.click("footer.bottom p a");
    browser.until_text(".notice.past", |_| true);
    let fixed = browser.address();
    report(&folder, "5", "11", &["--time", "2026-03-02"]);
    browser.open(&fixed);
    assert_eq!(browser.text(".headline").unwrap(), shown);
}

#[test]
fn everything_is_there_without_a_script_on_a_phone_and_by_keyboard() {
    let folder = Folder::new();
    let ledger = Ledger::up(&folder);
    busy(&folder);
    let browser = Browser::start();
    browser.screen(320, 640);
    for path in PAGES {
        for lang in ["lang=ko", "lang=en"] {
            browser.open(&format!("{}{}", ledger.http, with(path, lang)));
            // A phone makes its window as wide as what overflows: so it is held against the screen.
            let wide = browser.run("return document.documentElement.scrollWidth");
            assert!(wide.as_u64() <= Some(320), "{path} {lang} scrolls sideways: {wide}");
            assert_eq!(browser.run("return document.querySelectorAll('h1').length"), 1, "{path}");
            assert_ne!(browser.run("return document.title"), "broken", "{path}");
        }
    }
    at_every_width(&browser, &ledger);
    browser.screen(1280, 800);

    // By keyboard: the skip link comes first and leads into the content, links work with Enter.
    let focused = "return document.activeElement.textContent.trim()";
    until("the skip link comes first", || {
        browser.open(&format!("{}/?lang=en", ledger.http));
        browser.press(&[TAB]);
        // A busy browser may drop a key pressed while it draws: then nothing has the focus, and it is pressed on a fresh page.
        let first = browser
            .run("return document.activeElement === document.body ? '' : document.activeElement.textContent.trim()");
        assert!(["", "Skip to content"].contains(&first.as_str().unwrap()), "{first} comes before the skip link");
        (first == "Skip to content").then_some(())
    });
    browser.press(&[ENTER]);
    until("the skip link leads on", || (browser.run("return document.activeElement.id") == "main").then_some(()));
    browser.press(&[TAB]);
    assert!(browser.run(focused).as_str().unwrap().contains("overdue"));
    let outline = browser.run("return getComputedStyle(document.activeElement).outlineWidth");
    assert_eq!(outline, "3px");
    browser.press(&[ENTER]);
    until("the filter holds", || browser.address().contains("status=overdue").then_some(()));

    browser.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": true }));
    browser.open(&format!("{}/?lang=en", ledger.http));
    assert_eq!(browser.text("#card-ev-chargers .figure-value").unwrap(), "1,617");
    assert!(browser.text("#pill-text").unwrap().ends_with(" figures"), "a page that does not follow must not say so");
    browser.click("#card-ev-chargers h3 a");
    assert!(browser.text("#live").unwrap().contains("<script>document.title='broken'</script>"));
    browser.click("summary");
    assert!(browser.text("#points").unwrap().contains("1,617"));
}

/// Seen on tablets: pages wider than the screen, and counts of statuses with a hole behind them. And what is to be hit is large enough.
fn at_every_width(browser: &Browser, ledger: &Ledger) {
    for width in [360, 768, 1440, 2560] {
        browser.screen(width, 800);
        for path in ["/", "/?view=table", "/indicators/ev-chargers", "/reports", "/agencies"] {
            browser.open(&format!("{}{}", ledger.http, with(path, "lang=en")));
            let wide = browser.run("return document.documentElement.scrollWidth");
            assert!(wide.as_u64() <= Some(u64::from(width)), "{path} at {width} scrolls sideways: {wide}");
            let small = browser.run(
                "return [...document.querySelectorAll('.tools a, nav a, .views a, .count a, button, select, summary')]
                     .filter((one) => one.offsetWidth < 24 || one.offsetHeight < 24).map((one) => one.textContent)",
            );
            assert_eq!(small, json!([]), "{path} at {width}");
        }
        browser.open(&format!("{}/?lang=en", ledger.http));
        let rows = browser.run(
            "const rows = {};
             for (const one of document.querySelectorAll('.count')) rows[one.offsetTop] = (rows[one.offsetTop] || 0) + 1;
             return Object.values(rows)",
        );
        assert!(rows == json!([8]) || rows == json!([4, 4]), "counts at {width}: {rows}");
    }

    // Paper is white: what is dark on the screen is not printed in light letters.
    browser.open(&format!("{}/?theme=dark", ledger.http));
    browser.devtools("Emulation.setEmulatedMedia", json!({ "media": "print" }));
    assert_eq!(browser.run("return getComputedStyle(document.body).color"), "rgb(20, 25, 31)");
    browser.devtools("Emulation.setEmulatedMedia", json!({ "media": "" }));
}

/// The addresses that a page names, and what it says.
fn links(ledger: &Ledger, path: &str) -> (u16, String, Vec<String>) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut answer = agent.get(format!("{}{path}", ledger.http)).call().unwrap();
    let text = String::from_utf8_lossy(&answer.body_mut().read_to_vec().unwrap()).into_owned();
    let is_page = answer.headers()["content-type"].to_str().unwrap().starts_with("text/html");
    let named = ["href=\"", "src=\"", "data-fragment=\""];
    let found = named.iter().flat_map(|name| text.split(name).skip(1)).filter_map(|rest| rest.split('"').next());
    let found = found.filter(|link| is_page && link.starts_with('/')).map(|link| link.replace("&amp;", "&"));
    (answer.status().as_u16(), text.clone(), found.collect())
}

#[test]
fn every_link_leads_somewhere_and_every_figure_adds_up() {
    let folder = Folder::new();
    let ledger = Ledger::up(&folder);
    busy(&folder);
    ledger.proven();
    let mut open: Vec<String> = PAGES.iter().map(|path| (*path).to_owned()).collect();
    open.push("/?lang=en&as_of=2026-05-03&known_at=30".to_owned());
    let mut seen: std::collections::BTreeSet<String> = open.iter().cloned().collect();
    while let Some(path) = open.pop() {
        let (status, text, found) = links(&ledger, &path);
        assert_eq!(status, 200, "{path}: {text}");
        // The pages of one moment and language stand for those of the others.
        let known = |link: &String| link.contains("lang=") || link.contains("theme=") || link.contains("known_at=");
        open.extend(found.into_iter().filter(|link| !known(link)).filter(|link| seen.insert(link.clone())));
    }
    assert!(seen.len() > 200, "{} addresses", seen.len());

    // Sums and counts: what the events on the page add is the figure. Stated values: one of them is it.
    let (_, view) = ledger.get("/v1/indicators");
    let mut added = 0;
    for indicator in view["indicators"].as_array().unwrap() {
        let id = indicator["id"].as_str().unwrap();
        let (status, text, _) = links(&ledger, &format!("/indicators/{id}/events?lang=en"));
        assert_eq!(status, 200, "{id}");
        let has_value = !indicator["figure"]["value"].is_null() && indicator["figure"]["reports"] != 0;
        if has_value && ["sum", "distinct"].contains(&indicator["fold"].as_str().unwrap()) {
            assert!(text.contains("the whole figure"), "{id} does not add up: {text}");
            added += 1;
        }
        assert!(!has_value || !text.contains("No report stands behind"), "{id}");
    }
    assert!(added >= 2, "{added} figures were added up");
}

#[test]
fn the_overview_is_light_on_a_phone_and_nothing_jumps() {
    let folder = Folder::new();
    let ledger = Ledger::up(&folder);
    busy(&folder);
    let browser = Browser::start();
    browser.screen(360, 780);
    browser.open(&format!("{}/?lang=ko", ledger.http));
    browser.until_text("#pill-text", |text| text == "실시간");
    let measured = browser.run_async(
        "const done = arguments[0];
         let moved = 0;
         const sum = (list) => list.getEntries().forEach((shift) => moved += shift.value);
         new PerformanceObserver(sum).observe({ type: 'layout-shift', buffered: true });
         const bytes = ['navigation', 'resource'].flatMap((kind) => performance.getEntriesByType(kind))
             .reduce((all, one) => all + one.transferSize, 0);
         requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => done([bytes, moved]), 0)))",
    );
    let bytes = measured[0].as_u64().unwrap();
    assert!((5_000..60_000).contains(&bytes), "{bytes} bytes are transferred");
    assert_eq!(measured[1].as_f64(), Some(0.0), "parts of the page jump");
}

#[test]
fn axe_finds_nothing_on_any_page_in_either_language_and_theme() {
    let folder = Folder::new();
    let ledger = Ledger::up(&folder);
    busy(&folder);
    let browser = Browser::start();
    browser.screen(1280, 900);
    let axe = axe();
    let events = ledger.get("/v1/indicators/ev-chargers/events").1;
    let record = format!("/records/{}", events["events"][0]["id"].as_str().unwrap());
    let more = ["/?as_of=2026-05-03", "/?as_of=never", "/indicators/none", "/nothing/here", &record];
    let parts = ["/indicators/ev-chargers/events?path=part/fast", "/indicators/ev-chargers/events?path=region/11"];
    for path in PAGES.iter().copied().chain(more).chain(parts) {
        for (lang, theme) in [("ko", "light"), ("ko", "dark"), ("en", "light"), ("en", "dark")] {
            browser.open(&format!("{}{}", ledger.http, with(path, &format!("lang={lang}&theme={theme}"))));
            browser.run(&axe);
            let found = browser.run_async(
                "const done = arguments[arguments.length - 1];
                 axe.run(document, { resultTypes: ['violations'] }).then((result) => done(result.passes.length > 10 ? result.violations : ['nothing was checked']), (error) => done([String(error)]))",
            );
            let found: Vec<String> = found.as_array().unwrap().iter().map(short).collect();
            assert!(found.is_empty(), "{path} {lang} {theme}:\n{}", found.join("\n"));
        }
    }
}

/// A violation in a line.
fn short(violation: &Value) -> String {
    let nodes = violation["nodes"].as_array().into_iter().flatten();
    let nodes: Vec<String> =
        nodes.take(3).map(|node| format!("{} {}", node["target"], node["failureSummary"])).collect();
    format!("{}: {}\n    {}", violation["id"], violation["help"], nodes.join("\n    "))
}
