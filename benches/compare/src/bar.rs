//! Figures and how far they may go.

use std::process::ExitCode;

pub struct Bar {
    subject: String,
    figure: f64,
    limit: Limit,
    unit: &'static str,
}

#[derive(Clone, Copy)]
pub enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

impl Bar {
    pub fn new(subject: impl Into<String>, figure: f64, limit: Limit, unit: &'static str) -> Self {
        Self { subject: subject.into(), figure, limit, unit }
    }

    fn is_met(&self) -> bool {
        match self.limit {
            Limit::AtMost(limit) => self.figure <= limit,
            Limit::AtLeast(limit) => self.figure >= limit,
        }
    }
}

/// Prints the figures beside their bars. Fails where one is over.
pub fn verdict(bars: &[Bar]) -> ExitCode {
    println!("| figure | | bar | |\n|---|---|---|---|");
    for bar in bars {
        let (word, limit) = match bar.limit {
            Limit::AtMost(limit) => ("at most", limit),
            Limit::AtLeast(limit) => ("at least", limit),
        };
        let figure =
            if bar.figure >= 1000.0 { format!("{:.0}", bar.figure) } else { format!("{:.2}", bar.figure) };
        let verdict = if bar.is_met() { "within" } else { "**OVER**" };
        println!("| {} | {figure} {} | {word} {limit} | {verdict} |", bar.subject, bar.unit);
    }
    ExitCode::from(u8::from(!bars.iter().all(Bar::is_met)))
}
