//! Sizes and instruction counts of each release, one line each in `benches/history.jsonl`, and a chart of them.

use std::fmt::Write as _;
use std::fs;
use std::process::{Command, ExitCode};

use serde_json::{Value, json};

use crate::measure::{Asks, Over, Program, World, median};
use crate::package::{Built, CLI, EMBEDDER, KEYS, LEAN, root};
use crate::svg;

/// Measures this state, adds it as the last line, or in place of the line that has its name, and draws the chart.
pub fn add(name: &str) -> ExitCode {
    let [whole, lean, embedder, keys] = [CLI, LEAN, EMBEDDER, KEYS].map(|package| package.build());
    let world = World::new();
    let count = |program: &Program, over, events| {
        // Keys and padding of TLS are chance.
        let runs = if matches!(over, Over::Tls) { 5 } else { 1 };
        median((0..runs).map(|_| world.instructions(program, over, events)).collect())
    };
    let program = |name, built: &Built, asks| {
        let program = Program { name, binary: built.binary.clone(), asks };
        let [few, many] = [1_000, 11_000].map(|events| count(&program, Over::Http, events));
        json!({
            "start over HTTP": count(&program, Over::Http, 1),
            "start over TLS": count(&program, Over::Tls, 1),
            "an event": (many - few) / 10_000,
        })
    };
    let line = json!({
        "name": name,
        "date": said("date", &["-u", "+%F"]),
        "commit": said("git", &["rev-parse", "--short", "HEAD"]),
        "rust": said("rustc", &["--version"]).split(' ').nth(1),
        "bytes": {
            "program": whole.size,
            "program without features": lean.size,
            "embedder": embedder.size,
            "embedder with keys of its own": keys.size,
        },
        "instructions": {
            "program": program("pumice converse", &whole, Asks::Converse),
            "embedder": program("embedder", &embedder, Asks::Embedder),
        },
    });
    let mut lines = lines();
    lines.retain(|line| line["name"] != name);
    lines.push(line);
    let mut text = String::new();
    for line in &lines {
        writeln!(text, "{line}").unwrap();
    }
    fs::write(root().join(LINES), text).unwrap();
    draw()
}

/// Draws the chart.
pub fn draw() -> ExitCode {
    svg::write(CHART, &chart(&lines()));
    ExitCode::SUCCESS
}

/// Panics if the chart is not that of the lines.
pub fn check() {
    svg::check(CHART, &chart(&lines()), "history");
}

fn lines() -> Vec<Value> {
    let text = fs::read_to_string(root().join(LINES)).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect(LINES)).collect()
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(root()).output().expect(program);
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A panel: its title, what a unit is, and its curves, each by its name and its place in a line.
type Panel = (&'static str, f64, &'static [(&'static str, &'static str)]);

const PANELS: [Panel; 3] = [
    (
        "Size, MB",
        1e6,
        &[
            ("program", "/bytes/program"),
            ("program without features", "/bytes/program without features"),
            ("embedder", "/bytes/embedder"),
            ("embedder with keys of its own", "/bytes/embedder with keys of its own"),
        ],
    ),
    (
        "Start to end with one event, million instructions",
        1e6,
        &[
            ("program, TLS", "/instructions/program/start over TLS"),
            ("embedder, TLS", "/instructions/embedder/start over TLS"),
            ("program, HTTP", "/instructions/program/start over HTTP"),
            ("embedder, HTTP", "/instructions/embedder/start over HTTP"),
        ],
    ),
    (
        "An event, thousand instructions",
        1e3,
        &[("program", "/instructions/program/an event"), ("embedder", "/instructions/embedder/an event")],
    ),
];

/// The panels below each other. Each begins at zero, so that distances are true.
fn chart(lines: &[Value]) -> String {
    let height = PANELS.len() as f64 * PANEL;
    let description = format!("Curves of the figures in {LINES}.");
    let mut svg = svg::page(WIDTH, height, "Sizes and instructions of each release", &description);
    for (number, (title, unit, curves)) in PANELS.iter().enumerate() {
        let (top, bottom) = (number as f64 * PANEL + 40.0, (number as f64 + 1.0) * PANEL - 40.0);
        let value = |line: &Value, place: &str| line.pointer(place).and_then(Value::as_f64).map(|n| n / unit);
        let all = curves.iter().flat_map(|(_, place)| lines.iter().filter_map(|line| value(line, place)));
        let most = all.fold(0.0, f64::max) * 1.1;
        let x = |at: usize| LEFT + (RIGHT - LEFT) * (at as f64 + 0.5) / lines.len().max(1) as f64;
        let y = |value: f64| bottom - (bottom - top) * value / most.max(f64::MIN_POSITIVE);
        writeln!(svg, "<text x=\"{LEFT}\" y=\"{}\" font-weight=\"bold\">{title}</text>", top - 16.0).unwrap();
        let axis = format!("x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{bottom}\" y2=\"{bottom}\" stroke=\"#888\"");
        writeln!(svg, "<line {axis}/>").unwrap();
        for (at, line) in lines.iter().enumerate() {
            let name = line["name"].as_str().unwrap_or_default();
            // In two lines by turns: neighbors have space.
            let y = bottom + if at % 2 == 0 { 16.0 } else { 32.0 };
            let place = format!("x=\"{:.1}\" y=\"{y}\" text-anchor=\"middle\"", x(at));
            writeln!(svg, "<text {place}>{}</text>", svg::escaped(name)).unwrap();
        }
        let mut free = f64::MAX;
        // From the lowest at the end upwards, each name at least a line above the one before.
        let mut named = curves
            .iter()
            .zip(svg::COLORS)
            .filter_map(|((name, place), (color, ..))| {
                let points = lines.iter().enumerate();
                let points = points.filter_map(|(at, line)| Some((x(at), value(line, place)?)));
                let points = points.collect::<Vec<_>>();
                Some((points.last()?.1, *name, color, points))
            })
            .collect::<Vec<_>>();
        named.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (last, name, color, points) in named {
            let path = points.iter().map(|(x, value)| format!("{x:.1},{:.1}", y(*value))).collect::<Vec<_>>();
            writeln!(
                svg,
                "<polyline class=\"{color}\" points=\"{}\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"2\"/>",
                path.join(" ")
            )
            .unwrap();
            for (x, value) in &points {
                let place = format!("cx=\"{x:.1}\" cy=\"{:.1}\" r=\"3\"", y(*value));
                writeln!(svg, "<circle class=\"{color}\" {place} fill=\"currentColor\"/>").unwrap();
            }
            free = (y(last) + 4.0).min(free - 14.0);
            writeln!(
                svg,
                "<text class=\"{color}\" x=\"{}\" y=\"{free:.1}\">{last:.2} {name}</text>",
                RIGHT + 8.0
            )
            .unwrap();
        }
    }
    svg + svg::END
}

const LINES: &str = "benches/history.jsonl";
const CHART: &str = "docs/history.svg";
/// The measures of the chart.
const WIDTH: f64 = 880.0;
const PANEL: f64 = 220.0;
const LEFT: f64 = 20.0;
const RIGHT: f64 = 600.0;
