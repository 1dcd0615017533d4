//! The comparison in `README.md`: its table, and the chart that is drawn from it.

use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::process::ExitCode;

use crate::package::root;
use crate::svg;

/// A column of the table: a program, and a figure for each of [`ROWS`].
pub type Column = (&'static str, [String; ROWS.len()]);

/// The first [`PANELS`] are also in the chart.
const ROWS: [&str; 5] = [
    "Size, MB",
    "Start and one event over HTTP, million instructions",
    "Start and one event over TLS, million instructions",
    "Each further event, instructions",
    "Peak memory for 100,000 events, MiB",
];
const PANELS: usize = 4;

/// Replaces the table and draws the chart.
pub fn write(columns: &[Column]) {
    let line = |first: &str, cells: Vec<&str>| format!("| {first} | {} |\n", cells.join(" | "));
    let mut table = line("", columns.iter().map(|(name, _)| *name).collect());
    table += &line("---", columns.iter().map(|_| "---:").collect());
    for (at, title) in ROWS.iter().enumerate() {
        table += &line(title, columns.iter().map(|(_, figures)| &*figures[at]).collect());
    }
    let mut text = readme();
    text.replace_range(place(&text), &table);
    fs::write(root().join(README), text).unwrap();
    draw();
}

/// Draws the chart.
pub fn draw() -> ExitCode {
    svg::write(CHART, &chart());
    ExitCode::SUCCESS
}

/// Panics if the chart is not that of the table.
pub fn check() {
    svg::check(CHART, &chart(), "chart");
}

/// The size of a program in the table, in MB.
pub fn size(name: &str) -> f64 {
    let table = table(&readme());
    let column = table[0].iter().position(|found| found == name);
    number(&table[1][column.unwrap_or_else(|| panic!("{README}: expected {name}"))])
}

fn readme() -> String {
    fs::read_to_string(root().join(README)).unwrap()
}

/// Where the table is.
fn place(readme: &str) -> Range<usize> {
    let find = |from: usize, what: &str| {
        let found = readme[from..].find(what);
        from + found.unwrap_or_else(|| panic!("{README}: expected {HEADING} with a table"))
    };
    let begin = find(find(0, HEADING), "\n|") + 1;
    begin..find(begin, "\n\n") + 1
}

/// The cells, the names of the programs first.
fn table(readme: &str) -> Vec<Vec<String>> {
    let lines = readme[place(readme)].lines().filter(|line| !line.starts_with("| --- |"));
    lines.map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

fn number(cell: &str) -> f64 {
    cell.replace(',', "").parse().unwrap_or_else(|_| panic!("{README}: expected a number, found {cell:?}"))
}

/// The panels below each other, one bar for each program. Bars begin at zero, and the longest has the whole width.
fn chart() -> String {
    let table = table(&readme());
    let names = table[0][1..].iter().map(|name| svg::escaped(&name.replace('`', ""))).collect::<Vec<_>>();
    let panels = &table[1..=PANELS];
    let description = panels.iter().map(|row| {
        let figures = names.iter().zip(&row[1..]).map(|(name, figure)| format!("{name}: {figure}"));
        format!("{}. {}.", row[0], figures.collect::<Vec<_>>().join("; "))
    });
    let description = description.collect::<Vec<_>>().join(" ");
    let height = FIRST + PANELS as f64 * (HEAD + names.len() as f64 * PITCH) + MARGIN;
    let mut svg = svg::page(WIDTH, height, TITLE, &description);
    writeln!(svg, "<text x=\"{MARGIN}\" y=\"{FIRST}\">{TITLE}</text>").unwrap();
    let mut y = FIRST;
    for row in panels {
        y += HEAD;
        let (title, baseline) = (svg::escaped(&row[0]), y - 10.0);
        writeln!(svg, "<text x=\"{MARGIN}\" y=\"{baseline}\" font-weight=\"bold\">{title}</text>").unwrap();
        let most = row[1..].iter().map(|figure| number(figure)).fold(f64::MIN_POSITIVE, f64::max);
        for (name, figure) in names.iter().zip(&row[1..]) {
            let width = (number(figure) / most * LONGEST).max(1.0);
            let color = if name.starts_with("AWS") { "gray" } else { "blue" };
            let (top, thick, text, end) = (y + 2.0, PITCH - 5.0, y + PITCH - 5.0, LEFT + width + 6.0);
            writeln!(
                svg,
                "<text x=\"{MARGIN}\" y=\"{text}\">{name}</text>\
                 <rect class=\"{color}\" x=\"{LEFT}\" y=\"{top}\" width=\"{width:.1}\" height=\"{thick}\" rx=\"2\" \
                 fill=\"currentColor\"/><text x=\"{end:.1}\" y=\"{text}\">{figure}</text>"
            )
            .unwrap();
            y += PITCH;
        }
    }
    svg + svg::END
}

const README: &str = "README.md";
const HEADING: &str = "## Size and speed";
const CHART: &str = "docs/comparison.svg";
const TITLE: &str = "pumice beside the smallest program with aws-sdk-bedrockruntime. Less is better.";
/// The measures of the chart: the page's title, a panel's, and a bar with the space to the next.
const WIDTH: f64 = 640.0;
const FIRST: f64 = 28.0;
const HEAD: f64 = 36.0;
const PITCH: f64 = 20.0;
const MARGIN: f64 = 16.0;
/// Where the bars begin, and the longest: enough space for a figure is left behind it.
const LEFT: f64 = 184.0;
const LONGEST: f64 = 380.0;
