//! The types of a component's exports, read once, when it is loaded.

use wasmtime::component::types::{ComponentFunc, Type};

/// A WIT value type. It stands alone: what it was read from may be gone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ty {
    Bool,
    Int(Int),
    F32,
    F64,
    Char,
    String,
    /// `list<u8>`: in JSON a base64 string.
    Bytes,
    List(Box<Ty>),
    FixedList(Box<Ty>, usize),
    Map(Box<Ty>, Box<Ty>),
    Record(Vec<(String, Ty)>),
    Tuple(Vec<Ty>),
    Variant(Vec<(String, Option<Ty>)>),
    Enum(Vec<String>),
    Option(Box<Ty>),
    Result(Option<Box<Ty>>, Option<Box<Ty>>),
    Flags(Vec<String>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Int {
    S8,
    U8,
    S16,
    U16,
    S32,
    U32,
    S64,
    U64,
}

impl Int {
    pub fn name(self) -> &'static str {
        match self {
            Self::S8 => "s8",
            Self::U8 => "u8",
            Self::S16 => "s16",
            Self::U16 => "u16",
            Self::S32 => "s32",
            Self::U32 => "u32",
            Self::S64 => "s64",
            Self::U64 => "u64",
        }
    }

    pub fn range(self) -> (i128, i128) {
        match self {
            Self::S8 => (i8::MIN.into(), i8::MAX.into()),
            Self::U8 => (0, u8::MAX.into()),
            Self::S16 => (i16::MIN.into(), i16::MAX.into()),
            Self::U16 => (0, u16::MAX.into()),
            Self::S32 => (i32::MIN.into(), i32::MAX.into()),
            Self::U32 => (0, u32::MAX.into()),
            Self::S64 => (i64::MIN.into(), i64::MAX.into()),
            Self::U64 => (0, u64::MAX.into()),
        }
    }
}

/// One exported function.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signature {
    pub params: Vec<(String, Ty)>,
    pub result: Option<Ty>,
}

impl Signature {
    /// The error names the first type that has no JSON form.
    pub fn read(func: &ComponentFunc) -> Result<Self, &'static str> {
        if func.async_() {
            return Err("an async function");
        }
        let params = func
            .params()
            .map(|(name, ty)| Ok((name.to_owned(), Ty::read(&ty)?)))
            .collect::<Result<_, &'static str>>()?;
        let result = func.results().next().map(|ty| Ty::read(&ty)).transpose()?;
        Ok(Self { params, result })
    }

    /// The parts of a top-level `result<T, E>`, which is how a function of a tool box fails.
    pub fn fallible(&self) -> Option<(Option<&Ty>, Option<&Ty>)> {
        match &self.result {
            Some(Ty::Result(ok, err)) => Some((ok.as_deref(), err.as_deref())),
            _ => None,
        }
    }
}

impl Ty {
    pub fn read(ty: &Type) -> Result<Self, &'static str> {
        let boxed = |ty: Type| Self::read(&ty).map(Box::new);
        let names = |names: &mut dyn Iterator<Item = &str>| names.map(str::to_owned).collect();
        Ok(match ty {
            Type::Bool => Self::Bool,
            Type::S8 => Self::Int(Int::S8),
            Type::U8 => Self::Int(Int::U8),
            Type::S16 => Self::Int(Int::S16),
            Type::U16 => Self::Int(Int::U16),
            Type::S32 => Self::Int(Int::S32),
            Type::U32 => Self::Int(Int::U32),
            Type::S64 => Self::Int(Int::S64),
            Type::U64 => Self::Int(Int::U64),
            Type::Float32 => Self::F32,
            Type::Float64 => Self::F64,
            Type::Char => Self::Char,
            Type::String => Self::String,
            Type::List(list) => match list.ty() {
                Type::U8 => Self::Bytes,
                other => Self::List(boxed(other)?),
            },
            Type::FixedLengthList(list) => Self::FixedList(boxed(list.ty())?, list.len() as usize),
            Type::Map(map) => Self::Map(boxed(map.key())?, boxed(map.value())?),
            Type::Record(record) => Self::Record(
                record
                    .fields()
                    .map(|field| Ok((field.name.to_owned(), Self::read(&field.ty)?)))
                    .collect::<Result<_, &'static str>>()?,
            ),
            Type::Tuple(tuple) => Self::Tuple(tuple.types().map(|ty| Self::read(&ty)).collect::<Result<_, _>>()?),
            Type::Variant(variant) => Self::Variant(
                variant
                    .cases()
                    .map(|case| Ok((case.name.to_owned(), case.ty.map(|ty| Self::read(&ty)).transpose()?)))
                    .collect::<Result<_, &'static str>>()?,
            ),
            Type::Enum(cases) => Self::Enum(names(&mut cases.names())),
            Type::Option(inner) => Self::Option(boxed(inner.ty())?),
            Type::Result(result) => {
                Self::Result(result.ok().map(boxed).transpose()?, result.err().map(boxed).transpose()?)
            }
            Type::Flags(flags) => Self::Flags(names(&mut flags.names())),
            Type::Own(_) | Type::Borrow(_) => return Err("a resource"),
            Type::Future(_) => return Err("a future"),
            Type::Stream(_) => return Err("a stream"),
            Type::ErrorContext => return Err("an error-context"),
        })
    }

    /// As an error message names it.
    pub fn name(&self) -> String {
        let list = |types: &[&Ty]| types.iter().map(|ty| ty.name()).collect::<Vec<_>>().join(", ");
        match self {
            Self::Bool => "bool".into(),
            Self::Int(int) => int.name().into(),
            Self::F32 => "f32".into(),
            Self::F64 => "f64".into(),
            Self::Char => "char".into(),
            Self::String => "string".into(),
            Self::Bytes => "list<u8> (a base64 string)".into(),
            Self::List(inner) => format!("list<{}>", inner.name()),
            Self::FixedList(inner, len) => format!("list<{}, {len}>", inner.name()),
            Self::Map(key, value) => format!("map<{}, {}>", key.name(), value.name()),
            Self::Record(fields) => {
                let names: Vec<_> = fields.iter().map(|(name, _)| name.as_str()).collect();
                format!("record {{{}}}", names.join(", "))
            }
            Self::Tuple(types) => format!("tuple<{}>", list(&types.iter().collect::<Vec<_>>())),
            Self::Variant(cases) => {
                let names: Vec<_> = cases.iter().map(|(name, _)| name.as_str()).collect();
                format!("variant {{{}}}", names.join(", "))
            }
            Self::Enum(names) => format!("enum {{{}}}", names.join(", ")),
            Self::Option(inner) => format!("option<{}>", inner.name()),
            Self::Result(ok, err) => {
                let part = |ty: &Option<Box<Ty>>| ty.as_ref().map_or_else(|| "_".to_owned(), |ty| ty.name());
                format!("result<{}, {}>", part(ok), part(err))
            }
            Self::Flags(names) => format!("flags {{{}}}", names.join(", ")),
        }
    }

    /// Whether `null` means "none" for it. An option of an option has another form, or the two would be one.
    pub fn is_nullable(&self) -> bool {
        matches!(self, Self::Option(_))
    }
}
