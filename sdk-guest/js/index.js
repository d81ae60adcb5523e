// The org.ai SDK for JavaScript and TypeScript: JSON in and out as values, faults as exceptions.
import * as rawActions from "org-ai:actions/actions@0.1.0";
import * as rawContext from "org-ai:context/context@0.1.0";
import * as rawEvents from "org-ai:events/events@0.1.0";
import * as rawIntegration from "org-ai:integration/integration@0.1.0";
import * as rawSearch from "org-ai:search/search@0.1.0";
import * as rawThings from "org-ai:things/things@0.1.0";
import * as rawTimers from "org-ai:timers/timers@0.1.0";
import * as rawWorker from "org-ai:worker/worker@0.1.0";

// Why a call did not succeed. Throw one to fail with a code of your own.
export class Fault extends Error {
  constructor(kind, code, message, details = null) {
    super(message);
    this.name = "Fault";
    this.kind = kind;
    this.code = code;
    this.details = details;
  }
  get isUnavailable() {
    return this.kind === "unavailable";
  }
}

export const invalid = (message) => new Fault("invalid", "INVALID_INPUT", message);

// `export const run = code((input) => output)`
export function code(handler) {
  return (input) => {
    try {
      const output = handler(JSON.parse(input));
      if (typeof output?.then === "function") {
        throw new Fault("failed", "ASYNC", "a function answers with a value, not a promise: imports are plain calls");
      }
      return JSON.stringify(output ?? null);
    } catch (error) {
      throw toWit(error);
    }
  };
}

const text = (value) => JSON.stringify(value ?? null);
const optional = (value) => (value === undefined || value === null ? undefined : JSON.stringify(value));

// What the host threw, as a Fault; what a result<json, fault> gave, as a value.
function call(invoke) {
  let answer;
  try {
    answer = invoke();
  } catch (error) {
    const fault = error?.payload ?? error;
    if (fault && typeof fault.kind === "string" && typeof fault.code === "string") {
      throw new Fault(fault.kind, fault.code, fault.message, fault.details ? JSON.parse(fault.details) : null);
    }
    throw error;
  }
  return answer;
}
const json = (invoke) => {
  const answer = call(invoke);
  return answer === undefined || answer === null ? null : JSON.parse(answer);
};

function toWit(error) {
  if (error instanceof Fault) {
    return { kind: error.kind, code: error.code, message: error.message, details: optional(error.details) };
  }
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return { kind: "failed", code: "EXCEPTION", message, details: undefined };
}

// Every field of the record is named, absent ones as none.
const options = (o) =>
  o && {
    idempotencyKey: o.idempotencyKey,
    timeoutMs: o.timeoutMs,
    retry: o.retry,
    target: o.target,
    serial: o.serial,
    delayMs: o.delayMs,
    stepId: o.stepId,
  };

// `try` and `do` are words of the language: an engine may export them under another name.
const rawTry = rawActions["try"] ?? rawActions["_try"];
const rawDo = rawActions["do"] ?? rawActions["_do"];
const rawWorkerDo = rawWorker["do"] ?? rawWorker["_do"];

export const actions = {
  try: (action, data, o) => json(() => rawTry(action, text(data), options(o))),
  send: (action, data, o) => call(() => rawActions.send(action, text(data), options(o))),
  do: (action, data, o) => json(() => rawDo(action, text(data), options(o))),
  start: (action, data, o) => call(() => rawActions.start(action, text(data), options(o))),
  join: (id) => json(() => rawActions.join(id)),
};

export const context = {
  get: () => rawContext.get(),
  cancelled: () => rawContext.cancelled(),
};

export const log = {
  debug: (message) => rawContext.log("debug", String(message)),
  info: (message) => rawContext.log("info", String(message)),
  warn: (message) => rawContext.log("warn", String(message)),
  error: (message) => rawContext.log("error", String(message)),
};

export const events = {
  emit: (event, data, source) => call(() => rawEvents.emit(event, text(data), source)),
  waitFor: (event, filter, timeoutMs) => json(() => rawEvents.waitFor(event, filter, timeoutMs)),
};

export const timers = {
  sleep: (ms) => call(() => rawTimers.sleep(ms)),
  after: (name, ms, action, data) => call(() => rawTimers.after(name, ms, action, text(data))),
  cancel: (name) => call(() => rawTimers.cancel(name)),
};

// A worker is named by a string (`Agent/support`, `Human/ann@acme.example`, `role:finance`); none is the default one.
export const worker = {
  do: (task, { worker, context } = {}) => json(() => rawWorkerDo(worker, text(task), optional(context))),
  ask: (question, { worker, ...o } = {}) => json(() => rawWorker.ask(worker, question, text(o))),
  decide: (question, { worker, ...o }) => json(() => rawWorker.decide(worker, question, text(o))),
  approve: (request, { worker, ...o } = {}) => json(() => rawWorker.approve(worker, text(request), text(o))),
  generate: (prompt, { worker, ...o } = {}) => json(() => rawWorker.generate(worker, prompt, text(o))),
  notify: (message, { worker, ...o } = {}) => json(() => rawWorker.notify(worker, text(message), text(o))),
};

export const integration = {
  call: (provider, method, args) => json(() => rawIntegration.call(provider, method, text(args))),
};

export const things = {
  get: (noun, id, at) => json(() => rawThings.get({ noun, id, at })),
  list: (noun, query) => json(() => rawThings.list(noun, optional(query))),
  create: (noun, data) => json(() => rawThings.create(noun, text(data), undefined)),
  put: (noun, id, data) => json(() => rawThings.put({ noun, id, at: undefined }, text(data), undefined)),
};

export const search = (query) => json(() => rawSearch.query(text(query)));
