"""chain.json: which credentials botocore finds in small surroundings, and what it asks of which service on the way."""

import json
import urllib.parse
from unittest import mock

import botocore.awsrequest
import botocore.exceptions
import botocore.httpsession
import botocore.session

import common

END = "2099-01-01T00:00:00Z"
ENV = {"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": "secret-of-the-environment"}
REGION = {"AWS_DEFAULT_REGION": "eu-west-1"}
WEB = {"AWS_WEB_IDENTITY_TOKEN_FILE": "$HOME/token", "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/web", "AWS_ROLE_SESSION_NAME": "web-session"}


def keys(name):
    return f"aws_access_key_id = AKID{name}\naws_secret_access_key = secret-of-{name.lower()}\n"


def process(**answer):
    answer = {"Version": 1, "AccessKeyId": "AKIDPROCESS", "SecretAccessKey": "secret-of-the-process", **answer}
    return f"credential_process = echo '{json.dumps(answer)}'\n"


def sts(action, name, arn="arn:aws:iam::123456789012:role/role", **more):
    body = (
        f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result><Credentials>'
        f"<AccessKeyId>ASIA{name}</AccessKeyId><SecretAccessKey>secret-of-{name.lower()}</SecretAccessKey>"
        f"<SessionToken>token-of-{name.lower()}</SessionToken><Expiration>{END}</Expiration></Credentials>"
        f"<AssumedRoleUser><AssumedRoleId>AROA:s</AssumedRoleId><Arn>arn:aws:sts::123456789012:assumed-role/{name.lower()}/s</Arn></AssumedRoleUser>"
        f"</{action}Result><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{action}Response>"
    )
    return {"match": "POST sts.", "body_contains": urllib.parse.quote(arn, safe=""), "headers": {"content-type": "text/xml"}, "body": body, **more}


def document(name):
    return {"AccessKeyId": f"ASIA{name}", "SecretAccessKey": f"secret-of-{name.lower()}", "Token": f"token-of-{name.lower()}", "Expiration": END}


ROLE = "role_arn = arn:aws:iam::123456789012:role/role\n"
CONTAINER = {"match": "GET 169.254.170.2/task", "body": document("CONTAINER")}
INSTANCE = [
    {"match": "PUT 169.254.169.254/latest/api/token", "headers": {"x-aws-ec2-metadata-token-ttl-seconds": "21600"}, "body": "imds-token"},
    {"match": "GET 169.254.169.254/latest/meta-data/placement/region", "body": "eu-west-1"},
    {"match": "GET 169.254.169.254/latest/meta-data/iam/security-credentials/instance-role", "body": {"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2026-01-01T00:00:00Z", **document("INSTANCE")}},
    {"match": "GET 169.254.169.254/latest/meta-data/iam/security-credentials/", "body": "instance-role"},
]
SSO_KEYS = {"match": "GET portal.sso.us-west-2.amazonaws.com/federation/credentials", "body": {"roleCredentials": {
    "accessKeyId": "ASIASSO", "secretAccessKey": "secret-of-sso", "sessionToken": "token-of-sso", "expiration": 4070908800000}}}
SSO_TOKEN = json.dumps({"startUrl": "https://corp.awsapps.com/start", "region": "us-west-2", "accessToken": "sso-access-token", "expiresAt": END})
SSO_PROFILE = "sso_account_id = 123456789012\nsso_role_name = Reader & co\n"

