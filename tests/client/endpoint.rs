//! Endpoints, regions and their sources: tables of our own, and what botocore made of the same settings.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::collections::HashMap;
use support::capture;
use support::shared;

use pumice::aws_files::Profiles;
use pumice::context::Context;
use pumice::endpoint::{Endpoint, EndpointSettings, Service};
use pumice::region::{Region, RegionSettings, RegionSource, region_of_arn};
use pumice::{Client, Config, ErrorKind, Result};

fn no_env(_: &str) -> Option<String> {
    None
}

/// The endpoint of the runtime by a region, the environment and the profile `default` of a config file.
fn resolve(region: &str, env: &[(&str, &str)], config: &str) -> Result<Endpoint> {
    let env = env.iter().copied().collect::<HashMap<_, _>>();
    let profiles = Profiles::parse(Some(("config", config)), None)?;
    let settings = EndpointSettings {
        region: Some(region),
        profile: profiles.profile("default").map(|profile| (&profiles, profile)),
        ..Default::default()
    };
    Endpoint::resolve(Service::Runtime, &settings, |name| env.get(name).map(|&value| value.to_owned()))
}

fn given(url: &str) -> Result<Endpoint> {
    let settings = EndpointSettings { url: Some(url), region: Some("us-east-1"), ..Default::default() };
    Endpoint::resolve(Service::Runtime, &settings, no_env)
}

fn region(name: &str) -> Result<Endpoint> {
    resolve(name, &[], "")
}

#[test]
#[ignore = "needs ../shared: recordings and vectors beside the project"]
fn botocore_resolves_the_same() {
    let vectors = shared::json("vectors/endpoints.json");
    let cases = vectors["resolution"].as_array().unwrap();
    assert!(cases.len() >= 104);
    for case in cases {
        capture::assert_resolution(case);
    }
}

#[test]
#[ignore = "needs ../shared: recordings and vectors beside the project"]
fn botocore_lets_the_same_setting_win() {
    let vectors = shared::json("vectors/endpoints.json");
    let cases = vectors["precedence"].as_array().unwrap();
    assert!(cases.len() >= 16);
    for case in cases {
        let note = case["note"].as_str().unwrap();
        let endpoint = capture::configured_endpoint(case);
        let result = &case["result"];
        match note {
            // An error in the rule set. botocore silently ignores dual-stack here.
            "dualstack + endpoint url" => {
                assert_eq!(endpoint.expect_err(note).kind(), ErrorKind::InvalidInput);
            }
            // Unlike the other SDKs, botocore does not read AWS_REGION.
            _ if note.starts_with("AWS_REGION alone") => {
                assert_eq!(endpoint.expect(note).url(), "https://bedrock-runtime.eu-west-3.amazonaws.com");
            }
            _ if result["error"] == "NoRegionError" => {
                assert_eq!(endpoint.expect_err(note).kind(), ErrorKind::InvalidInput, "{note}");
            }
            _ if result["error"].is_string() => {
                let error = endpoint.expect_err(note);
                assert_eq!(error.kind(), ErrorKind::Credentials, "{note}");
                assert!(error.to_string().contains("[services nope]"), "{note}: {error}");
            }
            _ => {
                let endpoint = endpoint.unwrap_or_else(|error| panic!("{note}: {error}"));
                assert_eq!(endpoint.url(), result["url"], "{note}");
                assert_eq!(endpoint.region(), result["signing_region"], "{note}");
            }
        }
    }
}

