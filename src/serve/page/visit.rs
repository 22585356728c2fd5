//! What a reader of the page asked for: language, theme, moment. It stands in the address, and every link carries it on.

use axum::http::{HeaderMap, header};

use super::fault::Fault;
use crate::event::lang::Lang;
use crate::event::{Day, Time};
use crate::limits::PAGE_QUERY_CHARS_MAX;
use crate::serve::problem::text;
use crate::serve::source::{Ask, Known};

/// Parameters that every link keeps.
pub const KEPT: [&str; 4] = ["lang", "theme", "as_of", "known_at"];

/// Light or dark, where the reader chose one; else the browser's preference holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Theme {
    /// As it stands in the address.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }
}

/// One request for a page, understood.
#[derive(Debug, Clone)]
pub struct Visit {
    /// Language of the answer.
    pub lang: Lang,
    /// Theme the reader chose.
    pub theme: Option<Theme>,
    /// The moment asked for.
    pub ask: Ask,
    /// Path of this page.
    pub path: String,
    /// The moment and the choices, as links carry them.
    kept: Vec<(String, String)>,
    /// Everything else that was asked.
    own: Vec<(String, String)>,
}

impl Visit {
    /// Understands an address. Names that no page knows are left alone: newsrooms' links come with such.
    ///
    /// # Errors
    /// A moment that cannot be read.
    pub fn read(path: &str, query: Option<&str>, headers: &HeaderMap) -> Result<Self, (Self, Fault)> {
        let mut visit = Visit {
            lang: negotiated(headers),
            theme: None,
            ask: Ask::default(),
            path: path.to_owned(),
            kept: Vec::new(),
            own: Vec::new(),
        };
        let mut wrong = None;
        let short: String = query.unwrap_or_default().chars().take(PAGE_QUERY_CHARS_MAX).collect();
        for (name, value) in form_urlencoded::parse(short.as_bytes()) {
            let (name, value) = (name.into_owned(), value.trim().to_owned());
            // A form sends its empty fields too.
            if value.is_empty() || visit.value(&name).is_some() {
                continue;
            }
            match visit.take(&name, &value) {
                Ok(true) => visit.kept.push((name, value)),
                Ok(false) => visit.own.push((name, value)),
                Err(fault) => wrong = Some(fault),
            }
        }
        match wrong {
            Some(fault) => Err((visit, fault)),
            None => Ok(visit),
        }
    }

