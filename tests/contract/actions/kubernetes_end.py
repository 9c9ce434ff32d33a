"""As much of a Kubernetes API server and its deployment controller as the adapter uses, strict about what it is sent."""

from __future__ import annotations

import copy
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.contract.actions.loopback import Answer, OtherEnd, Request, check

TOKEN = "token-of-the-service-account"  # noqa: S105  of a server of the tests
REVISION = "deployment.kubernetes.io/revision"
NAMESPACE = "/apis/apps/v1/namespaces/shop"


def template(image: str, **annotations: str) -> dict[str, Any]:
    return {
        "metadata": {"labels": {"app": "orders"}, **({"annotations": annotations} if annotations else {})},
        "spec": {"containers": [{"name": "main", "image": image}]},
    }


class KubernetesEnd(OtherEnd):
    """One deployment with two revisions, two pods, and a neighbour with the same labels."""

    def __init__(self) -> None:
        super().__init__()
        self.changes = 0
        self.autoscalers: list[dict[str, Any]] = []
        self.forbidden: set[str] = set()
        self.deployment: dict[str, Any] = {
            "metadata": {"name": "orders", "uid": "d-1", "generation": 4, "annotations": {REVISION: "2"}, "resourceVersion": "90"},
            "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "orders"}}, "template": template("orders:2")},
            "status": {"observedGeneration": 4, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2},
        }
        self.sets = [self.replica_set("1", template("orders:1")), self.replica_set("2", template("orders:2"))]
        stranger = self.replica_set("9", template("stranger:9"))
        stranger["metadata"] |= {"uid": "rs-x", "ownerReferences": [{"uid": "d-x", "controller": True}]}
        self.sets.append(stranger)
        self.pods = {f"orders-{n}": self.pod(f"orders-{n}", f"p-{n}", "rs-2") for n in (1, 2)}
        self.pods["stranger-1"] = self.pod("stranger-1", "p-x", "rs-x")

    @staticmethod
    def replica_set(revision: str, pods: dict[str, Any]) -> dict[str, Any]:
        labelled = copy.deepcopy(pods)
        labelled["metadata"]["labels"]["pod-template-hash"] = f"h{revision}"
        owner = {"uid": "d-1", "controller": True, "kind": "Deployment"}
        metadata = {"name": f"orders-h{revision}", "uid": f"rs-{revision}", "annotations": {REVISION: revision}}
        return {"metadata": {**metadata, "ownerReferences": [owner]}, "spec": {"template": labelled}}

    @staticmethod
    def pod(name: str, uid: str, owner: str) -> dict[str, Any]:
        return {"metadata": {"name": name, "uid": uid, "ownerReferences": [{"uid": owner, "controller": True}]}}

    def writes(self, method: str, path: str) -> bool:
        del path
        return method != "GET"

    def handle(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return Answer(401, {"message": "Unauthorized"})
        parts = urlsplit(request.path)
        if parts.path in self.forbidden:
            return Answer(403, {"message": "forbidden"})
        if request.method == "GET":
            check(request.body == b"", "no body")
            return self.get(parts.path, parse_qs(parts.query))
        if request.method == "PATCH":
            check(parts.path == f"{NAMESPACE}/deployments/orders" and not parts.query, "the deployment's path")
            check(request.headers["content-type"] == "application/json-patch+json", "a JSON patch")
            return self.patch(request.json)
        check(request.method == "DELETE" and request.headers["content-type"] == "application/json", "a DELETE of JSON")
        options = request.json
        check(set(options) == {"apiVersion", "kind", "preconditions"} and options["kind"] == "DeleteOptions", "DeleteOptions")
        return self.delete(parts.path.removeprefix("/api/v1/namespaces/shop/pods/"), options["preconditions"]["uid"])

    def get(self, path: str, query: dict[str, list[str]]) -> Answer:
        if path == f"{NAMESPACE}/deployments/orders":
            return Answer(200, self.deployment)
        if path == f"{NAMESPACE}/replicasets":
            check(query == {"labelSelector": ["app=orders"]}, "the deployment's selector")
            return Answer(200, {"kind": "ReplicaSetList", "items": self.sets})
        if path == "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers":
            return Answer(200, {"items": self.autoscalers})
        name = path.removeprefix("/api/v1/namespaces/shop/pods/")
        check(name != path and "/" not in name, "a known path")
        return Answer(200, self.pods[name]) if name in self.pods else Answer(404, {"message": f'pods "{name}" not found'})

    def patch(self, operations: list[dict[str, Any]]) -> Answer:
        changed = copy.deepcopy(self.deployment)
        check(any(o["op"] == "test" and o["path"] == "/metadata/generation" for o in operations), "a test of the generation")
        for operation in operations:
            *above, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"][1:].split("/")]
            node = changed
            for part in above:
                if part not in node:
                    return Answer(422, {"message": "the path does not exist"})
                node = node[part]
            if operation["op"] == "test":
                if node.get(last) != operation["value"] or type(node.get(last)) is not type(operation["value"]):
                    return Answer(422, {"message": "the server rejected our request due to an error in our request"})
                continue
            check(operation["op"] == "add" or last in node, "replace what is there")
            node[last] = operation["value"]
        if changed["spec"] != self.deployment["spec"]:
            changed["metadata"]["generation"] += 1
        check(changed["spec"]["template"]["spec"]["containers"], "a template with containers")
        self.deployment, self.changes = changed, self.changes + 1
        return Answer(200, changed)

    def delete(self, name: str, uid: str) -> Answer:
        check(name in self.pods, "an existing pod")
        if self.pods[name]["metadata"]["uid"] != uid:
            return Answer(409, {"message": "the UID in the precondition does not match"})
        self.pods[name]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        self.deployment["status"]["availableReplicas"] -= 1
        self.changes += 1
        return Answer(200, self.pods[name])

    def settle(self) -> None:
        """What the controllers do after a while."""
        with self.lock:
            self._roll_out()
            for name in [n for n, pod in self.pods.items() if "deletionTimestamp" in pod["metadata"]]:
                del self.pods[name]
            replicas = self.deployment["spec"]["replicas"]
            self.deployment["status"] = {
                "observedGeneration": self.deployment["metadata"]["generation"],
                "replicas": replicas,
                "updatedReplicas": replicas,
                "availableReplicas": replicas,
            }

    def _roll_out(self) -> None:
        wanted = self.deployment["spec"]["template"]
        own = [s for s in self.sets if s["metadata"]["ownerReferences"][0]["uid"] == "d-1"]
        newest = str(max(int(s["metadata"]["annotations"][REVISION]) for s in own) + 1)
        for found in own:
            bare = copy.deepcopy(found["spec"]["template"])
            del bare["metadata"]["labels"]["pod-template-hash"]
            if bare == wanted:
                if found["metadata"]["annotations"][REVISION] != self.deployment["metadata"]["annotations"][REVISION]:
                    found["metadata"]["annotations"][REVISION] = newest
                    self.deployment["metadata"]["annotations"][REVISION] = newest
                return
        self.sets.append(self.replica_set(newest, wanted))
        self.deployment["metadata"]["annotations"][REVISION] = newest

    def deploy(self, image: str) -> None:
        """Somebody rolls out another image."""
        with self.lock:
            self.deployment["spec"]["template"] = template(image)
            self.deployment["metadata"]["generation"] += 1
            self.settle()
