//! The reader of the AWS files, rule by rule, compared with what the AWS SDK for Rust read from the same files.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use support::shared;

use proptest::prelude::*;
use pumice::ErrorKind;
use pumice::aws_files::Profiles;

const SECRET: &str = "wJalrXUtnFEMI";

/// A profile's name and its keys and values.
type Flat<'a> = (&'a str, Vec<(&'a str, &'a str)>);

fn read(config: &str, credentials: &str) -> pumice::Result<Profiles> {
    Profiles::parse(Some(("~/.aws/config", config)), Some(("~/.aws/credentials", credentials)))
}

fn flat(profiles: &Profiles) -> Vec<Flat<'_>> {
    let properties = |name| {
        let section = profiles.profile(name).unwrap();
        section.keys().map(|key| (key, section.property(key).unwrap())).collect()
    };
    profiles.names().map(|name| (name, properties(name))).collect()
}

#[test]
fn each_rule_has_its_case() {
    for (rule, config, credentials, expected) in CASES {
        let profiles = read(config, credentials).unwrap_or_else(|error| panic!("{rule}: {error}"));
        let expected: Vec<Flat<'_>> =
            expected.iter().map(|(name, properties)| (*name, properties.to_vec())).collect();
        assert_eq!(flat(&profiles), expected, "{rule}");
    }
}

type Profile = (&'static str, &'static [(&'static str, &'static str)]);

const A: (&str, &str) = ("a", "1");
const B: (&str, &str) = ("b", "2");

