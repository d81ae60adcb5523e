/** The org.ai SDK for JavaScript and TypeScript. */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export type FaultKind =
  | "invalid" | "unauthenticated" | "forbidden" | "not-found" | "conflict" | "gone" | "limit"
  | "rate-limited" | "timeout" | "cancelled" | "failed" | "upstream" | "unavailable" | "internal";

/** Why a call did not succeed. Throw one to fail with a code of your own. */
export class Fault extends Error {
  constructor(kind: FaultKind, code: string, message: string, details?: unknown);
  readonly kind: FaultKind;
  readonly code: string;
  readonly details: unknown;
  readonly isUnavailable: boolean;
}
export function invalid(message: string): Fault;

/** `export const run = code((input: Input) => output)` */
export function code<I, O>(handler: (input: I) => O): (input: string) => string;

export interface Options {
  /** Equal keys mean one run for 24 h. */
  idempotencyKey?: string;
  /** Per attempt, in milliseconds. */
  timeoutMs?: number;
  retry?: { maxAttempts: number; initialDelayMs: number; maxDelayMs: number; multiplier: number; jitter: boolean };
  /** URL of another durable object that should run it. */
  target?: string;
  serial?: string;
  delayMs?: number;
  stepId?: string;
}

export const actions: {
  /** One attempt, now. */
  try<O = any>(action: string, data: unknown, options?: Options): O;
  /** Fire and forget: the id of the action. */
  send(action: string, data: unknown, options?: Options): string;
  /** Recorded before it runs, retried, finished whatever crashes. */
  do<O = any>(action: string, data: unknown, options?: Options): O;
  start(action: string, data: unknown, options?: Options): string;
  join<O = any>(actionId: string): O;
};

export interface Invocation {
  id: string;
  namespace: string;
  function: string;
  version: number;
  actor: string;
  attempt: number;
  deadlineMs: number;
  parent?: string | null;
}
export const context: { get(): Invocation; cancelled(): boolean };
export const log: Record<"debug" | "info" | "warn" | "error", (message: unknown) => void>;
export const events: {
  /** `event` is `Noun.event`, `source` is `Noun/id`. */
  emit(event: string, data: unknown, source?: string): void;
  waitFor<T = any>(event: string, filter?: string, timeoutMs?: number): T;
};
export const timers: {
  sleep(ms: number): void;
  after(name: string, ms: number, action: string, data: unknown): void;
  cancel(name: string): boolean;
};

type WorkerOptions = { worker?: string; [key: string]: unknown };
export const worker: {
  do<O = any>(task: unknown, options?: { worker?: string; context?: unknown }): O;
  ask<O = any>(question: string, options?: WorkerOptions): O;
  decide<O = any>(question: string, options: WorkerOptions): O;
  approve<O = any>(request: unknown, options?: WorkerOptions): O;
  generate<O = any>(prompt: string, options?: WorkerOptions): O;
  notify<O = any>(message: unknown, options?: WorkerOptions): O;
};
export const integration: { call<O = any>(provider: string, method: string, args: unknown): O };
export const things: {
  get<O = any>(noun: string, id: string, at?: string): O;
  list<O = any>(noun: string, query?: unknown): O;
  create<O = any>(noun: string, data: unknown): O;
  put<O = any>(noun: string, id: string, data: unknown): O;
};
export function search<O = any>(query: unknown): O;
