"""The threads that calls run on, and the decision which calls are let in: each before it takes a thread.

Each gate has threads of its own, so that neither streams nor calls keep the control plane from answering.
Leans on what grpcio gives its pool: run(in_pool, event, state, behaviour, argument, deserializer,
serializer). tests/integration/server/test_admission.py fails if that ever changes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import Any

import grpc
import structlog
from grpc._server import _Context

from server.errors import DeadlinePassedError
from server.rpc.admission import Gate
from server.rpc.callers import CallerNames
from server.rpc.errors import CallStatus, abort
from server.rpc.unary import Refusals

_LOG = structlog.get_logger(__name__)
Behaviour = Callable[[Any, grpc.ServicerContext], Any]
Task = Callable[[], None]
"""Something to be done, which gives back its place in the gate by itself and never raises."""


class Lane:
    """The threads of one gate, started as they are needed, and what waits for them."""

    def __init__(self, gate: Gate, most_threads: int) -> None:
        """Takes how many threads there may be."""
        self.gate = gate
        self._most_threads = most_threads
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def put(self, task: Task) -> None:
        """Has a task done, which has its place in the gate already."""
        if len(self._threads) < min(self.gate.inside, self._most_threads):
            thread = threading.Thread(
                target=self._work, name=f"{self.gate.resource} {len(self._threads)}", daemon=True
            )
            self._threads.append(thread)
            thread.start()
        self._tasks.put(task)

    def end(self) -> None:
        """Waits until everything is done and ends the threads."""
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        take = self._tasks.get
        while (task := take()) is not None:
            task()
            del task  # or this thread would keep the call until its next one


class CallThreads(Executor):
    """The pool that gRPC gets. `admit` and `submit` are for gRPC's polling thread alone."""

    def __init__(
        self,
        gates: Mapping[str, Gate],
        control: Gate,
        *,
        control_threads: int,
        names: CallerNames,
        refusals: Refusals,
    ) -> None:
        """Takes the gates of methods by full name, complete once calls come, and that of all others."""
        self._gates = gates
        self._names = names
        self._refusals = refusals
        self._control = Lane(control, control_threads)
        self._lanes: dict[Gate, Lane] = {control: self._control}
        self._next: tuple[Lane, str] | None = None
        self._done: Future[None] = Future()
        self._done.set_result(None)

    def admit(self, method: str, event: Any) -> CallStatus | None:
        """Lets a call in, or gives what to end it with."""
        if self._next is not None:  # grpcio ended the last call without a thread, as it knows no such method
            lane, caller = self._next
            lane.gate.leave(caller)
            self._next = None
        gate = self._gates.get(method)
        lane = self._control if gate is None else self.lane(gate)
        gate = lane.gate
        caller = self.caller(gate, event)
        refusal = gate.enter(caller)
        if refusal is not None:
            return self._refusals(gate, refusal)
        self._next = (lane, caller)
        return None

    def submit(self, run: Callable[..., Any], /, *arguments: Any, **_: Any) -> Future[Any]:
        """Has the call that was let in last run by a thread of its gate."""
        if self._next is None:
            raise RuntimeError("only gRPC submits, and only what was let in")
        lane, caller = self._next
        self._next = None
        lane.put(lambda: self._run(lane.gate, run, arguments, caller))
        return self._done  # gRPC only counts with it, and only where it is given a limit itself

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """Ends the threads once everything is done."""
        for lane in self._lanes.values():
            lane.end()

    def caller(self, gate: Gate, event: Any) -> str:
        """Gives the name of who calls, where a gate wants to know."""
        state: Any = None  # which is for a call that was taken up
        return "" if gate.callers is None else self._names.of(_Context(event, state, None))

    def lane(self, gate: Gate) -> Lane:
        """Gives the threads of a gate."""
        found = self._lanes.get(gate)
        if found is None:
            found = self._lanes[gate] = Lane(gate, gate.limit)
        return found

    def _run(self, gate: Gate, run: Callable[..., Any], arguments: tuple[Any, ...], caller: str) -> None:
        try:
            if arguments[1].call_details.deadline <= time.time():
                arguments = _with(arguments, self._late(gate))
            run(*arguments)
        except Exception:
            _LOG.exception("a call failed outside of its behaviour")
        finally:
            gate.leave(caller)

    def _late(self, gate: Gate) -> Behaviour:
        def behave(_: Any, context: grpc.ServicerContext) -> None:
            abort(context, self._refusals(gate, DeadlinePassedError()))

        return behave


def _with(arguments: tuple[Any, ...], behaviour: Behaviour) -> tuple[Any, ...]:
    """Gives what gRPC handed over with another behaviour, one that waits for no request."""
    in_pool, event, state, *_ = arguments
    return in_pool, event, state, behaviour, _nothing, None, None


def _nothing() -> bytes:
    return b""
