//! Names and ids that the service takes, in place of those that it would refuse.

use std::collections::{HashMap, HashSet, VecDeque};

/// Names, each of which is given once.
#[derive(Debug, Clone, Default)]
struct Taken {
    names: HashSet<String>,
    /// The number to try next behind each beginning, so that no number is tried twice.
    next: HashMap<String, u32>,
}

impl Taken {
    /// The name, or with a number behind it if it is taken: at most [`LONGEST`] characters.
    fn take(&mut self, wanted: String) -> String {
        if self.names.insert(wanted.clone()) {
            return wanted;
        }
        let mut ending = "_2".to_owned();
        let mut number = 2;
        loop {
            let mut name = wanted.chars().take(LONGEST.saturating_sub(ending.len())).collect::<String>();
            let next = self.next.entry(name.clone()).or_insert(number);
            number = number.max(*next);
            let length = ending.len();
            ending = format!("_{number}");
            // A longer number leaves room for a shorter beginning.
            if ending.len() == length {
                number += 1;
                *next = number;
                name.push_str(&ending);
                if self.names.insert(name.clone()) {
                    return name;
                }
            }
        }
    }
}

/// The names of tools: as they are given, and as they are sent.
#[derive(Debug, Clone, Default)]
pub(super) struct ToolNames {
    taken: Taken,
    sent: HashMap<String, String>,
    given: HashMap<String, String>,
}

impl ToolNames {
    /// Of these tools. The names that the service takes are sent as they are.
    pub(super) fn of<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Self {
        let mut tools = Self::default();
        for name in names.clone().filter(|name| fits(name, |_| false)) {
            tools.send(name);
        }
        names.for_each(|name| {
            tools.send(name);
        });
        tools
    }

    /// The name under which a tool is sent.
    pub(super) fn send(&mut self, name: &str) -> String {
        if let Some(sent) = self.sent.get(name) {
            return sent.clone();
        }
        let sent = self.taken.take(fitting(name, |_| false));
        self.sent.insert(name.to_owned(), sent.clone());
        if sent != name {
            self.given.insert(sent.clone(), name.to_owned());
        }
        sent
    }

    /// The name that a tool was given, by the one under which it was sent.
    pub(super) fn given(&self, sent: String) -> String {
        self.given.get(&sent).cloned().unwrap_or(sent)
    }
}

/// The ids of tool calls, and of the results that refer to them.
#[derive(Debug, Default)]
pub(super) struct CallIds {
    taken: Taken,
    /// The ids under which the calls of the last turn are sent, by those that they were given; of an id that
    /// was given twice, those whose result is still to come.
    last: HashMap<String, VecDeque<String>>,
}

impl CallIds {
    /// What comes now are the calls of another turn.
    pub(super) fn next_turn(&mut self) {
        self.last.clear();
    }

    /// The id under which a call is sent. What the model itself once gave, the service takes in a wider
    /// range of characters.
    pub(super) fn call(&mut self, given: &str, same_model: bool) -> String {
        let id = self.taken.take(fitting(given, |character| same_model && matches!(character, '.' | ':')));
        self.last.entry(given.to_owned()).or_default().push_back(id.clone());
        id
    }

    /// The id under which a result is sent.
    pub(super) fn result(&mut self, given: &str) -> String {
        let calls = self.last.get_mut(given);
        let id =
            calls.and_then(|calls| if calls.len() > 1 { calls.pop_front() } else { calls.front().cloned() });
        id.unwrap_or_else(|| fitting(given, |_| false))
    }
}

/// Whether the service takes a name: 1 to 64 out of `a-zA-Z0-9_-` and those that are `extra`.
fn fits(name: &str, extra: fn(char) -> bool) -> bool {
    !name.is_empty() && name.len() <= LONGEST && name.chars().all(|c| is_usual(c) || extra(c))
}

/// The name with `_` in place of each character that the service refuses, and cut off.
fn fitting(name: &str, extra: impl Fn(char) -> bool) -> String {
    let fitting =
        name.chars().take(LONGEST).map(|c| if is_usual(c) || extra(c) { c } else { '_' }).collect::<String>();
    if fitting.is_empty() { "_".into() } else { fitting }
}

fn is_usual(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-')
}

/// The longest name and id, in characters.
const LONGEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_that_the_service_takes_keep_their_names_and_the_others_get_them_back() {
        let mut names = ToolNames::of(["a.b", "a b", "a_b", "ok", ""].into_iter());
        let sent = ["a_b", "a.b", "a b", "ok", "", "a.b"].map(|name| names.send(name));
        assert_eq!(sent, ["a_b", "a_b_2", "a_b_3", "ok", "_", "a_b_2"]);
        let given = sent.map(|name| names.given(name));
        assert_eq!(given, ["a_b", "a.b", "a b", "ok", "", "a.b"]);
        assert_eq!(names.given("unknown".into()), "unknown");
    }

    #[test]
    fn long_names_stay_apart() {
        let long = "n".repeat(70);
        let longer = "n".repeat(80);
        let mut names = ToolNames::of([long.as_str(), longer.as_str()].into_iter());
        let sent = [names.send(&long), names.send(&longer)];
        assert_eq!(sent, ["n".repeat(64), format!("{}_2", "n".repeat(62))]);
    }

    #[test]
    fn results_follow_their_calls() {
        let mut ids = CallIds::default();
        assert_eq!(ids.call("we|rd id", true), "we_rd_id");
        assert_eq!(ids.call("we/rd id", true), "we_rd_id_2");
        assert_eq!(ids.call("functions.f:0", true), "functions.f:0");
        assert_eq!(ids.call("functions.f:0", false), "functions_f_0");
        assert_eq!(ids.result("we/rd id"), "we_rd_id_2");
        assert_eq!(ids.result("we|rd id"), "we_rd_id");
        assert_eq!(ids.result("functions.f:0"), "functions.f:0");
        assert_eq!(ids.result("functions.f:0"), "functions_f_0");

        ids.next_turn();
        assert_eq!(ids.result("we|rd id"), "we_rd_id", "an orphan");
        assert_eq!(ids.call("we|rd id", true), "we_rd_id_3");
        assert_eq!(ids.result("we|rd id"), "we_rd_id_3");
    }

    #[test]
    fn the_same_id_ten_thousand_times_is_no_trouble() {
        let mut taken = Taken::default();
        let last = (0..100_000).map(|_| taken.take("call_1".into())).last();
        assert_eq!(last.as_deref(), Some("call_1_100000"));
        assert_eq!(taken.take("call_1_7".into()), "call_1_7_2");

        // Of different names that are alike up to where the number begins, none tries the numbers of the others.
        let mut taken = Taken::default();
        for name in (0..50_000).map(|number| format!("{}{number:05}", "n".repeat(59))) {
            assert_eq!(taken.take(name.clone()), name);
            assert_eq!(taken.take(name.clone()).len(), LONGEST, "{name}");
        }
        assert_eq!(taken.names.len(), 100_000);
    }
}
