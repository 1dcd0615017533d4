//! Numbers as JSON5 and the command line write them.

use serde_json::Number;

/// A number as it is written in JSON5; infinite where it is too large.
pub(super) fn number(text: &str) -> f64 {
    match parts(text) {
        (_, _, 10) => decimal(text).unwrap_or(f64::NAN),
        (minus, digits, _) => {
            let digits = digits.chars().filter_map(|c| c.to_digit(16));
            let value = digits.fold(0.0, |value, digit| value * 16.0 + f64::from(digit));
            if minus { -value } else { value }
        }
    }
}

/// A decimal number, which may have a sign and need not have digits on both sides of the point, or `inf` or
/// `infinity` in any case. Infinite where it is too large.
// size: 14,000 bytes, because the reader of JSON is in the program already: the standard library's own has a table of
// 10 KB.
pub fn decimal(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let value = if ["inf", "infinity"].iter().any(|word| digits.eq_ignore_ascii_case(word)) {
        f64::INFINITY
    } else {
        let (digits, power) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let power_digits = power.strip_prefix(['+', '-']).unwrap_or(power);
        let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if ![whole, fraction, power_digits].into_iter().all(are_digits)
            || power_digits.is_empty()
            || whole.len() + fraction.len() == 0
        {
            return None;
        }
        let whole = match whole.trim_start_matches('0') {
            "" => "0",
            whole => whole,
        };
        // JSON has this form; what is wrong with it can only be that it is too large.
        serde_json::from_str(&format!("{whole}.{fraction}0e{power}")).unwrap_or(f64::INFINITY)
    };
    Some(if text.starts_with('-') { -value } else { value })
}

/// A number that is whole and that 64 bits can hold.
pub(super) fn whole(text: &str) -> Option<Number> {
    match parts(text) {
        (false, digits, radix) => u64::from_str_radix(digits, radix).ok().map(Number::from),
        (true, digits, radix) => i64::from_str_radix(&format!("-{digits}"), radix).ok().map(Number::from),
    }
}

/// Whether there is a minus, the digits, and their radix.
fn parts(text: &str) -> (bool, &str, u32) {
    let digits = text.trim_start_matches(['+', '-']);
    match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) => (text.starts_with('-'), digits, 16),
        None => (text.starts_with('-'), digits, 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_numbers_are_those_of_the_standard_library() {
        for text in [
            "0",
            "-0.0",
            "1",
            "007",
            "-05",
            "+5",
            ".5",
            "5.",
            "-.5",
            "5.e4",
            "1e+5",
            "2E-1",
            "0.0825",
            "1e-320",
            "1e400",
            "-1e400",
            "1e99999999999",
            "inf",
            "-Infinity",
            "18446744073709551616",
            "9007199254740991.5",
            "",
            ".",
            "e5",
            "5e",
            "5e+",
            "+",
            "--5",
            "+-5",
            "1.2.3",
            "1e5e5",
            "1e0.5",
            "0x10",
            " 5",
            "5 ",
            "1_000",
            "one",
        ] {
            assert_eq!(decimal(text), text.parse().ok(), "{text:?}");
        }
        assert_eq!(decimal("nan"), None);
    }
}
