//! Policies (C2SP tlog-policy): which logs count, which witnesses, and how many of them must have cosigned.
//!
//! The whole file must be understood: an unknown word or a key that cannot be verified here refuses it. Files are taken as
//! UTF-8; names are compared byte for byte.

use std::collections::{BTreeMap, BTreeSet};

use super::checkpoint::decimal;
use super::note::{KeyKind, Note, NoteFault, VerifierKey};
use crate::limits::{POLICY_BYTES_MAX, WITNESSES_MAX};

/// Why a policy is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("policy, line {line}: {why}")]
pub struct PolicyFault {
    /// Line, from 1; 0 where it is about the whole file.
    pub line: usize,
    /// What is wrong.
    pub why: String,
}

/// A witness as the policy names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// Its name in this file.
    pub name: String,
    /// Its key.
    pub key: VerifierKey,
    /// Prefix of its addresses, needed by whoever asks it; as written, without a slash at the end.
    pub url: Option<String>,
    /// Line of the file, from 1.
    pub line: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Witness(Box<Witness>),
    Group { least: usize, members: Vec<usize> },
}

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    logs: Vec<VerifierKey>,
    nodes: Vec<Node>,
    /// `None`: no cosignature is asked for.
    quorum: Option<usize>,
}

#[derive(Default)]
struct Reading {
    policy: Policy,
    names: BTreeMap<String, usize>,
    keys: BTreeSet<[u8; 32]>,
    members: BTreeSet<usize>,
    quorum: bool,
}

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// [`PolicyFault`].
    pub fn parse(text: &str) -> Result<Self, PolicyFault> {
        let whole = |why: &str| PolicyFault { line: 0, why: why.to_owned() };
        if text.len() > POLICY_BYTES_MAX {
            return Err(whole("the file is longer than 256 KiB"));
        }
        let mut reading = Reading::default();
        for (number, line) in (1..).zip(text.split('\n')) {
            let fault = |why| PolicyFault { line: number, why };
            if line.chars().any(|c| c.is_ascii_control() && c != '\t') {
                return Err(fault("it holds a control character".to_owned()));
            }
            let words: Vec<&str> = line.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
            if !words.is_empty() && !words[0].starts_with('#') {
                reading.line(number, &words).map_err(fault)?;
            }
        }
        if !reading.quorum {
            return Err(whole("there is no line 'quorum'"));
        }
        Ok(reading.policy)
    }

    /// Logs that count; none where the log is known from elsewhere.
    #[must_use]
    pub fn logs(&self) -> &[VerifierKey] {
        &self.logs
    }

    /// Every witness named.
    pub fn witnesses(&self) -> impl Iterator<Item = &Witness> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Witness(witness) => Some(&**witness),
            Node::Group { .. } => None,
        })
    }

    /// Witnesses to ask for cosignatures: all with an address.
    ///
    /// # Errors
    /// [`PolicyFault`]: the quorum counts on one without an address, or on none; an address is not `http://…` or `https://…`; more
    /// than [`WITNESSES_MAX`].
    pub fn askable(&self) -> Result<Vec<&Witness>, PolicyFault> {
        let counted = self.counted();
        let mut asked = Vec::new();
        for (place, node) in self.nodes.iter().enumerate() {
            let Node::Witness(witness) = node else { continue };
            let fault = |why: String| PolicyFault { line: witness.line, why };
            match &witness.url {
                None if counted.contains(&place) => {
                    let name = &witness.name;
                    return Err(fault(format!(
                        "the quorum counts on '{name}', so give its address: witness {name} VKEY URL"
                    )));
                }
                None => {}
                Some(url) if ["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) => {
                    asked.push(&**witness)
                }
                Some(url) => {
                    return Err(fault(format!("'{url}' is no address: it must begin with http:// or https://")));
                }
            }
            if asked.len() > WITNESSES_MAX {
                return Err(fault(format!("it has more than {WITNESSES_MAX} witnesses to ask")));
            }
        }
        Ok(asked)
    }

    /// Places of what the quorum is made of.
    fn counted(&self) -> BTreeSet<usize> {
        let mut counted: BTreeSet<usize> = self.quorum.into_iter().collect();
        // Groups name only what stands before them.
        for (place, node) in self.nodes.iter().enumerate().rev() {
            if let Node::Group { members, .. } = node
                && counted.contains(&place)
            {
                counted.extend(members);
            }
        }
        counted
    }

    /// Witnesses of this policy that cosigned a note, with their times in seconds since 1970.
    ///
    /// # Errors
    /// [`NoteFault::Wrong`]: a line says it is by one of them, and is not.
    pub fn cosigned(&self, note: &Note<'_>) -> Result<Vec<(&Witness, u64)>, NoteFault> {
        let mut cosigned = Vec::new();
        for witness in self.witnesses() {
            match note.verify([&witness.key]) {
                Ok(verified) => cosigned.extend(verified.first().map(|by| (witness, by.time.unwrap_or(0)))),
                Err(NoteFault::Unsigned(_)) => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(cosigned)
    }

    /// Whether the witnesses that cosigned are enough.
    pub fn is_met(&self, cosigned: impl Fn(&VerifierKey) -> bool) -> bool {
        let Some(quorum) = self.quorum else { return true };
        // Groups name only what stands before them: one pass in order knows all.
        let mut met: Vec<bool> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            met.push(match node {
                Node::Witness(witness) => cosigned(&witness.key),
                Node::Group { least, members } => members.iter().filter(|member| met[**member]).count() >= *least,
            });
        }
        met[quorum]
    }
}

