//! The program's models and settings, end to end: `models`, `config`, and the model of a call.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use pumice::settings::Settings;
use serde_json::{Value, json};
use support::server::{Answer, Server, text_answer};
use tempfile::TempDir;

/// The program in a fake environment: keys, an empty home, one attempt per call, and this server as the control plane.
fn pumice(home: &TempDir, server: &Server) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pumice"));
    command
        .env_clear()
        .env("HOME", home.path())
        .env("XDG_CACHE_HOME", home.path().join("cache"))
        .env("XDG_CONFIG_HOME", home.path().join("config"))
        .env("AWS_ACCESS_KEY_ID", "AKIDTESTKEY")
        .env("AWS_SECRET_ACCESS_KEY", "sekret-access-key")
        .env("AWS_MAX_ATTEMPTS", "1")
        .env("AWS_ENDPOINT_URL_BEDROCK", &server.url)
        .stdin(Stdio::null());
    command
}

fn home() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Writes the settings where the program looks for them.
fn configure(home: &TempDir, text: &str) -> PathBuf {
    let path = home.path().join("config/pumice/config.json5");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

fn run(command: &mut Command, arguments: &[&str]) -> Output {
    command.args(arguments).output().unwrap()
}

fn model(id: &str, provider: &str, types: &[&str]) -> Value {
    json!({
        "modelId": id,
        "modelName": format!("Name of {id}"),
        "providerName": provider,
        "inputModalities": ["TEXT", "IMAGE"],
        "outputModalities": ["TEXT"],
        "responseStreamingSupported": true,
        "inferenceTypesSupported": types,
        "modelLifecycle": {"status": "ACTIVE"},
    })
}

fn profile(id: &str, base: &str, kind: &str) -> Value {
    json!({
        "inferenceProfileId": id.rsplit('/').next(),
        "inferenceProfileArn": if id.starts_with("arn:") { id.to_owned() } else { format!("arn:aws:bedrock:us-east-1:1:inference-profile/{id}") },
        "inferenceProfileName": format!("Profile {id}"),
        "models": [
            {"modelArn": format!("arn:aws:bedrock:us-east-1::foundation-model/{base}")},
            {"modelArn": format!("arn:aws:bedrock:us-west-2::foundation-model/{base}")},
        ],
        "status": "ACTIVE",
        "type": kind,
    })
}

const ARN: &str = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3";

/// A control plane with two models of one profile each.
fn control() -> Server {
    let models = [
        model("mistral.voxtral-mini-3b-2507", "Mistral AI", &["ON_DEMAND"]),
        model("anthropic.claude-haiku-4-5-20251001-v1:0", "Anthropic", &["INFERENCE_PROFILE"]),
        model("newcomer.one", "New Comer", &["ON_DEMAND"]),
    ];
    let haiku = "anthropic.claude-haiku-4-5-20251001-v1:0";
    let system = [
        profile(&format!("us.{haiku}"), haiku, "SYSTEM_DEFINED"),
        profile("us.mistral.voxtral-mini-3b-2507", "mistral.voxtral-mini-3b-2507", "SYSTEM_DEFINED"),
    ];
    let application = [profile(ARN, haiku, "APPLICATION")];
    let answer = |body: Value, part| Answer::whole(200, body.to_string()).only_for(part);
    Server::start([
        answer(json!({ "modelSummaries": models }), "/foundation-models"),
        answer(json!({ "inferenceProfileSummaries": system }), "type=SYSTEM_DEFINED"),
        answer(json!({ "inferenceProfileSummaries": application }), "type=APPLICATION"),
    ])
}

fn keys(output: &Output) -> Vec<String> {
    stdout(output).lines().map(str::to_owned).collect()
}

fn plain(home: &TempDir, server: &Server, flags: &[&str]) -> Vec<String> {
    let output = pumice(home, server).args(["models", "list", "--plain"]).args(flags).output().unwrap();
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""), "{flags:?}");
    keys(&output)
}

