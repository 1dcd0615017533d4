//! Markdown on a terminal, as it arrives: styled and wrapped, and otherwise as the model wrote it.
//!
//! No mark is taken away: headings, emphasis, code and fences are styled with their marks, so that what is copied is
//! what was said. Each character is shown as soon as it is there. A word that turns out not to fit into its line is
//! taken back and written into the next one. Code and tables are not wrapped, and neither is a word that is longer than a
//! line, such as a URL: the terminal breaks them where it must, and copies them whole.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthChar as _;

/// Styles and wraps a text that arrives in pieces, without control characters but line ends and tabs.
pub(crate) struct Markdown {
    /// The columns that are used: one less than the terminal has, because a cursor behind the last column is not where
    /// terminals say it is.
    width: usize,
    colors: bool,
    /// The styles that the terminal has now.
    shown: u8,
    /// The styles of inline marks that are open.
    inline: u8,
    /// The length of the marks around the code that is open.
    code: usize,
    /// Marks that have just been written: which, and how many.
    run: Option<(char, usize)>,
    /// The character before the marks, or else the last one; a space at the beginning of a line.
    before: char,
    column: usize,
    /// The word that is being written, with its styles, and its width.
    word: String,
    word_width: usize,
    /// What lines of this paragraph or item are indented by.
    indent: usize,
    line: Line,
    /// The mark of the fence that is open, and its length.
    fence: Option<(char, usize)>,
    /// Whether an item of a list has begun, and no text after the list.
    in_list: bool,
    /// Whether the line before is blank or code, so that an indented line may be code.
    after_blank: bool,
}

/// What a line is, as far as it is known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    /// Only white space so far.
    Blank,
    /// Marks that may make it a heading, an item or a fence: which, and how many.
    Marks(char, usize),
    /// A number that may make it an item.
    Number,
    Text,
    Heading,
    /// A fence, code inside of one, or a row of a table: not wrapped.
    Fence,
    Code,
    Table,
}

const BOLD: u8 = 1;
const ITALIC: u8 = 2;
const CODE: u8 = 4;
const DIM: u8 = 8;

impl Markdown {
    pub(crate) fn new(colors: bool) -> Self {
        Self {
            width: 0,
            colors,
            shown: 0,
            inline: 0,
            code: 0,
            run: None,
            before: ' ',
            column: 0,
            word: String::new(),
            word_width: 0,
            indent: 0,
            line: Line::Blank,
            fence: None,
            in_list: false,
            after_blank: true,
        }
    }

    /// What is to be written for the next piece of text, on a terminal of this many columns.
    pub(crate) fn write(&mut self, piece: &str, columns: usize) -> String {
        self.width = columns.saturating_sub(1).max(1);
        let mut out = String::with_capacity(piece.len());
        for character in piece.chars() {
            match character {
                '\n' => self.end_line(&mut out),
                '\r' => {}
                _ => self.character(character, &mut out),
            }
        }
        out
    }

    /// What ends the styles at the end of the text.
    pub(crate) fn end(&mut self) -> String {
        let mut out = String::new();
        self.show(0, &mut out);
        *self = Self::new(self.colors);
        out
    }

    fn end_line(&mut self, out: &mut String) {
        if let Line::Marks(mark, length) = self.line {
            self.end_fence(mark, length);
        }
        self.show(0, out);
        out.push('\n');
        (self.inline, self.code, self.run, self.before) = (0, 0, None, ' ');
        (self.column, self.word_width, self.indent) = (0, 0, 0);
        self.word.clear();
        self.after_blank = matches!(self.line, Line::Blank | Line::Code);
        self.line = Line::Blank;
    }

    /// A line of these marks alone opens or closes a fence, if they are marks of fences.
    fn end_fence(&mut self, mark: char, length: usize) {
        match self.fence {
            Some((open, least)) if open == mark && length >= least => self.fence = None,
            None if matches!(mark, '`' | '~') && length >= 3 => self.fence = Some((mark, length)),
            _ => {}
        }
    }

    fn character(&mut self, character: char, out: &mut String) {
        match self.line {
            Line::Blank | Line::Marks(..) | Line::Number => self.begin_line(character, out),
            Line::Text | Line::Heading => self.text(character, out),
            Line::Fence => self.put(character, DIM, out),
            Line::Code | Line::Table => self.put(character, 0, out),
        }
    }

