// What Restate is measured by: a service whose handlers journal as many steps as their name says.
import * as restate from "@restatedev/restate-sdk";

const taking = (count) => async (ctx) => {
  for (let step = 1; step <= count; step++) {
    await ctx.run(`step ${step}`, () => ({ step }));
  }
  return { steps: count };
};

const steps = restate.service({ name: "steps", handlers: { one: taking(1), three: taking(3) } });
restate.serve({ services: [steps], port: Number(process.env.PORT) });