#[test]
fn a_list_of_any_size_is_listed() {
    const MANY: usize = 3000;
    let home = home();
    let numbered = |one: &Value| {
        let one = one.to_string();
        let all = (0..MANY).map(|number| one.replace('@', &number.to_string())).collect::<Vec<_>>();
        format!("[{}]", all.join(","))
    };
    let models = numbered(&model("m.@", "P@", &["ON_DEMAND"]));
    let system = numbered(&profile("us.m.@", "m.@", "SYSTEM_DEFINED"));
    let wide = profile(&"w".repeat(70_000), "m.1", "APPLICATION");
    let server = Server::start([
        Answer::whole(200, format!(r#"{{"modelSummaries":{models}}}"#)).only_for("/foundation-models"),
        Answer::whole(200, format!(r#"{{"inferenceProfileSummaries":{system}}}"#)).only_for("type=SYSTEM"),
        Answer::whole(200, json!({"inferenceProfileSummaries": [wide]}).to_string()).only_for("type=APPL"),
    ]);
    let (listed, aliases) = (numbered(&json!({"id": "m.@", "name": "Ours @"})), numbered(&json!("us.m.@")));
    configure(
        &home,
        &format!(
            "{{models:{{providers:{{bedrock:{{models:{listed}}}}}}},agents:{{defaults:{{model:{{fallbacks:{aliases}}}}}}}}}"
        ),
    );
    assert_eq!(plain(&home, &server, &[]).len(), 2 * MANY + 1);
    // Cells are padded to the widest of their column, up to a limit.
    let output = run(pumice(&home, &server).args(["models", "list"]), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output).lines().count(), 2 * MANY + 2);
    assert!(stdout(&output).lines().all(|line| line.len() < 1000));
    // Of many providers, only some are named.
    let output = run(pumice(&home, &server).args(["models", "list", "--provider", "none"]), &[]);
    assert!(stderr(&output).ends_with(" more\n") && stderr(&output).len() < 1000, "{}", stderr(&output));
}

#[test]
fn a_runtime_endpoint_for_lists_gives_a_warning() {
    let (home, server) = (home(), control());
    let output =
        run(pumice(&home, &server).args(["models", "list", "--endpoint-url", "http://127.0.0.1:9"]), &[]);
    assert_eq!(output.status.code(), Some(0));
    let warning = "warning: --endpoint-url is for the runtime, and the control plane lists models";
    assert!(stderr(&output).starts_with(warning), "{}", stderr(&output));
}

const HAIKU: &str = "amazon-bedrock/us.anthropic.claude-haiku-4-5-20251001-v1:0";

#[test]
fn callable_models_are_listed_in_each_format() {
    let (home, server) = (home(), control());
    let ours = format!("amazon-bedrock/{ARN}");
    let voxtral = "amazon-bedrock/mistral.voxtral-mini-3b-2507";
    let of_us = "amazon-bedrock/us.mistral.voxtral-mini-3b-2507";
    let newcomer = "amazon-bedrock/newcomer.one";
    assert_eq!(plain(&home, &server, &[]), [&ours, HAIKU, voxtral, of_us, newcomer]);
    assert_eq!(server.requests().len(), 3);
    // From the cache.
    assert_eq!(plain(&home, &server, &["--provider", "mistral"]), [voxtral, of_us]);
    assert_eq!(plain(&home, &server, &["--provider", "MISTRAL AI"]), [voxtral, of_us]);
    assert_eq!(plain(&home, &server, &["--provider", "amazon-bedrock"]).len(), 5);
    assert_eq!(plain(&home, &server, &["--all"]).len(), 6);
    assert_eq!(plain(&home, &server, &["--local"]), [""; 0]);
    assert_eq!(server.requests().len(), 3);
    plain(&home, &server, &["--refresh"]);
    assert_eq!(server.requests().len(), 6);
    // A cached list would leave nothing to record.
    let recording = home.path().join("models.jsonl");
    let listed = plain(&home, &server, &["--record", recording.to_str().unwrap()]);
    assert_eq!(server.requests().len(), 9);
    assert_eq!(plain(&home, &server, &["--replay", recording.to_str().unwrap()]), listed);

    let output = run(&mut pumice(&home, &server), &["models", "list", "--json", "--provider", "anthropic"]);
    assert_eq!(stdout(&output).lines().count(), 1);
    let json = serde_json::from_slice::<Value>(&output.stdout).unwrap();
    assert_eq!(json["count"], 2);
    assert_eq!(
        json["models"][1],
        json!({
            "key": HAIKU,
            "id": "us.anthropic.claude-haiku-4-5-20251001-v1:0",
            "name": "Profile us.anthropic.claude-haiku-4-5-20251001-v1:0",
            "provider": "Anthropic",
            "baseModel": "anthropic.claude-haiku-4-5-20251001-v1:0",
            "reasoning": true,
            "input": ["text", "image"],
            "contextWindow": 200_000,
            "maxTokens": 64_000,
            "cost": {"input": 1.1, "output": 5.5, "cacheRead": 0.11, "cacheWrite": 1.375,
                "serviceTiers": {"batch": {"input": 0.5, "output": 0.5}}},
            "cacheMinimum": 4096,
            "source": "discovered",
            "callable": true,
            "status": "ACTIVE",
            "regions": ["us-east-1", "us-west-2"],
        })
    );
    let output = run(&mut pumice(&home, &server), &["models", "list", "--json", "--provider", "New Comer"]);
    let json = serde_json::from_slice::<Value>(&output.stdout).unwrap();
    assert_eq!(
        (&json["models"][0]["contextWindow"], &json["models"][0]["maxTokens"]),
        (&json!(32_000), &json!(4096))
    );
    assert_eq!(json["models"][0]["cost"], Value::Null);

    let output = run(&mut pumice(&home, &server), &["models", "list", "--provider", "nope"]);
    let said = "this list has no models of \"nope\", only of Anthropic, Mistral AI, New Comer";
    assert!(stderr(&output).contains(said), "{}", stderr(&output));

    let output = run(&mut pumice(&home, &server), &["models", "list", "--all"]);
    let table = stdout(&output);
    assert!(
        table.starts_with("ID ") && table.contains("as us.anthropic.claude-haiku-4-5-20251001-v1:0"),
        "{table}"
    );
}

#[test]
fn a_model_is_shown_with_its_inference_profiles() {
    let (home, server) = (home(), control());
    let output =
        run(&mut pumice(&home, &server), &["models", "show", "anthropic.claude-haiku-4-5-20251001-v1:0"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(text.contains("can be called   no: the model takes no calls on demand"), "{text}");
    assert!(
        text.contains(&format!("profiles        us.anthropic.claude-haiku-4-5-20251001-v1:0, {ARN}")),
        "{text}"
    );
    assert!(text.contains("context window  200000 tokens"), "{text}");

    let output = run(&mut pumice(&home, &server), &["models", "show", "--json", HAIKU]);
    let json = serde_json::from_slice::<Value>(&output.stdout).unwrap();
    assert_eq!((&json["key"], &json["callable"]), (&json!(HAIKU), &json!(true)));

    let output = run(&mut pumice(&home, &server), &["models", "show", "newcomer.two"]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), ""));
    assert!(stderr(&output).contains("did you mean newcomer.one?"), "{}", stderr(&output));
}

const SETTINGS: &str = r#"{
  models: {
    bedrockDiscovery: { providerFilter: ["Mistral"], defaultContextWindow: 1000, defaultMaxTokens: 900, refreshInterval: 0 },
    providers: { "amazon-bedrock": {
      api: "bedrock-converse-stream", auth: "aws-sdk",
      models: [
        { id: "newcomer.one", name: "Ours", reasoning: true, input: ["text"], contextWindow: 500, maxTokens: 100,
          cost: { input: 1, output: 2, cacheRead: 0.5, cacheWrite: 3 }, headers: { "x-model": "one" } },
        { id: "ARN", name: "Claude Haiku 4.5 of ours" },
        { id: "private.model", name: "Private" },
      ] } },
  },
  agents: { defaults: { model: { primary: "amazon-bedrock/newcomer.one", fallbacks: ["nova", "private.model"] },
    models: { "amazon-bedrock/us.amazon.nova-lite-v1:0": { alias: "nova", params: { temperature: 0.5 } } } } },
  plugins: { entries: { "amazon-bedrock": { config: { guardrail: { guardrailIdentifier: "gr", guardrailVersion: "1" } } } } },
}"#;

/// Beside foundation models and profiles: what the account imported, deployed, bought and routes.
#[test]
fn models_of_ones_own_and_prompt_routers_are_listed() {
    let home = home();
    let server = control();
    let arn = |rest: &str| format!("arn:aws:bedrock:us-east-1:123456789012:{rest}");
    let base = "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-haiku-4-5-20251001-v1:0";
    let deployment = |name: &str, status: &str| {
        json!({
            "customModelDeploymentArn": arn(&format!("custom-model-deployment/{name}")),
            "customModelDeploymentName": name, "status": status,
        })
    };
    for (path, items) in [
        (
            "/imported-models",
            json!({"modelSummaries": [{"modelArn": arn("imported-model/i1"), "modelName": "mine"}]}),
        ),
        (
            "/model-customization/custom-model-deployments",
            json!({"modelDeploymentSummaries": [deployment("d1", "Active"), deployment("d2", "Creating")]}),
        ),
        (
            "/provisioned-model-throughputs",
            json!({"provisionedModelSummaries": [{
                "provisionedModelArn": arn("provisioned-model/p1"), "provisionedModelName": "bought",
                "foundationModelArn": base, "status": "InService",
            }]}),
        ),
        (
            "/prompt-routers",
            json!({"promptRouterSummaries": [{
                "promptRouterArn": arn("default-prompt-router/r1"), "promptRouterName": "Router",
                "fallbackModel": {"modelArn": base}, "status": "AVAILABLE",
            }]}),
        ),
    ] {
        server.then(Answer::whole(200, items.to_string()).only_for(path));
    }
    // One list that the identity may not see does not hide the others.
    server.then(Answer::refusal(403, "AccessDeniedException", "no").only_for("/marketplace-model/endpoints"));
    let listed = plain(&home, &server, &[]);
    let own = |id: &str| listed.contains(&format!("amazon-bedrock/{}", arn(id)));
    for id in [
        "imported-model/i1",
        "custom-model-deployment/d1",
        "provisioned-model/p1",
        "default-prompt-router/r1",
    ] {
        assert!(own(id), "{id}: {listed:?}");
    }
    assert!(!own("custom-model-deployment/d2"), "{listed:?}");
    let calls = server.requests().len();
    assert_eq!(calls, 3 + 5);

    // The cached list has them too.
    let all = pumice(&home, &server).args(["models", "list", "--all", "--json"]).output().unwrap();
    assert_eq!((all.status.code(), server.requests().len()), (Some(0), calls), "{}", stderr(&all));
    let all = serde_json::from_str::<Value>(stdout(&all)).unwrap();
    let row = |id: &str| {
        let rows = all["models"].as_array().unwrap().iter();
        rows.into_iter().find(|row| row["id"] == arn(id)).unwrap().clone()
    };
    let waits = row("custom-model-deployment/d2");
    assert_eq!((&waits["callable"], &waits["reason"]), (&json!(false), &json!("it is not ready: Creating")));
    let bought = row("provisioned-model/p1");
    assert_eq!(
        [&bought["name"], &bought["kind"], &bought["provider"], &bought["callable"]],
        ["bought", "provisioned throughput", "Anthropic", "true"]
            .map(|text| match text {
                "true" => json!(true),
                text => json!(text),
            })
            .iter()
            .collect::<Vec<_>>()[..]
    );
    assert_eq!(row("imported-model/i1")["status"], "Active");
    let shown =
        pumice(&home, &server).args(["models", "show", &arn("default-prompt-router/r1")]).output().unwrap();
    assert!(stdout(&shown).contains("kind            prompt router"), "{}{}", stdout(&shown), stderr(&shown));
}

/// Being in the list is not enough: the account needs access to the model.
#[test]
fn a_model_is_shown_with_what_keeps_the_account_from_calling_it() {
    let id = "us.anthropic.claude-haiku-4-5-20251001-v1:0";
    let show = |agreement: &str, others: [&str; 3], form: u16| {
        let (home, server) = (home(), control());
        let [authorization, entitlement, region] = others;
        let access = json!({
            "modelId": "m", "agreementAvailability": {"status": agreement}, "authorizationStatus": authorization,
            "entitlementAvailability": entitlement, "regionAvailability": region,
        });
        let part = "/foundation-model-availability/anthropic.claude-haiku-4-5-20251001-v1%3A0";
        server.then(Answer::whole(200, access.to_string()).only_for(part));
        let form = match form {
            200 => Answer::whole(200, r#"{"formData":"e30="}"#),
            status => Answer::refusal(status, "ResourceNotFoundException", "none"),
        };
        server.then(form.only_for("/use-case-for-model-access"));
        let shown = pumice(&home, &server).args(["models", "show", id]).output().unwrap();
        assert_eq!(shown.status.code(), Some(0), "{}", stderr(&shown));
        let line = stdout(&shown).lines().find(|line| line.starts_with("can be called")).unwrap().to_owned();
        (line, stderr(&shown).to_owned())
    };
    let well = ["AUTHORIZED", "AVAILABLE", "AVAILABLE"];
    assert!(show("AVAILABLE", well, 200).0.ends_with("  yes"));
    for (agreement, others, form, line, note) in [
        (
            "NOT_AVAILABLE",
            well,
            200,
            "no: the account has no agreement for the model",
            "aws-marketplace:Subscribe",
        ),
        (
            "AVAILABLE",
            ["NOT_AUTHORIZED", "AVAILABLE", "AVAILABLE"],
            200,
            "no: the identity is not authorised",
            "allow",
        ),
        ("AVAILABLE", well, 404, "no: Anthropic's form has not been submitted", "use case form"),
    ] {
        let (shown, said) = show(agreement, others, form);
        assert!(shown.contains(line) && said.contains(note), "{shown}\n{said}");
    }
    // Who may not ask is told nothing.
    let (home, server) = (home(), control());
    let shown = pumice(&home, &server).args(["models", "show", id]).output().unwrap();
    assert_eq!(
        (stderr(&shown), stdout(&shown).contains("can be called   yes")),
        ("", true),
        "{}",
        stdout(&shown)
    );
}

#[test]
fn a_model_known_only_to_the_catalog_is_not_shown_as_found_or_callable() {
    let (home, server) = (home(), control());
    let show = |flags: &[&str]| {
        let mut command = pumice(&home, &server);
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        run(command.args(["models", "show", HAIKU, "--local"]), flags)
    };
    let text = show(&[]);
    assert!(stdout(&text).contains("\nsource          only the built-in catalog\n"), "{text:?}");
    assert!(stdout(&text).contains("\ncan be called   unknown"), "{text:?}");
    let json: Value = serde_json::from_slice(&show(&["--json"]).stdout).unwrap();
    assert_eq!((json.get("source"), json.get("callable")), (None, None), "{json}");
    assert_eq!(json["key"], HAIKU);
}

#[test]
fn models_of_the_settings_take_precedence() {
    let (home, server) = (home(), control());
    configure(&home, &SETTINGS.replace("ARN", ARN));
    let ours = [
        "amazon-bedrock/newcomer.one".to_owned(),
        format!("amazon-bedrock/{ARN}"),
        "amazon-bedrock/private.model".to_owned(),
    ];
    let list = plain(&home, &server, &[]);
    assert_eq!(list[..3], ours);
    assert_eq!(
        list[3..],
        ["amazon-bedrock/mistral.voxtral-mini-3b-2507", "amazon-bedrock/us.mistral.voxtral-mini-3b-2507"]
    );
    // Nothing is cached, so each list sends requests.
    assert_eq!(plain(&home, &server, &[]).len(), 5);
    assert_eq!(server.requests().len(), 6);
    assert_eq!(plain(&home, &server, &["--local"]), ours);

    let output = run(&mut pumice(&home, &server), &["models", "list", "--json"]);
    let json = serde_json::from_slice::<Value>(&output.stdout).unwrap();
    let one = &json["models"][0];
    assert_eq!(
        (&one["name"], &one["source"], &one["reasoning"], &one["input"]),
        (&json!("Ours"), &json!("configured"), &json!(true), &json!(["text"]))
    );
    assert_eq!((&one["contextWindow"], &one["maxTokens"]), (&json!(500), &json!(100)));
    assert_eq!(one["cost"], json!({"input": 1.0, "output": 2.0, "cacheRead": 0.5, "cacheWrite": 3.0}));
    // The list has the model of the ARN.
    assert_eq!(
        (&json["models"][1]["contextWindow"], &json["models"][1]["provider"]),
        (&json!(200_000), &json!("Anthropic"))
    );
    assert_eq!(
        (&json["models"][2]["contextWindow"], &json["models"][2]["maxTokens"]),
        (&json!(1000), &json!(900))
    );
    // Without the network, by its name.
    let output = run(&mut pumice(&home, &server), &["models", "list", "--json", "--local"]);
    let json = serde_json::from_slice::<Value>(&output.stdout).unwrap();
    assert_eq!(json["models"][1]["contextWindow"], 200_000);
}

#[test]
fn all_shows_excluded_models_and_the_reason() {
    let (home, server) = (home(), control());
    let reasons = || {
        let output = run(&mut pumice(&home, &server), &["models", "list", "--json", "--all"]);
        let json = serde_json::from_slice::<Value>(&output.stdout).unwrap();
        let models = json["models"].as_array().unwrap().iter();
        models
            .map(|model| (model["id"].clone(), model["callable"].clone(), model["reason"].clone()))
            .collect::<Vec<_>>()
    };
    configure(&home, "{ models: { bedrockDiscovery: { providerFilter: ['mistral'] } } }");
    let left_out = "providerFilter leaves it out";
    let found = reasons();
    assert_eq!(found.len(), 6);
    assert!(found.contains(&(json!("newcomer.one"), json!(true), json!(left_out))), "{found:?}");
    let obstacle = json!("the model takes no calls on demand under its own id");
    let haiku = json!("anthropic.claude-haiku-4-5-20251001-v1:0");
    assert!(found.contains(&(haiku, json!(false), obstacle)), "{found:?}");
    let voxtral = json!("mistral.voxtral-mini-3b-2507");
    assert!(found.contains(&(voxtral, json!(true), Value::Null)), "{found:?}");
    let output = run(&mut pumice(&home, &server), &["models", "list", "--all"]);
    assert!(stdout(&output).contains(&format!("yes, but {left_out}")), "{}", stdout(&output));
    let output = run(&mut pumice(&home, &server), &["models", "show", "newcomer.one"]);
    assert!(stdout(&output).contains(&format!("not listed      {left_out}")), "{}", stdout(&output));

    let replace = "{ models: { mode: 'replace', providers: { bedrock: { models: [{ id: 'one' }] } } } }";
    configure(&home, replace);
    assert_eq!(plain(&home, &server, &[]), ["amazon-bedrock/one"]);
    let found = reasons();
    assert_eq!((found.len(), &found[0].0), (7, &json!("one")));
    assert!(
        found.contains(&(json!("newcomer.one"), json!(true), json!("models.mode is replace"))),
        "{found:?}"
    );
}

#[test]
fn a_profile_that_is_not_listed_is_asked_for_or_goes_by_its_name() {
    let home = home();
    configure(
        &home,
        &format!(
            "{{ models: {{ providers: {{ bedrock: {{ models: [{{ id: '{ARN}', name: 'x' }}] }} }} }} }}"
        ),
    );
    let window = |get: Answer| {
        let none = Answer::whole(200, r#"{"inferenceProfileSummaries":[]}"#).only_for("/inference-profiles?");
        let models = Answer::whole(200, r#"{"modelSummaries":[]}"#).only_for("/foundation-models");
        let server = Server::start([models, none, get]);
        let output = run(&mut pumice(&home, &server), &["models", "list", "--json", "--refresh"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["models"][0]["contextWindow"].clone()
    };
    assert_eq!(window(Answer::refusal(403, "AccessDeniedException", "no")), 32_000);
    assert_eq!(
        window(Answer::whole(200, profile(ARN, "amazon.nova-lite-v1:0", "APPLICATION").to_string())),
        300_000
    );
}

#[test]
fn without_credentials_configured_models_are_listed_with_a_warning() {
    let (home, server) = (home(), control());
    let without_credentials = |home: &TempDir, arguments: &[&str]| {
        let mut command = pumice(home, &server);
        command.env_remove("AWS_ACCESS_KEY_ID");
        command.env("AWS_EC2_METADATA_DISABLED", "true");
        run(&mut command, arguments)
    };
    let bare = |home: &TempDir| without_credentials(home, &["models", "list", "--plain"]);
    let output = bare(&home);
    assert_eq!((output.status.code(), stdout(&output)), (Some(3), ""));
    configure(&home, SETTINGS);
    let output = bare(&home);
    assert_eq!((output.status.code(), keys(&output).len()), (Some(0), 3));
    assert!(
        stderr(&output).starts_with("warning: ") && stderr(&output).contains("no AWS credentials were found"),
        "{}",
        stderr(&output)
    );
    assert!(server.requests().is_empty());
    // They may be meant.
    let output = without_credentials(&home, &["models", "show", "private.modle"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("did you mean private.model? "), "{}", stderr(&output));

    // Unless it is switched off.
    configure(&home, &SETTINGS.replace("refreshInterval: 0", "enabled: false"));
    let output = bare(&home);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
}

#[test]
fn if_the_service_fails_the_cached_list_is_shown_with_a_warning() {
    let hang = || {
        // Nobody opens this gate.
        let (answer, gate) = Answer::whole(200, "").gate();
        std::mem::forget(gate);
        answer
    };
    let failures: [(&dyn Fn() -> Answer, i32); 5] = [
        (&|| Answer::refusal(403, "AccessDeniedException", "not allowed"), 3),
        (&|| Answer::whole(200, r#"{"message":"Forbidden"}"#), 1),
        (&|| Answer::whole(200, "{}"), 1),
        (&|| Answer::refusal(429, "ThrottlingException", "slow down"), 4),
        (&hang, 4),
    ];
    let models =
        json!({ "modelSummaries": [model("newcomer.one", "New Comer", &["ON_DEMAND"])] }).to_string();
    for (failure, exit) in failures {
        let home = home();
        let none =
            || Answer::whole(200, r#"{"inferenceProfileSummaries":[]}"#).only_for("/inference-profiles");
        let list = |server: &Server| {
            let arguments = ["models", "list", "--plain", "--refresh", "--timeout", "0.5"];
            run(&mut pumice(&home, server), &arguments)
        };
        let server = Server::start([failure().only_for("/foundation-models"), none()]);
        let output = list(&server);
        assert_eq!((output.status.code(), stdout(&output)), (Some(exit), ""), "{}", stderr(&output));

        let first = Answer::whole(200, models.clone()).only_for("/foundation-models");
        let server = Server::start([first, failure().only_for("/foundation-models"), none()]);
        for warning in ["", "warning: this list is from 20"] {
            let output = list(&server);
            assert_eq!((output.status.code(), stdout(&output)), (Some(0), "amazon-bedrock/newcomer.one\n"));
            assert!(stderr(&output).starts_with(warning), "{}", stderr(&output));
        }
        let output =
            run(&mut pumice(&home, &server), &["models", "list", "--json", "--refresh", "--timeout", "0.5"]);
        assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap()["outdated"], true);
    }
}

#[test]
fn without_the_right_to_list_profiles_the_permission_is_named() {
    let home = home();
    let denied = Answer::refusal(403, "AccessDeniedException", "no").only_for("/inference-profiles");
    let models =
        json!({ "modelSummaries": [model("newcomer.one", "New Comer", &["ON_DEMAND"])] }).to_string();
    let server = Server::start([Answer::whole(200, models).only_for("/foundation-models"), denied]);
    for _ in 0..2 {
        let output = run(&mut pumice(&home, &server), &["models", "list", "--plain"]);
        assert_eq!((output.status.code(), stdout(&output)), (Some(0), "amazon-bedrock/newcomer.one\n"));
        assert!(stderr(&output).contains("bedrock:ListInferenceProfiles"), "{}", stderr(&output));
    }
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_half_written_file_is_replaced_and_two_processes_do_not_disturb_each_other() {
    let (home, server) = (home(), control());
    plain(&home, &server, &[]);
    let folder = home.path().join("cache/pumice");
    let file = || {
        let files = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect::<Vec<_>>();
        let [file] = files.as_slice() else { panic!("one file expected: {files:?}") };
        file.clone()
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(file()).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    }
    let whole = std::fs::read(file()).unwrap();
    std::fs::write(file(), &whole[..whole.len() / 2]).unwrap();
    assert_eq!(plain(&home, &server, &[]).len(), 5);
    assert_eq!(server.requests().len(), 6);
    serde_json::from_slice::<Value>(&std::fs::read(file()).unwrap()).unwrap();

    let both = [(); 2].map(|()| {
        let mut command = pumice(&home, &server);
        command
            .args(["models", "list", "--plain", "--refresh"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    });
    for one in both {
        let output = one.wait_with_output().unwrap();
        assert_eq!((output.status.code(), keys(&output).len(), stderr(&output)), (Some(0), 5, ""));
    }
    serde_json::from_slice::<Value>(&std::fs::read(file()).unwrap()).unwrap();
}

fn answers() -> Answer {
    Answer::stream(text_answer(&["fine"])).only_for("/converse-stream")
}

#[test]
fn the_settings_name_model_endpoint_and_parameters_of_a_call() {
    let (home, runtime) = (home(), Server::start([answers()]));
    let text = SETTINGS.replace(
        "api:",
        &format!(
            "baseUrl: '{}/gate', headers: {{ 'X-Team': 'blue', authorization: 'no' }}, api:",
            runtime.url
        ),
    );
    configure(&home, &text);
    let output = run(&mut pumice(&home, &runtime), &["chat", "Hi"]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), "fine\n"), "{}", stderr(&output));
    let request = &runtime.requests()[0];
    assert_eq!(request.line, "POST /gate/model/newcomer.one/converse-stream HTTP/1.1");
    assert_eq!((request.header("x-team"), request.header("x-model")), (Some("blue"), Some("one")));
    assert!(request.header("authorization").unwrap().contains("x-model;x-team,"), "{request:?}");
    assert_eq!(request.json()["inferenceConfig"], json!({"maxTokens": 100}));
    assert_eq!(
        request.json()["guardrailConfig"],
        json!({"guardrailIdentifier": "gr", "guardrailVersion": "1"})
    );

    // An alias, and a flag before the parameters; the environment before the file.
    for (named, line) in
        [("nova", "us.amazon.nova-lite-v1%3A0"), ("amazon-bedrock/a.b", "a.b"), ("bedrock/a.b", "a.b")]
    {
        run(&mut pumice(&home, &runtime), &["chat", "-m", named, "--max-tokens", "7", "Hi"]);
        let request = runtime.requests().pop().unwrap();
        assert_eq!(request.line, format!("POST /gate/model/{line}/converse-stream HTTP/1.1"));
        assert_eq!(request.json()["inferenceConfig"]["maxTokens"], 7);
        assert_eq!(
            request.json()["inferenceConfig"]["temperature"],
            if named == "nova" { json!(0.5) } else { Value::Null }
        );
    }
    run(pumice(&home, &runtime).env("PUMICE_MODEL", "nova"), &["chat", "Hi"]);
    assert!(runtime.requests().pop().unwrap().line.contains("nova-lite"));
    let other = Server::start([answers()]);
    run(pumice(&home, &runtime).env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", &other.url), &["chat", "Hi"]);
    assert_eq!(other.requests().len(), 1);

    // A call uses no discovery.
    assert!(runtime.requests().iter().all(|request| request.line.starts_with("POST ")));
    let output = run(&mut pumice(&home, &runtime), &["chat", "-m", "openai/gpt", "Hi"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn the_region_of_the_settings_counts_after_all_others() {
    let (home, server) = (home(), Server::start([answers()]));
    let region = |text: &str, change: &dyn Fn(&mut Command)| {
        configure(&home, text);
        let mut command = pumice(&home, &server);
        change(&mut command);
        let output = run(&mut command, &["auth", "--json"]);
        let json = serde_json::from_slice::<Value>(&output.stdout).unwrap();
        (json["region"].as_str().unwrap().to_owned(), json["regionSource"].as_str().unwrap().to_owned())
    };
    let pair = |region: &str, source: &str| (region.to_owned(), source.to_owned());
    let of_url = "{ models: { bedrockDiscovery: { region: 'eu-west-1' }, providers: { bedrock: { baseUrl: 'https://bedrock-runtime.eu-north-1.amazonaws.com' } } } }";
    assert_eq!(region(of_url, &|_| {}), pair("eu-north-1", "settings file"));
    assert_eq!(
        region("{ models: { bedrockDiscovery: { region: 'eu-west-1' } } }", &|_| {}),
        pair("eu-west-1", "settings file")
    );
    assert_eq!(
        region(of_url, &|command| {
            command.env("AWS_REGION", "us-west-2");
        }),
        pair("us-west-2", "env: AWS_REGION")
    );
    assert_eq!(region("{}", &|_| {}), pair("us-east-1", "default"));
}

#[test]
fn sts_is_asked_in_the_region_of_the_settings() {
    let (home, sts) = (home(), Server::start([Answer::refusal(403, "AccessDenied", "no")]));
    let aws = home.path().join(".aws");
    std::fs::create_dir_all(&aws).unwrap();
    let role = "[profile r]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = k\n";
    let keys = "[profile k]\naws_access_key_id = AK\naws_secret_access_key = sekret\n";
    std::fs::write(aws.join("config"), format!("{role}{keys}")).unwrap();
    configure(&home, "{ models: { bedrockDiscovery: { region: 'fips-eu-west-1' } } }");
    let mut command = pumice(&home, &sts);
    command.env("AWS_ENDPOINT_URL_STS", &sts.url).env("AWS_EC2_METADATA_DISABLED", "true");
    run(&mut command, &["auth", "--profile", "r"]);
    let request = sts.requests().pop().unwrap();
    let signed = request.header("authorization").unwrap();
    assert!(signed.contains("/eu-west-1/sts/aws4_request"), "{signed}");
}

#[test]
fn fallbacks_are_tried_in_order_and_said() {
    let home = home();
    configure(&home, SETTINGS);
    let throttled =
        || Answer::refusal(429, "ThrottlingException", "slow down").only_for("/model/newcomer.one/");
    let gone = || {
        Answer::refusal(400, "ValidationException", "The provided model identifier is invalid.")
            .only_for("nova-lite")
    };
    let chat = |server: &Server, flags: &[&str]| {
        let mut command = pumice(&home, server);
        run(command.args(["chat", "--endpoint-url", &server.url]), flags)
    };
    let server = Server::start([throttled(), gone(), answers()]);
    let output = chat(&server, &["Hi"]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), "fine\n"), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(
        said.contains(
            "newcomer.one is not available: ThrottlingException: slow down; trying us.amazon.nova-lite-v1:0"
        ),
        "{said}"
    );
    assert!(said.contains("trying private.model"), "{said}");
    // Each has its own parameters.
    let sent =
        server.requests().iter().map(|request| request.json()["inferenceConfig"].clone()).collect::<Vec<_>>();
    assert_eq!(
        sent,
        [json!({"maxTokens": 100}), json!({"maxTokens": 10_000, "temperature": 0.5}), Value::Null]
    );

    // There is no fallback for a faulty request, and none for a model that is named.
    let wrong =
        Server::start([Answer::refusal(400, "ValidationException", "messages: expected at least one")]);
    assert_eq!((chat(&wrong, &["Hi"]).status.code(), wrong.requests().len()), (Some(1), 1));
    let server = Server::start([throttled(), answers()]);
    assert_eq!(
        (chat(&server, &["-m", "newcomer.one", "Hi"]).status.code(), server.requests().len()),
        (Some(4), 1)
    );
}

#[test]
fn with_no_model_named_three_are_that_can_be_called() {
    let (home, server) = (home(), control());
    let output = run(&mut pumice(&home, &server), &["chat", "Hi"]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(2), ""));
    let said = stderr(&output);
    for part in [
        "-m",
        "PUMICE_MODEL",
        "pumice config set model",
        ARN,
        "us.anthropic.claude-haiku-4-5-20251001-v1:0",
        "mistral.voxtral-mini-3b-2507",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("newcomer.one"), "{said}");
}

#[test]
fn settings_are_read_written_and_checked_as_a_whole() {
    let (home, server) = (home(), control());
    let config = |arguments: &[&str]| run(pumice(&home, &server).arg("config"), arguments);
    let path = home.path().join("config/pumice/config.json5");
    assert_eq!(stdout(&config(&["path"])).trim_end(), path.to_str().unwrap());
    assert_eq!(config(&["get", "models.mode"]).status.code(), Some(2));
    assert_eq!(
        config(&["set", "agents.defaults.model.primary", "amazon-bedrock/a.b"]).status.code(),
        Some(0)
    );
    assert_eq!(stdout(&config(&["get", "agents.defaults.model.primary"])), "amazon-bedrock/a.b\n");
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        "{\n  agents: {\n    defaults: {\n      model: {\n        primary: \"amazon-bedrock/a.b\",\n      },\n    },\n  },\n}\n"
    );

    // `model` is short for the primary model, and what is unknown at the top is an error.
    assert_eq!(stdout(&config(&["get", "model"])), "amazon-bedrock/a.b\n");
    assert_eq!(config(&["set", "model", "amazon-bedrock/c.d"]).status.code(), Some(0));
    assert_eq!(stdout(&config(&["get", "agents.defaults.model.primary"])), "amazon-bedrock/c.d\n");
    for (member, said) in [
        ("modle", "there is no member \"modle\" at the top of the settings; did you mean model?\n"),
        ("modles", "there is no member \"modles\" at the top of the settings; did you mean models?\n"),
        ("region", "did you mean models.bedrockDiscovery.region?\n"),
        ("bedrock.region", "there is no member \"bedrock\" at the top of the settings\n"),
    ] {
        let output = config(&["set", member, "x"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(said), "{member}: {}", stderr(&output));
    }
    assert_eq!(config(&["unset", "model"]).status.code(), Some(0));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\n}\n");
    configure(&home, "{ agents: { defaults: { model: 'a.b' } } }");
    assert_eq!(config(&["set", "model", "c.d"]).status.code(), Some(0));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "{ agents: { defaults: { model: \"c.d\" } } }");

    // Suggested paths are near and set, and a number below 0 is a value.
    for (member, said) in [
        ("models", "models is not set\n"),
        ("agents.default.model", "is not set; did you mean agents.defaults.model?\n"),
        ("agents.defaults.models", "is not set; did you mean agents.defaults.model"),
    ] {
        let output = config(&["get", member]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(said), "{member}: {}", stderr(&output));
    }
    let output = config(&["set", "models.bedrockDiscovery.refreshInterval", "-1"]);
    assert!(stderr(&output).contains("expected a whole number from 0, found -1"), "{}", stderr(&output));

    configure(
        &home,
        "// mine\n{\n  models: { bedrockDiscovery: { enabled: true } }, // on\n  gateway: { token: 'sekret' },\n}\n",
    );
    assert_eq!(config(&["set", "models.bedrockDiscovery.refreshInterval", "60"]).status.code(), Some(0));
    let text = "// mine\n{\n  models: { bedrockDiscovery: { enabled: true, refreshInterval: 60 } }, // on\n  gateway: { token: 'sekret' },\n}\n";
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    for wrong in [
        ["set", "models.bedrockDiscovery.enabled", "maybe"],
        ["set", "models.bedrockDiscovery.enabld", "true"],
        ["set", "models[0]", "1"],
    ] {
        let output = config(&wrong);
        assert_eq!((output.status.code(), stdout(&output)), (Some(2), ""), "{wrong:?}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
    assert_eq!(
        stdout(&config(&["show"])).split_whitespace().collect::<String>(),
        r#"{"models":{"bedrockDiscovery":{"enabled":true,"refreshInterval":60}}}"#
    );
    assert_eq!(config(&["unset", "models.bedrockDiscovery.enabled"]).status.code(), Some(0));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text.replace("enabled: true, ", ""));

    // A faulty file stops a call before anything is sent.
    let other = home.path().join("other.json5");
    std::fs::write(&other, "{\n models: { bedrockDiscovery: { refreshIntervall: 1 } } }").unwrap();
    let output = run(&mut pumice(&home, &server), &["models", "list", "--config", other.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("other.json5:2:32: models.bedrockDiscovery.refreshIntervall: there is no such member; did you mean refreshInterval?"), "{}", stderr(&output));
    let output = run(pumice(&home, &server).env("PUMICE_CONFIG", "/no/such"), &["chat", "-m", "x", "Hi"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(server.requests().is_empty());
}

#[test]
fn what_config_is_told_wrong_is_said() {
    let (home, server) = (home(), control());
    let config = |arguments: &[&str]| run(pumice(&home, &server).arg("config"), arguments);
    let path = home.path().join("config/pumice/config.json5");
    let alias = ["set", "agents.defaults.models['amazon-bedrock/x.y'].alias", "short"];
    assert_eq!(stderr(&config(&alias)), "");
    for (model, said) in [
        (
            "amazon-bedrock/nova-lite",
            "no model of this name is known: nova-lite; did you mean amazon.nova-lite-v1:0",
        ),
        ("short", ""),
        ("my-provisioned-model", ""),
    ] {
        let output = config(&["set", "model", model]);
        assert_eq!(output.status.code(), Some(0));
        let warned = stderr(&output).strip_prefix("warning: ").unwrap_or_default();
        assert!(
            warned.starts_with(said) && warned.is_empty() == said.is_empty(),
            "{model}: {}",
            stderr(&output)
        );
    }
    let output = config(&["sett", "model", "c.d"]);
    assert!(stderr(&output).contains("path or show; did you mean set?\n"), "{}", stderr(&output));
    std::fs::remove_file(&path).unwrap();
    let output = config(&["get", "models["]);
    assert!(stderr(&output).contains("hint: a path is like"), "{}", stderr(&output));
    configure(&home, "{ models");
    for arguments in [&["get", "model"][..], &["set", "model", "a.b"], &["unset", "model"], &["show"]] {
        let fault = format!("error: {}:1:1: invalid JSON5", path.display());
        let output = config(arguments);
        assert!(stderr(&output).starts_with(&fault), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn a_settings_file_that_is_named_and_missing_is_an_error_unless_it_is_set() {
    let (home, server) = (home(), control());
    let file = home.path().join("nope.json5");
    let named = file.to_str().unwrap();
    for arguments in [&["show"][..], &["get", "models.mode"], &["unset", "models.mode"]] {
        for flag in [true, false] {
            let mut command = pumice(&home, &server);
            let command =
                if flag { command.args(["--config", named]) } else { command.env("PUMICE_CONFIG", named) };
            let output = run(command.arg("config"), arguments);
            assert_eq!((output.status.code(), stdout(&output)), (Some(2), ""), "{arguments:?}");
            let said = format!("error: the settings file {named} cannot be read: there is no such file\n");
            assert_eq!(stderr(&output), said, "{arguments:?}");
        }
    }
    // The file of the platform may be missing.
    assert_eq!(stdout(&run(pumice(&home, &server).arg("config"), &["show"])), "{}\n");
    let set =
        run(pumice(&home, &server).args(["config", "--config", named]), &["set", "models.mode", "merge"]);
    assert_eq!((set.status.code(), file.is_file()), (Some(0), true), "{}", stderr(&set));
}

#[test]
fn the_settings_that_the_guide_prints_work_as_they_are() {
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openclaw.md")).unwrap();
    let printed = guide.split("```json5\n").nth(1).unwrap().split("```").next().unwrap();
    let (home, server) = (home(), control());
    server.then(answers());
    configure(&home, &printed.replace("https://bedrock-runtime.us-east-1.amazonaws.com", &server.url));
    let list = plain(&home, &server, &[]);
    assert_eq!(list[0], "amazon-bedrock/us.anthropic.claude-opus-4-6-v1");
    assert!(
        list.contains(&HAIKU.to_owned()) && !list.contains(&"amazon-bedrock/newcomer.one".to_owned()),
        "{list:?}"
    );
    let output = run(&mut pumice(&home, &server), &["chat", "Hi"]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), "fine\n"), "{}", stderr(&output));
    let request = server.requests().pop().unwrap();
    assert_eq!(request.line, "POST /model/us.anthropic.claude-opus-4-6-v1/converse-stream HTTP/1.1");
    assert_eq!(request.json()["inferenceConfig"]["maxTokens"], 8192);
}

/// Each row of the list, by a member.
fn listed(home: &TempDir, server: &Server, flags: &[&str]) -> Vec<Value> {
    let output = run(&mut pumice(home, server), &[&["models", "list", "--json"], flags].concat());
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""), "{flags:?}");
    serde_json::from_slice::<Value>(&output.stdout).unwrap()["models"].as_array().unwrap().clone()
}

#[test]
fn a_list_is_sorted_and_filtered() {
    let (home, server) = (home(), control());
    configure(
        &home,
        r#"{ models: { providers: { "amazon-bedrock": { models: [
            { id: "zeta.dear", name: "Alpha", contextWindow: 900, maxTokens: 800, input: ["text"], cost: { input: 50, output: 100 } },
            { id: "alpha.cheap", name: "Zeta", contextWindow: 5000000, maxTokens: 7, input: ["text"], cost: { input: 0.001, output: 0.002 } },
        ] } } } }"#,
    );
    let ids = |flags: &[&str]| {
        let rows = listed(&home, &server, flags);
        rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all = ids(&[]);
    assert_eq!(all.len(), 7, "{all:?}");
    let first_and_last = |key: &str| {
        let ids = ids(&["--sort", key]);
        assert_eq!(ids.len(), all.len(), "{key}");
        (ids.first().unwrap().clone(), ids.last().unwrap().clone())
    };
    assert_eq!(first_and_last("id"), ("alpha.cheap".into(), "zeta.dear".into()));
    assert_eq!(first_and_last("name"), ("zeta.dear".into(), "alpha.cheap".into()));
    // What is not known is last.
    for key in ["price", "context"] {
        assert_eq!(first_and_last(key), ("alpha.cheap".into(), "newcomer.one".into()), "{key}");
    }
    assert_eq!(first_and_last("output").1, "newcomer.one");
    let prices = listed(&home, &server, &["--sort", "price"]);
    let prices = prices.iter().filter_map(|row| row["cost"]["input"].as_f64()).collect::<Vec<_>>();
    assert!(prices.len() > 3 && prices.is_sorted(), "{prices:?}");

    assert!(ids(&["--input", "text"]) == all && ids(&["--input", "image"]).len() == 5);
    assert_eq!(ids(&["--search", "haiku"]).len(), 2, "of an ARN, the model behind it counts");
    assert_eq!(ids(&["--search", "ZETA cheap"]), ["alpha.cheap"], "all words, in any case, in id and name");
    assert_eq!(ids(&["--search", "newcomer", "--input", "image"]), ["newcomer.one"]);
    let output = run(&mut pumice(&home, &server), &["models", "list", "--search", "nothing"]);
    assert!(stderr(&output).contains("note: no model in this list matches"), "{output:?}");
    for (args, fault) in [
        (
            ["--sort", "prise"],
            "expected one of id, name, provider, price, context, output, found \"prise\"; did you mean price?",
        ),
        (["--input", "sound"], "--input: expected text or image, found \"sound\""),
        (["--input", "imag"], "--input: expected text or image, found \"imag\"; did you mean image?"),
    ] {
        let output = run(&mut pumice(&home, &server), &[&["models", "list"], &args[..]].concat());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(stderr(&output).contains(fault), "{output:?}");
    }
}

#[test]
fn limits_that_are_not_known_are_shown_as_such() {
    let (home, server) = (home(), control());
    let show = |args: &[&str]| {
        let output = run(&mut pumice(&home, &server), &[&["models", "show"], args].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        stdout(&output).to_owned()
    };
    let text = show(&["newcomer.one"]);
    assert!(text.contains("\ncontext window  unknown; 32000 tokens are assumed\n"), "{text}");
    assert!(text.contains("\noutput limit    unknown; 4096 tokens are assumed\n"), "{text}");
    let json: Value = serde_json::from_str(&show(&["newcomer.one", "--json"])).unwrap();
    assert_eq!(
        (&json["contextWindow"], &json["assumed"]),
        (&json!(32_000), &json!(["contextWindow", "maxTokens"]))
    );
    let known: Value =
        serde_json::from_str(&show(&["us.anthropic.claude-haiku-4-5-20251001-v1:0", "--json"])).unwrap();
    assert_eq!((&known["contextWindow"], &known["assumed"]), (&json!(200_000), &Value::Null));
    let output = run(&mut pumice(&home, &server), &["models", "list"]);
    let row = stdout(&output).lines().find(|line| line.starts_with("newcomer.one")).unwrap().to_owned();
    assert_eq!(row.split_whitespace().filter(|cell| *cell == "?").count(), 3, "and no price: {row}");
}

#[test]
fn a_model_that_is_named_in_part_or_with_a_slip_is_suggested() {
    let (home, server) = (home(), control());
    let hint = |id: &str| {
        let output = run(&mut pumice(&home, &server), &["models", "show", id]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        stderr(&output).lines().find_map(|line| line.strip_prefix("hint: ")).unwrap().to_owned()
    };
    let haiku = "did you mean us.anthropic.claude-haiku-4-5-20251001-v1:0";
    assert!(hint("claude-haiku-4-5").starts_with(haiku), "what can be called is first");
    assert!(hint("claude-hiku-4-5").starts_with(haiku));
    assert!(hint("nova-lite").contains("amazon.nova-lite-v1:0"), "the catalog knows it");
    assert_eq!(hint("something-else-entirely"), "run pumice models list --all to see all models");
    for word in ["lst", "lsit", "shwo"] {
        let output = run(&mut pumice(&home, &server), &["models", word]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(stderr(&output).contains("; did you mean "), "{output:?}");
    }
}

#[test]
fn without_the_service_it_says_what_is_known() {
    let (home, server) = (home(), control());
    let offline = |args: &[&str]| {
        let mut command = pumice(&home, &server);
        command.env_remove("AWS_ACCESS_KEY_ID").env("AWS_EC2_METADATA_DISABLED", "true");
        run(&mut command, args)
    };
    let id = "anthropic.claude-sonnet-4-5-20250929-v1:0";
    let output = offline(&["models", "show", id]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(
        stderr(&output),
        "warning: this is what the settings and the built-in catalog know: no AWS \
         credentials were found\n"
    );
    let source = "source          only the built-in catalog\n";
    assert!(stdout(&output).contains(source), "{output:?}");
    assert!(
        stdout(&output).contains("can be called   unknown: the service could not be asked\n"),
        "{output:?}"
    );
    let output = offline(&["models", "show", id, "--local"]);
    assert!(stdout(&output).contains("can be called   unknown: the service was not asked\n"), "{output:?}");
    let output = offline(&["models", "show", "claude-sonet-4-5"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let hint =
        "hint: did you mean anthropic.claude-sonnet-4-5-20250929-v1:0? the built-in catalog does not know";
    assert!(stderr(&output).contains(hint), "{output:?}");

    // A hint does not recommend what was just run.
    for args in [&["models", "list", "--local"][..], &["models", "list", "--local", "--all"]] {
        let output = offline(args);
        let note = "note: the settings have no models; leave out --local to list those of the service\n";
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), note));
    }
}

/// A reason that is cut explains nothing.
#[cfg(target_os = "linux")]
#[test]
fn reasons_are_shown_in_full_on_a_narrow_terminal() {
    let (home, server) = (home(), control());
    for columns in [40, 80] {
        let mut command = pumice(&home, &server);
        command.args(["models", "list", "--all"]).env("COLUMNS", columns.to_string());
        let (status, text) = support::terminal::run(&mut command);
        assert!(status.success(), "{text}");
        let words = text.split_whitespace().collect::<String>();
        assert!(words.contains("asus.anthropic.claude-haiku-4-5-20251001-v1:0"), "{text}");
        let table = text.split("\nnote: ").next().unwrap();
        assert!(table.lines().all(|line| line.chars().count() <= columns), "{text}");
    }
}

#[test]
fn an_unknown_model_gets_the_nearest_listed_ids() {
    let (home, server) = (home(), control());
    let invalid = Answer::refusal(400, "ValidationException", "The provided model identifier is invalid.");
    server.then(invalid.only_for("/model/"));
    let ask = |arguments: &[&str]| {
        let mut command = pumice(&home, &server);
        run(command.args(["--endpoint-url", &server.url]), arguments)
    };
    let before = ask(&["chat", "-m", "newcomer.oen", "Hi"]);
    assert_eq!(before.status.code(), Some(1));
    assert!(!stderr(&before).contains("did you mean"), "{}", stderr(&before));

    plain(&home, &server, &[]);
    let asked = server.requests().len();
    let output = ask(&["chat", "-m", "newcomer.oen", "Hi"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("hint: did you mean newcomer.one?"), "{}", stderr(&output));
    // The list is cached: nothing more is requested.
    assert_eq!(server.requests().len(), asked + 1);
    // What was called is never what was meant, though it is listed.
    let output = ask(&["chat", "-m", "newcomer.one", "Hi"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!stderr(&output).contains("mean newcomer.one"), "{}", stderr(&output));
    // Nor is a refusal for another reason one of an unknown id.
    for message in
        ["Model use case details have not been submitted for this account.", "It is at the end of its life."]
    {
        let refusing =
            Server::start([Answer::refusal(404, "ResourceNotFoundException", message).only_for("/model/")]);
        let mut command = pumice(&home, &server);
        command.args(["--endpoint-url", &refusing.url]);
        let output = run(&mut command, &["chat", "-m", "newcomer.oen", "Hi"]);
        assert!(stderr(&output).contains(message), "{}", stderr(&output));
        assert!(!stderr(&output).contains("did you mean"), "{}", stderr(&output));
    }
}

#[test]
fn a_key_of_the_settings_counts_after_environment_and_profile() {
    let (home, server) = (home(), control());
    configure(&home, "{ models: { providers: { bedrock: { apiKey: 'key-1' } } } }");
    let link = |change: &dyn Fn(&mut Command)| {
        let mut command = pumice(&home, &server);
        command.env("AWS_EC2_METADATA_DISABLED", "true");
        change(&mut command);
        let output = run(&mut command, &["auth", "--json"]);
        let json = serde_json::from_slice::<Value>(&output.stdout).unwrap();
        assert!(!stdout(&output).contains("key-1"), "{json}");
        [&json["link"], &json["kind"], &json["source"]].map(|text| text.as_str().unwrap().to_owned())
    };
    let bare = |command: &mut Command| {
        command.env_remove("AWS_ACCESS_KEY_ID");
    };
    assert_eq!(link(&|_| {})[1], "sigv4");
    assert_eq!(link(&bare), ["settings file", "bearer", "default chain"]);
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    let keys = "[default]\naws_access_key_id = AKIDPROFILE\naws_secret_access_key = s\n";
    std::fs::write(home.path().join(".aws/credentials"), keys).unwrap();
    assert_eq!(link(&bare)[1], "sigv4");
}

/// A member of the settings, a file with it, a command, and the effect that the command has only with the member.
struct Row {
    path: String,
    text: String,
    env: &'static [(&'static str, &'static str)],
    ask: &'static str,
    shows: &'static str,
}

/// A text of settings with these members at a path.
fn at(path: &str, members: &str) -> String {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    let inside = if rest.is_empty() { format!("{{ {members} }}") } else { at(rest, members) };
    match first.strip_suffix("[0]") {
        Some(list) => format!("{{ '{list}': [{inside}] }}"),
        None => format!("{{ '{first}': {inside} }}"),
    }
}

const DISCOVERY: &str = "models.bedrockDiscovery";
const PLUGIN: &str = "plugins.entries.amazon-bedrock";
const PROVIDER: &str = "models.providers.amazon-bedrock";
const MODEL: &str = "models.providers.amazon-bedrock.models[0]";
const DEFAULTS: &str = "agents.defaults";

/// Only the settings have credentials.
const BARE: &[(&str, &str)] = &[("AWS_ACCESS_KEY_ID", "")];
/// Only the settings have an endpoint.
const NO_URL: &[(&str, &str)] = &[("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "")];
/// Only the settings have an endpoint and a proxy.
const NO_PROXY: &[(&str, &str)] =
    &[("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", ""), ("HTTP_PROXY", ""), ("HTTPS_PROXY", "")];
const PLAIN: &[(&str, &str)] = &[];

const CHAT: &str = "chat -m one Hi";
const LIST: &str = "models list --json";
const LOCAL: &str = "models list --json --local";

/// Every member that is read, and its effect.
#[allow(clippy::too_many_lines, reason = "a table")]
fn every_member() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = |section: &str, name: &str, members: &str, env, ask, shows| {
        let path = format!("{section}.{name}");
        rows.push(Row { path, text: at(section, members), env, ask, shows });
    };

    for discovery in [DISCOVERY.to_owned(), format!("{PLUGIN}.config.discovery")] {
        let mut row = |name, members, ask, shows| row(&discovery, name, members, PLAIN, ask, shows);
        row("enabled", "enabled: false", "models list --plain", "requests: 0\n");
        row("region", "region: 'eu-west-1'", "auth --json", r#""region":"eu-west-1""#);
        row("providerFilter", "providerFilter: ['MISTRAL']", LIST, r#""count":2,"#);
        row(
            "refreshInterval",
            "refreshInterval: 0",
            "models list --plain; models list --plain",
            "requests: 6\n",
        );
        row("defaultContextWindow", "defaultContextWindow: 1234", LIST, r#""contextWindow":1234,"#);
        row("defaultMaxTokens", "defaultMaxTokens: 123", LIST, r#""maxTokens":123,"#);
    }
    row(PLUGIN, "enabled", "enabled: false", PLAIN, "models list --plain", "requests: 0\n");
    let guardrail =
        "guardrailIdentifier: 'gr', guardrailVersion: '7', streamProcessingMode: 'async', trace: 'enabled'";
    for (name, shows) in [
        ("guardrailIdentifier", r#""guardrailIdentifier":"gr""#),
        ("guardrailVersion", r#""guardrailVersion":"7""#),
        ("streamProcessingMode", r#""streamProcessingMode":"async""#),
        ("trace", r#""trace":"enabled""#),
    ] {
        row(&format!("{PLUGIN}.config.guardrail"), name, guardrail, PLAIN, CHAT, shows);
    }

    let replace = "mode: 'replace', providers: { bedrock: { models: [{ id: 'one' }] } }";
    row("models", "mode", replace, PLAIN, "models list --plain", "requests: 0\n");
    let none = "no AWS credentials were found";
    row(PROVIDER, "baseUrl", "baseUrl: 'SERVER/gate'", NO_URL, CHAT, "POST /gate/model/one/converse-stream");
    row(PROVIDER, "apiKey", "apiKey: 'key-1'", BARE, CHAT, "authorization: Bearer key-1\n");
    let command = "apiKeyCommand: 'echo key-3'";
    row(PROVIDER, "apiKeyCommand", command, BARE, CHAT, "authorization: Bearer key-3\n");
    row(PROVIDER, "profile", "profile: 'nope'", BARE, "auth", "there is no profile nope");
    // The first call makes a profile whose sign-in has ended.
    let sso = "[default]\\\\nsso_start_url=u\\\\nsso_region=r\\\\nsso_account_id=1\\\\nsso_role_name=n\\\\n";
    let commands = format!(
        "apiKeyCommand: 'mkdir -p ~/.aws; printf \"{sso}\" >~/.aws/config; false', \
         credentialsRefreshCommand: 'echo now renewed; false'"
    );
    let shows =
        "credentialsRefreshCommand of the settings file failed with exit code 1 and said: now renewed";
    row(PROVIDER, "credentialsRefreshCommand", &commands, BARE, "chat -m one Hi; chat -m one Hi", shows);
    row(PROVIDER, "auth", "apiKey: 'key-1', auth: 'aws-sdk'", BARE, "auth", none);
    let other = r#"expected "bedrock-converse-stream", found "openai-completions": it has no effect"#;
    row(PROVIDER, "api", "api: 'openai-completions', models: [{ id: 'one' }]", PLAIN, LOCAL, other);
    row(PROVIDER, "headers.x-team", "headers: { 'x-team': 'blue' }", PLAIN, CHAT, "x-team: blue\n");
    row(
        PROVIDER,
        "authHeader",
        "authHeader: false",
        PLAIN,
        CHAT,
        "keys always go in the authorization header",
    );
    let limits = "contextWindow: 777, contextTokens: 555, models: [{ id: 'one' }]";
    row(PROVIDER, "contextTokens", limits, PLAIN, LOCAL, r#""contextWindow":555,"#);
    let limits = "contextWindow: 777, models: [{ id: 'one' }]";
    row(PROVIDER, "contextWindow", limits, PLAIN, LOCAL, r#""contextWindow":777,"#);
    row(PROVIDER, "maxTokens", "maxTokens: 99", PLAIN, CHAT, r#""maxTokens":99}"#);
    row(PROVIDER, "timeoutSeconds", "timeoutSeconds: 0.2", PLAIN, CHAT, "no data for 0.2 seconds");

    let request = &format!("{PROVIDER}.request");
    row(request, "headers.x-r", "headers: { 'x-r': 'red' }", PLAIN, CHAT, "x-r: red\n");
    let bearer = "mode: 'authorization-bearer', token: 'key-2'";
    row(&format!("{request}.auth"), "token", bearer, BARE, CHAT, "authorization: Bearer key-2\n");
    let header = "mode: 'header', headerName: 'x-gate', prefix: 'Key ', value: 'v'";
    for name in ["mode", "headerName", "prefix", "value"] {
        row(&format!("{request}.auth"), name, header, BARE, CHAT, "x-gate: Key v\n");
    }
    let proxy =
        "request: { proxy: { mode: 'explicit-proxy', url: 'SERVER' } }, baseUrl: 'http://gate.invalid'";
    for name in ["request.proxy.mode", "request.proxy.url"] {
        row(PROVIDER, name, proxy, NO_PROXY, CHAT, "POST http://gate.invalid/model/one/converse-stream");
    }
    let plain_http = "request: { allowPlainHttp: true, proxy: { mode: 'explicit-proxy', url: 'SERVER' } }, \
                      headers: { 'x-gate': 'v' }, baseUrl: 'http://gate.invalid'";
    let shows = "secrets go in the clear to gate.invalid";
    row(PROVIDER, "request.allowPlainHttp", plain_http, NO_PROXY, CHAT, shows);
    let idle = "request.tls is for proxies too";
    row(&format!("{request}.proxy"), "tls", "mode: 'env-proxy', tls: {}", PLAIN, CHAT, idle);
    let ca = "request: { tls: { ca: 'x' } }, baseUrl: 'https://localhost:1'";
    let shows = "the authorities to trust: expected certificates in PEM form";
    row(PROVIDER, "request.tls.ca", ca, NO_URL, CHAT, shows);
    for (name, members, shows) in [
        ("cert", "cert: 'x', key: 'x'", "the client's certificate: expected certificates in PEM form"),
        ("key", "cert: 'x', key: 'x'", "the client's certificate: expected certificates in PEM form"),
        ("passphrase", "passphrase: 'x'", "the key must not be encrypted"),
        ("serverName", "serverName: 'x'", "the certificate must name the host of the URL"),
        ("insecureSkipVerify", "insecureSkipVerify: true", "certificates are always verified"),
    ] {
        row(&format!("{request}.tls"), name, members, PLAIN, CHAT, shows);
    }
    let private = "private addresses are always allowed";
    row(request, "allowPrivateNetwork", "allowPrivateNetwork: false", PLAIN, CHAT, private);

    let mut of_model = |name, members: &str, env, ask, shows| {
        row(MODEL, name, &format!("id: 'one', {members}"), env, ask, shows);
    };
    of_model("id", "", PLAIN, LOCAL, r#""key":"amazon-bedrock/one""#);
    of_model("name", "name: 'Ours'", PLAIN, LOCAL, r#""name":"Ours""#);
    of_model("api", "api: 'openai-completions'", PLAIN, LOCAL, other);
    of_model("baseUrl", "baseUrl: 'SERVER/own'", NO_URL, CHAT, "POST /own/model/one/converse-stream");
    of_model("reasoning", "reasoning: true", PLAIN, LOCAL, r#""reasoning":true"#);
    of_model("input", "input: ['text', 'image']", PLAIN, LOCAL, r#""input":["text","image"]"#);
    let cost = "cost: { input: 1.5, output: 2.5, cacheRead: 3.5, cacheWrite: 4.5, tiers: [
        { inputTokensAbove: 5, input: 6.5, output: 7.5, cacheRead: 8.5, cacheWrite: 9.5 }],
        serviceTiers: { flex: { input: 0.25, output: 0.75 } } }";
    for (name, shows) in [
        ("cost.input", r#""input":1.5"#),
        ("cost.output", r#""output":2.5"#),
        ("cost.cacheRead", r#""cacheRead":3.5"#),
        ("cost.cacheWrite", r#""cacheWrite":4.5"#),
        ("cost.tiers[0].inputTokensAbove", r#""inputTokensAbove":5"#),
        ("cost.tiers[0].input", r#""input":6.5"#),
        ("cost.tiers[0].output", r#""output":7.5"#),
        ("cost.tiers[0].cacheRead", r#""cacheRead":8.5"#),
        ("cost.tiers[0].cacheWrite", r#""cacheWrite":9.5"#),
        ("cost.serviceTiers.flex.input", r#""flex":{"input":0.25"#),
        ("cost.serviceTiers.flex.output", r#""output":0.75"#),
    ] {
        of_model(name, cost, PLAIN, LOCAL, shows);
    }
    of_model("contextWindow", "contextWindow: 777", PLAIN, LOCAL, r#""contextWindow":777,"#);
    of_model(
        "contextTokens",
        "contextWindow: 777, contextTokens: 555",
        PLAIN,
        LOCAL,
        r#""contextWindow":555,"#,
    );
    of_model("maxTokens", "maxTokens: 88", PLAIN, CHAT, r#""maxTokens":88}"#);
    of_model("headers.x-model", "headers: { 'x-model': 'one' }", PLAIN, CHAT, "x-model: one\n");
    of_model("inputLimits", "inputLimits: {}", PLAIN, LOCAL, "images are sent as they are");

    let flex = r#""serviceTier":{"type":"flex"}"#;
    for (section, prefix) in
        [(MODEL, "id: 'one', "), ("agents.defaults.models.bedrock/one", ""), (DEFAULTS, "")]
    {
        let mut row = |name: &str, value: &str, shows| {
            let member = name.split('.').next().unwrap();
            let members = format!("{prefix}params: {{ {member}: {value} }}");
            row(section, &format!("params.{name}"), &members, PLAIN, CHAT, shows);
        };
        row("temperature", "0.25", r#""temperature":0.25"#);
        row("maxTokens", "66", r#""maxTokens":66"#);
        row("serviceTier", "' Flex '", flex);
        row("service_tier", "'flex'", flex);
        row("topP", "0.25", r#""topP":0.25"#);
        row("topK", "5", "topK 5 not sent");
        row("stopSequences", "['END']", r#""stopSequences":["END"]"#);
        row("betas", "['b-1']", r#""anthropic_beta":["b-1"]"#);
        row("project", "'proj_1'", r#""projectIdentifier":"proj_1""#);
        row("additionalModelRequestFields.x", "{ x: [1] }", r#""additionalModelRequestFields":{"x":[1]}"#);
        row("performanceConfig.latency", "{ latency: 'optimized' }", r#""latency":"optimized""#);
        row("outputConfig.effort", "{ effort: 'low' }", r#""outputConfig":{"effort":"low"}"#);
        let format = "{ textFormat: { type: 'json_schema', structure: { jsonSchema: {
            schema: '{}', name: 'n', description: 'd' } } } }";
        row("outputConfig.textFormat.type", format, r#""type":"json_schema""#);
        let schema = "outputConfig.textFormat.structure.jsonSchema";
        row(&format!("{schema}.schema"), format, r#""schema":"{}""#);
        row(&format!("{schema}.name"), format, r#""name":"n""#);
        row(&format!("{schema}.description"), format, r#""description":"d""#);
    }

    row(DEFAULTS, "model", "model: 'bedrock/two'", PLAIN, "chat Hi", "POST /model/two/converse-stream");
    let choice = &format!("{DEFAULTS}.model");
    row(choice, "primary", "primary: 'bedrock/two'", PLAIN, "chat Hi", "POST /model/two/converse-stream");
    let fallback = "primary: 'busy', fallbacks: ['two']";
    row(
        choice,
        "fallbacks",
        fallback,
        PLAIN,
        "chat Hi",
        "busy is not available: ThrottlingException: slow down; trying two",
    );
    row(choice, "timeoutMs", "timeoutMs: 200", PLAIN, CHAT, "no data for 0.2 seconds");
    let alias = "alias: 'second'";
    row(
        "agents.defaults.models.bedrock/two",
        "alias",
        alias,
        PLAIN,
        "chat -m second Hi",
        "POST /model/two/converse-stream",
    );

    rows.extend(of_the_assistant());
    for name in ["provider", "mode"] {
        rows.push(Row {
            path: format!("auth.profiles.x.{name}"),
            text: "{ auth: { profiles: { x: { provider: 'amazon-bedrock', mode: 'aws-sdk' } } },
                models: { providers: { 'amazon-bedrock': { apiKey: 'key-1' } } } }"
                .to_owned(),
            env: BARE,
            ask: "auth",
            shows: none,
        });
    }
    rows
}

/// Members that affect a conversation.
fn of_the_assistant() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = |path: &str, model: &str, more: &str, defaults: &str, ask, shows| {
        let text = format!(
            "{{ models: {{ providers: {{ 'amazon-bedrock': {{ models: [{{ id: 'one', reasoning: true, {model} }}], {more} }} }} }},
                agents: {{ defaults: {{ {defaults} }} }} }}"
        );
        rows.push(Row { path: path.to_owned(), text, env: PLAIN, ask, shows });
    };
    let ask = "chat -m one -s Be Hi";
    for (member, value, shows) in
        [("thinking", "'low'", r#""effort":"low""#), ("cacheRetention", "'long'", r#""ttl":"1h""#)]
    {
        let (claude, params) = ("name: 'Claude Opus 4.6'", format!("params: {{ {member}: {value} }}"));
        row(&format!("{MODEL}.params.{member}"), &format!("{claude}, {params}"), "", "", ask, shows);
        row(&format!("{DEFAULTS}.params.{member}"), claude, "", &params, ask, shows);
        let of_one = format!("models: {{ 'bedrock/one': {{ {params} }} }}");
        row(&format!("{DEFAULTS}.models.bedrock/one.params.{member}"), claude, "", &of_one, ask, shows);
    }
    let strict = "compat: { supportsStrictMode: true }";
    row(&format!("{MODEL}.compat.supportsStrictMode"), strict, "", "", "stream", r#""strict":true"#);
    let gpt = "name: 'gpt-9', thinkingLevelMap: { high: 'most' }";
    let high = "chat --think high -m one Hi";
    row(&format!("{MODEL}.thinkingLevelMap.high"), gpt, "", "", high, r#""effort":"most""#);

    let warm = "chat --temperature 0.5 -m one Hi";
    let xhigh = "chat --think xhigh -m one Hi";
    for (name, members, ask, shows) in [
        ("match", "thinking: 'budget'", high, r#""budget_tokens""#),
        ("thinking", "thinking: 'budget'", high, r#""budget_tokens""#),
        ("xhigh", "thinking: 'adaptive', xhigh: true", xhigh, r#""effort":"xhigh""#),
        ("blockBinding", "thinking: 'adaptive', blockBinding: true", high, r#""block_binding""#),
        (
            "temperature",
            "temperature: 'never'",
            warm,
            r#"{"messages":[{"role":"user","content":[{"text":"Hi"}]}],"inferenceConfig":{}}"#,
        ),
        ("promptCache", "promptCache: 'always'", "stream", r#""cachePoint""#),
        ("claude", "claude: true", "stream", r#""signature":"c2ln""#),
        ("thinkingOff", "thinkingOff: 'never'", "chat --think off -m one Hi", "the model always thinks"),
        ("betas", "thinking: 'adaptive', blockBinding: true, betas: false", high, r#""thinking":{"display""#),
        ("interleaved", "thinking: 'budget', interleaved: true", high, "interleaved-thinking"),
        ("thoughts", "thoughts: 'none'", "stream", r#""content":[{"text":"Yes?"}]"#),
        ("topPWithTemperature", "topPWithTemperature: false", "rich", "topP 0.25 not sent"),
        ("topP", "topP: false", "rich", "topP 0.25 not sent: the model refuses it\n"),
        ("stopSequences", "stopSequences: false", "rich", "stopSequences 1 of 1 not sent"),
        ("topK", "topK: 'top_k'", "rich", r#""top_k":5"#),
        ("system", "system: false", "chat -m one -s Be Hi", r#"[{"text":"Be"},{"text":"Hi"}]"#),
        ("systemMessages", "systemMessages: true", "rich", r#""role":"system""#),
        ("streaming", "streaming: false", "chat -m one Hi", "/model/one/converse HTTP"),
        ("tools", "tools: 'no'", "rich", "tools not sent"),
        ("toolChoices", "toolChoices: []", "rich", "the model refuses this choice\n"),
        (
            "thinkingToolChoices",
            "thinking: 'adaptive', thinkingToolChoices: []",
            "rich",
            "the model refuses this choice with thinking",
        ),
        ("textFormat", "textFormat: false", "formatted", "Respond with JSON alone"),
        ("strictTools", "strictTools: true", "stream", r#""strict":true"#),
        ("schemaRoot", "schemaRoot: 'plain'", "rich", r#"{"a b":{}},"type":"object"}"#),
        ("propertyNames", "propertyNames: 'plain'", "rich", "expected property names"),
        ("toolIds", "toolIds: 'nine'", "rich", r#""toolUseId":"6a7ff87dd""#),
        ("status", "status: false", "rich", r#"[{"text":"r"}]}"#),
        ("resultMedia", "resultMedia: []", "rich", "Images from the result of tool call b"),
        ("failedResultMedia", "failedResultMedia: []", "rich", "Images from the error result of tool call c"),
        ("besideResult", "besideResult: []", "rich", "Understood."),
        ("prefill", "prefill: 'no'", "rich", "Continue."),
        ("cachePlaces", "promptCache: 'always', cachePlaces: []", "stream", r#""system":[{"text":"Be"}]"#),
        ("cachePoints", "promptCache: 'always', cachePoints: 0", "stream", r#""system":[{"text":"Be"}]"#),
        (
            "cacheTtls",
            "promptCache: 'always', cacheTtls: ['5m']",
            "rich",
            r#""cachePoint":{"type":"default"}}"#,
        ),
        ("images", "images: 1", "rich", "expected at most 1 images in one request, found 2"),
        ("documents", "documents: 0", "rich", "expected at most 0 documents"),
        ("textBytes", "textBytes: 1", "rich", "MB of text"),
        ("largeDocuments", "largeDocuments: ['pdf']", "large", r#""format":"pdf""#),
        ("maxTokens", "maxTokens: 7", "rich", r#""maxTokens":7"#),
        ("tiers", "tiers: ['default']", "rich", "serviceTier \"priority\" not sent"),
        ("cachedInInput", "cachedInInput: true", "stream", r#""input":2,"#),
    ] {
        let families = format!("families: [{{ match: ['one'], {members} }}]");
        row(&format!("{PROVIDER}.families[0].{name}"), "", &families, "", ask, shows);
    }
    let families = "families: [{ match: ['one'], defaultTierOnly: true }]";
    let (flex, shows) = ("params: { serviceTier: 'flex' }", "serviceTier \"flex\" not sent");
    row(&format!("{PROVIDER}.families[0].defaultTierOnly"), "", families, flex, "chat -m one Hi", shows);
    rows
}

/// Input of `pumice stream`: a turn with thinking and a strict tool.
fn conversation() -> Value {
    json!({
        "model": {"id": "one"},
        "context": {
            "systemPrompt": "Be",
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "provider": "amazon-bedrock", "api": "bedrock-converse-stream", "model": "one",
                    "stopReason": "stop", "content": [
                        {"type": "thinking", "thinking": "Hm", "thinkingSignature": "c2ln"},
                        {"type": "text", "text": "Yes?"}]},
                {"role": "user", "content": "Hi"},
            ],
            "tools": [{"name": "t", "description": "d", "parameters": {"type": "object", "properties": {}},
                "constrainedSampling": {"type": "json_schema", "strict": "prefer"}}],
        },
    })
}

/// Something of everything that families support or refuse.
fn rich() -> Value {
    let image = json!({"type": "image", "data": "iVBORw0KGgoAAAANSUhEUg==", "mimeType": "image/png"});
    let document = json!({"type": "document", "data": "IyBB", "mimeType": "text/markdown", "name": "a"});
    let call = |id: &str| json!({"type": "toolCall", "id": id, "name": "t", "arguments": {}});
    let result = |id: &str, content: Value, failed: bool| json!({"role": "toolResult", "toolCallId": id, "content": content, "isError": failed});
    let assistant = |content: Value| {
        json!({"role": "assistant", "provider": "amazon-bedrock", "api": "bedrock-converse-stream", "model": "one",
            "stopReason": "stop", "content": content})
    };
    json!({
        "model": {"id": "one", "reasoning": true, "maxTokens": 9000},
        "context": {
            "systemPrompt": "Be",
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "Hi"}, document]},
                assistant(json!([call("a"), call("b"), call("c")])),
                result("a", json!("r"), false),
                result("b", json!([image]), false),
                result("c", json!([image]), true),
                {"role": "user", "content": "More"},
                assistant(json!([{"type": "text", "text": "Yes?"}])),
                {"role": "system", "content": "Short"},
                assistant(json!([{"type": "text", "text": "So"}])),
            ],
            "tools": [{"name": "t", "description": "d",
                "parameters": {"type": "object", "title": "T", "properties": {"a b": {}}}}],
        },
        "options": {"toolChoice": "any", "topK": 5, "topP": 0.25, "temperature": 0.5, "cacheRetention": "long",
            "stopSequences": ["X"],
            "serviceTier": "priority", "reasoning": "high"},
    })
}

/// A question whose response has a form.
fn formatted() -> Value {
    let format = json!({"type": "json_schema", "structure": {"jsonSchema": {"schema": "{}"}}});
    json!({"model": {"id": "one"}, "context": {"messages": [{"role": "user", "content": "Hi"}]},
        "options": {"outputConfig": {"textFormat": format}}})
}

/// A document that is too large for most models.
fn large() -> Value {
    let data = format!("JVBERi0xLjcK{}", "AAAA".repeat(1_600_000));
    let document = json!({"type": "document", "data": data, "mimeType": "application/pdf", "name": "a"});
    json!({"model": {"id": "one"}, "context": {"messages": [{"role": "user", "content": [document]}]}})
}

/// The result of a command: exit code, output, and requests. The server's address is replaced by SERVER.
fn observed(row: &Row, text: &str, with: bool) -> String {
    let (home, server) = (home(), control());
    if with && row.path.contains("timeout") {
        // Nobody opens this gate.
        let (answer, gate) = Answer::stream([]).gate();
        std::mem::forget(gate);
        server.then(answer.only_for("/converse-stream"));
    }
    if row.path.ends_with("cachedInInput") {
        let usage = json!({"usage": {"inputTokens": 12, "outputTokens": 1, "totalTokens": 23,
            "cacheReadInputTokens": 10}});
        let mut answer = text_answer(&["a"]);
        answer.pop();
        answer.push(support::server::event("metadata", &usage.to_string()));
        server.then(Answer::stream(answer).only_for("/converse-stream"));
    }
    server.then(Answer::refusal(429, "ThrottlingException", "slow down").only_for("/model/busy/"));
    server.then(answers());
    configure(&home, &text.replace("SERVER", &server.url));
    let mut seen = String::new();
    for ask in row.ask.split("; ") {
        let mut command = pumice(&home, &server);
        command.env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", &server.url).env("AWS_EC2_METADATA_DISABLED", "true");
        // Nothing leaves this machine: other requests go to a port where nothing listens.
        command.env("HTTP_PROXY", "http://127.0.0.1:1").env("HTTPS_PROXY", "http://127.0.0.1:1");
        for (name, _) in row.env.iter().filter(|(name, _)| with || !name.ends_with("PROXY")) {
            command.env_remove(name);
        }
        let mut ask = ask;
        let given = match ask {
            "stream" => Some(conversation()),
            "rich" => Some(rich()),
            "large" => Some(large()),
            "formatted" => Some(formatted()),
            _ => None,
        };
        if let Some(given) = given {
            let input = home.path().join("input.json");
            std::fs::write(&input, given.to_string()).unwrap();
            command.stdin(std::fs::File::open(input).unwrap());
            ask = "stream";
        }
        let output = run(&mut command, &ask.split(' ').collect::<Vec<_>>());
        let exit = output.status.code();
        writeln!(seen, "exit: {exit:?}\n{}\n{}", stdout(&output), stderr(&output)).unwrap();
    }
    let requests = server.requests();
    writeln!(seen, "requests: {}", requests.len()).unwrap();
    for request in &requests {
        writeln!(seen, "{}", request.line).unwrap();
        for (name, value) in &request.headers {
            writeln!(seen, "{name}: {value}").unwrap();
        }
        writeln!(seen, "{}", String::from_utf8_lossy(&request.body)).unwrap();
    }
    seen.replace(&server.url, "SERVER")
}

/// Whether this is a path of a member such as `models.providers.amazon-bedrock.models[].id`.
fn is_one_of(member: &str, path: &str) -> bool {
    let path = path.replace("[0]", "[]");
    let (of_member, of_path) = (member.split('.'), path.split('.'));
    of_member.clone().count() == of_path.clone().count()
        && of_member.zip(of_path).all(|(name, found)| name == found || name == "*")
}

#[test]
fn each_member_of_the_settings_has_its_effect() {
    let rows = every_member();
    for member in Settings::members() {
        let has_row = rows.iter().any(|row| is_one_of(&member, &row.path));
        assert!(has_row, "{member}: expected a row that shows its effect");
    }
    let faults = |rows: &[Row]| rows.iter().filter_map(fault).collect::<Vec<_>>();
    let wrong = std::thread::scope(|scope| {
        let parts = rows.chunks(rows.len().div_ceil(4));
        let parts = parts.map(|part| scope.spawn(move || faults(part))).collect::<Vec<_>>();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// A fault in the effect of a member.
fn fault(row: &Row) -> Option<String> {
    let Row { path, text, shows, .. } = row;
    if !Settings::members().iter().any(|member| is_one_of(member, path)) {
        return Some(format!("{path}: there is no such member"));
    }
    let with = observed(row, text, true);
    if !with.contains(shows) {
        return Some(format!("{path}: {shows} expected\n{text}\n{with}"));
    }
    let text = Settings::unset(text, path).unwrap().unwrap();
    let without = observed(row, &text, false);
    without.contains(shows).then(|| format!("without {path}: {shows} found\n{text}\n{without}"))
}
