// my-function: greets whom the input names, {"name": "Ann"}.
import { code, context, events, invalid } from "org-ai";

interface Input {
  name: string;
}

interface Greeting {
  message: string;
}

export const run = code(({ name }: Input): Greeting => {
  if (!name) throw invalid("name is empty");
  console.log(`greeting ${name} for ${context.get().actor}`);
  const greeting = { message: `Hello, ${name}!` };
  events.emit("Greeting.sent", greeting);
  return greeting;
});
