//! A metric and its samples, as both formats write them.

use std::fmt::Write as _;
use std::io::{self, Write};

use crate::render::Output;

/// A metric and its samples so far.
pub(super) struct Family {
    name: &'static str,
    help: &'static str,
    samples: String,
}

impl Family {
    pub(super) const fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help, samples: String::new() }
    }

    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: &dyn std::fmt::Display) {
        self.samples.push_str(self.name);
        for (at, (name, text)) in labels.iter().enumerate() {
            self.samples.push(if at == 0 { '{' } else { ',' });
            // Writing to a String cannot fail.
            let _ = write!(self.samples, "{name}=\"{}\"", escaped(text));
        }
        self.samples.push_str(if labels.is_empty() { " " } else { "} " });
        let _ = writeln!(self.samples, "{value}");
    }

    pub(super) fn write(&self, out: &mut Output) -> io::Result<()> {
        if self.samples.is_empty() {
            return Ok(());
        }
        let Self { name, help, samples } = self;
        writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge")?;
        if name.ends_with("_seconds") {
            writeln!(out, "# UNIT {name} seconds")?;
        }
        out.write_all(samples.as_bytes())
    }
}

/// Names of columns as names of labels, no two alike.
pub(super) fn labels(names: &[String]) -> Vec<String> {
    let mut labels: Vec<String> = Vec::with_capacity(names.len());
    for name in names {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
        let label: String = "carried_".chars().chain(name.chars().map(plain)).collect();
        let mut free = label.clone();
        for number in 2.. {
            if !labels.contains(&free) {
                break;
            }
            free = format!("{label}_{number}");
        }
        labels.push(free);
    }
    labels
}

/// A label's value, as both formats write it.
pub(super) fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n").replace('\r', r"\\r")
}