/// A rule, the config file, the credentials file, and the profiles that they are read as.
const CASES: &[(&str, &str, &str, &[Profile])] = &[
    // Files
    ("no text, no profile", "", "", &[]),
    (
        "a byte order mark is passed over",
        "\u{feff}[default]\na=1",
        "\u{feff}[x]\nb=2",
        &[("default", &[A]), ("x", &[B])],
    ),
    ("lines end in CR LF too", "[default]\r\na = 1\r\n\r\nb = 2\r\n", "", &[("default", &[A, B])]),
    ("blank lines say nothing", " \t\n[default]\n\t\na=1\n \nb=2\n\t", "", &[("default", &[A, B])]),
    ("comments say nothing", "# c\n; c\n[default]\n#a=9\na=1\n;\nb=2\n#", "", &[("default", &[A, B])]),
    // Sections
    ("a section may be empty", "[default]", "[x]", &[("default", &[]), ("x", &[])]),
    (
        "a profile by file",
        "[default]\na=1\n[profile p]\nb=2",
        "[q]\na=1",
        &[("default", &[A]), ("p", &[B]), ("q", &[A])],
    ),
    ("white space around names", "[ \tprofile \t p ]\t\na=1", "[ \tq\t]\nb=2", &[("p", &[A]), ("q", &[B])]),
    ("a tab between type and name", "[profile\tp]\na=1", "", &[("p", &[A])]),
    (
        "a comment right after a section",
        "[default]# c\na=1",
        "[x];c]\nb=2",
        &[("default", &[A]), ("x", &[B])],
    ),
    ("names of all signs", "[profile aZ09_-/.%@:+]\na=1", "", &[("aZ09_-/.%@:+", &[A])]),
    ("names are case-sensitive", "[profile P]\na=1\n[profile p]\nb=2", "", &[("P", &[A]), ("p", &[B])]),
    ("types are case-sensitive", "[Profile p]\na=1", "", &[]),
    ("a bare name in the config file", "[p]\na=1\n[profile]\na=1", "", &[]),
    ("a typed name in the credentials file", "", "[profile p]\na=1\n[sso-session s]\na=1", &[]),
    (
        "names may be in quotes and have blanks",
        "[profile \"a b\"]\na=1\n[ profile 'p' ]\n[profile c d]\nb=2",
        "[a B]\na=1\n['q']\nb=2\n[]\na=1",
        &[("a B", &[A]), ("a b", &[A]), ("c d", &[B]), ("p", &[]), ("q", &[B])],
    ),
    (
        "a quote, a bracket or nothing is no name",
        "[profile a\"b]\na=1\n[profile \"\"]\na=1\n[profile [x]]\na=1",
        "",
        &[],
    ),
    (
        "lines copied from a shell",
        "[default]\nexport A=\"1\"\nset b = 2",
        "[x]\nexport  A = '1'\n$env:B=\"2\"",
        &[("default", &[A, B]), ("x", &[A, B])],
    ),
    ("other quotes are a part of the value", "[default]\na=\"1\"", "", &[("default", &[("a", "\"1\"")])]),
    ("a name glued to its type", "[profilep]\na=1", "[sso-sessionp]\nb=2", &[("sso-sessionp", &[B])]),
    ("types of no meaning here", "[plugins x]\na=1\n[preview]\nb=2", "", &[]),
    ("after an ignored section", "[p]\na=9\n[default]\na=1", "", &[("default", &[A])]),
    ("other sections are no profiles", "[sso-session s]\na=1\n[services v]\nb=2", "", &[]),
    // Properties
    ("white space around key and value", "[default]\na \t= \t1 \t", "", &[("default", &[A])]),
    ("none is needed", "[default]\na=1", "", &[("default", &[A])]),
    ("keys are in any case", "[default]\nAWS_Region = X", "", &[("default", &[("aws_region", "X")])]),
    ("the first = ends the key", "[default]\nname = k==v=", "", &[("default", &[("name", "k==v=")])]),
    ("a value may be empty", "[default]\nname =", "", &[("default", &[("name", "")])]),
    (
        "a value of any letters",
        "[default]\nname = \u{1f600} \u{e9}",
        "",
        &[("default", &[("name", "\u{1f600} \u{e9}")])],
    ),
    ("a comment after white space", "[default]\na = 1 # c = d\nb = 2\t;c", "", &[("default", &[A, B])]),
    ("none without", "[default]\nname = x#y;z", "", &[("default", &[("name", "x#y;z")])]),
    ("a value of a comment alone", "[default]\nname = # c", "", &[("default", &[("name", "")])]),
    ("keys that are no names", "[default]\nmy key = 9\na=1\n\u{e9} = 9\nb=2", "", &[("default", &[A, B])]),
    // Continuation lines
    ("a value goes on", "[default]\nname = x\n  y \n\tz", "", &[("default", &[("name", "x\ny\nz")])]),
    (
        "comments and blank lines between",
        "[default]\nname = x\n# c\n\n y",
        "",
        &[("default", &[("name", "x\ny")])],
    ),
    (
        "a # in it is its own",
        "[default]\nname = x\n y # z\n # z",
        "",
        &[("default", &[("name", "x\ny # z\n# z")])],
    ),
    ("a bracket in it as well", "[default]\nname = x\n [y]", "", &[("default", &[("name", "x\n[y]")])]),
    (
        "nested properties",
        "[default]\ns3 =\n  k = v\n\n  l =\na=1",
        "",
        &[("default", &[A, ("s3", "\nk = v\nl =")])],
    ),
    ("nested comments", "[default]\ns3 =\n  # c\n  k = v", "", &[("default", &[("s3", "\n# c\nk = v")])]),
    // Precedence
    ("sections of a name are one", "[default]\na=1\n[default]\nb=2", "", &[("default", &[A, B])]),
    ("however it is spaced", "[profile p]\na=9\n[ profile  p ]\na=1", "", &[("p", &[A])]),
    ("the last value", "[default]\na=9\nA=8\na=1", "", &[("default", &[A])]),
    ("the last value goes on", "[default]\nname=9\n 8\nname=x\n y", "", &[("default", &[("name", "x\ny")])]),
    ("[profile default] first", "[profile default]\na=1\n[default]\na=9\nb=9", "", &[("default", &[A])]),
    ("[profile default] last", "[default]\na=9\nb=9\n[profile default]\na=1", "", &[("default", &[A])]),
    (
        "[profile default] twice",
        "[profile default]\na=1\n[default]\na=9\n[profile default]\nb=2",
        "",
        &[("default", &[A, B])],
    ),
    (
        "[profile default] and credentials",
        "[profile default]\na=1\n[default]\nb=9",
        "[default]\nb=2",
        &[("default", &[A, B])],
    ),
    ("two files, one profile", "[profile p]\na=1", "[p]\nb=2", &[("p", &[A, B])]),
    ("the credentials file wins", "[profile p]\na=9\nb=2", "[p]\na=1", &[("p", &[A, B])]),
];

