"""What a program consists of: a CycloneDX SBOM, and the licences of its packages: packages.py TARGET SBOM LICENCES.

The packages are those that `cargo tree` lists for the target: neither build scripts, macros nor development
dependencies are in the program. Fails if a package has neither a licence text nor one of the two that the project has.
"""

import datetime
import json
import os
import pathlib
import re
import subprocess
import sys

target, sbom, licences = sys.argv[1:]


def cargo(*words):
    return subprocess.run(["cargo", *words], check=True, stdout=subprocess.PIPE, text=True).stdout


tree = cargo("tree", "--locked", "-p", "pumice-cli", "--target", target, "--edges", "normal,no-proc-macro",
             "--prefix", "none", "--format", "{p}")
included = {tuple(line.split()[:2]) for line in tree.splitlines() if line}
metadata = json.loads(cargo("metadata", "--locked", "--format-version", "1", "--filter-platform", target))
packages = {package["id"]: package for package in metadata["packages"]
            if (package["name"], "v" + package["version"]) in included}
lock = re.findall(r'name = "(.*)"\nversion = "(.*)"\nsource = .*\nchecksum = "(.*)"', pathlib.Path("Cargo.lock").read_text())
checksums = {(name, version): checksum for name, version, checksum in lock}


def reference(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package):
    found = {
        "type": "library",
        "bom-ref": reference(package),
        "name": package["name"],
        "version": package["version"],
        "purl": reference(package),
        # Old packages write a slash for "or".
        "licenses": [{"expression": package["license"].replace("/", " OR ")}],
    }
    checksum = checksums.get((package["name"], package["version"]))
    if checksum:
        found["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package["repository"]:
        found["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return found


listed = sorted(packages.values(), key=lambda package: (package["name"], package["version"]))
program = next(package for package in listed if package["name"] == "pumice-cli")
when = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.timezone.utc)
edges = {node["id"]: node for node in metadata["resolve"]["nodes"]}
document = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.5",
    "version": 1,
    "metadata": {
        "timestamp": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "component": {**component(program), "type": "application"},
        "properties": [{"name": "cargo:target", "value": target}],
    },
    "components": [component(package) for package in listed if package is not program],
    "dependencies": [
        {
            "ref": reference(package),
            "dependsOn": sorted(
                reference(packages[one["pkg"]])
                for one in edges[package["id"]]["deps"]
                if one["pkg"] in packages and any(kind["kind"] is None for kind in one["dep_kinds"])
            ),
        }
        for package in listed
    ],
}
pathlib.Path(sbom).write_text(json.dumps(document, indent=1) + "\n")

# Each text once, with the packages that it is of.
texts = {}
for package in listed:
    folder = pathlib.Path(package["manifest_path"]).parent
    if package["source"] is None:
        continue
    found = sorted(path for path in folder.iterdir()
                   if path.is_file() and path.name.upper().startswith(("LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE")))
    if not found and not any(known in package["license"] for known in ("MIT", "Apache-2.0")):
        sys.exit(f"{package['name']}: expected the text of its licence, {package['license']}, found none")
    named = f"{package['name']} {package['version']} ({package['license']})"
    if not found:
        found = [pathlib.Path("LICENSE-MIT" if "MIT" in package["license"] else "LICENSE-APACHE")]
    for path in found:
        text = path.read_text(errors="replace").replace("\r\n", "\n").strip()
        texts.setdefault(text, []).append(named)
with open(licences, "w") as file:
    file.write("The program includes these packages. Their sources are in Rust's package registry under these names.\n")
    for text, names in texts.items():
        file.write("\n" + "=" * 78 + "\n" + "\n".join(names) + "\n\n" + text + "\n")