    /// Whether a pair is one that links keep.
    fn take(&mut self, name: &str, value: &str) -> Result<bool, Fault> {
        match (name, value) {
            ("lang", "ko") => self.lang = Lang::Ko,
            ("lang", "en") => self.lang = Lang::En,
            ("theme", "light") => self.theme = Some(Theme::Light),
            ("theme", "dark") => self.theme = Some(Theme::Dark),
            ("as_of", day) => self.ask.as_of = Some(Day::parse(day).map_err(|_| no_day())?),
            ("known_at", moment) => self.ask.known_at = Some(known(moment).ok_or_else(no_moment)?),
            ("lang" | "theme", _) => return Ok(false),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// A parameter as it was given.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.kept.iter().chain(&self.own).find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Whether a past moment is asked for.
    #[must_use]
    pub const fn is_past(&self) -> bool {
        self.ask.as_of.is_some() || self.ask.known_at.is_some()
    }

    /// What links keep, for the hidden fields of a form that sets `but` itself.
    pub fn kept<'a>(&'a self, but: &'a [&str]) -> impl Iterator<Item = (&'a str, &'a str)> {
        let pairs = self.kept.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        pairs.filter(move |(name, _)| !but.contains(name))
    }

    /// The address of another page in the same language, theme and moment.
    #[must_use]
    pub fn link(&self, path: &str) -> String {
        self.link_with(path, &[])
    }

    /// The same with parameters of that page.
    #[must_use]
    pub fn link_with(&self, path: &str, own: &[(&str, &str)]) -> String {
        address(path, self.kept(&[]).chain(own.iter().copied()))
    }

    /// This page with some parameters set otherwise; an empty value takes one away.
    #[must_use]
    pub fn turned(&self, set: &[(&str, &str)]) -> String {
        let left = self.kept.iter().chain(&self.own).map(|(name, value)| (name.as_str(), value.as_str()));
        let left = left.filter(|(name, _)| set.iter().all(|(changed, _)| changed != name));
        address(&self.path, left.chain(set.iter().copied().filter(|(_, value)| !value.is_empty())))
    }

    /// Address of data: the moment alone, for the API knows neither language nor theme, and a time with its offset, which the API
    /// asks for and a form does not send.
    #[must_use]
    pub fn data(&self, path: &str, own: &[(&str, &str)]) -> String {
        let known = self.ask.known_at.map(|known| match known {
            Known::Size(size) => size.to_string(),
            Known::Time(time) => time.to_string(),
        });
        let known = known.as_deref().map(|known| ("known_at", known));
        address(path, self.kept(&["lang", "theme", "known_at"]).chain(known).chain(own.iter().copied()))
    }

    /// A table of the API, with those of this page's own filters that are set.
    #[must_use]
    pub fn filtered(&self, path: &str, fixed: &[(&str, &str)], names: &[&str]) -> String {
        let own = names.iter().filter_map(|name| Some((*name, self.value(name)?)));
        address(path, fixed.iter().copied().chain(own))
    }
}

fn address<'a>(path: &str, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    let query = query.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// A log size, a time, or a time without offset, which is one in Seoul: that is what a form sends.
fn known(text: &str) -> Option<Known> {
    if let Ok(size) = text.parse() {
        return Some(Known::Size(size));
    }
    let local = text.replacen(' ', "T", 1);
    let with_seconds = if local.len() == "2026-07-01T09:00".len() { format!("{local}:00") } else { local.clone() };
    let seoul = format!("{with_seconds}+09:00");
    Time::parse(text).or_else(|_| Time::parse(&seoul)).ok().map(Known::Time)
}

fn no_day() -> Fault {
    Fault::asked(text("기준일은 2026-06-30 같은 날짜여야 합니다", "the day must be a date such as 2026-06-30"))
}

fn no_moment() -> Fault {
    Fault::asked(text(
        "기록 시점은 2026-07-01T09:00 같은 시각이나 로그 크기여야 합니다",
        "the moment of record must be a time such as 2026-07-01T09:00, or a log size",
    ))
}

/// The first of the browser's languages that there is; Korean where it asks for neither.
fn negotiated(headers: &HeaderMap) -> Lang {
    let asked = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut best = (0_u32, Lang::Ko);
    for part in asked.split(',').take(16) {
        let (range, weight) = part.trim().split_once(";q=").unwrap_or((part.trim(), "1"));
        let lang = match range.split('-').next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "ko" => Lang::Ko,
            "en" => Lang::En,
            _ => continue,
        };
        // Thousandths, as RFC 9110 has them: `0.8` is 800.
        let (whole, part) = weight.trim().split_once('.').unwrap_or((weight.trim(), ""));
        let part = format!("{part:0<3}").get(..3).and_then(|part| part.parse::<u32>().ok()).unwrap_or(0);
        let weight = whole.parse::<u32>().unwrap_or(0).min(1) * 1_000 + part;
        if weight > best.0 {
            best = (weight, lang);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn asking(language: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_str(language).unwrap());
        headers
    }

    #[test]
    fn the_browser_chooses_a_language_and_the_address_another() {
        for (accepts, query, expected) in [
            ("", "", Lang::Ko),
            ("fr", "", Lang::Ko),
            ("en-US,en;q=0.9,ko;q=0.8", "", Lang::En),
            ("fr-FR,en;q=0.3,ko;q=0.35", "", Lang::Ko),
            ("en-US", "lang=ko", Lang::Ko),
            ("ko", "lang=en", Lang::En),
            ("ko;q=x,en;q=9.9.9", "lang=xx", Lang::En),
        ] {
            let visit = Visit::read("/", Some(query), &asking(accepts)).unwrap();
            assert_eq!(visit.lang, expected, "{accepts} {query}");
        }
    }

    #[test]
    fn links_keep_moment_language_and_theme() {
        let query = "lang=en&as_of=2026-06-30&known_at=2026-07-01T09:00&utm=x&status=met&theme=";
        let visit = Visit::read("/", Some(query), &HeaderMap::new()).unwrap();
        let kept = "lang=en&as_of=2026-06-30&known_at=2026-07-01T09%3A00";
        assert_eq!(visit.link("/agencies"), format!("/agencies?{kept}"));
        assert_eq!(visit.link_with("/x", &[("a", "b&c")]), format!("/x?{kept}&a=b%26c"));
        assert_eq!(visit.turned(&[("lang", "ko"), ("status", "")]), format!("/?{}&utm=x&lang=ko", &kept[8..]));
        // The API was asked for a time without an offset, as the form sends it, and refused every download of a past moment.
        let moment = "as_of=2026-06-30&known_at=2026-07-01T00%3A00%3A00Z";
        assert_eq!(visit.data("/v1/indicators", &[("a", "b")]), format!("/v1/indicators?{moment}&a=b"));
        assert!(visit.is_past());
        assert_eq!(visit.ask.known_at, Some(Known::Time(Time::parse("2026-07-01T00:00:00Z").unwrap())));
    }

    #[test]
    fn a_moment_that_cannot_be_read_is_refused() {
        for query in ["as_of=yesterday", "as_of=2026-02-30", "known_at=soon", "known_at=-4", "as_of=2026"] {
            let (_, fault) = Visit::read("/", Some(query), &HeaderMap::new()).unwrap_err();
            assert_eq!(fault.status.as_u16(), 400, "{query}");
        }
        let long = format!("lang=en&x={}", "가".repeat(100_000));
        assert!(Visit::read("/", Some(&long), &HeaderMap::new()).is_ok());
    }
}
