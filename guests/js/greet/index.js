// greet: hello in JavaScript, so that both can be measured side by side. Input: {"name": "Ann"}.
import { code } from "org-ai";

export const run = code(({ name = "world" }) => ({ message: `Hello, ${name}!` }));
