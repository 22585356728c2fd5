//! The tile map: every province one square, where it roughly lies. It needs no licence and reads well on a phone.

use maud::{Markup, html};

use crate::event::Amount;
use crate::event::lang::Lang;
use crate::store::progress::view::SplitView;

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
    let most = TILES.iter().filter_map(|(code, ..)| of(code)).max().unwrap_or(Amount::ZERO).millionths().max(1);
    html! {
        svg.tiles viewBox="0 0 408 510" aria-hidden="true" focusable="false" {
            @for (code, ko, en, column, row) in TILES {
                @let value = of(code);
                @let (x, y) = (u32::from(column) * 102, u32::from(row) * 102);
                @let shade = shade(value, most);
                rect class={ "tile tile-" (shade) } x=(x + 2) y=(y + 2) width="98" height="98" {}
                text class={ "tile-name on-" (shade) } x=(x + 10) y=(y + 26) { (lang.pick(ko, en)) }
                text class={ "tile-value on-" (shade) } x=(x + 92) y=(y + 86) text-anchor="end" { (short(value, lang)) }
            }
        }
    }
}

fn shade(value: Option<Amount>, most: i128) -> i128 {
    let value = value.unwrap_or(Amount::ZERO).millionths().max(0);
    if value == 0 { 0 } else { 1 + (value / (most / (SHADES - 1)).max(1)).min(SHADES - 2) }
}

/// A number that fits a tile; the table has all its digits.
fn short(value: Option<Amount>, lang: Lang) -> String {
    let Some(value) = value else { return "–".to_owned() };
    let whole = value.millionths() / Amount::from_int(1).millionths();
    let steps: &[(i128, &str)] = match lang {
        crate::event::lang::Lang::Ko => &[(1_000_000_000_000, "조"), (100_000_000, "억"), (10_000, "만")],
        crate::event::lang::Lang::En => {
            &[(1_000_000_000_000, "tn"), (1_000_000_000, "bn"), (1_000_000, "m"), (10_000, "k")]
        }
    };
    let Some((step, name)) = steps.iter().find(|(step, _)| whole >= *step) else {
        return crate::catalogue::units::english(Amount::from_millionths(whole * Amount::from_int(1).millionths()));
    };
    // Ten thousand is written in thousands in English: the step says from where on.
    let unit = if *name == "k" { 1_000 } else { *step };
    let tenths = whole * 10 / unit;
    if tenths < 1_000 && tenths % 10 != 0 {
        format!("{}.{}{name}", tenths / 10, tenths % 10)
    } else {
        format!("{}{name}", tenths / 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fit_a_tile() {
        for (value, ko, en) in [
            (None, "–", "–"),
            (Some(0), "0", "0"),
            (Some(1_450), "1,450", "1,450"),
            (Some(12_345), "1.2만", "12.3k"),
            (Some(65_000_000), "6500만", "65m"),
            (Some(2_300_000_000), "23억", "2.3bn"),
        ] {
            let value = value.map(Amount::from_int);
            assert_eq!((short(value, Lang::Ko).as_str(), short(value, Lang::En).as_str()), (ko, en));
        }
    }

    #[test]
    fn shades_grow_with_the_value() {
        let most = Amount::from_int(90).millionths();
        let shades: Vec<i128> = [None, Some(0), Some(1), Some(29), Some(31), Some(61), Some(90)]
            .map(|v| shade(v.map(Amount::from_int), most))
            .into();
        assert_eq!(shades, [0, 0, 1, 1, 2, 3, 3]);
    }
}
