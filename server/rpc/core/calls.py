"""The threads that calls run on, and which calls are let in, which is decided before a call takes a thread.

Each gate has threads of its own, so that neither streams nor calls keep the control plane from answering.
Relies on what grpcio gives its pool: run(in_pool, event, state, behaviour, argument, deserializer,
serializer). tests/integration/server/admission/test_admission.py fails if that ever changes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import Any

import grpc
import structlog
from grpc._server import _Context

from server.errors import DeadlinePassedError
from server.host.scheduling import cores
from server.rpc.admission.callers import CallerNames
from server.rpc.admission.gates import Gate
from server.rpc.calls.lifetime import Lifetimes
from server.rpc.core.unary import Refusals
from server.rpc.errors import CallStatus, abort

_LOG = structlog.get_logger(__name__)
_MOST_CALL_THREADS = 64
_JOIN_S = 5.0
Behaviour = Callable[[Any, grpc.ServicerContext], Any]
Task = Callable[[], None]
"""A piece of work, which frees its place in the gate itself and never raises."""


class Lane:
    """Threads for one kind of work, started as they are needed, and what waits for them. Safe for threads."""

    def __init__(self, name: str, most_threads: int, inside: Callable[[], int]) -> None:
        """Takes the most threads, and what returns how many tasks are waiting or being done."""
        self._name = name
        self._most_threads = most_threads
        self._inside = inside
        self._growing = threading.Lock()
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def put(self, task: Task) -> None:
        """Queues a task, which `inside` already counts."""
        if len(self._threads) < self._most_threads:
            self._grow()
        self._tasks.put(task)

    def end(self) -> None:
        """Ends the threads once everything is done; waits a few seconds for that."""
        for _ in self._threads:
            self._tasks.put(None)
        deadline = time.monotonic() + _JOIN_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _grow(self) -> None:
        with self._growing:
            number = len(self._threads)
            if number < min(self._inside(), self._most_threads):
                thread = threading.Thread(target=self._work, name=f"{self._name} {number}", daemon=True)
                self._threads.append(thread)
                thread.start()

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
        holding: Collection[Gate],
        control_threads: int,
        packed_threads: int,
        names: CallerNames,
        refusals: Refusals,
        request_timeout_s: float,
    ) -> None:
        """Takes the gates of methods by full name, complete once calls come, and that of all others.

        holding: gates whose calls hold a thread each while they wait for their callers.
        """
        self._holding = holding
        self._requests = Lifetimes(request_timeout_s)
        self._gates = gates
        self._names = names
        self._refusals = refusals
        self._control = control
        threads = max(2, cores())
        self.frames = Lane("frames", threads, lambda: threads)
        """What works on large frames of streams."""
        self.packed = Lane("packed", packed_threads, lambda: packed_threads)
        """What decompresses requests and works for them."""
        self._lanes = {control: Lane(control.resource, control_threads, lambda: control.inside)}
        self._next: tuple[Gate, str] | None = None
        self._done: Future[None] = Future()
        self._done.set_result(None)

    def start(self) -> None:
        """Begins to end calls whose requests do not come."""
        self._requests.start()

    def admit(self, method: str, event: Any) -> CallStatus | None:
        """Lets a call in, or returns what to end it with."""
        if self._next is not None:  # grpcio ended the last call without a thread: it has no such method
            gate, caller = self._next
            gate.leave(caller)
            self._next = None
        gate = self._gates.get(method, self._control)
        caller = self.caller(gate, event)
        refusal = gate.enter(caller)
        if refusal is not None:
            return self._refusals(gate, refusal)
        self._next = (gate, caller)
        return None

    def submit(self, run: Callable[..., Any], /, *arguments: Any, **_: Any) -> Future[Any]:
        """Has the call that was let in last run by a thread of its gate."""
        if self._next is None:
            raise RuntimeError("only gRPC submits, and only what was let in")
        gate, caller = self._next
        self._next = None
        self.lane(gate).put(lambda: self._run(gate, run, arguments, caller))
        return self._done  # grpcio only counts with it, and only when it has a limit of its own

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """Ends the threads once everything is done."""
        self._requests.stop()
        for lane in (*self._lanes.values(), self.frames, self.packed):
            lane.end()

    def caller(self, gate: Gate, event: Any) -> str:
        """Returns the name of who calls, where a gate counts callers."""
        return self.name(event) if gate.counts_callers else ""

    def name(self, event: Any) -> str:
        """Returns the name of who calls."""
        state: Any = None  # which is for a call that was taken up
        return self._names.of(_Context(event, state, None))

    def lane(self, gate: Gate) -> Lane:
        """Returns the threads of a gate."""
        found = self._lanes.get(gate)
        if found is None:
            most = gate.limit if gate in self._holding else min(gate.limit, _MOST_CALL_THREADS)
            found = self._lanes[gate] = Lane(gate.resource, most, lambda: gate.inside)
        return found

    def _run(self, gate: Gate, run: Callable[..., Any], arguments: tuple[Any, ...], caller: str) -> None:
        try:
            if arguments[1].call_details.deadline <= time.time():
                arguments = _with(arguments, self._late(gate))
            elif gate.resource == "watchers":
                arguments = self._in_time(arguments)
            run(*arguments)
        except Exception:
            _LOG.exception("a call failed outside of its behaviour")
        finally:
            gate.leave(caller)

    def _in_time(self, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """Returns the arguments of a run that cuts its call off if the one request does not come."""
        in_pool, event, state, behaviour, request, *codec = arguments
        code, why = grpc.StatusCode.DEADLINE_EXCEEDED.value[0], "the request did not come in time"

        def in_time() -> Any:
            self._requests.add(event, lambda: event.call.cancel(code, why))
            try:
                return request()
            finally:
                self._requests.remove(event)

        return in_pool, event, state, behaviour, in_time, *codec

    def _late(self, gate: Gate) -> Behaviour:
        def behave(_: Any, context: grpc.ServicerContext) -> None:
            abort(context, self._refusals(gate, DeadlinePassedError()))

        return behave


def _with(arguments: tuple[Any, ...], behaviour: Behaviour) -> tuple[Any, ...]:
    """Returns what grpcio handed over, with a behaviour that waits for no request."""
    in_pool, event, state, *_ = arguments
    return in_pool, event, state, behaviour, _nothing, None, None


def _nothing() -> bytes:
    return b""
