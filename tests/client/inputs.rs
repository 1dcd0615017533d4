//! Untrusted bytes: the properties of each kind of input hold for every seed, for randomly damaged seeds and for random
//! bytes.
//!
//! `PROPTEST_CASES` sets how many (default: 256). `fuzz/run` fuzzes the same properties for as long as you like.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test")]

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;
use support::inputs::{Captures, TARGETS, Target};
use support::shared;

#[test]
fn frames() {
    hold(&TARGETS[0], None);
}

#[test]
fn events() {
    hold(&TARGETS[1], None);
}

#[test]
fn types() {
    hold(&TARGETS[2], None);
}

#[test]
fn profiles() {
    hold(&TARGETS[3], None);
}

#[test]
fn settings() {
    hold(&TARGETS[4], None);
}

#[test]
fn recordings() {
    hold(&TARGETS[5], None);
}

#[test]
fn arguments() {
    hold(&TARGETS[6], None);
}

#[test]
fn requests_of_dialects() {
    for target in &TARGETS[7..11] {
        hold(target, None);
    }
}

#[test]
fn the_border_to_c() {
    hold(&TARGETS[11], None);
}

#[test]
#[ignore = "needs ../shared: recordings and vectors beside the project"]
fn recordings_of_other_clients_hold_too() {
    let captures = shared::path("captures");
    for target in &TARGETS {
        // The other kinds have no such recordings.
        if ["frames", "events", "types", "arguments"].contains(&target.name) {
            assert!((target.seeds)(Some(&captures)).len() > (target.seeds)(None).len(), "{}", target.name);
            hold(target, Some(&captures));
        }
    }
}

fn hold(target: &Target, captures: Captures) {
    let seeds = (target.seeds)(captures);
    assert!(!seeds.is_empty());
    for seed in &seeds {
        (target.run)(seed);
    }
    let mut runner =
        TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() });
    let damaged = (any::<Index>(), vec((any::<Index>(), damage()), 1..8))
        .prop_map(|(seed, damages)| damages.into_iter().fold(seed.get(&seeds).clone(), inflict));
    let inputs = prop_oneof![4 => damaged, 1 => vec(any::<u8>(), 0..512)];
    runner
        .run(&inputs, |input| {
            (target.run)(&input);
            Ok(())
        })
        .unwrap();
}

#[derive(Debug, Clone)]
enum Damage {
    /// One byte is replaced.
    Changed(u8),
    Removed(usize),
    Added(Vec<u8>),
    /// The input is cut off here.
    Cut,
    /// Bytes from elsewhere in the input are inserted.
    Copied(Index, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    // Bytes that have a meaning in one of the inputs.
    let words = [
        "{", "[", "\"", "\\", "\\ud83d", "\n", "\0", ",", ":", "null", "1e400", "-", "/*", "\u{feff}", "=",
        "é",
    ];
    prop_oneof![
        any::<u8>().prop_map(Damage::Changed),
        (1usize..32).prop_map(Damage::Removed),
        proptest::sample::select(words.to_vec()).prop_map(|word| Damage::Added(word.into())),
        vec(any::<u8>(), 1..8).prop_map(Damage::Added),
        Just(Damage::Cut),
        (any::<Index>(), 1usize..64).prop_map(|(from, length)| Damage::Copied(from, length)),
    ]
}

fn inflict(mut input: Vec<u8>, (at, damage): (Index, Damage)) -> Vec<u8> {
    if input.is_empty() {
        return input;
    }
    let at = at.index(input.len());
    let end = |from: usize, length: usize| (from + length).min(input.len());
    match damage {
        Damage::Changed(byte) => input[at] = byte,
        Damage::Removed(length) => {
            input.drain(at..end(at, length));
        }
        Damage::Added(bytes) => {
            input.splice(at..at, bytes);
        }
        Damage::Cut => input.truncate(at),
        Damage::Copied(from, length) => {
            let from = from.index(input.len());
            let copied = input[from..end(from, length)].to_vec();
            input.splice(at..at, copied);
        }
    }
    input
}
