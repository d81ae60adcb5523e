//! What a component says about itself: whether it is one, what it needs, what it offers.

use crate::nearest::nearest;
use crate::schema;
use crate::shape::{Signature, Ty};
use std::collections::BTreeSet;
use types::exec::Inspection;
use types::{ActionShape, Fault, FunctionKind, Json};
use wasmtime::component::types::{Component as ComponentType, ComponentFunc, ComponentItem};
use wasmtime::component::{Component, ComponentExportIndex};

/// What a run calls.
pub enum Entry {
    /// `run` of world `code`.
    Code(ComponentExportIndex),
    Tools(Vec<Tool>),
    /// `describe` and `handle` of world `app`.
    App {
        describe: ComponentExportIndex,
        handle: ComponentExportIndex,
    },
    /// `prompt` and `finish` of world `generative`.
    Generative {
        prompt: ComponentExportIndex,
        finish: ComponentExportIndex,
    },
    /// World `agentic`.
    Agentic {
        goal: ComponentExportIndex,
        tools: ComponentExportIndex,
        call_tool: ComponentExportIndex,
        finish: ComponentExportIndex,
    },
    /// `request` and `finish` of world `human`.
    Human {
        request: ComponentExportIndex,
        finish: ComponentExportIndex,
    },
    /// A kind that is deployed and listed, and run by a later host.
    Other,
}

/// One exported function of a tool box.
pub struct Tool {
    pub name: String,
    pub index: ComponentExportIndex,
    pub signature: Signature,
}

const COMPONENT_HEADER: [u8; 8] = *b"\0asm\x0d\0\x01\0";
const CORE_HEADER: [u8; 8] = *b"\0asm\x01\0\0\0";

/// Refuses what is no component, saying what it is instead.
pub fn check_bytes(bytes: &[u8], bytes_max: u64) -> Result<(), Fault> {
    let not =
        |what: &str| Err(Fault::invalid("NOT_A_COMPONENT", format!("this is {what}, not a WebAssembly component")));
    if bytes.len() as u64 > bytes_max {
        let message = format!("the component is {} bytes; at most {bytes_max} are accepted", bytes.len());
        return Err(Fault::invalid("COMPONENT_TOO_LARGE", message));
    }
    if bytes.starts_with(&COMPONENT_HEADER) {
        return Ok(());
    }
    if bytes.starts_with(&CORE_HEADER) {
        let message = "this is a core WebAssembly module, not a component. Build for a component target (Rust: \
                       `--target wasm32-wasip2`; others: `org.ai functions build`), or wrap it with \
                       `wasm-tools component new module.wasm -o component.wasm`";
        return Err(Fault::invalid("NOT_A_COMPONENT", message));
    }
    let text = bytes.trim_ascii_start();
    if text.starts_with(b"(module") || text.starts_with(b"(component") {
        return not("WebAssembly in its text form (assemble it with `wasm-tools parse`)");
    }
    if bytes.is_empty() {
        return not("an empty file");
    }
    if bytes.starts_with(b"\0asm") {
        return not("WebAssembly of an unknown version, or a file that was cut short");
    }
    if bytes.iter().all(|byte| *byte == 0) {
        return not("nothing but zero bytes");
    }
    if std::str::from_utf8(&bytes[..bytes.len().min(1024)]).is_ok() {
        return not("text");
    }
    not("some other binary file")
}

/// The imports that the host does not offer, each with the nearest that it does.
pub fn unknown_imports(ty: &ComponentType, engine: &wasmtime::Engine, offered: &[String]) -> Vec<String> {
    let offered: BTreeSet<&str> = offered.iter().map(|name| unversioned(name)).collect();
    ty.imports(engine)
        .filter(|(name, import)| !offered.contains(unversioned(name)) && !is_types_only(&import.ty, engine))
        .map(|(name, _)| name)
        .map(|name| match nearest(unversioned(name), offered.iter().copied()) {
            Some(known) => format!("`{name}` (the nearest that is offered: `{known}`)"),
            None => format!("`{name}`"),
        })
        .collect()
}

