"""From what `cargo metadata` prints to a list of parts: CycloneDX 1.5, JSON.

usage: cargo metadata ... | sbom.py PACKAGE Cargo.lock

What is linked in is listed: the package, what it depends on and what that depends on. What only runs while building is
not, but for the crates that carry the sources of a C library; the library stands beside its crate. There is neither
time nor random number in it, so that the same lock file gives the same list.
"""

import json
import re
import sys
import tomllib
import uuid

# Crates with a C library's sources: what it is called, and its licence.
CARRIERS = {
    "openssl-src": ("openssl", "Apache-2.0"),
    "tikv-jemalloc-sys": ("jemalloc", "BSD-2-Clause"),
}


def linked(metadata, root):
    """The ids of all packages that are linked into one, and what each depends on."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    packages = {package["id"]: package for package in metadata["packages"]}

    def is_linked(dependency):
        package = packages[dependency["pkg"]]
        kinds = {kind["kind"] for kind in dependency["dep_kinds"]}
        return not is_macro(package) and (None in kinds or ("build" in kinds and package["name"] in CARRIERS))

    found, waiting = {}, [root]
    while waiting:
        package = waiting.pop()
        if package in found:
            continue
        # What such a crate depends on serves to build its library.
        is_leaf = packages[package]["name"] in CARRIERS
        needs = [] if is_leaf else nodes[package]["deps"]
        found[package] = sorted(need["pkg"] for need in needs if is_linked(need))
        waiting.extend(found[package])
    return found


def is_macro(package):
    """Whether it runs while building and is not in the program."""
    return any("proc-macro" in target["kind"] for target in package["targets"])


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version'].replace('+', '%2B')}"


def component(package, checksums):
    entry = {
        "type": "library",
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "purl": purl(package),
    }
    if package["license"]:
        entry["licenses"] = [{"expression": re.sub(r"\s*/\s*", " OR ", package["license"])}]
    checksum = checksums.get((package["name"], package["version"]))
    if checksum:
        entry["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package["repository"]:
        entry["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return entry


def carried(package):
    """The C library in a crate, whose version stands behind the plus sign of the crate's."""
    name, licence = CARRIERS[package["name"]]
    version = package["version"].split("+", 1)[-1]
    return {
        "type": "library",
        "bom-ref": f"pkg:generic/{name}@{version}",
        "name": name,
        "version": version,
        "purl": f"pkg:generic/{name}@{version}",
        "licenses": [{"expression": licence}],
    }


def library(package):
    """What a crate needs besides crates."""
    return [carried(package)["bom-ref"]] if package["name"] in CARRIERS else []


def main(name, lock_file):
    metadata = json.load(sys.stdin)
    with open(lock_file, "rb") as file:
        locked = tomllib.load(file)["package"]
    checksums = {(entry["name"], entry["version"]): entry.get("checksum") for entry in locked}
    packages = {package["id"]: package for package in metadata["packages"]}
    root = next(package["id"] for package in metadata["packages"] if package["name"] == name)
    graph = linked(metadata, root)
    parts = sorted((packages[package] for package in graph if package != root), key=purl)
    carriers = [part for part in parts if part["name"] in CARRIERS]
    dependencies = [
        {
            "ref": purl(packages[package]),
            "dependsOn": sorted(purl(packages[need]) for need in needs) + library(packages[package]),
        }
        for package, needs in graph.items()
    ]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": component(packages[root], checksums) | {"type": "application"}},
        "components": [component(part, checksums) for part in parts] + [carried(part) for part in carriers],
        "dependencies": sorted(dependencies, key=lambda one: one["ref"]),
    }
    # Named by what it says.
    identity = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(document, sort_keys=True))
    document["serialNumber"] = f"urn:uuid:{identity}"
    json.dump(document, sys.stdout, indent=1, sort_keys=True)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
