"""Judges Kubernetes manifests on standard input.

manifests.py validate VERSION...   each object against the strict schemas of these versions, and what all of ours have
manifests.py policy CASES          the admission policies among them, by a CEL engine, over the objects of a file of cases
manifests.py settings NAME         prints the data of the ConfigMap NAME, a variable a line
manifests.py objects               prints each object as a line of JSON
manifests.py foreign               each object against its definition by the Prometheus operator or cert-manager

What is wrong is written a line each, and the exit code is 1.
"""

import importlib
import json
import sys
import warnings

import yaml

# Kinds that others define: the Prometheus operator and cert-manager. Their schemas are not Kubernetes': here are the models
# that cloudcoil generates from their CustomResourceDefinitions.
FOREIGN = {
    "monitoring.coreos.com/v1": "cloudcoil.models.prometheus_operator.v1",
    "cert-manager.io/v1": "cloudcoil.models.cert_manager.v1",
}

NEWER_THAN_1_29 = {
    ("admissionregistration.k8s.io/v1", kind)
    for kind in ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"]
}

# https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/
LABELS = ["name", "instance", "version", "component", "part-of", "managed-by"]


def objects(stream):
    return [document for document in yaml.safe_load_all(stream) if document]


def called(item):
    return f"{item['kind']} {item['metadata'].get('name', '?')}"


def pod_specs(item):
    spec = item.get("spec", {})
    if item["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    if item["kind"] == "Pod":
        yield spec
    elif "template" in spec:
        yield spec["template"]["spec"]


def faults_of(item):
    """What Kubernetes would take, and what nothing of ours has."""
    labels = item["metadata"].get("labels", {})
    missing = [name for name in LABELS if f"app.kubernetes.io/{name}" not in labels]
    if missing:
        yield f"lacks the labels {missing}"
    for spec in pod_specs(item):
        if "automountServiceAccountToken" not in spec:
            yield "does not say whether it gets a token"
        for container in spec.get("initContainers", []) + spec["containers"]:
            yield from faults_of_container(container)


def faults_of_container(container):
    name, context = container["name"], container.get("securityContext", {})
    expected = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    for key, value in expected.items():
        if context.get(key) != value:
            yield f"{name}: securityContext.{key} is {context.get(key)!r}, not {value!r}"
    if not context.get("runAsUser"):
        yield f"{name}: runs as root, or as nobody knows whom"
    if ":" not in container["image"] or container["image"].endswith(":latest"):
        yield f"{name}: {container['image']} is of no version"
    resources = container.get("resources", {})
    for kind in ["requests", "limits"]:
        if not {"cpu", "memory"} <= resources.get(kind, {}).keys():
            yield f"{name}: resources.{kind} is {resources.get(kind)}"


def validate(versions):
    import kubernetes_validate

    items = objects(sys.stdin)
    if not items:
        yield "nothing was rendered"
    for item in items:
        yield from (f"{called(item)}: {fault}" for fault in faults_of(item))
        if item["apiVersion"] in FOREIGN:
            continue
        for version in versions:
            if version == "newest":
                version = kubernetes_validate.latest_version()
            # There they are beta: the overlay kubernetes-1.29 has them as such.
            if version.startswith("1.29.") and (item["apiVersion"], item["kind"]) in NEWER_THAN_1_29:
                continue
            try:
                kubernetes_validate.validate(item, version, strict=True)
            except Exception as error:  # noqa: BLE001: whatever it is, it is a fault of the object
                place = "/".join(map(str, getattr(error, "path", [])))
                yield f"{called(item)}, Kubernetes {version}: {place}: {getattr(error, 'message', error)}"


class Policy:
    """A ValidatingAdmissionPolicy, evaluated as the API server does it."""

    def __init__(self, item):
        spec = item["spec"]
        self.name = item["metadata"]["name"]
        self.conditions = spec.get("matchConditions", [])
        self.variables = spec.get("variables", [])
        self.validations = spec["validations"]
        self.resources = spec["matchConstraints"]["resourceRules"][0]["resources"]

    def refusals(self, item, namespace):
        import cel

        context = {"object": item, "namespaceObject": namespace, "variables": {}}
        if not all(cel.evaluate(condition["expression"], context) for condition in self.conditions):
            return None
        for variable in self.variables:
            context["variables"][variable["name"]] = cel.evaluate(variable["expression"], context)
        broken = [rule for rule in self.validations if not cel.evaluate(rule["expression"], context)]
        return [rule["message"] for rule in broken]


def policy(cases):
    policies = [Policy(item) for item in objects(sys.stdin) if item["kind"] == "ValidatingAdmissionPolicy"]
    if not policies:
        yield "there is no policy"
    with open(cases, encoding="utf-8") as file:
        cases = yaml.safe_load(file)
    for case in cases:
        namespace = {"metadata": {"name": "shop", "labels": case.get("namespace", {})}}
        if "namespace" not in case:
            namespace = {"metadata": {"name": "shop"}}
        resource = case["object"]["kind"].lower() + "s"
        found = [policy.refusals(case["object"], namespace) for policy in policies if resource in policy.resources]
        said = [message for messages in found if messages is not None for message in messages]
        wanted = case["refused"]
        if bool(said) != bool(wanted) or not all(any(word in message for message in said) for word in wanted):
            yield f"{case['case']}: expected {wanted}, got {said}"
        if len(said) > len(wanted):
            yield f"{case['case']}: refused for more than {wanted}: {said}"


def settings(name):
    found = [item for item in objects(sys.stdin) if item["kind"] == "ConfigMap" and item["metadata"]["name"] == name]
    if len(found) != 1:
        yield f"{len(found)} ConfigMaps are called {name}"
    for item in found:
        print("".join(f"{key}={value}\n" for key, value in item["data"].items()), end="")


def foreign():
    for item in objects(sys.stdin):
        model = getattr(importlib.import_module(FOREIGN[item["apiVersion"]]), item["kind"])
        try:
            known = model.model_validate(item).model_dump(mode="json", by_alias=True, exclude_unset=True)
        except ValueError as error:
            yield f"{called(item)}: {error}"
        else:
            yield from (f"{called(item)}: {place} is unknown, or of another type" for place in lost(item, known, ""))


def lost(before, after, place):
    """Where something of before is not the same after: what a model does not know, it does not write again."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name, value in before.items():
            yield from lost(value, after.get(name), f"{place}/{name}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after)):
            yield from lost(one, other, f"{place}/{index}")
    elif before != after or type(before) is not type(after):
        yield place


def print_objects():
    for item in objects(sys.stdin):
        print(json.dumps(item))
    return []


def main():
    command, *arguments = sys.argv[1:]
    warnings.simplefilter("ignore")
    commands = {"validate": lambda: validate(arguments), "policy": lambda: policy(*arguments)}
    commands |= {"settings": lambda: settings(*arguments), "objects": print_objects, "foreign": foreign}
    faults = list(commands[command]())
    print("\n".join(faults), file=sys.stderr)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
