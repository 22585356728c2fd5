//! A real browser: headless Chromium through chromedriver, spoken to over the WebDriver protocol. Found and ended by their own
//! ids; the port is the driver's choice.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::e2e_house::{Guard, until};

/// Name of a found element in WebDriver's JSON.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// One browser with one window.
pub struct Browser {
    session: String,
    agent: ureq::Agent,
    _driver: Guard,
    _profile: TempDir,
}

/// Keys that WebDriver names by code points.
pub const TAB: &str = "\u{e004}";
pub const ENTER: &str = "\u{e007}";

impl Browser {
    /// Starts one with an empty profile.
    pub fn start() -> Browser {
        let mut driver = Command::new("chromedriver");
        driver.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver = Guard(driver.spawn().expect("chromedriver is missing: make browser"));
        let said = BufReader::new(driver.0.stdout.take().unwrap());
        let mut lines = said.lines().map_while(Result::ok);
        let port = lines.find_map(|line| {
            let rest = line.split("started successfully on port ").nth(1)?;
            rest.trim_end_matches('.').parse::<u16>().ok()
        });
        let base = format!("http://127.0.0.1:{}", port.expect("chromedriver names its port"));
        // What it says further on is read and dropped: a full pipe would stop it.
        std::thread::spawn(move || lines.for_each(drop));
        let profile = TempDir::new().unwrap();
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(60)))
            .http_status_as_error(false)
            .build()
            .into();
        let folder = format!("--user-data-dir={}", profile.path().display());
        let mut args = vec!["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"];
        args.extend(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
        args.extend(["--disable-dev-shm-usage", "--lang=ko", folder.as_str()]);
        let wish = json!({ "capabilities": { "alwaysMatch": { "browserName": "chrome", "goog:chromeOptions": { "args": args } } } });
        let answer = post(&agent, &format!("{base}/session"), &wish).unwrap();
        let id = answer["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {answer}"));
        Browser { session: format!("{base}/session/{id}"), agent, _driver: driver, _profile: profile }
    }

    fn ask(&self, path: &str, body: &Value) -> Value {
        post(&self.agent, &format!("{}{path}", self.session), body).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn try_ask(&self, path: &str, body: &Value) -> Result<Value, String> {
        post(&self.agent, &format!("{}{path}", self.session), body)
    }

    /// Opens an address and waits for it.
    pub fn open(&self, address: &str) {
        self.ask("/url", &json!({ "url": address }));
    }

    /// Runs a script in the page; what it returns.
    pub fn run(&self, script: &str) -> Value {
        self.ask("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Runs a script that calls back with its last argument.
    pub fn run_async(&self, script: &str) -> Value {
        self.ask("/execute/async", &json!({ "script": script, "args": [] }))
    }

    /// The text of an element as readers see it; `None` where there is none, or it was just swapped.
    pub fn text(&self, css: &str) -> Option<String> {
        let found = self.try_ask("/element", &json!({ "using": "css selector", "value": css })).ok()?;
        let id = found[ELEMENT].as_str()?;
        let answer = get(&self.agent, &format!("{}/element/{id}/text", self.session)).ok()?;
        Some(answer.as_str()?.to_owned())
    }

    /// Waits until the text of an element fits.
    pub fn until_text(&self, css: &str, fits: impl Fn(&str) -> bool) -> String {
        let mut last = None;
        until(&format!("{css} fits"), || {
            last = self.text(css);
            last.clone().filter(|text| fits(text))
        })
    }

    /// Clicks an element.
    pub fn click(&self, css: &str) {
        let found = self.ask("/element", &json!({ "using": "css selector", "value": css }));
        self.ask(&format!("/element/{}/click", found[ELEMENT].as_str().unwrap()), &json!({}));
    }

    /// Presses keys, one after the other.
    pub fn press(&self, keys: &[&str]) {
        let actions: Vec<Value> = keys
            .iter()
            .flat_map(|key| [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })])
            .collect();
        self.ask("/actions", &json!({ "actions": [{ "type": "key", "id": "keys", "actions": actions }] }));
    }

    /// Opens another tab and goes there; the tab it came from.
    pub fn new_tab(&self) -> String {
        let before = get(&self.agent, &format!("{}/window", self.session)).unwrap();
        let tab = self.ask("/window/new", &json!({ "type": "tab" }));
        self.go_to(tab["handle"].as_str().unwrap());
        before.as_str().unwrap().to_owned()
    }

    /// Goes to a tab.
    pub fn go_to(&self, tab: &str) {
        self.ask("/window", &json!({ "handle": tab }));
    }

    /// Address of the page.
    pub fn address(&self) -> String {
        get(&self.agent, &format!("{}/url", self.session)).unwrap().as_str().unwrap().to_owned()
    }

    /// A command of the DevTools protocol.
    pub fn devtools(&self, command: &str, params: Value) -> Value {
        self.ask("/goog/cdp/execute", &json!({ "cmd": command, "params": params }))
    }

    /// A screen of so many CSS pixels.
    pub fn screen(&self, width: u32, height: u32) {
        let params = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", params);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends the browser; where it is gone already, so is the browser.
        let _ = self.agent.delete(&self.session).call();
    }
}

fn value_of(mut answer: ureq::http::Response<ureq::Body>) -> Result<Value, String> {
    let body = answer.body_mut().with_config().limit(64 << 20).read_to_vec().map_err(|error| error.to_string())?;
    let mut body: Value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
    if answer.status() != 200 {
        return Err(body["value"].to_string());
    }
    Ok(body["value"].take())
}

fn post(agent: &ureq::Agent, address: &str, body: &Value) -> Result<Value, String> {
    let request = agent.post(address).header("content-type", "application/json");
    value_of(request.send(body.to_string()).map_err(|error| error.to_string())?)
}

fn get(agent: &ureq::Agent, address: &str) -> Result<Value, String> {
    value_of(agent.get(address).call().map_err(|error| error.to_string())?)
}

/// The accessibility rules of axe-core, as `make browser` fetched them.
pub fn axe() -> String {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".cache/axe.min.js");
    std::fs::read_to_string(&file).expect("axe-core is missing: make browser")
}
