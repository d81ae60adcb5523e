# The peer for first writes: a Durable Object with SQLite that inserts one row.
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .object),
    (name = "disk", disk = (writable = true)) ],
  sockets = [ (name = "http", address = "127.0.0.1:0", http = (), service = "main") ]);
const object :Workerd.Worker = (
  modules = [ (name = "worker", esModule = embed "object.js") ],
  compatibilityDate = "2026-06-01",
  durableObjectNamespaces = [ (className = "Journal", uniqueKey = "journal", enableSql = true) ],
  durableObjectStorage = (localDisk = "disk"),
  bindings = [ (name = "JOURNAL", durableObjectNamespace = "Journal") ]);
