"""The org.ai SDK for Python: JSON in and out as values, faults as exceptions.

    import org_ai

    @org_ai.code
    def WitWorld(input):
        return {"message": f"Hello, {input['name']}!"}
"""

import json

from componentize_py_types import Err
from wit_world.imports import actions as _actions
from wit_world.imports import context as _context
from wit_world.imports import events as _events
from wit_world.imports import timers as _timers
from wit_world.imports import types as _types
from wit_world.imports import worker as _worker


class Fault(Exception):
    """Why a call did not succeed. Raise one to fail with a code of your own; `kind` as in `not-found`."""

    def __init__(self, kind, code, message, details=None):
        super().__init__(message)
        self.kind, self.code, self.message, self.details = kind, code, message, details

    @property
    def is_unavailable(self):
        return self.kind == "unavailable"


def invalid(message):
    return Fault("invalid", "INVALID_INPUT", message)


def code(function):
    """Makes a function of JSON values the component's export. Its name has to be `WitWorld`."""

    class World:
        def run(self, input):
            try:
                return json.dumps(function(json.loads(input)), ensure_ascii=False)
            except Fault as fault:
                raise _to_wit(fault) from None
            except Err:
                raise
            except Exception as error:
                raise _to_wit(Fault("failed", "EXCEPTION", f"{type(error).__name__}: {error}")) from error

    World.__name__ = "WitWorld"
    return World


def _to_wit(fault):
    kind = _types.FaultKind[fault.kind.upper().replace("-", "_")]
    details = None if fault.details is None else json.dumps(fault.details)
    return Err(_types.Fault(kind, fault.code, fault.message, details))


def _call(function, *arguments):
    try:
        return function(*arguments)
    except Err as error:
        f = error.value
        kind = f.kind.name.lower().replace("_", "-")
        raise Fault(kind, f.code, f.message, None if f.details is None else json.loads(f.details)) from None


def _json(function, *arguments):
    return json.loads(_call(function, *arguments))


def _optional(value):
    return None if value is None else json.dumps(value)


def _options(options):
    """`timeout_ms=…, target=…`: what the options record of org-ai:actions has, absent ones as none."""
    names = ("idempotency_key", "timeout_ms", "retry", "target", "serial", "delay_ms", "step_id")
    unknown = set(options) - set(names)
    if unknown:
        raise TypeError(f"unknown option {sorted(unknown)[0]!r}; known are {', '.join(names)}")
    return _actions.Options(*(options.get(name) for name in names)) if options else None


class actions:
    """Calling other functions: `try_` now and once, `send` without waiting, `do` until it is done."""

    @staticmethod
    def try_(action, data, **options):
        return _json(_actions.try_, action, json.dumps(data), _options(options))

    @staticmethod
    def send(action, data, **options):
        return _call(_actions.send, action, json.dumps(data), _options(options))

    @staticmethod
    def do(action, data, **options):
        return _json(_actions.do, action, json.dumps(data), _options(options))


class context:
    """Who runs, where, for whom; and the function's log, beside what `print` writes there."""

    @staticmethod
    def get():
        return _context.get()

    @staticmethod
    def cancelled():
        return _context.cancelled()

    @staticmethod
    def log(level, message):
        _context.log(_context.Level[level.upper()], str(message))


class events:
    """Saying that something happened. `event` is `Noun.event`, `source` is `Noun/id`."""

    @staticmethod
    def emit(event, data, source=None):
        _call(_events.emit, event, json.dumps(data), source)


class timers:
    @staticmethod
    def sleep(milliseconds):
        _call(_timers.sleep, milliseconds)


class worker:
    """Agents and people behind one interface, named by a string; none is the durable object's default."""

    @staticmethod
    def do(task, worker=None, context=None):
        return _json(_worker.do, worker, json.dumps(task), _optional(context))

    @staticmethod
    def ask(question, worker=None, **options):
        return _json(_worker.ask, worker, question, json.dumps(options))

    @staticmethod
    def decide(question, options, worker=None):
        return _json(_worker.decide, worker, question, json.dumps(options))

    @staticmethod
    def approve(request, worker=None, **options):
        return _json(_worker.approve, worker, json.dumps(request), json.dumps(options))

    @staticmethod
    def generate(prompt, worker=None, **options):
        return _json(_worker.generate, worker, prompt, json.dumps(options))

    @staticmethod
    def notify(message, worker=None, **options):
        return _json(_worker.notify, worker, json.dumps(message), json.dumps(options))
