//! `jindo export --package DIR`: a Frictionless Data Package (datapackage.org, version 2) of one moment of the ledger: indicators,
//! their lines, and the events that stand, a file for each agency and type, as `jindo import` reads them.
//!
//! Figures come from the running ledger, events from the log folder, both at the same log size. Every file stands in
//! `datapackage.json` with its length and SHA-256, so a copy can be checked.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::path::Path;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::exit::{Exit, could, file};
use crate::cli::journal::{Journal, Wanted};
use crate::cli::ledger::{Ledger, segment};
use crate::cli::{Context, kinds, out};
use crate::event::Time;
use crate::log::tail::LogReader;
use crate::sign::hex;

use super::{Fates, Format, Writer, accepted};

/// The profile that says what a package is.
const PROFILE: &str = "https://datapackage.org/profiles/2.0/datapackage.json";
/// Columns that hold whole numbers, in every table.
const INTEGERS: [&str; 9] =
    ["row", "index", "position", "size", "proven_size", "reports", "provisional", "approximate", "disputed"];

/// Writes it into a folder that is made.
///
/// # Errors
/// A folder that is there already, no running ledger, a file that cannot be written.
pub fn run(folder: &Path, log: &LogReader, fates: &Fates, context: &Context) -> anyhow::Result<Exit> {
    if folder.exists() {
        let shown = folder.display();
        return Err(could(format!("{shown}이(가) 이미 있습니다"), format!("{shown} exists already"))
            .next("새 폴더 이름을 주세요.", "give the name of a new folder")
            .into());
    }
    let ledger = Ledger::find(context)?;
    let (size, origin) = (log.size(), ledger_origin(&ledger, log.size())?);
    std::fs::create_dir_all(folder).map_err(|error| file(folder, &error))?;
    let mut package = Package { folder, resources: Vec::new() };
    let moment = [("known_at", size.to_string()), ("at_least", size.to_string())];
    let text = ledger.get_text("/v1/indicators.csv", &moment)?.unwrap_or_default();
    let ids = first_cells(&text)?;
    package.add("indicators", "indicators.csv", "Every commitment with its figure, target and status", &text)?;
    let mut lines = String::new();
    for id in ids {
        let path = format!("/v1/indicators/{}/series.csv", segment(&id));
        let text = ledger.get_text(&path, &moment)?.unwrap_or_default();
        // One table: the columns are named once.
        lines.push_str(if lines.is_empty() { &text } else { text.split_once("\r\n").map_or("", |(_, rows)| rows) });
    }
    package.add("series", "series.csv", "The line of each commitment, day by day", &lines)?;
    package.events(log, fates, size)?;
    package.describe(&origin, size)?;
    if context.json {
        out::json(&json!({ "folder": folder, "size": size, "resources": package.resources.len() }))?;
    } else {
        let (count, shown) = (package.resources.len(), folder.display());
        let ko = format!("{shown}: 자료 {count}개, 로그 크기 {size}");
        let en = format!("{shown}: {count} resources, log size {size}");
        out::text(context.lang.pick(&ko, &en))?;
    }
    Ok(Exit::Ok)
}

fn ledger_origin(ledger: &Ledger, size: u64) -> anyhow::Result<String> {
    let view: Option<Value> = ledger.get("/v1/indicators", &[("at_least", size.to_string())])?;
    let origin = view.as_ref().and_then(|view| view.get("origin")).and_then(Value::as_str);
    Ok(origin.unwrap_or_default().to_owned())
}

/// The first cell of each row.
fn first_cells(text: &str) -> anyhow::Result<Vec<String>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let cells = reader.records().map(|row| Ok(row?.get(0).unwrap_or_default().to_owned()));
    cells.collect()
}

struct Package<'a> {
    folder: &'a Path,
    resources: Vec<Value>,
}