# Members as in the file; `pumice` says what pumice promises where that is another key, and why.
CASES = [
    ("nothing at all", {}),
    ("keys in the environment", {"env": ENV}),
    ("session token and account in the environment", {"env": {**ENV, "AWS_SESSION_TOKEN": "FwoGenvironment", "AWS_ACCOUNT_ID": "123456789012"}}),
    ("environment before AWS_PROFILE", {"env": {**ENV, "AWS_PROFILE": "p"}, "credentials": f"[p]\n{keys('P')}"}),
    ("profile in code before the environment", {"env": ENV, "profile_arg": "p", "credentials": f"[p]\n{keys('P')}"}),
    ("id without secret in the environment", {
        "env": {"AWS_ACCESS_KEY_ID": "AKIDENV"}, "credentials": f"[default]\n{keys('DEFAULT')}",
        "pumice": {"access_key_id": "AKIDDEFAULT", "why": "half a pair in the environment is passed over, as by the SDKs for Rust and JavaScript"},
    }),
    ("secret without id in the environment", {"env": {"AWS_SECRET_ACCESS_KEY": "s"}, "credentials": f"[default]\n{keys('DEFAULT')}"}),
    ("empty variables", {"env": {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": ""}, "credentials": f"[default]\n{keys('DEFAULT')}"}),
    ("blank variables", {
        "env": {"AWS_ACCESS_KEY_ID": " ", "AWS_SECRET_ACCESS_KEY": " "}, "credentials": f"[default]\n{keys('DEFAULT')}",
        "pumice": {"access_key_id": "AKIDDEFAULT", "why": "a blank variable is unset"},
    }),
    ("credentials file", {"credentials": f"[default]\n{keys('DEFAULT')}aws_session_token = FwoGfile\n"}),
    ("config file", {"config": f"[default]\n{keys('DEFAULT')}region = eu-west-2\n"}),
    ("credentials file before config file", {"config": f"[default]\n{keys('CONFIG')}region = eu-west-2\n", "credentials": f"[default]\n{keys('DEFAULT')}"}),
    ("AWS_PROFILE in the credentials file", {"env": {"AWS_PROFILE": "p"}, "credentials": f"[default]\n{keys('DEFAULT')}[p]\n{keys('P')}"}),
    ("AWS_PROFILE in the config file", {"env": {"AWS_PROFILE": "p"}, "config": f"[default]\n{keys('DEFAULT')}[profile p]\n{keys('P')}region = eu-west-3\n"}),
    ("section without its prefix", {"env": {"AWS_PROFILE": "p"}, "config": f"[p]\n{keys('P')}"}),
    ("profile that is not there", {"env": {"AWS_PROFILE": "nope"}, "credentials": f"[default]\n{keys('DEFAULT')}"}),
    ("files elsewhere", {
        "env": {"AWS_SHARED_CREDENTIALS_FILE": "~/elsewhere/credentials", "AWS_CONFIG_FILE": "$HOME/elsewhere/config"},
        "credentials": f"[default]\n{keys('WRONG')}", "files": {"elsewhere/credentials": f"[default]\n{keys('ELSEWHERE')}", "elsewhere/config": "[default]\nregion = eu-north-1\n"},
    }),
    ("half a pair in a profile", {"credentials": "[default]\naws_access_key_id = AKIDHALF\n"}),
    ("comments, spaces and line ends", {"credentials": "# first\r\n\r\n[default]\r\n; second\r\naws_access_key_id=AKIDDEFAULT\r\naws_secret_access_key  =  a/b=c+d \r\n"}),
    ("process", {"config": f"[default]\n{process(SessionToken='FwoGprocess', Expiration=END, AccountId='123456789012')}"}),
    ("process before keys of the config file", {"config": f"[default]\n{keys('CONFIG')}{process()}"}),
    ("process of another version", {"config": f"[default]\n{process(Version=2)}"}),
    ("process that fails", {"config": "[default]\ncredential_process = false\n"}),
    ("role", {"env": {**REGION, "AWS_PROFILE": "r"}, "config": f"[profile r]\n{ROLE}source_profile = base\n[profile base]\n{keys('BASE')}", "routes": [sts("AssumeRole", "ROLE")]}),
    ("role with every setting", {
        "env": {"AWS_PROFILE": "r"}, "credentials": f"[base]\n{keys('BASE')}", "routes": [sts("AssumeRole", "ROLE")],
        "config": f"[profile r]\nregion = ap-south-1\n{ROLE}source_profile = base\nrole_session_name = me@work\nexternal_id = a b+c\nduration_seconds = 1800\n",
    }),
    ("role of a role", {
        "env": {**REGION, "AWS_PROFILE": "r"},
        "config": f"[profile r]\n{ROLE}source_profile = middle\nrole_session_name = outer\n[profile middle]\nrole_arn = arn:aws:iam::123456789012:role/middle\nsource_profile = base\nrole_session_name = inner\n[profile base]\n{keys('BASE')}",
        "routes": [sts("AssumeRole", "MIDDLE", "arn:aws:iam::123456789012:role/middle"), sts("AssumeRole", "ROLE")],
    }),
    ("role of its own keys", {"env": {**REGION, "AWS_PROFILE": "r"}, "config": f"[profile r]\n{ROLE}source_profile = r\n{keys('OWN')}", "routes": [sts("AssumeRole", "ROLE")]}),
    ("role of the environment", {"env": {**REGION, **ENV}, "profile_arg": "r", "config": f"[profile r]\n{ROLE}credential_source = Environment\n", "routes": [sts("AssumeRole", "ROLE")]}),
    ("role of the container", {
        "env": {**REGION, "AWS_PROFILE": "r", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/task"},
        "config": f"[profile r]\n{ROLE}credential_source = EcsContainer\n", "routes": [CONTAINER, sts("AssumeRole", "ROLE")],
    }),
    ("role of the instance", {"env": {**REGION, "AWS_PROFILE": "r"}, "imds": True, "config": f"[profile r]\n{ROLE}credential_source = Ec2InstanceMetadata\n", "routes": [*INSTANCE, sts("AssumeRole", "ROLE")]}),
    ("role of a process", {"env": {**REGION, "AWS_PROFILE": "r"}, "config": f"[profile r]\n{ROLE}source_profile = base\n[profile base]\n{process()}", "routes": [sts("AssumeRole", "ROLE")]}),
    ("role that is refused", {
        "env": {**REGION, "AWS_PROFILE": "r"}, "config": f"[profile r]\n{ROLE}source_profile = base\n[profile base]\n{keys('BASE')}",
        "routes": [{"match": "POST sts.", "status": 403, "headers": {"content-type": "text/xml"}, "body": '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error><RequestId>r</RequestId></ErrorResponse>'}],
    }),
    ("roles in a circle", {"env": {**REGION, "AWS_PROFILE": "a"}, "config": f"[profile a]\n{ROLE}source_profile = b\n[profile b]\n{ROLE}source_profile = a\n"}),
    ("role of a profile that is not there", {"env": {**REGION, "AWS_PROFILE": "r"}, "config": f"[profile r]\n{ROLE}source_profile = nope\n"}),
    ("role of no source", {"env": {**REGION, "AWS_PROFILE": "r"}, "config": f"[profile r]\n{ROLE}"}),
    ("web identity of the environment", {"env": {**REGION, **WEB}, "files": {"token": "jwt.of.web"}, "routes": [sts("AssumeRoleWithWebIdentity", "WEB", WEB["AWS_ROLE_ARN"])]}),
    ("web identity of a profile", {
        "env": {**REGION, "AWS_PROFILE": "w"}, "files": {"token": "jwt.of.web"}, "routes": [sts("AssumeRoleWithWebIdentity", "WEB", "arn:aws:iam::123456789012:role/role")],
        "config": f"[profile w]\n{ROLE}web_identity_token_file = $HOME/token\nrole_session_name = web-session\n",
    }),
    ("role of a web identity", {
        "env": {**REGION, "AWS_PROFILE": "r"}, "files": {"token": "jwt.of.web"},
        "routes": [sts("AssumeRoleWithWebIdentity", "WEB", "arn:aws:iam::123456789012:role/web"), sts("AssumeRole", "ROLE")],
        "config": f"[profile r]\n{ROLE}source_profile = w\n[profile w]\nrole_arn = arn:aws:iam::123456789012:role/web\nweb_identity_token_file = $HOME/token\nrole_session_name = web-session\n",
    }),
    ("web identity without its file", {"env": {**REGION, **WEB}}),
    ("web identity of the environment and keys of a profile", {
        "env": {**REGION, **WEB}, "files": {"token": "jwt.of.web"}, "credentials": f"[default]\n{keys('DEFAULT')}", "routes": [sts("AssumeRoleWithWebIdentity", "WEB", WEB["AWS_ROLE_ARN"])],
        "pumice": {"access_key_id": "AKIDDEFAULT", "why": "the profile is asked before the web identity, as by the SDK for Rust"},
    }),
    ("container by a path", {"env": {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/task"}, "routes": [CONTAINER]}),
    ("container by a URL with a token", {
        "env": {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:8080/task?a=b", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "Basic abc"},
        "routes": [{"match": "GET 127.0.0.1:8080/task", "body": document("CONTAINER")}],
    }),
    ("container with a token file", {
        "env": {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "$HOME/token", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "not this one"},
        "files": {"token": "pod-token"}, "routes": [{"match": "GET 169.254.170.23/v1/credentials", "body": document("POD")}],
    }),
    ("container on another host", {"env": {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://198.51.100.1/task"}}),
    ("profile before container", {"env": {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/task"}, "routes": [CONTAINER], "credentials": f"[default]\n{keys('DEFAULT')}"}),
    ("container before instance", {"env": {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/task"}, "imds": True, "routes": [CONTAINER, *INSTANCE]}),
    ("instance", {"env": REGION, "imds": True, "routes": INSTANCE}),
    ("instance metadata turned off", {"env": REGION, "routes": INSTANCE}),
    ("instance without a role", {"env": REGION, "imds": True, "routes": [*INSTANCE[:2], {"match": "GET 169.254.169.254/latest/meta-data/iam/security-credentials", "status": 404, "body": ""}]}),
    ("IAM Identity Center", {
        "env": {"AWS_PROFILE": "s"}, "routes": [SSO_KEYS],
        "config": f"[profile s]\nsso_session = corp\n{SSO_PROFILE}region = eu-west-1\n[sso-session corp]\nsso_region = us-west-2\nsso_start_url = https://corp.awsapps.com/start\n",
        # The SHA-1 of "corp".
        "files": {".aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json": SSO_TOKEN},
    }),
    ("IAM Identity Center of old", {
        "env": {"AWS_PROFILE": "s"}, "routes": [SSO_KEYS],
        "config": f"[profile s]\nsso_region = us-west-2\nsso_start_url = https://corp.awsapps.com/start\n{SSO_PROFILE}region = eu-west-1\n",
        # The SHA-1 of the start URL.
        "files": {".aws/sso/cache/a51746d4aa793ae07b25e90c3a5db96fc7832bd7.json": SSO_TOKEN},
    }),
    ("IAM Identity Center without a login", {
        "env": {"AWS_PROFILE": "s"},
        "config": f"[profile s]\nsso_session = corp\n{SSO_PROFILE}[sso-session corp]\nsso_region = us-west-2\nsso_start_url = https://corp.awsapps.com/start\n",
    }),
]


def answering(routes, asked):
    """A way to send requests that goes nowhere: the first route that fits answers."""

    def send(_, request):
        place = request.url.split("://")[1]
        body = common.body_of(request).decode()
        line = f"{request.method} {place}"
        headers = {name.lower(): value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()}
        # A signature says whose it is; its date is today's.
        if "Credential=" in headers.get("authorization", ""):
            headers["authorization"] = "Credential=" + headers["authorization"].split("Credential=")[1].split("/")[0] + "/"
        kept = {name: value for name, value in headers.items() if name == "authorization" or name.startswith("x-a") and name != "x-amz-date"}
        # Neither is the name of a session that the settings do not name.
        parts = [part for part in body.split("&") if not part.startswith("RoleSessionName=botocore-session-")]
        asked.append({"method": request.method, "uri": request.url, "headers": kept, "body": "&".join(parts)})
        route = next((route for route in routes if route["match"] in line and route.get("body_contains", "") in body), {"status": 404, "body": ""})
        text = route["body"] if isinstance(route["body"], str) else json.dumps(route["body"])
        headers = botocore.awsrequest.HeadersDict(route.get("headers", {}))
        return botocore.awsrequest.AWSResponse(request.url, route.get("status", 200), headers, common.Raw(text.encode()))

    return mock.patch.object(botocore.httpsession.URLLib3Session, "send", send)


def found(case):
    """The credentials, the region and the requests."""
    env = {**case["env"], "AWS_EC2_METADATA_DISABLED": str(not case["imds"]).lower()}
    files = {**case["files"], **{f".aws/{name}": case[name] for name in ("config", "credentials") if case[name] is not None}}
    asked, failed = [], {}
    with common.surroundings(env, files), answering(case["routes"], asked):
        session, region, credentials = botocore.session.Session(profile=case["profile_arg"]), None, None
        try:
            region = session.get_config_variable("region")
            got = session.get_credentials()
            frozen = got and got.get_frozen_credentials()
            credentials = frozen and {
                "access_key_id": frozen.access_key,
                "secret_access_key": frozen.secret_key,
                "session_token": frozen.token,
                "account_id": got.account_id,
            }
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, OSError, ValueError) as error:
            failed = {"error": type(error).__name__}
    return {"credentials": credentials, **failed, "region": region, "requests": asked}


cases = []
for name, settings in CASES:
    case = {"name": name, "env": {}, "config": None, "credentials": None, "files": {}, "routes": [], "profile_arg": None, "imds": False, **settings}
    cases.append({**case, "botocore": found(case)})
common.write("chain.json", common.MADE_WITH, cases=cases)