/// An interface of the component's own that only has types: there is nothing in it to offer.
fn is_types_only(item: &ComponentItem, engine: &wasmtime::Engine) -> bool {
    match item {
        ComponentItem::Type(_) => true,
        ComponentItem::ComponentInstance(instance) => {
            instance.exports(engine).all(|(_, export)| matches!(export.ty, ComponentItem::Type(_)))
        }
        ComponentItem::ComponentFunc(_)
        | ComponentItem::CoreFunc(_)
        | ComponentItem::Module(_)
        | ComponentItem::Component(_)
        | ComponentItem::Resource(_) => false,
    }
}

fn unversioned(name: &str) -> &str {
    name.split_once('@').map_or(name, |(name, _)| name)
}

/// Kind, actions and what to call, from the exports.
pub fn inspect(component: &Component) -> Result<(Inspection, Entry), Fault> {
    let engine = component.engine();
    let ty = component.component_type();
    let imports = ty.imports(engine).map(|(name, _)| name.to_owned()).collect();
    let kind = kind(&ty, engine);
    let export = |name: &str| component.get_export_index(None, name).ok_or_else(Fault::internal);
    let (actions, entry) = match kind {
        FunctionKind::Code => (vec![any_json()], Entry::Code(export("run")?)),
        FunctionKind::ToolBox => {
            let tools = tools(component, &ty)?;
            (tools.iter().map(Tool::action).collect(), Entry::Tools(tools))
        }
        FunctionKind::Generative => {
            (vec![any_json()], Entry::Generative { prompt: export("prompt")?, finish: export("finish")? })
        }
        FunctionKind::Agentic => {
            let (goal, tools) = (export("goal")?, export("tools")?);
            let (call_tool, finish) = (export("call-tool")?, export("finish")?);
            (vec![any_json()], Entry::Agentic { goal, tools, call_tool, finish })
        }
        FunctionKind::Human => {
            (vec![any_json()], Entry::Human { request: export("request")?, finish: export("finish")? })
        }
        FunctionKind::App => (Vec::new(), Entry::App { describe: export("describe")?, handle: export("handle")? }),
        FunctionKind::Site => (Vec::new(), Entry::Other),
    };
    Ok((Inspection { kind, actions, imports }, entry))
}

/// A function of a world takes and gives any JSON, unless its manifest says more.
fn any_json() -> ActionShape {
    let any = Json::from_value(&serde_json::Value::Object(serde_json::Map::new()));
    ActionShape { export: None, description: None, input: any.clone(), output: any }
}

impl Tool {
    fn action(&self) -> ActionShape {
        ActionShape {
            export: Some(self.name.clone()),
            description: None,
            input: Json::from_value(&schema::input(&self.signature)),
            output: Json::from_value(&schema::output(&self.signature)),
        }
    }
}

/// Spec WSM-2: by names and types. The same names with other types are somebody else's functions.
fn kind(ty: &ComponentType, engine: &wasmtime::Engine) -> FunctionKind {
    let json = Some(Ty::Result(Some(Box::new(Ty::String)), Some(Box::new(fault()))));
    let has = |name: &str, params: &[&str], result: &Option<Ty>| {
        let Some(ComponentItem::ComponentFunc(func)) = ty.get_export(engine, name).map(|export| export.ty) else {
            return false;
        };
        Signature::read(&func).is_ok_and(|signature| {
            signature.result == *result
                && signature.params.len() == params.len()
                && signature.params.iter().zip(params).all(|((name, ty), param)| name == param && *ty == Ty::String)
        })
    };
    let exports_site = ty.exports(engine).any(|(name, _)| name.starts_with("wasi:http/incoming-handler@0.2"));
    if exports_site {
        FunctionKind::Site
    } else if has("goal", &["input"], &json)
        && has("tools", &[], &json)
        && has("call-tool", &["name", "args"], &json)
        && has("finish", &["input", "outcome"], &json)
    {
        FunctionKind::Agentic
    } else if has("prompt", &["input"], &json) && has("finish", &["input", "answer"], &json) {
        FunctionKind::Generative
    } else if has("request", &["input"], &json) && has("finish", &["input", "response"], &json) {
        FunctionKind::Human
    } else if has("describe", &[], &Some(Ty::String)) && has("handle", &["kind", "name", "payload"], &json) {
        FunctionKind::App
    } else if has("run", &["input"], &json) {
        FunctionKind::Code
    } else {
        FunctionKind::ToolBox
    }
}

