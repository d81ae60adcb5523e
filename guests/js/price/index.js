// price: what a line of an order costs, with the discount that the function `discount` grants for the quantity.
// Input: {"sku": "tea", "quantity": 2}.
import { actions, code, context, events, invalid, log, worker } from "org-ai";

const CENTS = { tea: 450, coffee: 900, honey: 1250 };

export const run = code(({ sku, quantity = 1 }) => {
  const unit = CENTS[sku];
  if (unit === undefined) throw invalid(`no price for ${JSON.stringify(sku)}; there are ${Object.keys(CENTS).join(", ")}`);
  if (!Number.isSafeInteger(quantity) || quantity < 1) throw invalid("quantity is a whole number from 1");

  const { percent } = actions.try("discount", { quantity });
  const total_cents = Math.round((unit * quantity * (100 - percent)) / 100);
  console.log(`${quantity} x ${sku} at ${unit} cents, ${percent} % off: ${total_cents} cents`);

  // A random sample of quotes is looked at by somebody, where there is somebody.
  const sample = Math.random();
  if (sample < 0.1 || total_cents > 100_000) review(sku, total_cents);
  events.emit("Price.quoted", { sku, quantity, total_cents }, `Price/${sku}`);
  return { sku, quantity, percent, total_cents, quoted_for: context.get().actor };
});

function review(sku, total_cents) {
  try {
    const answer = worker.ask(`Is ${total_cents} cents right for ${sku}?`, { timeout: "PT10S" });
    log.info(`reviewed: ${answer.text}`);
  } catch (fault) {
    if (!fault.isUnavailable) throw fault;
    log.warn(`nobody to ask: ${fault.message}`);
  }
}
