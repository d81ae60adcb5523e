// The official client against our `/mcp`. argv: URL, or `stdio` and a command with its arguments. The key is in KEY.
// Prints what it saw as one line of JSON.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [how, ...command] = process.argv.slice(2);
const transport =
  how === "stdio"
    ? new StdioClientTransport({ command: command[0], args: command.slice(1), env: process.env, stderr: "inherit" })
    : new StreamableHTTPClientTransport(new URL(how), {
        requestInit: { headers: process.env.KEY ? { authorization: `Bearer ${process.env.KEY}` } : {} },
      });
const client = new Client({ name: "peer", version: "1.0.0" });
const seen = {};
try {
  await client.connect(transport);
  seen.server = client.getServerVersion();
  seen.tools = (await client.listTools()).tools;
  seen.added = await client.callTool({ name: "calc_add", arguments: { a: 19, b: 23 } });
  seen.wrong = await client.callTool({ name: "calc_add", arguments: { a: "x" } });
  seen.unknown = await client.callTool({ name: "none", arguments: {} }).catch((e) => ({ code: e.code }));
  seen.templates = (await client.listResourceTemplates()).resourceTemplates;
  seen.resources = (await client.listResources()).resources;
  seen.read = (await client.readResource({ uri: "things://Startup/acme" })).contents;
  seen.old = (await client.readResource({ uri: "things://Startup/acme@~1" })).contents;
  seen.missing = await client.readResource({ uri: "things://Startup/none" }).catch((e) => ({ code: e.code }));
  await client.close();
} catch (error) {
  seen.failed = { name: error.constructor.name, code: error.code ?? null, message: String(error.message) };
}
console.log(JSON.stringify(seen));
process.exit(0);
