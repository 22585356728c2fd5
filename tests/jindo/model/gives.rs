//! The test catalogue in plain words: what each report gives, series by series.

use std::collections::BTreeSet;

use jindo::event::Time;
use serde_json::Value;

use super::{Fact, Give, Gives, Model, UNIT, millionths, text};

impl Model {
    /// What a report gives, indicator by indicator: the test catalogue in plain words.
    pub(super) fn gives(&self, fact: &Fact, kind: &str, time: Time, data: &Value) -> Vec<Give> {
        let agency = &fact.key.0;
        let by_agency = |indicator: &str| Some(format!("{indicator}/agency/{agency}"));
        let series_of = |indicator: &'static str, splits: &[&str]| {
            let mut series = vec![format!("{indicator}/total")];
            for split in splits {
                series.extend(text(data, split).map(|value| format!("{indicator}/{split}/{value}")));
            }
            series
        };
        let whole = |field: &str| millionths(&data[field]);
        match kind {
            "charger.installed.v1" => self.chargers(fact, time, data),
            "factory.deployed.v1" => vec![factory(agency, data)],
            "zone.designated.v1" => {
                let things = vec![vec![text(data, "zone").unwrap().to_owned()]];
                let gives = Gives::Things { things, stages: vec![Vec::new()], counts_from: 0 };
                vec![Give {
                    indicator: "zones",
                    gives,
                    series: series_of("zones", &["region"]),
                    agency: by_agency("zones"),
                }]
            }
            "export.reported.v1" => {
                let series = series_of("exports", &["basis", "period"]);
                vec![Give {
                    indicator: "exports",
                    gives: Gives::Value(whole("amount")),
                    series,
                    agency: by_agency("exports"),
                }]
            }
            "capacity.reported.v1" => {
                let series = series_of("capacity", &["region"]);
                vec![Give { indicator: "capacity", gives: Gives::Value(whole("count")), series, agency: None }]
            }
            "foundry.stage-reached.v1" => {
                let stages = reached("foundry", &["approved", "under-construction", "operating"], data);
                let gives = Gives::Things { things: vec![Vec::new()], stages, counts_from: 2 };
                vec![Give { indicator: "foundry", gives, series: series_of("foundry", &["region"]), agency: None }]
            }
            "site.stage-reached.v1" => {
                let things = vec![vec![text(data, "site").unwrap().to_owned()]];
                let stages = reached("sites", &["designated", "under-construction", "powered"], data);
                let gives = Gives::Things { things, stages, counts_from: 1 };
                vec![Give {
                    indicator: "sites",
                    gives,
                    series: series_of("sites", &["region"]),
                    agency: by_agency("sites"),
                }]
            }
            "fdi.notified.v1" | "fdi.arrived.v1" => {
                let arrived = kind == "fdi.arrived.v1";
                let mut series = if arrived { Vec::new() } else { series_of("fdi", &["region", "project"]) };
                series.extend((text(data, "kind") == Some("greenfield")).then(|| "fdi/part/greenfield".to_owned()));
                series.extend(arrived.then(|| "fdi/part/arrived".to_owned()));
                let gives = Gives::Amount { millionths: whole("amount"), loose: 0 };
                vec![Give { indicator: "fdi", gives, series, agency: None }]
            }
            "narrative.filed.v1" => {
                let gives = Gives::Amount { millionths: 0, loose: 0 };
                vec![Give { indicator: "narrative", gives, series: series_of("narrative", &["topic"]), agency: None }]
            }
            other => panic!("no such type: {other}"),
        }
    }

    fn chargers(&self, fact: &Fact, time: Time, data: &Value) -> Vec<Give> {
        let (class, region) = (text(data, "class").unwrap(), text(data, "region").unwrap());
        let changed = self.changed_on(time.day(), fact.index);
        let mut gives = Vec::new();
        if changed || class != "medium" {
            let mut series = vec!["chargers/total".to_owned(), format!("chargers/region/{region}")];
            if class == "fast" || (changed && class == "medium") {
                series.push("chargers/part/fast".to_owned());
            }
            if !changed {
                series.push(format!("chargers/class/{class}"));
            }
            let listed: Option<BTreeSet<String>> =
                data.get("chargers").map(|list| serde_json::from_value(list.clone()).unwrap());
            let count = millionths(&data["count"]);
            let what = match listed {
                Some(listed) => {
                    let things = listed.into_iter().map(|name| vec![name]).collect();
                    Gives::Things { things, stages: vec![Vec::new()], counts_from: 0 }
                }
                None => Gives::Amount { millionths: count, loose: count },
            };
            let agency = Some(format!("chargers/agency/{}", fact.key.0));
            gives.push(Give { indicator: "chargers", gives: what, series, agency });
        }
        if class != "slow" {
            let series = vec!["charger-reports/total".to_owned(), format!("charger-reports/class/{class}")];
            let what = Gives::Amount { millionths: UNIT, loose: 0 };
            gives.push(Give { indicator: "charger-reports", gives: what, series, agency: None });
        }
        gives
    }
}

fn factory(agency: &str, data: &Value) -> Give {
    let mut series = vec!["factories/total".to_owned()];
    series.extend((text(data, "region") == Some("11")).then(|| "factories/part/seoul".to_owned()));
    series.extend(text(data, "region").map(|region| format!("factories/region/{region}")));
    let stages = reached("factories", &["selected", "operating"], data);
    let mut agency = Some(format!("factories/agency/{agency}"));
    let gives = match (text(data, "business_number"), text(data, "site")) {
        (Some(number), Some(site)) => {
            Gives::Things { things: vec![vec![number.to_owned(), site.to_owned()]], stages, counts_from: 1 }
        }
        // Counted without being listed: at each stage reached, and in the figure only from the stage that counts.
        _ => {
            if stages.len() < 2 {
                series.clear();
                agency = None;
            }
            series.extend(stages.into_iter().flatten());
            let count = millionths(&data["count"]);
            Gives::Amount { millionths: count, loose: count }
        }
    };
    Give { indicator: "factories", gives, series, agency }
}

fn reached(indicator: &str, stages: &[&str], data: &Value) -> Vec<Vec<String>> {
    let last = stages.iter().position(|stage| Some(*stage) == text(data, "stage")).unwrap();
    stages[..=last].iter().map(|stage| vec![format!("{indicator}/stage/{stage}")]).collect()
}
