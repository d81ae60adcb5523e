// What QuickJS lacks, put in place before a guest's own code: a console that writes to the function's log, and random
// numbers that come from the host instead of from the moment of the build.
import * as stdout from "wasi:cli/stdout@0.2.12";
import * as stderr from "wasi:cli/stderr@0.2.12";
import * as random from "wasi:random/random@0.2.12";

// One write of WASI takes at most 4096 bytes.
const WRITE_BYTES_MAX = 4096;

function utf8(text) {
  const encoded = unescape(encodeURIComponent(text));
  const bytes = new Uint8Array(encoded.length);
  for (let i = 0; i < encoded.length; i++) bytes[i] = encoded.charCodeAt(i);
  return bytes;
}

function show(value) {
  if (typeof value === "string") return value;
  if (value instanceof Error) return value.stack ? `${value.name}: ${value.message}\n${value.stack}` : String(value);
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}

function writer(open) {
  let stream;
  return (...values) => {
    stream ??= open();
    const bytes = utf8(values.map(show).join(" ") + "\n");
    for (let at = 0; at < bytes.length; at += WRITE_BYTES_MAX) {
      stream.blockingWriteAndFlush(bytes.subarray(at, at + WRITE_BYTES_MAX));
    }
  };
}

const out = writer(() => stdout.getStdout());
const err = writer(() => stderr.getStderr());
globalThis.console = { log: out, info: out, debug: out, warn: err, error: err, trace: err };

// sfc32, seeded from the host at the first use in each instance: never during the build, whose state every instance
// starts from.
let state;
function next() {
  if (!state) {
    const seed = random.getRandomBytes(16);
    const word = (i) => seed[i] | (seed[i + 1] << 8) | (seed[i + 2] << 16) | (seed[i + 3] << 24);
    state = [word(0), word(4), word(8), word(12)];
    for (let i = 0; i < 12; i++) step();
  }
  return step();
}
function step() {
  const [a, b, c, d] = state;
  const sum = (((a + b) | 0) + d) | 0;
  state = [b ^ (b >>> 9), (c + (c << 3)) | 0, (((c << 21) | (c >>> 11)) + sum) | 0, (d + 1) | 0];
  return sum >>> 0;
}
Math.random = () => ((next() >>> 5) * 67108864 + (next() >>> 6)) / 9007199254740992;

globalThis.crypto ??= {
  getRandomValues(array) {
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength).set(random.getRandomBytes(array.byteLength));
    return array;
  },
};
