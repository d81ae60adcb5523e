// my-function: greets whom the input names, {"name": "Ann"}.
import { code, context, events, invalid } from "org-ai";

export const run = code(({ name }) => {
  if (!name) throw invalid("name is empty");
  console.log(`greeting ${name} for ${context.get().actor}`);
  const greeting = { message: `Hello, ${name}!` };
  events.emit("Greeting.sent", greeting);
  return greeting;
});
