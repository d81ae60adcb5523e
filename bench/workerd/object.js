import { DurableObject } from "cloudflare:workers";

export class Journal extends DurableObject {
  add(text) {
    const { sql } = this.ctx.storage;
    sql.exec("CREATE TABLE IF NOT EXISTS entries (id INTEGER PRIMARY KEY, text TEXT NOT NULL)");
    return sql.exec("INSERT INTO entries (text) VALUES (?) RETURNING id", text).one().id;
  }

  newest() {
    const { sql } = this.ctx.storage;
    sql.exec("CREATE TABLE IF NOT EXISTS entries (id INTEGER PRIMARY KEY, text TEXT NOT NULL)");
    return sql.exec("SELECT id, text FROM entries ORDER BY id DESC LIMIT 1").toArray();
  }
}

export default {
  async fetch(request, env) {
    const name = new URL(request.url).pathname.slice(1);
    if (name.startsWith("read/")) {
      return Response.json(await env.JOURNAL.getByName(name.slice(5)).newest());
    }
    const id = await env.JOURNAL.getByName(name).add("first");
    return Response.json({ id });
  },
};