    /// A character of the part of a line that says what it is.
    fn begin_line(&mut self, character: char, out: &mut String) {
        let is_space = matches!(character, ' ' | '\t');
        match (self.line, character) {
            (Line::Blank, ' ' | '\t') | (Line::Number, '0'..='9' | '.' | ')') => self.put(character, 0, out),
            (Line::Blank, _) if self.column >= 4 && self.after_blank && !self.in_list => {
                self.become_(Line::Code, character, out);
            }
            (Line::Blank, '`' | '~') => self.mark(character, 1, out),
            (Line::Blank, _) if self.fence.is_some() => self.become_(Line::Code, character, out),
            (Line::Blank, '#' | '>' | '-' | '+' | '*' | '_') => self.mark(character, 1, out),
            (Line::Blank, '0'..='9') => {
                self.line = Line::Number;
                self.put(character, 0, out);
            }
            (Line::Blank, '|') => self.become_(Line::Table, character, out),
            (Line::Marks(mark, count), _) if mark == character && !matches!(mark, '>') => {
                self.mark(character, count + 1, out);
            }
            (Line::Marks('`' | '~', 3..), _) if self.fence.is_none() => {
                // What follows is the language. Inside of a fence, it would be code.
                if let Line::Marks(mark, count) = self.line {
                    self.fence = Some((mark, count));
                }
                self.become_(Line::Fence, character, out);
            }
            // White space may follow the marks that close it.
            (Line::Marks(mark, count), _)
                if is_space && self.fence.is_some_and(|fence| fence.0 == mark && count >= fence.1) =>
            {
                self.put(character, 0, out);
            }
            (Line::Marks(..), _) if self.fence.is_some() => self.become_(Line::Code, character, out),
            (Line::Marks('#', 1..=6), _) if is_space => self.become_(Line::Heading, character, out),
            (Line::Marks('>', _), _) => {
                self.indent = self.column + usize::from(is_space);
                self.become_(Line::Text, character, out);
            }
            (Line::Marks('-' | '+' | '*', 1), _) if is_space => self.begin_item(character, out),
            (Line::Marks(mark @ ('*' | '_' | '`'), count), _) => {
                self.run = Some((mark, count));
                self.become_(Line::Text, character, out);
            }
            (Line::Number, _) if is_space && matches!(self.before, '.' | ')') => {
                self.begin_item(character, out);
            }
            (Line::Blank, _) => {
                self.in_list &= self.column > 0;
                self.indent = self.column;
                self.become_(Line::Text, character, out);
            }
            _ => self.become_(Line::Text, character, out),
        }
    }

    fn begin_item(&mut self, character: char, out: &mut String) {
        self.in_list = true;
        self.indent = self.column + 1;
        self.become_(Line::Text, character, out);
    }

    fn mark(&mut self, mark: char, count: usize, out: &mut String) {
        self.line = Line::Marks(mark, count);
        let before = self.before;
        self.put(mark, DIM, out);
        // Marks of emphasis count as nothing before a word.
        self.before = before;
    }

    fn become_(&mut self, line: Line, character: char, out: &mut String) {
        self.line = line;
        self.character(character, out);
    }

    /// A character of text, in which marks open and close styles.
    fn text(&mut self, character: char, out: &mut String) {
        if matches!(character, '*' | '_' | '`') {
            match &mut self.run {
                Some((mark, count)) if *mark == character => *count += 1,
                _ => {
                    self.resolve(character);
                    // After a backslash, and inside of words and of code, they are letters.
                    let is_mark = match self.code {
                        0 if self.before == '\\' => false,
                        0 => character == '`' || self.inline != 0 || !self.before.is_alphanumeric(),
                        _ => character == '`',
                    };
                    if !is_mark {
                        return self.put(character, self.style(), out);
                    }
                    self.run = Some((character, 1));
                }
            }
            let before = self.before;
            self.put(character, DIM, out);
            self.before = before;
            return;
        }
        self.resolve(character);
        self.put(character, self.style(), out);
    }

    /// Decides what the marks that were just written mean, by the character after them.
    fn resolve(&mut self, after: char) {
        let Some((mark, count)) = self.run.take() else { return };
        if mark == '`' {
            self.code = match self.code {
                0 => count,
                open if open == count => 0,
                open => open,
            };
            return;
        }
        let styles = match count {
            1 => ITALIC,
            2 => BOLD,
            _ => BOLD | ITALIC,
        };
        if self.inline & styles != 0 && !self.before.is_whitespace() {
            self.inline &= !styles;
        } else if !after.is_whitespace() && !self.before.is_alphanumeric() {
            self.inline |= styles;
        }
    }

    fn style(&self) -> u8 {
        let heading = if self.line == Line::Heading { BOLD } else { 0 };
        if self.code > 0 { CODE | heading } else { self.inline | heading }
    }

