// discount: the percentage off for a quantity. Input: {"quantity": 12}. It says hello to its caller to show a call of
// a function in another language.
import { actions, code, context, events, invalid, worker } from "org-ai";
import { percentFor } from "./tiers";

interface Input {
  quantity: number;
}

export const run = code(({ quantity }: Input) => {
  if (!(quantity >= 1)) throw invalid("quantity is a number from 1");
  const percent = percentFor(quantity);
  const me = context.get();
  const greeting = actions.try<{ message: string }>("hello", { name: me.actor });
  console.log(greeting.message, `${percent} % for ${quantity}`);
  if (percent > 0) events.emit("Discount.granted", { quantity, percent });
  return { quantity, percent, approved_by: percent >= 30 ? approver(percent) : null };
});

function approver(percent: number): string {
  try {
    return worker.ask<{ answeredBy: string }>(`Grant ${percent} %?`).answeredBy;
  } catch (fault: any) {
    if (!fault.isUnavailable) throw fault;
    return "nobody: no worker is served";
  }
}
