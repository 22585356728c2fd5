//! The table at the end: one line per figure, with its goal and whether it is met. Never computes a figure.

/// The lines, in order.
#[derive(Default)]
pub struct Table {
    lines: Vec<[String; 5]>,
}

impl Table {
    /// A figure without a goal.
    pub fn say(&mut self, what: &str, figure: String) {
        self.lines.push([what.to_owned(), figure, String::new(), String::new(), String::new()]);
    }

    /// A figure with its ratio or extent, its goal, and whether it is met.
    pub fn goal(&mut self, what: &str, figure: String, ratio: String, goal: &str, met: bool) {
        let met = if met { "met" } else { "not met" };
        self.lines.push([what.to_owned(), figure, ratio, goal.to_owned(), met.to_owned()]);
    }

    /// What could not be measured, and why.
    pub fn missing(&mut self, what: &str, why: &str) {
        self.lines.push([what.to_owned(), "not measured".to_owned(), why.to_owned(), String::new(), String::new()]);
    }

    /// Prints it, columns aligned.
    pub fn print(&self) {
        let head = ["what", "figure", "ratio", "goal", ""].map(str::to_owned);
        let rows: Vec<&[String; 5]> = std::iter::once(&head).chain(&self.lines).collect();
        let wide = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; 5] = std::array::from_fn(wide);
        println!();
        for row in rows {
            let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            println!("{}", cells.join("  ").trim_end());
        }
    }
}

/// `123,456`.
pub fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