#[test]
fn every_partition_has_its_suffixes() {
    for (region, suffix, dual_stack) in [
        ("us-east-1", "amazonaws.com", "api.aws"),
        ("ap-southeast-12", "amazonaws.com", "api.aws"),
        ("mx-central-1", "amazonaws.com", "api.aws"),
        ("us-gov-west-1", "amazonaws.com", "api.aws"),
        ("cn-north-1", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
        ("eusc-de-east-1", "amazonaws.eu", "api.amazonwebservices.eu"),
        ("us-iso-east-1", "c2s.ic.gov", "api.aws.ic.gov"),
        ("us-isob-east-1", "sc2s.sgov.gov", "api.aws.scloud"),
        // botocore fails for dual-stack in these two; the rule set does not.
        ("eu-isoe-west-1", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
        ("us-isof-south-1", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
        // No partition has regions of this form.
        ("eusc-fr-east-1", "amazonaws.com", "api.aws"),
        ("cn-north", "amazonaws.com", "api.aws"),
        ("cn-north-one", "amazonaws.com", "api.aws"),
        ("cn-north-1-a", "amazonaws.com", "api.aws"),
        ("cn--1", "amazonaws.com", "api.aws"),
        ("cnx-north-1", "amazonaws.com", "api.aws"),
        ("CN-north-1", "amazonaws.com", "api.aws"),
        ("us-isob-a-east-1", "amazonaws.com", "api.aws"),
        // By name.
        ("aws-cn-global", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
        ("aws-iso-b-global", "sc2s.sgov.gov", "api.aws.scloud"),
        ("aws-global", "amazonaws.com", "api.aws"),
    ] {
        let urls = [
            (false, false, format!("https://bedrock.{region}.{suffix}")),
            (true, false, format!("https://bedrock-fips.{region}.{suffix}")),
            (false, true, format!("https://bedrock.{region}.{dual_stack}")),
            (true, true, format!("https://bedrock-fips.{region}.{dual_stack}")),
        ];
        for (fips, dual_stack, url) in urls {
            let settings = EndpointSettings {
                region: Some(region),
                use_fips: Some(fips),
                use_dual_stack: Some(dual_stack),
                ..Default::default()
            };
            let endpoint = Endpoint::resolve(Service::Control, &settings, no_env).unwrap();
            assert_eq!(endpoint.url(), url);
            assert!(endpoint.may_carry_secrets());
        }
    }
}

#[test]
fn a_region_is_one_label_of_a_host_name() {
    let longest = "a".repeat(63);
    for name in ["us-east-1", "US-EAST-1", "a", "1a", "a--b", "local", longest.as_str()] {
        assert_eq!(region(name).unwrap().region(), name);
    }
    let too_long = "a".repeat(64);
    for name in [
        "",
        " ",
        "-",
        "-x",
        "x-",
        "1",
        "123",
        "a b",
        "a.b",
        "a/b",
        "a@b",
        "a_b",
        "a:1",
        "a\n",
        "us-east-1#",
        "\u{e9}",
        "%41",
        "fips-",
        "-fips",
        "fips--fips",
        too_long.as_str(),
    ] {
        let error = region(name).expect_err(name);
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name:?}");
        assert!(error.hint().is_some());
        if !name.trim().is_empty() {
            assert!(error.to_string().contains(&format!("{name:?}")), "{error}");
            assert!(error.to_string().contains("expected 1 to 63 letters, digits and hyphens"), "{error}");
        }
    }
    let error = region(&"x.".repeat(10_000)).unwrap_err();
    assert!(error.to_string().len() < 300, "{error}");
}

#[test]
fn a_fips_region_is_a_region_and_a_wish() {
    for name in ["fips-us-gov-west-1", "us-gov-west-1-fips"] {
        let endpoint = region(name).unwrap();
        assert_eq!(endpoint.url(), "https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com");
        assert_eq!(endpoint.region(), "us-gov-west-1");
    }
}

#[test]
fn switches_are_true_or_not() {
    const PLAIN: &str = "https://bedrock-runtime.us-east-1.amazonaws.com";
    const FIPS: &str = "https://bedrock-runtime-fips.us-east-1.amazonaws.com";
    const DUAL_STACK: &str = "https://bedrock-runtime.us-east-1.api.aws";
    const IN_PROFILE: &str = "[default]\nuse_fips_endpoint = TRUE\n";
    for (env, config, url) in [
        (("AWS_USE_FIPS_ENDPOINT", "True"), "", FIPS),
        (("AWS_USE_FIPS_ENDPOINT", " true\n"), "", FIPS),
        (("AWS_USE_FIPS_ENDPOINT", "1"), "", PLAIN),
        (("AWS_USE_FIPS_ENDPOINT", "yes"), IN_PROFILE, PLAIN),
        (("AWS_USE_FIPS_ENDPOINT", "false"), IN_PROFILE, PLAIN),
        (("AWS_USE_FIPS_ENDPOINT", " "), IN_PROFILE, FIPS),
        (("AWS_USE_DUALSTACK_ENDPOINT", "true"), "", DUAL_STACK),
        (("UNRELATED", "true"), "[default]\nuse_dualstack_endpoint=true\nuse_fips_endpoint=", DUAL_STACK),
        (("UNRELATED", "true"), "[profile other]\nuse_dualstack_endpoint=true", PLAIN),
    ] {
        assert_eq!(resolve("us-east-1", &[env], config).unwrap().url(), url, "{env:?} {config:?}");
    }

    let profiles = Profiles::parse(Some(("config", IN_PROFILE)), None).unwrap();
    let settings = EndpointSettings {
        region: Some("us-east-1"),
        use_fips: Some(false),
        profile: profiles.profile("default").map(|profile| (&profiles, profile)),
        ..Default::default()
    };
    assert_eq!(Endpoint::resolve(Service::Runtime, &settings, no_env).unwrap().url(), PLAIN);
}

const CONFIG: &str = "[default]\nservices = mine\nendpoint_url = https://profile.example\n\
    [services mine]\nbedrock_runtime =\n  endpoint_url = https://runtime.example/p/\nbedrock =\n  endpoint_url =\n";

#[test]
fn the_first_url_that_is_set_counts() {
    let variables = |names: &[&str]| -> Vec<(String, String)> {
        names
            .iter()
            .map(|name| ((*name).to_owned(), format!("https://{}.example", name.to_lowercase())))
            .collect()
    };
    let profiles = Profiles::parse(Some(("config", CONFIG)), None).unwrap();
    let profile = profiles.profile("default").map(|profile| (&profiles, profile));
    let names = ["AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "AWS_ENDPOINT_URL_BEDROCK", "AWS_ENDPOINT_URL"];
    let runtime = "https://aws_endpoint_url_bedrock_runtime.example";
    let control = "https://aws_endpoint_url_bedrock.example";
    let both = "https://aws_endpoint_url.example";
    let settings = Some("https://settings.example");
    for (service, url, env, profile, fallback_url, expected, source) in [
        (
            Service::Runtime,
            Some("http://given.example/"),
            &names[..],
            profile,
            settings,
            "http://given.example",
            "given",
        ),
        (
            Service::Runtime,
            None,
            &names[..],
            profile,
            settings,
            runtime,
            "env: AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
        ),
        (Service::Control, None, &names[..], profile, settings, control, "env: AWS_ENDPOINT_URL_BEDROCK"),
        (Service::Runtime, None, &names[1..], profile, settings, both, "env: AWS_ENDPOINT_URL"),
        (
            Service::Runtime,
            None,
            &names[1..2],
            profile,
            settings,
            "https://runtime.example/p",
            "profile default (services mine)",
        ),
        (Service::Control, None, &[], profile, settings, "https://profile.example", "profile default"),
        (Service::Control, None, &[], None, settings, "https://settings.example", "settings file"),
        (Service::Control, None, &[], None, None, "https://bedrock.eu-west-1.amazonaws.com", "region"),
    ] {
        let env = variables(env).into_iter().collect::<HashMap<_, _>>();
        let settings =
            EndpointSettings { url, region: Some("eu-west-1"), profile, fallback_url, ..Default::default() };
        let endpoint = Endpoint::resolve(service, &settings, |name| env.get(name).cloned()).unwrap();
        assert_eq!(endpoint.url(), expected);
        assert_eq!(endpoint.source().to_string(), source);
        assert_eq!(endpoint.region(), "eu-west-1");
    }
}

#[test]
fn configured_urls_can_be_ignored_given_ones_cannot() {
    let ignore = ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "TRUE");
    let url = ("AWS_ENDPOINT_URL", "https://env.example");
    let source = |env: &[_], config: &str| resolve("us-east-1", env, config).unwrap().source().to_string();
    assert_eq!(source(&[ignore, url], CONFIG), "region");
    assert_eq!(source(&[("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "1"), url], CONFIG), "env: AWS_ENDPOINT_URL");
    let in_profile = format!("{CONFIG}[default]\nignore_configured_endpoint_urls = true\n");
    assert_eq!(source(&[url], &in_profile), "region");
    assert_eq!(
        source(&[("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false"), url], &in_profile),
        "env: AWS_ENDPOINT_URL"
    );
    // If configured URLs are ignored, an invalid URL or a missing section is no error.
    assert_eq!(source(&[ignore, ("AWS_ENDPOINT_URL", "x")], "[default]\nservices = nope"), "region");
    assert_eq!(source(&[url], "[default]\nservices = nope"), "env: AWS_ENDPOINT_URL");

    let env = |name: &str| (name == ignore.0).then(|| ignore.1.to_owned());
    for (url, fallback_url) in [(Some("https://x.example"), None), (None, Some("https://x.example"))] {
        let settings =
            EndpointSettings { url, fallback_url, region: Some("us-east-1"), ..Default::default() };
        let endpoint = Endpoint::resolve(Service::Runtime, &settings, env).unwrap();
        assert_eq!(endpoint.url(), "https://x.example");
    }
}

#[test]
fn fips_and_dual_stack_are_for_the_rules_alone() {
    let url = ("AWS_ENDPOINT_URL", "https://env.example");
    for (region, env, asked) in [
        ("us-east-1", vec![url, ("AWS_USE_FIPS_ENDPOINT", "true")], "FIPS,"),
        ("fips-us-east-1", vec![url], "FIPS,"),
        ("us-east-1", vec![url, ("AWS_USE_DUALSTACK_ENDPOINT", "true")], "dual-stack,"),
        ("us-east-1-fips", vec![url, ("AWS_USE_DUALSTACK_ENDPOINT", "true")], "FIPS and dual-stack,"),
    ] {
        let error = resolve(region, &env, "").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(&format!("together with {asked}")), "{error}");
        assert!(error.to_string().contains("(env: AWS_ENDPOINT_URL)"), "{error}");
    }
}

#[test]
fn an_endpoint_is_a_url_that_paths_fit_under() {
    for (url, expected) in [
        ("https://h", "https://h"),
        ("HTTPS://Host.Example:8443/", "https://Host.Example:8443"),
        (" http://h_1.example/a%2Fb/ \n", "http://h_1.example/a%2Fb"),
        ("http://10.0.0.1:80", "http://10.0.0.1:80"),
        ("http://[2001:db8::1]:9000/x", "http://[2001:db8::1]:9000/x"),
    ] {
        assert_eq!(given(url).unwrap().url(), expected);
    }
    for (url, expected) in [
        ("", "a URL that begins with http:// or https://"),
        ("h.example", "a URL that begins with http:// or https://"),
        ("localhost:8080", "a URL that begins with http:// or https://"),
        ("ftp://h", "a URL that begins with http:// or https://"),
        ("//h", "a URL that begins with http:// or https://"),
        ("https:/h", "a URL that begins with http:// or https://"),
        ("https://", "a host"),
        ("https:///p", "a host"),
        ("https://:80", "a host"),
        ("https://h h", "a host"),
        ("https://h\\p", "a host"),
        ("https://h%2ep", "a host"),
        ("https://h\u{f6}st", "a host"),
        ("https://h\u{0}", "a host"),
        ("https://[h]", "a host"),
        ("https://[::1", "a host"),
        ("https://[::1]x", "a host"),
        ("https://[fe80::1%25eth0]", "a host"),
        ("https://h?", "a URL without query"),
        ("https://h/p?x=SECRET", "a URL without query"),
        ("https://h#f", "a URL without query"),
        ("https://user:SECRET@h", "a URL without user name"),
        ("https://SECRET@h/p", "a URL without user name"),
        ("https://@h", "a URL without user name"),
        ("https://h:", "a port"),
        ("https://h:0", "a port"),
        ("https://h:65536", "a port"),
        ("https://h:+1", "a port"),
        ("https://h:1:2", "a port"),
        ("https://[::1]:", "a port"),
        ("https://h/a b", "a path"),
        ("https://h/%2", "a path"),
        ("https://h/%zz", "a path"),
        ("https://h/a/../b", "a path"),
        ("https://h/%2e%2E/b", "a path"),
        ("https://h/\\", "a path"),
        ("https://h/\u{e9}", "a path"),
    ] {
        let error = given(url).expect_err(url);
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{url}");
        assert!(error.to_string().contains(&format!("expected {expected}")), "{url}: {error}");
        assert!(!format!("{error:?}").contains("SECRET"), "{error:?}");
    }
}

#[test]
fn a_bad_url_is_the_fault_of_its_source() {
    let env = [("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "SECRET")];
    let nested = "[default]\nservices = s\n[services s]\nbedrock_runtime =\n  endpoint_url = SECRET";
    for (env, config, kind, source) in [
        (&env[..], "", ErrorKind::InvalidInput, "(env: AWS_ENDPOINT_URL_BEDROCK_RUNTIME)"),
        (&[], "[default]\nendpoint_url = SECRET", ErrorKind::Credentials, "(profile default)"),
        (&[], nested, ErrorKind::Credentials, "(profile default (services s))"),
    ] {
        let error = resolve("us-east-1", env, config).unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(error.to_string().contains(source), "{error}");
        assert!(!format!("{error:?}").contains("SECRET"), "{error:?}");
    }
}

#[test]
fn a_secret_goes_over_plain_http_to_this_machine_alone() {
    for url in [
        "https://anywhere.example",
        "http://localhost",
        "http://LocalHost:8080/p",
        "http://127.0.0.1:1",
        "http://127.255.255.254",
        "http://[::1]:8080",
        "http://[0:0:0:0:0:0:0:1]",
    ] {
        assert!(given(url).unwrap().may_carry_secrets(), "{url}");
    }
    for url in [
        "http://anywhere.example",
        "http://localhost.example",
        "http://notlocalhost",
        "http://127.0.0.1.example",
        "http://127.1",
        "http://0127.0.0.1",
        "http://128.0.0.1",
        "http://0.0.0.0",
        "http://169.254.169.254",
        "http://[::]",
        "http://[::2]",
        "http://[::ffff:127.0.0.1]",
    ] {
        assert!(!given(url).unwrap().may_carry_secrets(), "{url}");
    }
}

#[test]
fn no_region_is_an_error_that_names_the_settings() {
    for region in [None, Some(""), Some(" ")] {
        let settings = EndpointSettings { url: Some("https://h"), region, ..Default::default() };
        let error = Endpoint::resolve(Service::Runtime, &settings, no_env).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("AWS_REGION"), "{error}");
        assert!(error.hint().unwrap().to_string().contains("AWS_REGION"));
    }
}

#[test]
fn the_region_of_the_settings() {
    let config = "[default]\nregion = from-default\n[profile role]\nsource_profile = middle\n\
        [profile middle]\nregion =\nsource_profile = base\n[profile base]\nregion = from-base\n\
        [profile self]\nsource_profile = self\n[profile x]\nsource_profile = y\n[profile y]\nsource_profile = x\n\
        [profile lost]\nsource_profile = nowhere\n[profile empty]\n";
    let profiles = Profiles::parse(Some(("config", config)), None).unwrap();
    let profile = |name: &str| RegionSource::Profile(name.to_owned());
    let variable = |name: &str| RegionSource::Environment(name.to_owned());
    for (name, env, expected) in [
        (
            "default",
            &[("AWS_REGION", "one"), ("AWS_DEFAULT_REGION", "two")][..],
            Some(("one", variable("AWS_REGION"))),
        ),
        (
            "default",
            &[("AWS_REGION", " "), ("AWS_DEFAULT_REGION", " two ")],
            Some(("two", variable("AWS_DEFAULT_REGION"))),
        ),
        ("default", &[], Some(("from-default", profile("default")))),
        ("role", &[], Some(("from-base", profile("base")))),
        ("self", &[], None),
        ("x", &[], None),
        ("lost", &[], None),
        ("empty", &[], None),
        ("nowhere", &[], None),
    ] {
        let env = env.iter().copied().collect::<HashMap<_, _>>();
        let section = profiles.profile(name).map(|section| (&profiles, section));
        let found = Region::resolve(&RegionSettings { profile: section, ..Default::default() }, |name| {
            env.get(name).map(|&value| value.to_owned())
        });
        assert_eq!(found.unwrap(), expected.map(|(name, source)| Region::new(name, source)), "{name}");
    }
}

#[test]
fn an_arn_names_its_region() {
    for (id, region) in [
        ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0", Some("us-east-1")),
        ("arn:aws-us-gov:bedrock:us-gov-west-1:1:provisioned-model/x", Some("us-gov-west-1")),
        ("arn:aws-cn:bedrock:cn-north-1:1:inference-profile/x", Some("cn-north-1")),
        ("arn:aws-iso-b:bedrock:us-isob-east-1:1:x", Some("us-isob-east-1")),
        ("arn:aws:bedrock:eu-west-1:", Some("eu-west-1")),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", None),
        ("", None),
        ("arn:aws:bedrock", None),
        ("arn:aws:bedrock:eu-west-1", None),
        ("arn:aws:bedrock::1:x", None),
        ("arn:aws:bedrock:evil.example/:1:x", None),
        ("arn:aws:bedrock:US-EAST-1:1:x", None),
        ("arn:aws:sagemaker:us-east-1:1:endpoint/x", None),
        ("arn:aws-:bedrock:us-east-1:1:x", None),
        ("arn:awsx:bedrock:us-east-1:1:x", None),
        ("arn:gcp:bedrock:us-east-1:1:x", None),
        (" arn:aws:bedrock:us-east-1:1:x", None),
    ] {
        assert_eq!(region_of_arn(id), region, "{id}");
    }
}

#[test]
fn the_order_of_sources_for_a_region() {
    let profiles = Profiles::parse(Some(("config", "[default]\nregion = of-profile")), None).unwrap();
    let profile = profiles.profile("default").map(|section| (&profiles, section));
    let model_id = Some("arn:aws:bedrock:of-arn:1:inference-profile/x");
    let amazons = "https://bedrock-runtime.of-url.amazonaws.com";
    let all = RegionSettings {
        model_id,
        given: Some("given"),
        profile,
        endpoint_url: Some(amazons),
        fallback: Some("of-settings"),
    };
    let url_only = RegionSettings { model_id: None, given: None, profile: None, ..all };
    let fips = "https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com";
    let in_env = ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", amazons);
    for (settings, env, expected) in [
        (all, ("AWS_REGION", "of-env"), "of-arn (model ARN)"),
        (RegionSettings { model_id: Some("x"), ..all }, ("AWS_REGION", "of-env"), "given (given)"),
        (
            RegionSettings { model_id: None, given: None, ..all },
            ("AWS_REGION", "of-env"),
            "of-env (env: AWS_REGION)",
        ),
        (RegionSettings { model_id: None, given: None, ..all }, ("X", ""), "of-profile (profile default)"),
        (url_only, ("X", ""), "of-url (endpoint URL)"),
        (RegionSettings { endpoint_url: None, ..url_only }, in_env, "of-url (endpoint URL)"),
        (
            RegionSettings { endpoint_url: Some("http://localhost"), ..url_only },
            ("AWS_ENDPOINT_URL_BEDROCK", "https://vpce-1.bedrock.of-url.vpce.amazonaws.com"),
            "of-url (endpoint URL)",
        ),
        (RegionSettings { endpoint_url: Some(fips), ..url_only }, in_env, "us-gov-west-1 (endpoint URL)"),
        (
            RegionSettings { endpoint_url: Some("http://localhost"), ..url_only },
            in_env,
            "of-settings (settings file)",
        ),
    ] {
        let env = |name: &str| (name == env.0).then(|| env.1.to_owned());
        let region = Region::resolve(&settings, env).unwrap().unwrap();
        assert_eq!(format!("{} ({})", region.name(), region.source()), expected);
    }
    assert_eq!(Region::resolve(&RegionSettings::default(), |_| None).unwrap(), None);
    let broken = |name: &str| (name == "AWS_ENDPOINT_URL").then(|| "ftp://x".to_owned());
    Region::resolve(&RegionSettings::default(), broken).unwrap_err();
}

#[tokio::test]
async fn calls_and_credentials_go_to_the_region_of_amazons_own_url() {
    let config = "[default]\nrole_arn = arn:aws:iam::1:role/x\ncredential_source = Environment\n";
    let context = Context::fake()
        .with_env("HOME", "/home/u")
        .with_env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .with_env("AWS_SECRET_ACCESS_KEY", "secret")
        .with_file("/home/u/.aws/config", config);
    let base = Config::new().context(context).profile("default").offline();
    let url = "https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com";
    for (config, name, endpoint, source) in [
        (base.clone().endpoint_url(url), "us-gov-west-1", url, "endpoint URL"),
        (base.clone().region("fips-us-gov-west-1"), "fips-us-gov-west-1", url, "given"),
    ] {
        let identity = Client::new(config).identify().await.unwrap();
        assert_eq!((identity.region.name(), &*identity.region.source().to_string()), (name, source));
        assert_eq!(identity.runtime.url(), endpoint);
        let attempt = identity.search.attempts.last().unwrap();
        assert!(attempt.reason.contains("https://sts.us-gov-west-1.amazonaws.com"), "{}", attempt.reason);
    }
}