    /// Writes a character in these styles.
    fn put(&mut self, character: char, style: u8, out: &mut String) {
        self.before = character;
        let width = match character {
            // Stops of eight columns, as terminals have.
            '\t' => 8 - self.column % 8,
            _ => character.width().unwrap_or_default(),
        };
        let wraps = matches!(self.line, Line::Text | Line::Heading);
        if character.is_whitespace() {
            self.word.clear();
            self.word_width = 0;
            if wraps && self.column + width > self.width {
                self.show(style, out);
                self.new_line(out);
                return;
            }
        } else if wraps && width > 0 && self.column + width > self.width {
            let begins = self.column - self.word_width;
            if begins > self.indent && self.word_width > 0 {
                // The word is taken back, to begin the next line.
                let word = std::mem::take(&mut self.word);
                let shown = self.shown;
                let width = self.word_width;
                // Writing to a string cannot fail.
                let _ = write!(out, "\x1b[{width}D\x1b[K");
                self.show(0, out);
                self.new_line(out);
                out.push_str(&word);
                (self.word, self.word_width, self.shown) = (word, width, shown);
                self.column += width;
            } else if width > 1 || self.column > self.width + 1 {
                // Between ideographs, or after a terminal has become narrower.
                self.new_line(out);
            } else if self.column > self.width {
                // The terminal begins a new line.
                (self.column, self.word_width) = (0, 0);
                self.word.clear();
            }
        }
        let at = out.len();
        self.show(style, out);
        out.push(character);
        self.column += width;
        if !character.is_whitespace() {
            if self.word.is_empty() && self.colors {
                // A word that is written again has its own style from its beginning.
                self.word.push_str(&codes(self.shown));
                self.word.push(character);
            } else {
                self.word.push_str(out.get(at..).unwrap_or_default());
            }
            self.word_width += width;
        }
    }

    fn new_line(&mut self, out: &mut String) {
        out.push('\n');
        // Where little room is left, an indent takes none of it.
        let indent = if self.indent * 2 > self.width { 0 } else { self.indent };
        self.indent = indent;
        out.extend(std::iter::repeat_n(' ', indent));
        (self.column, self.word_width) = (indent, 0);
        self.word.clear();
    }

    fn show(&mut self, style: u8, out: &mut String) {
        if self.colors && self.shown != style {
            out.push_str(&codes(style));
            self.shown = style;
        }
    }
}