impl Package<'_> {
    /// A table that is at hand.
    fn add(&mut self, name: &str, path: &str, title: &str, text: &str) -> anyhow::Result<()> {
        let whole = self.folder.join(path);
        std::fs::write(&whole, text).map_err(|error| file(&whole, &error))?;
        self.list(name, path, title)
    }

    /// Events that stand, a file for each agency and type.
    fn events(&mut self, log: &LogReader, fates: &Fates, size: u64) -> anyhow::Result<()> {
        let types = kinds::reportable_types();
        let mut writers: BTreeMap<(String, String), Writer> = BTreeMap::new();
        let (mut journal, mut written) = (Journal::new(log, Wanted::default()), HashSet::new());
        let mut origin: HashMap<(String, Uuid), String> = HashMap::new();
        while let Some(item) = journal.advance()? {
            if item.entry.index >= size {
                break;
            }
            for row in accepted(&item, &types, &mut origin) {
                let key = (row.event.agency.clone(), row.event.id);
                if fates.contains_key(&key) || !written.insert(key) {
                    continue;
                }
                let (agency, kind) = (row.event.agency.clone(), row.event.kind.clone());
                let writer = match writers.entry((agency.clone(), kind.clone())) {
                    std::collections::btree_map::Entry::Occupied(held) => held.into_mut(),
                    std::collections::btree_map::Entry::Vacant(place) => {
                        let folder = self.folder.join("events").join(&agency);
                        std::fs::create_dir_all(&folder).map_err(|error| file(&folder, &error))?;
                        let path = folder.join(format!("{kind}.csv"));
                        let sink = File::create_new(&path).map_err(|error| file(&path, &error))?;
                        let sink = Box::new(std::io::BufWriter::new(sink));
                        place.insert(Writer::new(Format::Csv, std::slice::from_ref(&kind), sink)?)
                    }
                };
                writer.write(&row, None)?;
            }
        }
        for ((agency, kind), writer) in writers {
            writer.end()?;
            let name = format!("{agency}-{kind}").replace('_', "-");
            let title = format!("{kind} as reported by {agency}: import it with --type {kind} --agency {agency}");
            self.list(&name, &format!("events/{agency}/{kind}.csv"), &title)?;
        }
        Ok(())
    }

    /// Lists a file that is written.
    fn list(&mut self, name: &str, path: &str, title: &str) -> anyhow::Result<()> {
        let whole = self.folder.join(path);
        let bytes = std::fs::read(&whole).map_err(|error| file(&whole, &error))?;
        let columns = csv::Reader::from_reader(bytes.as_slice()).headers()?.clone();
        let fields: Vec<Value> = columns.iter().map(field).collect();
        self.resources.push(json!({
            "name": name, "type": "table", "path": path, "title": title, "format": "csv", "mediatype": "text/csv",
            "encoding": "utf-8", "bytes": bytes.len(), "hash": format!("sha256:{}", hex::encode(&hex::sha256(&bytes))),
            "schema": {"fields": fields, "missingValues": [""]},
        }));
        Ok(())
    }

    fn describe(&self, origin: &str, size: u64) -> anyhow::Result<()> {
        let package = json!({
            "$schema": PROFILE,
            "name": "jindo",
            "id": origin,
            "title": format!("Progress ledger {origin}, the first {size} entries"),
            "created": Time::now(),
            "version": size.to_string(),
            "resources": self.resources,
        });
        let path = self.folder.join("datapackage.json");
        let text = format!("{}\n", serde_json::to_string_pretty(&package)?);
        Ok(std::fs::write(&path, text).map_err(|error| file(&path, &error))?)
    }
}

/// A column; amounts are exact decimals, and text of others may begin with an apostrophe.
fn field(name: &str) -> Value {
    let kind = match name {
        name if INTEGERS.contains(&name) || name == "_index" => "integer",
        "day" | "as_of" | "last_day" => "date",
        "recorded" | "_recorded" | "time" | "known_at" => "datetime",
        _ => "string",
    };
    json!({ "name": name, "type": kind })
}
