// The official server, with sessions, for our client; and a model that calls the first tool it is given and then repeats
// what that answered. Prints its port as the first line. Every message needs the bearer token `peer-token`.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { z } from "zod";

const calls = [];
const sessions = new Map();

function tools() {
  const server = new McpServer({ name: "peer", version: "1.0.0" });
  server.registerTool(
    "lookup",
    {
      description: "Finds a ticket",
      inputSchema: { id: z.string() },
      outputSchema: { id: z.string(), title: z.string() },
      annotations: { readOnlyHint: true },
    },
    async ({ id }) => {
      calls.push(`lookup ${id}`);
      const structuredContent = { id, title: `ticket ${id}` };
      return { content: [{ type: "text", text: JSON.stringify(structuredContent) }], structuredContent };
    },
  );
  server.registerTool("close", { description: "Closes a ticket", inputSchema: { id: z.string() } }, async ({ id }) => {
    calls.push(`close ${id}`);
    return { isError: true, content: [{ type: "text", text: `ticket ${id} is locked` }] };
  });
  return server;
}

async function body(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return chunks.length ? JSON.parse(Buffer.concat(chunks).toString()) : undefined;
}

async function mcp(request, response) {
  if (request.headers.authorization !== "Bearer peer-token") return response.writeHead(401).end();
  const message = await body(request);
  const session = request.headers["mcp-session-id"];
  let transport = session && sessions.get(session);
  if (session && !transport) return response.writeHead(404).end();
  if (!transport) {
    transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: () => randomUUID(),
      onsessioninitialized: (id) => sessions.set(id, transport),
    });
    await tools().connect(transport);
  }
  await transport.handleRequest(request, response, message);
}

async function model(request, response) {
  const asked = await body(request);
  const last = asked.messages.at(-1);
  const tool = asked.tools?.[0]?.function.name;
  const call = { id: "call-1", type: "function", function: { name: tool, arguments: JSON.stringify({ id: "42" }) } };
  const message =
    last.role === "tool" || !tool
      ? { role: "assistant", content: `it said ${last.content}` }
      : { role: "assistant", content: null, tool_calls: [call] };
  const finish_reason = message.tool_calls ? "tool_calls" : "stop";
  const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify({ id: "c", object: "chat.completion", choices: [{ index: 0, message, finish_reason }], usage }));
}

const server = createServer((request, response) => {
  const path = new URL(request.url, "http://peer").pathname;
  const answer = async () => {
    if (path === "/mcp") return mcp(request, response);
    if (path === "/v1/chat/completions") return model(request, response);
    if (path === "/calls") return response.end(JSON.stringify(calls));
    if (path === "/forget") {
      for (const transport of sessions.values()) await transport.close();
      sessions.clear();
      return response.end();
    }
    response.writeHead(404).end();
  };
  answer().catch((error) => {
    console.error(error);
    if (!response.headersSent) response.writeHead(500);
    response.end();
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
