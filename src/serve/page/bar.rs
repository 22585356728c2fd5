//! The bullet bar: value against target on one line, a tick where it should be today. Pure SVG; the same is said in words
//! beside it, so it is hidden from screen readers.

use maud::{Markup, html};

use crate::event::Amount;
use crate::event::governance::Goal;
use crate::store::progress::view::{FigureView, IndicatorView, StatusView, TargetView};

/// Units of the drawing's width: the browser stretches it.
const WIDTH: i128 = 1_000;

/// The figure against the target shown first. What was stated for another period is not held against it.
#[must_use]
pub fn of_whole(view: &IndicatorView) -> Bar {
    let target = view.target();
    let bar = Bar::of(&view.figure, target, Some(&view.status));
    let other = target
        .and_then(|target| target.period.as_deref())
        .is_some_and(|period| view.figure_period.as_deref() != Some(period));
    if other { Bar { value: None, verified: None, ..bar } } else { bar }
}

/// One bar.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bar {
    /// Where the value ends.
    pub value: Option<Amount>,
    /// Where what verifiers vouch for ends.
    pub verified: Option<Amount>,
    /// What is to be reached, or not to be passed.
    pub target: Option<Amount>,
    /// What was to be reached at first, where that moved.
    pub original: Option<Amount>,
    /// Where it should be today.
    pub expected: Option<Amount>,
    /// The target is a limit: reaching beyond is what is wrong.
    pub is_cap: bool,
}

impl Bar {
    /// Of a figure against its target.
    #[must_use]
    pub fn of(figure: &FigureView, target: Option<&TargetView>, status: Option<&StatusView>) -> Self {
        let moved = target.filter(|target| target.original.value != target.current.value);
        Bar {
            value: figure.value,
            verified: figure.verified,
            target: target.and_then(|target| target.current.value),
            original: moved.and_then(|target| target.original.value),
            expected: status.and_then(|status| status.expected).filter(|expected| *expected != Amount::ZERO),
            is_cap: target.is_some_and(|target| target.current.goal == Goal::AtMost),
        }
    }

    /// The end of the scale: the largest of what is shown.
    fn end(&self) -> i128 {
        let shown = [self.value, self.target, self.original, self.expected];
        shown.into_iter().flatten().map(Amount::millionths).max().unwrap_or(0).max(1)
    }

    /// Where an amount stands, in units of the width; below zero is zero.
    fn at(&self, amount: Amount) -> i128 {
        // Dividing first only where the product would leave the range: such amounts have digits enough.
        let (amount, end) = (amount.millionths().max(0), self.end());
        amount.checked_mul(WIDTH).map_or_else(|| amount / (end / WIDTH).max(1), |product| product / end).min(WIDTH)
    }

    /// The drawing; nothing where there is no target to hold a value against.
    #[must_use]
    pub fn draw(&self) -> Markup {
        let Some(target) = self.target else { return html! {} };
        let value = self.value.map_or(0, |value| self.at(value));
        let verified = self.verified.map_or(0, |verified| self.at(verified)).min(value);
        // A value too small to see is still no nothing.
        let value = if self.value.is_some_and(|value| value > Amount::ZERO) { value.max(4) } else { value };
        html! {
            svg.bar viewBox="0 0 1000 16" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
                rect.bar-scale x="0" y="3" width=(self.at(target)) height="10" {}
                rect.bar-value x="0" y="5" width=(value) height="6" {}
                rect.bar-verified x="0" y="5" width=(verified) height="6" {}
                @if let Some(original) = self.original { rect.bar-original x=(mark(self.at(original))) y="1" width="4" height="14" {} }
                @if self.is_cap || self.at(target) < WIDTH { rect.bar-target x=(mark(self.at(target))) y="1" width="5" height="14" {} }
                @if let Some(expected) = self.expected { rect.bar-expected x=(mark(self.at(expected))) y="0" width="5" height="16" {} }
            }
        }
    }
}

/// A mark keeps within the drawing.
fn mark(at: i128) -> i128 {
    (at - 2).clamp(0, WIDTH - 5)
}

/// The share of the target in tenths of a per cent; `None` where that says nothing.
#[must_use]
pub fn share(value: Option<Amount>, target: Option<Amount>) -> Option<String> {
    let (value, target) = (value?.millionths(), target.filter(|target| *target > Amount::ZERO)?.millionths());
    let permille = value.checked_mul(1_000)? / target;
    match permille {
        0 if value > 0 => Some("<0.1%".to_owned()),
        0..1_000 => Some(format!("{}.{}%", permille / 10, permille % 10)),
        // A hundred thousand per cent is a mistake somewhere, not a share.
        1_000..=999_999 => Some(format!("{}%", permille / 10)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(value: i64) -> Option<Amount> {
        Some(Amount::from_int(value))
    }

    #[test]
    fn everything_stays_on_the_scale() {
        let largest = Some(Amount::from_millionths(i128::MAX));
        for (value, target, expected) in [
            (whole(12), whole(71_450), whole(64_187)),
            (whole(-5), whole(10), whole(3)),
            (largest, whole(1), None),
            (whole(1), largest, largest),
            (whole(0), whole(0), None),
            (None, whole(5), None),
        ] {
            let bar = Bar { value, target, expected, ..Bar::default() };
            for amount in [value, target, expected].into_iter().flatten() {
                assert!((0..=WIDTH).contains(&bar.at(amount)), "{bar:?}");
            }
            assert!(bar.draw().into_string().starts_with("<svg"));
        }
        assert_eq!(Bar { value: whole(5), ..Bar::default() }.draw().into_string(), "");
    }

    #[test]
    fn shares_are_said_where_they_say_something() {
        for (value, target, expected) in [
            (whole(1), whole(2), Some("50.0%")),
            (whole(1), whole(71_450), Some("<0.1%")),
            (whole(0), whole(10), Some("0.0%")),
            (whole(3), whole(2), Some("150%")),
            (whole(1_000_000), whole(1), None),
            (whole(-1), whole(2), None),
            (whole(1), whole(0), None),
            (None, whole(1), None),
        ] {
            assert_eq!(share(value, target).as_deref(), expected, "{value:?} of {target:?}");
        }
    }
}
