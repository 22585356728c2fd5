//! Korean or English: on the command line by `--lang` or the locale, on the page by address or browser. Never changes what is
//! published, only what is said.

use crate::event::Text;

/// Language of what is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Lang {
    /// 한국어.
    Ko,
    /// English.
    En,
}

impl Lang {
    /// `LC_ALL`, then `LC_MESSAGES`, then `LANG`: Korean where it starts with `ko`, else English.
    #[must_use]
    pub fn from_locale(get: impl Fn(&str) -> Option<String>) -> Self {
        let locale =
            ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(|name| get(name).filter(|text| !text.is_empty()));
        if locale.is_some_and(|text| text.starts_with("ko")) { Lang::Ko } else { Lang::En }
    }

    /// One of two texts.
    #[must_use]
    pub const fn pick<'a>(self, ko: &'a str, en: &'a str) -> &'a str {
        match self {
            Lang::Ko => ko,
            Lang::En => en,
        }
    }

    /// The text in this language; the other where it is empty.
    #[must_use]
    pub fn of(self, text: &Text) -> &str {
        let (first, second) = match self {
            Lang::Ko => (&text.ko, &text.en),
            Lang::En => (&text.en, &text.ko),
        };
        if first.is_empty() { second } else { first }
    }
}

/// A text in both languages.
#[must_use]
pub fn text(ko: impl Into<String>, en: impl Into<String>) -> Text {
    Text { ko: ko.into(), en: en.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locale_chooses() {
        for (lc_all, lang, expected) in [
            (Some("ko_KR.UTF-8"), None, Lang::Ko),
            (None, Some("ko_KR.UTF-8"), Lang::Ko),
            (Some("C"), Some("ko_KR.UTF-8"), Lang::En),
            (Some(""), Some("ko"), Lang::Ko),
            (None, None, Lang::En),
        ] {
            let get = |name: &str| match name {
                "LC_ALL" => lc_all.map(str::to_owned),
                "LANG" => lang.map(str::to_owned),
                _ => None,
            };
            assert_eq!(Lang::from_locale(get), expected, "{lc_all:?} {lang:?}");
        }
    }
}