#[test]
fn errors_in_aws_files_name_the_line() {
    for (line, text, fault) in [
        (1, "[default", "expected \"]\" at the end"),
        (2, "[default]\n[profile a#b]\n", "expected \"]\" at the end"),
        (1, "[default] x", "expected \"]\" at the end"),
        (2, "\na = wJalrXUtnFEMI\n[default]", "expected a section such as [default] first"),
        (2, "# c\n wJalrXUtnFEMI = 1", "expected a section such as [default] first"),
        (3, "[default]\n\n  a = wJalrXUtnFEMI", "expected a property after the section"),
        (4, "[default]\na = 1\n[default]\n wJalrXUtnFEMI", "expected a property after the section"),
        (2, "[default]\nkey: wJalrXUtnFEMI", "key = value, found a line without \"=\""),
        (2, "[default]\nwJalrXUtnFEMI", "key = value, found a line without \"=\""),
        (2, "[default]\nwJalrXUtnFEMI # =", "key = value, found a line without \"=\""),
        (2, "[default]\n = wJalrXUtnFEMI", "expected a property after the section"),
        (2, "[default]\n= wJalrXUtnFEMI", "a line without a key before \"=\""),
        (3, "[default]\ns3 =\n wJalrXUtnFEMI", "expected a nested property, key = value"),
        (4, "[default]\ns3 =\n a = 1\n = wJalrXUtnFEMI", "a line without a key before \"=\""),
        (3, "[default]\r\na = 1\r\nb\r\n", "key = value, found a line without \"=\""),
    ] {
        let error = Profiles::parse(Some(("my config", text)), None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credentials);
        let message = error.to_string();
        assert!(message.starts_with(&format!("my config, line {line}: ")), "{text:?}: {message}");
        assert!(message.contains(fault), "{text:?}: {message}");
        assert!(!format!("{error:?}").contains(SECRET), "{error:?}");
    }
    let error = read("[default]", "[default]\nkey").unwrap_err();
    assert!(error.to_string().starts_with("~/.aws/credentials, line 2: "), "{error}");
}

#[test]
fn ignored_lines_give_warnings() {
    let config = "[p]\n[default]\nmy wJalrXUtnFEMI = wJalrXUtnFEMI\n[profile a\"b]\n[profile default]\n[x \u{1b}y]\n[profile q]\nk=\"v\"\ncredential_process='x'\n";
    let credentials = "[profile q]\n\n[services z]\n[quo\"ted]";
    let profiles = read(config, credentials).unwrap();
    let expected = [
        "config, line 1: expected [profile p] in the config file, found [p]; the section is ignored",
        "config, line 2: [profile default] replaces [default]; the section is ignored",
        "config, line 4: expected a name without quotes, brackets or control characters, found [profile a\\\"b]; the section is ignored",
        "config, line 6: expected a section of type profile, sso-session or services, found [x \\u{1b}y]; the section is ignored",
        "config, line 8: the value of k is in quotes, which are part of it",
        "credentials, line 1: expected [q] in the credentials file, found [profile q]; the section is ignored",
        "credentials, line 3: expected only profiles, as [NAME], in the credentials file, found [services z]; the section is ignored",
        "credentials, line 4: expected a name without quotes, brackets or control characters, found [quo\\\"ted]; the section is ignored",
    ];
    assert_eq!(profiles.warnings(), expected.map(|warning| format!("~/.aws/{warning}")));

    let profiles = read("[default]\nmy wJalrXUtnFEMI = wJalrXUtnFEMI", "").unwrap();
    let expected =
        "~/.aws/config, line 2: expected a key of letters, digits and _-/.%@:+; the property is ignored";
    assert_eq!(profiles.warnings(), [expected]);
    assert!(read("[default]\na=1\n[plain", "").is_err());
    assert!(read("[default]\n[sso-session s]\n[services v]", "[x]").unwrap().warnings().is_empty());
}

