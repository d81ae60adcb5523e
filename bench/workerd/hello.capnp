# The peer for invocations: workerd's smallest worker.
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [ (name = "main", worker = .hello) ],
  sockets = [ (name = "http", address = "127.0.0.1:0", http = (), service = "main") ]);
const hello :Workerd.Worker = (
  modules = [ (name = "worker", esModule = "export default { async fetch() { return new Response('{\"hello\":\"world\"}'); } };") ],
  compatibilityDate = "2026-06-01");
