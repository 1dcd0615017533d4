//! The list of models as a table.

use std::fmt::Write as _;

use crate::output::one_line;
use pumice::models::Cost;
use pumice::settings::ListedModel;

/// A table of at most this width, and the heads of the columns that do not fit. Reasons go below their rows first; then
/// names are cut, then the beginnings of ids, which `--plain` shows whole; then columns are left out.
pub(super) fn table(rows: &[ListedModel], width: Option<usize>) -> (String, Vec<&'static str>) {
    let mut columns = vec![
        column(ID, rows, |row| row.model.id.clone()),
        column(NAME, rows, |row| row.model.name.clone()),
        column(INPUT, rows, |row| row.model.inputs().join("+")),
        column(CONTEXT, rows, |row| tokens(row.model.is_window_known, row.model.context_window)),
        column(OUTPUT, rows, |row| tokens(row.model.is_limit_known, row.model.max_tokens)),
        column(PRICE, rows, |row| price(row.model.cost.as_ref())),
        column(REASONING, rows, |row| if row.model.reasoning { "yes" } else { "no" }.to_owned()),
    ];
    let over = |columns: &[Column], width: usize, width_of: &dyn Fn(&Column) -> usize| {
        let total = columns.iter().map(|column| width_of(column) + 2).sum::<usize>();
        total.saturating_sub(2).saturating_sub(width)
    };
    let mut below = None;
    if rows.iter().any(|row| !row.is_listed()) {
        let reasons = column(CALLABLE, rows, |row| reason(row).unwrap_or_else(|| "yes".to_owned()));
        columns.insert(1, reasons);
        // A reason that is cut explains nothing.
        if let Some(width) = width.filter(|width| over(&columns, *width, &Column::least) > 0) {
            columns.remove(1);
            below = Some(width);
        }
    }
    let mut without = Vec::new();
    if let Some(width) = width {
        for head in [NAME, REASONING, INPUT, OUTPUT, CONTEXT, PRICE] {
            if over(&columns, width, &Column::least) > 0 && columns.iter().any(|column| column.head == head) {
                columns.retain(|column| column.head != head);
                without.push(head);
            }
        }
        for head in [NAME, ID] {
            let too_wide = over(&columns, width, &|column| column.width);
            if let Some(column) = columns.iter_mut().find(|column| column.head == head) {
                column.width = column.width.saturating_sub(too_wide).max(column.least());
            }
        }
        if let [ids] = columns.as_mut_slice() {
            ids.width = ids.width.min(width);
        }
    }
    let mut text = String::new();
    for line in 0..=rows.len() {
        let cells = columns.iter().enumerate().map(|(at, column)| column.cell(line, at == 0));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
        let row = line.checked_sub(1).and_then(|row| rows.get(row));
        if let (Some(width), Some(reason)) = (below, row.and_then(reason)) {
            wrap(&one_line(&reason), width, &mut text);
        }
    }
    (text, without)
}

/// Why a model cannot be called as it is listed, or what it is called as.
fn reason(row: &ListedModel) -> Option<String> {
    match (&row.reason, row.served_by.as_slice()) {
        (None, _) => row.exclusion.map(|why| format!("yes, but {why}")),
        (Some(_), [first, ..]) => Some(format!("as {first}")),
        (Some(reason), []) => Some(reason.to_string()),
    }
}

/// Adds a text as indented lines of at most this width.
fn wrap(text: &str, width: usize, lines: &mut String) {
    let indent = if width > NARROW { INDENT } else { "" };
    let mut left = 0;
    for word in text.split_whitespace() {
        let wide = width_of(word);
        if left > wide {
            lines.push(' ');
            left -= 1;
        } else {
            lines.extend([if lines.ends_with('\n') { "" } else { "\n" }, indent]);
            left = width - indent.len();
        }
        // A word that is wider than a line is cut.
        for character in word.chars() {
            let cells = cells_of(character);
            if left < cells {
                lines.extend(["\n", indent]);
                left = width - indent.len();
            }
            lines.push(character);
            left = left.saturating_sub(cells);
        }
    }
    lines.push('\n');
}

