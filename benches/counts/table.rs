//! Markdown tables of figures.

use std::io::Write;
use std::time::Duration;

use indicatif::HumanCount;

/// Prints a line.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints the head of a table. All columns except the first are numbers.
pub fn head(title: &str, columns: &[&str]) {
    say(&format!("\n### {title}\n"));
    say(&format!("| {} |", columns.join(" | ")));
    let rules: Vec<_> = (0..columns.len()).map(|at| if at == 0 { "---" } else { "--:" }).collect();
    say(&format!("|{}|", rules.join("|")));
}

/// Prints a row of a table.
pub fn row(cells: &[String]) {
    say(&format!("| {} |", cells.join(" | ")));
}

/// Formats a time with about three digits.
pub fn time(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1000.0;
    match ms {
        _ if ms < 10.0 => format!("{ms:.1} ms"),
        _ if ms < 1000.0 => format!("{ms:.0} ms"),
        _ => format!("{:.2} s", ms / 1000.0),
    }
}

/// Formats a number with thousands separators.
pub fn number(number: u64) -> String {
    HumanCount(number).to_string()
}

/// Formats bytes as megabytes.
#[expect(clippy::cast_precision_loss, reason = "for people")]
pub fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// Items per second.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "for people"
)]
pub fn rate(all: u64, time: Duration) -> u64 {
    (all as f64 / time.as_secs_f64()) as u64
}

/// Formats the ratio of two times.
pub fn ratio(time: Duration, base: Duration) -> String {
    let ratio = time.as_secs_f64() / base.as_secs_f64();
    if ratio < 10.0 { format!("{ratio:.2}") } else { format!("{ratio:.1}") }
}
