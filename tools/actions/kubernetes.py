"""Deployments over the REST API of Kubernetes, as the executor has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from pydantic import Field, JsonValue

from middlewatch.records import ActionResult, Inspection, Order, Result, Scalar, digest_of
from middlewatch.tools.actions.action import Step
from middlewatch.tools.actions.kubernetes_place import RESTARTED, DeploymentPlace, Live, annotation, wanted_replicas
from middlewatch.tools.actions.preconditions import problem_of
from middlewatch.tools.actions.wire import Answered, Reply, Wire, in_vain
from middlewatch.tools.wording import quoted

REVISION = "deployment.kubernetes.io/revision"
HASH_LABEL = "pod-template-hash"
"""What the controller adds to the template of each ReplicaSet; `kubectl rollout undo` takes it off again."""


class Owner(Answered):
    """What an object belongs to."""

    uid: str
    controller: bool = False


class Metadata(Answered):
    """Of any object."""

    name: str
    uid: str
    generation: int = 0
    annotations: dict[str, str] = Field(default_factory=dict)
    owners: list[Owner] = Field(default_factory=list, alias="ownerReferences")
    deleted: str = Field(default="", alias="deletionTimestamp")


class Container(Answered):
    """Of a pod's template."""

    image: str = ""


class PodSpec(Answered):
    """The part of a template that people look at."""

    containers: list[Container] = Field(default_factory=list)


class Selector(Answered):
    """Which pods belong to a deployment."""

    labels: dict[str, str] = Field(default_factory=dict, alias="matchLabels")


class DeploymentSpec(Answered):
    """What a deployment should be."""

    replicas: int = 1
    paused: bool = False
    selector: Selector
    template: dict[str, JsonValue]


class Condition(Answered):
    """One of a deployment's."""

    type: str
    status: str
    reason: str = ""


class DeploymentStatus(Answered):
    """What a deployment is."""

    observed: int = Field(default=0, alias="observedGeneration")
    replicas: int = 0
    updated: int = Field(default=0, alias="updatedReplicas")
    available: int = Field(default=0, alias="availableReplicas")
    conditions: list[Condition] = Field(default_factory=list)


class Deployment(Answered):
    """As much of it as is used."""

    metadata: Metadata
    spec: DeploymentSpec
    status: DeploymentStatus = Field(default_factory=DeploymentStatus)

    @property
    def stuck(self) -> str:
        """Why its rollout was given up, this one or, until the controller has looked, the one before; empty where it was not."""
        return next((c.reason for c in self.status.conditions if c.type == "Progressing" and c.status == "False"), "")

    @property
    def settled(self) -> bool:
        """Whether the controller has seen what it should be, and it is that."""
        wanted, status = self.spec.replicas, self.status
        seen = status.observed >= self.metadata.generation
        return seen and status.updated == status.available == status.replicas == wanted


class TemplateSpec(Answered):
    """Of a ReplicaSet."""

    template: dict[str, JsonValue]


class ReplicaSet(Answered):
    """One revision of a deployment."""

    metadata: Metadata
    spec: TemplateSpec

    @property
    def revision(self) -> int:
        """0 where it has none."""
        written = self.metadata.annotations.get(REVISION, "")
        return int(written) if written.isdecimal() and len(written) < 19 else 0  # noqa: PLR2004  an int64 of the API

    @property
    def template(self) -> dict[str, JsonValue]:
        """The pods' template without what the controller added."""
        metadata = self.spec.template.get("metadata")
        if not isinstance(metadata, dict):
            return self.spec.template
        labels = metadata.get("labels")
        kept = {k: v for k, v in labels.items() if k != HASH_LABEL} if isinstance(labels, dict) else {}
        return {**self.spec.template, "metadata": {**metadata, "labels": kept}}


class ReplicaSets(Answered):
    """All of a namespace that a selector finds."""

    items: list[ReplicaSet]


class Pod(Answered):
    """One instance."""

    metadata: Metadata


class Autoscaled(Answered):
    """What an autoscaler scales."""

    kind: str
    name: str


class AutoscalerSpec(Answered):
    """Of an autoscaler."""

    target: Autoscaled = Field(alias="scaleTargetRef")


class Autoscaler(Answered):
    """What scales a deployment by itself."""

    spec: AutoscalerSpec


class Autoscalers(Answered):
    """All of a namespace."""

    items: list[Autoscaler]