impl Reading {
    fn line(&mut self, number: usize, words: &[&str]) -> Result<(), String> {
        match words {
            ["log", vkey] | ["log", vkey, _] => {
                let key = self.key(vkey, KeyKind::Log)?;
                self.policy.logs.push(key);
            }
            ["witness", name, vkey, url @ ..] if url.len() <= 1 => {
                let key = self.key(vkey, KeyKind::Witness)?;
                let url = url.first().map(|url| url.trim_end_matches('/').to_owned());
                let witness = Witness { name: (*name).to_owned(), key, url, line: number };
                self.name(name, Node::Witness(Box::new(witness)))?;
            }
            ["group", name, least, members @ ..] if !members.is_empty() => {
                let members = members.iter().map(|member| self.member(member)).collect::<Result<Vec<_>, _>>()?;
                let least = match *least {
                    "any" => 1,
                    "all" => members.len(),
                    number => decimal(number).and_then(|number| usize::try_from(number).ok()).unwrap_or(0),
                };
                if !(1..=members.len()).contains(&least) {
                    return Err(format!("a group asks for 'any', 'all', or 1 to {} of its members", members.len()));
                }
                self.name(name, Node::Group { least, members })?;
            }
            ["quorum", name] => {
                if self.quorum {
                    return Err("there is a second line 'quorum'".to_owned());
                }
                self.quorum = true;
                self.policy.quorum = if *name == "none" { None } else { Some(self.known(name)?) };
            }
            _ => {
                return Err(
                    "it is none of: log VKEY [URL], witness NAME VKEY [URL], group NAME all|any|K NAME…, quorum NAME"
                        .to_owned(),
                );
            }
        }
        Ok(())
    }

    fn key(&mut self, text: &str, kind: KeyKind) -> Result<VerifierKey, String> {
        let key = VerifierKey::parse(text).map_err(|fault: NoteFault| fault.to_string())?;
        if key.kind() != kind {
            return Err("its key is of the wrong type: logs have 0x01, witnesses 0x04".to_owned());
        }
        if self.keys.insert(*key.bytes()) { Ok(key) } else { Err("its key stands in another line too".to_owned()) }
    }

    fn name(&mut self, name: &str, node: Node) -> Result<(), String> {
        let place = self.policy.nodes.len();
        if name == "none" || self.names.insert(name.to_owned(), place).is_some() {
            return Err(format!("the name '{name}' is taken"));
        }
        self.policy.nodes.push(node);
        Ok(())
    }

    fn known(&self, name: &str) -> Result<usize, String> {
        self.names.get(name).copied().ok_or_else(|| format!("no line before it defines '{name}'"))
    }

