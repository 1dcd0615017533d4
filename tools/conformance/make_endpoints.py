"""endpoints.json: where botocore sends a call, by region, FIPS and dual-stack, and by settings that compete."""

import urllib.parse

import common

# A region of each partition, one that its pattern alone places there, one of no partition, ones that tell of FIPS,
# and what no host name can hold.
REGIONS = [
    "us-east-1", "us-east-2", "us-west-2", "ca-central-1", "sa-east-1", "eu-west-1", "eu-central-2", "ap-northeast-1",
    "ap-southeast-7", "il-central-1", "me-central-1", "mx-central-1", "af-south-1", "us-newplace-9",
    "us-gov-west-1", "us-gov-east-1", "us-gov-newplace-2", "cn-north-1", "cn-northwest-1", "cn-newplace-1",
    "eusc-de-east-1", "us-iso-east-1", "us-isob-east-1", "eu-isoe-west-1", "us-isof-south-1",
    "aws-global", "zz-unknown-1", "fips-us-gov-west-1", "us-east-1-fips", "US-EAST-1",
]
BAD_REGIONS = ["", "-x", "a/b", "bad region", "us.east"]
OPERATIONS = {"bedrock-runtime": ("Converse", {"modelId": "m"}), "bedrock": ("ListFoundationModels", {})}

CONFIG = """[default]
region = us-west-2
services = mine
endpoint_url = https://profile.example.com
[services mine]
bedrock_runtime =
  endpoint_url = https://runtime.example.com/p
bedrock =
  endpoint_url = https://control.example.com
"""
BOTH = {"AWS_ENDPOINT_URL": "https://env.example.com", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "https://env-runtime.example.com"}

PRECEDENCE = [
    ("nothing set", {}),
    ("the service's variable before the one for all", {"env": BOTH}),
    ("the variable for all", {"env": BOTH, "service": "bedrock"}),
    ("a URL in code before every variable", {"env": BOTH, "endpoint_url": "https://code.example.com"}),
    ("the service's section before the profile", {"config_file": CONFIG}),
    ("the other service's section", {"config_file": CONFIG, "service": "bedrock"}),
    ("the profile", {"config_file": "[default]\nendpoint_url = https://profile.example.com\n"}),
    ("a variable before the section", {"config_file": CONFIG, "env": {"AWS_ENDPOINT_URL": "https://env.example.com"}}),
    ("configured URLs ignored", {"config_file": CONFIG, "env": {**BOTH, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}}),
    ("1 is not true", {"env": {**BOTH, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "1"}}),
    ("a URL in code is never ignored", {"endpoint_url": "https://code.example.com", "env": {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}}),
    ("a section that is not there", {"config_file": "[default]\nservices = nope\n"}),
    ("FIPS by variable", {"env": {"AWS_USE_FIPS_ENDPOINT": "True"}}),
    ("FIPS by profile", {"config_file": "[default]\nuse_fips_endpoint = true\n"}),
    ("a variable that says no before a profile that says yes", {"config_file": "[default]\nuse_fips_endpoint = true\n", "env": {"AWS_USE_FIPS_ENDPOINT": "false"}}),
    ("dual-stack by variable", {"env": {"AWS_USE_DUALSTACK_ENDPOINT": "true"}, "service": "bedrock"}),
    ("dual-stack by profile", {"config_file": "[default]\nuse_dualstack_endpoint = true\n"}),
    ("the region of a variable before the profile's", {"region": None, "env": {"AWS_DEFAULT_REGION": "eu-west-3"}, "config_file": CONFIG, "service": "bedrock", "endpoint_url": "https://code.example.com"}),
    ("the region of the profile", {"region": None, "config_file": "[default]\nregion = eu-west-1\n"}),
    ("the region in code before all", {"env": {"AWS_DEFAULT_REGION": "eu-west-3"}, "config_file": "[default]\nregion = eu-west-1\n"}),
    ("no region", {"region": None}),
]


def resolved(service, region, config, endpoint_url=None):
    """The URL that a call goes to, and the region and service that it is signed for; or the error."""
    operation, params = OPERATIONS[service]
    try:
        request, _ = common.call(service, operation, params, region, common.KEYS, config, endpoint_url)
    except (common.botocore.exceptions.BotoCoreError, ValueError) as error:
        return {"error": type(error).__name__}
    url = urllib.parse.urlsplit(request.url)
    path = url.path.removesuffix("/model/m/converse").removesuffix("/foundation-models")
    authorization = common.headers_of(request)["authorization"]
    _, _, region, name, _ = authorization.split("Credential=")[1].split(",")[0].split("/")
    return {"url": f"{url.scheme}://{url.netloc}{path}", "signing_region": region, "signing_name": name}


resolution = []
with common.surroundings({}):
    for region in REGIONS + BAD_REGIONS:
        for service in OPERATIONS:
            for fips in (False, True):
                for dual_stack in (False, True):
                    wishes = {"use_fips_endpoint": fips, "use_dualstack_endpoint": dual_stack}
                    # The two services differ in nothing but their names.
                    if service == "bedrock" and (dual_stack or region in BAD_REGIONS):
                        continue
                    if region in BAD_REGIONS and (fips or dual_stack):
                        continue
                    name = f"{service} {region!r}" + " fips" * fips + " dual-stack" * dual_stack
                    case = {"name": name, "service": service, "region": region, "use_fips": fips, "use_dualstack": dual_stack}
                    found = resolved(service, region, wishes)
                    # botocore has a second table, older than its rules, which knows no dual-stack names of the two
                    # youngest partitions. The rules do.
                    if found.get("error") != "EndpointVariantError":
                        resolution.append({**case, **found})

precedence = []
for name, settings in PRECEDENCE:
    case = {"name": name, "service": "bedrock-runtime", "region": "us-east-1", "env": {}, "config_file": None, "endpoint_url": None, **settings}
    env, files = {"AWS_CONFIG_FILE": "$HOME/config", **case["env"]}, {"config": case["config_file"] or ""}
    with common.surroundings(env, files):
        precedence.append({**case, "result": resolved(case["service"], case["region"], {}, case["endpoint_url"])})

common.write("endpoints.json", common.MADE_WITH, resolution=resolution, precedence=precedence)