struct Column {
    head: &'static str,
    cells: Vec<String>,
    width: usize,
}

fn column(head: &'static str, rows: &[ListedModel], cell: impl Fn(&ListedModel) -> String) -> Column {
    let cells = rows.iter().map(|row| one_line(&cell(row)).into_owned()).collect::<Vec<_>>();
    let width = cells.iter().map(|cell| width_of(cell)).max().unwrap_or_default().max(head.len()).min(WIDEST);
    Column { head, cells, width }
}

impl Column {
    /// Its minimum width while there are other columns.
    fn least(&self) -> usize {
        let least = match self.head {
            ID => LEAST_ID,
            NAME => LEAST_NAME,
            _ => self.width,
        };
        least.min(self.width)
    }

    /// The head (line 0) or the cell of a row, at the column's width. A text that is too long is cut at its end; an id,
    /// which is recognised by its end, at its beginning.
    fn cell(&self, line: usize, is_id: bool) -> String {
        let cell = match line.checked_sub(1) {
            None => self.head,
            Some(row) => self.cells.get(row).map(String::as_str).unwrap_or_default(),
        };
        let shown = if width_of(cell) <= self.width {
            cell.to_owned()
        } else {
            let mut room = self.width.saturating_sub(1);
            let fits = |character: &char| {
                let left = room.checked_sub(cells_of(*character));
                room = left.unwrap_or_default();
                left.is_some()
            };
            if is_id {
                let end = cell.chars().rev().take_while(fits).collect::<Vec<_>>();
                std::iter::once('…').chain(end.into_iter().rev()).collect()
            } else {
                cell.chars().take_while(fits).chain(['…']).collect()
            }
        };
        let blank = self.width.saturating_sub(width_of(&shown));
        shown + &" ".repeat(blank)
    }
}

/// The width of a text, in cells of a terminal.
fn width_of(text: &str) -> usize {
    text.chars().map(cells_of).sum()
}

