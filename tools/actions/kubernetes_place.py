"""A deployment of a Kubernetes cluster, and what changes it: https://kubernetes.io/docs/reference/kubernetes-api/."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from middlewatch.records import Scalar
from middlewatch.records.errors import Refused
from middlewatch.tools.actions.action import REQUEST, Step, segment
from middlewatch.tools.actions.places import ServerPlace

JSON_PATCH = "application/json-patch+json"
RESTARTED = "kubectl.kubernetes.io/restartedAt"
"""What `kubectl rollout restart` sets in the pods' template; a changed template is rolled out."""
MARKS = {"scale_up": "scale", "scale_down": "scale", "rollback_deploy": "rollback", "restart_service": "restart"}
"""Actions that leave the digest of their request in an annotation of the deployment, and its name. One a kind of change, so that a
later change of another kind does not hide what became of an earlier one."""


@dataclass(frozen=True, slots=True)
class Live:
    """What is known only at the moment of execution; in a plan, stand-ins that say what will be there."""

    request: str = REQUEST
    generation: JsonValue = "<generation, as read just before>"
    template: JsonValue = None
    template_annotations: bool = True
    time: str = "<time of the execution>"


PLANNED = Live()


def annotation(action: str) -> str:
    """The annotation that an action leaves its request in."""
    return f"middlewatch.io/{MARKS[action]}"


class DeploymentPlace(ServerPlace):
    """One deployment. All changes of it are JSON patches (RFC 6902) that test first that it is the one that was looked at."""

    namespace: str
    deployment: str
    min_replicas: int
    max_replicas: int

    @property
    def path(self) -> str:
        return f"{self.namespaced('/apis/apps/v1')}/deployments/{segment(self.deployment)}"

    def namespaced(self, api: str) -> str:
        """The path of the namespace in an API group."""
        return f"{api}/namespaces/{segment(self.namespace)}"

    def pod_path(self, pod: str) -> str:
        return f"{self.namespaced('/api/v1')}/pods/{segment(pod)}"

    def steps(self, action: str, target: str, parameters: Mapping[str, Scalar], version: Mapping[str, Scalar]) -> tuple[Step, ...]:
        del target
        return (self.step(action, parameters, version),)

    def step(self, action: str, parameters: Mapping[str, Scalar], version: Mapping[str, Scalar], live: Live = PLANNED) -> Step:
        """The one call of an action."""
        if action == "restart_instance":
            preconditions: JsonValue = {"uid": version.get("uid", "")}
            options: JsonValue = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions}
            return Step("DELETE", self.url, self.pod_path(str(parameters["instance"])), options)
        if action not in MARKS:
            raise Refused(f"Kubernetes does not do {action}.")
        tests: list[JsonValue] = [
            {"op": "test", "path": "/metadata/uid", "value": version.get("uid", "")},
            {"op": "test", "path": "/metadata/generation", "value": live.generation},
        ]
        mark: JsonValue = {"op": "add", "path": f"/metadata/annotations/{_pointed(annotation(action))}", "value": live.request}
        return Step("PATCH", self.url, self.path, [*tests, *_changes(action, parameters, version, live), mark], JSON_PATCH)


def _changes(action: str, parameters: Mapping[str, Scalar], version: Mapping[str, Scalar], live: Live) -> list[JsonValue]:
    match action:
        case "rollback_deploy":
            revision, images = version.get("previous_revision", ""), version.get("previous_images", "")
            shown = f"<the pods' template of revision {revision}: {images}; sha256 {version.get('previous_template', '')}>"
            return [{"op": "replace", "path": "/spec/template", "value": shown if live.template is None else live.template}]
        case "restart_service":
            path = "/spec/template/metadata/annotations"
            if not live.template_annotations:
                return [{"op": "add", "path": path, "value": {RESTARTED: live.time}}]
            return [{"op": "add", "path": f"{path}/{_pointed(RESTARTED)}", "value": live.time}]
        case _:
            return [{"op": "replace", "path": "/spec/replicas", "value": wanted_replicas(action, parameters, version)}]


def wanted_replicas(action: str, parameters: Mapping[str, Scalar], version: Mapping[str, Scalar]) -> int:
    """How many instances a scaling ends with."""
    by = int(parameters["by"])
    return int(version.get("replicas", 0)) + (by if action == "scale_up" else -by)


def _pointed(key: str) -> str:
    """A key as a part of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")
