//! Names of tools and ids of tool calls that the service accepts, in place of those that it refuses.

use std::collections::{HashMap, HashSet, VecDeque};

/// Names, each of which is given out once.
#[derive(Debug, Clone, Default)]
struct Taken {
    names: HashSet<String>,
    /// The number to try next behind each beginning, so that no number is tried twice.
    next: HashMap<String, u32>,
}

impl Taken {
    /// The name, with a number behind it if it is taken: at most [`LONGEST`] characters.
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

    /// An id of nine letters and digits: the wanted one, or one that follows from it.
    fn take_nine(&mut self, wanted: &str) -> String {
        let mut id = wanted.to_owned();
        let mut fits = wanted.len() == 9 && wanted.bytes().all(|byte| byte.is_ascii_alphanumeric());
        while !fits || !self.names.insert(id.clone()) {
            let number = self.next.entry(wanted.to_owned()).or_default();
            *number += 1;
            // FNV-1a: equal conversations have equal ids.
            let bytes = wanted.bytes().chain(number.to_le_bytes());
            let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
            id = format!("{hash:016x}").split_off(7);
            fits = true;
        }
        id
    }
}

/// The names of tools: as they were given, and as they are sent.
#[derive(Debug, Clone, Default)]
pub struct ToolNames {
    taken: Taken,
    sent: HashMap<String, String>,
    given: HashMap<String, String>,
}

impl ToolNames {
    /// For these tools. Names that the service accepts are sent as they are.
    pub(super) fn of<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Self {
        let mut tools = Self::default();
        for name in names.clone().filter(|name| is_accepted(name)) {
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
        let sent = self.taken.take(accepted(name, |_| false));
        self.sent.insert(name.to_owned(), sent.clone());
        if sent != name {
            self.given.insert(sent.clone(), name.to_owned());
        }
        sent
    }

    /// The name that a tool was given, from the one under which it was sent.
    pub fn given(&self, sent: String) -> String {
        self.given.get(&sent).cloned().unwrap_or(sent)
    }
}

/// The ids of tool calls, and of the results that refer to them.
#[derive(Debug, Default)]
pub(super) struct CallIds {
    /// Whether they have nine letters and digits.
    of_nine: bool,
    taken: Taken,
    /// The calls of the last turn by the id that they were given.
    last: HashMap<String, Calls>,
}

/// Calls with the same id.
#[derive(Debug)]
struct Calls {
    /// The ids under which they are sent, the first that has no result yet at the front.
    sent: VecDeque<String>,
    tool: String,
}

impl CallIds {
    pub(super) fn new(of_nine: bool) -> Self {
        Self { of_nine, ..Self::default() }
    }

    /// The calls that follow belong to another turn.
    pub(super) fn next_turn(&mut self) {
        self.last.clear();
    }

    /// The id under which a call of a tool is sent. From the model that made it up, the service accepts `.` and `:`
    /// in it too.
    pub(super) fn call(&mut self, given: &str, tool: &str, same_model: bool) -> String {
        let id = if self.of_nine {
            self.taken.take_nine(given)
        } else {
            self.taken.take(accepted(given, |character| same_model && matches!(character, '.' | ':')))
        };
        if let Some(calls) = self.last.get_mut(given) {
            calls.sent.push_back(id.clone());
        } else {
            let calls = Calls { sent: VecDeque::from([id.clone()]), tool: tool.to_owned() };
            self.last.insert(given.to_owned(), calls);
        }
        id
    }

    /// The id under which a result is sent, and the tool that it is of, where there is a call for it.
    pub(super) fn result(&mut self, given: &str) -> (String, Option<&str>) {
        let Some(calls) = self.last.get_mut(given) else { return (accepted(given, |_| false), None) };
        let id = if calls.sent.len() > 1 { calls.sent.pop_front() } else { calls.sent.front().cloned() };
        (id.unwrap_or_default(), Some(&calls.tool))
    }
}

/// Whether the service accepts a name: 1 to 64 of `a-zA-Z0-9_-`.
fn is_accepted(name: &str) -> bool {
    !name.is_empty() && name.len() <= LONGEST && name.chars().all(is_plain)
}

/// The name, cut off, with `_` in place of each character that is neither plain nor `extra`.
fn accepted(name: &str, extra: impl Fn(char) -> bool) -> String {
    let replaced = |c: char| if is_plain(c) || extra(c) { c } else { '_' };
    let accepted = name.chars().take(LONGEST).map(replaced).collect::<String>();
    if accepted.is_empty() { "_".into() } else { accepted }
}

fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-')
}

/// The longest name and id, in characters.
const LONGEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_names_stay_and_others_come_back() {
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
        assert_eq!(ids.call("we|rd id", "t", true), "we_rd_id");
        assert_eq!(ids.call("we/rd id", "u", true), "we_rd_id_2");
        assert_eq!(ids.call("functions.f:0", "f", true), "functions.f:0");
        assert_eq!(ids.call("functions.f:0", "f", false), "functions_f_0");
        assert_eq!(ids.result("we/rd id"), ("we_rd_id_2".into(), Some("u")));
        assert_eq!(ids.result("we|rd id"), ("we_rd_id".into(), Some("t")));
        assert_eq!(ids.result("functions.f:0").0, "functions.f:0");
        assert_eq!(ids.result("functions.f:0").0, "functions_f_0");

        ids.next_turn();
        assert_eq!(ids.result("we|rd id"), ("we_rd_id".into(), None), "no call of this turn");
        assert_eq!(ids.call("we|rd id", "t", true), "we_rd_id_3");
        assert_eq!(ids.result("we|rd id").0, "we_rd_id_3");
    }

    #[test]
    fn ids_may_have_to_be_of_nine_letters_and_digits() {
        let mut ids = CallIds::new(true);
        let sent = ["abcDEF123", "a", "toolu_01ABCDEFGHIJ", "a"].map(|given| ids.call(given, "t", true));
        assert_eq!(sent[0], "abcDEF123");
        let is_nine = |id: &String| id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        assert!(sent.iter().all(is_nine), "{sent:?}");
        assert_eq!(std::collections::HashSet::from(sent.clone()).len(), 4, "{sent:?}");
        let results = ["a", "a", "toolu_01ABCDEFGHIJ"].map(|given| ids.result(given).0);
        assert_eq!(results, [sent[1].clone(), sent[3].clone(), sent[2].clone()]);
        let many = (0..20_000).map(|_| ids.call("same", "t", true)).collect::<std::collections::HashSet<_>>();
        assert_eq!(many.len(), 20_000);
    }

    #[test]
    fn many_equal_ids_take_linear_time() {
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
