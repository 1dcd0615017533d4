//! What strangers choose the size of, and how its cost grows: each with ten times as much of it. About 10 is linear,
//! 100 is not.
//!
//! `cargo bench --bench growth`; under `cargo test` each runs once, with little.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::{Duration, Instant, SystemTime};

use pumice::Event;
use pumice::conversation::{self, PartialArguments};
use pumice::models::{Inventory, ModelInfo};
use pumice::pi::{Input, Model, ResponseBuilder};
use pumice::settings::Settings;
use serde_json::json;

/// What is done with so much of something, once it is there.
type Case = fn(usize) -> Box<dyn FnMut()>;

const CASES: [(&str, Case); 9] = [
    ("one block of a response that ends again and again", stops),
    ("a tool's arguments: escapes, under a key as long", escapes),
    ("a tool's arguments: pieces, under keys in keys", pieces),
    ("models of a region, each with a profile", candidates),
    ("models of the settings that are in the list as well", configured),
    ("members of the settings that there are none of", unknown),
    ("models of the settings to fall back to, by alias", fallbacks),
    ("calls of a conversation whose ids are alike", ids),
    ("properties of a tool's schema", schema),
];

fn main() {
    // What cargo tells a bench when it is to measure.
    let measures = std::env::args().any(|argument| argument == "--bench");
    let (few, rounds) = if measures { (10_000, 5) } else { (10, 1) };
    for (name, case) in CASES {
        let [small, large] = [few, 10 * few].map(|size| {
            let mut work = case(size);
            let mut round = || {
                let begun = Instant::now();
                work();
                begun.elapsed()
            };
            (0..rounds).map(|_| round()).min().unwrap_or(Duration::ZERO)
        });
        let ratio = large.as_secs_f64() / small.as_secs_f64().max(1e-9);
        println!("{name:<52} {few:>6}: {small:>10.2?}   {:>6}: {large:>10.2?}   × {ratio:.1}", 10 * few);
    }
}

fn list(size: usize, one: &str) -> String {
    let items = (0..size).map(|number| one.replace('@', &number.to_string())).collect::<Vec<_>>();
    items.join(",")
}

fn stops(size: usize) -> Box<dyn FnMut()> {
    let event = |kind: &str, payload: &str| match kind {
        "delta" => Event::ContentBlockDelta(serde_json::from_str(payload).unwrap()),
        _ => Event::ContentBlockStop(serde_json::from_str(payload).unwrap()),
    };
    let text = "x".repeat(size);
    let mut events =
        vec![event("delta", &json!({"contentBlockIndex": 0, "delta": {"text": text}}).to_string())];
    events.extend((0..size).map(|_| event("stop", r#"{"contentBlockIndex":0}"#)));
    Box::new(move || {
        let mut answer = ResponseBuilder::unprepared(&Model::new("m"), SystemTime::UNIX_EPOCH);
        let mut reported = VecDeque::new();
        for event in &events {
            answer.push(event.clone(), &mut reported).unwrap();
        }
        black_box(reported);
    })
}

fn escapes(size: usize) -> Box<dyn FnMut()> {
    let text = format!(r#"{{"{}": "{}"#, "k".repeat(10 * size), r"\n".repeat(size));
    Box::new(move || {
        let mut arguments = PartialArguments::new();
        arguments.push(&text);
        black_box(arguments);
    })
}

fn pieces(size: usize) -> Box<dyn FnMut()> {
    let text = format!("{}\"", format!(r#"{{"{}": "#, "k".repeat(30)).repeat(100));
    Box::new(move || {
        let mut arguments = PartialArguments::new();
        arguments.push(&text);
        (0..size).for_each(|_| arguments.push(r"x\n"));
        black_box(arguments);
    })
}

/// A region's models, each with a profile.
fn inventory(size: usize) -> Inventory {
    let model = json!({
        "modelId": "m.@", "modelArn": "a", "modelName": "M @", "providerName": "P", "inputModalities": ["TEXT"],
        "outputModalities": ["TEXT"], "responseStreamingSupported": true, "inferenceTypesSupported": ["ON_DEMAND"],
        "modelLifecycle": {"status": "ACTIVE"}
    });
    let profile = json!({
        "inferenceProfileId": "us.m.@", "inferenceProfileArn": "arn:aws:bedrock:us-east-1:1:inference-profile/us.m.@",
        "inferenceProfileName": "P", "models": [{"modelArn": "arn:aws:bedrock:us-east-1::foundation-model/m.@"}],
        "status": "ACTIVE", "type": "SYSTEM_DEFINED"
    });
    let [models, profiles] = [model, profile].map(|one| list(size, &one.to_string()));
    let text = format!(r#"{{"fetched":0,"foundationModels":[{models}],"inferenceProfiles":[{profiles}]}}"#);
    serde_json::from_str(&text).unwrap()
}

fn candidates(size: usize) -> Box<dyn FnMut()> {
    let inventory = inventory(size);
    Box::new(move || {
        black_box(inventory.candidates());
    })
}

fn configured(size: usize) -> Box<dyn FnMut()> {
    let models = list(size, "{id:'m.@',name:'Ours @'}");
    let text = format!("{{models:{{providers:{{bedrock:{{models:[{models}]}}}}}}}}");
    Box::new(move || {
        let settings = Settings::parse("s", &text).unwrap();
        black_box(settings.configured_models(|_| ModelInfo::default()));
    })
}

fn unknown(size: usize) -> Box<dyn FnMut()> {
    let members = list(size, "member@:1");
    let text = format!("{{models:{{providers:{{bedrock:{{{members}}}}}}},agents:{{{members}}}}}");
    Box::new(move || {
        black_box(Settings::parse("s", &text).unwrap());
    })
}

fn fallbacks(size: usize) -> Box<dyn FnMut()> {
    let (models, names) = (list(size, "'m.@':{alias:'Alias @'}"), list(size, "'alias @'"));
    let text = format!("{{agents:{{defaults:{{models:{{{models}}},model:{{fallbacks:[{names}]}}}}}}}}");
    Box::new(move || {
        black_box(Settings::parse("s", &text).unwrap());
    })
}

fn prepared(input: &str) -> Box<dyn FnMut()> {
    let input = Input::from_json(input).unwrap();
    Box::new(move || {
        let (request, target, options) = input.to_converse().unwrap();
        black_box(conversation::prepare(request, &target, &options).unwrap());
    })
}

fn ids(size: usize) -> Box<dyn FnMut()> {
    let id = "i".repeat(58);
    let calls = list(size, &format!(r#"{{"type":"toolCall","id":"{id}@","name":"t","arguments":{{}}}}"#));
    prepared(&format!(
        r#"{{"model":{{"id":"m"}},"context":{{"messages":[{{"role":"user","content":"Hi"}},{{"role":"assistant","content":[{calls},{calls}]}}]}}}}"#
    ))
}

fn schema(size: usize) -> Box<dyn FnMut()> {
    let (properties, required) = (list(size, r#""p@":{"type":"string"}"#), list(size, r#""p@""#));
    prepared(&format!(
        r#"{{"model":{{"id":"m","compat":{{"supportsStrictMode":true}}}},"context":{{"messages":[{{"role":"user","content":"Hi"}}],
            "tools":[{{"name":"t","constrainedSampling":{{"type":"json_schema","strict":"require"}},
            "parameters":{{"type":"object","properties":{{{properties}}},"required":[{required}]}}}}]}}}}"#
    ))
}