    fn member(&mut self, name: &str) -> Result<usize, String> {
        let place = self.known(name)?;
        if self.members.insert(place) { Ok(place) } else { Err(format!("'{name}' is a member already")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::KeyPair;

    fn vkey(name: &str, kind: KeyKind) -> String {
        VerifierKey::of_pair(name, kind, &KeyPair::generate().unwrap()).unwrap().to_string()
    }

    #[test]
    fn the_quorum_of_the_specification() {
        let keys: Vec<String> = ["x1", "x2", "x3", "y1", "y2", "y3"].map(|name| vkey(name, KeyKind::Witness)).to_vec();
        let text = format!(
            "# a comment\nlog {}\n\n  witness X1 {}\nwitness\tX2 {} https://x2\nwitness X3 {}\ngroup X 2 X1 X2 X3\n\
             witness Y1 {}\nwitness Y2 {}\nwitness Y3 {}\ngroup Y any Y1 Y2 Y3\ngroup both all X Y\nquorum both\n",
            vkey("log", KeyKind::Log),
            keys[0],
            keys[1],
            keys[2],
            keys[3],
            keys[4],
            keys[5],
        );
        let policy = Policy::parse(&text).unwrap();
        assert_eq!((policy.logs().len(), policy.witnesses().count()), (1, 6));
        for (cosigned, met) in [
            ("", false),
            ("x1x2", false),
            ("x1y1", false),
            ("x1x3y2", true),
            ("y1y2y3x2", false),
            ("x1x2x3y1y2y3", true),
        ] {
            assert_eq!(policy.is_met(|key| cosigned.contains(key.name())), met, "{cosigned}");
        }
        assert!(Policy::parse("quorum none").unwrap().is_met(|_| false));
    }

    #[test]
    fn whoever_asks_needs_addresses() {
        let [one, two] = ["w1", "w2"].map(|name| vkey(name, KeyKind::Witness));
        let of = |text: &str| Policy::parse(text).unwrap();
        let both = of(&format!("witness a {one} http://a/\nwitness b {two} https://b/x\ngroup g all a b\nquorum g"));
        let urls: Vec<_> = both.askable().unwrap().into_iter().map(|witness| witness.url.clone().unwrap()).collect();
        assert_eq!(urls, ["http://a", "https://b/x"]);
        // A witness that the quorum does not count on may stay unasked.
        let one_of = of(&format!("witness a {one} http://a\nwitness b {two}\nquorum a"));
        assert_eq!(one_of.askable().unwrap().len(), 1);
        assert!(of("quorum none").askable().unwrap().is_empty());
        for (text, line) in [
            (format!("witness a {one} http://a\n\nwitness b {two}\ngroup g any a b\nquorum g"), 3),
            (format!("witness a {one} ftp://a\nquorum none"), 1),
            (format!("witness a {one}\nquorum a"), 1),
        ] {
            let fault = of(&text).askable().unwrap_err();
            assert_eq!(fault.line, line, "{fault}");
        }
    }

    #[test]
    fn faults_name_their_line() {
        let (log, witness) = (vkey("log", KeyKind::Log), vkey("w", KeyKind::Witness));
        for (text, line) in [
            (String::new(), 0),
            ("quorum w\n".to_owned(), 1),
            ("quorum none\nquorum none".to_owned(), 2),
            (format!("log {witness}\nquorum none"), 1),
            (format!("witness w {log}\nquorum none"), 1),
            (format!("log {log}\nlog {log}\nquorum none"), 2),
            (format!("witness none {witness}\nquorum none"), 1),
            (format!("witness w {witness}\ngroup w any w\nquorum w"), 2),
            (format!("witness w {witness}\ngroup g 2 w\nquorum g"), 2),
            (format!("witness w {witness}\ngroup g any w\ngroup h any w\nquorum g"), 3),
            (format!("witness w {witness}\ngroup g 0 w\nquorum g"), 2),
            (format!("witness w {witness}\ngroup g any\nquorum g"), 2),
            (format!("witness w {witness}x\nquorum none"), 1),
            ("quorum none\r\n".to_owned(), 1),
            ("nonsense\nquorum none".to_owned(), 1),
        ] {
            assert_eq!(Policy::parse(&text).map_err(|fault| fault.line), Err(line), "{text}");
        }
    }
}