/// The width of a character, in cells of a terminal: 2 in blocks of wide characters (Hangul, the scripts of Chinese and
/// Japanese, full-width forms, emoji), 0 if it combines with the one before.
fn cells_of(character: char) -> usize {
    match character {
        '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200f}' | '\u{fe00}'..='\u{fe0f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

/// A number of tokens, rounded: `200k`, `1.05M`.
fn tokens(is_known: bool, tokens: u64) -> String {
    match tokens {
        _ if !is_known => "?".to_owned(),
        0..1000 => tokens.to_string(),
        1000..1_000_000 => format!("{}k", (tokens + 500) / 1000),
        _ => {
            let hundredths = tokens.saturating_add(5_000) / 10_000;
            let (whole, rest) = (hundredths / 100, hundredths % 100);
            match rest {
                0 => format!("{whole}M"),
                rest => format!("{whole}.{rest:02}M"),
            }
        }
    }
}

fn price(cost: Option<&Cost>) -> String {
    let shown = |price: Option<f64>| price.unwrap_or_default();
    cost.map_or("?".into(), |cost| format!("{}/{}", shown(cost.input), shown(cost.output)))
}

/// The heads of the columns.
const NAME: &str = "NAME";
const ID: &str = "ID";
const CALLABLE: &str = "CALLABLE";
const INPUT: &str = "INPUT";
const CONTEXT: &str = "CONTEXT";
const OUTPUT: &str = "OUTPUT";
const PRICE: &str = "$/M IN/OUT";
const REASONING: &str = "REASONING";
/// The maximum width of a column: one long cell would make all cells as wide.
const WIDEST: usize = 300;
/// Before the lines below a row, unless the terminal is as narrow as this.
const INDENT: &str = "    ";
const NARROW: usize = 20;
/// The minimum width of a name.
const LEAST_NAME: usize = 12;
/// The minimum width of an id while there are other columns: the length of ids that are not ARNs.
const LEAST_ID: usize = 48;

#[cfg(test)]
mod tests {
    use pumice::models::{Limits, ModelInfo, Reason};
    use pumice::settings::ModelSource;

    use super::*;

    fn row(id: &str) -> ListedModel {
        let model = ModelInfo::known(id).model(id, Limits::default());
        ListedModel::new(model, ModelSource::Settings)
    }

    #[test]
    fn a_table_is_no_wider_than_the_terminal() {
        let arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6";
        let mut rows =
            vec![row("us.anthropic.claude-haiku-4-5-20251001-v1:0"), row(arn), row("openai.gpt-6-luna")];
        for reason in [None, Some(Reason::NotOnDemand)] {
            (rows[0].reason, rows[0].source) = (reason.clone(), ModelSource::Service);
            let whole = table(&rows, None).0;
            assert!(
                whole.contains(arn) && whole.contains("Claude Haiku 4.5 ") && whole.contains("1.05M"),
                "{whole}"
            );
            for width in 4..260 {
                let (table, _) = table(&rows, Some(width));
                let widest = table.lines().map(width_of).max().unwrap();
                assert!(widest <= width, "{width}\n{table}");
                let lines = table.lines().filter(|line| !line.starts_with(' ')).count();
                assert!(lines == 4 || width <= NARROW, "{width}\n{table}");
                // A reason is never cut.
                if let Some(reason) = &reason {
                    let without = |text: &str| text.replace(char::is_whitespace, "");
                    assert!(without(&table).contains(&without(&reason.to_string())), "{width}\n{table}");
                }
            }
            let (narrow, _) = table(&rows, Some(120));
            assert!(narrow.contains("us.anthropic.claude-haiku-4-5-20251001-v1:0"), "{narrow}");
            assert!(
                narrow.contains("…") && narrow.contains("a1b2c3d4e5f6") && narrow.contains("CONTEXT"),
                "{narrow}"
            );
        }
    }

    #[test]
    fn both_prices_are_the_last_to_be_left_out_and_missing_columns_are_named() {
        let rows = [row("us.anthropic.claude-haiku-4-5-20251001-v1:0"), row("openai.gpt-6-luna")];
        for (width, without) in [
            (None, &[][..]),
            (Some(80), &[NAME, REASONING, INPUT]),
            (Some(60), &[NAME, REASONING, INPUT, OUTPUT, CONTEXT]),
            (Some(40), &[NAME, REASONING, INPUT, OUTPUT, CONTEXT, PRICE]),
        ] {
            let (table, missing) = table(&rows, width);
            assert_eq!(missing, without, "{table}");
            assert_eq!(table.contains(" 1.1/5.5"), !missing.contains(&PRICE), "{table}");
        }
    }

    #[test]
    fn wide_characters_take_two_cells() {
        let mut rows = vec![row("us.anthropic.claude-haiku-4-5-20251001-v1:0"), row("zai.glm-4.7")];
        rows[0].model.name = "俳句の模型、速くて小さい".to_owned();
        rows[1].model.name = "Cafe\u{301}".to_owned();
        for width in [None, Some(40), Some(60), Some(80), Some(100), Some(113), Some(114)] {
            let (table, _) = table(&rows, width);
            let of = |line: &str, words: &str| line.find(words).map(|at| width_of(&line[..at]));
            let lines = table.lines().collect::<Vec<_>>();
            assert!(lines.iter().all(|line| width.is_none_or(|width| width_of(line) <= width)), "{table}");
            if let Some(column) = of(lines[0], "INPUT") {
                assert_eq!(
                    (of(lines[1], "text"), of(lines[2], "text")),
                    (Some(column), Some(column)),
                    "{table}"
                );
            }
        }
        let (cut, _) = table(&rows, Some(120));
        assert!(cut.contains("俳句の") && cut.contains("…"), "{cut}");
    }

    #[test]
    fn tokens_are_rounded() {
        for (number, shown) in [
            (900, "900"),
            (4_096, "4k"),
            (200_000, "200k"),
            (131_072, "131k"),
            (1_000_000, "1M"),
            (1_048_576, "1.05M"),
            (10_000_000, "10M"),
        ] {
            assert_eq!(tokens(true, number), shown);
        }
    }
}