/// `fault` of `org-ai:types`.
fn fault() -> Ty {
    let kinds = types::FaultKind::ALL.iter().map(|kind| {
        let name = serde_json::to_value(kind).ok();
        name.as_ref().and_then(|name| name.as_str()).unwrap_or_default().to_owned()
    });
    Ty::Record(vec![
        ("kind".into(), Ty::Enum(kinds.collect())),
        ("code".into(), Ty::String),
        ("message".into(), Ty::String),
        ("details".into(), Ty::Option(Box::new(Ty::String))),
    ])
}

/// Functions that one component may offer; a list for people and models should not be longer.
const TOOLS_MAX: usize = 1000;

fn tools(component: &Component, ty: &ComponentType) -> Result<Vec<Tool>, Fault> {
    let engine = component.engine();
    let mut found = Vec::new();
    for (name, export) in ty.exports(engine) {
        match export.ty {
            ComponentItem::ComponentFunc(func) => {
                let index = component.get_export_index(None, name);
                found.push((None, name.to_owned(), index, signature(name, &func)?));
            }
            ComponentItem::ComponentInstance(instance) => {
                let parent = component.get_export_index(None, name);
                for (function, export) in instance.exports(engine) {
                    if let ComponentItem::ComponentFunc(func) = export.ty {
                        let index = component.get_export_index(parent.as_ref(), function);
                        let signature = signature(&format!("{name}.{function}"), &func)?;
                        found.push((Some(interface(name).to_owned()), function.to_owned(), index, signature));
                    }
                }
            }
            ComponentItem::Component(_)
            | ComponentItem::CoreFunc(_)
            | ComponentItem::Module(_)
            | ComponentItem::Type(_)
            | ComponentItem::Resource(_) => {}
        }
    }
    if found.is_empty() {
        let message = "the component exports no function. Export `run` of world `org-ai:function/code`, or functions of \
                       your own, each of which becomes an action";
        return Err(Fault::invalid("NO_EXPORTS", message));
    }
    if found.len() > TOOLS_MAX {
        let message = format!("the component exports {} functions; at most {TOOLS_MAX} are accepted", found.len());
        return Err(Fault::invalid("TOO_MANY_EXPORTS", message));
    }
    let names: Vec<_> = found.iter().map(|(_, function, ..)| function.clone()).collect();
    let mut tools: Vec<Tool> = Vec::with_capacity(found.len());
    for (interface, function, index, signature) in found {
        let is_ambiguous = names.iter().filter(|name| **name == function).count() > 1;
        let name = match interface {
            Some(interface) if is_ambiguous => format!("{interface}.{function}"),
            _ => function,
        };
        if tools.iter().any(|tool| tool.name == name) {
            let message = format!("two exported functions would both be called `{name}`: rename one of the interfaces");
            return Err(Fault::invalid("AMBIGUOUS_EXPORT", message));
        }
        tools.push(Tool { name, index: index.ok_or_else(Fault::internal)?, signature });
    }
    Ok(tools)
}

/// `ops` of `acme:calc/ops@1.0.0`.
fn interface(name: &str) -> &str {
    let name = unversioned(name);
    name.rsplit_once('/').map_or(name, |(_, interface)| interface)
}

fn signature(name: &str, func: &ComponentFunc) -> Result<Signature, Fault> {
    Signature::read(func).map_err(|what| {
        let message = format!(
            "the exported function `{name}` uses {what}, which has no JSON form. Actions take and give values: records, \
             variants, enums, options, results, lists, tuples, flags, strings and numbers"
        );
        Fault::invalid("UNSUPPORTED_TYPE", message)
    })
}
