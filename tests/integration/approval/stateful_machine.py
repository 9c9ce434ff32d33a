"""The machine of the stateful test of approvals: what people, the world and middlewatch do, and what always holds."""

from __future__ import annotations

import itertools
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from redis import Redis

from middlewatch.approval import controls
from middlewatch.approval.executor import Executor
from middlewatch.approval.timers import Sight, tend
from middlewatch.records import ApprovalRequest, Order, Recovery
from middlewatch.records import RequestState as S
from middlewatch.records.errors import Conflict, Misconfigured, Refused
from tests.approval_data import TENANT, Office, remediation
from tests.integration.approval.stateful_parts import (
    ACTIONS,
    HAPPENS,
    LEVEL,
    LONG,
    MEDDLING,
    PEOPLE,
    WAITING,
    Died,
    Hands,
    Known,
    Meddling,
    in_order,
    is_approved,
    is_change,
    policy_text,
)
from tests.integration.approval.working import KEYS, aged, all_due, at_once, freeze_text, look, now, open_office, resolve


class Protocol(RuleBasedStateMachine):
    redis: ClassVar[Redis]
    folder: ClassVar[Path]

    @initialize()
    def start(self) -> None:
        self.redis.flushall()
        self.epoch = 1
        self.office: Office = open_office(self.redis, self.folder)
        self.office.hands = Hands(self._may_run)
        self.roles = dict(PEOPLE)
        self.frozen = False
        self.rule_version = self.entry_version = 0
        self.known: dict[str, Known] = {}
        self.wrong: list[str] = []
        """What the hands were asked to do and should not have been; an assertion in there would count as a lost execution."""
        self._write_policy()
        for action in ("nudge", "roll_back"):
            self.propose(action, "", 1)

    # What people do

    @rule(action=st.sampled_from(ACTIONS), proposer=st.sampled_from(["", "", *PEOPLE]), n=st.integers(1, 2))
    def propose(self, action: str, proposer: str, n: int) -> None:
        wanted = remediation(action, investigation=f"inv-{n}")
        with suppress(Refused):
            if proposer:
                made = self.office.gateway.propose(wanted, self.office.policy.policy.principal(proposer))
            else:
                made = self.office.gateway.submit(wanted)
            self.known.setdefault(made.id, Known(action, proposer))

    @precondition(lambda self: self.known)
    @rule(
        data=st.data(),
        who=st.sampled_from([*PEOPLE, "eve"]),
        deny=st.sampled_from([False, False, False, True]),
        seen=st.sampled_from(["it"] * 5 + ["other", "nothing"]),
    )
    def decide(self, data: st.DataObject, who: str, seen: str, *, deny: bool) -> None:
        request = self._some(data)
        digest = {"it": request.digest, "other": "0" * 64, "nothing": ""}[seen]
        try:
            answer = resolve(self.office, request, self.office.policy.policy.principal(who), deny=deny, digest=digest)
        except Refused:
            assert look(self.office, request) == request
            return
        if answer.changed and deny:
            assert answer.request.state is S.DENIED
            assert self.roles.get(who)
        elif answer.changed:
            assert (seen, request.state) == ("it", S.PENDING)
            self.known[request.id].yes.add(who)
        else:
            assert answer.request == request

    @precondition(lambda self: self.known)
    @rule(data=st.data(), who=st.sampled_from([*PEOPLE]), by=st.integers(1, 3))
    def edit(self, data: st.DataObject, who: str, by: int) -> None:
        request = self._some(data)
        with suppress(Refused):
            made = self.office.gateway.edit(TENANT, request.id, {"by": by}, self.office.policy.policy.principal(who))
            self.known[made.id] = Known(request.remediation.action, who)
            assert look(self.office, request).state is S.SUPERSEDED

    @precondition(lambda self: self.known)
    @rule(data=st.data(), who=st.sampled_from([*PEOPLE]), undo=st.booleans())
    def ask_anew_or_take_back(self, data: st.DataObject, who: str, *, undo: bool) -> None:
        request = self._some(data)
        person = self.office.policy.policy.principal(who)
        with suppress(Refused):
            if undo:
                made = self.office.gateway.undo(TENANT, request.id, person)
                self.known.setdefault(made.id, Known(made.remediation.action, who))
            else:
                made = self.office.gateway.propose_again(TENANT, request.id, person)
                finding = not self.known[request.id].proposer  # a person's is theirs who asks anew
                self.known.setdefault(made.id, Known(made.remediation.action, "" if finding else who))

    @precondition(lambda self: self.known)
    @rule(data=st.data(), who=st.sampled_from([*PEOPLE]), happened=st.booleans())
    def tell_what_became_of_it(self, data: st.DataObject, who: str, *, happened: bool) -> None:
        request = self._some(data)
        person = self.office.policy.policy.principal(who)
        with suppress(Refused):
            answer = self.office.gateway.reconcile(TENANT, request.id, person, happened=happened, reason="", face="")
            assert answer.request.state.terminal

    @precondition(lambda self: self.known and self.frozen)
    @rule(data=st.data(), who=st.sampled_from(["mara", "mara", "max", "leo"]))
    def break_the_glass(self, data: st.DataObject, who: str) -> None:
        request = self._some(data)
        person = self.office.policy.policy.principal(who)
        with suppress(Refused):
            controls.break_glass(self.office.desk, TENANT, request.id, person, credential="open-sesame", reason="r", face="")
            assert (who, self.roles[who], self.frozen, request.state) == ("mara", "manager", True, S.APPROVED)
            self.known[request.id].smashed = True

    @precondition(lambda self: self.known)
    @rule(data=st.data(), who=st.sampled_from(["mara", "max"]))
    def review_the_glass(self, data: st.DataObject, who: str) -> None:
        request = self._some(data)
        with suppress(Refused):
            controls.review_glass(
                self.office.desk, TENANT, request.id, self.office.policy.policy.principal(who), reason="", face=""
            )

    # What the world does

    @rule(
        what=HAPPENS,
        who=st.sampled_from([*PEOPLE]),
        role=st.sampled_from(["", "member", "lead", "manager"]),
    )
    def something_happens(self, what: str, who: str, role: str) -> None:  # noqa: C901  one case each
        match what:
            case "calm":
                self._calm()
            case "role":
                before, self.roles[who] = self.roles[who], role
                try:
                    self._write_policy()
                except Misconfigured:  # nobody is left for a seat: such a file is refused as a whole
                    self.roles[who] = before
            case "freeze":
                self.frozen = True
            case "halt" | "lift":
                person = self.office.policy.policy.principal(who)
                with suppress(Refused):
                    (controls.lift if what == "lift" else controls.halt)(self.office.desk, TENANT, person, "", face="")
                    assert LEVEL[self.roles[who]] >= (2 if what == "lift" else 0)
            case "rule":
                self.rule_version += 1
            case "entry":
                self.entry_version += 1
                specs = self.office.catalogue.specs
                specs.update({name: spec.model_copy(update={"effect": f"{self.entry_version}"}) for name, spec in specs.items()})
            case "target":
                self.office.hands.version["revision"] = int(self.office.hands.version["revision"]) + 1
            case "due":
                all_due(self.office)
            case "epoch":
                self.epoch += 1
                later = open_office(self.redis, self.folder, epoch=self.epoch)
                later.hands, later.catalogue.specs = self.office.hands, self.office.catalogue.specs
                self.office = later
        self._write_policy()

    @precondition(lambda self: self.known)
    @rule(data=st.data(), seconds=st.sampled_from([30.0, LONG]))
    def let_time_pass(self, data: st.DataObject, seconds: float) -> None:
        request = self._some(data)
        if request.state in WAITING:
            aged(self.office, request, seconds)
            self.known[request.id].stale |= seconds == LONG

    @rule()
    def let_everything_be_due(self) -> None:
        all_due(self.office)

    @rule()
    def raise_the_epoch(self) -> None:
        self.epoch += 1
        later = open_office(self.redis, self.folder, epoch=self.epoch)
        later.hands, later.catalogue.specs = self.office.hands, self.office.catalogue.specs
        self.office = later
        self._write_policy()

    @rule(name=st.sampled_from(["one", "two"]))
    def execute(self, name: str) -> None:
        self._in_order()
        Executor(self.office.desk, self.office.hands, name=f"executor:{name}", acting_seconds=at_once).step(TENANT)

    @precondition(lambda self: self.known)
    @rule(data=st.data(), number=st.integers(0, 12), after=st.booleans(), what=MEDDLING)
    def execute_and_something_happens_in_between(self, data: st.DataObject, number: int, what: str, *, after: bool) -> None:
        self._execute_and_meddle(self._some(data), number, what, after=after)

    @precondition(lambda self: self.known)
    @rule(
        data=st.data(),
        what=st.sampled_from(["nothing", "role", "role", "freeze", "halt", "rule", "entry", "target", "epoch"]),
        who=st.sampled_from(["leo", "leo", "max"]),
        role=st.sampled_from(["member", ""]),
        number=st.integers(0, 6),
        after=st.booleans(),
        meddle=MEDDLING,
    )
    def something_happens_between_the_approval_and_the_beginning(
        self, data: st.DataObject, what: str, who: str, role: str, number: int, meddle: str, *, after: bool
    ) -> None:
        request = self._some(data)
        self._approve_whole(request)
        self.something_happens(what, who, role)
        self.redis.zadd(KEYS.due, {request.id: 0.5}, xx=True)
        self._execute_and_meddle(request, number, meddle, after=after)

    def _execute_and_meddle(self, request: ApprovalRequest, number: int, what: str, *, after: bool) -> None:
        """Before or after the nth call that the executor makes it dies, or everything is halted, or the request is denied."""

        def meddle() -> None:
            with suppress(Refused, Conflict):
                if what == "die":
                    raise Died
                if what == "halt":
                    controls.halt(self.office.desk, TENANT, self.office.policy.policy.principal("mia"), "", face="")
                elif what == "deny":
                    resolve(self.office, request, self.office.policy.policy.principal("mia"), deny=True)

        calls = itertools.count()
        store, audit, hands = (
            Meddling(one, meddle, lambda: next(calls) == number, after=after)
            for one in (self.office.desk.store, self.office.audit, self.office.hands)
        )
        desk = replace(self.office.desk, store=store, audit=audit)  # type: ignore[arg-type]
        self._in_order()
        with suppress(Died):
            Executor(desk, hands, name="executor:three", acting_seconds=at_once).step(TENANT)

    @rule(recovered=st.booleans())
    def tend(self, *, recovered: bool) -> None:
        self._in_order()
        sight = Sight(Recovery.RECOVERED if recovered else Recovery.WATCHING, "")
        tend(self.office.desk, TENANT, lambda _request, _now: sight)

    @precondition(lambda self: self.known)
    @rule(data=st.data(), steps=st.integers(1, 3))
    def go_on_with_one(self, data: st.DataObject, steps: int) -> None:
        """What mostly happens: the next step on the way of a request, by those who should."""
        request = self._some(data)
        for _ in range(2 * steps):
            request = look(self.office, request)
            if request.state is S.PENDING:
                for who in {"drain": ["max"], "both": ["lea", "mara"]}.get(request.remediation.action, ["lea"]):
                    self._approve(request, who)
            self.redis.zadd(KEYS.due, {request.id: 1}, xx=True)
            self.execute("one") if request.state in {S.PREPARING, S.APPROVED, S.UNKNOWN} else self.tend(recovered=True)

    # What always holds

    @invariant()
    def nothing_ran_that_should_not_have(self) -> None:
        assert self.wrong == [], self.wrong
        assert all(count == 1 for count in Counter(run.request for run in self.office.hands.runs).values())

    @invariant()
    def what_is_over_stays_over_and_nothing_open_is_forgotten(self) -> None:
        for kept in self.office.desk.store.list(TENANT):
            request, known = kept.request, self.known.setdefault(kept.request.id, Known(kept.request.remediation.action, ""))
            assert known.end in {None, request.state}
            if request.state.terminal:
                known.end = request.state
            else:
                assert self.redis.zscore(KEYS.due, request.id) is not None, request.state
            if request.state is S.PENDING and known.asked_at is None:
                known.asked_at = self._versions()
            if request.state is S.SUCCEEDED and request.execution and request.execution.reconciled_by in {"", "probe"}:
                assert any(run.request == request.id for run in self.office.hands.runs)

    @invariant()
    def every_change_has_its_event_and_nothing_begins_while_halted(self) -> None:
        changes: Counter[str] = Counter()
        began: Counter[str] = Counter()
        halted = False
        for row in self.office.audit.store.read(TENANT):
            kind, _, what = row.event.event.partition(".")
            halted = what == "set" if kind == "halt" and what in {"set", "lifted"} else halted
            if row.event.event == "execution.began":
                began[row.event.obj] += 1
                assert not halted
            if is_change(kind, what):
                changes[row.event.obj] += 1
        assert changes == {kept.request.id: kept.revision for kept in self.office.desk.store.list(TENANT)}
        assert set(began.values()) <= {1}

    def teardown(self) -> None:
        """In the end everything is over, whatever happened."""
        if not hasattr(self, "office"):
            return
        self._calm()
        for _ in range(6):
            for kept in self.office.desk.store.list(TENANT):
                if kept.request.state is S.PENDING:
                    aged(self.office, kept.request, LONG)
                    self.known[kept.request.id].stale = True
            all_due(self.office)
            executor = Executor(self.office.desk, self.office.hands, name="executor:last", acting_seconds=at_once)
            while executor.step(TENANT) or tend(self.office.desk, TENANT, lambda _request, _now: Sight(Recovery.RECOVERED, "")):
                pass
        self.nothing_ran_that_should_not_have()
        self.what_is_over_stays_over_and_nothing_open_is_forgotten()
        self.every_change_has_its_event_and_nothing_begins_while_halted()
        assert all(kept.request.state.terminal for kept in self.office.desk.store.list(TENANT))
        assert self.redis.zcard(KEYS.due) == 0

    # The model

    def _approve_whole(self, request: ApprovalRequest) -> None:
        """As far as it comes with everybody's approval."""
        if request.state is S.PREPARING:
            self.redis.zadd(KEYS.due, {request.id: 0.5}, xx=True)
            self.execute("one")
        for who in ("leo", "max"):
            self._approve(look(self.office, request), who)

    def _approve(self, request: ApprovalRequest, who: str) -> None:
        with suppress(Refused):
            if resolve(self.office, request, self.office.policy.policy.principal(who)).changed:
                self.known[request.id].yes.add(who)

    def _may_run(self, order: Order) -> None:
        """Called where something is about to be done to the world."""
        request = look(self.office, order.request)
        known = self.known.setdefault(request.id, Known(request.remediation.action, ""))
        bound = request.bound
        rules = {
            "it is executing": request.state is S.EXECUTING,
            "its intent is in the log": any(
                row.event.event == "execution.began" and row.event.obj == request.id for row in self.office.audit.store.read(TENANT)
            ),
            "it ran never before": not any(run.request == request.id for run in self.office.hands.runs),
            "it was approved by those who may": is_approved(known, self.roles),
            "it is what was shown": bound is not None
            and (order.digest, order.action, order.parameters, order.version)
            == (request.digest, request.remediation.action, request.remediation.parameters, bound.target_version),
            "no freeze is on": not self.frozen
            or request.undo
            or known.action == "annotate"  # changes nothing
            or (known.smashed and self.roles["mara"] == "manager"),
            "it is in time": not known.stale,
            "it is of this epoch": request.epoch == self.epoch,
            "the target is as it was": order.version == self.office.hands.version,
            "rule and entry are as they were": known.asked_at in {None, self._versions()},
        }
        self.wrong += [f"{request.id}: not so: {words}" for words, holds in rules.items() if not holds]

    def _versions(self) -> tuple[int, int, int]:
        return int(self.office.hands.version["revision"]), self.entry_version, self.rule_version

    def _some(self, data: st.DataObject) -> ApprovalRequest:
        """One of the latest requests; which one is drawn by its number, for ids are other ones in every run."""
        names = list(self.known)[-4:]
        return look(self.office, names[data.draw(st.integers(0, len(names) - 1))])

    def _calm(self) -> None:
        """Everybody has the role of before, no freeze is on, and nothing is halted."""
        self.roles, self.frozen = dict(PEOPLE), False
        self._write_policy()
        controls.lift(self.office.desk, TENANT, self.office.policy.person("mara"), "", face="")

    def _in_order(self) -> None:
        in_order(self.redis, self.known, now(self.office).timestamp() * 1000)

    def _write_policy(self) -> None:
        frozen = freeze_text(now(self.office), -60, 86_400) if self.frozen else ""
        self.office.policy.write(policy_text(self.roles, self.rule_version) + frozen)
