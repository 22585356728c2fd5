//! A progress bar on standard error, only where that is a terminal: how much is done, how fast, how long still.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar, or nothing where nobody watches.
pub struct Bar(ProgressBar);

/// A bar with a name.
#[must_use]
pub fn bar(name: &'static str) -> Bar {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(10));
    let template = "{prefix} [{bar:30}] {pos}/{len} {per_sec} {eta}";
    // The template is fixed text; a style that cannot be made leaves the default one.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(name);
    Bar(bar)
}

impl Bar {
    /// So many of so many are done.
    pub fn set(&self, done: u64, all: u64) {
        self.0.set_length(all);
        self.0.set_position(done);
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}
