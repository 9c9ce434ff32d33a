"""Invariants of deployments: what is rolled back is a deploy, nobody's change is overwritten, and progress is told as it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from middlewatch.records import Result, Scalar
from tests.contract.actions.benches import BENCHES, TARGET, Bench
from tests.contract.actions.kubernetes_end import NAMESPACE, REVISION, KubernetesEnd, template

ROLLBACK: tuple[str, dict[str, Scalar]] = ("rollback_deploy", {})


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with BENCHES["kubernetes"](tmp_path, 20.0) as made:
        yield made
        assert made.end is not None
        assert made.end.wrong == []


@pytest.fixture
def end(bench: Bench) -> KubernetesEnd:
    assert isinstance(bench.end, KubernetesEnd)
    return bench.end


def image(end: KubernetesEnd) -> Any:
    return end.deployment["spec"]["template"]["spec"]["containers"][0]["image"]


def test_a_rollback_puts_back_the_template_of_the_revision_before(bench: Bench, end: KubernetesEnd) -> None:
    order = bench.order(ROLLBACK)
    assert (order.version["images"], order.version["previous_images"]) == ("orders:2", "orders:1")
    seen = bench.actions.inspect(ROLLBACK[0], TARGET, {})
    assert seen.notes == ('It goes from "orders:2" to "orders:1", revision 1.', "All 2 instances are available.")
    assert bench.actions.run(order).result is Result.DONE
    assert end.deployment["spec"]["template"] == template("orders:1")
    assert end.deployment["metadata"]["annotations"]["middlewatch.io/rollback"] == order.digest
    end.settle()
    assert end.deployment["metadata"]["annotations"][REVISION] == "3"
    back = bench.order(ROLLBACK, digest="cd" * 32)
    assert bench.actions.run(back).result is Result.DONE
    assert image(end) == "orders:2", "its undo goes forward again"


def test_a_restart_is_no_deploy_to_go_back_to(bench: Bench, end: KubernetesEnd) -> None:
    assert bench.actions.run(bench.order(("restart_service", {}), digest="cd" * 32)).result is Result.DONE
    end.settle()
    assert end.deployment["metadata"]["annotations"][REVISION] == "3"
    assert bench.actions.run(bench.order(ROLLBACK)).result is Result.DONE
    assert image(end) == "orders:1"


def test_revisions_of_another_deployment_with_the_same_labels_are_left_out(bench: Bench, end: KubernetesEnd) -> None:
    end.sets = [found for found in end.sets if found["metadata"]["uid"] != "rs-1"]
    assert "no earlier revision" in bench.actions.inspect("rollback_deploy", TARGET, {}).problem


def test_a_status_or_a_scaling_in_between_voids_no_rollback(bench: Bench, end: KubernetesEnd) -> None:
    order = bench.order(ROLLBACK)
    end.deployment["status"]["availableReplicas"] = 0
    end.deployment["spec"]["replicas"] = 5
    end.deployment["metadata"]["generation"] += 1
    assert bench.actions.run(order).result is Result.DONE
    assert (image(end), end.deployment["spec"]["replicas"]) == ("orders:1", 5)


@pytest.mark.parametrize("anew", [False, True])
def test_a_change_between_the_look_and_the_call_is_refused_at_the_other_end(
    bench: Bench,
    end: KubernetesEnd,
    anew: bool,  # noqa: FBT001
) -> None:
    order, handled = bench.order(ROLLBACK), end.patch

    def late(operations: list[dict[str, Any]]) -> Any:
        if anew:
            end.deployment["metadata"]["uid"] = "d-2"
        else:
            end.deploy("orders:3")
        return handled(operations)

    end.patch = late  # type: ignore[method-assign]
    result = bench.actions.run(order)
    assert (result.result, "422" in result.detail) == (Result.NOT_DONE, True)
    assert image(end) == ("orders:2" if anew else "orders:3")


def test_an_instance_that_was_replaced_between_the_look_and_the_call_goes_on(bench: Bench, end: KubernetesEnd) -> None:
    order, handled = bench.order(("restart_instance", {"instance": "orders-2"})), end.delete

    def late(name: str, uid: str) -> Any:
        end.pods[name]["metadata"]["uid"] = "p-9"
        return handled(name, uid)

    end.delete = late  # type: ignore[method-assign]
    result = bench.actions.run(order)
    assert (result.result, "409" in result.detail) == (Result.NOT_DONE, True)
    assert "deletionTimestamp" not in end.pods["orders-2"]["metadata"]


def test_an_earlier_revision_that_was_rewritten_between_two_looks_is_not_put_back(bench: Bench, end: KubernetesEnd) -> None:
    order, got, looks = bench.order(ROLLBACK), end.get, []

    def late(path: str, query: dict[str, list[str]]) -> Any:
        if path.endswith("/replicasets"):
            looks.append(path)
            if len(looks) == 2:
                end.sets[0]["spec"]["template"]["spec"]["containers"][0]["image"] = "orders:evil"
        return got(path, query)

    end.get = late  # type: ignore[method-assign]
    assert bench.actions.run(order).result is Result.NOT_DONE
    assert (len(looks), end.changes) == (2, 0)


def test_a_new_deployment_of_the_same_name_is_another_target(bench: Bench, end: KubernetesEnd) -> None:
    order = bench.order(("restart_service", {}))
    end.deployment["metadata"]["uid"] = "d-2"
    assert bench.actions.run(order).result is Result.NOT_DONE
    assert bench.actions.probe(order).result is Result.UNKNOWN
    assert end.changes == 0


def test_what_is_under_way_is_not_called_done(bench: Bench, end: KubernetesEnd) -> None:
    order = bench.order(("restart_service", {}))
    assert bench.actions.run(order).result is Result.DONE
    assert bench.actions.probe(order).result is Result.UNKNOWN
    end.settle()
    end.deployment["status"]["updatedReplicas"] = 1
    stuck = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    end.deployment["status"]["conditions"] = [stuck]
    found = bench.actions.probe(order)
    assert (found.result, "ProgressDeadlineExceeded" in found.detail) == (Result.UNKNOWN, True)
    end.settle()
    assert bench.actions.probe(order).result is Result.DONE


def test_a_later_request_of_the_same_kind_hides_an_earlier_one_and_one_of_another_kind_does_not(
    bench: Bench, end: KubernetesEnd
) -> None:
    first = bench.order(("scale_up", {"by": 1}), digest="01" * 32)
    assert bench.actions.run(first).result is Result.DONE
    end.settle()
    assert bench.actions.run(bench.order(("restart_service", {}), digest="02" * 32)).result is Result.DONE
    end.settle()
    assert bench.actions.probe(first).result is Result.DONE
    assert bench.actions.run(bench.order(("scale_down", {"by": 1}), digest="03" * 32)).result is Result.DONE
    end.settle()
    assert bench.actions.probe(first).result is Result.UNKNOWN


def test_a_scaling_is_exact_and_within_the_bounds(bench: Bench, end: KubernetesEnd) -> None:
    assert "more than the configured 8" in bench.actions.inspect("scale_up", TARGET, {"by": 7}).problem
    assert "fewer than the configured 1" in bench.actions.inspect("scale_down", TARGET, {"by": 2}).problem
    order = bench.order(("scale_up", {"by": 6}))
    assert bench.actions.run(order).result is Result.DONE
    assert end.deployment["spec"]["replicas"] == 8
    end.settle()
    assert bench.actions.probe(order).result is Result.DONE
    end.deployment["spec"]["replicas"] = 3
    assert "something else scaled it" in bench.actions.probe(order).detail


def test_what_an_autoscaler_scales_is_not_scaled(bench: Bench, end: KubernetesEnd) -> None:
    end.autoscalers = [{"spec": {"scaleTargetRef": {"kind": "Deployment", "name": "other"}}}]
    assert bench.actions.inspect("scale_up", TARGET, {"by": 1}).problem == ""
    end.autoscalers.append({"spec": {"scaleTargetRef": {"kind": "Deployment", "name": "orders"}}})
    assert "autoscaler" in bench.actions.inspect("scale_up", TARGET, {"by": 1}).problem
    end.forbidden.add("/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers")
    seen = bench.actions.inspect("scale_up", TARGET, {"by": 1})
    assert (seen.problem, "could not be seen" in seen.notes[0]) == ("", True)


def test_paused_rollouts_are_left_alone(bench: Bench, end: KubernetesEnd) -> None:
    end.deployment["spec"]["paused"] = True
    for action in ("restart_service", "rollback_deploy"):
        assert "paused" in bench.actions.inspect(action, TARGET, {}).problem


def test_what_must_hold_is_looked_at_again_before_the_call(bench: Bench, end: KubernetesEnd) -> None:
    order = bench.order(("restart_service", {}))
    end.deployment["spec"]["paused"] = True
    result = bench.actions.run(order)
    assert (result.result, "paused" in result.detail, end.written) == (Result.NOT_DONE, True, [])


def test_every_instance_goes_by_its_own_uid(bench: Bench, end: KubernetesEnd) -> None:
    for number, pod in enumerate(("orders-1", "orders-2")):
        order = bench.order(("restart_instance", {"instance": pod}), digest=f"{number:064x}")
        assert bench.actions.run(order).result is Result.DONE
        end.settle()
    assert set(end.pods) == {"stranger-1"}


@pytest.mark.parametrize(("pod", "says"), [("stranger-1", "does not belong"), ("orders-9", "no instance")])
def test_only_an_instance_of_the_deployment_is_restarted(bench: Bench, pod: str, says: str) -> None:
    assert says in bench.actions.inspect("restart_instance", TARGET, {"instance": pod}).problem


def test_an_instance_that_ended_meanwhile_is_not_ended_again(bench: Bench, end: KubernetesEnd) -> None:
    order = bench.order(("restart_instance", {"instance": "orders-1"}))
    end.pods["orders-1"]["metadata"]["uid"] = "p-9"
    assert bench.actions.run(order).result is Result.NOT_DONE
    assert bench.actions.probe(order).result is Result.UNKNOWN
    del end.pods["orders-1"]
    assert bench.actions.run(order).result is Result.DONE
    assert (end.changes, end.written) == (0, [])


def test_a_restart_needs_no_annotations_in_the_template_and_keeps_those_there_are(bench: Bench, end: KubernetesEnd) -> None:
    kept = {"sidecar/inject": "true"}
    for own in ({}, kept):
        end.deployment["spec"]["template"] = template("orders:2", **own)
        order = bench.order(("restart_service", {}), digest=f"{len(own):064x}")
        assert bench.actions.run(order).result is Result.DONE
        found = dict(end.deployment["spec"]["template"]["metadata"]["annotations"])
        assert found.pop("kubectl.kubernetes.io/restartedAt").endswith("Z")
        assert found == own


def test_what_is_sent_is_what_was_planned(bench: Bench, end: KubernetesEnd) -> None:
    for number, case in enumerate(bench.cases):
        order = bench.order(case, digest=f"{number:064x}")
        (planned,) = bench.actions._catalogue.plan(case[0], TARGET, case[1], order.version)  # type: ignore[attr-defined]
        assert bench.actions.run(order).result is Result.DONE
        sent = end.written[-1]
        method, url, content_type, body = planned.split(" ", 3)
        assert (method, url.removeprefix("http://"), content_type) == (
            sent.method,
            sent.headers["host"] + sent.path,
            sent.headers["content-type"],
        )
        if case[0] in {"scale_up", "scale_down"}:
            shown = body.replace('"<generation, as read just before>"', str(end.deployment["metadata"]["generation"] - 1))
            assert shown.replace("<digest of this request>", order.digest).encode() == sent.body
        end.settle()
    assert NAMESPACE in planned
