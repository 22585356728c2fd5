//! The tile map: every province one square, where it roughly lies. It needs no licence and reads well on a phone.

use maud::{Markup, html};

use super::words;
use crate::event::Amount;
use crate::event::lang::Lang;
use crate::store::progress::view::{SplitValue, SplitView};

/// Provinces by column and row: code, Korean and English short name.
const TILES: [(&str, &str, &str, u8, u8); 17] = [
    ("28", "인천", "Incheon", 0, 0),
    ("11", "서울", "Seoul", 1, 0),
    ("41", "경기", "Gyeonggi", 2, 0),
    ("42", "강원", "Gangwon", 3, 0),
    ("44", "충남", "S Chung.", 0, 1),
    ("50", "세종", "Sejong", 1, 1),
    ("43", "충북", "N Chung.", 2, 1),
    ("47", "경북", "N Gyeong.", 3, 1),
    ("45", "전북", "Jeonbuk", 0, 2),
    ("30", "대전", "Daejeon", 1, 2),
    ("27", "대구", "Daegu", 2, 2),
    ("31", "울산", "Ulsan", 3, 2),
    ("29", "광주", "Gwangju", 0, 3),
    ("46", "전남", "S Jeolla", 1, 3),
    ("48", "경남", "S Gyeong.", 2, 3),
    ("26", "부산", "Busan", 3, 3),
    ("49", "제주", "Jeju", 0, 4),
];
/// Shades from none to the most; each is told by a number too.
const SHADES: i128 = 4;
/// Further regions that are drawn.
const OTHERS_MAX: usize = 3;

/// Whether a split is of provinces.
#[must_use]
pub fn fits(split: &SplitView) -> bool {
    let known = |code: &str| TILES.iter().any(|(tile, ..)| *tile == code);
    split.id == "region" && split.values.iter().any(|value| known(&value.value))
}

/// The map; what is drawn stands in the table beside it, so it is hidden from screen readers.
#[must_use]
pub fn draw(split: &SplitView, lang: Lang) -> Markup {
    let of = |code: &str| split.values.iter().find(|value| value.value == code).and_then(|value| value.figure.value);
    let others = others(split);
    let shown = TILES.iter().filter_map(|(code, ..)| of(code)).chain(others.iter().filter_map(|one| one.figure.value));
    let most = shown.max().unwrap_or(Amount::ZERO).millionths().max(1);
    // Beside the island: one of them takes two squares.
    let width = 304 / u32::try_from(others.len()).unwrap_or(1).max(2) - 4 + u32::from(others.len() < 2) * 52;
    html! {
        svg.tiles viewBox="0 0 408 510" aria-hidden="true" focusable="false" {
            @for (code, ko, en, column, row) in TILES {
                (tile(lang.pick(ko, en), of(code), most, (u32::from(column) * 102 + 2, u32::from(row) * 102 + 2, 98), lang))
            }
            @for (one, at) in others.iter().zip(0..) {
                (tile(&cut(lang.of(&one.label), width), one.figure.value, most, (104 + at * (width + 4), 410, width), lang))
            }
        }
    }
}

/// Regions without a square of their own: those that others were joined to. Their figures are no part of their predecessors'.
fn others(split: &SplitView) -> Vec<&SplitValue> {
    let unknown = |value: &&SplitValue| TILES.iter().all(|(code, ..)| *code != value.value);
    split.values.iter().filter(unknown).take(OTHERS_MAX).collect()
}

fn tile(name: &str, value: Option<Amount>, most: i128, (x, y, width): (u32, u32, u32), lang: Lang) -> Markup {
    let shade = shade(value, most);
    let said = value.map_or_else(|| "–".to_owned(), |value| words::short(value, lang));
    html! {
        rect class={ "tile tile-" (shade) } x=(x) y=(y) width=(width) height="98" {}
        text class={ "tile-name on-" (shade) } x=(x + 8) y=(y + 24) { (name) }
        text class={ "tile-value on-" (shade) } x=(x + width - 8) y=(y + 84) text-anchor="end" { (said) }
    }
}

/// So much of a name as a tile is wide.
fn cut(name: &str, width: u32) -> String {
    let wide = |char: char| if char.is_ascii() { 10 } else { 18 };
    let mut left = width.saturating_sub(12);
    name.chars().take_while(|char| left.checked_sub(wide(*char)).map(|rest| left = rest).is_some()).collect()
}

fn shade(value: Option<Amount>, most: i128) -> i128 {
    let value = value.unwrap_or(Amount::ZERO).millionths().max(0);
    if value == 0 { 0 } else { 1 + (value / (most / (SHADES - 1)).max(1)).min(SHADES - 2) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shades_grow_with_the_value() {
        let most = Amount::from_int(90).millionths();
        let shades: Vec<i128> = [None, Some(0), Some(1), Some(29), Some(31), Some(61), Some(90)]
            .map(|v| shade(v.map(Amount::from_int), most))
            .into();
        assert_eq!(shades, [0, 0, 1, 1, 2, 3, 3]);
    }
}