@dataclass(frozen=True, slots=True)
class KubernetesAdapter:
    """One deployment: implements `Adapter`."""

    place: DeploymentPlace
    wire: Wire

    def inspect(self, action: str, target: str, parameters: Mapping[str, Scalar]) -> Inspection:
        """See `Adapter`."""
        del target
        deployment = self._deployment()
        if action == "restart_instance":
            return self._instance(deployment, str(parameters["instance"]))
        version: dict[str, Scalar] = {
            "uid": deployment.metadata.uid,
            "last_request": deployment.metadata.annotations.get(annotation(action), ""),
        }
        if action in {"scale_up", "scale_down"}:
            return self._scaling(action, parameters, deployment, version)
        version |= {
            "revision": deployment.metadata.annotations.get(REVISION, ""),
            "images": _images(deployment.spec.template),
            "template": _digest(deployment.spec.template),
        }
        problem = (
            "Its rollouts are paused." if deployment.spec.paused else "" if version["revision"] else "It was never rolled out."
        )
        if action == "restart_service" or problem:
            return Inspection(version=version, problem=problem, notes=_notes(deployment))
        if (previous := self._previous(deployment)) is None:
            return Inspection(version=version, problem="There is no earlier revision to go back to.")
        version |= {
            "previous_revision": previous.revision,
            "previous_images": _images(previous.template),
            "previous_template": _digest(previous.template),
        }
        images = f"from {quoted(_images(deployment.spec.template))} to {quoted(_images(previous.template))}"
        goes = f"It goes {images}, revision {previous.revision}."
        return Inspection(version=version, notes=(goes, *_notes(deployment)))

    def run(self, order: Order) -> ActionResult:
        """One call, which tests at the other end that the deployment is still the one that was looked at just before."""
        step = self._step(order)
        if isinstance(step, ActionResult):
            return step
        reply = self.wire.call(step)
        if reply.result is not Result.DONE:
            return reply.outcome
        return ActionResult(result=Result.DONE, detail="Kubernetes has taken it on.", reference=self.place.path)

    def probe(self, order: Order) -> ActionResult:
        """See `Adapter`: the deployment names the last request of each kind, and says how far its rollout is."""
        if order.action == "restart_instance":
            return self._instance_gone(order)
        deployment = self._deployment()
        marked = deployment.metadata.annotations.get(annotation(order.action), "")
        if deployment.metadata.uid != order.version.get("uid"):
            raise in_vain("The deployment is another one of the same name.")
        if marked == order.digest:
            return self._effect(order, deployment)
        if marked == order.version.get("last_request"):
            return ActionResult(result=Result.NOT_DONE, detail="The deployment does not name the request.")
        raise in_vain("The deployment names a later request of the same kind.")

    def _step(self, order: Order) -> Step | ActionResult:
        """The call, with what is known only now: the shapes that it tests for and the template to put back."""
        if order.action == "restart_instance":
            return self.place.step(order.action, order.parameters, order.version)
        deployment, template = self._deployment(), None
        if order.action == "rollback_deploy":
            previous = self._previous(deployment)
            if previous is None or _digest(previous.template) != order.version.get("previous_template"):
                return ActionResult(result=Result.NOT_DONE, detail="Nothing was sent: the earlier revision changed.")
            template = previous.template
        if order.action in {"scale_up", "scale_down"} and deployment.spec.replicas != order.version.get("replicas"):
            return ActionResult(result=Result.NOT_DONE, detail="Nothing was sent: the number of instances changed.")
        metadata = deployment.spec.template.get("metadata")
        live = Live(
            request=order.digest,
            generation=deployment.metadata.generation,
            template=template,
            template_annotations=isinstance(metadata, dict) and isinstance(metadata.get("annotations"), dict),
            time=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        )
        return self.place.step(order.action, order.parameters, order.version, live)

    def _effect(self, order: Order, deployment: Deployment) -> ActionResult:
        """Of a change that was made."""
        status = deployment.status
        if order.action in {"scale_up", "scale_down"}:
            wanted = wanted_replicas(order.action, order.parameters, order.version)
            if deployment.spec.replicas != wanted:
                detail = f"It was scaled to {wanted}, and something else scaled it to {deployment.spec.replicas} since."
                return ActionResult(result=Result.NOT_DONE, detail=detail)
        if deployment.settled:
            detail = f"{status.available} of {deployment.spec.replicas} instances are available."
            return ActionResult(result=Result.DONE, detail=detail, reference=deployment.metadata.annotations.get(REVISION, ""))
        said = f"{status.updated} of {deployment.spec.replicas} instances are replaced, {status.available} available"
        given_up = f"; its rollout was given up: {quoted(deployment.stuck)}" if deployment.stuck else ""
        return ActionResult(result=Result.UNKNOWN, detail=f"The change was made and is under way: {said}{given_up}.")

    def _scaling(
        self, action: str, parameters: Mapping[str, Scalar], deployment: Deployment, version: dict[str, Scalar]
    ) -> Inspection:
        version = {**version, "replicas": deployment.spec.replicas}
        problem = problem_of(action, parameters, version, self.place.min_replicas, self.place.max_replicas)
        path = f"{self.place.namespaced('/apis/autoscaling/v2')}/horizontalpodautoscalers"
        reply = self._get(path)
        if reply.result is Result.NOT_DONE and not reply.later:
            return Inspection(version=version, problem=problem, notes=("Whether an autoscaler scales it could not be seen.",))
        targets = (autoscaler.spec.target for autoscaler in reply.read(Autoscalers).items)
        if any((scaled.kind, scaled.name) == ("Deployment", deployment.metadata.name) for scaled in targets):
            problem = problem or "An autoscaler scales it, and would take the change back."
        return Inspection(version=version, problem=problem, notes=_notes(deployment))

    def _instance(self, deployment: Deployment, name: str) -> Inspection:
        """One pod, if it belongs to the deployment through one of its ReplicaSets."""
        reply = self._get(self.place.pod_path(name))
        if reply.absent:
            return Inspection(problem=f"There is no instance {quoted(name)}.")
        pod = reply.read(Pod)
        sets = {found.metadata.uid for found in self._sets(deployment)}
        version: dict[str, Scalar] = {"uid": pod.metadata.uid, "deployment": deployment.metadata.uid}
        problem = ""
        if not any(owner.controller and owner.uid in sets for owner in pod.metadata.owners):
            problem = f"The instance {quoted(name)} does not belong to the deployment."
        elif pod.metadata.deleted:
            problem = f"The instance {quoted(name)} is ending already."
        return Inspection(version=version, problem=problem, notes=_notes(deployment))

    def _instance_gone(self, order: Order) -> ActionResult:
        """A pod's uid is never given twice, so the one that was approved ends once."""
        reply = self._get(self.place.pod_path(str(order.parameters["instance"])))
        pod = None if reply.absent else reply.read(Pod)
        if pod is not None and pod.metadata.uid != order.version.get("uid"):
            raise in_vain("Another instance has the name now.")
        if pod is not None and not pod.metadata.deleted:
            return ActionResult(result=Result.NOT_DONE, detail="The instance still runs.")
        deployment = self._deployment()
        if deployment.settled:
            return ActionResult(result=Result.DONE, detail=f"The instance is gone; {deployment.status.available} are available.")
        return ActionResult(
            result=Result.UNKNOWN, detail="The instance is gone or ending, and its replacement is not available yet."
        )

    def _previous(self, deployment: Deployment) -> ReplicaSet | None:
        """The newest earlier revision whose pods differ by more than a restart.

        `kubectl rollout undo` takes the newest earlier one. After a restart that is the same pods once more, which takes back no
        deploy.
        """
        now = _without_restart(deployment.spec.template)
        written = deployment.metadata.annotations.get(REVISION, "")
        current = int(written) if written.isdecimal() else 0
        earlier = [s for s in self._sets(deployment) if 0 < s.revision < current and _without_restart(s.template) != now]
        return max(earlier, key=lambda found: found.revision, default=None)

    def _sets(self, deployment: Deployment) -> list[ReplicaSet]:
        labels = ",".join(f"{name}={value}" for name, value in sorted(deployment.spec.selector.labels.items()))
        query = f"?{urlencode({'labelSelector': labels})}" if labels else ""
        found = self._get(f"{self.place.namespaced('/apis/apps/v1')}/replicasets{query}").read(ReplicaSets)
        uid = deployment.metadata.uid
        return [s for s in found.items if any(owner.controller and owner.uid == uid for owner in s.metadata.owners)]

    def _deployment(self) -> Deployment:
        found = self._get(self.place.path).read(Deployment)
        if found.metadata.name != self.place.deployment:
            raise in_vain("The answer is about another deployment.")
        return found

    def _get(self, path: str) -> Reply:
        return self.wire.call(Step("GET", self.place.url, path))


def _notes(deployment: Deployment) -> tuple[str, ...]:
    """What a person should know of it before it is changed."""
    status, spec = deployment.status, deployment.spec
    if deployment.settled:
        return (f"All {spec.replicas} instances are available.",)
    return (f"Of {spec.replicas} instances, {status.updated} are of its present revision and {status.available} available.",)


def _images(template: Mapping[str, JsonValue]) -> str:
    """The images of the pods, in order."""
    spec = Reply(Result.DONE, body=template.get("spec") or {}).read(PodSpec)
    return ", ".join(container.image for container in spec.containers)


def _digest(template: Mapping[str, JsonValue]) -> str:
    return digest_of(template)[:16]


def _without_restart(template: Mapping[str, JsonValue]) -> str:
    """What tells two revisions apart: everything but when they were restarted and what the controller fills in for empty."""
    metadata = template.get("metadata")
    known = metadata if isinstance(metadata, dict) else {}
    annotations = known.get("annotations")
    kept = {k: v for k, v in annotations.items() if k != RESTARTED} if isinstance(annotations, dict) else {}
    return digest_of(known.get("labels") or {}, kept, template.get("spec"))