#[test]
fn sections_of_each_type_are_found_by_name() {
    let profiles = read(
        "[profile work]\nsso_session = corp\nservices = mine\nregion = \t\n\
         [sso-session corp]\nsso_region = eu-west-1\n\
         [services mine]\nBedrock_Runtime =\n  Endpoint_URL = https://one.example # why\n  endpoint_url=https://two.example\n  other =\n\
         bedrock = \n  ; endpoint_url = https://three.example\n",
        "[corp]\n[mine]\n",
    )
    .unwrap();
    let work = profiles.profile("work").unwrap();
    assert_eq!(work.name(), "work");
    assert_eq!(work.property("region"), Some(""));
    assert_eq!(work.non_blank("region"), None);
    assert_eq!(work.non_blank("services"), Some("mine"));
    assert_eq!(work.property("nothing"), None);

    assert_eq!(profiles.sso_session("corp").unwrap().property("sso_region"), Some("eu-west-1"));
    assert!(profiles.sso_session("work").is_none());
    assert!(profiles.services("corp").is_none());
    assert_eq!(profiles.profile("corp").unwrap().keys().count(), 0);

    let services = profiles.services("mine").unwrap();
    assert_eq!(services.nested("bedrock_runtime", "endpoint_url"), Some("https://two.example"));
    assert_eq!(services.nested("bedrock_runtime", "other"), Some(""));
    assert_eq!(services.nested("bedrock_runtime", "nothing"), None);
    assert_eq!(services.nested("bedrock", "endpoint_url"), None);
    assert_eq!(services.nested("sts", "endpoint_url"), None);
    assert_eq!(work.nested("services", "mine"), None);
    assert_eq!(
        read("[default]\na =\n b = c # d\n", "").unwrap().profile("default").unwrap().nested("a", "b"),
        Some("c")
    );
}

#[test]
fn a_value_with_more_lines_has_nothing_nested() {
    let profiles = read("[default]\na = 1\n b = 2", "").unwrap();
    assert_eq!(profiles.profile("default").unwrap().nested("a", "b"), None);
}