/// The control sequence of styles.
fn codes(style: u8) -> String {
    let mut codes = String::from("\x1b[0");
    for (flag, code) in [(BOLD, ";1"), (ITALIC, ";3"), (CODE, ";36"), (DIM, ";2")] {
        if style & flag != 0 {
            codes.push_str(code);
        }
    }
    codes.push('m');
    codes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a terminal of this width shows: rows of characters with their styles.
    fn screen(written: &str, columns: usize) -> Vec<Vec<(char, String)>> {
        let mut rows = vec![Vec::new()];
        let mut style = String::new();
        let mut characters = written.chars();
        while let Some(character) = characters.next() {
            let row = rows.last_mut().unwrap();
            match character {
                '\n' => rows.push(Vec::new()),
                '\x1b' => {
                    let sequence = characters.by_ref().skip(1);
                    let mut parameters = String::new();
                    for character in sequence {
                        match character {
                            'm' => style.clone_from(&parameters),
                            'D' => {
                                let mut left = parameters.parse::<usize>().unwrap();
                                while left > 0 {
                                    let (character, _): (char, String) = row.pop().unwrap();
                                    left -= character.width().unwrap_or_default();
                                }
                            }
                            'K' => {}
                            _ => {
                                parameters.push(character);
                                continue;
                            }
                        }
                        break;
                    }
                }
                _ => {
                    let width_of = |character: char| character.width().unwrap_or_default();
                    let taken = row.iter().map(|(character, _)| width_of(*character)).sum::<usize>();
                    if taken + width_of(character) > columns {
                        rows.push(Vec::new());
                    }
                    rows.last_mut().unwrap().push((character, style.clone()));
                }
            }
        }
        rows
    }

    fn text(rows: &[Vec<(char, String)>]) -> Vec<String> {
        rows.iter().map(|row| row.iter().map(|(character, _)| *character).collect()).collect()
    }

    fn rendered(source: &str, columns: usize, cut: usize) -> String {
        let mut markdown = Markdown::new(true);
        let characters = source.chars().collect::<Vec<_>>();
        let pieces = characters.chunks(cut).map(|piece| piece.iter().collect::<String>());
        let mut written = pieces.map(|piece| markdown.write(&piece, columns)).collect::<String>();
        written.push_str(&markdown.end());
        written
    }

    fn style_of(rows: &[Vec<(char, String)>], word: &str) -> String {
        for row in rows {
            let line = row.iter().map(|(character, _)| *character).collect::<String>();
            if let Some(at) = line.find(word) {
                return row[line[..at].chars().count()].1.clone();
            }
        }
        panic!("{word} is not there: {:?}", text(rows));
    }

    #[test]
    fn marks_are_styled_and_stay() {
        let source = "# Head line\nplain **bold** and *slanted* and `code *x*` snake_case 2 * 3 \\*escaped* star\n- item **b**\n\
                      ```rust\nlet x = *y; // **no**\n```\n> said\n1. one\n";
        let written = rendered(source, 200, 3);
        let rows = screen(&written, 200);
        assert_eq!(text(&rows).join("\n"), source);
        for (word, style) in [
            ("Head", "0;1"),
            ("plain", "0"),
            ("bold", "0;1"),
            ("and", "0"),
            ("slanted", "0;3"),
            ("code", "0;36"),
            ("x*", "0;36"),
            ("snake_case", "0"),
            ("case", "0"),
            ("3", "0"),
            ("escaped", "0"),
            ("item", "0"),
            ("rust", "0;2"),
            ("let", "0"),
            ("no", "0"),
            ("said", "0"),
            ("one", "0"),
        ] {
            assert_eq!(style_of(&rows, word), style, "{word}: {written:?}");
        }
        assert!(written.ends_with('\n') || written.ends_with("\x1b[0m"));
    }

    #[test]
    fn words_wrap_and_items_hang() {
        let rows = |source: &str, columns, cut| text(&screen(&rendered(source, columns, cut), columns));
        let rows_of_item = rows("- one two three four\n", 11, 1);
        let rows_of_item = rows_of_item.iter().map(|row| row.trim_end()).collect::<Vec<_>>();
        assert_eq!(rows_of_item, ["- one two", "  three", "  four", ""]);
        assert_eq!(rows("- a\n  one two three\n", 11, 1)[1..], ["  one two ", "  three", ""]);
        assert_eq!(rows("漢字漢字 漢字\n", 9, 1), ["漢字漢字", "漢字", ""]);
        // After a fence that is closed, lines wrap again.
        assert_eq!(rows("~~~~\n~~~\n~~~~ \nover the end\n", 9, 1)[2..4], ["~~~~ ", "over the"]);
    }

    #[test]
    fn the_terminal_alone_breaks_code_and_long_words() {
        for source in [
            "```\na long line of code\n```\n| a | long | row |",
            "    a long line\n\n    of code\n    and more",
            "abcdefghijklmnopqrstuvwxyz q",
            "see\n- x\nabcdefghijklmnopqr",
        ] {
            for cut in [1, 2, 100] {
                // No line end is written but those of the source.
                let written = rendered(source, 11, cut);
                assert_eq!(text(&screen(&written, 100)).join("\n"), source, "{written:?}");
            }
        }
        // In an item, indented text is text.
        let rows = text(&screen(&rendered("- a\n\n    one two three\n", 11, 1), 11));
        assert_eq!(rows[2..], ["    one ", "    two ", "    three", ""]);
    }

    #[test]
    fn nothing_that_has_arrived_is_held_back() {
        let mut markdown = Markdown::new(true);
        for (piece, shown) in [("*", "*"), ("*", "*"), ("wo", "wo"), ("rd", "rd"), ("`", "`"), ("#", "#")] {
            let written = markdown.write(piece, 80);
            assert_eq!(text(&screen(&written, 80)).join("\n"), shown, "{written:?}");
        }
    }

    #[test]
    fn without_colors_there_are_no_styles() {
        let mut markdown = Markdown::new(false);
        assert_eq!(markdown.write("# a **b** `c`\n", 80) + &markdown.end(), "# a **b** `c`\n");
    }

    proptest! {
        /// However the text is cut, the screen is the same; it has the words of the text, in lines that fit.
        #[test]
        fn the_screen_is_that_of_the_text(
            source in "[ a-c\\-*_`#>|~0-9.\n漢é]{0,80}", columns in 8_usize..40, cut in 1_usize..9,
        ) {
            let written = rendered(&source, columns, cut);
            let rows = screen(&written, columns);
            prop_assert_eq!(&rows, &screen(&rendered(&source, columns, usize::MAX >> 8), columns));
            let squeezed = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(squeezed(&text(&rows).join("\n")), squeezed(&source));
            // What the terminal breaks is code, a row of a table, or a word that is longer than a line.
            let unbroken = screen(&written, usize::MAX);
            let is_wide = |row: &str| row.chars().map(|one| one.width().unwrap_or_default()).sum::<usize>() >= columns;
            if !source.contains(['`', '|', '~']) && !source.contains("    ") {
                for row in text(&unbroken) {
                    let mut words = row.split_whitespace();
                    prop_assert!(!is_wide(&row) || words.any(is_wide), "{row:?} of {:?}", text(&rows));
                }
            }
        }
    }
}
