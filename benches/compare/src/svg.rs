//! What the charts have in common: their page, which follows the reader's light or dark theme, and their file.

use std::fmt::Write as _;
use std::fs;

use crate::package::root;

/// The beginning of a page. Shapes take their color from a class of [`COLORS`], by `currentColor`.
pub fn page(width: f64, height: f64, title: &str, description: &str) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"title description\" \
         font-family=\"system-ui, sans-serif\" font-size=\"13\">\n<title id=\"title\">{}</title>\n\
         <desc id=\"description\">{}</desc>\n<style>\n",
        escaped(title),
        escaped(description)
    );
    let classes = COLORS.iter().chain(&[("page", "#ffffff", "#0d1117"), ("text", "#1f2328", "#e6edf3")]);
    for (class, light, dark) in classes {
        writeln!(
            svg,
            ".{class} {{ color: {light} }} @media (prefers-color-scheme: dark) {{ .{class} {{ color: {dark} }} }}"
        )
        .unwrap();
    }
    // A background of its own: the text is readable also where the page around it has another theme.
    svg + "text { fill: currentColor }\n</style>\n\
           <rect class=\"page\" width=\"100%\" height=\"100%\" fill=\"currentColor\"/>\n<g class=\"text\">\n"
}

pub const END: &str = "</g>\n</svg>\n";

pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// Writes a chart to its file.
pub fn write(file: &str, svg: &str) {
    fs::write(root().join(file), svg).unwrap();
    println!("{file} is drawn");
}

/// Panics if the file is not this chart, which the command draws.
pub fn check(file: &str, svg: &str, command: &str) {
    let found = fs::read_to_string(root().join(file)).unwrap_or_default();
    let manifest = "benches/compare/Cargo.toml";
    assert!(found == svg, "{file} is out of date: run `cargo run --manifest-path {manifest} -- {command}`");
}

/// Classes, each with its color in the light and in the dark theme.
pub const COLORS: [(&str, &str, &str); 5] = [
    ("blue", "#0969da", "#4493f8"),
    ("orange", "#bc4c00", "#db6d28"),
    ("green", "#1a7f37", "#3fb950"),
    ("purple", "#8250df", "#ab7df8"),
    ("gray", "#818b98", "#6e7681"),
];