#[test]
fn debug_shows_no_value() {
    let profiles =
        read("[default]\nx =\n y = wJalrXUtnFEMI", "[default]\naws_secret_access_key = wJalrXUtnFEMI")
            .unwrap();
    let debug = format!("{profiles:?} {:#?}", profiles.profile("default").unwrap());
    assert!(debug.contains("aws_secret_access_key"), "{debug}");
    assert!(!debug.contains(SECRET), "{debug}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(config in any::<String>(), credentials in any::<String>()) {
        let _ = read(&config, &credentials);
    }

    #[test]
    fn any_text_of_the_right_signs_is_read_or_refused(
        config in "(\\[(profile )?[a-c\"]?\\]?|[a-c =#;\t]|\n|\r|\u{feff}|\u{e9}){0,40}",
        credentials in "(\\[[a-c]\\]\n|[a-c =#;]|\n[ \t]?){0,40}",
    ) {
        if let Ok(profiles) = read(&config, &credentials) {
            for (name, properties) in flat(&profiles) {
                prop_assert!(name == "default" || name.len() == 1);
                for (key, value) in properties {
                    prop_assert!(!key.is_empty() && !key.contains(['=', ' ', '#']));
                    prop_assert!(value.lines().all(|line| line.trim_matches([' ', '\t']) == line));
                }
            }
        }
    }

    #[test]
    fn what_is_written_is_read(
        sections in prop::collection::btree_map(
            "[a-zA-Z0-9_./%@:+-]{1,8}",
            prop::collection::btree_map("[a-z0-9_./%@:+-]{1,8}", "([!-~]([ -~]{0,8}[!-~])?)?", 0..4),
            0..4,
        ),
    ) {
        let mut text = String::new();
        for (name, properties) in &sections {
            writeln!(text, "[{name}]").unwrap();
            for (key, value) in properties {
                writeln!(text, "{key}={value}").unwrap();
            }
        }
        let profiles = read("", &text).unwrap();
        prop_assert_eq!(profiles.names().collect::<Vec<_>>(), sections.keys().collect::<Vec<_>>());
        for (name, properties) in &sections {
            for (key, value) in properties {
                let value = value.split(" #").next().unwrap().split(" ;").next().unwrap().trim_end();
                prop_assert_eq!(profiles.profile(name).unwrap().property(key), Some(value));
            }
        }
    }
}

/// What the published SDK read, as far as it depends on the files alone.
#[test]
#[ignore = "needs ../shared: recordings and vectors beside the project"]
fn the_sdk_reads_the_same() {
    let vectors = shared::json("vectors/credentials.json");
    let mut compared = [0; 3];
    for case in vectors["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let env = |variable: &str| case["env"][variable].as_str().filter(|value| !value.trim().is_empty());
        let keys_in_env = env("AWS_ACCESS_KEY_ID").is_some() && env("AWS_SECRET_ACCESS_KEY").is_some();
        if keys_in_env || env("AWS_CONFIG_FILE").is_some() || env("AWS_SHARED_CREDENTIALS_FILE").is_some() {
            continue;
        }
        let parsed = Profiles::parse(
            case["config"].as_str().map(|text| ("config", text)),
            case["credentials"].as_str().map(|text| ("credentials", text)),
        );
        // The SDK for Rust refuses a byte order mark; the one for JavaScript ignores it, and so do we.
        let sdk = if name == "bom" { &case["js"] } else { &case["rust"] };
        let error = &sdk["error"];
        if error["message"].as_str().is_some_and(|message| message.contains("could not parse profile file")) {
            assert_eq!(parsed.expect_err(name).kind(), ErrorKind::Credentials, "{name}");
            compared[0] += 1;
            continue;
        }
        let profiles = parsed.unwrap_or_else(|error| panic!("{name}: {error}"));
        let profile = profiles.profile(env("AWS_PROFILE").unwrap_or("default"));
        let property = |key| profile.and_then(|profile| profile.property(key));
        let elsewhere = ["role_arn", "sso_session", "credential_process", "login_session"];
        let has_static_keys = ["aws_access_key_id", "aws_secret_access_key"].map(property) != [None; 2];
        if has_static_keys && elsewhere.iter().all(|key| property(key).is_none()) && error.is_null() {
            for (member, key) in [
                ("access_key_id", "aws_access_key_id"),
                ("secret_access_key", "aws_secret_access_key"),
                ("session_token", "aws_session_token"),
                ("account_id", "aws_account_id"),
            ] {
                assert_eq!(property(key), sdk["credentials"][member].as_str(), "{name}: {key}");
            }
            assert_eq!(property("region"), sdk["region"].as_str(), "{name}: region");
            compared[1] += 1;
        } else if error["kind"] == "CredentialsNotLoaded" {
            assert!(!has_static_keys, "{name}");
            compared[2] += 1;
        }
    }
    println!("compared: {compared:?} refused, with keys, without");
    assert!(compared[0] >= 2 && compared[1] >= 15 && compared[2] >= 4, "{compared:?}");
}
