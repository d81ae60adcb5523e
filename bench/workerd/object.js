import { DurableObject } from "cloudflare:workers";

export class Journal extends DurableObject {
  add(text) {
    const { sql } = this.ctx.storage;
    sql.exec("CREATE TABLE IF NOT EXISTS entries (id INTEGER PRIMARY KEY, text TEXT NOT NULL)");
    return sql.exec("INSERT INTO entries (text) VALUES (?) RETURNING id", text).one().id;
  }
}

export default {
  async fetch(request, env) {
    const name = new URL(request.url).pathname.slice(1);
    const id = await env.JOURNAL.getByName(name).add("first");
    return Response.json({ id });
  },
};
