//! A program that does nothing: what every program has.

fn main() {}
