//! Figures and how far they may go.

use std::process::ExitCode;

pub struct Bar {
    subject: String,
    figure: f64,
    limit: Limit,
    unit: &'static str,
    /// Where the limit has not been reached: how far it is, which must not be lost again.
    held: Option<f64>,
}

#[derive(Clone, Copy)]
pub enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

impl Bar {
    pub fn new(subject: impl Into<String>, figure: f64, limit: Limit, unit: &'static str) -> Self {
        Self { subject: subject.into(), figure, limit, unit, held: None }
    }

    /// For a limit that has not been reached: the most that the figure may be until it is.
    pub fn held_at(self, held: f64) -> Self {
        Self { held: Some(held), ..self }
    }

    fn is_held(&self) -> bool {
        self.is_met() || self.held.is_some_and(|held| self.figure <= held)
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
    print(bars);
    ExitCode::from(u8::from(!bars.iter().all(Bar::is_met)))
}

/// The same, but a figure whose bar has not been reached may be as far from it as it was.
pub fn no_worse(bars: &[Bar]) -> ExitCode {
    print(bars);
    ExitCode::from(u8::from(!bars.iter().all(Bar::is_held)))
}

fn print(bars: &[Bar]) {
    println!("| figure | | bar | |\n|---|---|---|---|");
    for bar in bars {
        let (word, limit) = match bar.limit {
            Limit::AtMost(limit) => ("at most", limit),
            Limit::AtLeast(limit) => ("at least", limit),
        };
        let figure =
            if bar.figure >= 1000.0 { format!("{:.0}", bar.figure) } else { format!("{:.2}", bar.figure) };
        let verdict = match bar.held {
            _ if bar.is_met() => "within".to_owned(),
            Some(held) if bar.is_held() => format!("**OVER**, within the {held} reached"),
            _ => "**OVER**".to_owned(),
        };
        println!("| {} | {figure} {} | {word} {limit} | {verdict} |", bar.subject, bar.unit);
    }
}
